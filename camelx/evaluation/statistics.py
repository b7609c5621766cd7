"""How much better the challenger is on the same goals, and how sure that is."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from camelx.errors import EvaluationError

Values = NDArray[np.float64]
"""One number for each goal."""

_BATCH = 1_000  # resamples held in memory at once


@dataclass(frozen=True)
class Difference:
    """Challenger minus champion in mean held-out score, with its bootstrap interval."""

    n: int
    """Goals that both answered."""
    champion: float
    """Mean score in [0, 1]."""
    challenger: float
    difference: float
    low: float
    """Lower bound of the interval of `difference`."""
    high: float
    p_value: float
    """Two-sided exact sign test on the goals whose scores differ; for scores 0 and 1 it is McNemar's."""

    def as_dict(self) -> dict[str, float]:
        """Return the fields by name."""
        return asdict(self)


def paired_difference(
    champion: Values, challenger: Values, *, confidence: float, n_bootstrap: int, seed: int
) -> Difference:
    """Return the mean difference of two policies' scores on the same goals.

    The interval leaves 0 out only where the exact test, too, sees a difference at this confidence.

    Args:
        champion: Scores in [0, 1], shape (n,).
        challenger: Scores of the same goals in the same order, shape (n,).
        confidence: Of the interval, such as 0.95.
        n_bootstrap: Resamples of the goals.
        seed: Of the resampling; the same seed gives the same interval.

    Raises:
        EvaluationError: The shapes differ, a score is not a number, or there are fewer than 2 goals.

    Source:
        Interval: bias-corrected and accelerated bootstrap, Efron 1987, Better Bootstrap Confidence
        Intervals, https://doi.org/10.1080/01621459.1987.10478410. Test: McNemar 1947, exact form.
    """
    old, new = np.asarray(champion, dtype=float), np.asarray(challenger, dtype=float)
    if old.shape != new.shape or old.ndim != 1 or len(old) < 2:
        raise EvaluationError(
            "a comparison needs the scores of both policies on the same goals, at least 2, got shapes "
            f"{old.shape} and {new.shape}; a goal whose calls failed, or without an answer and without a "
            "readable vote, has no score"
        )
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        raise EvaluationError("a held-out score is not a number: every goal must be scored for both policies")
    deltas = new - old
    low, high = _interval(deltas, confidence, n_bootstrap, seed)
    p_value = _sign_test(deltas)
    if p_value > 1 - confidence:
        # Where few goals changed the bootstrap is too sure of itself: 3 gains among 300 goals are no proof.
        low, high = min(low, 0.0), max(high, 0.0)
    return Difference(
        n=len(deltas),
        champion=float(old.mean()),
        challenger=float(new.mean()),
        difference=float(deltas.mean()),
        low=low,
        high=high,
        p_value=p_value,
    )


def _interval(deltas: Values, confidence: float, n_bootstrap: int, seed: int) -> tuple[float, float]:
    """Return the BCa interval of the mean; where all deltas are equal, a bound that needs no spread."""
    from scipy.stats import bootstrap

    if np.ptp(deltas) == 0:
        return _unvaried_interval(float(deltas[0]), len(deltas), confidence)
    arguments = {"n_resamples": n_bootstrap, "batch": _BATCH, "confidence_level": confidence}
    for method in ("BCa", "percentile"):  # BCa has no value where a resample can't fall on both sides
        result = bootstrap((deltas,), np.mean, method=method, rng=np.random.default_rng(seed), **arguments)
        low, high = map(float, result.confidence_interval)
        if np.isfinite(low) and np.isfinite(high):
            break
    return low, high


def _unvaried_interval(delta: float, n: int, confidence: float) -> tuple[float, float]:
    """Return the interval where all n goals moved by the same delta and resampling shows no spread.

    No difference anywhere stays exactly 0. Else a goal not seen may move otherwise, with a probability
    below 1 - (alpha / 2) ** (1 / n) (Clopper and Pearson's bound), and by as much as to -1 or 1: so two
    goals that both improved are no proof.
    """
    if delta == 0:
        return 0.0, 0.0
    seen = ((1 - confidence) / 2) ** (1 / n)
    return seen * delta - (1 - seen), seen * delta + (1 - seen)


def _sign_test(deltas: Values) -> float:
    """Return the two-sided p-value of as many gains among the changed goals; 1 where none changed."""
    from scipy.stats import binomtest

    gains, losses = int((deltas > 0).sum()), int((deltas < 0).sum())
    return float(binomtest(gains, gains + losses).pvalue) if gains + losses else 1.0
