"""Human labels found in the votes: which reviewed pair each is on, and which categories have enough.

In: a `VoteTable` and a frame of labels. Out: `Labels`, in the codes of the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from camelx.errors import DataValidationError
from camelx.ranking.votes import Codes, Flags, Floats, VoteTable

ANCHOR_COLUMNS = ("goal_id", "first_id", "second_id", "outcome")
LEAST_TO_DOUBT = 5
"""With fewer decided labels the panel's agreement is not doubted: a mistaken one must not turn it round."""


@dataclass(frozen=True)
class Labels:
    """Human judgements on reviewed pairs, `h` of them, one per pair."""

    pair: Codes
    """(h,) into the pairs."""
    outcome: Floats
    """(h,) 1 where low is better, -1 high, 0 a tie."""
    goal: Codes
    """(h,) into the goals."""
    category: Codes
    """(goals,) 0 for all categories with too few labels: they share the reviewers of all labels."""
    names: tuple[str, ...]
    """Of the categories from 1 on."""

    @property
    def can_teach(self) -> bool:
        """Whether they are enough to calibrate reviewers with; a tie says nothing against or for a panel."""
        return int(np.count_nonzero(self.outcome)) >= LEAST_TO_DOUBT


def find_labels(table: VoteTable, anchors: pd.DataFrame | None, least: int) -> Labels:
    """Return the labels on reviewed pairs; those on other pairs are left out.

    Args:
        table: The votes.
        anchors: goal_id, first_id, second_id, outcome. Labels of several people on a pair are summed.
        least: Labels from which on a category is taken by itself, if there is another labelled one.

    Raises:
        DataValidationError: A column is missing, or an outcome is none of 1, 0, -1.
    """
    pair, outcome = _labelled_pairs(table, anchors)
    goal = table.item_goal[table.low[pair]]
    found, counts = np.unique(table.goal_category[goal].astype(str), return_counts=True)
    names = tuple(found[(counts >= least) & (found != "")].tolist()) if len(found) > 1 else ()
    labels = Labels(pair, outcome, goal, category_codes(table, names), names)
    return labels if labels.can_teach else replace(labels, category=np.zeros_like(labels.category), names=())


def category_codes(table: VoteTable, names: tuple[str, ...]) -> Codes:
    """Return (goals,) 1 + the place of the goal's category in `names`, 0 where it is not there."""
    return np.asarray(
        pd.Index(names, dtype=object).get_indexer(pd.Index(table.goal_category)) + 1, dtype=np.int64
    )


def chosen_goals(table: VoteTable, labels: Labels, fit_votes: int) -> Flags:
    """Return (goals,): those with labels, and evenly spaced others up to about `fit_votes` votes."""
    step = max(1, -(-len(table.outcome) // fit_votes))
    chosen: Flags = np.arange(len(table.goals)) % step == 0
    chosen[labels.goal] = True
    return chosen


def _labelled_pairs(table: VoteTable, anchors: pd.DataFrame | None) -> tuple[Codes, Floats]:
    """Return the labelled pairs, ascending, and the sign of the sum of their labels, seen from low."""
    if anchors is None or anchors.empty or not len(table.low):
        return np.empty(0, dtype=np.int64), np.empty(0)
    outcome = _checked_outcome(anchors)
    goal = pd.Index(table.goals).get_indexer(pd.Index(anchors["goal_id"]))
    at = np.flatnonzero(np.isin(table.item_goal, goal[goal >= 0]))
    items = pd.MultiIndex.from_arrays([table.item_goal[at], table.item_ids[at]])
    first, second = (
        items.get_indexer(pd.MultiIndex.from_arrays([goal, anchors[column]]))
        for column in ("first_id", "second_id")
    )
    known = (first >= 0) & (second >= 0)
    first, second, outcome = at[first[known]], at[second[known]], outcome[known]
    m = len(table.item_ids)
    reviewed, key = table.low * m + table.high, np.minimum(first, second) * m + np.maximum(first, second)
    place = np.minimum(np.searchsorted(reviewed, key), len(reviewed) - 1)
    hit = reviewed[place] == key
    pair, code = np.unique(place[hit], return_inverse=True)
    total = np.bincount(code.reshape(-1), np.where(first < second, outcome, -outcome)[hit], len(pair))
    return pair, np.sign(total)


def _checked_outcome(anchors: pd.DataFrame) -> Floats:
    if missing := [column for column in ANCHOR_COLUMNS if column not in anchors]:
        raise DataValidationError(f"human labels lack the columns {', '.join(missing)}")
    outcome: Floats = anchors["outcome"].to_numpy(dtype=float)
    if (is_wrong := ~np.isin(outcome, (-1.0, 0.0, 1.0))).any():
        raise DataValidationError(
            f"{is_wrong.sum()} human labels have an outcome other than 1, 0 or -1, the first one "
            f"{outcome[is_wrong][0]}; leave out what is no preference"
        )
    return outcome
