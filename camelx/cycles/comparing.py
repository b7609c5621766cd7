"""Two cycles side by side: what their configs have different, what each did, what it brought and cost.

In: two summaries. Out: rows of (what, of the one, of the other). Called by the server and the pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from camelx.cycles.summary import CycleSummary
from camelx.schemas import Stage


@dataclass(frozen=True)
class Difference:
    """One thing that two cycles have, and maybe have different."""

    what: str
    a: Any
    b: Any

    @property
    def is_different(self) -> bool:
        """Whether the two differ."""
        return bool(self.a != self.b)


@dataclass(frozen=True)
class Comparison:
    """Two cycles side by side."""

    a: CycleSummary
    b: CycleSummary
    config: tuple[Difference, ...]
    """Values of the config that differ, by dotted key; None: the key is not there."""
    counts: tuple[Difference, ...]
    """Goals, interactions, votes, pairs, and what was dropped."""
    heldout: tuple[Difference, ...]
    """Champion and challenger on held-out goals, and the gate."""
    costs: tuple[Difference, ...]
    """Seconds, model calls, tokens and money of reviews, memory."""


def compare(a: CycleSummary, b: CycleSummary) -> Comparison:
    """Return the two cycles side by side."""
    ours, theirs = a.as_json(), b.as_json()
    pairs = [(what, ours[what], theirs[what]) for what in ("n_goals", "n_interactions", "n_votes", "n_pairs")]
    dropped = sorted({*ours["dropped"], *theirs["dropped"]})
    pairs += [
        (f"dropped: {why}", ours["dropped"].get(why, 0), theirs["dropped"].get(why, 0)) for why in dropped
    ]
    return Comparison(
        a=a,
        b=b,
        config=tuple(_config_differences(a.cycle.config, b.cycle.config)),
        counts=tuple(Difference(what.removeprefix("n_"), x, y) for what, x, y in pairs),
        heldout=tuple(_heldout(ours, theirs)),
        costs=tuple(_costs(a, b)),
    )


def _config_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    ours, theirs = dict(_leaves(a)), dict(_leaves(b))
    for key in dict.fromkeys([*ours, *theirs]):
        if ours.get(key) != theirs.get(key):
            yield Difference(key, ours.get(key), theirs.get(key))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every plain value with its dotted key; lists of plain values count as one."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{key}.{item.get('name', i) if isinstance(item, Mapping) else i}")
    else:
        yield key, value


def _heldout(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    ours, theirs = a["heldout"] or {}, b["heldout"] or {}
    for what in ("n_goals", "champion", "challenger", "difference", "low", "high"):
        if what in ours or what in theirs:
            yield Difference(what, ours.get(what), theirs.get(what))
    yield Difference("promoted", a["promoted"], b["promoted"])
    yield Difference("version", a["mlflow"]["version"], b["mlflow"]["version"])


def _costs(a: CycleSummary, b: CycleSummary) -> Iterator[Difference]:
    ours, theirs = a.as_json(), b.as_json()
    for what in ("seconds", "n_model_calls", "peak_rss_mb"):
        yield Difference(what, ours[what], theirs[what])
    for what in ("calls", "tokens", "money"):
        x, y = ((facts["reviews"] or {}).get(what) for facts in (ours, theirs))
        if x is not None or y is not None:
            yield Difference(f"reviews: {what}", x, y)
    for stage in Stage:
        x, y = (one.reports[stage].seconds if stage in one.reports else None for one in (a, b))
        if x is not None or y is not None:
            yield Difference(f"{stage}: seconds", x and round(x, 1), y and round(y, 1))
