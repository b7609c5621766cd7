"""What cycles of demo data are: their config, their record, their clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from camelx.calls import Assignment
from camelx.config import RunConfig, parse_config
from camelx.cycles.opening import new_cycle
from camelx.demo_data.agents import AGENTS, MODEL, SYSTEMS
from camelx.schemas import Cycle, Goal, Interaction, Stage, Vote, derived_seed, stable_id

_CALL_S = 2.0
"""Between two moments of a cycle."""


def demo_config(seed: int) -> RunConfig:
    """Return the config of a cycle of demo data: its agents stand on a backend that says why it can't answer.

    The policy's name is its own, so that no real cycle belongs to the same line.
    """
    agents = [
        {
            "name": skill.name,
            "role": skill.role,
            "backend": MODEL,
            "samples": skill.samples,
            "system": SYSTEMS[skill.role],
        }
        for skill in AGENTS
    ]
    backend = {"kind": "scripted", "replies": ["This is demo data: there is no model behind it."]}
    return parse_config(
        {
            "seed": seed,
            "policy": {"base": "demo", "name": MODEL},
            "agents": {"backends": {MODEL: backend}, "agents": agents},
            "ranking": {"comparisons_per_goal": 5, "reviewers_per_pair": 2, "peers_review": False},
        }
    )


def demo_cycle(number: int, config: RunConfig, goals: Sequence[Goal], start: datetime) -> Cycle:
    """Return the record of a cycle whose interactions no model made."""
    cycle = new_cycle(number, config, Path(MODEL), None, goals)
    return cycle.model_copy(
        update={
            "origin": "import",
            "config_path": None,
            "trace_id": stable_id("trace", MODEL, config.seed, number),
            "started_at": start,
        }
    )


def assignment_of(cycle: Cycle, config: RunConfig, stage: Stage) -> Assignment:
    """Return what the calls of a stage share; one at a time, so that their moments are always the same."""
    return Assignment(
        cycle_id=cycle.id,
        stage=stage,
        trace_id=cycle.trace_id,
        seed=derived_seed(config.seed, cycle.number),
        concurrency=1,
        max_failure_rate=config.generation.max_failure_rate,
    )


class Clock:
    """Moments of a cycle, each a little after the one before."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def __call__(self) -> datetime:
        """Return the next moment."""
        self._now += timedelta(seconds=_CALL_S)
        return self._now

    def stamped(self, row: Interaction) -> Interaction:
        """Return the row with the next moment."""
        return row.model_copy(update={"created_at": self()})

    def stamped_turn(self, votes: Sequence[Vote], turn: Interaction) -> tuple[list[Vote], Interaction]:
        """Return a turn with the next moment, and its votes with the same."""
        turn = self.stamped(turn)
        return [vote.model_copy(update={"created_at": turn.created_at}) for vote in votes], turn
