"""What generation and ranking share where they call models: whose the calls are, and what becomes of them.

A stage makes one `Assignment`; both rooms run its calls side by side with `all_done`, and refuse what came of
them with `check_failures` where too many failed. Made and passed on by `camelx.cycles`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from camelx.errors import AgentError
from camelx.schemas import Stage, derived_seed

_T = TypeVar("_T")


@dataclass(frozen=True)
class Assignment:
    """For which stage of which cycle models are called, and how."""

    cycle_id: str
    """Part of every id, as `stage`: evaluation asks the same goals anew."""
    stage: Stage
    trace_id: str
    """Written into each row."""
    seed: int
    """Of the whole cycle."""
    concurrency: int
    """Most calls under way at once."""
    max_failure_rate: float
    """Share of failed calls beyond which there is no result."""

    def seed_of(self, item_id: str) -> int:
        """Return the seed of one call, which depends on nothing but the cycle's and the item's id."""
        return derived_seed(self.seed, item_id)


def check_failures(failures: Sequence[AgentError], n_calls: int, max_failure_rate: float) -> None:
    """Raise where too large a share of the calls failed.

    Raises:
        AgentError: The share is beyond `max_failure_rate`; the message says both and the cause. It is
            retryable where the failures that no retry mends would not be too many.
    """
    if not failures or len(failures) / n_calls <= max_failure_rate:
        return
    lasting = [error for error in failures if not error.retryable]
    is_retryable = len(lasting) / n_calls <= max_failure_rate
    shown = failures[0] if is_retryable else lasting[0]
    raise AgentError(
        f"{len(failures)} of {n_calls} model calls failed ({len(failures) / n_calls:.1%}, "
        f"generation.max_failure_rate is {max_failure_rate:.1%}); one, of agent {shown.agent!r}: {shown}. "
        "Mend the cause and resume the cycle: only the failed calls are made again",
        agent=shown.agent,
        retryable=is_retryable,
    )


async def all_done(work: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Return all results in order; at the first exception, or when cancelled, cancel the rest and wait.

    A TaskGroup would hide the exception inside of a group.
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
