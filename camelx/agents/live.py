"""A participant of a live session: one ChatAgent for the whole session, whose memory grows turn by turn.

The opposite of `BackendAgent`, which makes a fresh agent for each ask. What was said is remembered once and
never put together again for a message; only a turn that failed, was stopped or was corrected by a person is
taken out of the memory and written anew. Called by `camelx.sessions`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from camel.messages import BaseMessage
from camel.types import OpenAIBackendRole

from camelx.agents.chat import (
    BackendAgent,
    LeanChatAgent,
    as_agent_error,
    logged_tool_call,
    reply_of,
    request_seed,
    storable,
)
from camelx.agents.completions import as_messages
from camelx.agents.streaming import Listener, listening, pieces, streams
from camelx.errors import AgentError, boundary
from camelx.schemas import Message, Reply, Role

CUT = "cancelled"
"""`finish_reason` of an answer that was stopped: what was said so far is kept, and never trained on."""
_MAX_ROUNDS = 10
"""Most model calls of one turn with tools."""
_SPOKEN = ("system", "user", "assistant")


class LiveChatAgent(LeanChatAgent):
    """A ChatAgent that lives on: tools are told to whoever listens."""

    async def _aexecute_tool(self, tool_call_request: Any) -> Any:
        record = await super()._aexecute_tool(tool_call_request)
        if (listener := listening.get()) is not None:
            listener.on_tool(logged_tool_call(record))
        return record


class LiveAgent:
    """One participant that is a model."""

    def __init__(self, agent: BackendAgent, history: Sequence[Message] = ()) -> None:
        """Join with an empty memory, or with what was remembered when the session was left.

        Args:
            agent: Who takes part.
            history: Earlier turns, without the system message.
        """
        self._agent, self._mark, self._asked, self._streams = agent, 0, "", True
        self._chat = LiveChatAgent(
            system_message=agent.system or None,
            model=agent.backend,
            summarize_threshold=None,  # else it calls the model to summarise long prompts
            token_limit=agent.backend.token_limit,
            tools=list(agent.tools),
            max_iteration=_MAX_ROUNDS if agent.tools else 1,
            retry_attempts=1,
            step_timeout=None,
        )
        self._chat.retry, self._chat.timeout_s = agent.retry, agent.timeout_s
        for turn in history:
            if turn.role == "user":
                self._mark, self._asked = self._n_records(), turn.content
            self._write(turn.role, turn.content)

    @property
    def name(self) -> str:
        """Its name in agents.yaml."""
        return self._agent.name

    @property
    def role(self) -> Role:
        """What it does."""
        return self._agent.role

    @property
    def model(self) -> str:
        """Name of the model that answers."""
        return self._agent.model

    @property
    def adapter_version(self) -> str | None:
        """Version of the adapter on it; None: the base alone."""
        return self._agent.adapter_version

    def messages(self, text: str) -> tuple[Message, ...]:
        """Return what the model is asked when it hears `text` now: all it remembers, tool calls left out."""
        return (*self._remembered(), Message(role="user", content=text))

    def make_room(self, text: str) -> int:
        """Forget the oldest turns until `text` and an answer fit the model's context; return how many.

        Only an in-process model says how long its context is; a server says so when it refuses.
        """
        limit = getattr(self._agent.backend, "prompt_limit", None)
        n_forgotten = 0
        while limit is not None and self._n_tokens(text) > limit and self._forget_oldest():
            n_forgotten += 1
        return n_forgotten

    async def say(self, text: str, *, seed: int, stop: asyncio.Event, heard_by: Listener) -> Reply:
        """Return the answer to `text`, which both are remembered from then on.

        Args:
            text: What the participant hears.
            seed: Of the answer, where the backend takes one.
            stop: Set to end the answer at the next token; what was said is returned with finish reason
                `CUT`, and remembered.
            heard_by: Hears the answer while it is made.

        Raises:
            AgentError: The backend failed; neither text nor answer is remembered.
        """
        started, before = time.perf_counter(), (self._mark, self._asked)
        self._mark, self._asked = self._n_records(), text
        step = asyncio.create_task(self._step(text, seed, heard_by))
        try:
            response = await _unless(stop, step)
        except BaseException:
            self._go_back()
            self._mark, self._asked = before
            raise
        if response is None:
            reply = Reply(
                text=storable(heard_by.said),
                finish_reason=CUT,
                completion_tokens=heard_by.n_pieces,
                latency_s=time.perf_counter() - started,
                seed=seed if self._agent.takes_seed else None,
            )
            self.correct(reply.text)
            return reply
        reply = reply_of(response, time.perf_counter() - started, seed if self._agent.takes_seed else None)
        if not heard_by.said:  # a backend that can't stream
            for piece in pieces(reply.text):
                heard_by.text(piece)
        if reply.text:
            self._write("assistant", reply.text)
        else:
            self._go_back()
        return reply

    def correct(self, text: str) -> None:
        """Remember `text` as the last answer, in place of what was said; "" forgets the question too."""
        self._go_back()
        if text:
            self._write("user", self._asked)
            self._write("assistant", text)

    async def aclose(self) -> None:
        """Nothing is kept open: the team closes its connections."""

    async def _step(self, text: str, seed: int, listener: Listener) -> Any:
        request_seed.set(seed)
        listening.set(listener)
        streams.set(self._streams)
        try:
            with boundary(AgentError, f"reply of agent {self.name!r} ({self.model})"):
                return await self._chat.astep(text)
        except AgentError as e:
            raise as_agent_error(e, self.name) from (e.__cause__ or e)
        finally:
            self._streams = streams.get()

    def _write(self, role: str, text: str) -> None:
        make = BaseMessage.make_user_message if role == "user" else BaseMessage.make_assistant_message
        self._chat.update_memory(make(role, text), OpenAIBackendRole(role))

    def _go_back(self) -> None:
        """Forget all since the last question."""
        self._chat.memory.pop_records(max(0, self._n_records() - self._mark))

    def _forget_oldest(self) -> bool:
        """Forget the oldest turn; return whether there was one."""
        first = 1 if self._agent.system else 0
        n = self._n_records()
        if n <= first:
            return False
        roles = [r.memory_record.role_at_backend.value for r in self._chat.memory.retrieve()]
        following = next((i for i in range(first + 1, n) if roles[i] == "user"), n)
        self._chat.memory.remove_records_by_indices(list(range(first, following)))
        return True

    def _n_records(self) -> int:
        return len(self._chat.memory.retrieve())

    def _n_tokens(self, text: str) -> int:
        turns = [{"role": m.role, "content": m.content} for m in self.messages(text)]
        return int(self._agent.backend.token_counter.count_tokens_from_messages(turns))

    def _remembered(self) -> tuple[Message, ...]:
        context, _ = self._chat.memory.get_context()
        spoken = [m for m in context if m["role"] in _SPOKEN and m.get("content")]
        return as_messages(spoken)


async def _unless(stop: asyncio.Event, step: asyncio.Task[Any]) -> Any:
    """Return what the step gives; None where it was stopped before it gave anything."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({step, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return await step if step.done() else None
    finally:
        for task in (step, stopped):
            task.cancel()
        await asyncio.gather(step, stopped, return_exceptions=True)
