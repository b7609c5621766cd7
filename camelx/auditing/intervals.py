"""Shares, differences, kappas and ratios with their 95 % intervals; each says why where it has none."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from camelx.auditing.records import Figure, Mean

Floats = npt.NDArray[np.float64]

_Z = 1.96
_CLASSES = (-1.0, 0.0, 1.0)


def unmeasurable(reason: str, n: int = 0) -> Figure:
    """Return a figure that has no value, and why."""
    return Figure(value=None, n=n, reason=reason)


def share(part: float, n: int, reason: str) -> Figure:
    """Return part / n with Wilson's score interval; halves may count, which widens it at most.

    Args:
        part: Sum of n scores in 0..1.
        n: How many there are.
        reason: Why there is no figure, should n be 0.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    if n == 0:
        return unmeasurable(reason)
    p = float(part) / n
    centre = p + _Z**2 / (2 * n)
    half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    return Figure(value=p, low=max(0.0, (centre - half) / scale), high=min(1.0, (centre + half) / scale), n=n)


def difference(one: Figure, other: Figure) -> Figure:
    """Return one - other of two shares with the hybrid score interval, which takes them as independent.

    Source: Newcombe, Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17 (1998), method 10.
    """
    for figure in (one, other):
        if figure.reason is not None:
            return unmeasurable(figure.reason)
    a, a_low, a_high = _bounds(one)
    b, b_low, b_high = _bounds(other)
    return Figure(
        value=a - b,
        low=a - b - math.hypot(a - a_low, b_high - b),
        high=a - b + math.hypot(a_high - a, b - b_low),
        n=min(one.n, other.n),
    )


def kappa(one: Floats, other: Floats, reason: str) -> Figure:
    """Return Cohen's kappa of two lists of verdicts (1, 0, -1) on the same pairs.

    The standard error is that of the observed agreement, with at least the spread of half a pair.

    Args:
        one: (n,)
        other: (n,)
        reason: Why there is no figure, should n be 0.

    Source: Cohen, A coefficient of agreement for nominal scales, Educ. and Psych. Measurement 20 (1960).
    """
    n = len(one)
    if n == 0:
        return unmeasurable(reason)
    observed = float((one == other).mean())
    chance = sum(float((one == c).mean() * (other == c).mean()) for c in _CLASSES)
    if chance >= 1.0:
        return unmeasurable("both gave one and the same verdict throughout, so chance explains all", n)
    spread = math.sqrt(max(observed * (1 - observed), 0.25 / (n + 1)) / n) / (1 - chance)
    value = (observed - chance) / (1 - chance)
    return Figure(value=value, low=max(-1.0, value - _Z * spread), high=min(1.0, value + _Z * spread), n=n)


def mean_of(values: Floats) -> Mean | None:
    """Return the mean with its spread; None: there are no values."""
    if not len(values):
        return None
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Mean(n=len(values), mean=float(np.mean(values)), sd=sd)


def geometric_mean(ratios: Floats, reason: str) -> Figure:
    """Return the geometric mean of positive ratios, with Student's interval of the mean logarithm."""
    logs = mean_of(np.log(ratios))
    if logs is None:
        return unmeasurable(reason)
    if logs.n == 1:
        return Figure(value=math.exp(logs.mean), n=1)
    half = _student(logs.n - 1) * logs.sd / math.sqrt(logs.n)
    return Figure(
        value=math.exp(logs.mean), low=math.exp(logs.mean - half), high=math.exp(logs.mean + half), n=logs.n
    )


def ratio_of_means(now: Mean, before: Mean) -> Figure:
    """Return now / before, with the interval of its logarithm (delta method).

    Student's quantile has the fewer degrees of freedom of the two, so that few pairs prove little.
    """
    n = min(now.n, before.n)
    if n < 2:
        return unmeasurable("one of the two cycles has only 1 pair", n)
    if now.mean <= 0 or before.mean <= 0:
        return unmeasurable("one of the two means is 0", n)
    relative = [m.sd**2 / (m.n * m.mean**2) for m in (now, before)]
    half, value = _student(n - 1) * math.sqrt(sum(relative)), now.mean / before.mean
    # A few values far apart leave the logarithm without a bound that a float can hold.
    half = min(half, 300.0)
    return Figure(value=value, low=value * math.exp(-half), high=value * math.exp(half), n=n)


def _student(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))


def _bounds(figure: Figure) -> tuple[float, float, float]:
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None
    return figure.value, figure.low, figure.high
