"""The page Cycles: its handlers without a browser, and what they show."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from pairs_to_judge import add_pairs_to_judge
from stored_cycles import add_completed, add_running

from camelx.cycles.comparing import compare
from camelx.cycles.summary import CycleSummary, summaries_of
from camelx.errors import ConfigError
from camelx.schemas import Cycle, CycleStatus, Launch, LogLine, ProgressMade, Stage, StageReport, utc_now
from camelx.ui.charts import line_chart
from camelx.ui.cycle_pieces import Watched, comparison, time_left, training_steps, watched_cycle
from camelx.ui.pages.cycles import CyclesPage, overrides_of
from camelx.workspace import Workspace

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e[x](javascript:alert(3))\x1b[31m"


@pytest.fixture
def page(workspace: Workspace) -> CyclesPage:
    return CyclesPage(workspace)


def asks(**query: str) -> gr.Request:
    return gr.Request(username="local", query_params=query)


def test_without_cycles_the_page_says_what_to_do(page: CyclesPage) -> None:
    selected, listing, watched, cancel, resume, timer, form, *_ = page.load(asks())
    assert selected is None
    assert "No cycle yet" in listing
    assert watched == ""
    assert form["open"] is True
    assert (cancel["visible"], resume["visible"], timer.active) == (False, False, False)


def test_the_address_selects_a_cycle_else_the_one_that_runs_is_shown(
    page: CyclesPage, workspace: Workspace
) -> None:
    add_completed(workspace.store, 1)
    add_running(workspace.store, 2)
    add_completed(workspace.store, 3)
    assert page.load(asks())[0] == "c2"
    selected, _, watched, *_ = page.load(asks(cycle="c1"))
    assert selected == "c1"
    assert "40.0% → 50.0%" in watched
    assert 'href="/interactions?cycle=c1"' in watched


def test_its_pairs_are_to_be_judged_only_once_the_cycle_is_ranked(
    page: CyclesPage, workspace: Workspace
) -> None:
    add_completed(workspace.store, 1)
    assert "judge its pairs" not in page.load(asks(cycle="c1"))[2]
    add_pairs_to_judge(workspace.store, cycle_id="c2", number=2)
    assert '<a href="/?cycle=c2">judge its pairs</a>' in page.load(asks(cycle="c2"))[2]
    assert "judge its pairs" not in page.load(asks(cycle="c1"))[2]


def test_a_cycle_that_runs_shows_its_stage_the_time_left_and_its_curves(
    page: CyclesPage, workspace: Workspace
) -> None:
    add_running(workspace.store, 1)
    _, watched, cancel, resume, timer = page.look("c1", asks())
    assert "2 of 5 steps, about 6 s left" in watched
    assert watched.count("<polyline") == 2
    assert (cancel["visible"], resume["visible"], timer.active) == (True, False, True)


def test_a_cycle_that_is_not_there_is_said(page: CyclesPage, workspace: Workspace) -> None:
    add_completed(workspace.store, 1)
    watched = page.load(asks(cycle="<b>c9"))[2]
    assert "no cycle" in watched
    assert "<b>c9" not in watched


def test_the_form_says_the_exact_mistake_as_it_is_typed(page: CyclesPage) -> None:
    assert "can be started" in page.check("cycle.yaml", "20", "", "training.epochs=2", asks())
    said = page.check("cycle.yaml", "", "", "goals.m=3", asks())
    assert "goals.m: unknown key" in said
    assert "--set" not in said, "a page has no options"
    assert "expected KEY=VALUE" in page.check("cycle.yaml", "", "", "goals.n", asks())
    assert "expected a whole number" in page.check("cycle.yaml", "many", "", "", asks())
    assert "choose a config" in page.check(None, "", "", "", asks())


def test_lines_win_over_the_fields() -> None:
    assert overrides_of("20", "3", "goals.n=30\n\n seed = 5".replace(" = ", "=")) == {
        "goals.n": 30,
        "seed": 5,
    }
    with pytest.raises(ConfigError, match="whole number"):
        overrides_of("1.5", "", "")


def test_what_cannot_be_started_or_stopped_is_shown_as_an_error(
    page: CyclesPage, workspace: Workspace
) -> None:
    add_running(workspace.store, 1)
    with pytest.raises(gr.Error, match="cycle c1 is running"):
        page.start("cycle.yaml", "", "", "", asks())
    with pytest.raises(gr.Error, match="left no number"):
        page.cancel("c1", asks())
    with pytest.raises(gr.Error, match="is running"):
        page.resume("c1", "what is left", asks())


def test_a_completed_cycle_is_run_again_from_a_stage_and_another_goes_on_with_what_is_left(
    page: CyclesPage, workspace: Workspace
) -> None:
    add_completed(workspace.store, 1)
    add_running(workspace.store, 2)
    _, stages = page.ask_resume("c1", asks())
    assert ("what is left" in stages["choices"], stages["value"]) == (False, "export-preference-pairs")
    _, stages = page.ask_resume("c2", asks())
    assert stages["value"] == "what is left"


def test_two_cycles_stand_side_by_side(page: CyclesPage, workspace: Workspace) -> None:
    add_completed(workspace.store, 1)
    add_completed(workspace.store, 2, seed=7)
    shown = page.compared("c1", "c2", asks())
    assert "<td>seed</td><td>0</td><td>7</td>" in shown
    assert "Choose two" in page.compared(None, "c2", asks())


def test_nothing_that_models_or_people_wrote_is_markup(workspace: Workspace) -> None:
    cycle = Cycle(
        id="c1", number=1, status=CycleStatus.FAILED, config={"policy": {"name": HOSTILE}}, trace_id="t",
        error=HOSTILE,
    )  # fmt: skip
    report = StageReport(cycle_id="c1", stage=Stage.GENERATE, status=CycleStatus.FAILED, error=HOSTILE)
    workspace.store.add_cycle(cycle)
    workspace.store.add_events("c1", [(utc_now(), LogLine(level="INFO", message=HOSTILE))])
    summary = CycleSummary(cycle=cycle, reports={Stage.GENERATE: report})
    other = CycleSummary(cycle=cycle.model_copy(update={"config": {}}), reports={})
    watched = Watched(
        summary=summary,
        launch=Launch(cycle_id="c1", requested_by=HOSTILE),
        lines=workspace.store.last_events("c1", 5),
        links=[(HOSTILE, '"><script>')],
    )
    for shown in (watched_cycle(watched), comparison(compare(summary, other))):
        assert "<script" not in shown
        assert "<img" not in shown
        assert "\u202e" not in shown
        assert "\x1b" not in shown


def test_of_a_cycle_that_somebody_cancelled_no_signal_is_told() -> None:
    said = "stopped by Ctrl-C or SIGTERM"
    cycle = Cycle(
        id="c1", number=1, status=CycleStatus.CANCELLED, config={}, trace_id="t", error="aborted by a signal"
    )
    report = StageReport(cycle_id="c1", stage=Stage.RANK, status=CycleStatus.CANCELLED, error=said)
    summary = CycleSummary(cycle=cycle, reports={Stage.RANK: report})
    asked = Launch(cycle_id="c1", requested_by="ada", cancel_asked_at=utc_now())
    shown = watched_cycle(Watched(summary=summary, launch=asked))
    assert "It was cancelled on request" in shown
    assert "signal" not in shown
    assert said not in shown
    killed = watched_cycle(Watched(summary=summary, launch=Launch(cycle_id="c1", requested_by="ada")))
    assert said in killed
    assert "aborted by a signal" in killed


def test_a_comparison_is_in_words(workspace: Workspace) -> None:
    for number in (1, 2):
        add_completed(workspace.store, number)
    shown = comparison(compare(*summaries_of(workspace.store, workspace.store.cycles())))
    for word in ("model calls", "peak memory, MB", "put in use", "interval from", "<td>40.0%</td>"):
        assert word in shown
    assert "_" not in re.sub("<[^>]*>", "", shown.partition("<h3>Work</h3>")[2])


def test_steps_that_came_again_after_a_stop_are_drawn_once(workspace: Workspace) -> None:
    from camelx.schemas import TrainingStep

    add_running(workspace.store, 1)
    workspace.store.add_events("c1", [(utc_now(), TrainingStep(step=2, loss=0.4))])
    summary = summaries_of(workspace.store, [workspace.store.cycle("c1")])[0]
    training = workspace.store.last_events("c1", 100, kinds=["training"])
    steps = training_steps(Watched(summary=summary, training=training))
    assert [(step, values["loss"]) for step, values in steps] == [(1, 0.7), (2, 0.4)]


def test_the_time_left_is_that_of_the_reports_pace() -> None:
    now = utc_now()

    def made(done: int) -> Any:
        return ProgressMade(stage=Stage.RANK, done=done, total=100, unit="votes")

    assert time_left([(now, made(10))]) is None
    assert time_left([(now, made(10)), (now + timedelta(seconds=4), made(20))]) == pytest.approx(32)


def test_a_curve_of_many_steps_stays_small_and_leaves_out_what_is_not_finite() -> None:
    points = [(step, 1 / step) for step in range(1, 100_000)] + [(100_000, float("nan"))]
    assert len(line_chart("loss", points)) < 10_000
    assert line_chart("loss", [(1, float("nan"))]) == ""
    one = re.search(r'points="([^"]+)"', line_chart("loss", [(1, 0.5)]))
    assert one is not None
    assert len(set(one[1].split())) == 2, "a line, where a dot would not be seen"
