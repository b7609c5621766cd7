"""Calibrate reviewers and probabilities with human labels on some of the pairs.

In: the pooled opinions and the labels. Out: `Anchored`: a signed weight per reviewer (per category where it
has enough labels), how human verdicts follow from them, and what both predict for pairs that they were not
learned from.

Weights: P(human prefers low) = sigmoid(sum_j w_j x_j), x_j the mean vote of reviewer j without its bias, and
w ~ N(kappa w0, tau^2 I) with w0 the weights that mutual agreement gives. (kappa, tau) are those of the
largest evidence (Laplace) times prior: labels that contradict the panel choose kappa = 0, others kappa = 1.
Source: MacKay, The evidence framework applied to classification networks, Neural Computation 4 (1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import expit, log_expit

from camelx.config import ReliablePeerRankConfig
from camelx.ranking.reliable.labels import LEAST_TO_DOUBT, Labels
from camelx.ranking.reliable.model import (
    Beliefs,
    Opinions,
    Reviewers,
    believe,
    believed_by_people,
    expected_link,
    fit_reviewers,
    pool_opinions,
)
from camelx.ranking.reliable.scenarios import Scenario, error_kinds, fit_links
from camelx.ranking.votes import Codes, Flags, Floats, VoteTable, weighted_counts

_TRUST = {1.0: 0.5, 0.5: 0.3, 0.0: 0.2}
"""How far labels may follow the panel's agreement (kappa), and how probable that is before any label."""
_SPREAD = (0.3, 0.6, 1.2)
_CATEGORY_SPREAD = (0.1, 0.3, 0.6, 1.2)


@dataclass(frozen=True)
class Anchored:
    """What the labels taught; `r` = categories x agents."""

    weights: Floats
    """(r,) signed weights of the reviewers: an agent in a category is one of its own, agents innermost."""
    reviewers: Reviewers
    scenarios: tuple[Scenario, ...]
    held_out: Floats
    """(h, 3) probabilities of the labelled pairs from weights and link learned without their goals."""
    held_out_weights: Floats
    """(h, r) the weights behind them."""


def anchor(table: VoteTable, free: Reviewers, labels: Labels, config: ReliablePeerRankConfig) -> Anchored:
    """Return the reviewers and the scenarios that the labels support.

    Weights are learned from all labels. Scenarios are fitted to predictions for goals that their weights were
    not learned from, else they would take fitting for knowing.
    """
    fold = _folds(labels.goal, config.folds)
    votes, start = _evidence(table, free, labels, config)
    n_agents, n_categories = len(table.agents), int(labels.category.max(initial=0)) + 1
    opinions = pool_opinions(
        table,
        table.judge + n_agents * labels.category[table.item_goal[table.first]],
        n_agents * n_categories,
        config,
    )
    weights = np.stack([learn_weights(votes, labels, start, fold != f) for f in range(fold.max() + 1)])
    fitted = [_pinned(opinions, w, config) for w in weights]
    guess = expected_link(opinions, fitted[0], believe(opinions, fitted[0]))
    kinds = error_kinds(config)
    rows = [_of_folds([believe(opinions, r, *kind) for r in fitted], labels.pair, fold) for kind in kinds]
    fits = fit_links(kinds, rows, labels.outcome, fold, guess)
    held_out = np.zeros((len(fold), 3))
    for f in range(fold.max() + 1):
        for at, scenario in fits.scenarios(leave_out=f).items():
            chances = scenario.link.probabilities(*rows[at][:, fold == f])
            held_out[fold == f] += scenario.share * chances
    final = learn_weights(votes, labels, start, np.ones(len(fold), dtype=bool))
    scenarios = tuple(fits.scenarios().values())
    return Anchored(final, _pinned(opinions, final, config), scenarios, held_out, weights[fold])


def _pinned(opinions: Opinions, weights: Floats, config: ReliablePeerRankConfig) -> Reviewers:
    """Return the reviewers whose weights are those that labels gave."""
    return believed_by_people(fit_reviewers(opinions, config, weights), config)


def learn_weights(votes: Floats, labels: Labels, start: Floats, use: Flags) -> Floats:
    """Return the weights (categories x agents,) by the labels in `use`.

    Args:
        votes: (h, agents) mean votes without bias.
        labels: The labels.
        start: (agents,) weights by mutual agreement.
        use: (h,) which labels to learn from.
    """
    category = labels.category[labels.goal]
    if np.count_nonzero(labels.outcome[use]) < LEAST_TO_DOUBT:
        overall = _best_mode(votes[use], labels.outcome[use], [(start, 1.0)], _SPREAD[:1])
    else:
        centres = [(trust * start, chance) for trust, chance in _TRUST.items()]
        overall = _best_mode(votes[use], labels.outcome[use], centres, _SPREAD)
    weights = [overall]
    for c in range(1, int(labels.category.max(initial=0)) + 1):
        here = use & (category == c)
        weights.append(_best_mode(votes[here], labels.outcome[here], [(overall, 1.0)], _CATEGORY_SPREAD))
    return np.concatenate(weights)


def _evidence(
    table: VoteTable, free: Reviewers, labels: Labels, config: ReliablePeerRankConfig
) -> tuple[Floats, Floats]:
    """Return mean votes on the labelled pairs (h, agents), and the weights by agreement alone (agents,).

    These are the change of the human log odds per unit of mean vote, by the label-free model without the
    other pairs of the goal; 1.7 takes a probit to log odds.
    """
    opinions = pool_opinions(table, table.judge, len(table.agents), config)
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


def _best_mode(
    votes: Floats, outcome: Floats, centres: Sequence[tuple[Floats, float]], spreads: Sequence[float]
) -> Floats:
    """Return the mode of the weights under the most probable prior; `centres` come with their chances."""
    found = []
    for (centre, chance), spread in product(centres, spreads):
        weights, evidence = _mode(votes, outcome, centre, spread)
        found.append((evidence + float(np.log(chance)), weights))
    return max(found, key=lambda mode: mode[0])[1]


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
