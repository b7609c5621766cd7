"""Any folder in either format is a data set."""

from __future__ import annotations

import json

import pytest

from camelx.errors import ConfigError, DataValidationError
from camelx.ranking.benchmark import benchmark_rankings

from .sets import two_rounds, two_verdicts, write_lines


@pytest.fixture
def folder(tmp_path):
    write_lines(tmp_path / "first" / "rounds.jsonl", two_rounds())
    write_lines(tmp_path / "second" / "verdicts.jsonl", two_verdicts())
    write_lines(tmp_path / "second" / "rounds.jsonl", two_rounds())
    write_lines(tmp_path / "neither" / "goals.jsonl", ["not read"])
    return tmp_path


def test_every_folder_with_a_known_file_is_measured(folder):
    figures = benchmark_rankings(folder, seeds=0)
    assert list(figures) == ["first", "second", "second/p/s"]
    assert figures["first"] == figures["second"]
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_the_folder_of_one_data_set_may_be_named_itself(folder):
    assert list(benchmark_rankings(folder / "first", seeds=0)) == ["first"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("first", ["first"]), ("second/*", ["second/p/s"]), ("*/p/*", ["second/p/s"]), ("*st", ["first"])],
)
def test_data_sets_can_be_chosen_by_name(folder, pattern, found):
    assert list(benchmark_rankings(folder, seeds=0, only=[pattern])) == found


def test_a_name_that_nothing_has_is_an_error(folder):
    with pytest.raises(ConfigError, match=r"no data set in .* is named like third or fourth"):
        benchmark_rankings(folder, seeds=0, only=["third", "fourth"])


@pytest.mark.parametrize("name", [".", "nowhere"])
def test_missing_data_say_where_they_are_expected(tmp_path, name):
    with pytest.raises(ConfigError, match="CAMELX_REAL_DATA"):
        benchmark_rankings(tmp_path / name)


def test_progress_names_the_data_set(folder):
    said: list[str] = []
    benchmark_rankings(folder, seeds=0, only=["second*"], say=said.append)
    assert said[0].startswith("second: ")
    assert "second/p/s: 1 of 1" in said


def test_votes_of_which_none_can_be_read_are_refused(tmp_path):
    rounds = two_rounds()
    for vote in (vote for goal in rounds for vote in goal["votes"]):
        vote["raw"] = None
    write_lines(tmp_path / "silent" / "rounds.jsonl", rounds)
    with pytest.raises(DataValidationError, match=r"none of the 8 votes is readable"):
        benchmark_rankings(tmp_path, seeds=1)


def test_the_buying_curve_ends_where_all_votes_are_bought(folder):
    row = benchmark_rankings(folder, seeds=2, only=["first"])["first"]["reliable_peer_rank"]
    curve = row["buying_curve"]
    assert list(curve) == ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]
    assert curve["0.5"]["n_votes"] == 4
    assert curve["1"] == {
        "n_votes": 8,
        "bought": row["accuracy"],
        "bought_sd": 0.0,
        "random": row["accuracy"],
        "random_sd": 0.0,
    }
