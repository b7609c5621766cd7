"""Demo data: makes sense, is the same every time, fills what pages show, and is trained on by nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from camelx.annotation.agreement import agreement_report
from camelx.cli.app import app
from camelx.cli.output import shown_progress
from camelx.config import load_config, settings
from camelx.cycles import open_store
from camelx.cycles.goal_sets import choose_goals
from camelx.cycles.opening import _unfinished
from camelx.cycles.verdicts import annotations_to_learn, people_of
from camelx.demo_data import Filled, fill, history
from camelx.demo_data.agents import AGENTS
from camelx.errors import ConfigError, OrchestrationError
from camelx.runtime import progress
from camelx.schemas import Cycle, CycleStatus, Goal, Role, Stage
from camelx.storage import Store

END = datetime(2026, 3, 1, tzinfo=UTC)
CONFIG = Path(__file__).parents[2] / "configs" / "cycle.yaml"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Filled]]:
    """A folder with demo data, which the tests only read."""
    root = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAMELX_ROOT", str(root))
        patch.delenv("CAMELX_DATABASE_URL", raising=False)
        settings.cache_clear()
        yield root, fill(end=END)
    settings.cache_clear()


@pytest.fixture
def store(filled: tuple[Path, Filled]) -> Iterator[Store]:
    with open_store() as opened:
        yield opened


def rows(store: Store) -> list[object]:
    ids = [cycle.id for cycle in store.cycles()]
    return [
        store.goals(),
        *(store.interactions(i) for i in ids),
        *(store.votes(i) for i in ids),
        *(store.comparisons(i) for i in ids),
        store.annotations(),
    ]


def test_it_says_what_there_is(filled: tuple[Path, Filled], store: Store) -> None:
    counts = filled[1]
    assert (counts.cycles, counts.goals) == (2, 48)
    assert counts.interactions == sum(len(store.interactions(i)) for i in ("c1", "c2")) > 1_000
    assert counts.annotations == len(store.annotations()) > 100


def test_the_cycles_are_complete_as_far_as_they_go(store: Store) -> None:
    done = (Stage.GENERATE, Stage.RANK, Stage.EXPORT, Stage.VALIDATE)
    for cycle in store.cycles():
        assert cycle.status is CycleStatus.COMPLETED
        reports = store.stage_reports(cycle.id)
        assert tuple(reports) == done
        assert {report.status for report in reports.values()} == {CycleStatus.COMPLETED}
        of_stages = sum(report.seconds for report in reports.values())
        assert of_stages == pytest.approx(cycle.seconds, abs=5), "the page shows times that add up"
        assert Path(reports[Stage.EXPORT].details["parquet"]).is_file()
        assert reports[Stage.EXPORT].counts["pairs"] > 20
        kinds = Counter(event.kind for event in store.events_after(cycle.id))
        assert kinds["cycle_status"] == 2
        assert kinds["stage_status"] == 8


def test_the_second_cycles_reviewers_are_calibrated_by_what_people_said_of_the_first(store: Store) -> None:
    assert store.stage_reports("c2")[Stage.RANK].details["annotations"]["n"] > 20
    assert store.stage_reports("c2")[Stage.EXPORT].counts["human"] > 10


def test_better_reviewers_and_more_careful_people_look_better(store: Store) -> None:
    report = agreement_report(store)
    people = {person.name: person for person in report.people}
    assert list(people) == ["ada", "ben", "chloe"]
    assert people["ada"].kappa.value > people["chloe"].kappa.value > 0.2
    assert all(person.n_repeats > 5 and person.seconds.value > 1 for person in people.values())
    assert report.n_disputed > 5
    kappas = {one.name: one.kappa.value for one in report.reviewers}
    assert kappas["demo-reviewer-1"] > kappas["demo-reviewer-3"]


def test_texts_make_sense(store: Store) -> None:
    by_role = {role: [] for role in Role}
    for row in store.interactions("c1"):
        if row.error is None:
            by_role[row.role].append(row.completion)
    assert all(text.startswith("Plan: ") for text in by_role[Role.PROPOSER])
    assert all("The answer is " in text for text in by_role[Role.EXECUTOR])
    assert sum("Verdict: " in text for text in by_role[Role.PEER_REVIEWER]) > 300
    answers = {goal.id: goal.answer for goal in store.goals()}
    executed = [row for row in store.interactions("c1", role=Role.EXECUTOR) if row.error is None]
    right = sum(row.completion.endswith(f"The answer is {answers[row.goal_id]}.") for row in executed)
    assert 0.3 < right / len(executed) < 0.8


def test_no_moment_is_after_the_end(store: Store) -> None:
    for cycle in store.cycles():
        assert cycle.finished_at is not None
        assert max(row.created_at for row in store.interactions(cycle.id)) <= cycle.finished_at <= END
    assert max(a.created_at for a in store.annotations()) <= END


def test_pairs_are_left_for_whoever_opens_the_page(store: Store) -> None:
    judged = {frozenset((a.first_id, a.second_id)) for a in store.annotations_on("c2")}
    assert len(store.comparisons("c2")) > 3 * len(judged)


def test_the_same_seed_gives_the_same_rows_and_the_command_says_how_far_it_is(
    filled: tuple[Path, Filled],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_store() as one:
        expected = rows(one)
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    settings.cache_clear()
    try:
        with shown_progress():
            fill(end=END)
        said = capsys.readouterr().err.splitlines()
        stages = [line.split(":")[0] for line in said]
        each = ["generate-interactions", "mutual-rank", "export-preference-pairs", "validate"]
        assert [one for n, one in enumerate(stages) if [one] != stages[n - 1 : n]] == each * 2
        assert "validate: done" in said
        with open_store() as other:
            assert rows(other) == expected
    finally:
        monkeypatch.undo()
        settings.cache_clear()


# Nobody trains on it


def test_no_cycle_learns_from_it_by_accident(store: Store) -> None:
    with pytest.raises(OrchestrationError, match="nothing to resume"):
        _unfinished(store)
    config = load_config(CONFIG)
    real = Cycle(id="c3", number=3, config=config.model_dump(mode="json"), trace_id="t")
    assert annotations_to_learn(store, real) == []
    names = {name for agent in config.agents.agents for name in agent.members}
    assert not names & {skill.name for skill in AGENTS}
    assert people_of(store, real, names).annotations == ()
    assert {goal.source for goal in store.goals()} == {"demo"}
    assert {cycle.origin for cycle in store.cycles()} == {"import"}
    imported = load_config(CONFIG, {"goals.source": "database"})
    with pytest.raises(ConfigError):
        choose_goals(store, imported, 0)


# Its size


def test_what_is_missing_is_earlier_cycles_that_are_only_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    settings.cache_clear()
    monkeypatch.setattr(history, "_GOALS", 120)
    told: list[progress.Progress] = []
    try:
        with progress.listening(told.append):
            counts = fill(3_000)
        with open_store() as store:
            cycles = store.cycles()
            assert counts.interactions >= 3_000
            shares = [(one.done, one.total) for one in told if one.stage == "earlier cycles"]
            assert shares == [(120, told[0].total), (told[0].total,) * 2], "told after each of the two"
            assert [cycle.number for cycle in cycles] == list(range(1, counts.cycles + 1))
            early = [cycle for cycle in cycles if cycle.status is CycleStatus.CANCELLED]
            assert len(early) == counts.cycles - 2 == 2
            assert all("nothing of it was reviewed" in str(cycle.error) for cycle in early)
            ids = {row.id: row for row in store.interactions("c1")}
            assert all(row.parent_id in ids for row in ids.values() if row.parent_id)
            assert store.ranked_cycles()[0].cycle_id == "c4"
    finally:
        settings.cache_clear()


def test_a_database_that_holds_something_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    try:
        with open_store() as store:
            store.add_goals([Goal.new("mine")])
        done = CliRunner().invoke(app, ["demo-data"])
        assert done.exit_code == 2
        assert "goes into an empty database" in done.stderr
    finally:
        settings.cache_clear()
