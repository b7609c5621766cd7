"""What reviews cost, and whether there is room in the budget for one more.

In: reviewers' turns as they are answered, prices, the bounds of the config. Out: `Spent`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from camelx.config import BudgetConfig, PriceConfig
from camelx.schemas import Interaction

_PRIOR_TOKENS = (1000.0, 300.0)
"""Prompt and completion of a review before any was answered; only the ratio of two judges' prices uses it."""
_LEAST_PRICE = 0.1
"""A judge that costs next to nothing counts at least this much of the mean: its votes take time too."""


@dataclass(frozen=True)
class Spent:
    """What the reviews of a stage cost."""

    calls: int
    """Answered calls."""
    tokens: int
    """Of prompts and completions."""
    money: float
    """In the currency of the backends' `price`."""
    all_calls: int
    """Calls that all scheduled pairs would have taken, one at a time and in both orders."""

    @property
    def saved(self) -> int:
        """Return the calls that were saved against asking for everything, pair by pair."""
        return max(0, self.all_calls - self.calls)


class Ledger:
    """Adds up turns; one for each stage, earlier runs of it included."""

    def __init__(self, prices: Mapping[str, PriceConfig] | None = None) -> None:
        """Start with nothing spent.

        Args:
            prices: By judge; who is not there costs nothing.
        """
        self._prices = prices or {}
        self.calls = self.failed = self.tokens = 0
        self.money = 0.0
        self.dearest_tokens, self.dearest_money = 0, 0.0
        self.calls_of_goal: Counter[str] = Counter()
        self._tokens_of: dict[str, tuple[int, int, int]] = {}

    def enter(self, turn: Interaction) -> None:
        """Add a turn. One that failed costs nothing, yet it was a call."""
        self.calls_of_goal[turn.goal_id] += 1
        if turn.error is not None:
            self.failed += 1
            return
        price = self._prices.get(turn.agent, PriceConfig())
        money = (turn.prompt_tokens * price.prompt + turn.completion_tokens * price.completion) / 1e6
        tokens = turn.prompt_tokens + turn.completion_tokens
        self.calls, self.tokens, self.money = self.calls + 1, self.tokens + tokens, self.money + money
        self.dearest_tokens = max(self.dearest_tokens, tokens)
        self.dearest_money = max(self.dearest_money, money)
        n, prompt, completion = self._tokens_of.get(turn.agent, (0, 0, 0))
        self._tokens_of[turn.agent] = (
            n + 1,
            prompt + turn.prompt_tokens,
            completion + turn.completion_tokens,
        )

    def spent(self, all_calls: int) -> Spent:
        """Return the sums."""
        return Spent(self.calls, self.tokens, self.money, all_calls)

    def relative_prices(self, judges: Iterable[str]) -> list[float]:
        """Return what a vote of each judge costs, the mean being 1; all 1 where nothing costs money."""
        prices = [self._expected_price(judge) for judge in judges]
        mean = sum(prices) / len(prices) if prices else 0.0
        return [max(_LEAST_PRICE, price / mean) if mean else 1.0 for price in prices]

    def _expected_price(self, judge: str) -> float:
        n, prompt, completion = self._tokens_of.get(judge, (0, 0, 0))
        each = (prompt / n, completion / n) if n else _PRIOR_TOKENS
        price = self._prices.get(judge, PriceConfig())
        return each[0] * price.prompt + each[1] * price.completion


@dataclass(frozen=True)
class Purse:
    """A budget and what is spent of it."""

    budget: BudgetConfig
    ledger: Ledger

    def has_room(self, n_under_way: int, n_kept: int = 0) -> bool:
        """Return whether one more call stays inside of the bounds of the cycle.

        The price of a call is known when it is answered. Until then it counts as the dearest so far; before
        the first answer one call at a time is let through where tokens or money are bounded.

        Args:
            n_under_way: Calls that are not answered yet.
            n_kept: Calls that must stay possible after this one.
        """
        budget, ledger = self.budget, self.ledger
        n_open = n_under_way + n_kept
        if budget.calls is not None and ledger.calls + ledger.failed + n_open >= budget.calls:
            return False
        for bound, spent, dearest in (
            (budget.tokens, ledger.tokens, ledger.dearest_tokens),
            (budget.money, ledger.money, ledger.dearest_money),
        ):
            if bound is None:
                continue
            if spent + (n_open + 1) * dearest > bound * (1.0 + 1e-9) or (not ledger.calls and n_under_way):
                return False
        return True

    def is_closed(self, goal_id: str, n_under_way: int, n_kept: int = 0) -> bool:
        """Return whether the bound of a goal is met."""
        bound = self.budget.calls_per_goal
        return bound is not None and self.ledger.calls_of_goal[goal_id] + n_under_way + n_kept >= bound

    def has_room_for(self, goal_id: str, under_way: Mapping[str, int]) -> bool:
        """Return whether one more call on the goal stays inside of all bounds.

        Args:
            goal_id: The goal.
            under_way: Calls by goal that are not answered yet.
        """
        return self.has_room(sum(under_way.values())) and not self.is_closed(goal_id, under_way[goal_id])
