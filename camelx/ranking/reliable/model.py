"""How reviewers vote: the model behind `reliable_peer_rank`, and its fit to votes alone.

For a vote v (1 first, -1 second, 0 tie) of reviewer j on the pair p = (i, k), side = 1 where i is shown first
and -1 otherwise, own = 1 where j wrote i, -1 where j wrote k, 0 otherwise; seen from i, z = side v:

    z      = lambda_j c_p + side b_j + own g_j + noise    b_j: first-position preference, g_j: self-preference
    Var(mean of m votes of j on p | c_p) = omega_j + sigma_j / m                     sigma_j: flips under swap
    c_p    = d_p + f_p,  f_p ~ N(0, shared)               f_p: errors that the reviewers make together
    d_p    = s_i - s_k + e_p,  e_p ~ N(0, 1 - t)          t: how far preferences are transitive in a goal
    s_i    ~ N(mu_author(i), t / 2)                       mu = 0 unless authors may speak (`author_prior`)
    human  = first, tie or second as r d_p / sd(d) + sqrt(1 - r^2) N(0, 1) is above c, between, below -c

Fitted by EM with weak conjugate priors. `anchors` replaces the weights lambda_j / Var by ones learned
from human labels, which may be negative.

Sources: Dawid and Skene, Maximum likelihood estimation of observer error-rates, Applied Statistics 28 (1979);
Whitehill et al., Whose vote should count more, NeurIPS (2009); Thomson's regression scores of Spearman's
one-factor model, The factorial analysis of human ability (1951), for the weights; Thurstone and, with ties,
Glenn and David, Ties in paired-comparison experiments, Biometrics 16 (1960), for the human link; Li, Patel
and Du, PRD, https://arxiv.org/abs/2307.02762, for peers that review peers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from camelx.config import ReliablePeerRankConfig
from camelx.ranking.reliable.goals import item_authors, solve_goals
from camelx.ranking.votes import Codes, Floats, VoteTable, weighted_counts

_LAMBDA, _OMEGA, _SIGMA = 0.5, 0.1, 0.4
"""A reviewer before any vote: it follows half of a typical difference, and flips now and then."""
_MIN_VARIANCE = 0.05
"""No mean of few votes is surer than this: keeps one consistent reviewer from drowning the others."""
_MIN_LAMBDA = 0.01
_PIN_ROUNDS = 10
"""Rounds of EM where the weights are given: the rest settles sooner."""
_SHARED = 0.5
_SHARED_BESIDE_AUTHORS, _TRANSITIVITY_BESIDE_AUTHORS = 1.0, 0.3
"""Chosen by cross-validation over goals, see docs/ranking.md."""


@dataclass(frozen=True)
class Opinions:
    """The votes pooled over orders: one cell per reviewer and pair, in the direction low over high.

    `n` votes, `c` cells, `k` pairs, `m` items, `a` agents, `r` reviewers (agents, or agents by category).
    """

    table: VoteTable
    reviewer: Codes
    """(n,) reviewer of each vote."""
    n_reviewers: int
    cell: Codes
    """(n,) into the cells."""
    cell_reviewer: Codes
    """(c,)"""
    cell_pair: Codes
    """(c,)"""
    n_votes: Floats
    """(c,) readable votes in the cell."""
    outcome: Floats
    """(c,) mean vote for low."""
    side: Floats
    """(c,) mean of +1 where low was shown first and -1 where high was."""
    own: Floats
    """(c,) 1 where the reviewer wrote low, -1 where it wrote high, 0 otherwise."""
    sigma: Floats
    """(r,) variance of one vote around the mean of its cell."""
    to_first: Floats
    """(r,) sum of the outcomes: votes for the first minus votes for the second."""

    def centred(self, reviewers: Reviewers) -> Floats:
        """Return the mean votes (c,) without what position and self-preference explain."""
        j = self.cell_reviewer
        return self.outcome - reviewers.first_bias[j] * self.side - reviewers.self_bias[j] * self.own


@dataclass(frozen=True)
class Reviewers:
    """What is learned of the reviewers (arrays (r,)) and of the goals."""

    discrimination: Floats
    """lambda: change of the mean vote per unit of the difference in quality."""
    omega: Floats
    """Residual variance that more votes do not remove; negative where the two orders cancel."""
    sigma: Floats
    first_bias: Floats
    """b: mean vote for what is shown first, between two equal results."""
    self_bias: Floats
    """g"""
    transitivity: float
    """t: share of a pair's variance that is explained by one score per result."""
    author: Floats
    """(a + 1,) mu; the last entry is that of unknown authors."""
    pinned: Floats | None = None
    """Weights learned from human labels; None: from the votes."""

    def variance(self, reviewer: Codes, n_votes: Floats) -> Floats:
        """Return the variance of the mean of `n_votes` votes, given the difference in quality."""
        return np.maximum(self.omega[reviewer] + self.sigma[reviewer] / n_votes, _MIN_VARIANCE)

    def weight(self, reviewer: Codes, n_votes: Floats) -> Floats:
        """Return the weight of a cell: lambda / variance; the pinned one, less where an order is missing."""
        variance = self.variance(reviewer, n_votes)
        if self.pinned is None:
            return self.discrimination[reviewer] / variance
        both = self.variance(reviewer, np.full(len(n_votes), 2.0))
        return self.pinned[reviewer] * np.minimum(1.0, both / variance)


@dataclass(frozen=True)
class Beliefs:
    """Posterior of the differences in quality (k,) and of the scores (m,)."""

    difference: Floats
    variance: Floats
    score: Floats
    score_variance: Floats
    residual: Floats
    """(k,) posterior mean of e_p."""
    residual_variance: Floats


def pool_opinions(
    table: VoteTable, reviewer: Codes, n_reviewers: int, config: ReliablePeerRankConfig
) -> Opinions:
    """Return the cells of the table."""
    keys, cell = np.unique(table.pair * n_reviewers + reviewer, return_inverse=True)
    cell = cell.reshape(-1).astype(np.int64)
    cell_reviewer = keys % n_reviewers
    n_votes = weighted_counts(cell, np.ones(len(cell)), len(keys))
    side = np.where(table.is_low_first, 1.0, -1.0)
    own = (table.judge == table.first_author) * side - (table.judge == table.second_author) * side
    vote = table.low_outcome
    mean, mean_side = (weighted_counts(cell, x, len(keys)) / n_votes for x in (vote, side))
    # Around the cell's mean and its reviewer's mean preference for the first, each vote is a repetition.
    to_first = weighted_counts(reviewer, table.outcome, n_reviewers)
    bias = _share(to_first, np.bincount(reviewer, minlength=n_reviewers))
    centred = vote - mean[cell] - bias[reviewer] * (side - mean_side[cell])
    spread = weighted_counts(reviewer, centred**2, n_reviewers)
    freedom = weighted_counts(cell_reviewer, n_votes - 1.0, n_reviewers)
    prior = config.prior_votes
    return Opinions(
        table=table,
        reviewer=reviewer,
        n_reviewers=n_reviewers,
        cell=cell,
        cell_reviewer=cell_reviewer,
        cell_pair=keys // n_reviewers,
        n_votes=n_votes,
        outcome=mean,
        side=mean_side,
        own=weighted_counts(cell, own.astype(float), len(keys)) / n_votes,
        sigma=(spread + prior * _SIGMA) / (freedom + prior),
        to_first=to_first,
    )


def fit_reviewers(
    opinions: Opinions, config: ReliablePeerRankConfig, pinned: Floats | None = None
) -> Reviewers:
    """Return the reviewers by EM. `pinned` (r,): weights that human labels gave, kept as they are."""
    rounds = config.rounds if pinned is None else min(_PIN_ROUNDS, config.rounds)
    r = opinions.n_reviewers
    reviewers = Reviewers(
        discrimination=_expected_slope(r, pinned),
        omega=np.full(r, _OMEGA),
        sigma=opinions.sigma,
        first_bias=np.zeros(r),
        self_bias=np.zeros(r),
        transitivity=0.5,
        author=np.zeros(len(opinions.table.agents) + 1),
        pinned=pinned,
    )
    for _ in range(rounds):
        reviewers = _maximise(opinions, reviewers, believe(opinions, reviewers), config)
    return reviewers


def _expected_slope(n_reviewers: int, pinned: Floats | None) -> Floats:
    """Return lambda (r,) before any vote: signs and proportions of pinned weights are taken over."""
    if pinned is None:
        return np.full(n_reviewers, _LAMBDA)
    slope: Floats = _LAMBDA * pinned / np.abs(pinned).max(initial=1e-9)
    return slope


def believed_by_people(reviewers: Reviewers, config: ReliablePeerRankConfig) -> Reviewers:
    """Return the reviewers with the transitivity that counts for a person's verdict.

    Where authors speak for themselves, what reviewers agree on beyond that is more particular to the pair
    than their own agreement shows.
    """
    most = _TRANSITIVITY_BESIDE_AUTHORS if config.author_prior else 1.0
    return replace(reviewers, transitivity=min(reviewers.transitivity, most))


def shared_errors(config: ReliablePeerRankConfig) -> float:
    """Return the variance of the errors that reviewers make together, where no labels tell it."""
    if config.shared is not None:
        return config.shared
    return _SHARED_BESIDE_AUTHORS if config.author_prior else _SHARED


def believe(opinions: Opinions, reviewers: Reviewers, shared: float = 0.0, own: float = 1.0) -> Beliefs:
    """Return the posterior of all differences and scores, given the reviewers (the E step).

    `shared` is the variance of errors that all reviewers of a pair make together. While they are fitted it is
    0: what they agree on is then all there is to learn from. `own` multiplies the variance of their own
    errors: labels may show that pinned weights say more than the reviewers' agreement lets expect.

    The cells of a pair make one measurement of d_p, M_p = sum(w z) / sum(w lambda) with variance
    sum(w^2 Var) / sum(w lambda)^2. With e_p integrated out, the scores of a goal have a normal posterior
    whose precision is a graph Laplacian plus the prior; e_p then takes its share of what the scores leave.
    """
    table, k = opinions.table, len(opinions.table.low)
    cell, pair = opinions.cell_reviewer, opinions.cell_pair
    weight = reviewers.weight(cell, opinions.n_votes)
    slope = weighted_counts(pair, weight * reviewers.discrimination[cell], k)
    noise = weighted_counts(pair, weight**2 * reviewers.variance(cell, opinions.n_votes), k)
    slope = np.maximum(slope, 1e-6)
    measured = weighted_counts(pair, weight * opinions.centred(reviewers), k) / slope
    loose = 1.0 - reviewers.transitivity
    total = own * noise / slope**2 + loose + shared + 1e-9
    prior = reviewers.author[item_authors(table)]
    gap = prior[table.low] - prior[table.high]
    score, covariance = solve_goals(
        table, (measured - gap) / total, 1.0 / total, 2.0 / reviewers.transitivity
    )
    score += prior
    expected, share = score[table.low] - score[table.high], loose / total
    across = covariance[0][table.low] + covariance[0][table.high] - 2.0 * covariance[1]
    residual = share * (measured - expected)
    return Beliefs(
        difference=expected + residual,
        variance=loose * (1.0 - share) + (1.0 - share) ** 2 * across,
        score=score,
        score_variance=covariance[0],
        residual=residual,
        residual_variance=loose * (1.0 - share) + share**2 * across,
    )


def _maximise(
    opinions: Opinions, reviewers: Reviewers, beliefs: Beliefs, config: ReliablePeerRankConfig
) -> Reviewers:
    """Return the reviewers that make the beliefs most likely (the M step)."""
    j, r, prior = opinions.cell_reviewer, opinions.n_reviewers, config.prior_votes
    d, variance = beliefs.difference[opinions.cell_pair], beliefs.variance[opinions.cell_pair]
    inverse = 1.0 / reviewers.variance(j, opinions.n_votes)
    weak = prior / np.maximum(reviewers.omega + reviewers.sigma / 2, _MIN_VARIANCE)
    z = opinions.centred(reviewers)
    slope = weighted_counts(j, inverse * z * d, r) + weak * _expected_slope(r, reviewers.pinned)
    slope = slope / (weighted_counts(j, inverse * (d**2 + variance), r) + weak)
    if reviewers.pinned is None:
        # A sign can't be learned from mutual agreement alone: the mirror image of a panel fits as well.
        slope = np.maximum(slope, _MIN_LAMBDA)
    left = (z - slope[j] * d) ** 2 + slope[j] ** 2 * variance - reviewers.sigma[j] / opinions.n_votes
    n = weighted_counts(j, np.ones(len(j)), r)
    own, side = opinions.own, opinions.side
    explained = opinions.n_votes * side * (slope[j] * d + reviewers.self_bias[j] * own)
    to_first = opinions.to_first - weighted_counts(j, explained, r)
    to_self = weighted_counts(j, own * (opinions.outcome - slope[j] * d - reviewers.first_bias[j] * side), r)
    transitivity, author = _goal_parameters(opinions.table, reviewers, beliefs, config)
    return replace(
        reviewers,
        discrimination=slope,
        omega=(weighted_counts(j, left, r) + prior * _OMEGA) / (n + prior),
        first_bias=to_first / (weighted_counts(j, opinions.n_votes, r) + prior),
        self_bias=to_self / (weighted_counts(j, own**2, r) + prior),
        transitivity=transitivity,
        author=author,
    )


def _goal_parameters(
    table: VoteTable, reviewers: Reviewers, beliefs: Beliefs, config: ReliablePeerRankConfig
) -> tuple[float, Floats]:
    """Return transitivity and the authors' means. Shares near 0 and 1 are cut: no few votes show them."""
    authors, n = item_authors(table), len(table.agents) + 1
    scatter = (beliefs.score - reviewers.author[authors]) ** 2 + beliefs.score_variance
    if not len(beliefs.difference):
        return reviewers.transitivity, reviewers.author
    of_scores = 2.0 * float(scatter.mean())
    of_pairs = float((beliefs.residual**2 + beliefs.residual_variance).mean())
    transitivity = min(0.9, max(0.1, of_scores / (of_scores + of_pairs)))
    author = np.zeros(n)
    if config.author_prior:
        counts = weighted_counts(authors, np.ones(len(authors)), n)
        author = weighted_counts(authors, beliefs.score, n) / (counts + transitivity)
        author[-1] = 0.0
        author[:-1] -= _share(counts[:-1] @ author[:-1], counts[:-1].sum()) * (counts[:-1] > 0)
    return transitivity, author


@dataclass(frozen=True)
class Link:
    """How human judgements follow the differences in quality."""

    correlation: float
    """r: of a human judgement with the difference."""
    threshold: float
    """c: half the width of a human tie, in standard deviations."""
    scale: float
    """Standard deviation of the differences."""

    def probabilities(self, difference: Floats, variance: Floats) -> Floats:
        """Return (k, 3): low wins, tie, high wins."""
        r, mean = self.correlation, difference / self.scale
        spread = np.sqrt(1.0 - r**2 + r**2 * variance / self.scale**2)
        low, high = (ndtr((sign * r * mean - self.threshold) / spread) for sign in (1.0, -1.0))
        return np.stack([low, 1.0 - low - high, high], axis=1)


def expected_link(opinions: Opinions, reviewers: Reviewers, beliefs: Beliefs) -> Link:
    """Return the link without human labels: a person is taken for one more reviewer of this panel.

    Its correlation is that of the reviewers' own verdicts (both orders) with the differences, and it ties as
    often as they do; both averaged over the reviewers, weighted by their information. This is a claim about
    consensus: nothing here can tell a panel that is wrong together from one that is right.
    """
    scale = (
        float(np.sqrt(np.mean(beliefs.difference**2 + beliefs.variance))) if len(beliefs.difference) else 1.0
    )
    explained = (reviewers.discrimination * scale) ** 2
    ratio = explained / reviewers.variance(
        np.arange(opinions.n_reviewers), np.full(opinions.n_reviewers, 2.0)
    )
    n = np.bincount(opinions.reviewer, minlength=opinions.n_reviewers)
    ties = _share(np.bincount(opinions.reviewer[opinions.table.outcome == 0], minlength=len(n)), n)
    trust = ratio * (n > 0)
    share = _share((trust * ratio / (1.0 + ratio)).sum(), trust.sum())
    tie = min(0.9, float(_share((trust * ties).sum(), trust.sum())))
    return Link(float(np.sqrt(share)), float(ndtri((1.0 + tie) / 2.0)), scale)


def _share(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    """Return part / whole, 0 where there is nothing."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    share: Floats = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return share
