"""An engine that many event loops in many threads ask: a model that people share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from camelx.agents.decoding import Completion, Request
from camelx.agents.engine import Engine, tell
from camelx.agents.streaming import OnText
from camelx.errors import AgentError
from camelx.schemas import Message


class SharedEngine(Engine):
    """An engine that is asked from any event loop and works in its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, model: Any, tokenizer: Any, **settings: Any) -> None:
        super().__init__(model, tokenizer, **settings)
        self._loop, self._lock = loop, threading.Lock()

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return the tokens of the conversation; tokenizers are not made for several threads."""
        with self._lock:
            return super().encode(messages)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of an answer."""
        with self._lock:
            return super().decode(tokens)

    async def complete(self, request: Request, on_text: OnText | None = None) -> Completion:
        """Return the answer, as `Engine.complete` does, to whichever event loop asks.

        Raises:
            AgentError: As there; or the app let its models go.
        """
        if self._loop.is_closed():
            raise _stopping()
        heard = None if on_text is None else partial(tell, asyncio.get_running_loop(), on_text)
        work = asyncio.run_coroutine_threadsafe(super().complete(request, heard), self._loop)
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            asker = asyncio.current_task()
            if asker is not None and asker.cancelling():
                raise
            raise _stopping() from None


def _stopping() -> AgentError:
    return AgentError("the app is stopping; nothing is answered any more")
