"""`train_dpo`: one call from a pairs file to a whole adapter directory, safe to kill and to repeat."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camelx.adapters import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    MANIFEST,
    MODEL_CARD,
    check_adapter_files,
    file_sha256,
    read_manifest,
)
from camelx.config import TrainingConfig
from camelx.errors import TrainingError, boundary
from camelx.training.pairs import Conversation, check_rows, disarmed_rows, read_rows
from camelx.training.provenance import Job, build_manifest, check_parent_base, model_card

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

_RECIPE = "recipe.json"
_FINISHED = "adapter"


@dataclass(frozen=True)
class TrainingResult:
    """What training gave."""

    adapter: Path
    """The adapter directory, whole."""
    steps: int
    """Optimiser steps of the whole run, those before an interruption included."""
    metrics: dict[str, float]
    """The last step's metrics under TRL's names, such as "loss" and "rewards/margins"."""
    model_seconds: float
    """Seconds in forward and backward passes during this call; 0.0 where the adapter was there already."""
    history: list[dict[str, float]]
    """The metrics of each step in order, with "step" and "epoch"."""


def train_dpo(
    pairs_parquet: Path,
    out: Path,
    *,
    base: str,
    parent_adapter: Path | None,
    settings: TrainingConfig,
    seed: int,
    on_metrics: Callable[[int, dict[str, float]], None],
    manifest: Mapping[str, Any],
) -> TrainingResult:
    """Train a LoRA adapter on preference pairs by DPO with an SFT term, and return where it lies.

    The parent's LoRA is continued on the original base, so each version is one complete adapter; its shape
    is kept, whatever `settings.lora` says. The same recipe (base, parent, pairs, settings, seed) gives the
    same bytes on the same machine. Work in progress lies in the folder `<out>.work`: after a kill the next
    call goes on from its last checkpoint, and `out` is renamed into place last. Where `out` exists and is
    of the same recipe, it is returned and nothing is trained.

    Pairs count equally: their `weight` has decided on export whether they are here.

    Args:
        pairs_parquet: Columns prompt (messages), chosen and rejected (text, or messages).
        out: The adapter directory to make.
        base: Directory or hub id of the base model.
        parent_adapter: The champion's adapter directory; None: start a new LoRA.
        settings: The training section of the config.
        seed: Decides the new LoRA, the order of the pairs, dropout.
        on_metrics: Called after each step with its number (from 1) and its metrics; after a resumption
            the steps since the last checkpoint come again.
        manifest: What else to write into manifest.json, such as cycle_id, name and parent_version.

    Raises:
        TrainingError: The pairs are missing, empty or too long, the base is missing, the parent is of
            another base or holds a pickle, the loss became NaN, or `out` is of another recipe.

    Source:
        Direct Preference Optimization, https://arxiv.org/abs/2305.18290, equation 7; the SFT term is that
        of Iterative Reasoning Preference Optimization, https://arxiv.org/abs/2404.19733, equation 1.
    """
    with boundary(TrainingError, f"training on {pairs_parquet}"):
        job = Job(pairs_parquet, base, parent_adapter, settings, seed)
        rows = read_rows(pairs_parquet)
        if parent_adapter is not None:
            check_adapter_files(parent_adapter, TrainingError)
        recipe = job.recipe()
        work = out.with_name(out.name + ".work")
        seconds = 0.0
        if not out.exists():
            if parent_adapter is not None:
                check_parent_base(parent_adapter, base, recipe["base_sha256"])
            _prepare(work, recipe)
            given = {"base": base, **manifest, "n_pairs": len(rows)}
            seconds = _train(job, rows, work, recipe, given, on_metrics)
            (work / _FINISHED).rename(out)
        result = _finished(out, recipe, seconds)
        shutil.rmtree(work, ignore_errors=True)
        return result


def _prepare(work: Path, recipe: Mapping[str, Any]) -> None:
    """Make the work folder; one that another recipe left is emptied, one of this recipe is kept."""
    file = work / _RECIPE
    text = json.dumps(recipe, sort_keys=True)
    if not file.is_file() or file.read_text("utf-8") != text:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        file.write_text(text, "utf-8")


def _train(
    job: Job,
    rows: list[dict[str, Conversation]],
    work: Path,
    recipe: Mapping[str, Any],
    given: Mapping[str, Any],
    on_metrics: Callable[[int, dict[str, float]], None],
) -> float:
    """Train, write the whole adapter directory inside the work folder, return the model's seconds."""
    from transformers import AutoTokenizer

    from camelx.training.trainer import load_base, load_policy, run_trainer

    tokenizer = AutoTokenizer.from_pretrained(job.base)
    rows = disarmed_rows(rows, tokenizer)
    base_model = load_base(job.base, job.settings)
    check_rows(rows, tokenizer, base_model, job.settings.max_length, job.pairs)
    policy = load_policy(base_model, job.parent, job.settings, job.seed)
    history, seconds = run_trainer(
        policy,
        tokenizer,
        rows,
        job.settings,
        work=work,
        seed=job.seed,
        cycle_id=str(given.get("cycle_id", "")),
        on_metrics=on_metrics,
    )
    _write(work / _FINISHED, policy, tokenizer, recipe, given, history)
    return seconds


def _write(
    folder: Path,
    policy: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Mapping[str, Any],
    given: Mapping[str, Any],
    history: list[dict[str, float]],
) -> None:
    """Write the adapter directory: PEFT's files, the tokenizer, manifest.json and README.md."""
    shutil.rmtree(folder, ignore_errors=True)
    policy.save_pretrained(str(folder), safe_serialization=True)
    tokenizer.save_pretrained(str(folder))
    _sort_lists(folder / ADAPTER_CONFIG)
    lora = policy.peft_config["default"]
    measured = {
        "adapter_sha256": file_sha256(folder / ADAPTER_WEIGHTS),
        "lora": {"r": lora.r, "alpha": lora.lora_alpha, "dropout": lora.lora_dropout},
        "steps": int(history[-1]["step"]),
        "metrics": {name: value for name, value in history[-1].items() if name != "step"},
        "history": history,
    }
    manifest = build_manifest(recipe, given, measured)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", "utf-8")
    (folder / MODEL_CARD).write_text(model_card(manifest), "utf-8")


def _sort_lists(file: Path) -> None:
    """Sort the lists of PEFT's config, which it writes from sets: the same adapter gives the same bytes."""
    config = json.loads(file.read_text("utf-8"))
    for name, value in config.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            config[name] = sorted(value)
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")


def _finished(out: Path, recipe: Mapping[str, Any], seconds: float) -> TrainingResult:
    """Return the result that lies in `out`, once it is seen to be whole and of this recipe."""
    check_adapter_files(out, TrainingError)
    manifest = read_manifest(out, TrainingError)
    differing = sorted(name for name, value in recipe.items() if manifest.get(name) != value)
    if differing:
        raise TrainingError(
            f"adapter directory {out} exists and was made from another {', '.join(differing)}; "
            "remove it to train again, or give another directory"
        )
    found = file_sha256(out / ADAPTER_WEIGHTS)
    if manifest["adapter_sha256"] != found:
        raise TrainingError(
            f"{out / ADAPTER_WEIGHTS} was changed after training: SHA-256 {found[:12]}, the manifest says "
            f"{manifest['adapter_sha256'][:12]}; remove {out} to train again"
        )
    return TrainingResult(out, manifest["steps"], manifest["metrics"], seconds, manifest["history"])
