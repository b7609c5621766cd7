"""Calibrate reviewers and probabilities with human labels on some of the pairs.

In: the pooled opinions and the labels. Out: `Anchored`: a signed weight per reviewer (per category where it
has enough labels), the human link, and what both predict for pairs that they were not learned from.

Weights: P(human prefers low) = sigmoid(sum_j w_j x_j), x_j the mean vote of reviewer j without its bias, and
w ~ N(kappa w0, tau^2 I) with w0 the weights that mutual agreement gives. (kappa, tau) are those of the
largest evidence (Laplace): labels that contradict the panel choose kappa = 0, few that confirm it kappa = 1.
Source: MacKay, The evidence framework applied to classification networks, Neural Computation 4 (1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy.special import expit, log_expit, logit, ndtr, ndtri, xlogy

from camelx.ranking.reliable.model import (
    Beliefs,
    Flags,
    Link,
    Opinions,
    Options,
    Reviewers,
    believe,
    expected_link,
    fit_reviewers,
    pool_opinions,
)
from camelx.ranking.votes import Codes, Floats, VoteTable, weighted_counts

_TRUST = (0.0, 0.5, 1.0)
_SPREAD = (0.3, 0.6, 1.2)
_CATEGORY_SPREAD = (0.1, 0.3, 0.6, 1.2)
_ERRORS = ((0.0, 0.1), (0.0, 0.3), (0.0, 1.0), (0.25, 1.0), (0.5, 1.0), (1.0, 1.0), (2.0, 1.0))
"""Variance of shared errors, and factor on that of the reviewers' own: what labels choose between."""
_CORRELATIONS = np.linspace(0.03, 0.99, 25)
_TIES = np.linspace(0.0, 0.6, 25)
_THRESHOLDS = ndtri((1.0 + _TIES) / 2.0)
_PRIOR_LABELS = 5.0
_PIN_ROUNDS = 10


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


@dataclass(frozen=True)
class Anchored:
    """What the labels taught; `r` = categories x agents."""

    weights: Floats
    """(r,) signed weights of the reviewers."""
    opinions: Opinions
    """With an agent in a category as a reviewer of its own."""
    reviewers: Reviewers
    link: Link
    errors: tuple[float, float]
    """Variance of the errors that the reviewers share, and factor on that of their own: see `believe`."""
    held_out: Floats
    """(h, 3) probabilities of the labelled pairs from weights and link learned without their goals."""
    held_out_weights: Floats
    """(h, r) the weights behind them."""


def anchor(table: VoteTable, free: Reviewers, labels: Labels, options: Options) -> Anchored:
    """Return the reviewers and the link that the labels support.

    Weights are learned from all labels. The link is fitted to predictions for goals that their weights were
    not learned from, else it would take fitting for knowing.
    """
    fold = _folds(labels.goal, options.folds)
    votes, start = _evidence(table, free, labels, options)
    n_agents, n_categories = len(table.agents), int(labels.category.max(initial=0)) + 1
    opinions = pool_opinions(
        table,
        table.judge + n_agents * labels.category[table.item_goal[table.first]],
        n_agents * n_categories,
        options,
    )
    weights = np.stack([learn_weights(votes, labels, start, fold != f) for f in range(fold.max() + 1)])
    fitted = [pin(opinions, w, options) for w in weights]
    guess = expected_link(opinions, fitted[0], believe(opinions, fitted[0]))
    rows = [_of_folds([believe(opinions, r, *e) for r in fitted], labels.pair, fold) for e in _ERRORS]
    grid = _try_links(rows, labels.outcome, fold, guess)
    held_out = np.zeros((len(fold), 3))
    for f in range(fold.max() + 1):
        errors, link = grid.best(leave_out=f)
        held_out[fold == f] = link.probabilities(*rows[_ERRORS.index(errors)][:, fold == f])
    errors, link = grid.best()
    final = learn_weights(votes, labels, start, np.ones(len(fold), dtype=bool))
    return Anchored(final, opinions, pin(opinions, final, options), link, errors, held_out, weights[fold])


def pin(opinions: Opinions, weights: Floats, options: Options) -> Reviewers:
    """Return the reviewers whose weights are those that labels gave."""
    return fit_reviewers(opinions, replace(options, rounds=min(_PIN_ROUNDS, options.rounds)), weights)


def learn_weights(votes: Floats, labels: Labels, start: Floats, use: Flags) -> Floats:
    """Return the weights (categories x agents,) by the labels in `use`.

    Args:
        votes: (h, agents) mean votes without bias.
        labels: The labels.
        start: (agents,) weights by mutual agreement.
        use: (h,) which labels to learn from.
    """
    category = labels.category[labels.goal]
    centres = [trust * start for trust in _TRUST]
    overall = _best_mode(votes[use], labels.outcome[use], centres, _SPREAD)
    weights = [overall]
    for c in range(1, int(labels.category.max(initial=0)) + 1):
        here = use & (category == c)
        weights.append(_best_mode(votes[here], labels.outcome[here], [overall], _CATEGORY_SPREAD))
    return np.concatenate(weights)


def _evidence(table: VoteTable, free: Reviewers, labels: Labels, options: Options) -> tuple[Floats, Floats]:
    """Return mean votes on the labelled pairs (h, agents), and the weights by agreement alone (agents,).

    These are the change of the human log odds per unit of mean vote, by the label-free model without the
    other pairs of the goal; 1.7 takes a probit to log odds.
    """
    opinions = pool_opinions(table, table.judge, len(table.agents), options)
    j, both = opinions.cell_reviewer, np.full(len(opinions.cell_reviewer), 2.0)
    ratio = np.minimum(1.0, free.variance(j, both) / free.variance(j, opinions.n_votes))
    row = np.full(len(table.low), -1)
    row[labels.pair] = np.arange(len(labels.pair))
    here = row[opinions.cell_pair] >= 0
    votes = np.zeros((len(labels.pair), len(table.agents)))
    votes[row[opinions.cell_pair[here]], j[here]] = (opinions.centred(free) * ratio)[here]
    link = expected_link(opinions, free, believe(opinions, free))
    weight = free.weight(np.arange(len(free.sigma)), np.full(len(free.sigma), 2.0))
    seen = weighted_counts(opinions.cell_pair, (weight * free.discrimination)[j], len(table.low))
    variance = 1.0 / (1.0 + link.scale**2 * float(seen.mean()))
    r = link.correlation
    slope = 1.7 * r * variance * link.scale / np.sqrt(1.0 - r**2 + r**2 * variance)
    return votes, slope * weight


def _folds(goal: Codes, folds: int) -> Codes:
    """Return the fold of each label; labels of one goal share it. Depends on nothing but the set of goals."""
    goals, code = np.unique(goal, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(goals))
    return (order % min(folds, len(goals)))[code.reshape(-1)]


def _of_folds(beliefs: Sequence[Beliefs], pair: Codes, fold: Codes) -> Floats:
    """Return (2, h): difference and variance of each labelled pair, by the beliefs of its own fold."""
    rows = np.array([[b.difference[pair], b.variance[pair]] for b in beliefs])
    return rows[fold, :, np.arange(len(fold))].T


def _best_mode(votes: Floats, outcome: Floats, centres: Sequence[Floats], spreads: Sequence[float]) -> Floats:
    """Return the mode of the weights under the prior with the largest evidence."""
    found = [_mode(votes, outcome, centre, spread) for centre, spread in product(centres, spreads)]
    return max(found, key=lambda mode: mode[1])[0]


def _mode(votes: Floats, outcome: Floats, centre: Floats, spread: float) -> tuple[Floats, float]:
    """Return mode and log evidence of weights under N(centre, spread^2 I); a tie is half a win each."""
    won, precision = (1.0 + outcome) / 2.0, spread**-2
    weights = centre.copy()
    for _ in range(50):
        p = expit(votes @ weights)
        gradient = votes.T @ (won - p) - precision * (weights - centre)
        hessian = (votes * (p * (1.0 - p))[:, None]).T @ votes + precision * np.eye(len(weights))
        step = np.linalg.solve(hessian, gradient)
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    odds = votes @ weights
    fit = won @ log_expit(odds) + (1.0 - won) @ log_expit(-odds)
    penalty = 0.5 * precision * float(((weights - centre) ** 2).sum())
    return weights, float(fit - penalty - 0.5 * np.linalg.slogdet(hessian / precision)[1])


@dataclass(frozen=True)
class _LinkGrid:
    """Log likelihood of the labels of each fold for each link that is tried."""

    likelihood: Floats
    """(folds, errors, correlations, ties)"""
    prior: Floats
    """(correlations, ties)"""
    scale: float

    def best(self, leave_out: int | None = None) -> tuple[tuple[float, float], Link]:
        """Return errors and link of the largest posterior, without one fold if asked."""
        likelihood = self.likelihood.sum(axis=0)
        if leave_out is not None:
            likelihood = likelihood - self.likelihood[leave_out]
        s, r, t = np.unravel_index(np.argmax(likelihood + self.prior), likelihood.shape)
        return _ERRORS[s], Link(float(_CORRELATIONS[r]), float(_THRESHOLDS[t]), self.scale)


def _try_links(rows: Sequence[Floats], outcome: Floats, fold: Codes, guess: Link) -> _LinkGrid:
    """Return the likelihoods of all links. `rows`: for each of `_ERRORS` (2, h) differences and variances.

    A weak prior, worth a few labels, holds correlation and tie share near the `guess`.
    """
    member = (fold[:, None] == np.arange(fold.max() + 1)).astype(float)
    at = (1 - outcome.astype(int))[:, None]
    likelihood = np.empty((member.shape[1], len(rows), len(_CORRELATIONS), len(_TIES)))
    for (s, (difference, variance)), (r, correlation) in product(enumerate(rows), enumerate(_CORRELATIONS)):
        for t, threshold in enumerate(_THRESHOLDS):
            chances = Link(float(correlation), float(threshold), guess.scale).probabilities(
                difference, variance
            )
            chance = np.take_along_axis(chances, at, axis=1)[:, 0]
            likelihood[:, s, r, t] = np.log(np.maximum(chance, 1e-9)) @ member
    tie = 2.0 * float(ndtr(guess.threshold)) - 1.0
    near = logit(_CORRELATIONS) - logit(np.clip(guess.correlation, _CORRELATIONS[0], _CORRELATIONS[-1]))
    shares = _PRIOR_LABELS * (xlogy(tie, np.maximum(_TIES, 1e-3)) + xlogy(1.0 - tie, 1.0 - _TIES))
    return _LinkGrid(likelihood, -0.5 * near[:, None] ** 2 + shares, guess.scale)
