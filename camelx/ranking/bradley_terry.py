"""Strengths whose difference is the log odds of winning, for all goals at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from camelx.config import BradleyTerryConfig
from camelx.errors import ConfigError
from camelx.ranking.strengths import Strengths, sigmoid
from camelx.ranking.votes import Codes, Floats, VoteTable, weighted_counts

_MAX_CELLS = 1 << 21
"""Cells of the win matrices that are solved together: bounds the memory at some 100 MB."""
_MAX_ROUNDS = 200
_MIN_GAIN = 1e-20


def bradley_terry(table: VoteTable, config: BradleyTerryConfig) -> Strengths:
    """Return the posterior mode of the strengths under independent normal priors, a tie as half a win each.

    The prior keeps undefeated and unconnected items finite: what no vote says stays at 0 with a wide error.
    Standard errors come from the inverse Hessian at the mode. Two votes of different judges on one pair are
    taken as independent, so errors shared by the judges are not in `stderr`.

    Raises:
        ConfigError: `prior_scale` is so wide that the mode can't be found in double precision.

    Source: Bradley and Terry, Rank analysis of incomplete block designs, Biometrika 39 (1952); the prior as
        in Caron and Doucet, Efficient Bayesian inference for generalized Bradley-Terry models (2012).
    """
    score = np.zeros(len(table.item_ids))
    stderr = np.full(len(table.item_ids), config.prior_scale)
    size = np.bincount(table.item_goal, minlength=len(table.goals))
    slot = np.arange(len(table.item_ids)) - (np.cumsum(size) - size)[table.item_goal]
    for goals, width in _batches(size):
        place = np.full(len(table.goals), -1)
        place[goals] = np.arange(len(goals))
        wins = _win_matrices(table, place, slot, len(goals), width)
        strength, error = _posterior(wins, config.prior_scale)
        items = np.flatnonzero(place[table.item_goal] >= 0)
        score[items] = strength[place[table.item_goal[items]], slot[items]]
        stderr[items] = error[place[table.item_goal[items]], slot[items]]
    return Strengths(score, stderr, sigmoid(score[table.low] - score[table.high]))


def _batches(size: Codes) -> Iterator[tuple[Codes, int]]:
    """Yield goals whose item counts round up to the same power of two, with that width, bounded in memory."""
    widths = 2 ** np.ceil(np.log2(np.maximum(size, 2))).astype(np.int64)
    for width in np.unique(widths):
        goals = np.flatnonzero(widths == width)
        step = max(1, _MAX_CELLS // int(width) ** 2)
        for start in range(0, len(goals), step):
            yield goals[start : start + step], int(width)


def _win_matrices(table: VoteTable, place: Codes, slot: Codes, n: int, width: int) -> Floats:
    """Return (n, width, width): how often the item of the row beat the item of the column."""
    at = place[table.item_goal[table.first]]
    here = at >= 0
    first, second = slot[table.first[here]], slot[table.second[here]]
    won, base = (1.0 + table.outcome[here]) / 2.0, at[here] * width**2
    cells = weighted_counts(base + first * width + second, won, n * width**2)
    cells += weighted_counts(base + second * width + first, 1.0 - won, n * width**2)
    return cells.reshape(n, width, width)


def _posterior(wins: Floats, prior_scale: float) -> tuple[Floats, Floats]:
    """Return mode and standard error (n, width) by Newton's method on all matrices at once.

    Empty slots have no wins: they stay at the prior. A step is bounded, because a full step from afar can
    overshoot; near the mode it is never cut, so convergence is quadratic.
    """
    n, width = wins.shape[:2]
    met, precision = wins + wins.transpose(0, 2, 1), prior_scale**-2
    diagonal = np.arange(width)
    strength = np.zeros((n, width))
    hessian = np.empty_like(wins)
    active = np.arange(n)
    for _ in range(_MAX_ROUNDS):
        theta = strength[active]
        p = sigmoid(theta[:, :, None] - theta[:, None, :])
        gradient = (wins[active] - met[active] * p).sum(axis=2) - precision * theta
        information = met[active] * p * (1.0 - p)
        curvature = -information
        curvature[:, diagonal, diagonal] = information.sum(axis=2) + precision
        hessian[active] = curvature
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        length = np.abs(step).max(axis=1)
        strength[active] = theta + step / np.maximum(1.0, length)[:, None]
        # The gain of the step, not its length: along a flat direction of a wide prior the length is noise.
        active = active[(length > 1.0) | ((gradient * step).sum(axis=1) > _MIN_GAIN)]
        if not len(active):
            variance = np.diagonal(np.linalg.inv(hessian), axis1=1, axis2=2)
            return strength, np.sqrt(variance)
    raise ConfigError(
        f"Bradley-Terry strengths of {len(active)} goals did not settle in {_MAX_ROUNDS} rounds; "
        f"lower ranking.ranker.prior_scale from {prior_scale}"
    )
