"""Langroid's classes with their response methods overridden; imported by `langroid_backend` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import langroid as lr
from langroid.agent.chat_document import ChatDocument
from langroid.agent.task import TaskConfig
from langroid.language_models.base import LanguageModel, LLMConfig, LLMMessage, LLMResponse, Role
from langroid.language_models.mock_lm import MockLMConfig
from langroid.utils.configuration import settings

from camelx.schemas import Message

if TYPE_CHECKING:
    from camelx.sessions.langroid_backend import LangroidParticipant

_ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
_CONTEXT = 1_000_000_000
"""What Langroid is told of the context: the participant makes room by itself."""


class _BackendLM(LanguageModel):  # type: ignore[misc]  # langroid is not followed
    """A Langroid language model on the backend of an agent of agents.yaml."""

    def __init__(self, participant: LangroidParticipant) -> None:
        super().__init__(LLMConfig(chat_context_length=_CONTEXT, cache_config=None, stream=False))
        self._participant = participant
        self.last: Any = None
        """The last reply, with what Langroid's own response has no place for."""

    async def achat(self, messages: str | list[LLMMessage], *args: Any, **kwargs: Any) -> LLMResponse:
        """Ask the backend."""
        turns = [LLMMessage(role=Role.USER, content=messages)] if isinstance(messages, str) else messages
        asked = [Message(role=m.role.value, content=str(m.content)) for m in turns if m.content]
        self.last = await self._participant.ask(asked)
        return LLMResponse(message=self.last.text)

    async def agenerate(self, prompt: str, max_tokens: int = 200) -> LLMResponse:
        """Ask the backend a single question."""
        return await self.achat(prompt)

    def chat(self, *args: Any, **kwargs: Any) -> LLMResponse:
        """Refuse: a session asks in its event loop."""
        raise NotImplementedError("a live session asks its models in its event loop: use achat")

    def generate(self, prompt: str, max_tokens: int = 200) -> LLMResponse:
        """Refuse: a session asks in its event loop."""
        raise NotImplementedError("a live session asks its models in its event loop: use agenerate")

    def get_stream(self) -> bool:
        """Pieces go to the participant's listener, not through Langroid."""
        return False

    def set_stream(self, stream: bool) -> bool:
        """Leave it as it is."""
        return False


class _SpeakingAgent(lr.ChatAgent):  # type: ignore[misc]  # langroid is not followed
    """A ChatAgent whose responses a participant intercepts."""

    participant: LangroidParticipant

    async def llm_response_async(self, message: str | ChatDocument | None = None) -> ChatDocument | None:
        """Let the model answer, and hand out what it said."""
        made: list[Any] = []

        async def answer() -> Any:
            response = await lr.ChatAgent.llm_response_async(self, message)
            made.append(response)
            return _Answered(response, getattr(self.llm, "last", None))

        text = await self.participant.speak(answer)
        if text is None:
            return None
        return made[0] if made else self.create_llm_response(content=text)

    async def user_response_async(self, msg: str | ChatDocument | None = None) -> ChatDocument | None:
        """Wait for what the participant hears next."""
        return self.create_user_response(content=await self.participant.next_words())

    def user_can_respond(self, msg: str | ChatDocument | None = None) -> bool:
        """Whoever takes part in the session may always speak."""
        return True

    def num_tokens(self, prompt: str | list[LLMMessage]) -> int:
        """Return a rough count; nothing is cut by it."""
        texts = [prompt] if isinstance(prompt, str) else [str(m.content) for m in prompt]
        return sum(len(text) // 4 + 4 for text in texts)

    def chat_num_tokens(self, messages: list[LLMMessage] | None = None) -> int:
        """Return a rough count; nothing is cut by it."""
        return self.num_tokens(self.message_history if messages is None else messages)


class _Answered:
    """A response, with the reply of our own backend behind it."""

    def __init__(self, response: Any, reply: Any) -> None:
        self.content, self.reply = getattr(response, "content", ""), reply


def chat_agent(participant: LangroidParticipant, llm: Any = None) -> Any:
    """Return the ChatAgent; `llm` is asked in the place of the participant's backend."""
    settings.quiet = True
    agent = _SpeakingAgent(
        lr.ChatAgentConfig(
            name=participant.name,
            system_message=participant._agent.system,
            llm=MockLMConfig(chat_context_length=_CONTEXT, cache_config=None),  # replaced below
            parsing=None,
            vecdb=None,
            show_stats=False,
        )
    )
    agent.participant = participant
    agent.llm = _BackendLM(participant) if llm is None else llm
    agent.message_history = (
        [message("system", participant._agent.system)] if participant._agent.system else []
    )
    return agent


def task(agent: Any) -> Any:
    """Return the Task, which runs until the session ends and writes no files."""
    config = TaskConfig(
        enable_loggers=False,
        enable_html_logging=False,
        recognize_string_signals=False,
        inf_loop_cycle_len=0,
    )
    return lr.Task(agent, interactive=True, restart=False, config=config)


def message(role: str, text: str) -> LLMMessage:
    """Return a turn as Langroid remembers it."""
    return LLMMessage(role=_ROLES[role], content=text)
