"""The reviews of a stage from the first ballot to the last: scheduled or bought, in any form, discussed.

In: a `Sitting` with the results, and the settings. Out: `Spent`; the votes are saved as they come. Called by
`camelx.cycles.asking`.

    goal_results -> schedule_bouts / list_ballots -> collect, or buy_votes -> missing_orders
                 -> discussion_ballots -> collect
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from camelx.config import (
    BudgetConfig,
    BuyingConfig,
    DiscussionConfig,
    RankingConfig,
    ReliablePeerRankConfig,
)
from camelx.ranking.rankers import RankedVotes, rank_votes
from camelx.ranking.reviewing.buying import buy_votes
from camelx.ranking.reviewing.completing import missing_orders
from camelx.ranking.reviewing.discussion import anchored_pairs, discussion_ballots
from camelx.ranking.reviewing.knowledge import Known, learn_reviewers
from camelx.ranking.reviewing.lists import list_ballots
from camelx.ranking.reviewing.menus import Menu, scheduled_menu
from camelx.ranking.reviewing.schedule import (
    Ballot,
    bout_ballots,
    check_reviewable,
    goal_results,
    schedule_bouts,
)
from camelx.ranking.reviewing.spending import Purse, Spent
from camelx.ranking.reviewing.voting import Sitting
from camelx.ranking.votes import vote_frame
from camelx.schemas import Role


async def hold_reviews(
    sitting: Sitting,
    settings: RankingConfig,
    *,
    min_weight: float = 1.0,
    anchors: pd.DataFrame | None = None,
    earlier: pd.DataFrame | None = None,
) -> Spent:
    """Have the executions of the sitting reviewed, and return what that cost, earlier runs included.

    What is answered is not asked again, nobody sees a list or a pair with work of its own, and with a budget
    nothing is asked beyond it.

    Args:
        sitting: Results (proposals too: they tell whose an execution is), judges, and the votes so far.
        settings: The form, how much, whether to buy and to discuss.
        min_weight: Least |2p - 1| of a pair that is exported; such pairs are completed by their second order.
        anchors: People's judgements: goal_id, first_id, second_id, outcome. They calibrate the reviewers
            while votes are bought, and say which pairs are discussed first.
        earlier: Votes of earlier cycles on judged pairs.

    Raises:
        ConfigError: There are pairs, and nobody may judge any of them.
    """
    session = _Session(sitting, settings, anchors, earlier)
    menu, ballots, all_calls = session.schedule()
    sitting.n_expected = len(ballots)
    if settings.buying is None:
        await sitting.collect(ballots)
    else:
        await session.buy(menu, settings.buying, min_weight)
    if settings.discussion is not None and sitting.votes:
        await session.discuss(settings.discussion)
    return sitting.ledger.spent(all_calls)


class _Session:
    """One stage's reviews with the settings that they follow."""

    def __init__(
        self,
        sitting: Sitting,
        settings: RankingConfig,
        anchors: pd.DataFrame | None,
        earlier: pd.DataFrame | None,
    ) -> None:
        self._sitting, self._settings, self._anchors, self._earlier = sitting, settings, anchors, earlier
        budget = settings.buying.budget if settings.buying else BudgetConfig()
        self._purse = Purse(budget, sitting.ledger)
        self._authors = {row.id: row.agent for row in sitting.results.values()}

    def schedule(self) -> tuple[Menu, list[Ballot], int]:
        """Return what may be bought, what would be asked if all of it were scheduled, and calls in pairs.

        The last is what the same settings would take in the form "pairwise".

        Raises:
            ConfigError: There are pairs, and nobody may judge any of them.
        """
        sitting, settings, judges = self._sitting, self._settings, list(self._sitting.judges)
        results = [row for row in sitting.results.values() if row.role is Role.EXECUTOR]
        goals = goal_results(results, sitting.results, judges, sitting.assignment.seed)
        bouts = [(goal, schedule_bouts(goal, settings)) for goal in goals]
        if settings.form == "pairwise":
            ballots = [ballot for goal, of_goal in bouts for ballot in bout_ballots(goal, of_goal)]
        else:
            ballots = [ballot for goal in goals for ballot in list_ballots(goal, settings)]
        check_reviewable(goals, judges, len(ballots))
        all_calls = sum(2 * len(bout.judges) for _, of_goal in bouts for bout in of_goal)
        return scheduled_menu(bouts, judges), ballots, all_calls

    async def buy(self, menu: Menu, settings: BuyingConfig, min_weight: float) -> None:
        """Buy votes, then the second orders that exported pairs lack."""
        sitting = self._sitting
        await buy_votes(
            sitting,
            menu,
            self._purse,
            settings,
            self._learn(menu),
            reviewers_per_pair=self._settings.reviewers_per_pair,
            export_weight=min_weight,
        )
        n_before = -1
        while settings.complete_orders and sitting.votes and sitting.ledger.n_entered > n_before:
            n_before = sitting.ledger.n_entered
            await sitting.collect(missing_orders(sitting, self.ranked(), min_weight), self._purse)

    async def discuss(self, settings: DiscussionConfig) -> None:
        """Let reviewers who disagree vote again, knowing what the other said."""
        anchored = anchored_pairs(self._anchors)
        ballots = discussion_ballots(self._sitting, self.ranked().pairs, anchored, settings)
        await self._sitting.collect(ballots, self._purse)

    def ranked(self) -> RankedVotes:
        """Return what the cycle's ranker makes of the votes before any discussion."""
        ranker = self._settings.ranker
        if isinstance(ranker, ReliablePeerRankConfig):
            return rank_votes(self._frame(), ranker, anchors=self._anchors)
        return rank_votes(self._frame(with_earlier=False), ranker)

    def _learn(self, menu: Menu) -> Callable[[], Known]:
        """Return what fits the reviewers to the votes so far, whatever the cycle's own ranker is."""
        ranker = self._settings.ranker
        config = ranker if isinstance(ranker, ReliablePeerRankConfig) else ReliablePeerRankConfig()
        return lambda: learn_reviewers(self._frame(), menu.judges, config, self._anchors)

    def _frame(self, with_earlier: bool = True) -> pd.DataFrame:
        first_round = [v for v in self._sitting.votes.values() if not v.round]
        votes = vote_frame(first_round, self._authors).assign(
            category=[self._sitting.goals[v.goal_id].category for v in first_round], round=0
        )
        if not with_earlier or self._earlier is None or self._earlier.empty:
            return votes
        earlier = self._earlier.reindex(columns=votes.columns).fillna({"round": 0})
        return pd.concat([votes.astype({"category": object}), earlier], ignore_index=True)
