"""The scores of the results of each goal, solved for all goals of one size at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from camelx.ranking.votes import Codes, Floats, VoteTable, weighted_counts

_MAX_CELLS = 1 << 21
"""Cells of the matrices that are inverted together: bounds the memory at some 50 MB."""


def item_authors(table: VoteTable) -> Codes:
    """Return the author of each item (m,), an agent or len(agents) where it is unknown."""
    authors = np.full(len(table.item_ids), -1)
    authors[table.first], authors[table.second] = table.first_author, table.second_author
    return np.where(authors < 0, len(table.agents), authors)


def solve_goals(
    table: VoteTable, pull: Floats, precision: Floats, prior_precision: float
) -> tuple[Floats, tuple[Floats, Floats]]:
    """Return scores (m,), their variances (m,) and the covariance (k,) of the two scores of each pair.

    The precision of a goal's scores is the Laplacian of its pairs' `precision` (k,) plus the prior's; `pull`
    (k,) is precision times measured difference. All goals of one width are solved at once.
    """
    m = len(table.item_ids)
    size = np.bincount(table.item_goal, minlength=len(table.goals))
    slot = np.arange(m) - (np.cumsum(size) - size)[table.item_goal]
    right = weighted_counts(table.low, pull, m) - weighted_counts(table.high, pull, m)
    degree = weighted_counts(table.low, precision, m) + weighted_counts(table.high, precision, m)
    score, variance, shared = np.zeros(m), np.ones(m), np.zeros(len(pull))
    place, item_width, pair_goal = (
        np.empty(len(size), dtype=np.int64),
        size[table.item_goal],
        table.item_goal[table.low],
    )
    for goals, width in _batches(size):
        place[:] = -1
        place[goals] = np.arange(len(goals))
        items = np.flatnonzero((item_width == width) & (place[table.item_goal] >= 0))
        pairs = np.flatnonzero(place[pair_goal] >= 0)
        a, b, at = slot[table.low[pairs]], slot[table.high[pairs]], place[pair_goal[pairs]]
        laplacian = np.zeros((len(goals), width, width))
        laplacian[at, a, b] = laplacian[at, b, a] = -precision[pairs]
        laplacian[:, np.arange(width), np.arange(width)] = degree[items].reshape(-1, width) + prior_precision
        covariance = np.linalg.inv(laplacian)
        score[items] = (covariance @ right[items].reshape(-1, width, 1)).reshape(-1)
        variance[items] = np.diagonal(covariance, axis1=1, axis2=2).reshape(-1)
        shared[pairs] = covariance[at, a, b]
    return score, (variance, shared)


def _batches(size: Codes) -> Iterator[tuple[Codes, int]]:
    """Yield goals with the same number of items, and that number, bounded in memory."""
    for width in np.unique(size[size > 0]):
        goals = np.flatnonzero(size == width)
        step = max(1, _MAX_CELLS // int(width) ** 2)
        for start in range(0, len(goals), step):
            yield goals[start : start + step], int(width)
