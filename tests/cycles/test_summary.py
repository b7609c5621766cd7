"""What a cycle's page says: of the gate and what is in use, of time, and of what can be done next."""

from __future__ import annotations

from typing import Any

import pytest
from cycle_page import page_of

from camelx.cycles.summary import CycleSummary, next_steps
from camelx.schemas import Cycle, CycleStatus, Stage, StageReport


def _summary(
    status: CycleStatus = CycleStatus.COMPLETED,
    reports: dict[Stage, StageReport] | None = None,
    *,
    seconds: float = 0.0,
    config: dict[str, Any] | None = None,
    config_path: str | None = "configs/cycle.yaml",
) -> CycleSummary:
    cycle = Cycle(
        id="c12",
        number=12,
        config=config or {},
        config_path=config_path,
        trace_id="t",
        status=status,
        seconds=seconds,
    )
    return CycleSummary(cycle=cycle, reports=reports or {})


def _report(stage: Stage, status: CycleStatus = CycleStatus.COMPLETED, **fields: Any) -> StageReport:
    return StageReport(cycle_id="c12", stage=stage, status=status, **fields)


def _commands(summary: CycleSummary) -> list[str]:
    return [command for command, _ in next_steps(summary)]


def _registered(*, passed: bool, promoted: bool, **details: Any) -> dict[Stage, StageReport]:
    shared = {"champion_levels": {}, "challenger_levels": {}, "reasons": ["why"]}
    difference = dict.fromkeys(("champion", "challenger", "difference", "low", "high"), 0.1) | {"n": 4}
    version = {"name": "tiny", "version": 3, "aliases": [], "promoted": promoted, **details}
    return {
        Stage.EVALUATE: _report(
            Stage.EVALUATE, details={"difference": difference, "promoted": passed, **shared}
        ),
        Stage.REGISTER: _report(Stage.REGISTER, details=version),
    }


def test_the_page_says_where_there_were_fewer_goals_than_asked_for() -> None:
    reports = {
        Stage.GENERATE: _report(Stage.GENERATE, counts={"goals": 22}),
        **_registered(passed=False, promoted=False),
    }
    reports[Stage.EVALUATE] = reports[Stage.EVALUATE].model_copy(update={"counts": {"goals": 4}})
    summary = _summary(reports=reports, config={"goals": {"n": 200, "heldout_n": 300}})
    cycle = summary.cycle.model_copy(update={"goal_ids": tuple(map(str, range(22)))})
    page = page_of(summary.model_copy(update={"cycle": cycle}))
    assert "22 of the 200 goals asked for" in page
    assert "4 of the 300 held-out goals asked for" in page
    assert "too few to decide anything" in page


def test_judging_its_pairs_is_the_first_thing_to_do_after_a_cycle() -> None:
    assert _commands(_summary())[0] == "camelx annotate --cycle c12"


def test_the_command_is_called_as_it_is_called_on_this_machine() -> None:
    steps = next_steps(_summary(), camelx=".venv/bin/camelx")
    assert steps[0][0] == ".venv/bin/camelx annotate --cycle c12"


@pytest.mark.parametrize(
    ("config", "path", "command"),
    [
        ({}, None, "camelx cycle"),
        ({"goals": {"source": "demo"}}, "configs/cycle.yaml", "camelx cycle"),
        (
            {"goals": {"source": "database"}},
            "my own.yaml",
            "camelx cycle --config 'my own.yaml' --set goals.source=database",
        ),
    ],
)
def test_the_next_cycle_takes_the_same_config_and_goals(
    config: dict[str, Any], path: str | None, command: str
) -> None:
    assert command in _commands(_summary(config=config, config_path=path))


def test_the_next_cycle_starts_from_the_new_version_only_where_it_was_promoted() -> None:
    for promoted, said in ((True, "from the promoted adapter"), (False, "from the version in use")):
        steps = dict(next_steps(_summary(reports=_registered(passed=promoted, promoted=promoted))))
        assert said in steps["camelx cycle"]


def test_a_cycle_that_was_cancelled_is_gone_on_with() -> None:
    assert _commands(_summary(CycleStatus.CANCELLED))[0] == "camelx cycle --cycle c12"


def test_pairs_that_broke_a_rule_are_not_validated_again_as_they_are() -> None:
    reports = {Stage.VALIDATE: _report(Stage.VALIDATE, CycleStatus.FAILED)}
    commands = _commands(_summary(CycleStatus.FAILED, reports))
    assert "camelx cycle --cycle c12" not in commands
    assert "camelx cycle --cycle c12 --from export-preference-pairs" in commands
    assert "camelx cycle" in commands


def test_passing_the_gate_is_not_called_being_in_use() -> None:
    reports = _registered(passed=True, promoted=False, compared_with=None, in_use=2)
    page = page_of(_summary(reports=reports))
    assert "gate: passed: why" in page
    assert "no: it was compared with the base, and version 2 was in use by then; `camelx promote 3`" in page
    assert "put in use: yes" in page_of(_summary(reports=_registered(passed=True, promoted=True)))
    kept = page_of(_summary(reports=_registered(passed=False, promoted=False)))
    assert "gate: not passed: why" in kept
    assert "put in use: no: it did not pass the gate" in kept


def test_a_step_whose_loss_was_not_finite_is_left_out_of_the_curve() -> None:
    history = [{"loss": None, "rewards/margins": None}, {"loss": 0.5, "rewards/margins": None}, {"loss": 0.1}]
    for steps, titles in ((history, ["loss", "steps"]), (history[:1], [])):
        reports = {Stage.TRAIN: _report(Stage.TRAIN, details={"history": steps})}
        rows = dict(_summary(reports=reports).sections())["Training"]
        assert [what for what, _ in rows] == titles
    reports = {Stage.TRAIN: _report(Stage.TRAIN, details={"history": history})}
    assert dict(dict(_summary(reports=reports).sections())["Training"])["loss"] == "0.500 █▁ 0.100"


def test_without_votes_the_page_does_not_speak_of_the_reviewers_agreement() -> None:
    panel = {"verified": False, "n_labelled": 0, "conflicts": []}
    for n, said in ((0, "nobody compared anything"), (2, "their agreement is taken for quality")):
        reports = {Stage.RANK: _report(Stage.RANK, counts={"votes": n}, details={"panel": panel})}
        assert said in dict(dict(_summary(reports=reports).sections())["Work"])["reviewers"]


def test_the_time_of_a_killed_run_is_not_lost_from_the_whole() -> None:
    reports = {
        Stage.GENERATE: _report(Stage.GENERATE, seconds=70.0, model_seconds=60.0),
        Stage.RANK: _report(Stage.RANK, seconds=30.0, model_seconds=30.0),
    }
    facts = _summary(reports=reports, seconds=50.0).as_json()
    assert (facts["seconds"], facts["overhead_share"]) == (100.0, 0.1)
    assert "so far: 100.0 s, overhead 10%" in page_of(_summary(CycleStatus.RUNNING, reports))


def test_a_cycle_that_has_taken_no_time_yet_shows_none() -> None:
    assert "overhead" not in page_of(_summary(CycleStatus.RUNNING))
    assert "peak memory" not in page_of(_summary(CycleStatus.RUNNING))
