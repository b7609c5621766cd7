"""The real data sets come in whole, with their answers right."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from camelx.importing import read_goals, read_rounds

REAL_DATA = Path(os.environ.get("CAMELX_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason=f"no real data at {REAL_DATA}; set CAMELX_REAL_DATA"
)


def test_svamp_has_its_thousand_goals_and_answers():
    path = REAL_DATA / "svamp" / "SVAMP.json"
    report = read_goals(path, strict=True)
    assert (len(report.records), report.duplicates) == (1000, ())
    rows = json.loads(path.read_text("utf-8"))
    for goal, row in zip(report.records, rows, strict=True):
        assert re.fullmatch(r"-?\d+", goal.answer)
        assert float(goal.answer) == row["Answer"]
        assert goal.text.endswith(row["Question"].strip()[1:])
        assert not re.search(r"\w [A-Z]\w* (many|much)\b", goal.text[-len(row["Question"]) - 3 :])
    assert report.records[0].text == (
        "Each pack of dvds costs 76 dollars. If there is a discount of 25 dollars on each pack, "
        "how much do you have to pay to buy each pack?"
    )


def test_gsm8k_has_its_goals_and_answers_commas_and_negatives_too():
    path = REAL_DATA / "gsm8k_train" / "train.jsonl"
    report = read_goals(path, strict=True)
    assert (len(report.records), report.duplicates) == (7473, ())
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    raw = [row["answer"].rsplit("####", 1)[1].strip() for row in rows]
    assert [goal.answer for goal in report.records] == [answer.replace(",", "") for answer in raw]
    assert sum("," in answer for answer in raw) == 79
    assert sum(goal.answer.startswith("-") for goal in report.records) == 3
    assert sum(not goal.text.isascii() for goal in report.records) == 308


def test_prd_has_its_goals_outputs_votes_and_human_verdicts():
    rounds = read_rounds(REAL_DATA / "prd_vicuna80" / "rounds.jsonl", "c1", strict=True)
    assert (len(rounds.goals), len(rounds.interactions), len(rounds.votes)) == (80, 400, 8000)
    assert len({row.id for row in (*rounds.interactions, *rounds.votes, *rounds.annotations)}) == 10_160
    assert Counter(a.annotator for a in rounds.annotations) == {
        "human-1": 800,
        "human-2": 480,
        "human-3": 480,
    }
    agents = {row.id: row.agent for row in rounds.interactions}
    raw = {1: "first", 2: "second", 3: "tie"}
    expected = [
        (vote["judge"], vote["first"], vote["second"], raw[vote["raw"]])
        for line in (REAL_DATA / "prd_vicuna80" / "rounds.jsonl").read_text("utf-8").splitlines()
        for vote in json.loads(line)["votes"]
    ]
    found = [(v.judge, agents[v.first_id], agents[v.second_id], v.verdict.value) for v in rounds.votes]
    assert found == expected
