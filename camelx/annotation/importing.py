"""A file of annotations into the database: first what each row would do, then, if wanted, all of it at once.

In: a file that `exchange` wrote, or one like it. Out: an `AnnotationImport`, which names every row that is
refused by file and line. A row is the same annotation as a stored one where person, pair and kind (a repeat,
a settled verdict) are the same, whatever was shown first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

from pydantic import ValidationError

from camelx.annotation.exchange import COLUMNS, ExchangeFormat, format_of, restored
from camelx.annotation.recording import (
    VERDICT_WORDS,
    HumanVerdict,
    Opinion,
    annotation_id,
    annotator_mistake,
    cleaned,
)
from camelx.errors import DataValidationError
from camelx.importing.report import BrokenRow, BrokenRowError, Place, filled_text
from camelx.importing.rows import read_rows
from camelx.schemas import Annotation, Record, Verdict, utc_now
from camelx.storage import Store

Outcome = Literal["added", "changed", "unchanged", "refused"]
OUTCOMES: tuple[Outcome, ...] = ("added", "changed", "unchanged", "refused")
_Key = tuple[frozenset[str], str, int, bool]
_N_SHOWN = 10
_N_GOAL = 80  # characters of a goal that tell it from others
_DETAILS = ("rating", "rationale", "edited_text", "duration_s", "submission_id", "created_at")
"""What of a stored annotation a row may leave as it is, by not having the column."""
_NEVER_CLEARED = ("submission_id", "created_at")
"""Details that an empty cell leaves as they are, too."""
_REQUIRED = ("a_id", "b_id", "preferred", "annotator")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "": False}


class RowOutcome(Record):
    """What becomes of one row."""

    place: str
    """As "file:line", or "file row n"."""
    outcome: Outcome
    what: str
    """Who says what of which goal's results; of a refused row why it is refused."""
    a_id: str | None = None
    """The two results; None: the row can't be read."""
    b_id: str | None = None


class AnnotationImport(Record):
    """What becomes of a file's rows."""

    file: str
    is_dry_run: bool
    """True: nothing was stored."""
    counts: dict[Outcome, int]
    rows: tuple[RowOutcome, ...]
    """In the order of the file."""

    @property
    def refused(self) -> list[RowOutcome]:
        """The rows that are not taken."""
        return [row for row in self.rows if row.outcome == "refused"]


@dataclass(frozen=True)
class _Read:
    """A row that can be read; whether it fits what is stored is not known yet."""

    place: Place
    annotation: Annotation
    given: frozenset[str]
    """The columns that the row has; the rest of what is stored stays."""

    @property
    def key(self) -> _Key:
        return _key_of(self.annotation)


class _Submissions:
    """The item that each submission is of: figures count a submission once, so it must not be of several."""

    def __init__(self, store: Store, read: Sequence[Annotation]) -> None:
        """Take what is stored of the submissions that are read."""
        self._places: dict[str, Place] = {}
        known = store.annotations_of_submissions(a.submission_id for a in read if a.submission_id is not None)
        pairs: dict[tuple[str, str | None], set[frozenset[str]]] = defaultdict(set)
        for a in (*known, *read):
            pairs[self._key(a)].add(frozenset((a.first_id, a.second_id)))
        of_several = (
            pair for key, its in pairs.items() if key[1] is not None and len(its) > 1 for pair in its
        )
        rows = store.interactions_by_id({i for pair in of_several for i in pair})
        self._texts = {i: (row.goal_id, row.completion) for i, row in rows.items()}
        self._first = {self._key(a): a for a in reversed(known)}

    def add(self, row: _Read) -> None:
        """Take one that is kept."""
        if self._first.setdefault(self._key(row.annotation), row.annotation) is row.annotation:
            self._places[row.annotation.id] = row.place

    def mistake(self, annotation: Annotation) -> str:
        """Return why the annotation can't be of its submission; empty: it can."""
        first = self._first.get(self._key(annotation)) if annotation.submission_id is not None else None
        if first is None or self._item(first) == self._item(annotation):
            return ""
        named = str(annotation.submission_id)[:80]
        where = self._places.get(first.id, "stored before")
        return (
            f"submission_id {named!r} is of another item, {first.first_id[:80]!r} against "
            f"{first.second_id[:80]!r} ({where}); it names one verdict on one item, and may be left out"
        )

    def _item(self, annotation: Annotation) -> frozenset[object]:
        return frozenset(self._texts.get(i, i) for i in (annotation.first_id, annotation.second_id))

    @staticmethod
    def _key(annotation: Annotation) -> tuple[str, str | None]:
        return annotation.annotator, annotation.submission_id


def import_annotations(
    store: Store, path: Path, *, dry_run: bool = False, strict: bool = False, name: str | None = None
) -> AnnotationImport:
    """Store the annotations of a file and return what became of each row.

    Args:
        store: The database.
        path: A .jsonl, .csv or .parquet file with the columns of `exchange`; all but a_id, b_id, preferred
            and annotator may be missing.
        dry_run: Only say what would become of them.
        strict: Take nothing from a file with a row that is refused.
        name: Of the file, as it is shown; None: its path.

    Raises:
        ConfigError: The file is not there, or its format is unknown.
        DataValidationError: With `strict`, a row is refused; nothing is stored then.
        StorageError: The database refused; nothing is stored then.
    """
    found = list(_parsed(path, Path(name or path)))
    read = [row for row in found if isinstance(row, _Read)]
    goals = store.goals_of_results(
        i for row in read for i in (row.annotation.first_id, row.annotation.second_id)
    )
    stored = {_key_of(a): a for a in store.annotations(sorted(set(goals.values())))}
    texts = {goal.id: goal.text for goal in store.goals(ids=sorted(set(goals.values())))}
    seen: dict[_Key, Place] = {}
    submissions = _Submissions(store, [row.annotation for row in read])
    rows, to_save = [], []
    for row in found:
        one = row if isinstance(row, BrokenRow) else _fitted(row, goals, seen, submissions)
        if isinstance(one, BrokenRow):
            rows.append(RowOutcome(place=str(one.place), outcome="refused", what=one.why))
            continue
        seen[one.key] = one.place
        submissions.add(one)
        before = stored.get(one.key)
        outcome, annotation = _against(one, before)
        rows.append(_outcome(one.place, outcome, annotation, before, texts))
        if outcome != "unchanged":
            to_save.append(annotation)
    done = AnnotationImport(
        file=name or str(path),
        is_dry_run=dry_run,
        counts={kind: sum(row.outcome == kind for row in rows) for kind in OUTCOMES},
        rows=tuple(rows),
    )
    if strict and not dry_run:
        _require_all(done)
    if not dry_run:
        store.change_annotations(to_save)
    return done


def _require_all(done: AnnotationImport) -> None:
    if refused := done.refused:
        shown = "\n".join(f"{row.place}: {row.what}" for row in refused[:_N_SHOWN])
        more = f"\n... and {len(refused) - _N_SHOWN} more" if len(refused) > _N_SHOWN else ""
        raise DataValidationError(
            f"{done.file}: {len(refused)} of {len(done.rows)} rows are refused and nothing was imported; "
            f"mend them, or import without strict to take the others:\n{shown}{more}"
        )


def _parsed(path: Path, shown: Path) -> Iterator[_Read | BrokenRow]:
    """Yield the rows of the file, places named after the shown path."""
    is_csv = format_of(path) is ExchangeFormat.CSV
    for row in read_rows(path):
        if isinstance(row, BrokenRow):
            yield BrokenRow(_renamed(row.place, shown), row.why)
            continue
        place, columns = row
        place = _renamed(place, shown)
        try:
            yield _row(place, _from_csv(columns) if is_csv else columns)
        except BrokenRowError as e:
            yield BrokenRow(place, str(e))
        except ValidationError as e:
            first = e.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            yield BrokenRow(place, f"{where} is {repr(first['input'])[:80]}: {first['msg']}")


def _renamed(place: Place, shown: Path) -> Place:
    return Place(shown, place.number, place.unit)


def _from_csv(columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the cells as the values they stand for; an empty one is none."""
    values: dict[str, Any] = {name: restored(cell) or None for name, cell in columns.items()}
    for name, read in (("rating", int), ("duration_s", float), ("repeat", int)):
        if values.get(name) is not None:
            try:
                values[name] = read(values[name])
            except ValueError:
                raise BrokenRowError(f"{name} is {values[name][:40]!r}, expected a number") from None
    adjudicated = (values.get("adjudicated") or "").lower()
    if adjudicated not in _BOOLEANS:
        raise BrokenRowError(f"adjudicated is {adjudicated[:40]!r}, expected true or false")
    return values | {"adjudicated": _BOOLEANS[adjudicated]}


def _row(place: Place, columns: Mapping[str, Any]) -> _Read:
    """Return the row as an annotation, its goal still as the file has it.

    Raises:
        BrokenRowError: Something is missing or wrong.
        ValidationError: A value is of the wrong kind, or too long.
    """
    if unknown := sorted(set(columns) - set(COLUMNS)):
        hint = " with commas between them" if ";" in unknown[0] or "\t" in unknown[0] else ""
        raise BrokenRowError(f"unknown column {unknown[0]!r}; expected {', '.join(COLUMNS)}{hint}")
    if missing := [name for name in _REQUIRED if columns.get(name) is None]:
        raise BrokenRowError(f"{', '.join(missing)}: missing or empty; a row needs {', '.join(_REQUIRED)}")
    a, b, preferred, annotator = (filled_text(columns[name], name) for name in _REQUIRED)
    if a == b:
        raise BrokenRowError(f"a_id and b_id are the same interaction {a!r}")
    if mistake := annotator_mistake(annotator):
        raise BrokenRowError(f"annotator {mistake}")
    opinion = cleaned(
        Opinion(
            verdict=_verdict(preferred, a, b),
            rating=columns.get("rating"),
            rationale=columns.get("rationale"),
            edited_text=columns.get("edited_text"),
            duration_s=columns.get("duration_s"),
        )
    )
    moment = _moment(columns.get("created_at"))
    repeat, adjudicated = columns.get("repeat") or 0, columns.get("adjudicated") or False
    annotation = Annotation(
        id="unknown",
        goal_id=columns.get("goal_id") or "",
        first_id=a,
        second_id=b,
        annotator=annotator,
        **dict(opinion),
        repeat=repeat,
        adjudicated=adjudicated,
        submission_id=columns.get("submission_id") or None,
        created_at=moment or utc_now(),
    )
    own_id = annotation_id((a, b), annotator, repeat=annotation.repeat, adjudicated=annotation.adjudicated)
    given = {name for name in columns if name not in _NEVER_CLEARED or columns[name] not in (None, "")}
    return _Read(place, annotation.model_copy(update={"id": own_id}), frozenset(given))


def _verdict(preferred: str, a: str, b: str) -> HumanVerdict:
    if preferred not in (a, b, "tie", "both_bad"):
        raise BrokenRowError(
            f"preferred is {preferred[:80]!r}, expected a_id's or b_id's value, 'tie' or 'both_bad'"
        )
    if preferred == "both_bad":
        return "both_bad"
    return {a: Verdict.FIRST, b: Verdict.SECOND}.get(preferred, Verdict.TIE)


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BrokenRowError(f"created_at is {str(value)[:40]!r}, expected a moment in ISO 8601") from None


def _fitted(
    row: _Read,
    goals: Mapping[str, str],
    seen: Mapping[_Key, Place],
    submissions: _Submissions,
) -> _Read | BrokenRow:
    """Return the row with its goal, or why it does not fit what is stored or what stands above it."""
    a = row.annotation
    if unknown := [i for i in (a.first_id, a.second_id) if i not in goals]:
        return BrokenRow(row.place, f"there is no interaction {unknown[0][:80]!r}")
    first, second = goals[a.first_id], goals[a.second_id]
    if first != second:
        return BrokenRow(row.place, f"a_id answers goal {first}, b_id answers goal {second}")
    if a.goal_id not in ("", first):
        return BrokenRow(
            row.place, f"goal_id is {a.goal_id[:80]!r}, the two interactions answer goal {first}"
        )
    if above := seen.get(row.key):
        return BrokenRow(row.place, f"says the same person's verdict on the same pair as {above}")
    if mistake := submissions.mistake(a):
        return BrokenRow(row.place, mistake)
    fitted = a.model_copy(update={"goal_id": first})
    return _Read(row.place, fitted, row.given)


def _against(row: _Read, stored: Annotation | None) -> tuple[Outcome, Annotation]:
    """Return what the row does to what is stored; it takes over its id."""
    if stored is None:
        return "added", row.annotation
    kept = {name: getattr(stored, name) for name in _DETAILS if name not in row.given}
    mine = row.annotation.model_copy(update={"id": stored.id, **kept})
    return ("unchanged", stored) if _same(mine, stored) else ("changed", mine)


def _same(one: Annotation, other: Annotation) -> bool:
    """Whether both say the same, whichever of the two was shown first."""
    return _shown_as(one, other.first_id) == other


def _shown_as(one: Annotation, first_id: str) -> Annotation:
    """Return the same annotation with this result as the one that was shown first."""
    if one.first_id == first_id:
        return one
    swapped: dict[HumanVerdict, HumanVerdict] = {
        Verdict.FIRST: Verdict.SECOND,
        Verdict.SECOND: Verdict.FIRST,
    }
    verdict = swapped.get(one.verdict, one.verdict)
    sides = {"first_id": one.second_id, "second_id": one.first_id}
    return one.model_copy(update={**sides, "verdict": verdict})


def _outcome(
    place: Place, outcome: Outcome, one: Annotation, before: Annotation | None, goals: Mapping[str, str]
) -> RowOutcome:
    """Return what becomes of a row, in words that tell it from others without its ids."""
    kind = " (settled)" if one.adjudicated else " (repeat)" if one.repeat else ""
    said = VERDICT_WORDS[one.verdict]
    if outcome == "changed" and before is not None:
        said_before = VERDICT_WORDS[_shown_as(before, one.first_id).verdict]
        if said_before != said:
            said += f" instead of {said_before}"
        if details := [name for name in _DETAILS if getattr(one, name) != getattr(before, name)]:
            said += f", another {', '.join(details)}"
    goal = shorten(goals[one.goal_id], _N_GOAL, placeholder=" …")
    what = f"{one.annotator}{kind}: {said}, on “{goal}”"
    return RowOutcome(place=str(place), outcome=outcome, what=what, a_id=one.first_id, b_id=one.second_id)


def _key_of(a: Annotation) -> _Key:
    return frozenset((a.first_id, a.second_id)), a.annotator, a.repeat, a.adjudicated
