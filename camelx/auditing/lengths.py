"""Whether the longer text is preferred: by reviewers, by people, and in what is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from camelx.auditing.intervals import Floats, difference, geometric_mean, mean_of, share
from camelx.auditing.records import LengthPreference, Lengths, Mean
from camelx.auditing.votes import AuditedVotes, lesser_first
from camelx.schemas import PreferencePair

_MATCHED = np.log(1.1) - 1e-9
"""Below this log ratio of longer to shorter a pair counts as length-matched; 10 % exactly does not."""


def length_ratios(pairs: pd.DataFrame, texts: Mapping[str, str]) -> Floats:
    """Return (pairs,) log(length of low_id / length of high_id); NaN where a text is not known."""
    lengths = {item: len(text) for item, text in texts.items()}
    low, high = (np.asarray(pairs[name].map(lengths), dtype=np.float64) for name in ("low_id", "high_id"))
    return _log_ratio(low, high)


def preference(longer: Floats, outcome: Floats, nothing: str | None = None) -> LengthPreference:
    """Return how often the longer side won, of the decided cases in which one is longer.

    Args:
        longer: (n,) log ratio of the lengths of one side and the other; NaN: not known.
        outcome: (n,) 1 where the one side was preferred, -1 the other, 0 a tie.
        nothing: Why there are no cases at all, should that be so.
    """
    is_decided = (outcome != 0) & ~np.isnan(longer) & (longer != 0)
    won = (np.sign(longer) == outcome)[is_decided]
    is_matched = np.abs(longer[is_decided]) < _MATCHED
    differing = share(
        int(won[~is_matched].sum()),
        int((~is_matched).sum()),
        nothing or "nothing was decided between texts whose lengths are known to differ by 10 % or more",
    )
    matched = share(
        int(won[is_matched].sum()),
        int(is_matched.sum()),
        nothing or "nothing was decided between texts of nearly, but not quite, equal length",
    )
    return LengthPreference(differing=differing, matched=matched, difference=difference(differing, matched))


def length_figures(
    votes: AuditedVotes,
    longer: Floats,
    anchors: pd.DataFrame,
    texts: Mapping[str, str],
    exported: Sequence[PreferencePair],
) -> Lengths:
    """Return the length preference of votes, of people's labels and of the exported pairs.

    Args:
        votes: All votes; those that count are taken.
        longer: (pairs,) from `length_ratios`.
        anchors: People's labels: goal_id, first_id, second_id, outcome.
        texts: By item.
        exported: What is trained on.
    """
    chosen, rejected = (
        np.array([len(getattr(pair, side)) for pair in exported], dtype=float)
        for side in ("chosen", "rejected")
    )
    ratios = _log_ratio(chosen, rejected)
    ratios = ratios[~np.isnan(ratios)]
    matched = ratios[np.abs(ratios) < _MATCHED]
    return Lengths(
        votes=preference(
            longer[votes.counted["pair"].to_numpy(dtype=np.int64)],
            votes.counted["low_outcome"].to_numpy(float),
        ),
        people=_people(anchors, texts),
        exported=preference(ratios, np.ones(len(ratios)), None if exported else "no pair was exported"),
        ratio=geometric_mean(np.exp(ratios), "no pair was exported"),
        matched_ratio=geometric_mean(np.exp(matched), "no exported pair is of nearly equal length"),
    )


def chosen_chars(exported: Sequence[PreferencePair]) -> dict[str, Mean]:
    """Return the mean length of the chosen sides, by role."""
    return _by_role([(pair, float(len(pair.chosen))) for pair in exported])


def vote_weights(exported: Sequence[PreferencePair]) -> dict[str, Mean]:
    """Return the mean weight of the pairs that rest on votes, by role: people's have a fixed one."""
    return _by_role([(pair, pair.weight) for pair in exported if pair.source == "votes"])


def _by_role(values: Sequence[tuple[PreferencePair, float]]) -> dict[str, Mean]:
    means = {
        role: mean_of(np.array([value for pair, value in values if pair.role == role]))
        for role in sorted({pair.role for pair, _ in values})
    }
    return {str(role): mean for role, mean in means.items() if mean is not None}


def _people(anchors: pd.DataFrame, texts: Mapping[str, str]) -> LengthPreference:
    if not len(anchors):
        return preference(np.empty(0), np.empty(0), "no human has judged any pair")
    sides = lesser_first(anchors)
    outcome = anchors["outcome"].to_numpy(dtype=float)
    low_outcome = np.where(sides["is_low_first"], outcome, -outcome)
    return preference(length_ratios(sides, texts), low_outcome)


def _log_ratio(one: Floats, other: Floats) -> Floats:
    """Return log(one / other), of characters; an empty text counts as one character."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.log(np.maximum(one, 1.0)) - np.log(np.maximum(other, 1.0)), dtype=np.float64)
