"""Goals from files: which column is what, the expected answer, duplicates merged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camelx.config.section import nearest_hint
from camelx.errors import ConfigError
from camelx.importing.answers import expected_answer
from camelx.importing.report import (
    BrokenRow,
    BrokenRowError,
    Duplicate,
    ImportReport,
    Place,
    clean_text,
    filled_text,
    require_whole,
)
from camelx.importing.rows import read_rows
from camelx.schemas import Goal, Split, VerifierKind

GOAL_FIELDS = ("text", "answer", "category", "level")
"""Fields of a goal that a column can fill."""

_CLAUSE = re.compile(r"(^|[.!?]\s+)(If|When|After|Before|Since|Given|As)\b[^.!?]*$")
_QUESTION_WORD = re.compile(r"(How|What|Which|Who|Whose|When|Where|Why|Did|Do|Does|Is|Are|Was|Were|Find)\b")


@dataclass(frozen=True)
class Preset:
    """The layout of a known data set."""

    fields: Mapping[str, str]
    fits: Callable[[Mapping[str, Any]], bool]
    """Whether a row looks like one of this data set."""
    answer_pattern: str | None = None
    verifier: VerifierKind | None = None


PRESETS: Mapping[str, Preset] = {
    "gsm8k": Preset(
        {"text": "question", "answer": "answer"},
        lambda row: "question" in row and "####" in str(row.get("answer")),
        answer_pattern=r"####\s*(.*?)\s*$",
        verifier="numeric",
    ),
    "svamp": Preset(
        {"text": "Body+Question", "answer": "Answer", "category": "Type"},
        lambda row: {"Body", "Question", "Answer"} <= set(row),
        verifier="numeric",
    ),
    "qa": Preset({"text": "question", "answer": "answer"}, lambda row: {"question", "answer"} <= set(row)),
    "prd": Preset({"text": "goal", "category": "category"}, lambda row: "goal" in row),
    "camelx": Preset({name: name for name in GOAL_FIELDS}, lambda row: "text" in row),
}
"""Known layouts by name, in the order in which a row is tried against them."""


@dataclass(frozen=True)
class _Layout:
    fields: Mapping[str, str]
    pattern: re.Pattern[str] | None
    verifier: VerifierKind | None
    split: Split
    source: str
    required: frozenset[str]
    """Fields whose column every row must have."""


@dataclass
class _Harvest:
    """The goals found so far, by id, with the place of each."""

    goals: dict[str, Goal] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    broken: list[BrokenRow] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)

    def add(self, place: Place, goal: Goal) -> None:
        """Take the goal, or merge it with an equal one.

        Raises:
            BrokenRowError: The same goal has another answer.
        """
        known = self.goals.setdefault(goal.id, goal)
        first = self.places.setdefault(goal.id, place)
        if first is place:
            return
        if None not in (known.answer, goal.answer) and known.answer != goal.answer:
            raise BrokenRowError(
                f"the same goal as {first}, but with the answer {goal.answer!r} instead of {known.answer!r}"
            )
        self.duplicates.append(Duplicate(place, first))
        if known.answer is None:
            self.goals[goal.id] = known.model_copy(update={"answer": goal.answer})


def read_goals(
    path: Path,
    *,
    fields: Mapping[str, str] | None = None,
    preset: str | None = None,
    split: Split = Split.TRAIN,
    source: str | None = None,
    verifier: VerifierKind | None = None,
    answer_pattern: str | None = None,
    problem: Callable[[Goal], str | None] = lambda goal: None,
    strict: bool = False,
) -> ImportReport[Goal]:
    """Return the goals of a file, and its broken and duplicate rows.

    Args:
        path: A .jsonl, .json, .csv or .parquet file, or a `datasets` directory.
        fields: Column of each goal field, such as {"text": "question"}; "a.b" is b inside of a, and
            "Body+Question" joins two columns. Without it and `preset` the first row tells the layout.
        preset: Name of a known layout, one of `PRESETS`; `fields` and the options below win over it.
        split: Where the goals belong.
        source: Where they came from; the file's name where None.
        verifier: How answers are compared; the preset's where None.
        answer_pattern: Regular expression; its first group in the last match is the answer.
        problem: What is wrong with a goal beyond its row, if anything is: then the row is broken.
        strict: Take nothing from a file with a broken row.

    Raises:
        ConfigError: The file, a preset, a field or the pattern does not exist or can't be used.
        DataValidationError: With `strict`, a row is broken.
    """
    known = _preset(preset) if preset else None
    layout: _Layout | None = None
    harvest, n_rows = _Harvest(), 0
    for row in read_rows(path):
        n_rows += 1
        if isinstance(row, BrokenRow):
            harvest.broken.append(row)
            continue
        place, columns = row
        if layout is None:
            chosen = known or (None if fields else _recognised(path, columns))
            layout = _layout(chosen, fields, verifier, answer_pattern, split, source or path.name)
        try:
            goal = _goal(columns, layout)
            if why := problem(goal):
                raise BrokenRowError(why)
            harvest.add(place, goal)
        except BrokenRowError as e:
            harvest.broken.append(BrokenRow(place, str(e)))
    if strict:
        require_whole(path, harvest.broken, n_rows)
    return ImportReport(
        tuple(harvest.goals.values()),
        tuple(harvest.broken),
        tuple(harvest.duplicates),
        n_rows,
        harvest.places,
    )


def column_value(row: Mapping[str, Any], column: str) -> object:
    """Return what a column expression ("name", "outer.inner", "first+second") stands for in the row.

    Raises:
        BrokenRowError: The row has no such column.
    """
    if column in row:
        return row[column]
    if "+" in column:
        parts = [part.strip() for part in column.split("+")]
        return join_texts([clean_text(column_value(row, part), part) for part in parts])
    value: object = row
    for part in column.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise BrokenRowError(f"no column {column!r}; it has {', '.join(map(str, row)) or 'none'}")
        value = value[part]
    return value


def join_texts(parts: list[str]) -> str:
    """Return the texts as one, a missing final mark put in.

    A subordinate clause takes a comma and goes on in lower case ("If it costs 3 dollars" + "How much ...?"),
    any other sentence takes a period.
    """
    joined, *others = [stripped for part in parts if (stripped := part.strip())] or [""]
    for part in others:
        if joined[-1] in ".!?:;,":
            joined = f"{joined} {part}"
        elif _CLAUSE.search(joined):
            continued = part[0].lower() + part[1:] if _QUESTION_WORD.match(part) else part
            joined = f"{joined}, {continued}"
        else:
            joined = f"{joined}. {part}"
    return joined


def _goal(row: Mapping[str, Any], layout: _Layout) -> Goal:
    values = {name: _field_value(row, name, layout) for name in layout.fields}
    level = values.get("level")
    category = values.get("category")
    return Goal.new(
        filled_text(values["text"], "text"),
        answer=expected_answer(values.get("answer"), layout.pattern, layout.verifier),
        verifier=layout.verifier,
        category="general" if category in (None, "") else filled_text(category, "category"),
        level=None if level in (None, "") else _level(level),
        split=layout.split,
        source=layout.source,
    )


def _field_value(row: Mapping[str, Any], name: str, layout: _Layout) -> object:
    column = layout.fields[name]
    if name not in layout.required and column not in row:
        return None
    return column_value(row, column)


def _level(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise BrokenRowError(f"level is {str(value)[:80]!r}, expected a whole number") from None


def _layout(
    preset: Preset | None,
    fields: Mapping[str, str] | None,
    verifier: VerifierKind | None,
    answer_pattern: str | None,
    split: Split,
    source: str,
) -> _Layout:
    merged = {**(preset.fields if preset else {}), **(fields or {})}
    for name in merged:
        if name not in GOAL_FIELDS:
            raise ConfigError(f"a goal has no field {name!r}{nearest_hint(name, GOAL_FIELDS)}")
    if "text" not in merged:
        raise ConfigError("no column is named for the goal's text; add one, such as --field text=question")
    pattern = answer_pattern or (preset.answer_pattern if preset else None)
    try:
        compiled = re.compile(pattern) if pattern else None
    except re.error as e:
        raise ConfigError(f"the answer pattern {pattern!r} is no regular expression: {e}") from e
    kind = verifier or (preset.verifier if preset else None)
    required = {"text", *(fields or {}), *(["answer"] if kind and "answer" in merged else [])}
    return _Layout(merged, compiled, kind, split, source, frozenset(required))


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}{nearest_hint(name, PRESETS)}")
    return PRESETS[name]


def _recognised(path: Path, row: Mapping[str, Any]) -> Preset:
    for preset in PRESETS.values():
        if preset.fits(row):
            return preset
    raise ConfigError(
        f"{path}: its columns are {', '.join(map(str, row))}, which is no known layout "
        f"({', '.join(PRESETS)}); say which column holds the goal, such as --field text=question"
    )
