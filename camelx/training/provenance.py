"""What an adapter was made from: the recipe that decides its bytes, its manifest and its model card."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from camelx.adapters import ADAPTER_WEIGHTS, directory_sha256, file_sha256, read_manifest
from camelx.config import TrainingConfig
from camelx.errors import TrainingError

_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors")


@dataclass(frozen=True)
class Job:
    """What one training run is asked for; equal jobs on equal files give equal adapters."""

    pairs: Path
    base: str
    parent: Path | None
    settings: TrainingConfig
    seed: int

    def recipe(self) -> dict[str, Any]:
        """Return all that decides the adapter's weights, as JSON-ready hashes and values.

        A finished adapter is returned, and an unfinished one continued, only where the recipes are equal.
        """
        return {
            "base_sha256": base_sha256(self.base),
            "parent_sha256": None if self.parent is None else file_sha256(self.parent / ADAPTER_WEIGHTS),
            "pairs_sha256": file_sha256(self.pairs),
            "settings": self.settings.model_dump(mode="json"),
            "seed": self.seed,
        }


def base_sha256(base: str) -> str:
    """Return one SHA-256 over the base model's weight files.

    Raises:
        TrainingError: `base` is neither a directory nor a model of the hub, or has no safetensors weights.
    """
    folder = Path(base)
    if not folder.is_dir():
        folder = _hub_snapshot(base)
    if not any(folder.glob("*.safetensors")):
        raise TrainingError(f"base model {base} has no *.safetensors weights; pickled weights are not loaded")
    return directory_sha256(folder, "*.safetensors")


def _hub_snapshot(base: str) -> Path:
    """Return the local copy of a hub model's weights, downloaded where it is not there yet."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(base, allow_patterns=["*.safetensors", "*.json"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as e:
        raise TrainingError(
            f"base model {base!r} is neither a directory nor a model that the hub gives: {e}; "
            "name an existing directory in policy.base"
        ) from e


def check_parent_base(parent_adapter: Path, base: str, base_hash: str) -> None:
    """Check that the parent adapter was trained on this base.

    Raises:
        TrainingError: Its manifest names other weights.
    """
    manifest = read_manifest(parent_adapter, TrainingError)
    theirs = manifest.get("base_sha256")
    if theirs is not None and theirs != base_hash:
        raise TrainingError(
            f"parent adapter {parent_adapter} belongs to base {manifest.get('base')} (weights "
            f"{theirs[:12]}), but the base to train on is {base} (weights {base_hash[:12]}); "
            "set policy.base back, or give policy.name a new name to start over"
        )


def build_manifest(
    made_from: Mapping[str, Any], given: Mapping[str, Any], measured: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the manifest: what the caller gave, what the weights depend on, what training measured."""
    return {
        **given,
        **made_from,
        "camelx_version": _installed("camelx") or "unknown",
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "libraries": {name: found for name in _LIBRARIES if (found := _installed(name))},
        **measured,
    }


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_commit() -> str | None:
    """Return the commit of camelx's own checkout; None where it is installed without one."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        git(
            "ls-files", "--error-unmatch", Path(__file__).name
        )  # another project's checkout has not this file
        return git("rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return None


def model_card(manifest: Mapping[str, Any]) -> str:
    """Return README.md of the adapter directory: what it is, what it was made from, how to load it."""
    settings = manifest["settings"]
    metrics = "\n".join(f"| {name} | {value:.4g} |" for name, value in sorted(manifest["metrics"].items()))
    return f"""\
---
base_model: {json.dumps(manifest["base"])}
library_name: peft
pipeline_tag: text-generation
tags: [camelx, dpo, lora, trl]
---

# {manifest.get("name", "camelx adapter")}

A LoRA adapter trained with DPO on preference pairs that agents made by ranking each other's work.

| | |
|---|---|
| base model | {manifest["base"]} (weights {manifest["base_sha256"][:12]}) |
| parent version | {manifest.get("parent_version") or "none: a new LoRA on the base"} |
| cycle | {manifest.get("cycle_id", "none")} |
| preference pairs | {manifest["n_pairs"]} (SHA-256 {manifest["pairs_sha256"][:12]}) |
| loss | {settings["loss"]}, beta {settings["beta"]}, plus SFT term of weight {settings["sft_weight"]} |
| schedule | {settings["epochs"]:g} epochs, {settings["batch_size"]} pairs a step |
| learning rate | {settings["learning_rate"]:g} |
| LoRA | rank {manifest["lora"]["r"]}, alpha {manifest["lora"]["alpha"]} |
| seed | {manifest["seed"]} |
| camelx | {manifest["camelx_version"]} (commit {manifest["git_commit"] or "unknown"}) |

## Training metrics, at the last step

| metric | value |
|---|---|
{metrics}

## How to load it

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = AutoModelForCausalLM.from_pretrained({json.dumps(manifest["base"])})
model = PeftModel.from_pretrained(base, "this directory")
tokenizer = AutoTokenizer.from_pretrained("this directory")
```

It is one complete adapter on the base: earlier versions are not needed. `manifest.json` beside this file
says what it was made from, to the byte.
"""
