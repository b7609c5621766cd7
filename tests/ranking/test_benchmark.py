"""The published figures come out of the real votes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from camelx.errors import ConfigError
from camelx.ranking.benchmark import benchmark_rankings

REAL_DATA = Path(os.environ.get("CAMELX_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))

needs_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason=f"no real data at {REAL_DATA}; set CAMELX_REAL_DATA"
)


@pytest.fixture(scope="module")
def figures():
    return benchmark_rankings(REAL_DATA)


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


def test_missing_data_say_where_they_are_expected(tmp_path):
    with pytest.raises(ConfigError, match="CAMELX_REAL_DATA"):
        benchmark_rankings(tmp_path)
