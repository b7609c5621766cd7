"""The audit on real votes and real labels, against figures that were computed from them before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auditing.panels import audited, reviewer

FOLDER = Path(os.environ.get("CAMELX_REAL_DATA") or Path(__file__).parents[3] / "shared/data")


@pytest.fixture(scope="module")
def prd():
    path = FOLDER / "prd_vicuna80" / "rounds.jsonl"
    if not path.exists():
        pytest.skip(f"real data not there: {path}")
    votes, labels, texts = [], [], {}
    for line in path.read_text("utf-8").splitlines():
        r = json.loads(line)
        goal = str(r["goal_id"])
        texts |= {f"{goal}/{model}": text for model, text in r["outputs"].items()}
        votes += [
            (goal, v["judge"], f"{goal}/{v['first']}", f"{goal}/{v['second']}", None, None, _sign(v))
            for v in r["votes"]
        ]
        labels += [
            (goal, f"{goal}/{h['a']}", f"{goal}/{h['b']}", float(np.sign(sum(h["votes"]))))
            for h in r["human"]
        ]
    columns = ["goal_id", "judge", "first_id", "second_id", "first_author", "second_author", "outcome"]
    anchors = pd.DataFrame(labels, columns=["goal_id", "first_id", "second_id", "outcome"])
    return audited(pd.DataFrame(votes, columns=columns), texts=texts, anchors=anchors)


def _sign(vote):
    return 0.0 if vote["winner"] is None else 1.0 if vote["winner"] == vote["first"] else -1.0


def test_flip_rates_are_those_of_the_data_sheet(prd):
    same = {"gpt-4": 0.69, "gpt-3.5": 0.69, "claude": 0.55, "vicuna": 0.37, "bard": 0.37}
    assert {r.judge: round(1 - r.flip_rate.value, 2) for r in prd.reviewers} == same
    assert {r.flip_rate.n for r in prd.reviewers} == {800}


def test_people_prefer_the_longer_answer_as_the_data_sheet_says(prd):
    people = prd.length.people
    n = people.differing.n + people.matched.n
    won = people.differing.value * people.differing.n + people.matched.value * people.matched.n
    assert n == 704
    assert round(won / n, 3) == 0.815


def test_no_figure_is_missing_but_those_that_need_authors(prd):
    for one in prd.reviewers:
        for figure in (one.flip_rate, one.first_preference, one.agreement, one.length.difference):
            assert figure.low < figure.value < figure.high
        assert "no vote on its own work" in one.self_preference.own.reason
    assert len(prd.agreement) == 10
    assert reviewer(prd, "gpt-4").agreement.value > reviewer(prd, "vicuna").agreement.value
