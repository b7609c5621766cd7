"""Calls on the registered versions of the policy: list, compare, promote, roll back, ask."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from camelx.client.calls import Call, View, get, given, post


class Version(View):
    """One registered version."""

    name: str
    version: int
    label: str
    """"name/version", as it is written into interactions."""
    base: str
    aliases: list[str]
    is_champion: bool
    cycle_id: str | None
    created_at: datetime | None
    passed_gate: bool | None
    metrics: dict[str, float]


class Models(View):
    """All versions of a model."""

    name: str
    names: list[str]
    champion: int | None
    before_champion: int | None
    """What a rollback would put in use."""
    versions: list[Version]
    """Newest first."""


class Comparison(View):
    """Two versions side by side; what differs stands in further fields."""

    a: Version
    b: Version


class Lineage(View):
    """Where a version comes from, with one page of its pairs."""

    version: Version
    ancestors: list[str]
    n_pairs: int
    pairs: list[dict[str, Any]]


def every(name: str | None = None) -> Call[Models]:
    """Return the versions of a model; None: of the one in the project's config."""
    return get(Models, "models", name=name)


def one(version: int, name: str | None = None) -> Call[Version]:
    """Return one version."""
    return get(Version, "models", version, name=name)


def compare(a: int, b: int, name: str | None = None) -> Call[Comparison]:
    """Compare two versions."""
    return get(Comparison, "models", "compare", a=a, b=b, name=name)


def lineage(version: int, name: str | None = None, *, offset: int = 0, limit: int = 20) -> Call[Lineage]:
    """Return where a version comes from."""
    return get(Lineage, "models", version, "lineage", name=name, offset=offset, limit=limit)


def promote(version: int, name: str | None = None, *, instead_of: int | None = None) -> Call[Version]:
    """Put a version in use.

    Args:
        version: Which one.
        name: The model.
        instead_of: The champion that was seen, 0 for none: 409 if it is another by now. None: whichever.
    """
    return post(Version, "models", version, "promote", body=given(instead_of=instead_of), name=name)


def roll_back(name: str | None = None, *, instead_of: int | None = None) -> Call[Version]:
    """Put the champion before this one in use again."""
    return post(Version, "models", "rollback", body=given(instead_of=instead_of), name=name)


def answers(goal: str, a: int | str, b: int | str = "base", name: str | None = None) -> Call[list[View]]:
    """Return what two versions (numbers, or "base") answer to a goal."""
    body = {"goal": goal, "a": str(a), "b": str(b)}
    return post(list[View], "models", "answers", body=body, name=name)
