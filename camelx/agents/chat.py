"""An agent: one ask is one step of a fresh CAMEL ChatAgent on its backend.

Fresh for each ask, because a ChatAgent gets slower as its history grows. A step is one model call, or with
tools one for each round of them; each call is retried by itself, so that neither a tool nor an answered call
is repeated. The settings below switch off what would make hidden model calls or lose errors.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from camel.agents import ChatAgent
from camel.messages import BaseMessage
from camel.types import ChatCompletion, OpenAIBackendRole

from camelx.agents.retrying import NO_RETRY, is_retryable, retrying
from camelx.agents.streaming import Listener, assembled, listening, streams
from camelx.config import RetryConfig
from camelx.errors import AgentError, boundary
from camelx.schemas import Message, Reply, Role, ToolCall

request_seed: ContextVar[int] = ContextVar("request_seed", default=0)
"""Seed of the call under way: CAMEL has no argument that would carry it to the backend."""

_MAX_REPLY_CHARS = 1_000_000
_MAX_LOGGED_CHARS = 20_000
"""Most characters that are logged of a tool's arguments, and of its result."""
_MAX_ROUNDS = 10
"""Most model calls of one ask of an agent with tools: some models call tools for ever."""
_MAX_ERROR_CHARS = 1_000
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL refuses, and lone surrogates, which have no UTF-8."""


class LeanChatAgent(ChatAgent):  # type: ignore[misc]  # camel has no types
    """A ChatAgent for a single step: no stack inspection, and retries and a time limit for each call."""

    retry: RetryConfig = NO_RETRY
    timeout_s: float | None = None

    def _is_called_from_registered_toolkit(self) -> bool:
        return False  # CAMEL walks the whole stack to find out; toolkits that ask agents are refused.

    async def _aget_model_response(
        self, openai_messages: list[Any], *args: Any, tool_schemas: Any = None, **kwargs: Any
    ) -> Any:
        # CAMEL's own turns a 429 into an error without its Retry-After header, and logs every failure.
        async for attempt in retrying(self.retry):
            with attempt:
                answer = self._handle_batch_response(await self._completion(openai_messages, tool_schemas))
        if answer.tool_call_requests:  # some servers call that "stop" too
            answer.finish_reasons = ["tool_calls"]
        return answer

    async def _completion(self, messages: list[Any], tool_schemas: Any) -> ChatCompletion:
        if (listener := listening.get()) is not None:
            listener.new_call()
        try:
            async with asyncio.timeout(self.timeout_s):
                response = await self._response(messages, tool_schemas or None, listener)
        except TimeoutError as e:
            raise TimeoutError(str(e) or f"no answer within {self.timeout_s} s") from e
        if not isinstance(response, ChatCompletion) or not response.choices:
            raise TypeError(f"expected a chat completion, got {str(response)[:200]!r}")
        return response

    async def _response(self, messages: list[Any], tools: Any, listener: Listener | None) -> Any:
        """Return what the backend answers, whole; a server that can't stream is asked once more without."""
        from openai import BadRequestError, UnprocessableEntityError

        backend = self.model_backend.current_model
        try:
            response = await backend.arun(messages, None, tools)
        except (BadRequestError, UnprocessableEntityError):
            if listener is None or not streams.get():
                raise
            streams.set(False)
            response = await backend.arun(messages, None, tools)
        if isinstance(response, AsyncIterator):  # OpenAI's stream, in CAMEL's wrapping
            return await assembled(response, listener, str(backend.model_type))
        return response

    def _record_final_output(self, output_messages: list[Any]) -> None:
        """Keep nothing: the agent is dropped after its one step, and an empty answer is no warning."""


@dataclass(frozen=True)
class BackendAgent:
    """One agent on one backend: the `Agent` that the other rooms know."""

    name: str
    role: Role
    system: str
    model: str
    adapter_version: str | None
    samples: int
    backend: Any = field(repr=False)
    """A CAMEL model backend."""
    retry: RetryConfig = NO_RETRY
    timeout_s: float | None = None
    """Seconds for one call; None: as long as it takes."""
    takes_seed: bool = True
    tools: tuple[Any, ...] = field(default=(), repr=False)
    """CAMEL's FunctionTools that the model may call."""

    async def ask(self, messages: Sequence[Message], *, seed: int) -> Reply:
        """Return the answer to the messages, whose last turn is the user's.

        Raises:
            AgentError: The backend failed after its retries, or failed in a way that no retry mends.
        """
        started = time.perf_counter()
        token = request_seed.set(seed)
        try:
            with boundary(AgentError, f"reply of agent {self.name!r} ({self.model})"):
                agent, last = chat_agent(
                    self.backend, messages, retry=self.retry, timeout_s=self.timeout_s, tools=self.tools
                )
                response = await agent.astep(last)
        except AgentError as e:
            raise as_agent_error(e, self.name) from (e.__cause__ or e)
        finally:
            request_seed.reset(token)
        return reply_of(response, time.perf_counter() - started, seed if self.takes_seed else None)


def chat_agent(
    backend: Any,
    messages: Sequence[Message],
    *,
    retry: RetryConfig = NO_RETRY,
    timeout_s: float | None = None,
    tools: Sequence[Any] = (),
) -> tuple[ChatAgent, str]:
    """Return a fresh agent that remembers all turns but the last, and the last turn's text."""
    system = messages[0].content if messages[0].role == "system" else None
    agent = LeanChatAgent(
        system_message=system,
        model=backend,
        summarize_threshold=None,  # else it calls the model to summarise long prompts
        token_limit=backend.token_limit,
        tools=list(tools),
        max_iteration=_MAX_ROUNDS if tools else 1,
        retry_attempts=1,
        step_timeout=None,
    )
    agent.retry, agent.timeout_s = retry, timeout_s
    for turn in messages[1 if system is not None else 0 : -1]:
        make = BaseMessage.make_user_message if turn.role == "user" else BaseMessage.make_assistant_message
        agent.update_memory(make(turn.role, turn.content), OpenAIBackendRole(turn.role))
    return agent, messages[-1].content


def as_agent_error(error: AgentError, agent: str) -> AgentError:
    """Return the error as one of this agent, bounded, with whether another call may succeed."""
    retryable = is_retryable(error.__cause__ or error)
    return AgentError(str(error)[:_MAX_ERROR_CHARS], agent=agent, retryable=retryable)


def reply_of(response: Any, latency_s: float, seed: int | None) -> Reply:
    """Return what the step gave; an answer without text has no message in CAMEL, and is an empty text."""
    text = response.msgs[0].content if response.msgs else ""
    reasons: Sequence[str] = response.info.get("termination_reasons") or ["stop"]
    usage: Mapping[str, int] = response.info.get("usage") or {}
    is_cut = len(text) > _MAX_REPLY_CHARS
    return Reply(
        text=storable(text[:_MAX_REPLY_CHARS]),
        finish_reason="length" if is_cut else (None if reasons[0] == "None" else reasons[0]),
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        latency_s=latency_s,
        seed=seed,
        tool_calls=tuple(logged_tool_call(record) for record in response.info.get("tool_calls") or ()),
    )


def logged_tool_call(record: Any) -> ToolCall:
    """Return what is logged of a tool that was called."""
    arguments = json.dumps(record.args, ensure_ascii=False, default=str)
    return ToolCall(
        name=storable(record.tool_name),
        arguments=storable(arguments[:_MAX_LOGGED_CHARS]),
        result=storable(str(record.result)[:_MAX_LOGGED_CHARS]),
    )


def storable(text: str) -> str:
    """Return the text with U+FFFD for what no database can store."""
    return _UNSTORABLE.sub("\ufffd", text)
