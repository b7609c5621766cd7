"""Pairs as a flat frame with one column for each thing that a rule looks at."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from camelx.schemas import CONTROL_CHARACTERS, Message, stable_id

_C1 = re.compile("[\x80-\x9f]")
_SPACES = re.compile(r"\s+")
_MIN_LEAK_CHARS = 20
"""A shorter held-out text is looked for as a goal of its own only: inside a text it may occur by chance."""
_REQUIRED = ("id", "cycle_id", "goal_id", "role", "source", "chosen_id", "rejected_id")

Row = Mapping[str, Any]
CountTokens = Callable[[Sequence[Message]], int]


@dataclass(frozen=True)
class Known:
    """What the rows are checked against."""

    count_tokens: CountTokens
    heldout_texts: Collection[str]
    ids: Collection[str]


def text_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Return what can be said of any pairs: the columns of `_TEXT_COLUMNS` and `repeats`.

    `repeats` names the earlier row with the same prompt and the same two answers, whichever was chosen.
    """
    frame = pd.DataFrame([_text_columns(i, row) for i, row in enumerate(rows)], columns=_TEXT_COLUMNS)
    first = frame.groupby("texts_key")["pair"].transform("first")
    return frame.assign(repeats=first.where(frame["texts_key"].duplicated(), ""))


def pair_frame(rows: Sequence[Row], known: Known) -> pd.DataFrame:
    """Return `text_frame` with the columns that only pairs of camelx have."""
    frame = text_frame(rows)
    leaks = HeldOut(known.heldout_texts)
    ids = frozenset(known.ids)
    return frame.assign(
        id=[str(row["id"]) for row in rows],
        missing=[_missing(row, _REQUIRED) for row in rows],
        weight=pd.Series([row["weight"] for row in rows], dtype=float).fillna(-1.0),
        margin=pd.Series([row["margin"] for row in rows], dtype=float).fillna(float("inf")),
        voted_margin=pd.Series(
            [row["margin"] if row["source"] == "votes" else 0.0 for row in rows], dtype=float
        ).fillna(-1.0),
        tokens=pd.Series([_tokens(row, known.count_tokens) for row in rows], dtype=float),
        heldout=[leaks.found_in(row) for row in rows],
        unresolved=[_unresolved(row, ids) for row in rows],
    )


def export_frame(pairs: pd.DataFrame, **shares: float) -> pd.DataFrame:
    """Return the one row of facts about the whole file."""
    chosen, rejected = pairs["chosen_chars"].sum(), pairs["rejected_chars"].sum()
    ratio = chosen / rejected if chosen and rejected else 1.0
    return pd.DataFrame([{"pair": "the file", "length_ratio": ratio, **shares}])


_TEXT_COLUMNS = [
    "pair",
    "missing",
    "differs",
    "turns",
    "control_characters",
    "c1_characters",
    "is_prefix",
    "texts_key",
    "chosen_chars",
    "rejected_chars",
]


def _text_columns(position: int, row: Row) -> tuple[Any, ...]:
    prompt, chosen, rejected = (_turns(row.get(key)) for key in ("prompt", "chosen", "rejected"))
    a, b = _text(chosen).strip(), _text(rejected).strip()
    everything = "\n".join(_text(turns) for turns in (prompt, chosen, rejected))
    is_prefix = a != b and bool(a) and bool(b) and (a.startswith(b) or b.startswith(a))
    return (
        f"{row['id']} (row {position + 1})" if row.get("id") else f"row {position + 1}",
        _missing(row, ()),
        a != b,
        f"{_roles(prompt)} > {_roles(chosen)} | {_roles(rejected)}",
        _characters(CONTROL_CHARACTERS, everything),
        _characters(_C1, everything),
        is_prefix,
        stable_id(*(f"{m['role']}\x1e{m['content']}" for m in prompt), "answers", *sorted((a, b))),
        len(a),
        len(b),
    )


def _turns(value: Any) -> list[dict[str, str]]:
    """Return the turns with nulls as empty strings."""
    return [
        {"role": str(turn.get("role") or ""), "content": str(turn.get("content") or "")}
        for turn in (value or [])
    ]


def _text(turns: Sequence[Mapping[str, str]]) -> str:
    return "\n".join(turn["content"] for turn in turns)


def _roles(turns: Sequence[Mapping[str, str]]) -> str:
    return " ".join(turn["role"] or "(no role)" for turn in turns) or "(none)"


def _missing(row: Row, required: Sequence[str]) -> str:
    """Return the names of the fields that are null or blank."""
    empty = [name for name in required if not row.get(name)]
    empty += [key for key in ("chosen", "rejected") if not _text(_turns(row.get(key))).strip()]
    prompt = _turns(row.get("prompt"))
    if not prompt or not all(turn["content"].strip() for turn in prompt):
        empty.append("prompt")
    return ", ".join(empty)


def _characters(pattern: re.Pattern[str], text: str) -> str:
    """Return the characters found as U+ codes, once each."""
    return ", ".join(sorted({f"U+{ord(c):04X}" for c in pattern.findall(text)}))


def _tokens(row: Row, count_tokens: CountTokens) -> int:
    """Return the tokens of the prompt with the longer answer; 0 where the turns can't be counted."""
    conversations = [_turns(row.get("prompt")) + _turns(row.get(key)) for key in ("chosen", "rejected")]
    roles = {turn["role"] for turns in conversations for turn in turns}
    if not roles <= {"system", "user", "assistant"} or not roles:
        return 0
    return max(count_tokens([Message.model_validate(t) for t in turns]) for turns in conversations)


def _unresolved(row: Row, ids: frozenset[str]) -> str:
    """Return what of the provenance is not known, or is not there at all."""
    votes, annotations = row.get("vote_ids") or [], row.get("annotation_ids") or []
    behind = {"votes": votes, "human": annotations, "verifier": votes}.get(row.get("source") or "", [])
    unknown = [str(i) for i in (row.get("chosen_id"), row.get("rejected_id"), *votes, *annotations)]
    problems = [i for i in unknown if i not in ids]
    return ", ".join(problems if behind else [*problems, f"no evidence for source {row.get('source')!r}"])


class HeldOut:
    """Held-out texts, ready to be looked for."""

    def __init__(self, texts: Collection[str]) -> None:
        self._goal_ids = {stable_id("goal", text.strip()) for text in texts}
        normal = {_normal(text) for text in texts}
        self._whole = normal
        self._inside = sorted(text for text in normal if len(text) >= _MIN_LEAK_CHARS)
        self._cache: dict[str, str] = {}

    def found_in(self, row: Row) -> str:
        """Return the held-out text that a pair is about, or ""."""
        if row.get("goal_id") in self._goal_ids:
            return f"goal {row['goal_id']}"
        return self.found_among(
            turn["content"] for key in ("prompt", "chosen", "rejected") for turn in _turns(row.get(key))
        )

    def found_among(self, texts: Iterable[str]) -> str:
        """Return the held-out text that one of the texts is, or holds, or ""."""
        return next((found for text in texts if (found := self._look(text))), "")

    def _look(self, text: str) -> str:
        if text not in self._cache:
            normal = _normal(text)
            is_whole = normal in self._whole or normal.removeprefix("goal: ") in self._whole
            inside = next((t for t in self._inside if t in normal), "")
            self._cache[text] = normal if is_whole else inside
        return self._cache[text]


def _normal(text: str) -> str:
    return _SPACES.sub(" ", text).strip().casefold()
