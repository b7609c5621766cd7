"""Reads rounds: goals with several models' answers, judges' votes on ordered pairs, and people's verdicts.

The format is that of `prd_vicuna80/rounds.jsonl` (data of https://github.com/bcdnlp/PRD): one goal a line.
A vote's `raw` is 1 for the first, 2 for the second, 3 for a tie, null where it is unreadable; without `raw`
the `winner` counts, as in docs/importing.md. Judges need not have written an answer, and people need not
have judged every pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camelx.errors import DataValidationError
from camelx.ranking.benchmark.lines import Part, read_lines

_NAN = float("nan")
_RAW = {1: 1.0, 2: -1.0, 3: 0.0, None: _NAN}
_HUMAN = {1: 1.0, -1: -1.0, 0: 0.0, "both_bad": _NAN}
_TRUTH_COLUMNS = (
    "goal",
    "goal_id",
    "first_id",
    "second_id",
    "first_author",
    "second_author",
    "first_chars",
    "second_chars",
    "human",
)


@dataclass(frozen=True)
class Rounds:
    """A data set of rounds."""

    votes: pd.DataFrame
    """With `VOTE_COLUMNS` and `category`; a result is named "goal/model"."""
    truth: pd.DataFrame
    """Two rows for each pair that people judged, one per order: goal (code), goal_id, first_id, second_id,
    first_author, second_author, first_chars, second_chars, human (1, 0 or -1: the sign of the mean vote)."""


def read_rounds(path: Path) -> Rounds:
    """Return the votes and the human verdicts of a file.

    Raises:
        DataValidationError: A line breaks the format, or the file has no readable vote or no human verdict.
    """
    votes: list[dict[str, Any]] = []
    truth: list[tuple[Any, ...]] = []
    seen: dict[str, int] = {}
    for goal, line in enumerate(read_lines(path)):
        goal_id = line.name("goal_id") if "goal_id" in line.content else f"line {line.number}"
        if goal_id in seen:
            raise line.wrong("goal_id", f"another one than line {seen[goal_id]} has")
        seen[goal_id] = line.number
        outputs = _outputs(line)
        category = line.name("category") if line.content.get("category") else ""
        for vote in line.objects("votes"):
            votes.append(_vote(vote, goal_id, outputs) | {"category": category, "vote_id": str(len(votes))})
        truth += _human_verdicts(line, goal, goal_id, outputs)
    if not votes or not truth:
        raise DataValidationError(
            f"{path}: no {'vote' if not votes else 'human verdict'} in {len(seen)} goals, so there is "
            "nothing to measure; docs/importing.md describes the format"
        )
    frame = pd.DataFrame(votes)
    if frame["outcome"].isna().all():
        raise DataValidationError(
            f"{path}: none of the {len(votes):,} votes is readable (raw is null, or error is set), so "
            "there is nothing to measure"
        )
    return Rounds(frame, pd.DataFrame(truth, columns=list(_TRUTH_COLUMNS)))


def _outputs(line: Part) -> Mapping[str, str]:
    outputs = line.content.get("outputs")
    if not isinstance(outputs, Mapping) or not all(isinstance(text, str) for text in outputs.values()):
        raise line.wrong("outputs", "an object of model: text")
    return outputs


def _vote(vote: Part, goal_id: str, outputs: Mapping[str, str]) -> dict[str, Any]:
    judge = vote.name("judge")
    first, second = _pair(vote, ("first", "second"), outputs)
    return {
        "goal_id": goal_id,
        "judge": judge,
        "first_id": f"{goal_id}/{first}",
        "second_id": f"{goal_id}/{second}",
        "first_author": first,
        "second_author": second,
        "outcome": _outcome(vote, first, second),
    }


def _outcome(vote: Part, first: str, second: str) -> float:
    """Return 1, -1, 0 or NaN."""
    if vote.content.get("error"):
        return _NAN
    by_name = {first: 1.0, second: -1.0, None: 0.0}
    if "raw" not in vote.content:
        return vote.one_of("winner", by_name, f"{first!r}, {second!r} or null for a tie")
    outcome = vote.one_of("raw", _RAW, "1 (first), 2 (second), 3 (tie) or null (unreadable)")
    expected = {value: name for name, value in by_name.items()}.get(outcome)
    if vote.content.get("winner", expected) != expected:
        raise vote.wrong("winner", f"{expected!r}, since raw is {vote.content['raw']!r}")
    return outcome


def _pair(part: Part, fields: tuple[str, str], outputs: Mapping[str, str]) -> tuple[str, str]:
    for field in fields:
        if part.content.get(field) not in list(outputs):
            raise part.wrong(field, f"one of the models of this goal: {', '.join(outputs)}")
    first, second = (str(part.content[field]) for field in fields)
    if first == second:
        raise part.wrong(fields[1], "another model than the first")
    return first, second


def _human_verdicts(line: Part, goal: int, goal_id: str, outputs: Mapping[str, str]) -> list[tuple[Any, ...]]:
    """Return the rows of `Rounds.truth` of a goal; a pair without a human vote has none."""
    sums: dict[tuple[str, str], float] = {}
    for judged in line.objects("human"):
        a, b = _pair(judged, ("a", "b"), outputs)
        values = judged.content.get("votes")
        if not isinstance(values, list):
            raise judged.wrong("votes", "a list of 1 (a is better), -1 (b is better) or 0 (tie)")
        votes = [
            Part(judged.path, judged.number, {f"votes[{i}]": value}, judged.inside).one_of(
                f"votes[{i}]", _HUMAN, "1 (a is better), -1 (b is better), 0 (tie) or 'both_bad'"
            )
            for i, value in enumerate(values)
        ]
        readable = [vote for vote in votes if not np.isnan(vote)]
        key, sign = ((b, a), -1.0) if (b, a) in sums else ((a, b), 1.0)
        if readable:
            sums[key] = sums.get(key, 0.0) + sign * sum(readable)
    return [
        (
            goal,
            goal_id,
            f"{goal_id}/{first}",
            f"{goal_id}/{second}",
            first,
            second,
            len(outputs[first]),
            len(outputs[second]),
            side * float(np.sign(total)),
        )
        for (a, b), total in sums.items()
        for first, second, side in ((a, b, 1.0), (b, a, -1.0))
    ]
