"""Panels of reviewers drawn from the model, and the real votes in the same shape."""

from __future__ import annotations

import json
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from camelx.ranking import VOTE_COLUMNS

REAL_DATA = Path(os.environ.get("CAMELX_REAL_DATA", Path(__file__).parents[4] / "shared" / "data"))

needs_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason=f"no real data at {REAL_DATA}; set CAMELX_REAL_DATA"
)


def frame(rows, **columns):
    """Rows of (goal, judge, first, second, outcome); an item "ann2" was written by ann."""
    full = [
        (g, j, f"{g}:{a}", f"{g}:{b}", a[:3], b[:3], o, f"v{i}") for i, (g, j, a, b, o) in enumerate(rows)
    ]
    return pd.DataFrame(full, columns=list(VOTE_COLUMNS)).astype({"outcome": float}).assign(**columns)


def draw_panel(
    slopes,
    *,
    first_bias=None,
    noise=0.6,
    n_goals=150,
    n_items=4,
    both_orders=True,
    seed=0,
    authors=None,
    self_bias=0.0,
):
    """Return votes and truth: each reviewer leans by slope x difference, plus its biases, plus noise.

    A lean above 0.3 is a vote, the noise is half that of the pair and half that of the vote. `truth` has one
    row per pair with goal_id, first_id, second_id, difference and outcome (its sign).
    """
    rng = np.random.default_rng(seed)
    bias = first_bias or [0.0] * len(slopes)
    rows, truth = [], []
    for g in range(n_goals):
        quality = rng.normal(size=n_items) / np.sqrt(2)
        ids = [f"g{g:04d}:{i}" for i in range(n_items)]
        for a, b in combinations(range(n_items), 2):
            gap = quality[a] - quality[b]
            truth.append((f"g{g:04d}", ids[a], ids[b], gap, np.sign(gap)))
            for j, slope in enumerate(slopes):
                lean = slope * gap + rng.normal() * noise / np.sqrt(2)
                turns = [(a, b, 1), (b, a, -1)]
                for first, second, sign in turns if both_orders else [turns[rng.integers(2)]]:
                    own = 0.0
                    if authors:
                        own = self_bias * ((authors[first] == f"j{j}") - (authors[second] == f"j{j}"))
                    z = sign * lean + bias[j] + own + rng.normal() * noise / np.sqrt(2)
                    names = (authors[first], authors[second]) if authors else (None, None)
                    outcome = float(np.sign(z) * (abs(z) > 0.3))
                    rows.append((f"g{g:04d}", f"j{j}", ids[first], ids[second], *names, outcome))
    votes = pd.DataFrame(rows, columns=list(VOTE_COLUMNS[:-1]))
    votes["vote_id"] = [f"v{i}" for i in range(len(votes))]
    return votes, pd.DataFrame(truth, columns=["goal_id", "first_id", "second_id", "difference", "outcome"])


def labels_on(truth, goals):
    """Return the truth of the first pair of each of these goals as human labels."""
    part = truth[truth["goal_id"].isin(goals)].drop_duplicates("goal_id")
    return part[["goal_id", "first_id", "second_id", "outcome"]]


def accuracy(ranked, truth):
    """Return the share of decided pairs that are called right, an even one half."""
    outcome = dict(
        zip(zip(truth["first_id"], truth["second_id"], strict=True), truth["outcome"], strict=True)
    )
    pairs = ranked.pairs
    keys = zip(pairs["first_id"], pairs["second_id"], strict=True)
    y = np.array([outcome.get(key, np.nan) for key in keys])
    sign = np.sign(np.round(pairs["probability"].to_numpy() - 0.5, 9))
    known = np.isfinite(y) & (y != 0)
    return float(np.where(sign == 0, 0.5, sign == y)[known].mean())


def calibration_error(confidence, hit):
    """Return the expected calibration error over ten bins of equal width."""
    at = np.clip((confidence * 10).astype(int), 0, 9)
    bins = [at == i for i in range(10) if (at == i).any()]
    return sum(abs(confidence[b].mean() - hit[b].mean()) * b.mean() for b in bins)


def chances(pairs):
    """Return (k, 3): first, tie, second."""
    if "p_first" in pairs:
        return pairs[["p_first", "p_tie", "p_second"]].to_numpy()
    p, tie = pairs["probability"].to_numpy(), pairs["p_tie"].to_numpy()
    return np.stack([p - tie / 2, tie, 1 - p - tie / 2], axis=1)


def read_prd():
    """Return the votes and the human labels (one per pair, the sign of the votes) of prd_vicuna80."""
    votes, human = [], []
    for line in (REAL_DATA / "prd_vicuna80" / "rounds.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        g, length = str(row["goal_id"]), {m: max(1, len(text)) for m, text in row["outputs"].items()}
        for n, v in enumerate(row["votes"]):
            outcome = {1: 1.0, 2: -1.0, 3: 0.0}[v["raw"]]
            ids = (f"{g}/{v['first']}", f"{g}/{v['second']}")
            votes.append((g, v["judge"], *ids, v["first"], v["second"], outcome, f"{g}-{n}", row["category"]))
        for h in row["human"]:
            (a, b), sign = sorted((h["a"], h["b"])), 1.0 if h["a"] < h["b"] else -1.0
            ratio = abs(np.log(length[a] / length[b]))
            human.append((g, f"{g}/{a}", f"{g}/{b}", sign * np.sign(sum(h["votes"])), ratio, {a, b}))
    columns = ["goal_id", "first_id", "second_id", "outcome", "length_ratio", "models"]
    return pd.DataFrame(votes, columns=[*VOTE_COLUMNS, "category"]), pd.DataFrame(human, columns=columns)


def read_llmbar(strategy, subset="adversarial_neighbor"):
    """Return the votes of five judges in both orders, and the labels."""
    votes, labels = [], {}
    for line in (REAL_DATA / "llmbar_dev" / "verdicts.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if (row["set"], row["strategy"]) != (subset, strategy) or row["llm"] == "ChatGPT-0301":
            continue
        g = f"{row['i']:03d}"
        labels[g] = (g, f"{g}/1", f"{g}/2", 1.0 if row["label"] == 1 else -1.0)
        for column, (first, second) in {"ab": "12", "ba": "21"}.items():
            outcome = {first: 1.0, second: -1.0, None: np.nan}[row[column]]
            ids = (f"{g}/{first}", f"{g}/{second}", None, None)
            votes.append((g, row["llm"], *ids, outcome, f"{g}/{row['llm']}/{column}"))
    human = pd.DataFrame(labels.values(), columns=["goal_id", "first_id", "second_id", "outcome"])
    return pd.DataFrame(votes, columns=list(VOTE_COLUMNS)), human
