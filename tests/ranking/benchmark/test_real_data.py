"""The published figures come out of the real votes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from camelx.ranking.benchmark import benchmark_rankings

REAL_DATA = Path(os.environ.get("CAMELX_REAL_DATA", Path(__file__).parents[4] / "shared" / "data"))

needs_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason=f"no real data at {REAL_DATA}; set CAMELX_REAL_DATA"
)


@pytest.fixture(scope="module")
def figures():
    return benchmark_rankings(REAL_DATA, draws=0, seeds=0, only=["prd_vicuna80", "llmbar_dev/Vanilla*"])


@needs_data
@pytest.mark.parametrize(
    ("ranker", "accuracy", "kappa"),
    [
        ("peer_rank", 0.673125, 0.40996),
        ("majority", 0.643750, 0.39222),
        ("judge:gpt-4", 0.642500, 0.40629),
        ("judge:gpt-3.5", 0.620625, 0.38738),
        ("judge:claude", 0.606875, 0.31944),
        ("judge:bard", 0.553125, 0.14629),
        ("judge:vicuna", 0.508750, 0.12618),
    ],
)
def test_the_paper_s_figures_are_reproduced(figures, ranker, accuracy, kappa):
    row = figures["prd_vicuna80"][ranker]
    assert row["accuracy"] == accuracy
    assert round(row["kappa"], 5) == kappa
    assert row["n"] == 1600
    assert row["accuracy_low"] < accuracy < row["accuracy_high"]


@needs_data
def test_the_fixed_point_of_peer_rank_is_reproduced(figures):
    row = figures["prd_vicuna80"]["peer_rank"]
    rates = {"gpt-4": 0.80202, "claude": 0.68498, "vicuna": 0.37625, "gpt-3.5": 0.34616, "bard": 0.29058}
    weights = {"gpt-4": 0.488, "claude": 0.377, "vicuna": 0.082, "gpt-3.5": 0.053, "bard": 0.0}
    assert {k: round(v, 5) for k, v in row["win_rates"].items()} == rates
    assert {k: round(v, 3) for k, v in row["weights"].items()} == weights


@needs_data
def test_pooled_orders_and_the_floors_are_reproduced(figures):
    table = figures["prd_vicuna80"]
    assert table["pooled_majority"]["accuracy"] == pytest.approx(0.6737, abs=5e-5)
    assert table["pooled_peer_rank"]["accuracy"] == pytest.approx(0.6850, abs=5e-5)
    assert table["floor:author_prior"]["accuracy"] == pytest.approx(0.700, abs=5e-4)
    assert table["floor:longer_answer"]["decided_accuracy"] == pytest.approx(0.815, abs=5e-4)
    assert table["floor:longer_answer"]["decided_n"] == 1408


@needs_data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Vanilla/natural", (95.5, 81.5, 80.5, 84.0, 74.0, 94.0)),
        ("Vanilla/adversarial_neighbor", (78.7, 19.4, 24.6, 62.7, 50.4, 48.1)),
        ("Vanilla_NoRules/natural", (93.5, 79.0, 77.0, 83.5, 76.0, 92.0)),
        ("Vanilla_NoRules/adversarial_neighbor", (64.2, 17.9, 19.0, 51.5, 44.4, 34.3)),
    ],
)
def test_judges_whose_errors_agree_are_reproduced(figures, name, expected):
    table = figures[f"llmbar_dev/{name}"]
    rows = [*(f"judge:{j}" for j in ("GPT-4", "ChatGPT", "LLaMA2", "PaLM2", "Falcon")), "majority"]
    assert tuple(round(100 * table[row]["accuracy"], 1) for row in rows) == expected


@needs_data
def test_the_figures_are_json(figures):
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


@needs_data
@pytest.mark.parametrize(
    ("ranker", "accuracy", "precision", "ece", "hard"),
    [
        ("reliable_peer_rank", 0.6975, 0.8963, 0.014, 0.525),
        ("reliable_peer_rank:authors", 0.71375, 0.9008, 0.026, 0.575),
    ],
)
def test_the_reliable_ranker_keeps_its_figures(figures, ranker, accuracy, precision, ece, hard):
    row = figures["prd_vicuna80"][ranker]
    assert row["accuracy"] == accuracy
    assert round(row["precision_at_50"], 4) == precision
    assert round(row["ece"], 3) == ece
    assert row["subtasks"]["gpt-3.5 vs vicuna"]["accuracy"] == hard
    assert row["near_equal_length_n"] == 2 * 87
    assert row["conflicts"] == []


@needs_data
def test_the_difference_from_plain_pooled_votes_is_on_the_same_pairs(figures):
    table = figures["prd_vicuna80"]
    against = table["reliable_peer_rank"]["against"]["pooled_majority"]
    pooled = table["pooled_majority"]["accuracy"]
    assert against["difference"] == pytest.approx(table["reliable_peer_rank"]["accuracy"] - pooled)
    assert against["difference_low"] > 0


@needs_data
@pytest.mark.parametrize("strategy", ["Vanilla", "Vanilla_NoRules"])
def test_a_panel_without_labels_names_its_conflict_where_it_is_wrong(figures, strategy):
    adversarial = figures[f"llmbar_dev/{strategy}/adversarial_neighbor"]["reliable_peer_rank"]
    natural = figures[f"llmbar_dev/{strategy}/natural"]["reliable_peer_rank"]
    assert adversarial["is_verified"] is False
    assert any(sentence.startswith("GPT-4 ") for sentence in adversarial["conflicts"])
    assert natural["conflicts"] == []


@needs_data
@pytest.mark.parametrize("strategy", ["Vanilla", "Vanilla_NoRules"])
def test_twenty_labels_reach_the_best_single_judge(strategy):
    name = f"llmbar_dev/{strategy}/adversarial_neighbor"
    row = benchmark_rankings(REAL_DATA, draws=5, only=[name])[name]["reliable_peer_rank:20_labels"]
    assert row["accuracy"] >= row["best_single_judge"]
    assert row["is_verified"] is True


@needs_data
def test_half_of_the_votes_are_worth_nearly_all_of_them():
    table = benchmark_rankings(REAL_DATA, seeds=1, only=["prd_vicuna80"])["prd_vicuna80"]
    curve = table["reliable_peer_rank"]["buying_curve"]
    assert curve["0.5"]["bought"] >= curve["1"]["bought"] - 0.01
    assert curve["0.3"]["bought"] > curve["0.3"]["random"]
