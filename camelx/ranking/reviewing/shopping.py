"""A whole purchase: first what teaches who the reviewers are, then the vote that tells most, again and again.

In: a `Menu` and a way to fit reviewers to the votes so far. Out: one `Ask` after another. Called by `buying`,
with live judges or with recorded votes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from camelx.ranking.reviewing.choosing import Ask, VoteChooser
from camelx.ranking.reviewing.knowledge import Known
from camelx.ranking.reviewing.menus import Menu

_WARM_SHARE, _WARM_BUDGET_SHARE = 0.05, 0.2
"""Of the menu and of the budget: the most that is asked without regard to gain, to get to know the judges."""
_WARM_PAIRS = 40
"""Pairs of each judge, in both orders, after which it is known well enough."""
_GROWTH = 1.5
"""The reviewers are fitted anew each time that the votes have grown by this factor."""


class Shopper:
    """Chooses votes until the menu is empty; knows the reviewers better as the votes grow."""

    def __init__(
        self,
        menu: Menu,
        learn: Callable[[], Known],
        prices: Callable[[Sequence[str]], Sequence[float]],
        *,
        reviewers_per_pair: int | None = None,
        most_under_way: int = 1,
        export_weight: float = float("inf"),
        calls: int | None = None,
        seed: int = 0,
    ) -> None:
        """Start without votes.

        Args:
            menu: What may be asked.
            learn: Fits the reviewers to all votes so far.
            prices: Of a vote of each of these judges, as far as is known by now; the mean is 1.
            reviewers_per_pair: See `VoteChooser`, as `most_under_way` and `export_weight`.
            most_under_way: Votes of one goal that may be asked for before their answers are there.
            export_weight: |2p - 1| from which on a pair will be wanted in both orders.
            calls: What may be asked in all; None: no bound.
            seed: Of all that is random.
        """
        self._menu, self._learn, self._prices = menu, learn, prices
        self.chooser = VoteChooser(
            menu.codes,
            menu.may_ask,
            prices=np.asarray(prices(menu.judges)),
            reviewers_per_pair=reviewers_per_pair,
            most_under_way=most_under_way,
            export_weight=export_weight,
            seed=seed,
        )
        n_warm = _WARM_SHARE * sum(int(flags.sum()) for flags in menu.may_ask)
        n_warm = min(n_warm, 2 * _WARM_PAIRS * len(menu.judges), _WARM_BUDGET_SHARE * (calls or float("inf")))
        self._warm = self._warm_up(int(max(n_warm, 2 * len(menu.judges))), reviewers_per_pair, seed)
        self._n_votes, self._fit_at = 0, len(self._warm)

    def next(self, min_gain: float = 0.0) -> Ask | None:
        """Return what to ask next; None: nothing more is worth it, or answers must come first."""
        while self._warm:
            if self.chooser.is_open(self._warm[0]):
                return self._warm[0]
            self._warm.pop(0)
        return self.chooser.next(min_gain)

    def record(self, ask: Ask, outcome: float) -> None:
        """Take in an answer; see `VoteChooser.record`."""
        self.chooser.record(ask, outcome)
        self._n_votes += 1
        if self._n_votes >= self._fit_at:
            self.refit()

    def refit(self) -> None:
        """Fit the reviewers to the votes so far."""
        self.chooser.learn(self._learn(), np.asarray(self._prices(self._menu.judges)))
        self._fit_at = max(self._fit_at, int(_GROWTH * self._n_votes) + 1)

    def _warm_up(self, n_votes: int, reviewers_per_pair: int | None, seed: int) -> list[Ask]:
        """Return both orders of pairs all over the goals, as many of each judge as can be."""
        rng = np.random.default_rng(seed)
        places = [(g, p) for g, pairs in enumerate(self._menu.pairs) for p in range(len(pairs))]
        n_of: Counter[int] = Counter()
        asks: list[Ask] = []
        for at in rng.permutation(len(places)):
            goal, pair = places[at]
            allowed = np.flatnonzero(self._menu.may_ask[goal][:, pair].all(axis=0)).tolist()
            for reviewer in sorted(allowed, key=lambda j: n_of[j])[:reviewers_per_pair]:
                if len(asks) + 2 > n_votes:
                    return asks
                n_of[reviewer] += 1
                asks += [Ask(goal, pair, reviewer, is_low_first) for is_low_first in (True, False)]
        return asks
