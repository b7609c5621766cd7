"""How well verdicts agree with people's: accuracy and kappa, with bootstrap intervals over goals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from camelx.ranking.votes import Codes, Floats, weighted_counts

_CLASSES = (-1.0, 0.0, 1.0)


def agreement(
    goal: Codes, predicted: Floats, truth: Floats, *, n_bootstrap: int = 2_000, seed: int = 0
) -> dict[str, float]:
    """Return accuracy, Fleiss kappa of the two raters, and 95 % percentile intervals over resampled goals.

    Args:
        goal: (n,) codes of the goals, which are resampled whole: verdicts of one goal are not independent.
        predicted: (n,) 1, 0 or -1.
        truth: (n,) likewise.
        n_bootstrap: Resamples.
        seed: Fixes them.

    Source: Fleiss, Measuring nominal scale agreement among many raters, Psych. Bulletin 76 (1971).
    """
    counts = _counts_by_goal(goal, predicted, truth)
    accuracy, kappa = _accuracy_and_kappa(counts.sum(axis=0))
    samples = _resampled(counts, n_bootstrap, seed)
    low, high = np.percentile(np.stack(_accuracy_and_kappa(samples)), (2.5, 97.5), axis=1)
    return {
        "accuracy": float(accuracy),
        "accuracy_low": float(low[0]),
        "accuracy_high": float(high[0]),
        "kappa": float(kappa),
        "kappa_low": float(low[1]),
        "kappa_high": float(high[1]),
        "n": len(truth),
    }


def mean_score(goal: Codes, score: Floats, *, n_bootstrap: int = 2_000, seed: int = 0) -> dict[str, float]:
    """Return the mean of scores in 0..1 as accuracy, with a 95 % percentile interval over resampled goals."""
    n_goals = int(goal.max()) + 1
    counts = np.stack([weighted_counts(goal, w, n_goals) for w in (score, np.ones_like(score))], axis=1)
    samples = _resampled(counts, n_bootstrap, seed)
    low, high = np.percentile(samples[:, 0] / samples[:, 1], (2.5, 97.5))
    return {
        "accuracy": float(score.mean()),
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "n": len(score),
    }


def _counts_by_goal(goal: Codes, predicted: Floats, truth: Floats) -> Floats:
    """Return (goals, 5): verdicts, agreements, and uses of each class by either rater."""
    n_goals = int(goal.max()) + 1
    used = [(predicted == c).astype(float) + (truth == c) for c in _CLASSES]
    columns = [np.ones(len(goal)), (predicted == truth).astype(float), *used]
    return np.stack([np.bincount(goal, column, n_goals) for column in columns], axis=1)


def _accuracy_and_kappa(counts: Floats) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    n, agreed, used = counts[..., 0], counts[..., 1], counts[..., 2:]
    observed = agreed / n
    expected = ((used / (2 * n)[..., None]) ** 2).sum(axis=-1)
    # Where only one class occurs, chance agrees always and kappa is undefined: 0 by convention.
    kappa = np.divide(
        observed - expected, 1.0 - expected, out=np.zeros_like(observed), where=np.asarray(expected < 1.0)
    )
    return observed, kappa


def _resampled(counts: Floats, n_bootstrap: int, seed: int) -> Floats:
    """Return the summed counts (n_bootstrap, ...) of goals drawn with replacement."""
    n_goals = len(counts)
    draws = np.random.default_rng(seed).multinomial(n_goals, np.full(n_goals, 1.0 / n_goals), n_bootstrap)
    return np.asarray(draws @ counts, dtype=np.float64)
