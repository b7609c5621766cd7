from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from camelx.calls import Assignment
from camelx.errors import AgentError, StorageError
from camelx.generation import generate_interactions
from camelx.runtime import progress
from camelx.schemas import Goal, Interaction, Message, Reply, Role, Stage

GOALS = [Goal.new(f"goal {i}") for i in range(4)]


@dataclass
class Echo:
    """A real agent of the protocol that answers by its prompt and seed, and counts its calls."""

    name: str
    role: Role
    samples: int = 2
    system: str = "S"
    model: str = "echo"
    adapter_version: str | None = None
    finish_reason: str = "stop"
    error: AgentError | None = None
    calls: list[int] = field(default_factory=list)
    stop_after: int | None = None

    async def ask(self, messages: Sequence[Message], *, seed: int) -> Reply:
        self.calls.append(seed)
        await asyncio.sleep(seed % 3 / 1000)
        if self.stop_after is not None and len(self.calls) > self.stop_after:
            raise asyncio.CancelledError
        if self.error is not None:
            raise self.error
        return Reply(text=f"{messages[-1].content}|{seed}", finish_reason=self.finish_reason, seed=seed)


def team(**fields: object) -> tuple[Echo, Echo]:
    return Echo("p", Role.PROPOSER, **fields), Echo("e", Role.EXECUTOR)  # type: ignore[arg-type]


async def generate(
    p: Echo | None, e: Echo, done: dict[str, Interaction], save=None, max_failure_rate: float = 1.0
) -> list[Interaction]:
    rows = {}
    return await generate_interactions(
        GOALS,
        proposers=[p] if p else [],
        executors=[e],
        assignment=Assignment("c", Stage.GENERATE, "t", 1, 3, max_failure_rate),
        done=done,
        save=save or (lambda row: rows.setdefault(row.id, row)),
    )


def texts(rows: list[Interaction]) -> list[tuple[str, str]]:
    return [(row.id, row.completion) for row in rows]


async def test_every_proposal_is_executed_by_every_executor() -> None:
    p, e = team()
    rows = await generate(p, e, {})
    proposals = {row.id: row for row in rows if row.role is Role.PROPOSER}
    executions = [row for row in rows if row.role is Role.EXECUTOR]
    assert (len(proposals), len(executions)) == (8, 16)
    assert all(proposals[row.parent_id or ""].completion in row.messages[-1].content for row in executions)
    assert len({row.seed for row in rows}) == len({row.id for row in rows}) == 24


async def test_without_proposers_the_executor_works_on_the_goal() -> None:
    _, e = team()
    rows = await generate(None, e, {})
    assert [row.messages[-1].content for row in rows[:2]] == ["Goal: goal 0"] * 2
    assert {row.parent_id for row in rows} == {None}


async def test_a_second_run_makes_no_call() -> None:
    first = await generate(*team(), {})
    p, e = team()
    assert await generate(p, e, {row.id: row for row in first}) == first
    assert p.calls == e.calls == []


async def test_a_killed_run_goes_on_with_the_missing_items_and_the_same_rows() -> None:
    whole = await generate(*team(), {})
    saved: dict[str, Interaction] = {}
    p, e = team(stop_after=5)
    with pytest.raises(asyncio.CancelledError):
        await generate(p, e, {}, lambda row: saved.update({row.id: row}))
    assert 0 < len(saved) < 24
    p, e = team()
    assert texts(await generate(p, e, saved)) == texts(whole)
    assert len(p.calls) + len(e.calls) == 24 - len(saved)


async def test_a_failed_call_is_a_row_with_its_error_and_is_asked_again() -> None:
    failed = await generate(*team(error=AgentError("no", agent="p")), {})
    assert [row.error for row in failed] == ["no"] * 8
    p, e = team()
    rows = await generate(p, e, {row.id: row for row in failed})
    assert (len(p.calls), len(e.calls)) == (8, 16)
    assert {row.error for row in rows} == {None}


@pytest.mark.parametrize("is_retryable", [True, False])
async def test_too_many_failures_end_the_run_and_say_whether_it_is_worth_another(is_retryable: bool) -> None:
    saved: list[Interaction] = []
    p, e = team(error=AgentError("refused", agent="p", retryable=is_retryable))
    with pytest.raises(AgentError, match=r"8 of 8.*100\.0%.*'p': refused") as raised:
        await generate(p, e, {}, saved.append, max_failure_rate=0.1)
    assert raised.value.retryable is is_retryable
    assert [row.error for row in saved] == ["refused"] * 8


async def test_a_proposal_that_was_cut_is_not_executed_and_progress_still_ends_full() -> None:
    seen: list[progress.Progress] = []
    p, e = team(finish_reason="length")
    with progress.listening(seen.append):
        await generate(p, e, {})
    assert e.calls == []
    assert (seen[-1].done, seen[-1].total) == (8, 8)


async def test_a_row_that_cannot_be_saved_stops_the_run() -> None:
    p, e = team()

    def full(row: Interaction) -> None:
        raise StorageError("disk full")

    with pytest.raises(StorageError, match="disk full"):
        await generate(p, e, {}, full)
    assert len(p.calls) + len(e.calls) < 24
