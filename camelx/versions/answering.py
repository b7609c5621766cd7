"""What two versions answer to one goal: greedy, bounded, in a thread of its own, on models that stay loaded.

The workflow is that of the hold-out: the first Proposer plans where there is one, the first Executor carries
it out, both on the version that is asked.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong

from camelx.agents import PolicyModel, SharedEngines
from camelx.config import AgentsConfig, RunConfig, SamplingConfig, TransformersBackendConfig
from camelx.errors import AgentError, ConflictError
from camelx.prompts import execution_messages, proposal_messages
from camelx.schemas import Reply, Role
from camelx.versions.records import Answer

MAX_GOAL_CHARACTERS = 4_000
MAX_TOKENS = 512
"""Of one answer, whatever the agents' own limit is."""
_TIME_LIMIT_S = 120.0
_MAX_WAITING = 4
_POLICY = "asked-version"


class Answering:
    """Asks versions, one question at a time; belongs to the app's workspace, as the models do."""

    def __init__(self, engines: SharedEngines, time_limit_s: float = _TIME_LIMIT_S) -> None:
        self._engines, self._time_limit_s = engines, time_limit_s
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="side-by-side")
        self._lock, self._n_waiting = threading.Lock(), 0

    def close(self) -> None:
        """Take no more questions; the one under way ends with its models."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def ask(self, config: RunConfig, policies: Sequence[tuple[str, PolicyModel]], goal: str) -> list[Answer]:
        """Return the answers of all, in order.

        Blocks the calling thread, at most for the time limit; must not be called on an event loop.

        Args:
            config: Whose Proposer and Executor are asked.
            policies: Each with its label.
            goal: What they are to reach.

        Raises:
            ConflictError: Too many others wait already.
            AgentError: A model can't be loaded, or the time is over.
        """
        with self._lock:
            if self._n_waiting >= _MAX_WAITING:
                raise ConflictError(
                    f"{self._n_waiting} others wait for answers already; try again in a minute"
                )
            self._n_waiting += 1
        deadline = time.monotonic() + self._time_limit_s
        job = self._worker.submit(self._answers, config, policies, goal, deadline)
        job.add_done_callback(self._is_done)
        try:
            return job.result(self._time_limit_s + 1)
        except TookTooLong:
            job.cancel()
            raise _too_late(self._time_limit_s) from None

    def _is_done(self, _: Future[list[Answer]]) -> None:
        with self._lock:
            self._n_waiting -= 1

    def _answers(
        self, config: RunConfig, policies: Sequence[tuple[str, PolicyModel]], goal: str, deadline: float
    ) -> list[Answer]:
        """Run in the worker thread; a question whose asker has gone ends at its deadline."""
        agents = _greedy(config)
        return [
            asyncio.run(self._answer(agents, label, policy, goal, deadline)) for label, policy in policies
        ]

    async def _answer(
        self, agents: AgentsConfig, label: str, policy: PolicyModel, goal: str, deadline: float
    ) -> Answer:
        from camelx.agents import open_team

        started = time.perf_counter()
        roles = {Role.PROPOSER, Role.EXECUTOR}
        try:
            async with (
                asyncio.timeout(max(0.0, deadline - time.monotonic())),
                open_team(agents, policy, concurrency=1, roles=roles, engines=self._engines) as team,
            ):
                plan: Reply | None = None
                for proposer in team.agents(Role.PROPOSER):
                    plan = await proposer.ask(proposal_messages(proposer.system, goal), seed=0)
                executor = team.agents(Role.EXECUTOR)[0]
                asked = execution_messages(executor.system, goal, plan.text if plan else None)
                reply = await executor.ask(asked, seed=0)
        except TimeoutError:
            raise _too_late(self._time_limit_s) from None
        return Answer(
            label=label,
            plan=plan.text if plan else None,
            text=reply.text,
            is_cut=reply.finish_reason == "length",
            seconds=time.perf_counter() - started,
            completion_tokens=reply.completion_tokens + (plan.completion_tokens if plan else 0),
        )


def _greedy(config: RunConfig) -> AgentsConfig:
    """Return one greedy agent per role, on the version that is asked; reviewers are not opened."""
    agents = config.agents
    policy = next(
        (b for b in agents.backends.values() if b.kind == "transformers" and b.model == "policy"),
        TransformersBackendConfig(kind="transformers"),
    )
    workers = [agent for role in (Role.PROPOSER, Role.EXECUTOR) for agent in agents.with_role(role)[:1]]
    asked = [
        agent.model_copy(
            update={
                "count": 1,
                "samples": 1,
                "backend": _POLICY,
                "tools": (),
                "sampling": SamplingConfig(
                    temperature=0, max_tokens=min(agent.sampling.max_tokens, MAX_TOKENS)
                ),
            }
        )
        for agent in workers
    ]
    return AgentsConfig(
        backends=agents.backends
        | {_POLICY: policy.model_copy(update={"adapter": "champion", "model": "policy"})},
        agents=(*asked, *agents.with_role(Role.PEER_REVIEWER)),
    )


def _too_late(seconds: float) -> AgentError:
    return AgentError(
        f"no answer within {seconds:.0f} s, so the question was ended; ask a shorter one, or wait until the "
        "models have less to do",
        retryable=True,
    )
