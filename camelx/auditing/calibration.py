"""Stated probabilities against what people said: the calibration curve and its error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from camelx.auditing.intervals import Floats, share, unmeasurable
from camelx.auditing.records import Bin, Calibration, Curve, Figure

N_BINS = 10
_RESAMPLES = 1_000
_STATED = ["p_first", "p_tie", "p_second"]
_NO_LABELS = "no human label lies on a pair that the reviewers judged"

Codes = npt.NDArray[np.int64]


def calibrate(held_out: pd.DataFrame, *, seed: int = 0) -> Calibration:
    """Return the curves of the likeliest verdict and of the preferred side.

    Args:
        held_out: Labelled pairs predicted without their goal's labels: goal_id, outcome (1, 0, -1),
            p_first, p_tie, p_second.
        seed: Of the resampling of goals.

    Source: expected calibration error in ten bins of equal width, Naeini, Cooper and Hauskrecht, Obtaining
    Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.
    """
    if not len(held_out):
        none = unmeasurable(_NO_LABELS)
        return Calibration(
            verdict=Curve(error=none, by_chance=none, bins=()),
            preferred=Curve(error=none, by_chance=none, bins=()),
        )
    goal = np.asarray(held_out.groupby("goal_id", sort=True).ngroup(), dtype=np.int64)
    stated = held_out[_STATED].to_numpy(dtype=float)
    outcome = held_out["outcome"].to_numpy(dtype=float)
    drawn = _drawn_outcomes(stated, seed)
    return Calibration(
        verdict=_curve(goal, *_verdict_hits(stated, outcome), _verdict_hits(stated, drawn)[1], seed),
        preferred=_curve(goal, *_preferred_hits(stated, outcome), _preferred_hits(stated, drawn)[1], seed),
    )


def _verdict_hits(stated: Floats, outcome: Floats) -> tuple[Floats, Floats]:
    """Return (n,) the probability of the likeliest verdict, and whether it is what people said."""
    likeliest = 1.0 - stated.argmax(axis=1)
    return stated.max(axis=1), (likeliest == outcome).astype(float)


def _preferred_hits(stated: Floats, outcome: Floats) -> tuple[Floats, Floats]:
    """Return (n,) the probability of the preferred side, ties half, and its score by people."""
    first = stated[:, 0] + stated[:, 1] / 2
    sign = np.where(first >= 0.5, 1.0, -1.0)
    return np.maximum(first, 1.0 - first), (1.0 + sign * outcome) / 2


def _drawn_outcomes(stated: Floats, seed: int) -> Floats:
    """Return (draws, n) verdicts drawn from the stated probabilities."""
    u = np.random.default_rng(seed).random((_RESAMPLES // 5, len(stated)))
    bounds = np.cumsum(stated / stated.sum(axis=1, keepdims=True), axis=1)
    return np.where(u < bounds[:, 0], 1.0, np.where(u < bounds[:, 1], 0.0, -1.0))


def _curve(goal: Codes, stated: Floats, met: Floats, drawn_met: Floats, seed: int) -> Curve:
    place = np.clip((stated * N_BINS + 1e-9).astype(np.int64), 0, N_BINS - 1)
    low, high = _interval(goal, place, met - stated, seed)
    by_chance = np.mean([_error(place, hits - stated) for hits in drawn_met])
    return Curve(
        error=Figure(value=_error(place, met - stated), low=low, high=high, n=len(stated)),
        by_chance=Figure(value=float(by_chance)),
        bins=tuple(_bin(k, stated[place == k], met[place == k]) for k in range(N_BINS) if (place == k).any()),
    )


def _bin(k: int, stated: Floats, met: Floats) -> Bin:
    return Bin(
        low=k / N_BINS,
        high=(k + 1) / N_BINS,
        stated=float(stated.mean()),
        met=share(float(met.sum()), len(met), "empty"),
    )


def _error(place: Codes, gap: Floats) -> float:
    """Return the mean over pairs of the absolute mean gap of the pair's bin."""
    return float(np.abs(np.bincount(place, gap)).sum() / len(gap))


def _interval(goal: Codes, place: Codes, gap: Floats, seed: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of the error over resampled goals, widened to hold the error."""
    n_goals = int(goal.max()) + 1
    cell = goal * N_BINS + place
    gaps = np.bincount(cell, gap, n_goals * N_BINS).reshape(n_goals, N_BINS)
    sizes = np.bincount(goal, minlength=n_goals).astype(float)
    draws = np.random.default_rng(seed).multinomial(n_goals, np.full(n_goals, 1 / n_goals), _RESAMPLES)
    errors = np.abs(draws @ gaps).sum(axis=1) / (draws @ sizes)
    low, high = np.percentile(errors, (2.5, 97.5))
    error = _error(place, gap)
    return float(min(low, error)), float(max(high, error))
