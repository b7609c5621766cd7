"""Verdicts of any origin: figures worked out by hand, labels that mend a wrong panel, wrong files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from camelx.errors import DataValidationError
from camelx.ranking.benchmark import benchmark_rankings

from .sets import two_verdicts, verdict, write_lines


def measure(folder: Path, rows: list[dict[str, Any]], draws: int = 0) -> dict[str, dict[str, Any]]:
    write_lines(folder / "mine" / "verdicts.jsonl", rows)
    return benchmark_rankings(folder, draws=draws)["mine/p/s"]


@pytest.mark.parametrize(
    ("ranker", "accuracy"),
    [
        ("judge:x", 0.75),  # both orders of the first item, one of the second
        ("judge:y", 0.625),  # a wrong and an unreadable verdict, then two right ones
        ("majority", 1.0),
        ("win_rate", 1.0),
        ("floor:longer_answer", 0.25),  # wrong, then of equal length
        ("floor:best_single_judge", 0.75),
    ],
)
def test_accuracy_of_two_items_is_that_worked_out_by_hand(tmp_path, ranker, accuracy):
    write_lines(
        tmp_path / "mine" / "s.jsonl",
        [{"i": 0, "output_1": "abc", "output_2": "abcde"}, {"i": 1, "output_1": "ab", "output_2": "cd"}],
    )
    row = measure(tmp_path, two_verdicts())[ranker]
    assert row["accuracy"] == accuracy
    assert row["kappa"] is None
    assert row["n"] == 2


def test_without_the_texts_there_is_no_floor_of_lengths(tmp_path):
    figures = measure(tmp_path, two_verdicts())
    assert "floor:longer_answer" not in figures
    assert figures["floor:best_single_judge"]["judge"] == "x"


def test_items_without_a_label_are_not_scored_and_their_votes_still_count(tmp_path):
    rows = two_verdicts() + [verdict(2, judge, None, "1", "1") for judge in "xy"]
    assert measure(tmp_path, rows)["judge:x"]["n"] == 2


def wrong_panel() -> list[dict[str, Any]]:
    """Of 40 items three judges get nine in ten wrong together, in both orders; one is nearly always right."""
    rows = []
    for item in range(40):
        label = 1 + item * 7 % 2
        wrong = str(label if item % 10 == 3 else 3 - label)
        rows += [verdict(item, judge, label, wrong, wrong) for judge in ("w1", "w2", "w3")]
        right = str(3 - label if item % 20 == 5 else label)
        rows.append(verdict(item, "good", label, right, right))
    return rows


def test_twenty_labels_mend_a_panel_whose_majority_is_wrong(tmp_path):
    figures = measure(tmp_path, wrong_panel(), draws=3)
    unaided, labelled = figures["reliable_peer_rank"], figures["reliable_peer_rank:20_labels"]
    assert figures["majority"]["accuracy"] == 0.1
    assert unaided["accuracy"] < 0.2
    assert unaided["is_verified"] is False
    assert any(sentence.startswith("good ") for sentence in unaided["conflicts"])
    assert labelled["accuracy"] > 0.85
    assert labelled["is_verified"] is True
    assert (labelled["n"], labelled["n_labels"], labelled["draws"]) == (20, 20, 3)
    assert labelled["best_single_judge"] >= labelled["picked_judge"] > 0.9


def test_twenty_items_leave_nothing_to_score_after_labelling(tmp_path):
    rows = [row for row in wrong_panel() if row["i"] < 20]
    assert "reliable_peer_rank:20_labels" not in measure(tmp_path, rows, draws=1)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("ab", "3", r":3: ab is '3', expected '1', '2' or null"),
        ("ba", "tie", r":3: ba is 'tie'"),
        ("label", 0, r":3: label is 0, expected 1, 2 or null"),
        ("llm", "", r":3: llm is '', expected a name"),
        ("set", None, r":3: set is None"),
        ("i", 0, r":3: i is 0, expected one that x did not judge on line 1"),
    ],
)
def test_wrong_content_is_named_with_file_line_and_field(tmp_path, field, value, message):
    rows = two_verdicts()
    rows[2][field] = value
    with pytest.raises(DataValidationError, match=r"mine/verdicts\.jsonl" + message):
        measure(tmp_path, rows)


def test_a_missing_order_is_no_unreadable_one(tmp_path):
    rows = two_verdicts()
    del rows[1]["ba"]
    with pytest.raises(DataValidationError, match=r":2: ba is missing"):
        measure(tmp_path, rows)


def test_labels_that_contradict_each_other_are_refused(tmp_path):
    rows = two_verdicts()
    rows[1]["label"] = 2
    with pytest.raises(DataValidationError, match=r":2: label is 2, expected the one that earlier lines"):
        measure(tmp_path, rows)


def test_verdicts_without_any_label_are_refused(tmp_path):
    with pytest.raises(DataValidationError, match="none of its 4 lines has a label"):
        measure(tmp_path, [{**row, "label": None} for row in two_verdicts()])


def test_a_text_that_is_missing_is_named(tmp_path):
    write_lines(tmp_path / "mine" / "s.jsonl", [{"i": 0, "output_1": "abc"}])
    with pytest.raises(DataValidationError, match=r"mine/s\.jsonl:1: output_2 is missing"):
        measure(tmp_path, two_verdicts())
