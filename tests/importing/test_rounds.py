"""Rounds judged elsewhere become the records of a cycle; a broken line is left out whole."""

from __future__ import annotations

import json

import pytest

from camelx.errors import DataValidationError
from camelx.importing import read_rounds
from camelx.prompts import execution_messages
from camelx.schemas import Role, Stage, Verdict, stable_id

ROUND = {
    "goal": "Say hello",
    "category": "talk",
    "outputs": {"m1": "hello", "m2": "hi", "m3": ""},
    "votes": [
        {"judge": "m3", "first": "m1", "second": "m2", "winner": "m1"},
        {"judge": "m3", "first": "m2", "second": "m1", "winner": "m1"},
        {"judge": "m3", "first": "m2", "second": "m1", "winner": None},
        {"judge": "m1", "first": "m2", "second": "m3", "error": "no verdict line"},
    ],
    "human": [
        {"a": "m1", "b": "m2", "votes": [1, -1, 0]},
        {"a": "m1", "b": "m3", "votes": ["both_bad"], "annotators": ["ann"]},
    ],
}


@pytest.fixture
def rounds_file(tmp_path):
    def write(*rounds):
        path = tmp_path / "rounds.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in rounds))
        return path

    return write


def test_a_round_becomes_goal_executions_votes_and_annotations(rounds_file):
    rounds = read_rounds(rounds_file(ROUND), "c1")
    (goal,) = rounds.goals
    assert (goal.text, goal.category, goal.answer) == ("Say hello", "talk", None)
    first, second, third = rounds.interactions
    assert {i.prompt_key for i in rounds.interactions} == {first.prompt_key}
    assert first.messages == execution_messages("", "Say hello", None)
    assert (first.agent, first.model, first.role, first.stage) == ("m1", "m1", Role.EXECUTOR, Stage.GENERATE)
    assert first.id == stable_id("interaction", "c1", Stage.GENERATE, goal.id, "m1", "", 0)
    assert (first.is_finished, third.is_finished) == (True, False)
    assert [vote.verdict for vote in rounds.votes] == [Verdict.FIRST, Verdict.SECOND, Verdict.TIE, None]
    assert rounds.votes[0].id == stable_id("vote", "c1", Stage.RANK, "m3", first.id, second.id)
    assert rounds.votes[3].error == "no verdict line"
    assert len({vote.id for vote in rounds.votes}) == 4
    assert [(a.annotator, a.verdict) for a in rounds.annotations] == [
        ("human-1", Verdict.FIRST),
        ("human-2", Verdict.SECOND),
        ("human-3", Verdict.TIE),
        ("ann", "both_bad"),
    ]


def test_the_same_file_gives_the_same_ids_in_one_cycle_and_others_in_another(rounds_file):
    path = rounds_file(ROUND)

    def ids(cycle_id):
        rounds = read_rounds(path, cycle_id)
        return [row.id for row in (*rounds.interactions, *rounds.votes, *rounds.annotations)]

    assert ids("c1") == ids("c1")
    assert not set(ids("c1")) & set(ids("c2"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"goal": None}, "goal is NoneType, expected text"),
        ({"goal": "a\u0000"}, "goal has the control character"),
        ({"outputs": {}}, "outputs is no object of model: text"),
        ({"outputs": {"m1": None}}, "outputs.m1 is NoneType"),
        ({"votes": {}}, "votes is dict, expected a list"),
        ({"votes": ["m1"]}, "votes[0] is str, expected an object"),
        ({"votes": [{"first": "m1", "second": "m2", "winner": None}]}, "votes[0].judge is missing"),
        ({"votes": [{"judge": "m1", "first": "m1", "second": "m2"}]}, "votes[0].winner is missing"),
        (
            {"votes": [{"judge": "j", "first": "m1", "second": "m9", "winner": None}]},
            "votes[0].second is 'm9', expected one of m1, m2, m3",
        ),
        (
            {"votes": [{"judge": "j", "first": "m1", "second": "m1", "winner": None}]},
            "votes[0] compares 'm1' with itself",
        ),
        (
            {"votes": [{"judge": "j", "first": "m1", "second": "m2", "winner": "m3"}]},
            "votes[0].winner is 'm3', expected m1, m2 or null for a tie",
        ),
        ({"human": [{"a": "m1", "b": "m2", "votes": [2]}]}, "human[0].votes has 2, expected 1, -1, 0"),
        ({"human": [{"a": "m1", "b": "m2", "votes": [[1]]}]}, "human[0].votes has [1]"),
        (
            {"human": [{"a": "m1", "b": "m2", "votes": [1, 1], "annotators": ["ann", "ann"]}]},
            "human[0] has 2 votes of",
        ),
    ],
)
def test_a_broken_round_is_left_out_whole_and_its_fault_named(rounds_file, change, said):
    path = rounds_file(ROUND, {**ROUND, "goal": "Other", **change})
    rounds = read_rounds(path, "c1")
    assert [goal.text for goal in rounds.goals] == ["Say hello"]
    assert len(rounds.interactions) == 3
    assert str(rounds.broken[0]).startswith(f"{path}:2: ")
    assert said in rounds.broken[0].why
    with pytest.raises(DataValidationError, match="1 of 2 rows are broken"):
        read_rounds(path, "c1", strict=True)


def test_a_goal_on_two_lines_is_taken_once(rounds_file):
    rounds = read_rounds(rounds_file(ROUND, ROUND), "c1")
    assert len(rounds.goals) == 1
    assert "the same goal as" in rounds.broken[0].why


def test_lines_that_are_no_objects_are_named_too(tmp_path):
    path = tmp_path / "rounds.jsonl"
    path.write_text("[]\n" + json.dumps(ROUND) + "\n{")
    rounds = read_rounds(path, "c1")
    assert [row.place.number for row in rounds.broken] == [1, 3]
    assert (len(rounds.goals), rounds.n_rows) == (1, 3)
