"""A project with two registered versions on a tiny base: real LoRAs, real curves, cycles in the database."""

from __future__ import annotations

import json
from pathlib import Path

from tiny_model import build_tiny_model

from camelx.config import Settings, load_config
from camelx.export import write_pairs
from camelx.registry import Registry
from camelx.schemas import (
    Cycle,
    CycleStatus,
    Goal,
    Interaction,
    Message,
    PreferencePair,
    Role,
    Stage,
    StageReport,
    Verdict,
    Vote,
)
from camelx.storage import Store

NAME = "tiny"
EVIL = "<script>window.hurt=1</script><img src=x onerror=window.hurt=1> [x](javascript:window.hurt=1) **b**"
_AGENTS = """\
# ours
backends:
  policy: {kind: transformers, model: policy, adapter: champion}
agents:
  - {name: proposer, role: proposer, backend: policy, system: Plan., sampling: {max_tokens: 8}}
  - {name: executor, role: executor, backend: policy, system: Work., sampling: {max_tokens: 12}}  # works
  - {name: reviewer, role: peer_reviewer, backend: policy, system: Judge.}
"""


def project(root: Path) -> Settings:
    """Write the project's configs, and return its settings."""
    base = build_tiny_model(root / "base")
    (root / "configs").mkdir()
    (root / "configs" / "agents.yaml").write_text(_AGENTS)
    (root / "configs" / "cycle.yaml").write_text(f'policy: {{base: "{base}", name: {NAME}}}\n')
    return Settings(root=root, project=root)


def with_two_versions(root: Path) -> Settings:
    """Return the settings of a project with two versions: 1 is the champion, 2 continues it."""
    settings = project(root)
    registry = Registry(settings.resolved_mlflow_uri, settings.mlruns_dir / "artifacts")
    with Store.open(settings.resolved_database_url) as store:
        for number in (1, 2):
            _cycle(store, settings, number)
            _register(registry, settings, number)
    registry.promote(NAME, 1)
    return settings


def _cycle(store: Store, settings: Settings, number: int) -> None:
    cycle_id, goal = f"c{number}", Goal.new(f"How much is {number} + 1? {EVIL}")
    config = load_config(settings.configs_dir / "cycle.yaml", {"training.beta": 0.1 * number})
    store.add_goals([goal])
    store.add_cycle(
        Cycle(
            id=cycle_id,
            number=number,
            status=CycleStatus.COMPLETED,
            config=config.model_dump(mode="json"),
            trace_id="t",
            goal_ids=(goal.id,),
            parent_version=number - 1 or None,
        )
    )
    asked = (Message(role="user", content=f"Goal: {goal.text}"),)
    rows = [
        Interaction(
            id=f"{cycle_id}-{side}",
            cycle_id=cycle_id,
            stage=Stage.GENERATE,
            goal_id=goal.id,
            agent="executor",
            role=Role.EXECUTOR,
            model="tiny",
            messages=asked,
            completion=f"{side} {EVIL}",
        )
        for side in ("good", "poor")
    ]
    vote = Vote(
        id=f"{cycle_id}-vote",
        cycle_id=cycle_id,
        goal_id=goal.id,
        judge="reviewer",
        first_id=rows[0].id,
        second_id=rows[1].id,
        verdict=Verdict.FIRST,
    )
    store.save_interactions(rows)
    store.save_votes([vote])
    for stage, details in (
        (Stage.EVALUATE, {"reasons": [f"difference +{number}.00 is enough"], "promoted": number == 1}),
        (Stage.REGISTER, {"name": NAME, "version": number, "promoted": number == 1}),
    ):
        store.save_stage_report(
            StageReport(cycle_id=cycle_id, stage=stage, status=CycleStatus.COMPLETED, details=details)
        )
    pair = PreferencePair(
        id=f"pair{number}" + "0" * 19,
        cycle_id=cycle_id,
        goal_id=goal.id,
        role=Role.EXECUTOR,
        prompt=asked,
        chosen=rows[0].completion,
        rejected=rows[1].completion,
        weight=0.8,
        margin=1.0,
        source="votes",
        chosen_id=rows[0].id,
        rejected_id=rows[1].id,
        vote_ids=(vote.id,),
    )
    write_pairs([pair], settings.cycle_dir(cycle_id))


def _register(registry: Registry, settings: Settings, number: int) -> None:
    from camelx.adapters import file_sha256

    folder = settings.adapters_dir / f"c{number}"
    _write_adapter(settings.root / "base", folder, seed=number)
    (folder / "README.md").write_text(f"# Version {number}\n\n| a | b |\n|---|---|\n| {EVIL} | 1 |\n")
    pairs = settings.cycle_dir(f"c{number}") / "pairs.parquet"
    (folder / "manifest.json").write_text(json.dumps({"pairs_sha256": file_sha256(pairs)}))
    heldout = {"n": 40, "champion": 0.4, "challenger": 0.4 + 0.1 * number, "difference": 0.1 * number}
    measured = heldout | {"low": 0.05, "high": 0.3, "p_value": 0.01}
    run_id = registry.start_run(f"c{number}", {"training.beta": 0.1 * number}, {"trace_id": "t"})
    for step in range(1, 6):
        registry.log_metrics(run_id, {"loss": 1 / step, "rewards/margins": 0.1 * step}, step)
    registry.register(
        run_id,
        NAME,
        folder,
        str(settings.root / "base"),
        {f"heldout_{key}": value for key, value in measured.items()},
        {"promoted": str(number == 1).lower(), "parent_version": "base" if number == 1 else "1"},
        [],
    )


def _write_adapter(base: Path, folder: Path, *, seed: int) -> None:
    """Write a LoRA that changes what the base says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(str(folder))
