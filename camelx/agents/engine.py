"""One loaded model and its queue: concurrent requests become batches, one generate call at a time.

Requests wait in a list; a collector task takes the largest group with the same token limit (agents of one
role), longest prompts first, so that a batch is padded little and ends together. The forward passes run in a
worker thread, and the event loop stays free. On one device only one batch runs at a time in this process: two
at once are slower than one after the other.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from camelx.agents.decoding import Completion, Request, decode
from camelx.agents.loading import ChatFormat
from camelx.agents.streaming import OnText, TextStream
from camelx.errors import AgentError, boundary
from camelx.runtime.clock import add_model_seconds
from camelx.schemas import Message

_SETTLE_S = 0.002
"""A batch starts when no request has come for so long."""


@dataclass(frozen=True)
class _Waiting:
    request: Request
    future: asyncio.Future[Completion]
    on_text: OnText | None = None
    """Called in the asker's event loop with each piece of the answer as it is made."""


class Engine:
    """A model, its tokenizer, and the requests that wait for it."""

    def __init__(self, model: Any, tokenizer: Any, *, context: int, max_batch: int) -> None:
        """Take a loaded model; `context` is the most tokens of prompt and answer together."""
        self.context = context
        self.seconds = 0.0
        """Wall time inside generate calls so far."""
        self._model, self._tokenizer, self._max_batch = model, tokenizer, max_batch
        self._chat = ChatFormat(tokenizer)
        self._waiting: list[_Waiting] = []
        self._collector: asyncio.Task[None] | None = None
        self._eos_ids = _eos_ids(model, tokenizer)
        # The same prompt is counted, then asked for, often several times.
        self._encoded = functools.lru_cache(maxsize=4096)(self._encode)

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return the tokens of the conversation, up to where the assistant begins to speak."""
        return self._encoded(tuple((m.role, m.content) for m in messages))

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of an answer, special tokens left out."""
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    async def complete(self, request: Request, on_text: OnText | None = None) -> Completion:
        """Return the answer, from whichever batch the request ends up in.

        Args:
            request: What is asked. A caller that is cancelled takes it out of its batch at the next token.
            on_text: Called with each piece of the answer as it is made.

        Raises:
            AgentError: The prompt leaves no room for the answer, or the model failed.
        """
        self._check_room(request)
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, future, on_text))
        if self._collector is None or self._collector.done():
            self._collector = asyncio.create_task(self._collect())
        return await future

    def complete_now(self, request: Request) -> Completion:
        """Return the answer to one request, from code that has no event loop."""
        self._check_room(request)
        answers: list[Completion] = []
        job = _worker(str(self._model.device)).submit(
            self._generate, [request], lambda _: True, lambda _, answer: answers.append(answer)
        )
        job.result()
        return answers[0]

    def _check_room(self, request: Request) -> None:
        if len(request.tokens) + request.max_tokens > self.context:
            raise AgentError(
                f"the prompt has {len(request.tokens)} tokens; with max_tokens {request.max_tokens} that is "
                f"beyond the model's context of {self.context}: shorten the goal, lower max_tokens, or take "
                "a model with a longer context"
            )

    async def _collect(self) -> None:
        """Answer what waits, batch by batch, until nothing does."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            n_seen = -1
            while n_seen != len(self._waiting):
                n_seen = len(self._waiting)
                await asyncio.sleep(_SETTLE_S)
            if batch := self._next_batch():
                await loop.run_in_executor(_worker(str(self._model.device)), self._answer, batch, loop)

    def _next_batch(self) -> list[_Waiting]:
        self._waiting = [w for w in self._waiting if not w.future.cancelled()]
        if not self._waiting:
            return []
        ((limit, _),) = Counter(w.request.max_tokens for w in self._waiting).most_common(1)
        alike = [w for w in self._waiting if w.request.max_tokens == limit]
        alike.sort(key=lambda w: len(w.request.tokens), reverse=True)
        batch = alike[: self._max_batch]
        taken = {id(w) for w in batch}
        self._waiting = [w for w in self._waiting if id(w) not in taken]
        return batch

    def _answer(self, batch: Sequence[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
        """Run in the worker thread: generate, and hand each answer to its asker as it is done."""

        streams = self._streams(batch, loop)

        def done(position: int, answer: Completion) -> None:
            if position in streams:
                streams[position].end(self.decode(answer.tokens))
            loop.call_soon_threadsafe(_resolve, batch[position].future, answer)

        def token(position: int, token: int) -> None:
            if position in streams:
                streams[position].add(token)

        try:
            self._generate(
                [w.request for w in batch],
                lambda position: not batch[position].future.cancelled(),
                done,
                token if streams else None,
            )
        except AgentError as e:
            for waiting in batch:
                loop.call_soon_threadsafe(_reject, waiting.future, e)

    def _streams(self, batch: Sequence[_Waiting], loop: asyncio.AbstractEventLoop) -> dict[int, TextStream]:
        """Return, by position, the streams of the answers that somebody listens to."""
        return {
            position: TextStream(self.decode, functools.partial(tell, loop, waiting.on_text))
            for position, waiting in enumerate(batch)
            if waiting.on_text is not None
        }

    def _generate(
        self,
        requests: Sequence[Request],
        is_wanted: Any,
        on_done: Any,
        on_token: Callable[[int, int], None] | None = None,
    ) -> None:
        started = time.perf_counter()
        try:
            with boundary(AgentError, f"generating {len(requests)} answers on {self._model.device}"):
                decode(
                    self._model,
                    requests,
                    pad_id=self._eos_ids[0],
                    eos_ids=self._eos_ids,
                    is_wanted=is_wanted,
                    on_done=on_done,
                    on_token=on_token,
                )
        finally:
            seconds = time.perf_counter() - started
            self.seconds += seconds
            add_model_seconds(seconds)

    def _encode(self, turns: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
        return tuple(self._chat.tokens(turns, add_generation_prompt=True))


_lock = threading.Lock()
_workers: dict[str, ThreadPoolExecutor] = {}


def _worker(device: str) -> ThreadPoolExecutor:
    """Return the one thread that runs generate calls on a device."""
    with _lock:
        if device not in _workers:
            _workers[device] = ThreadPoolExecutor(1, thread_name_prefix=f"generate-{device}")
        return _workers[device]


def tell(loop: asyncio.AbstractEventLoop, on_text: OnText, piece: str) -> None:
    """Hand a piece of text to the loop of whoever asked, from another thread, unless that loop has ended."""
    with suppress(RuntimeError):  # it may end at any moment
        loop.call_soon_threadsafe(on_text, piece)


def _resolve(future: asyncio.Future[Completion], answer: Completion) -> None:
    if not future.done():
        future.set_result(answer)


def _reject(future: asyncio.Future[Completion], error: AgentError) -> None:
    if not future.done():
        future.set_exception(error)


def _eos_ids(model: Any, tokenizer: Any) -> list[int]:
    """Return the tokens that end an answer: the tokenizer's, and those of the model's generation config."""
    named = getattr(model.generation_config, "eos_token_id", None)
    ids = [named] if isinstance(named, int) else list(named or [])
    if tokenizer.eos_token_id is not None:
        ids.append(tokenizer.eos_token_id)
    if not ids:
        raise AgentError("the model names no end-of-sequence token; set eos_token in its tokenizer's config")
    return ids
