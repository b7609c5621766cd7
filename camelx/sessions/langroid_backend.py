"""A participant that Langroid runs: its Task with a ChatAgent, in the place of CAMEL's ChatAgent.

In: an agent of agents.yaml. Out: the same `Participant` as with CAMEL. One Task runs as long as the session
does; its two response methods are overridden: the one of the user waits for what the participant hears next,
the one of the model hands out what it said. Langroid keeps the memory. Models are asked through camelx's own
backends, so that every kind of agents.yaml works.

Needs the extra `langroid`. Importing Langroid would download a vocabulary: it gets one of single bytes
instead, which it uses for nothing here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from camelx.agents import CUT
from camelx.agents.chat import BackendAgent, storable
from camelx.agents.completions import estimated_tokens
from camelx.agents.streaming import Listener, listening, pieces
from camelx.errors import AgentError, ConfigError, boundary
from camelx.schemas import Message, Reply, Role

_VOCABULARY = "cl100k_base"


class LangroidParticipant:
    """One participant on a Langroid Task."""

    def __init__(self, agent: BackendAgent, history: Sequence[Message] = (), *, llm: Any = None) -> None:
        """Join with an empty memory, or with what was remembered when the session was left.

        Args:
            agent: Who takes part.
            history: Earlier turns, without the system message.
            llm: A Langroid language model to ask in the place of the agent's own backend.

        Raises:
            ConfigError: Langroid is not installed.
        """
        self._agent, self._asked = agent, ""
        self._heard: asyncio.Queue[str] = asyncio.Queue()
        self._said: asyncio.Future[Any] | None = None
        self._stop, self._listener = asyncio.Event(), Listener(_nothing, _nothing, _nothing)
        self._seed = 0
        with _own_vocabulary():
            parts = _parts()
            self._chat = parts.chat_agent(self, llm)
            self._task = parts.task(self._chat)
        for turn in history:
            if turn.role == "user":
                self._mark, self._asked = len(self._history), turn.content
            self._write(turn.role, turn.content)
        self._running: asyncio.Task[Any] | None = None

    @classmethod
    def on(cls, agent: BackendAgent, history: Sequence[Message]) -> LangroidParticipant:
        """Return the participant on an agent's own backend."""
        return cls(agent, history)

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
        """Return what its model is asked when it hears `text` now."""
        return (*_as_messages(self._agent.system, self._history), Message(role="user", content=text))

    def make_room(self, text: str) -> int:
        """Forget the oldest turns until `text` and an answer fit the model's context; return how many."""
        limit = getattr(self._agent.backend, "prompt_limit", None)
        n_forgotten = 0
        while limit is not None and self._n_tokens(text) > limit and self._forget_oldest():
            n_forgotten += 1
        return n_forgotten

    async def say(self, text: str, *, seed: int, stop: asyncio.Event, heard_by: Listener) -> Reply:
        """Return the answer to `text`, as `camelx.agents.LiveAgent.say` does.

        Raises:
            AgentError: The backend failed; neither text nor answer is remembered.
        """
        before, started = (self._mark, self._asked), time.perf_counter()
        self._mark, self._asked, self._seed, self._stop = len(self._history), text, seed, stop
        self._listener = heard_by
        self._said = asyncio.get_running_loop().create_future()
        try:
            with boundary(AgentError, f"reply of agent {self.name!r} ({self.model})"):
                reply: Reply = await self._answer(text)
        except BaseException:
            await self.aclose()  # the Task would ask the same again; the next words begin it anew
            self._go_back()
            self._mark, self._asked = before
            raise
        if not self._listener.said:  # a model that can't stream
            for piece in pieces(reply.text):
                self._listener.text(piece)
        for call in reply.tool_calls:
            heard_by.on_tool(call)
        self.correct(reply.text)
        return reply.model_copy(update={"latency_s": time.perf_counter() - started})

    def correct(self, text: str) -> None:
        """Remember `text` as the last answer; "" forgets the question too."""
        self._go_back()
        if text:
            self._write("user", self._asked)
            self._write("assistant", text)

    async def aclose(self) -> None:
        """End the Task."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    # --- what Langroid's response methods call

    async def next_words(self) -> str:
        """Return what the participant hears next."""
        return await self._heard.get()

    async def speak(self, answer: Callable[[], Any]) -> str | None:
        """Let the model answer, unless it is stopped, and hand out what it said; None where it failed."""
        assert self._said is not None
        work = asyncio.ensure_future(answer())
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            reply = _reply_of(work.result()) if work.done() else self._cut()
        except AgentError as e:
            self._said.set_exception(e)
            return None
        finally:
            for one in (work, stopped):
                one.cancel()
            await asyncio.gather(work, stopped, return_exceptions=True)
        self._said.set_result(reply)
        return reply.text

    async def ask(self, messages: Sequence[Message]) -> Reply:
        """Return the answer of the agent's own backend, heard while it is made."""
        token = listening.set(self._listener)
        try:
            return await self._agent.ask(messages, seed=self._seed)
        finally:
            listening.reset(token)

    # --- inside

    _mark = 0

    async def _answer(self, text: str) -> Reply:
        """Hand `text` to the Task, which is begun with the first words, or anew where it has ended."""
        assert self._said is not None
        if self._running is not None and not self._running.done():
            self._heard.put_nowait(text)
            await asyncio.wait({self._said, self._running}, return_when=asyncio.FIRST_COMPLETED)
            if self._said.done():
                return self._said.result()  # type: ignore[no-any-return]
            self._heard = asyncio.Queue()
            self._go_back()
        self._running = asyncio.create_task(self._task.run_async(text))
        await asyncio.wait({self._said, self._running}, return_when=asyncio.FIRST_COMPLETED)
        if self._said.done():
            return self._said.result()  # type: ignore[no-any-return]
        self._running.result()
        raise AgentError(f"agent {self.name!r}: Langroid's Task ended without an answer", agent=self.name)

    def _cut(self) -> Reply:
        said = storable(self._listener.said)
        return Reply(text=said, finish_reason=CUT, completion_tokens=self._listener.n_pieces)

    @property
    def _history(self) -> list[Any]:
        """Langroid's messages behind its system message."""
        found: list[Any] = self._chat.message_history
        return [m for m in found if m.role.value != "system"]

    def _write(self, role: str, text: str) -> None:
        self._chat.message_history.append(_parts().message(role, text))

    def _go_back(self) -> None:
        """Forget all since the last question."""
        self._keep(self._history[: self._mark])

    def _forget_oldest(self) -> bool:
        history = self._history
        if not history:
            return False
        following = next((i for i in range(1, len(history)) if history[i].role.value == "user"), len(history))
        self._keep(history[following:])
        return True

    def _keep(self, history: Sequence[Any]) -> None:
        kept = [m for m in self._chat.message_history if m.role.value == "system"]
        self._chat.message_history[:] = [*kept, *history]

    def _n_tokens(self, text: str) -> int:
        turns = [{"role": m.role, "content": m.content} for m in self.messages(text)]
        return int(self._agent.backend.token_counter.count_tokens_from_messages(turns))


def _nothing(*_: Any) -> None:
    """Hear nothing."""


def _reply_of(response: Any) -> Reply:
    """Return the reply behind a Langroid response: ours as it was, another model's by its text."""
    found = getattr(response, "reply", None)
    if isinstance(found, Reply):
        return found
    text = storable(str(getattr(response, "content", "") or ""))
    n = estimated_tokens([Message(role="assistant", content=text)])
    return Reply(text=text, completion_tokens=n)


def _as_messages(system: str, history: Sequence[Any]) -> tuple[Message, ...]:
    spoken = [m for m in history if m.role.value in ("user", "assistant") and m.content]
    turns = tuple(Message(role=m.role.value, content=str(m.content)) for m in spoken)
    return (Message(role="system", content=system), *turns) if system else turns


@contextmanager
def _own_vocabulary() -> Iterator[None]:
    """Let Langroid find a vocabulary where it would download one."""
    import tiktoken
    from tiktoken.registry import ENCODINGS

    if _VOCABULARY in ENCODINGS:
        yield
        return
    ranks = {bytes([i]): i for i in range(256)}
    ENCODINGS[_VOCABULARY] = tiktoken.Encoding(
        "bytes", pat_str=r"[\s\S]", mergeable_ranks=ranks, special_tokens={}
    )
    try:
        yield
    finally:
        ENCODINGS.pop(_VOCABULARY)  # nobody else must count with it


@cache
def _parts() -> Any:
    """Return what is made of Langroid's classes; they can't be named before it is imported.

    Raises:
        ConfigError: Langroid is not installed.
    """
    try:
        with _own_vocabulary():
            from camelx.sessions import langroid_parts
    except ImportError as e:
        raise ConfigError(
            "backend langroid needs the extra of that name, which docs/live-sessions.md tells how to install "
            f"({e})"
        ) from e
    return langroid_parts
