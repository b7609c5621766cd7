"""The self-improvement cycle: agents work, rank each other, and the policy learns from the ranking."""

from __future__ import annotations

from typing import Any

from prefect import flow

from camelx.schemas import StageReport
from tasks import agents, data, training


@flow(
    name="self-improvement",
    on_completion=[data.close_cycle],
    on_failure=[data.close_cycle],
    on_crashed=[data.close_cycle],
    on_cancellation=[data.close_cycle],
)
def self_improvement(
    config: str = "configs/cycle.yaml",
    cycle_id: str | None = None,
    from_stage: str | None = None,
    resume: bool = False,
    overrides: dict[str, Any] | None = None,
    queued_only: bool = False,
) -> StageReport:
    """Run one cycle, or what is left of it, and return the registration's report.

    Args:
        config: Path of a cycle.yaml, for a new cycle.
        cycle_id: Reopen this cycle.
        from_stage: Run this stage of it and all later ones again.
        resume: Reopen the latest cycle that did not complete.
        overrides: Config values by dotted key, such as {"goals.n": 50}.
        queued_only: Reopen `cycle_id` only if it waits to be begun: the app starts cycles so.
    """
    cycle = data.open_cycle(
        config,
        overrides=overrides,
        cycle_id=cycle_id,
        resume=resume,
        from_stage=from_stage,
        queued_only=queued_only,
    )
    agents.generate_interactions(cycle)
    agents.mutual_rank(cycle)
    data.export_preference_pairs(cycle)
    data.validate(cycle)
    training.train_dpo_adapter(cycle)
    training.evaluate_adapter(cycle)
    return training.register_in_mlflow(cycle)
