"""Reads verdicts: pairs of outputs with an objective label, and what several judges said of them.

The format is that of `llmbar_dev/verdicts.jsonl` (data of https://github.com/princeton-nlp/LLMBar): one judge
(`llm`), prompt (`strategy`), `set` and item (`i`) a line; `ab` and `ba` name the winner, 1 or 2 in the
original numbering, as said with output 1 shown first and with output 2 shown first; null is unreadable. The
texts, which are only needed for their length, lie beside it in `<set>.jsonl`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from camelx.errors import DataValidationError
from camelx.ranking.benchmark.lines import Part, read_lines

_NAN = float("nan")
_WINNER = {"1": 1.0, "2": -1.0, 1: 1.0, 2: -1.0, None: _NAN}
_LABEL = _WINNER | {None: 0.0}


@dataclass(frozen=True)
class VerdictSet:
    """The items of one set, judged with one prompt."""

    name: str
    """strategy/set"""
    votes: pd.DataFrame
    """With `VOTE_COLUMNS`, two rows for each verdict line, one per order; authors are unknown."""
    truth: pd.DataFrame
    """One row for each labelled item: goal (code), goal_id, first_id, second_id (outputs 1 and 2),
    first_chars, second_chars (NaN where unknown), human (1 or -1)."""


def read_verdicts(path: Path) -> list[VerdictSet]:
    """Return the sets of a file, sorted by name; one without a single label is left out.

    Raises:
        DataValidationError: A line breaks the format, or no item has a label.
    """
    votes: dict[str, list[dict[str, Any]]] = defaultdict(list)
    labels: dict[str, dict[str, float]] = defaultdict(dict)
    subsets: dict[str, str] = {}
    seen: dict[tuple[str, str, str], int] = {}
    for line in read_lines(path):
        subset, strategy, item = line.name("set"), line.name("strategy"), line.name("i")
        name, judge = f"{strategy}/{subset}", line.name("llm")
        subsets[name] = subset
        if (name, judge, item) in seen:
            raise line.wrong("i", f"one that {judge} did not judge on line {seen[name, judge, item]}")
        seen[name, judge, item] = line.number
        label = line.one_of("label", _LABEL, "1, 2 or null (unknown)")
        if labels[name].setdefault(item, label) != label:
            raise line.wrong("label", "the one that earlier lines give this item")
        votes[name] += _votes(line, item, judge)
    if not any(any(items.values()) for items in labels.values()):
        raise DataValidationError(
            f"{path}: none of its {len(seen)} lines has a label, so nothing can be scored"
        )
    chars = {subset: _chars(path.parent, subset) for subset in set(subsets.values())}
    sets = [
        VerdictSet(name, pd.DataFrame(votes[name]), _truth(labels[name], chars[subsets[name]]))
        for name in sorted(votes)
    ]
    return [one for one in sets if len(one.truth)]


def _votes(line: Part, item: str, judge: str) -> list[dict[str, Any]]:
    """Return the vote of each order."""
    rows = []
    for order, (first, second, side) in {"ab": ("1", "2", 1.0), "ba": ("2", "1", -1.0)}.items():
        rows.append(
            {
                "goal_id": item,
                "judge": judge,
                "first_id": f"{item}/{first}",
                "second_id": f"{item}/{second}",
                "first_author": None,
                "second_author": None,
                "outcome": side * line.one_of(order, _WINNER, "'1', '2' or null (unreadable)"),
                "vote_id": f"{item}/{judge}/{order}",
            }
        )
    return rows


def _truth(labels: Mapping[str, float], chars: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    items = sorted((i for i, label in labels.items() if label), key=_by_number)
    lengths = [chars.get(item, (_NAN, _NAN)) for item in items]
    return pd.DataFrame(
        {
            "goal": range(len(items)),
            "goal_id": items,
            "first_id": [f"{item}/1" for item in items],
            "second_id": [f"{item}/2" for item in items],
            "first_chars": [first for first, _ in lengths],
            "second_chars": [second for _, second in lengths],
            "human": [labels[item] for item in items],
        }
    )


def _by_number(item: str) -> tuple[int, str]:
    return (int(item) if item.isdecimal() else 0, item)


def _chars(folder: Path, subset: str) -> dict[str, tuple[float, float]]:
    """Return the lengths of both outputs of each item, where the file with the texts is there."""
    path = folder / f"{subset}.jsonl"
    if Path(subset).name != subset or not path.is_file():
        return {}
    chars = {}
    for line in read_lines(path):
        texts = [line.content.get(field) for field in ("output_1", "output_2")]
        for field, text in zip(("output_1", "output_2"), texts, strict=True):
            if not isinstance(text, str):
                raise line.wrong(field, "a text")
        chars[line.name("i")] = (float(len(str(texts[0]))), float(len(str(texts[1]))))
    return chars
