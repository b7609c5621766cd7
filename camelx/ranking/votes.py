"""Votes as a table of integer codes, which every ranker computes on without a loop over goals.

In: `Vote` records or a frame with `VOTE_COLUMNS`. Out: a `VoteTable`. What may not count is left out here,
once for all rankers: unreadable verdicts, votes on a judge's own work, and votes that the same judge gave
anew after a discussion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from camelx.errors import DataValidationError
from camelx.schemas import Verdict, Vote

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
"""`outcome` is 1.0 where the first was preferred, -1.0 the second, 0.0 a tie, NaN unreadable. Two further
columns are read where they are: `category` of the goal, and `round` (0, and 1 after a discussion)."""

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_OUTCOMES = {Verdict.FIRST: 1.0, Verdict.SECOND: -1.0, Verdict.TIE: 0.0, None: float("nan")}


def vote_frame(votes: Iterable[Vote], authors: Mapping[str, str]) -> pd.DataFrame:
    """Return the votes as a frame with `VOTE_COLUMNS`.

    Args:
        votes: Votes, unreadable ones included.
        authors: Agent by interaction id; an author that is not there is unknown.
    """
    rows = [
        (
            v.goal_id,
            v.judge,
            v.first_id,
            v.second_id,
            authors.get(v.first_id),
            authors.get(v.second_id),
            _OUTCOMES[v.verdict],
            v.id,
        )
        for v in votes
    ]
    return pd.DataFrame(rows, columns=list(VOTE_COLUMNS)).astype({"outcome": float})


@dataclass(frozen=True)
class VoteTable:
    """Votes as integer codes. Items are results; `n` votes count, on `m` items in `k` reviewed pairs.

    Items are sorted by goal, then by id, so the items of a goal are neighbours and the lesser code of a
    pair is the lesser id. Votes are sorted by what they say, so that sums, and with them all results, are the
    same to the last bit however the rows came.
    """

    goals: npt.NDArray[np.object_]
    """Goal ids, sorted."""
    goal_category: npt.NDArray[np.object_]
    """(goals,) "" where a goal has none."""
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
    """(n,) into the pairs, ascending."""
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

    def restricted(self, goals: Flags) -> VoteTable:
        """Return the table of some goals (goals,) alone, with the same agents and their same counts."""
        if goals.all():
            return self
        items = goals[self.item_goal]
        votes, pairs = items[self.first], items[self.low]
        goal_code, item_code, pair_code = (np.cumsum(kept) - 1 for kept in (goals, items, pairs))
        return replace(
            self,
            goals=self.goals[goals],
            goal_category=self.goal_category[goals],
            item_ids=self.item_ids[items],
            item_goal=goal_code[self.item_goal[items]],
            judge=self.judge[votes],
            first=item_code[self.first[votes]],
            second=item_code[self.second[votes]],
            first_author=self.first_author[votes],
            second_author=self.second_author[votes],
            outcome=self.outcome[votes],
            vote_ids=self.vote_ids[votes],
            low=item_code[self.low[pairs]],
            high=item_code[self.high[pairs]],
            pair=pair_code[self.pair[votes]],
        )

    def per_item(self, first: Floats, second: Floats) -> Floats:
        """Return the sums (m,) of what each vote gives the item shown first and the one shown second."""
        m = len(self.item_ids)
        return weighted_counts(self.first, first, m) + weighted_counts(self.second, second, m)


def weighted_counts(codes: Codes, weights: Floats, n: int) -> Floats:
    """Return the sum of the weights of each code (n,)."""
    return np.bincount(codes, weights, n).astype(np.float64)


def tabulate_votes(votes: pd.DataFrame, *, drop_own: bool = True) -> VoteTable:
    """Return the votes as codes, without those that may not count.

    Of a judge's readable votes on one order of a pair those of the last round count.

    Args:
        votes: A frame with `VOTE_COLUMNS`, and `category` and `round` where there are any.
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
    m = max(1, len(keys))

    is_own = (judge == first_author) | (judge == second_author)
    is_unreadable = np.isnan(outcome)
    is_last = _is_last_round(votes, (first * m + second) * max(1, len(agents)) + judge, ~is_unreadable)
    chosen = np.flatnonzero(~is_unreadable & is_last & ~(is_own & drop_own))
    low, high = np.minimum(first, second)[chosen], np.maximum(first, second)[chosen]
    pair_keys, pair = np.unique(low * m + high, return_inverse=True)
    pair = pair.reshape(-1).astype(np.int64)
    said = 6 * judge[chosen] + 3 * (first[chosen] == low) + outcome[chosen].astype(np.int64) + 1
    order = np.argsort(pair * 6 * max(1, len(agents)) + said, kind="stable")
    chosen = chosen[order]
    return VoteTable(
        goals=goals,
        goal_category=_goal_categories(votes, goal, len(goals)),
        item_ids=ids[keys % max(1, len(ids))],
        item_goal=keys // max(1, len(ids)),
        agents=agents,
        judges=np.unique(judge),
        judge=judge[chosen],
        first=first[chosen],
        second=second[chosen],
        first_author=first_author[chosen],
        second_author=second_author[chosen],
        outcome=outcome[chosen],
        vote_ids=votes["vote_id"].to_numpy(dtype=object)[chosen],
        low=pair_keys // m,
        high=pair_keys % m,
        pair=pair[order],
        n_unreadable=np.bincount(judge[is_unreadable], minlength=len(agents)),
        n_own=np.bincount(judge[~is_unreadable & is_last & is_own & drop_own], minlength=len(agents)),
    )


def _is_last_round(votes: pd.DataFrame, ballot: Codes, is_readable: npt.NDArray[np.bool_]) -> Flags:
    """Return whether each vote is of the last readable round of its ballot (judge, first, second)."""
    if "round" not in votes or not len(votes) or votes["round"].max() == votes["round"].min():
        return np.ones(len(votes), dtype=bool)
    rounds = votes["round"].to_numpy(dtype=np.int64)
    ballots, code = np.unique(ballot, return_inverse=True)
    last = np.full(len(ballots), -1)
    np.maximum.at(last, code.reshape(-1)[is_readable], rounds[is_readable])
    return np.asarray(rounds >= last[code.reshape(-1)])


def _goal_categories(votes: pd.DataFrame, goal: Codes, n_goals: int) -> npt.NDArray[np.object_]:
    """Return the category of each goal; of several the last in the alphabet, so that no row order tells."""
    codes, names = pd.factorize(votes["category"], sort=True) if "category" in votes else (goal * 0 - 1, [])
    found = np.full(n_goals, -1)
    np.maximum.at(found, goal, codes)
    return np.asarray(np.append(np.asarray(names, dtype=object), "")[found], dtype=object)


def _checked_outcome(votes: pd.DataFrame) -> Floats:
    """Return the outcomes after checking that the frame is one of votes."""
    if missing := [column for column in VOTE_COLUMNS if column not in votes]:
        raise DataValidationError(f"votes lack the columns {', '.join(missing)}; `vote_frame` makes them all")
    for column in ("goal_id", "judge", "first_id", "second_id"):
        if votes[column].isna().any():
            raise DataValidationError(f"{votes[column].isna().sum()} votes have no {column}")
    outcome: Floats = votes["outcome"].to_numpy(dtype=float)
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
