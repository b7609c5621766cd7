"""Answers as they are made: text while it comes, tools as they are called.

In: tokens of an in-process model, chunks of a model server, a finished text. Out: pieces of text to whoever
listens, and the same answer as without a listener. The listener of the call under way travels in `listening`,
because CAMEL has no argument that would carry it to the backend.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from camel.types import ChatCompletion

from camelx.schemas import ToolCall

OnText = Callable[[str], object]

_BROKEN = "\ufffd"
"""What a tokenizer decodes an incomplete character to."""
_PIECE = re.compile(r"\s*\S+|\s+")


@dataclass
class Listener:
    """Who hears an answer while it is made."""

    on_text: OnText
    """Called with each piece of text."""
    on_tool: Callable[[ToolCall], None]
    """Called after each tool call."""
    on_again: Callable[[], None]
    """Called where what was heard is void: the call is made again, or a tool's result is to be answered."""
    _heard: list[str] = field(default_factory=list)

    def text(self, piece: str) -> None:
        """Hear a piece of the answer."""
        if piece:
            self._heard.append(piece)
            self.on_text(piece)

    def new_call(self) -> None:
        """Hear that the model is called, perhaps not for the first time."""
        if self._heard:
            self._heard.clear()
            self.on_again()

    @property
    def said(self) -> str:
        """What was heard of the call under way."""
        return "".join(self._heard)

    @property
    def n_pieces(self) -> int:
        """How many pieces that were."""
        return len(self._heard)


listening: ContextVar[Listener | None] = ContextVar("listening", default=None)
"""Who hears the call under way; None: nobody, and nothing is streamed."""

streams: ContextVar[bool] = ContextVar("streams", default=True)
"""Whether a server is asked to stream; False once it has refused."""


class TextStream:
    """Tokens of one answer to pieces of text; a character whose bytes are not all there is held back.

    Only the tokens of the last piece and those since are decoded, so that a token costs the same however long
    the answer is.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], on_text: OnText) -> None:
        self._decode, self._on_text = decode, on_text
        self._tokens: list[int] = []
        self._from = self._shown = 0
        self._said = ""

    def add(self, token: int) -> None:
        """Take the next token."""
        self._tokens.append(token)
        before = self._decode(self._tokens[self._from : self._shown])
        now = self._decode(self._tokens[self._from :])
        if len(now) <= len(before) or now.endswith(_BROKEN):
            return
        self._from, self._shown = self._shown, len(self._tokens)
        self._say(now[len(before) :])

    def end(self, text: str) -> None:
        """Take the whole answer; what was held back of it is said."""
        if text.startswith(self._said):
            self._say(text[len(self._said) :])

    def _say(self, piece: str) -> None:
        if piece:
            self._said += piece
            self._on_text(piece)


def pieces(text: str) -> list[str]:
    """Return a finished text in pieces of a word, which together are the text."""
    return _PIECE.findall(text)


async def assembled(chunks: Any, listener: Listener | None, model: str) -> ChatCompletion:
    """Return the completion that a server's chunks add up to; the listener hears the text as it comes."""
    text: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    reason, usage, id_ = "stop", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, "streamed"
    async with _closing(chunks):
        async for chunk in chunks:
            id_ = chunk.id or id_
            if chunk.usage is not None:
                usage = {name: getattr(chunk.usage, name) or 0 for name in usage}
            for choice in chunk.choices[:1]:
                reason = choice.finish_reason or reason
                if choice.delta.content:
                    text.append(choice.delta.content)
                    if listener is not None:
                        listener.text(choice.delta.content)
                for part in choice.delta.tool_calls or ():
                    _add_call(calls, part)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text)}
    if calls:
        message["tool_calls"] = [_call(calls[i], i) for i in sorted(calls)]
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return ChatCompletion.model_validate(
        {
            "id": id_,
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [choice],
            "usage": usage,
        }
    )


@asynccontextmanager
async def _closing(chunks: Any) -> AsyncIterator[None]:
    """Hang up at the end, also where nobody wants the rest; CAMEL's wrapping would keep the line open."""
    stream = getattr(chunks, "_stream", chunks)
    try:
        yield
    finally:
        await stream.close()


def _add_call(calls: dict[int, dict[str, str]], part: Any) -> None:
    """Add one fragment of a tool call to those that have come."""
    call = calls.setdefault(part.index or 0, {"id": "", "name": "", "arguments": ""})
    call["id"] = call["id"] or part.id or ""
    if part.function is not None:
        call["name"] = call["name"] or part.function.name or ""
        call["arguments"] += part.function.arguments or ""


def _call(call: dict[str, str], index: int) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": call["arguments"] or "{}"}
    return {"id": call["id"] or f"call_{index}", "type": "function", "function": function}
