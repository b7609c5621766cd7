"""Votes as a table of integer codes, which every ranker computes on without a loop over goals.

In: a frame with `VOTE_COLUMNS`, as `Store.vote_table` gives it. Out: a `VoteTable`. What may not count
is left out here, once for all rankers: unreadable verdicts, and votes on a judge's own work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from camelx.errors import DataValidationError

VOTE_COLUMNS = (
    "goal_id",
    "judge",
    "first_id",
    "second_id",
    "first_author",
    "second_author",
    "outcome",
    "vote_id",
)
"""`outcome` is 1.0 where the first was preferred, -1.0 the second, 0.0 a tie, NaN unreadable."""

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VoteTable:
    """Votes as integer codes. Items are results; `n` votes count, on `m` items in `k` reviewed pairs.

    Items are sorted by goal, then by id, so the items of a goal are neighbours and the lesser code of a
    pair is the lesser id.
    """

    goals: npt.NDArray[np.object_]
    """Goal ids, sorted."""
    item_ids: npt.NDArray[np.object_]
    """(m,)"""
    item_goal: Codes
    """(m,) into `goals`."""
    agents: npt.NDArray[np.object_]
    """Judges and authors, sorted."""
    judges: Codes
    """Those of `agents` who voted, unreadable and uncounted votes included."""
    judge: Codes
    """(n,) into `agents`, as the authors."""
    first: Codes
    """(n,) into the items, as `second`."""
    second: Codes
    first_author: Codes
    """(n,) into `agents`; -1 where unknown."""
    second_author: Codes
    outcome: Floats
    """(n,) 1, 0 or -1."""
    vote_ids: npt.NDArray[np.object_]
    """(n,)"""
    low: Codes
    """(k,) lesser item of each pair, sorted; `high` is the other."""
    high: Codes
    pair: Codes
    """(n,) into the pairs."""
    n_unreadable: Codes
    """(agents,) votes left out because they can't be read."""
    n_own: Codes
    """(agents,) readable votes left out because they were on the judge's own work."""

    @property
    def is_low_first(self) -> npt.NDArray[np.bool_]:
        """(n,) whether the lesser item of the pair was shown first."""
        return self.first < self.second

    @property
    def low_outcome(self) -> Floats:
        """(n,) the outcome seen from the lesser item of the pair."""
        return np.where(self.is_low_first, self.outcome, -self.outcome)

    def per_item(self, first: Floats, second: Floats) -> Floats:
        """Return the sums (m,) of what each vote gives the item shown first and the one shown second."""
        m = len(self.item_ids)
        return weighted_counts(self.first, first, m) + weighted_counts(self.second, second, m)


def weighted_counts(codes: Codes, weights: Floats, n: int) -> Floats:
    """Return the sum of the weights of each code (n,)."""
    return np.bincount(codes, weights, n).astype(np.float64)


def tabulate_votes(votes: pd.DataFrame, *, drop_own: bool = True) -> VoteTable:
    """Return the votes as codes, without those that may not count.

    Args:
        votes: A frame with `VOTE_COLUMNS`; further columns are ignored.
        drop_own: Leave out votes of a judge on its own work. False follows papers that keep them.

    Raises:
        DataValidationError: A column is missing, an outcome is none of 1, 0, -1, NaN, or a result was
            compared with itself.
    """
    outcome = _checked_outcome(votes)
    agents, (judge, first_author, second_author) = _codes(votes, "judge", "first_author", "second_author")
    goals, (goal,) = _codes(votes, "goal_id")
    ids, (first_id, second_id) = _codes(votes, "first_id", "second_id")
    keys, item = np.unique(
        np.concatenate([goal, goal]) * len(ids) + np.concatenate([first_id, second_id]), return_inverse=True
    )
    first, second = np.split(item.reshape(-1).astype(np.int64), 2)

    is_own = (judge == first_author) | (judge == second_author)
    is_unreadable = np.isnan(outcome)
    counts = ~is_unreadable & ~(is_own & drop_own)
    first, second = first[counts], second[counts]
    low, high = np.minimum(first, second), np.maximum(first, second)
    pair_keys, pair = np.unique(low * max(1, len(keys)) + high, return_inverse=True)
    return VoteTable(
        goals=goals,
        item_ids=ids[keys % max(1, len(ids))],
        item_goal=keys // max(1, len(ids)),
        agents=agents,
        judges=np.unique(judge),
        judge=judge[counts],
        first=first,
        second=second,
        first_author=first_author[counts],
        second_author=second_author[counts],
        outcome=outcome[counts],
        vote_ids=votes["vote_id"].to_numpy(dtype=object)[counts],
        low=pair_keys // max(1, len(keys)),
        high=pair_keys % max(1, len(keys)),
        pair=pair.reshape(-1).astype(np.int64),
        n_unreadable=np.bincount(judge[is_unreadable], minlength=len(agents)),
        n_own=np.bincount(judge[~is_unreadable & is_own & drop_own], minlength=len(agents)),
    )


def _checked_outcome(votes: pd.DataFrame) -> Floats:
    """Return the outcomes after checking that the frame is one of votes."""
    if missing := [column for column in VOTE_COLUMNS if column not in votes]:
        expected = ", ".join(VOTE_COLUMNS)
        raise DataValidationError(f"votes lack the columns {', '.join(missing)}; expected are {expected}")
    for column in ("goal_id", "judge", "first_id", "second_id"):
        if votes[column].isna().any():
            raise DataValidationError(f"{votes[column].isna().sum()} votes have no {column}")
    outcome = votes["outcome"].to_numpy(dtype=float)
    is_wrong = ~(np.isnan(outcome) | np.isin(outcome, (-1.0, 0.0, 1.0)))
    if is_wrong.any():
        raise DataValidationError(
            f"{is_wrong.sum()} votes have an outcome other than 1, 0, -1 or NaN, the first one "
            f"{outcome[is_wrong][0]}"
        )
    is_same = votes["first_id"].to_numpy(dtype=object) == votes["second_id"].to_numpy(dtype=object)
    if is_same.any():
        raise DataValidationError(
            f"{is_same.sum()} votes compare a result with itself, the first one "
            f"{votes['first_id'][is_same].iloc[0]!r}"
        )
    return outcome


def _codes(votes: pd.DataFrame, *columns: str) -> tuple[npt.NDArray[np.object_], tuple[Codes, ...]]:
    """Return the sorted values of the columns, and each column as codes into them (-1: missing)."""
    values = np.concatenate([votes[column].to_numpy(dtype=object) for column in columns])
    codes, names = pd.factorize(values, sort=True)
    parts = np.split(codes.astype(np.int64), len(columns))
    return np.asarray(names, dtype=object), tuple(parts)
