"""Rounds of any origin: figures worked out by hand, and what is wrong with a file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camelx.errors import DataValidationError
from camelx.ranking.benchmark import benchmark_rankings
from camelx.ranking.benchmark.rounds import read_rounds

from .sets import two_rounds, vote, write_lines


def measure(folder: Path, rounds: list[dict[str, Any]], **options: Any) -> dict[str, dict[str, Any]]:
    write_lines(folder / "mine" / "rounds.jsonl", rounds)
    return benchmark_rankings(folder, **{"seeds": 0, **options})["mine"]


@pytest.mark.parametrize(
    ("ranker", "accuracy", "kappa"),
    [
        # j calls both orders of the first pair rightly and misses the tie; 22 of 64 agreements are chance.
        ("judge:j", 0.5, (0.5 - 22 / 64) / (1 - 22 / 64)),
        # k says "first" twice of the first pair, and ties in one order of the second.
        ("judge:k", 0.5, (0.5 - 22 / 64) / (1 - 22 / 64)),
        # In each order by itself only the first order of the first pair is right.
        ("majority", 0.25, (0.25 - 22 / 64) / (1 - 22 / 64)),
        ("pooled_majority", 0.5, (0.5 - 22 / 64) / (1 - 22 / 64)),
        ("floor:longer_answer", 1.0, 1.0),
        # The other goal says nothing of the first pair, and prefers a in the second.
        ("floor:author_prior", 0.0, (0.0 - 24 / 64) / (1 - 24 / 64)),
        ("floor:best_single_judge", 0.5, (0.5 - 22 / 64) / (1 - 22 / 64)),
    ],
)
def test_accuracy_and_kappa_of_two_goals_are_those_worked_out_by_hand(tmp_path, ranker, accuracy, kappa):
    row = measure(tmp_path, two_rounds())[ranker]
    assert row["accuracy"] == accuracy
    assert row["kappa"] == pytest.approx(kappa)
    assert row["n"] == 4


def test_a_tie_of_people_is_in_no_decided_figure(tmp_path):
    figures = measure(tmp_path, two_rounds())
    assert figures["pooled_majority"]["decided_accuracy"] == 1.0
    assert figures["majority"]["decided_accuracy"] == 0.75
    assert figures["majority"]["decided_n"] == 2
    assert "near_equal_length_accuracy" not in figures["majority"]


def test_every_ranker_is_compared_with_the_floors_and_on_each_pair_of_models(tmp_path):
    figures = measure(tmp_path, two_rounds())
    row = figures["reliable_peer_rank"]
    assert row["subtasks"]["a vs b"]["accuracy"] == row["accuracy"]
    assert row["against"]["floor:longer_answer"]["difference"] == row["accuracy"] - 1.0
    assert row["against"]["pooled_majority"]["difference"] == row["accuracy"] - 0.5
    assert figures["judge:j"]["agreement_with_pooled"] == 1.0
    assert row["is_verified"] is False
    assert figures["reliable_peer_rank:labels"]["is_verified"] is False  # two labels verify nobody
    assert 0 <= row["ece"] <= 1
    assert "ece" not in figures["bradley_terry"]
    assert "ece_pair" in figures["bradley_terry"]
    assert "ece_pair" not in figures["majority"]


def test_judges_who_wrote_nothing_have_no_peer_rank_and_it_is_said(tmp_path):
    said: list[str] = []
    figures = measure(tmp_path, two_rounds(), say=said.append)
    assert not [name for name in figures if name.endswith("peer_rank") and "reliable" not in name]
    assert any("pooled_peer_rank left out" in text and "j, k wrote none" in text for text in said)


def test_authors_who_judge_have_the_peer_rank_of_the_paper(tmp_path):
    text = (
        json.dumps(two_rounds())
        .replace('"judge": "j"', '"judge": "a"')
        .replace('"judge": "k"', '"judge": "b"')
    )
    figures = measure(tmp_path, json.loads(text))
    # By equal weights a wins 3 of 4 votes in the first goal and half of one in the second, b the rest, so b's
    # votes alone count: they are right in the first order of the first pair and the second of the second.
    assert figures["peer_rank"]["weights"] == {"a": 0.0, "b": 1.0}
    assert figures["peer_rank"]["accuracy"] == 0.5
    assert "rank_votes:reliable_peer_rank" not in figures  # every vote is on the judge's own work


def test_pairs_that_people_did_not_judge_are_not_scored(tmp_path):
    rounds = two_rounds()
    del rounds[0]["human"]
    assert measure(tmp_path, rounds)["judge:k"]["n"] == 2


def test_a_pair_without_votes_is_called_by_the_scores_of_its_results(tmp_path):
    outputs = {"a": "x", "b": "x", "c": "x"}
    rounds = [
        {
            "goal_id": g,
            "outputs": outputs,
            "votes": [vote("j", "a", "b", 1), vote("j", "b", "c", 1)],
            "human": [{"a": "a", "b": "c", "votes": [1]}],
        }
        for g in range(3)
    ]
    figures = measure(tmp_path, rounds)
    assert figures["bradley_terry"]["accuracy"] == 1.0
    assert figures["pooled_majority"]["accuracy"] == 0.0
    assert "ece_pair" not in figures["bradley_terry"]


def test_unreadable_votes_and_winners_by_name_are_read_as_the_import_reads_them(tmp_path):
    rounds = two_rounds()
    rounds[0]["votes"] = [
        {"judge": "j", "first": "a", "second": "b", "winner": "b"},
        {"judge": "j", "first": "b", "second": "a", "winner": None},
        {"judge": "k", "first": "a", "second": "b", "error": "no verdict"},
        vote("k", "b", "a", None),
    ]
    votes = read_rounds(write_lines(tmp_path / "rounds.jsonl", rounds)).votes
    assert votes["outcome"].tolist()[:2] == [-1.0, 0.0]
    assert np.isnan(votes["outcome"].tolist()[2:4]).all()


def test_human_votes_of_both_directions_are_summed(tmp_path):
    rounds = two_rounds()[:1]
    rounds[0]["human"] = [
        {"a": "a", "b": "b", "votes": [1, "both_bad"]},
        {"a": "b", "b": "a", "votes": [1, 1]},
    ]
    truth = read_rounds(write_lines(tmp_path / "rounds.jsonl", rounds)).truth
    assert truth["human"].tolist() == [-1.0, 1.0]
    assert truth["first_author"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("votes", 2, "raw"), 7, r"votes\[2\]\.raw is 7, expected 1 \(first\)"),
        (("votes", 2, "raw"), True, r"votes\[2\]\.raw is True"),
        (("votes", 2, "raw"), "1", r"votes\[2\]\.raw is '1'"),
        (("votes", 2, "winner"), "b", r"votes\[2\]\.winner is 'b', expected 'a', since raw is 1"),
        (
            ("votes", 1, "first"),
            "c",
            r"votes\[1\]\.first is 'c', expected one of the models of this goal: a, b",
        ),
        (("votes", 1, "first"), ["a"], r"votes\[1\]\.first is \['a'\]"),
        (("votes", 1, "first"), "a", r"votes\[1\]\.second is 'a', expected another model"),
        (("votes", 0, "judge"), None, r"votes\[0\]\.judge is None, expected a name"),
        (("votes",), {"j": 1}, r"votes is \{'j': 1\}, expected a list of objects"),
        (("human", 0, "votes"), [1, 2], r"human\[0\]\.votes\[1\] is 2, expected 1"),
        (("human", 0, "votes"), "1", r"human\[0\]\.votes is '1', expected a list"),
        (("outputs", "a"), None, r"outputs is \{'a': None"),
        (("goal_id",), 2, r"goal_id is 2, expected another one than line 1 has"),
        (("goal_id",), [], r"goal_id is \[\], expected a name or a number"),
    ],
)
def test_wrong_content_is_named_with_file_line_and_field(tmp_path, path, value, message):
    rounds = two_rounds()
    place: Any = rounds[0]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = copy.deepcopy(value)
    with pytest.raises(DataValidationError, match=r"mine/rounds\.jsonl:\d: .*" + message):
        measure(tmp_path, rounds)


def test_a_missing_field_is_named(tmp_path):
    rounds = two_rounds()
    del rounds[1]["votes"][3]["raw"]
    with pytest.raises(DataValidationError, match=r":2: votes\[3\]\.winner is missing"):
        measure(tmp_path, rounds)


@pytest.mark.parametrize(
    ("line", "message"),
    [("{not json", r":3: not JSON"), ("[1, 2]", r":3: expected one JSON object")],
)
def test_a_line_that_is_no_object_is_named(tmp_path, line, message):
    with pytest.raises(DataValidationError, match=message):
        read_rounds(write_lines(tmp_path / "rounds.jsonl", [*two_rounds(), line]))


def test_text_that_is_not_utf_8_is_named(tmp_path):
    path = tmp_path / "rounds.jsonl"
    path.write_bytes(json.dumps(two_rounds()[0]).encode() + b'\n{"goal": "\xff"}\n')
    with pytest.raises(DataValidationError, match="not UTF-8"):
        read_rounds(path)


@pytest.mark.parametrize(("field", "what"), [("votes", "vote"), ("human", "human verdict")])
def test_rounds_without_anything_to_measure_are_refused(tmp_path, field, what):
    rounds = [{**one, field: []} for one in two_rounds()]
    with pytest.raises(DataValidationError, match=f"no {what} in 2 goals"):
        measure(tmp_path, rounds)


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path):
    rounds = two_rounds()
    rounds[0]["outputs"]["a"] = "one\u2028two"
    lines = [json.dumps(one, ensure_ascii=False) for one in rounds]
    assert len(read_rounds(write_lines(tmp_path / "rounds.jsonl", lines)).truth) == 4
