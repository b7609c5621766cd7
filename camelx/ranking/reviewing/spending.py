"""What reviews cost, and whether there is room in the budget for one more.

In: reviewers' turns as they are answered, prices, the bounds of the config. Out: `Spent`.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from camelx.config import BudgetConfig, PriceConfig
from camelx.schemas import Interaction, Message

_PRIOR_TOKENS = (1000.0, 300.0)
"""Prompt and completion of a review before any was answered; only the ratio of two judges' prices uses it."""
_MESSAGE_TOKENS = 64
"""More than a chat template adds to a message, a system message of the template's own included."""
_MILLION = 1e6
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
    """Calls that all pairs of the form "pairwise" would have taken, one at a time and in both orders."""


@dataclass(frozen=True)
class Cost:
    """The most that a call may cost; infinite where nothing bounds it."""

    tokens: float = 0.0
    money: float = 0.0


class Ledger:
    """Adds up turns; one for each stage, the answered ones of earlier runs included."""

    def __init__(
        self, prices: Mapping[str, PriceConfig] | None = None, max_tokens: Mapping[str, int] | None = None
    ) -> None:
        """Start with nothing spent.

        Args:
            prices: By judge; who is not there costs nothing.
            max_tokens: Most tokens of an answer by judge, for those of whom one call is one answer. What a
                call of the others takes is not bounded.
        """
        self._prices, self._max_tokens = prices or {}, max_tokens or {}
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
        money = (turn.prompt_tokens * price.prompt + turn.completion_tokens * price.completion) / _MILLION
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

    @property
    def n_entered(self) -> int:
        """Calls, those included that failed in this run."""
        return self.calls + self.failed

    def most(self, judge: str, messages: Iterable[Message]) -> Cost:
        """Return what a call may cost at most: no token is less than a byte, and the answer is bounded."""
        price = self._prices.get(judge, PriceConfig())
        if judge not in self._max_tokens:
            return Cost(math.inf, math.inf if price.prompt or price.completion else 0.0)
        prompt = sum(len(message.content.encode()) + _MESSAGE_TOKENS for message in messages)
        completion = self._max_tokens[judge]
        return Cost(prompt + completion, (prompt * price.prompt + completion * price.completion) / _MILLION)

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


@dataclass
class Purse:
    """A budget, what is spent of it, and what calls under way may still take."""

    budget: BudgetConfig
    ledger: Ledger
    under_way: Counter[str] = field(default_factory=Counter)
    """Calls by goal that are not answered yet."""
    _reserved: Counter[Cost] = field(default_factory=Counter)
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_metered(self) -> bool:
        """Whether it matters what a call costs."""
        return self.budget.tokens is not None or self.budget.money is not None

    @property
    def n_under_way(self) -> int:
        """Calls that are not answered yet."""
        return self.under_way.total()

    def has_calls(self, n_kept: int = 0) -> bool:
        """Return whether one more call may be made; answers that come in don't change it.

        Args:
            n_kept: Calls that must stay possible after this one.
        """
        n_open, bound = self.n_under_way + n_kept, self.budget.calls
        return bound is None or self.ledger.n_entered + n_open < bound

    def is_closed(self, goal_id: str, n_kept: int = 0) -> bool:
        """Return whether the bound of a goal is met; answers that come in don't change it."""
        bound = self.budget.calls_per_goal
        n_open = self.under_way[goal_id] + n_kept
        return bound is not None and self.ledger.calls_of_goal[goal_id] + n_open >= bound

    def has_room(self, most: Cost, n_kept: int = 0) -> bool:
        """Return whether a call stays inside of the bounds on tokens and money, whatever it will take.

        A call under way counts with the most that it may take. One that nothing bounds is made alone, where
        there is room for the dearest call so far.

        Args:
            most: What the call may cost.
            n_kept: Calls that must stay possible after this one; each counts as the dearest so far.
        """
        budget, ledger = self.budget, self.ledger
        for bound, spent, dearest, each, reserved in (
            (budget.tokens, ledger.tokens, ledger.dearest_tokens, most.tokens, self._sum("tokens")),
            (budget.money, ledger.money, ledger.dearest_money, most.money, self._sum("money")),
        ):
            if bound is None:
                continue
            if math.isinf(each) and self.n_under_way:
                return False
            taken = dearest if math.isinf(each) else each
            if spent + reserved + taken + n_kept * dearest > bound * (1.0 + 1e-9):
                return False
        return True

    async def room_for(self, goal_id: str, most: Cost) -> bool:
        """Return whether there is room for a call on the goal, once answers have told what they took."""
        while self.has_calls() and not self.is_closed(goal_id):
            if self.has_room(most):
                return True
            if not self.n_under_way:
                return False
            await self._answered.wait()
        return False

    def reserve(self, goal_id: str, most: Cost) -> None:
        """Note a call that is made now."""
        self.under_way[goal_id] += 1
        self._reserved[most] += 1

    def release(self, goal_id: str, most: Cost) -> None:
        """Note that a call is in the ledger, or is not made; whoever waits for room looks again."""
        self.under_way[goal_id] -= 1
        self._reserved[most] -= 1
        if not self._reserved[most]:
            del self._reserved[most]
        self._answered.set()
        self._answered = asyncio.Event()

    def _sum(self, unit: str) -> float:
        return sum(n * float(getattr(most, unit)) for most, n in self._reserved.items())
