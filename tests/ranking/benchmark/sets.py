"""Tiny data sets in both formats, whose figures can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    """Write one JSON value a line; a text is written as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def vote(judge: str, first: str, second: str, raw: int | None) -> dict[str, Any]:
    return {"judge": judge, "first": first, "second": second, "raw": raw}


def two_rounds() -> list[dict[str, Any]]:
    """People prefer a in the first goal and see a tie in the second; j and k wrote nothing."""
    return [
        {
            "goal_id": 1,
            "outputs": {"a": "x" * 10, "b": "x" * 5},
            "votes": [
                vote("j", "a", "b", 1),
                vote("j", "b", "a", 2),
                vote("k", "a", "b", 1),
                vote("k", "b", "a", 1),
            ],
            "human": [{"a": "a", "b": "b", "votes": [1, 1, -1]}],
        },
        {
            "goal_id": 2,
            "outputs": {"a": "xx", "b": "yy"},
            "votes": [
                vote("j", "a", "b", 2),
                vote("j", "b", "a", 1),
                vote("k", "a", "b", 2),
                vote("k", "b", "a", 3),
            ],
            "human": [{"a": "b", "b": "a", "votes": [0]}],
        },
    ]


def verdict(item: int, judge: str, label: int | None, ab: str | None, ba: str | None) -> dict[str, Any]:
    return {"set": "s", "i": item, "llm": judge, "strategy": "p", "label": label, "ab": ab, "ba": ba}


def two_verdicts() -> list[dict[str, Any]]:
    return [
        verdict(0, "x", 1, "1", "1"),
        verdict(0, "y", 1, "2", None),
        verdict(1, "x", 2, "1", "2"),
        verdict(1, "y", 2, "2", "2"),
    ]
