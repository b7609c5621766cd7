"""Buy votes one at a time where they tell most, from judges or, to see what that is worth, from a record.

In: the scheduled pairs, a `Sitting`, a budget. Out: votes, saved as they come. Many goals have a vote under
way at once, so that a model that answers in batches stays busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from camelx.config import BuyingConfig, ReliablePeerRankConfig
from camelx.ranking.reviewing.choosing import Ask
from camelx.ranking.reviewing.knowledge import Known, learn_reviewers
from camelx.ranking.reviewing.menus import Menu, recorded_menu
from camelx.ranking.reviewing.shopping import Shopper
from camelx.ranking.reviewing.spending import Cost, Purse
from camelx.ranking.reviewing.voting import Sitting
from camelx.ranking.votes import Codes
from camelx.schemas import Verdict, Vote

SHARES = tuple(round(0.1 * i, 1) for i in range(1, 11))

_MOST_OF_A_GOAL = 4
"""Of so many pairs of a goal one may be under way: more at once would know too little of each other."""


async def buy_votes(
    sitting: Sitting,
    menu: Menu,
    purse: Purse,
    settings: BuyingConfig,
    learn: Callable[[], Known],
    *,
    reviewers_per_pair: int,
    export_weight: float,
) -> None:
    """Ask for the votes that tell most until the purse is empty or none is worth it.

    Votes that the sitting has are taken in first. Calls are kept back for pairs that would be exported but
    for their second order.

    Args:
        sitting: Who is asked, and what is there.
        menu: What may be asked.
        purse: What may be spent.
        settings: The least gain.
        learn: Fits the reviewers to all votes of the sitting.
        reviewers_per_pair: The most who may see a pair.
        export_weight: |2p - 1| from which on a pair is exported.
    """
    purchase = _Purchase(sitting, menu, purse, settings, learn, reviewers_per_pair, export_weight)
    tasks: dict[asyncio.Task[list[Vote]], tuple[Ask, Cost]] = {}
    try:
        while True:
            while len(tasks) < sitting.assignment.concurrency and (found := purchase.next()) is not None:
                tasks[asyncio.ensure_future(sitting.ask(menu.ballot(found[0])))] = found
            if not tasks:
                return
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                purchase.take_in(*tasks.pop(task), task.result())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Purchase:
    """A shopper with a purse: what is asked for next, and what is under way."""

    def __init__(
        self,
        sitting: Sitting,
        menu: Menu,
        purse: Purse,
        settings: BuyingConfig,
        learn: Callable[[], Known],
        reviewers_per_pair: int,
        export_weight: float,
    ) -> None:
        self._sitting, self._menu, self._purse, self._settings = sitting, menu, purse, settings
        pairs = max((len(pairs) for pairs in menu.pairs), default=0)
        at_once = min(sitting.assignment.concurrency // max(1, len(menu.goals)), pairs // _MOST_OF_A_GOAL)
        self._shopper = Shopper(
            menu,
            learn,
            sitting.ledger.relative_prices,
            reviewers_per_pair=reviewers_per_pair,
            most_under_way=max(1, at_once),
            export_weight=export_weight if settings.complete_orders else float("inf"),
            calls=settings.budget.calls,
            seed=sitting.assignment.seed,
        )
        for vote in sitting.votes.values():
            ask = menu.find(vote.goal_id, vote.judge, vote.first_id, vote.second_id)
            if ask is not None and not vote.round:
                self._shopper.chooser.record(ask, _outcome(vote))
        if sitting.votes:
            self._shopper.refit()

    def next(self) -> tuple[Ask, Cost] | None:
        """Return what to ask now, reserved; None: nothing, or nothing until an answer comes in."""
        chooser, purse = self._shopper.chooser, self._purse
        while purse.has_calls(int(chooser.n_lopsided.sum())):
            ask = self._shopper.next(self._settings.min_gain)
            if ask is None:
                return None
            goal_id, most = self._menu.goals[ask.goal], self._sitting.most(self._menu.ballot(ask), purse)
            has_room = purse.has_room(most, int(chooser.n_lopsided.sum()))
            if not has_room and purse.n_under_way:
                return None
            if not has_room or purse.is_closed(goal_id, int(chooser.n_lopsided[ask.goal])):
                chooser.close(ask.goal)
                continue
            chooser.reserve(ask)
            purse.reserve(goal_id, most)
            return ask, most
        return None

    def take_in(self, ask: Ask, most: Cost, votes: Sequence[Vote]) -> None:
        """Record an answer; a call that failed is not made again in this run."""
        self._purse.release(self._menu.goals[ask.goal], most)
        self._shopper.record(ask, _outcome(votes[0]) if votes else float("nan"))


def _outcome(vote: Vote) -> float:
    """Return the verdict seen from the lesser id: 1, 0, -1, NaN where it can't be read."""
    if vote.verdict is None:
        return float("nan")
    sign = 1.0 if vote.first_id < vote.second_id else -1.0
    return {Verdict.FIRST: sign, Verdict.SECOND: -sign, Verdict.TIE: 0.0}[vote.verdict]


def buying_order(
    votes: pd.DataFrame,
    config: ReliablePeerRankConfig | None = None,
    *,
    seed: int = 0,
    drop_own: bool = False,
) -> Codes:
    """Return the positions of the rows in the order in which their votes are bought.

    Judges answer from the record, one vote after another. What is worth nothing comes last.

    Args:
        votes: A frame with `VOTE_COLUMNS`.
        config: Of the model that says what a vote would tell.
        seed: Of all that is random.
        drop_own: Whether votes on a judge's own work teach nothing; they are bought all the same.
    """
    settings, menu = config or ReliablePeerRankConfig(), recorded_menu(votes)
    columns = ("goal_id", "judge", "first_id", "second_id")
    rows = {menu.find(*key): i for i, key in enumerate(zip(*(votes[c] for c in columns), strict=True))}
    first_low = votes["first_id"].to_numpy(dtype=object) < votes["second_id"].to_numpy(dtype=object)
    outcome = votes["outcome"].to_numpy(dtype=float) * np.where(first_low, 1.0, -1.0)
    bought: list[int] = []

    def learn() -> Known:
        return learn_reviewers(votes.iloc[bought], menu.judges, settings, drop_own=drop_own)

    shopper = Shopper(menu, learn, lambda judges: [1.0] * len(judges), seed=seed)
    while (ask := shopper.next(min_gain=-1.0)) is not None:
        bought.append(rows[ask])
        shopper.record(ask, outcome[bought[-1]])
    left = np.setdiff1d(np.arange(len(votes)), bought)
    return np.concatenate([np.asarray(bought, dtype=np.int64), np.random.default_rng(seed).permutation(left)])


def buying_curve(
    votes: pd.DataFrame,
    figure: Callable[[pd.DataFrame], float],
    *,
    shares: Sequence[float] = SHARES,
    seeds: Sequence[int] = range(5),
    config: ReliablePeerRankConfig | None = None,
    drop_own: bool = False,
) -> pd.DataFrame:
    """Return what a figure reaches with a share of the votes, bought where they tell most or at random.

    Args:
        votes: A frame with `VOTE_COLUMNS`: the recorded answers.
        figure: Computes what is shown, such as an accuracy, from some of the votes.
        shares: Of the votes.
        seeds: Of the runs that are averaged.
        config: See `buying_order`, as `drop_own`.
        drop_own: Whether votes on a judge's own work teach nothing.

    Returns:
        One row per share: share, n_votes, bought, bought_sd, random, random_sd.
    """
    bought = [buying_order(votes, config, seed=seed, drop_own=drop_own) for seed in seeds]
    drawn = [np.random.default_rng(seed).permutation(len(votes)) for seed in seeds]
    rows = []
    for share in shares:
        n = round(share * len(votes))
        reached = [[figure(votes.iloc[np.sort(order[:n])]) for order in orders] for orders in (bought, drawn)]
        (a, b), (sd_a, sd_b) = np.mean(reached, axis=1), np.std(reached, axis=1)
        rows.append((share, n, a, sd_a, b, sd_b))
    return pd.DataFrame(rows, columns=["share", "n_votes", "bought", "bought_sd", "random", "random_sd"])
