"""Goals from a file that somebody sends, with a report on every row that was not taken.

In: a file of this machine and the name that its sender gave it. Out: a `GoalUpload` that names the sender's
file and never this machine's. Called by the API and by the page Interactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from camelx.cycles.imports import GoalImport, import_goals
from camelx.errors import ConfigError, DataValidationError
from camelx.schemas import Record, Split, VerifierKind

MAX_LISTED = 500
"""Broken rows, duplicates and remarks that a report lists, of each."""


class GoalRow(Record):
    """A row of the file of which something is to be said."""

    where: str
    """File and line, such as "goals.csv:17", or file and row."""
    what: str


class GoalUpload(Record):
    """What became, or would become, of a file's rows."""

    file: str
    is_dry_run: bool
    counts: dict[str, int]
    """rows, goals, new, known, updated, broken, duplicates, heldout, with_answer."""
    broken: tuple[GoalRow, ...]
    duplicates: tuple[GoalRow, ...]
    remarks: tuple[str, ...]
    """On stored goals that have another answer than the file."""


def upload_goals(
    path: Path,
    name: str,
    *,
    dry_run: bool = True,
    strict: bool = False,
    fields: Mapping[str, str] | None = None,
    preset: str | None = None,
    split: Split = Split.TRAIN,
    heldout_share: float = 0.0,
    verifier: VerifierKind | None = None,
    update: bool = False,
) -> GoalUpload:
    """Store a file's goals, or say what that would do.

    Args:
        path: The file; its suffix is that of its format.
        name: What the sender calls it.
        dry_run: Store nothing.
        strict: Take nothing from a file with a broken row.
        fields: Column of each goal field; None: the first row tells the layout.
        preset: Name of a known layout.
        split: Where the goals belong.
        heldout_share: Share of the goals that goes to the hold-out.
        verifier: How answers are compared.
        update: Give stored goals the file's answers.

    Raises:
        ConfigError: The file, a field or the preset can't be used.
        DataValidationError: No row is a whole goal, or with `strict` one is broken.
    """
    try:
        done = import_goals(
            path,
            heldout_share=heldout_share,
            update=update,
            dry_run=dry_run,
            fields=fields,
            preset=preset,
            split=split,
            source=name,
            verifier=verifier,
            strict=strict,
        )
    except ConfigError as e:
        raise ConfigError(_said(e, path, name)) from e
    except DataValidationError as e:
        raise DataValidationError(_said(e, path, name)) from e
    return _report(done, path, name, dry_run)


def _report(done: GoalImport, path: Path, name: str, dry_run: bool) -> GoalUpload:
    read = done.report
    return GoalUpload(
        file=name,
        is_dry_run=dry_run,
        counts={
            "rows": read.n_rows,
            "goals": len(done.goals),
            "new": done.n_new,
            "known": len(done.goals) - done.n_new,
            "updated": done.n_updated,
            "broken": len(read.broken),
            "duplicates": len(read.duplicates),
            "heldout": sum(goal.split is Split.HELDOUT for goal in done.goals),
            "with_answer": sum(goal.answer is not None for goal in done.goals),
        },
        broken=tuple(
            GoalRow(where=_said(row.place, path, name), what=row.why) for row in read.broken[:MAX_LISTED]
        ),
        duplicates=tuple(
            GoalRow(
                where=_said(row.place, path, name), what=f"the same goal as {_said(row.first, path, name)}"
            )
            for row in read.duplicates[:MAX_LISTED]
        ),
        remarks=tuple(_said(remark, path, name) for remark in done.remarks[:MAX_LISTED]),
    )


def _said(what: object, path: Path, name: str) -> str:
    """Return the words with the sender's name of the file in place of ours."""
    return str(what).replace(str(path), name)
