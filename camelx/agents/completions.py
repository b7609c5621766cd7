"""What our own CAMEL backends share: a token counter that downloads nothing, and chat completions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from camel.models import BaseModelBackend
from camel.types import ChatCompletion
from camel.utils import BaseTokenCounter

from camelx.schemas import Message


class TokenCounter(BaseTokenCounter):  # type: ignore[misc]  # camel has no types
    """Counts by a given function; CAMEL's default would download a vocabulary."""

    def __init__(self, count: Callable[[Sequence[Message]], int] | None = None) -> None:
        """Count by `count`; None: four bytes a token, for servers whose tokenizer is not known here."""
        self._count = count

    def count_tokens_from_messages(self, messages: list[Any]) -> int:
        """Return the tokens of a conversation."""
        if self._count is not None:
            return self._count(as_messages(messages))
        return sum(_estimated(str(m.get("content") or "") + str(m.get("tool_calls") or "")) for m in messages)

    def encode(self, text: str) -> list[int]:
        """Return the bytes of the text, by which CAMEL cuts tool results beyond the context."""
        return list(text.encode("utf-8", "replace"))

    def decode(self, token_ids: list[int]) -> str:
        """Return the text of `encode`d bytes."""
        return bytes(token_ids).decode(errors="replace")


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Return a rough count: four bytes a token, and four tokens for each turn's marks."""
    return sum(_estimated(m.content) for m in messages)


def _estimated(text: str) -> int:
    return 4 + len(text.encode("utf-8", "replace")) // 4


class OwnBackend(BaseModelBackend):  # type: ignore[misc]  # camel has no types
    """Base of our backends: the text goes in and comes out as it is, <think> marks included."""

    def __init__(self, model: str, counter: TokenCounter, token_limit: int) -> None:
        super().__init__(model, token_counter=counter, extract_thinking_from_response=False)
        self._counter, self._limit = counter, token_limit

    @property
    def token_counter(self) -> TokenCounter:
        """Counter of the prompt's tokens."""
        return self._counter

    @property
    def token_limit(self) -> int:
        """Most tokens of prompt and answer."""
        return self._limit


def as_messages(messages: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Return CAMEL's message dictionaries as records."""
    return tuple(Message(role=m["role"], content=str(m["content"])) for m in messages)


def completion(
    model: str, text: str, finish_reason: str, prompt_tokens: int, completion_tokens: int
) -> ChatCompletion:
    """Return an answer in the form that CAMEL expects of every backend."""
    return ChatCompletion.model_validate(
        {
            "id": "local",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": finish_reason,
                }
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }
    )
