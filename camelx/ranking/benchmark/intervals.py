"""Figures with 95 % bootstrap intervals. Goals are resampled whole: verdicts of one goal are not independent.

Every figure is a function of sums over goals, so a resample is a weighting of the goals.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from camelx.ranking.votes import Codes, Flags, Floats, weighted_counts

_CLASSES = (-1.0, 0.0, 1.0)
_N_BOOTSTRAP = 2_000
_N_BINS = 10


def agreement(goal: Codes, predicted: Floats, truth: Floats) -> dict[str, float]:
    """Return accuracy, Fleiss kappa of the two raters, both with _low and _high, and n.

    Args:
        goal: (n,) codes of the goals.
        predicted: (n,) 1, 0 or -1.
        truth: (n,) likewise.

    Source: Fleiss, Measuring nominal scale agreement among many raters, Psych. Bulletin 76 (1971).
    """
    used = [(predicted == c).astype(float) + (truth == c) for c in _CLASSES]
    columns = np.stack([np.ones(len(goal)), (predicted == truth).astype(float), *used], axis=1)
    return (
        _interval("accuracy", goal, columns, lambda s: s[..., 1] / s[..., 0])
        | _interval("kappa", goal, columns, _kappa)
        | {"n": len(truth)}
    )


def mean_score(goal: Codes, score: Floats, name: str = "accuracy", count: str = "n") -> dict[str, float]:
    """Return the mean of scores in 0..1 as `name`, with _low and _high, and their number; {} of none."""
    if not len(score):
        return {}
    columns = np.stack([np.ones(len(goal)), score], axis=1)
    return _interval(name, goal, columns, lambda s: s[..., 1] / s[..., 0]) | {count: len(score)}


def difference(goal: Codes, score: Floats, other: Floats) -> dict[str, float]:
    """Return the mean of score - other on the same rows, with _low and _high."""
    columns = np.stack([np.ones(len(goal)), score - other], axis=1)
    return _interval("difference", goal, columns, lambda s: s[..., 1] / s[..., 0])


def calibration_error(goal: Codes, confidence: Floats, right: Floats, name: str = "ece") -> dict[str, float]:
    """Return the expected calibration error over ten bins of equal width, with _low and _high.

    A resample adds noise to every bin, and noise can only raise the error: the interval lies too high, and
    may lie above a small estimate.

    Source: Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning,
        AAAI (2015).
    """
    at = np.clip((confidence * _N_BINS).astype(int), 0, _N_BINS - 1)
    gaps = (confidence - right)[:, None] * (at[:, None] == np.arange(_N_BINS))
    columns = np.concatenate([np.ones((len(goal), 1)), gaps], axis=1)
    return _interval(name, goal, columns, lambda s: np.abs(s[..., 1:]).sum(axis=-1) / s[..., 0])


def surest_half(margin: Floats) -> Flags:
    """Return which rows are the half with the largest margins, of equal ones those that come first."""
    order = np.argsort(-np.round(margin, 9), kind="stable")
    is_in = np.zeros(len(margin), dtype=bool)
    is_in[order[: len(order) // 2]] = True
    return is_in


def _kappa(sums: Floats) -> Floats:
    n, agreed, used = sums[..., 0], sums[..., 1], sums[..., 2:]
    observed = agreed / n
    expected = ((used / (2 * n)[..., None]) ** 2).sum(axis=-1)
    # Where only one class occurs, chance agrees always and kappa is undefined: 0 by convention.
    kappa: Floats = np.divide(
        observed - expected, 1.0 - expected, out=np.zeros_like(observed), where=np.asarray(expected < 1.0)
    )
    return kappa


def _interval(
    name: str, goal: Codes, columns: Floats, figure: Callable[[Floats], Floats]
) -> dict[str, float]:
    """Return the figure of the summed columns (n, c), its percentiles over resamples that have any row."""
    n_goals = int(goal.max()) + 1
    sums = np.stack([weighted_counts(goal, column, n_goals) for column in columns.T], axis=1)
    samples = _draws(n_goals) @ sums
    values = figure(samples[samples[:, 0] > 0])
    low, high = np.percentile(values, (2.5, 97.5))
    return {name: float(figure(sums.sum(axis=0))), f"{name}_low": float(low), f"{name}_high": float(high)}


@lru_cache(maxsize=4)
def _draws(n_goals: int) -> Floats:
    """Return how often each goal is drawn, (resamples, goals)."""
    draws = np.random.default_rng(0).multinomial(n_goals, np.full(n_goals, 1.0 / n_goals), _N_BOOTSTRAP)
    return np.asarray(draws, dtype=np.float64)
