"""Which vote to ask for next: the one that is expected to correct most, for its price.

In: the pairs of each goal, who may review them, the reviewers as known so far, prices. Out, one at a time:
`Ask`, the reviewer, the pair and the order. Called by `buying` until a budget is spent or no vote is worth
its price.

Beliefs on the k pairs of a goal are jointly normal: N(0, t/2 B B' + (1 - t) I) before any vote (B: pairs x
results, 1 and -1). The votes on a pair make one measurement of its difference, as in the ranker's E step. A
vote takes the precision of that measurement from q to q + Q, whatever it says, so what it may do to the
beliefs is known beforehand: the mean of each pair moves by N(0, S_qp^2 Q / (1 + S_pp Q)), S the covariance.
The gain is the expected rise of the number of pairs that are called right, sum_q E[max(P_q, 1 - P_q)] -
max(P_q, 1 - P_q), per unit of price. A decided pair gains nothing; the second order gains much where the
reviewer flips, since flips cancel. A vote that is under way counts as if it had said what is expected.

Source: Frazier, Powell and Dayanik, A knowledge-gradient policy for sequential information collection, SIAM
J. Control Optim. 47 (2008).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr

from camelx.ranking.reviewing.knowledge import Known, nothing_known
from camelx.ranking.votes import Codes, Flags, Floats

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
_MAX_EFFECTS = 1600
"""Effects of a vote on a pair that are computed for one decision: with more than 40 pairs only the votes are
compared that gain most for their own pair."""


@dataclass(frozen=True)
class Ask:
    """One vote to buy."""

    goal: int
    pair: int
    """Within the goal."""
    reviewer: int
    is_low_first: bool
    gain: float = field(default=0.0, compare=False)
    """Expected number of pairs put right, per unit of price."""

    @property
    def order(self) -> int:
        """1: low is shown first; 0: high is."""
        return int(self.is_low_first)


class _Goal:
    """What is asked, answered and believed of one goal with k pairs, r reviewers and both orders."""

    def __init__(self, pairs: Codes, may_ask: Flags, prior: Floats) -> None:
        self.open = may_ask.copy()
        """(2, k, r) votes that may still be asked for."""
        self.taken = np.zeros_like(may_ask)
        """(2, k, r) votes that were asked for."""
        self.counts = np.zeros(may_ask.shape)
        """(2, k, r) 1 where there is a vote, or one is expected."""
        self.values = np.zeros(may_ask.shape)
        """(2, k, r) what it says for low, without the preference for what is shown first."""
        self.said = np.full(may_ask.shape, np.nan)
        """(2, k, r) outcomes of the answered votes."""
        self.prior = prior
        """(k, k) covariance before any vote."""
        k = len(pairs)
        self.precision, self.pull = np.zeros(k), np.zeros(k)
        self.mean, self.covariance = np.zeros(k), prior.copy()
        self.n_under_way = self.version = 0


class VoteChooser:
    """Chooses votes over all goals; `record` tells it the answers."""

    def __init__(
        self,
        pairs: Sequence[Codes],
        may_ask: Sequence[Flags],
        *,
        prices: Floats,
        reviewers_per_pair: int | None = None,
        most_under_way: int = 1,
        export_weight: float = float("inf"),
        seed: int = 0,
    ) -> None:
        """Start without votes.

        Args:
            pairs: For each goal (k, 2): low and high result, in any codes, of the pairs that may be asked.
            may_ask: For each goal (2, k, r): may the reviewer be asked, with high first, with low first.
            prices: (r,) of one vote of each reviewer; 1 is that of a mean one.
            reviewers_per_pair: The most who may see a pair.
            most_under_way: Votes of one goal that may be asked for before their answers are there.
            export_weight: |2p - 1| from which on a pair will be wanted in both orders.
            seed: Of the order that is asked first, and of who is asked first among equals.
        """
        self._pairs, self._prices, self._most_under_way = list(pairs), prices, most_under_way
        self._most_reviewers = reviewers_per_pair or len(prices)
        self._export_weight = export_weight
        rng = np.random.default_rng(seed)
        self._first = rng.integers(0, 2, (len(self._pairs), len(prices)))
        self._taste = 1.0 + 1e-9 * rng.random((len(self._pairs), len(prices)))
        self._prior: dict[bytes, Floats] = {}
        self.n_lopsided = np.zeros(len(self._pairs), dtype=np.int64)
        """(goals,) pairs that lean far enough to be exported and were asked in one order only."""
        self._know(nothing_known(len(prices)))
        self._goals = [_Goal(p, m, self._prior_of(p)) for p, m in zip(self._pairs, may_ask, strict=True)]
        self._rebuild()

    def learn(self, known: Known, prices: Floats | None = None) -> None:
        """Take over newly fitted reviewers; the votes so far are weighed anew."""
        self._know(known)
        self._prices = self._prices if prices is None else prices
        for goal, pairs in zip(self._goals, self._pairs, strict=True):
            goal.prior = self._prior_of(pairs)
        self._rebuild()

    def next(self, min_gain: float = 0.0) -> Ask | None:
        """Return the vote that gains most per price; None where nothing gains more than `min_gain`."""
        while self._queue:
            value, goal, version, ask = self._queue[0]
            if version == self._goals[goal].version:
                return ask if -value > min_gain else None
            heapq.heappop(self._queue)
        return None

    def is_open(self, ask: Ask) -> bool:
        """Return whether the vote may still be asked for."""
        return bool(self._goals[ask.goal].open[ask.order, ask.pair, ask.reviewer])

    def reserve(self, ask: Ask) -> None:
        """Take note that the vote is asked for: it is not offered again, and counts as expected."""
        goal, at = self._goals[ask.goal], (ask.order, ask.pair, ask.reviewer)
        goal.open[at], goal.taken[at] = False, True
        goal.n_under_way += 1
        goal.counts[at] = 1.0
        goal.values[at] = self._known.reviewers.discrimination[ask.reviewer] * goal.mean[ask.pair]
        self._update(goal, ask.pair)
        self._push(ask.goal)

    def record(self, ask: Ask, outcome: float) -> None:
        """Take in an answer: 1 where low won, -1 high, 0 tie, NaN none (it is not asked for again)."""
        goal, at = self._goals[ask.goal], (ask.order, ask.pair, ask.reviewer)
        goal.n_under_way -= int(goal.taken[at])
        goal.open[at], goal.taken[at] = False, True
        goal.said[at] = outcome
        goal.counts[at] = float(np.isfinite(outcome))
        goal.values[at] = self._centred(ask, outcome) if np.isfinite(outcome) else 0.0
        self._update(goal, ask.pair)
        self._push(ask.goal)

    def close(self, goal: int) -> None:
        """Offer nothing more of a goal."""
        self._goals[goal].open[:] = False
        self._push(goal)

    def believe(self, goal: int) -> tuple[Floats, Floats]:
        """Return mean (k,) and covariance (k, k) of the differences of one goal."""
        return self._goals[goal].mean, self._goals[goal].covariance.copy()

    def weights(self, goal: int) -> Floats:
        """Return (k,): 2p - 1 for the probability p that low beats high, ties half."""
        variance = np.diagonal(self._goals[goal].covariance)
        chances = self._known.link.probabilities(self._goals[goal].mean, variance)
        lean: Floats = chances[:, 0] - chances[:, 2]
        return lean

    def _know(self, known: Known) -> None:
        self._known, reviewers = known, known.reviewers
        codes = np.arange(len(self._prices))
        n = [np.full(len(codes), m) for m in (1.0, 2.0)]
        zero = np.zeros(len(codes))
        self._weight = np.stack([zero, *(reviewers.weight(codes, m) for m in n)])
        """(3, r) of a reviewer's no, one, two votes on a pair; then what they add to its slope and noise."""
        self._slope = self._weight * reviewers.discrimination
        variance = np.stack([zero, *(reviewers.variance(codes, m) for m in n)])
        self._noise = self._weight**2 * variance
        self._prior.clear()

    def _prior_of(self, pairs: Codes) -> Floats:
        key = pairs.tobytes()
        if key not in self._prior:
            t = self._known.reviewers.transitivity
            items, code = np.unique(pairs, return_inverse=True)
            incidence = np.zeros((len(pairs), len(items)))
            low, high = code.reshape(-1, 2).T
            incidence[np.arange(len(pairs)), low] = 1.0
            incidence[np.arange(len(pairs)), high] = -1.0
            self._prior[key] = t / 2.0 * incidence @ incidence.T + (1.0 - t) * np.eye(len(pairs))
        return self._prior[key]

    def _rebuild(self) -> None:
        """Compute all beliefs anew, and what to ask next."""
        self._queue: list[tuple[float, int, int, Ask]] = []
        bias, slope = self._known.reviewers.first_bias, self._known.reviewers.discrimination
        side = np.array([-1.0, 1.0])[:, None, None]
        for number, goal in enumerate(self._goals):
            expected = np.isnan(goal.said) & (goal.counts > 0)
            goal.values = np.where(
                expected, slope * goal.mean[:, None], np.nan_to_num(goal.said - side * bias)
            )
            goal.precision, goal.pull = self._measured(goal.counts, goal.values)
            root = np.sqrt(goal.precision)
            inner = np.eye(len(root)) + root[:, None] * goal.prior * root
            goal.covariance = goal.prior - (goal.prior * root) @ np.linalg.solve(
                inner, root[:, None] * goal.prior
            )
            goal.mean = goal.covariance @ goal.pull
            self._push(number)

    def _centred(self, ask: Ask, outcome: float) -> float:
        side = 1.0 if ask.is_low_first else -1.0
        return float(outcome - side * self._known.reviewers.first_bias[ask.reviewer])

    def _measured(self, counts: Floats, values: Floats) -> tuple[Floats, Floats]:
        """Return precision (k,) and precision times value (k,) of the measurements by (2, k, r) votes."""
        n = counts.sum(axis=0).astype(np.int64)
        at = (n, np.arange(n.shape[1]))
        slope, noise = self._slope[at].sum(axis=1), self._noise[at].sum(axis=1)
        total = (self._weight[at] * (counts * values).sum(axis=0) / np.maximum(n, 1)).sum(axis=1)
        precision = self._precision(slope, noise)
        return precision, precision * np.divide(total, slope, out=np.zeros_like(total), where=slope > 0)

    def _precision(self, slope: Floats, noise: Floats) -> Floats:
        """Return the precision of measurements with that slope and noise; 0 where nothing was measured."""
        is_measured = slope > 1e-9
        variance = self._known.own * noise / np.where(is_measured, slope, 1.0) ** 2 + self._known.shared
        return np.where(is_measured, 1.0 / np.maximum(variance, 1e-9), 0.0)

    def _update(self, goal: _Goal, pair: int) -> None:
        """Bring the beliefs of a goal up to date with the votes on one pair, by a step of rank one."""
        here = slice(pair, pair + 1)
        precision, pull = self._measured(goal.counts[:, here], goal.values[:, here])
        column, change = goal.covariance[:, pair], float(precision[0] - goal.precision[pair])
        goal.covariance -= np.outer(column * (change / (1.0 + change * column[pair])), column)
        goal.precision[pair], goal.pull[pair] = precision[0], pull[0]
        goal.mean = goal.covariance @ goal.pull

    def _push(self, number: int) -> None:
        goal = self._goals[number]
        goal.version += 1
        if np.isfinite(self._export_weight):
            is_lopsided = goal.taken.any(axis=2).sum(axis=0) == 1
            self.n_lopsided[number] = (
                is_lopsided & (np.abs(self.weights(number)) >= self._export_weight)
            ).sum()
        ask = self._best(number) if goal.n_under_way < self._most_under_way else None
        if ask is not None:
            heapq.heappush(self._queue, (-ask.gain, number, goal.version, ask))

    def _best(self, number: int) -> Ask | None:
        """Return the most gainful vote of a goal: for each pair its most informative reviewer per price."""
        goal = self._goals[number]
        if not goal.open.any():
            return None
        offered = self._offered(goal) * self._taste[number] / self._prices
        reviewer = np.argmax(offered, axis=1)
        pairs = np.arange(len(reviewer))
        price = self._prices[reviewer]
        added = offered[pairs, reviewer] * price
        gain = self._gains(goal, added, price)
        pair = int(np.argmax(gain))
        if gain[pair] < 0:
            return None
        j = int(reviewer[pair])
        return Ask(number, pair, j, self._order(number, pair, j), float(gain[pair]))

    def _offered(self, goal: _Goal) -> Floats:
        """Return (k, r): precision that one more vote adds to its pair; 0 where it may not be asked for."""
        n = goal.counts.sum(axis=0).astype(np.int64)
        at, more = (n, np.arange(n.shape[1])), (np.minimum(n + 1, 2), np.arange(n.shape[1]))
        slope, noise = self._slope[at], self._noise[at]
        slope_then = slope.sum(axis=1, keepdims=True) - slope + self._slope[more]
        noise_then = noise.sum(axis=1, keepdims=True) - noise + self._noise[more]
        added = self._precision(slope_then, noise_then) - goal.precision[:, None]
        seen = goal.taken.any(axis=0)
        is_full = seen.sum(axis=1) >= self._most_reviewers
        may = goal.open.any(axis=0) & (seen | ~is_full[:, None])
        return np.where(may, np.maximum(added, 0.0), 0.0)

    def _order(self, number: int, pair: int, reviewer: int) -> bool:
        """Return whether low is shown first: the order that is left, or that the pair was shown in less."""
        goal = self._goals[number]
        is_open = goal.open[:, pair, reviewer]
        if not is_open.all():
            return bool(is_open[1])
        shown = goal.taken[:, pair].sum(axis=1)
        return bool(self._first[number, reviewer] if shown[0] == shown[1] else shown[0] > shown[1])

    def _gains(self, goal: _Goal, added: Floats, price: Floats) -> Floats:
        """Return (k,) the gain per price of `added` precision on each pair; -1 where it is not considered."""
        k = len(added)
        gain = np.full(k, -1.0)
        pairs = np.flatnonzero(added > 0)
        most = max(1, _MAX_EFFECTS // k)
        if len(pairs) > most:
            own = self._gain(goal, pairs, added[pairs], own_only=True) / price[pairs]
            pairs = pairs[np.argsort(-own, kind="stable")[:most]]
        gain[pairs] = self._gain(goal, pairs, added[pairs]) / price[pairs]
        return gain

    def _gain(self, goal: _Goal, pairs: Codes, added: Floats, own_only: bool = False) -> Floats:
        """Return the expected rise of the number of pairs called right, for votes on each of `pairs`."""
        r, scale = self._known.link.correlation, self._known.link.scale
        variance = np.diagonal(goal.covariance)
        touched = pairs[:, None] if own_only else np.arange(len(variance))[None, :]
        across = goal.covariance[pairs[:, None], touched]
        moved = across**2 * (added / (1.0 + variance[pairs] * added))[:, None]
        left = np.maximum(variance[touched] - moved, 0.0)
        spread = np.sqrt(1.0 - r**2 + r**2 * left / scale**2)
        means = goal.mean[touched][:, :, None] + np.sqrt(moved)[:, :, None] * _NODES
        after = ndtr(np.abs(means) * (r / scale) / spread[:, :, None]) @ _NODE_WEIGHTS
        before = ndtr(
            np.abs(goal.mean[touched])
            * (r / scale)
            / np.sqrt(1.0 - r**2 + r**2 * variance[touched] / scale**2)
        )
        # By quadrature the two differ by its error even where nothing moves the decision.
        gain: Floats = np.maximum(after - before, 0.0).sum(axis=1)
        return gain
