"""CAMEL model backend on a transformers model in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from camel.types import ChatCompletion

from camelx.agents.chat import request_seed
from camelx.agents.completions import OwnBackend, TokenCounter, as_messages, completion
from camelx.agents.decoding import Completion, Request
from camelx.agents.engine import Engine
from camelx.agents.loading import open_model
from camelx.agents.policy import PolicyModel, context_length
from camelx.agents.streaming import listening
from camelx.config import SamplingConfig
from camelx.schemas import Message


def open_engine(
    policy: PolicyModel,
    *,
    device: str = "auto",
    dtype: str = "auto",
    max_batch: int = 1,
    make: Callable[..., Engine] = Engine,
) -> Engine:
    """Load the model and return the queue in front of it, which `make` makes.

    Raises:
        ConfigError: The base's directory is missing or holds no model.
        AgentError: The files can't be loaded, or hold pickles.
    """
    model, tokenizer = open_model(policy, device=device, dtype=dtype)
    return make(model, tokenizer, context=context_length(policy.base), max_batch=max_batch)


class TransformersBackend(OwnBackend):
    """Answers through an engine, which other backends and agents may share."""

    def __init__(self, engine: Engine, sampling: SamplingConfig, model: str) -> None:
        """Answer from `engine` under the given sampling; `model` is the name that is logged."""
        super().__init__(model, TokenCounter(lambda messages: len(engine.encode(messages))), engine.context)
        self._engine, self._sampling, self._model = engine, sampling, model

    @property
    def prompt_limit(self) -> int:
        """Most tokens of a prompt that leaves room for the answer."""
        return self._engine.context - self._sampling.max_tokens

    async def _arun(
        self, messages: list[Any], response_format: Any = None, tools: Any = None
    ) -> ChatCompletion:
        request = self._request(as_messages(messages))
        listener = listening.get()
        on_text = None if listener is None else listener.text
        return self._chat_completion(request, await self._engine.complete(request, on_text))

    def _run(self, messages: list[Any], response_format: Any = None, tools: Any = None) -> ChatCompletion:
        request = self._request(as_messages(messages))
        return self._chat_completion(request, self._engine.complete_now(request))

    def _request(self, messages: Sequence[Message]) -> Request:
        return Request(
            tokens=self._engine.encode(messages),
            max_tokens=self._sampling.max_tokens,
            temperature=self._sampling.temperature,
            top_p=self._sampling.top_p,
            seed=request_seed.get(),
        )

    def _chat_completion(self, request: Request, answer: Completion) -> ChatCompletion:
        text = self._engine.decode(answer.tokens)
        return completion(self._model, text, answer.finish_reason, len(request.tokens), answer.n_tokens)
