"""Which vote to buy next: the one that is expected to correct most, for its price.

In: the pairs of each goal, the reviewers as known so far, prices. Out, one at a time: `Ask`, the reviewer,
the pair and the order. Called by the voting loop until a budget is spent or no vote is worth `min_gain`.

Beliefs on the k pairs of a goal are jointly normal: N(0, t/2 B B' + (1 - t) I) before any vote (B: pairs x
results, 1 and -1), a cell of m votes of reviewer j adding lambda^2 / Var(m) to the precision. Asking (j, p)
takes Q more precision, whatever is answered, so what the answer may do to the beliefs is known beforehand:
the mean of each pair q moves by N(0, S_qp^2 Q / (1 + S_pp Q)). The gain is the expected rise of the share of
pairs that are called right, sum_q E[max(P_q, 1 - P_q)] - max(P_q, 1 - P_q), per unit of price. A decided pair
gains nothing; the second order gains much where the reviewer flips, since flips cancel.

Source: Frazier, Powell and Dayanik, A knowledge-gradient policy for sequential information collection, SIAM
J. Control Optim. 47 (2008).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from camelx.ranking.reliable.model import Link, Reviewers
from camelx.ranking.votes import Codes, Floats

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()


@dataclass(frozen=True)
class Ask:
    """One vote to buy."""

    goal: int
    pair: int
    """Within the goal."""
    reviewer: int
    is_low_first: bool
    gain: float
    """Expected number of pairs put right, per unit of price."""


class VoteBuyer:
    """Chooses votes over all goals; `record` tells it the answers."""

    def __init__(
        self, pairs: list[Codes], reviewers: Reviewers, link: Link, prices: Floats, *, seed: int = 0
    ) -> None:
        """Start without votes.

        Args:
            pairs: For each goal (k, 2): low and high result, in any codes, of the pairs that may be asked.
            reviewers: As known so far, (r,).
            link: How the human verdict follows the differences.
            prices: (r,) of one vote of each reviewer, in any one currency; infinite: may not be asked.
            seed: Of the order that is asked first.
        """
        self._pairs, self._prices = pairs, prices
        self._sums = [np.zeros((2, len(p), len(prices))) for p in pairs]
        self._readable = [np.zeros((2, len(p), len(prices))) for p in pairs]
        self._asked = [np.zeros((2, len(p), len(prices)), dtype=bool) for p in pairs]
        self._first = np.random.default_rng(seed).integers(0, 2, (len(pairs), len(prices)))
        self._version = np.zeros(len(pairs), dtype=int)
        self.learn(reviewers, link)

    def learn(self, reviewers: Reviewers, link: Link) -> None:
        """Take over newly fitted reviewers; the votes so far are weighed anew."""
        self._reviewers, self._link = reviewers, link
        codes = np.arange(len(self._prices))
        self._variance = [reviewers.variance(codes, np.full(len(codes), m)) for m in (1.0, 2.0)]
        information = reviewers.discrimination**2
        self._one, self._two = (information / v for v in self._variance)
        self._queue: list[tuple[float, int, int, Ask]] = []
        self._prior: dict[bytes, Floats] = {}
        for goal in range(len(self._pairs)):
            self._push(goal)

    def next(self, min_gain: float = 0.0) -> Ask | None:
        """Return the vote that gains most per price; None where nothing gains more than `min_gain`."""
        while self._queue:
            value, goal, version, ask = self._queue[0]
            if version == self._version[goal]:
                return ask if -value > min_gain else None
            heapq.heappop(self._queue)
        return None

    def record(self, ask: Ask, outcome: float) -> None:
        """Take in an answer: 1 where low won, -1 high, 0 tie, NaN unreadable (not asked for again)."""
        order = int(ask.is_low_first)
        self._asked[ask.goal][order, ask.pair, ask.reviewer] = True
        side = 1.0 if ask.is_low_first else -1.0
        if np.isfinite(outcome):
            value = outcome - side * self._reviewers.first_bias[ask.reviewer]
            self._sums[ask.goal][order, ask.pair, ask.reviewer] = value
            self._readable[ask.goal][order, ask.pair, ask.reviewer] = 1.0
        self._version[ask.goal] += 1
        self._push(ask.goal)

    def believe(self, goal: int) -> tuple[Floats, Floats]:
        """Return mean (k,) and covariance (k, k) of the differences of one goal."""
        counts = self._readable[goal].sum(axis=0)
        precision = np.where(counts == 0, 0.0, np.where(counts == 1, self._one, self._two))
        mean = self._sums[goal].sum(axis=0) / np.maximum(counts, 1.0)
        pull = (precision * mean / self._reviewers.discrimination).sum(axis=1)
        covariance: Floats = np.asarray(
            np.linalg.inv(self._prior_precision(goal) + np.diag(precision.sum(axis=1))), dtype=np.float64
        )
        mean_difference: Floats = covariance @ pull
        return mean_difference, covariance

    def _prior_precision(self, goal: int) -> Floats:
        pairs, t = self._pairs[goal], self._reviewers.transitivity
        key = pairs.tobytes()
        if key not in self._prior:
            items, code = np.unique(pairs, return_inverse=True)
            incidence = np.zeros((len(pairs), len(items)))
            low, high = code.reshape(-1, 2).T
            incidence[np.arange(len(pairs)), low] = 1.0
            incidence[np.arange(len(pairs)), high] = -1.0
            spread = t / 2.0 * incidence @ incidence.T + (1.0 - t) * np.eye(len(pairs))
            self._prior[key] = np.asarray(np.linalg.inv(spread), dtype=np.float64)
        return self._prior[key]

    def _push(self, goal: int) -> None:
        ask = self._best(goal)
        if ask is not None:
            heapq.heappush(self._queue, (-ask.gain, goal, int(self._version[goal]), ask))

    def _best(self, goal: int) -> Ask | None:
        """Return the most gainful vote of a goal: for each pair its most informative reviewer per price."""
        mean, covariance = self.believe(goal)
        counts = self._readable[goal].sum(axis=0)
        offered = np.where(counts == 0, self._one, self._two - self._one) * ~self._asked[goal].all(axis=0)
        reviewer = np.argmax(offered / self._prices, axis=1)
        added = offered[np.arange(len(mean)), reviewer]
        gain = self._gain(mean, covariance, added) / self._prices[reviewer]
        gain[added <= 0] = -1.0
        pair = int(np.argmax(gain))
        if gain[pair] < 0:
            return None
        j = int(reviewer[pair])
        asked = self._asked[goal][:, pair, j]
        order = not asked[1] if asked.any() else self._first[goal, j]
        return Ask(goal, pair, j, bool(order), float(gain[pair]))

    def _gain(self, mean: Floats, covariance: Floats, added: Floats) -> Floats:
        """Return (k,): expected rise of the number of pairs called right, by `added` precision on each."""
        r, scale = self._link.correlation, self._link.scale
        variance = np.diagonal(covariance)
        moved = covariance**2 * (added / (1.0 + variance * added))
        spread = np.sqrt(1.0 - r**2 + r**2 * np.maximum(variance[:, None] - moved, 0.0) / scale**2)
        means = mean[:, None, None] + np.sqrt(moved)[:, :, None] * _NODES
        after = ndtr(np.abs(means) * r / scale / spread[:, :, None]) @ _NODE_WEIGHTS
        before = ndtr(np.abs(mean) * r / scale / np.sqrt(1.0 - r**2 + r**2 * variance / scale**2))
        # By quadrature the two differ by its error even where nothing moves the decision.
        gain: Floats = np.maximum(after - before[:, None], 0.0).sum(axis=0)
        return gain
