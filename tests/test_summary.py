"""What a cycle's page says of what can be done next."""

from __future__ import annotations

from camelx.schemas import Cycle, CycleStatus
from camelx.summary import CycleSummary, next_steps


def _steps(status: CycleStatus) -> list[str]:
    cycle = Cycle(id="c12", number=12, config={}, trace_id="t", status=status)
    return next_steps(CycleSummary(cycle=cycle, reports={}))


def test_judging_its_pairs_is_the_first_thing_to_do_after_a_cycle() -> None:
    assert _steps(CycleStatus.COMPLETED)[0].startswith("camelx annotate --cycle c12 ")


def test_what_can_be_done_stands_in_one_column() -> None:
    columns = {len(step) - len(step.split("  ", 1)[1].lstrip()) for step in _steps(CycleStatus.COMPLETED)}
    assert len(columns) == 1


def test_a_cycle_that_stopped_is_gone_on_with_first() -> None:
    assert "annotate" not in _steps(CycleStatus.FAILED)[0]
