"""Calls on what cycles work with and leave behind: interactions, pairs, goals, agreement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from camelx.client.calls import Call, Page, View, get, post
from camelx.schemas import Goal, Interaction, InteractionLine, PreferencePair, Role, Split


class GoalUpload(View):
    """What became, or would become, of a file's rows: counts, and rows with what is wrong."""

    counts: dict[str, int]


def interactions(*, limit: int = 50, **wanted: Any) -> Call[Page[InteractionLine]]:
    """Return the interactions that meet all filters, newest first, in pages of `limit`.

    Args:
        limit: Lines in a page, at most 200.
        wanted: cycle_id, goal_id, agent, role, model, status, stage, text, since, until.
    """
    return get(Page[InteractionLine], "interactions", limit=limit, **wanted)


def interaction(interaction_id: str) -> Call[Interaction]:
    """Return one interaction whole."""
    return get(Interaction, "interactions", interaction_id)


def pairs(
    cycle_id: str, *, role: Role | None = None, goal_id: str | None = None, limit: int = 50
) -> Call[Page[PreferencePair]]:
    """Return the preference pairs that a cycle exported, in pages of `limit`."""
    return get(Page[PreferencePair], "pairs", cycle_id=cycle_id, role=role, goal_id=goal_id, limit=limit)


def pair(pair_id: str, cycle_id: str) -> Call[View]:
    """Return a pair with all that led to it."""
    return get(View, "pairs", pair_id, cycle_id=cycle_id)


def goals(
    *, split: Split | None = None, source: str | None = None, text: str | None = None, limit: int = 50
) -> Call[Page[Goal]]:
    """Return goals by id, in pages of `limit`."""
    return get(Page[Goal], "goals", split=split, source=source, text=text, limit=limit)


def goal(goal_id: str) -> Call[Goal]:
    """Return one goal."""
    return get(Goal, "goals", goal_id)


def thread(goal_id: str, cycle_id: str) -> Call[View]:
    """Return all that a cycle did with a goal."""
    return get(View, "goals", goal_id, "thread", cycle_id=cycle_id)


def import_goals(
    file: Path, *, dry_run: bool = True, fields: Mapping[str, str] | None = None, **options: Any
) -> Call[GoalUpload]:
    """Import goals from a file, or say what that would do.

    Args:
        file: JSONL, JSON, CSV or parquet; it is read now.
        dry_run: Only say what would become of the rows.
        fields: The file's column of each goal's field, such as {"text": "question"}.
        options: preset, split, heldout_share, verifier, update, strict.
    """
    named = [f"{name}={column}" for name, column in (fields or {}).items()]
    call: Call[Any] = post(GoalUpload, "goals", "import", dry_run=dry_run, field=named or None, **options)
    return replace(call, file=(file.name, file.read_bytes()))


def agreement(cycle_id: str | None = None) -> Call[View]:
    """Return how far people and reviewer agents agree."""
    return get(View, "agreement", cycle_id=cycle_id)
