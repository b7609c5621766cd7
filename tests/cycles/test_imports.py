"""Rounds of a file become a cycle of the database, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from camelx import stages
from camelx.cycles import open_store
from camelx.cycles.imports import import_rounds
from camelx.cycles.opening import open_cycle
from camelx.errors import ConfigError, DataValidationError, OrchestrationError
from camelx.schemas import CycleStatus, Stage

CONFIG = Path(__file__).parents[2] / "configs" / "cycle.yaml"
ROUND = {
    "goal": "Say hello",
    "outputs": {"m1": "hello", "m2": "hi"},
    "votes": [
        {"judge": "m3", "first": "m1", "second": "m2", "winner": "m1"},
        {"judge": "m3", "first": "m2", "second": "m1", "winner": "m1"},
    ],
    "human": [{"a": "m1", "b": "m2", "votes": [1], "annotators": ["ann"]}],
}


def test_a_file_of_rounds_becomes_a_cycle_that_goes_on_at_mutual_ranking(root: Path) -> None:
    path = root / "rounds.jsonl"
    path.write_text(json.dumps(ROUND) + "\n{broken\n")
    cycle_id, rounds = import_rounds(
        path, CONFIG, overrides={"training.max_length": 1024}, source="elsewhere"
    )
    assert (len(rounds.goals), len(rounds.broken)) == (1, 1)
    with open_store() as store:
        cycle, report = store.cycle(cycle_id), store.stage_reports(cycle_id)[Stage.GENERATE]
        assert [row.id for row in store.interactions(cycle_id)] == sorted(i.id for i in rounds.interactions)
        assert len(store.votes(cycle_id, stage=Stage.RANK)) == 2
        assert [a.annotator for a in store.annotations(cycle.goal_ids)] == ["ann"]
        assert store.goals(ids=cycle.goal_ids)[0].source == "elsewhere"
    assert cycle.config["training"]["max_length"] == 1024
    assert (cycle.origin, cycle.status) == ("import", CycleStatus.CANCELLED)
    assert (report.status, report.counts["executions"]) == (CycleStatus.COMPLETED, 2)


def test_an_imported_cycle_is_resumed_only_once_it_was_begun(root: Path) -> None:
    path = root / "rounds.jsonl"
    path.write_text(json.dumps(ROUND) + "\n")
    cycle_id, _ = import_rounds(path, CONFIG)
    with pytest.raises(OrchestrationError, match="nothing to resume"):
        open_cycle("unused", resume=True)
    stages.mutual_rank(cycle_id)
    assert open_cycle("unused", resume=True) == cycle_id


def test_imported_votes_are_not_held_to_what_a_run_may_leave_unreadable(root: Path) -> None:
    unread = [vote | {"winner": None, "error": "no verdict"} for vote in ROUND["votes"]]
    path = root / "rounds.jsonl"
    path.write_text(json.dumps(ROUND | {"votes": [*ROUND["votes"], *(v | {"judge": "m4"} for v in unread)]}))
    cycle_id, _ = import_rounds(path, CONFIG)
    counts = stages.mutual_rank(cycle_id).counts
    assert (counts["votes"], counts["unreadable"]) == (4, 2)


def test_judges_that_wrote_nothing_are_refused_for_peer_rank_before_anything_is_stored(root: Path) -> None:
    path = root / "rounds.jsonl"
    path.write_text(json.dumps(ROUND))
    peer_rank = {"ranking.ranker": {"kind": "peer_rank"}}
    with pytest.raises(ConfigError, match="but m3 wrote none of the outputs"):
        import_rounds(path, CONFIG, overrides=peer_rank)
    with open_store() as store:
        assert store.cycles() == []
    votes = [vote | {"judge": "m1"} for vote in ROUND["votes"]]
    path.write_text(json.dumps(ROUND | {"votes": votes}))
    import_rounds(path, CONFIG, overrides=peer_rank)


def test_a_cycle_whose_reviewers_write_nothing_does_not_start_with_peer_rank(root: Path) -> None:
    with pytest.raises(ConfigError, match="reviewer-1, reviewer-2 will write none"):
        open_cycle(str(CONFIG), overrides={"ranking.ranker": {"kind": "peer_rank"}})
    with open_store() as store:
        assert store.cycles() == []


def test_a_file_without_a_whole_round_stores_nothing_and_says_why(root: Path) -> None:
    path = root / "rounds.jsonl"
    path.write_text("{broken\n")
    with pytest.raises(DataValidationError, match=r"none of its 1 rows .*\n.*rounds.jsonl:1: not JSON"):
        import_rounds(path, CONFIG)
    with open_store() as store:
        assert store.cycles() == []


def test_a_strict_import_of_a_file_with_a_broken_row_stores_nothing(root: Path) -> None:
    path = root / "rounds.jsonl"
    path.write_text(json.dumps(ROUND) + "\n{broken\n")
    with pytest.raises(DataValidationError, match="1 of 2 rows are broken"):
        import_rounds(path, CONFIG, strict=True)
    with open_store() as store:
        assert (store.cycles(), store.goals()) == ([], [])
