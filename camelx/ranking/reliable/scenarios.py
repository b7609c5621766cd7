"""From differences in quality to human verdicts: how sure may one be, where few labels tell it.

In: predicted differences of labelled pairs. Out: `Scenario`s, each a way in which verdicts may follow, with
its probability by the labels. Predictions are averaged over them, so that few labels do not make sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import logit, ndtr, ndtri, softmax, xlogy

from camelx.config import ReliablePeerRankConfig
from camelx.ranking.reliable.model import Link, Opinions, Reviewers, believe, shared_errors
from camelx.ranking.votes import Codes, Floats

_ERRORS = ((0.0, 0.1), (0.0, 0.3), (0.0, 1.0), (0.25, 1.0), (0.5, 1.0), (1.0, 1.0), (2.0, 1.0))
_UNAIDED = 0.6
"""How probable before any label are the errors that are taken for granted without labels."""
_CORRELATIONS = np.linspace(0.03, 0.99, 25)
_TIES = np.linspace(0.0, 0.6, 25)
_THRESHOLDS = ndtri((1.0 + _TIES) / 2.0)
_PRIOR_LABELS = 20.0
"""Worth of the share of ties that the reviewers' own ties let expect."""
_LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Scenario:
    """One way in which human verdicts may follow from the reviewers' opinions."""

    share: float
    """Its probability."""
    shared: float
    """Variance of the errors that the reviewers make together, see `believe`."""
    own: float
    """Factor on the variance of their own errors."""
    link: Link


def error_kinds(config: ReliablePeerRankConfig) -> tuple[tuple[float, float], ...]:
    """Return the kinds of errors that labels choose between, the one that holds without labels first.

    Each is the variance of shared errors and the factor on that of the reviewers' own, see `Scenario`.
    """
    unaided = (shared_errors(config), 1.0)
    return (unaided, *(kind for kind in _ERRORS if kind != unaided))


@dataclass(frozen=True)
class Forecast:
    """What is to be expected of `k` pairs and `m` items."""

    chances: Floats
    """(k, 3): low wins, tie, high wins."""
    score: Floats
    """(m,) in standard deviations of a typical difference."""
    stderr: Floats
    """(m,)"""


def forecast(opinions: Opinions, reviewers: Reviewers, scenarios: Sequence[Scenario]) -> Forecast:
    """Return the average over the scenarios."""
    k, m = len(opinions.table.low), len(opinions.table.item_ids)
    chances, score, square = np.zeros((k, 3)), np.zeros(m), np.zeros(m)
    for s in scenarios:
        beliefs, scale = believe(opinions, reviewers, s.shared, s.own), s.link.scale
        chances += s.share * s.link.probabilities(beliefs.difference, beliefs.variance)
        score += s.share * beliefs.score / scale
        square += s.share * (beliefs.score_variance + beliefs.score**2) / scale**2
    return Forecast(chances, score, np.sqrt(np.maximum(square - score**2, 1e-12)))


@dataclass(frozen=True)
class LinkFits:
    """How well the labels of each fold fit each link that is tried."""

    kinds: tuple[tuple[float, float], ...]
    """Of errors, as `error_kinds` has them."""
    likelihood: Floats
    """(folds, kinds, correlations, ties), logarithms."""
    prior: Floats
    """(kinds, correlations, ties), logarithms."""
    scale: float

    def scenarios(self, leave_out: int | None = None) -> dict[int, Scenario]:
        """Return the probable scenarios by the place of their kind, without the labels of one fold if asked.

        Each has the most probable of its links.
        """
        fit = self.prior + self.likelihood.sum(axis=0)
        if leave_out is not None:
            fit = fit - self.likelihood[leave_out]
        chance = softmax(fit)
        share = chance.sum(axis=(1, 2))
        share = np.where(share >= min(_LEAST_SHARE, float(share.max())), share, 0.0)
        share /= share.sum()
        found = {}
        for at in np.flatnonzero(share).tolist():
            r, t = np.unravel_index(np.argmax(chance[at]), chance[at].shape)
            link = Link(float(_CORRELATIONS[r]), float(_THRESHOLDS[t]), self.scale)
            found[at] = Scenario(float(share[at]), *self.kinds[at], link)
        return found


def fit_links(
    kinds: tuple[tuple[float, float], ...], rows: Sequence[Floats], outcome: Floats, fold: Codes, guess: Link
) -> LinkFits:
    """Return how well all links fit.

    Priors hold the errors to the first kind, and correlation and tie share near the `guess`.

    Args:
        kinds: Of errors, the one that holds without labels first.
        rows: For each kind (2, h): predicted difference and variance of the labelled pairs.
        outcome: (h,) 1, 0 or -1.
        fold: (h,) from 0 on.
        guess: The link without labels.
    """
    member = (fold[:, None] == np.arange(fold.max() + 1)).astype(float)
    is_tie, side = outcome == 0, np.where(outcome < 0, -1.0, 1.0)
    likelihood = np.empty((member.shape[1], len(rows), len(_CORRELATIONS), len(_TIES)))
    for (e, (difference, variance)), (c, r) in product(enumerate(rows), enumerate(_CORRELATIONS)):
        # `Link.probabilities` of what was observed, for all thresholds at once: a call for each is 28 times
        # slower where labels are few.
        mean = r * side * difference / guess.scale
        spread = np.sqrt(1.0 - r**2 + r**2 * variance / guess.scale**2)
        chance = ndtr((mean - _THRESHOLDS[:, None]) / spread)
        lost = ndtr((-mean[is_tie] - _THRESHOLDS[:, None]) / spread[is_tie])
        chance[:, is_tie] = 1.0 - chance[:, is_tie] - lost
        likelihood[:, e, c] = (np.log(np.maximum(chance, 1e-9)) @ member).T
    share = np.full(len(kinds), (1.0 - _UNAIDED) / (len(kinds) - 1))
    share[0] = _UNAIDED
    prior = np.log(share)[:, None, None] + _log_prior(guess)
    return LinkFits(kinds, likelihood, prior, guess.scale)


def _log_prior(guess: Link) -> Floats:
    near = logit(_CORRELATIONS) - logit(np.clip(guess.correlation, _CORRELATIONS[0], _CORRELATIONS[-1]))
    tie = 2.0 * float(ndtr(guess.threshold)) - 1.0
    ties = _PRIOR_LABELS * (xlogy(tie, np.maximum(_TIES, 1e-3)) + xlogy(1.0 - tie, 1.0 - _TIES))
    # Laplace: a few labels leave the correlation where it is, many may move it far.
    prior: Floats = ties - np.abs(near[:, None])
    return prior
