"""One batch of requests through a causal language model: prefill, then token by token until all have ended.

Why not `model.generate`: rows that have ended leave the batch here (there they cost whole steps until the
longest ends), the key-value cache grows in blocks instead of being copied at each token, and each row has its
own temperature, top-p, token limit and random stream, so that the same request and seed give the same answer
alone and in any batch, but for what rounding makes of padding.

Called by `camelx.agents.engine`, in its worker thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_CACHE_BLOCK = 64
"""Tokens by which the key-value cache grows at once."""
_COMPACT_BELOW = 0.85
"""Ended rows are taken out when less than this share of the batch is still alive: it costs one copy of the
cache, about one step."""


@dataclass(frozen=True)
class Request:
    """One prompt and how its answer is sampled."""

    tokens: Sequence[int]
    max_tokens: int
    temperature: float
    top_p: float
    seed: int


@dataclass(frozen=True)
class Completion:
    """One answer: its tokens, the end mark left out."""

    tokens: list[int]
    n_tokens: int
    """Tokens that the model made, the end mark included."""
    finish_reason: str
    """"stop", or "length" where `max_tokens` was reached first."""


class _Layer(DynamicLayer):  # type: ignore[misc]  # transformers has no types
    """A cache layer that writes into a buffer with room to spare; DynamicLayer copies all at each token."""

    n_tokens = 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append the states (batch, heads, tokens, width); return views of all so far."""
        start, self.n_tokens = self.n_tokens, self.n_tokens + key_states.shape[-2]
        if start == 0:
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
            self.buffers = [self._room(key_states), self._room(value_states)]
        elif self.n_tokens > self.buffers[0].shape[-2]:
            self.buffers = [self._copied(buffer, start) for buffer in self.buffers]
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, start : self.n_tokens] = states
        self.keys, self.values = (buffer[:, :, : self.n_tokens] for buffer in self.buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only these rows."""
        self.buffers = [
            self._copied(buffer[:, :, : self.n_tokens][indices], self.n_tokens) for buffer in self.buffers
        ]
        self.keys, self.values = (buffer[:, :, : self.n_tokens] for buffer in self.buffers)

    def _room(self, like: Tensor) -> Tensor:
        shape = [*like.shape[:2], self.n_tokens + _CACHE_BLOCK, like.shape[-1]]
        return like.new_empty(shape)

    def _copied(self, old: Tensor, n: int) -> Tensor:
        new = self._room(old)
        new[:, :, :n] = old[:, :, :n]
        return new


class _Rows:
    """The rows of a batch that are still being answered; `index` says which requests they are."""

    def __init__(self, requests: Sequence[Request], device: torch.device) -> None:
        longest = max(r.max_tokens for r in requests)
        self.index = torch.arange(len(requests))
        self.limit = torch.tensor([r.max_tokens for r in requests])
        self.temperature = torch.tensor([r.temperature for r in requests], device=device)
        self.top_p = torch.tensor([r.top_p for r in requests], device=device)
        self.draws = torch.stack([_draws(r, longest) for r in requests]).to(device)
        self.written = torch.zeros(len(requests), longest, dtype=torch.long)

    def keep(self, alive: Tensor) -> None:
        """Forget the rows that have ended."""
        self.index, self.limit, self.written = self.index[alive], self.limit[alive], self.written[alive]
        there = alive.to(self.draws.device)
        self.temperature, self.top_p, self.draws = (
            self.temperature[there],
            self.top_p[there],
            self.draws[there],
        )


@torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is not followed
def decode(
    model: Any,
    requests: Sequence[Request],
    *,
    pad_id: int,
    eos_ids: Sequence[int],
    is_wanted: Callable[[int], bool],
    on_done: Callable[[int, Completion], None],
    on_token: Callable[[int, int], None] | None = None,
) -> None:
    """Answer the requests; each is handed to `on_done`, by its position, the moment it has ended.

    Args:
        model: A causal language model of transformers.
        requests: What to answer; prompts are padded to the longest, so let lengths be alike.
        pad_id: Token to pad with; its value has no effect.
        eos_ids: Tokens that end an answer.
        is_wanted: Whether the answer to a position is still waited for; asked at each token.
        on_done: Called from this thread.
        on_token: Called from this thread with a position and its next token, the end mark left out; None:
            nobody waits for single tokens.
    """
    ids, mask = _left_padded([r.tokens for r in requests], pad_id, max(r.max_tokens for r in requests))
    ids, mask = ids.to(model.device), mask.to(model.device)
    n_prompt = ids.shape[1]
    rows, cache, ends = _Rows(requests, model.device), _new_cache(model), torch.tensor(sorted(eos_ids))
    alive = torch.ones(len(requests), dtype=torch.bool)
    for step in range(rows.written.shape[1]):
        logits = _next_logits(model, ids, mask[:, : n_prompt + step], cache)
        tokens = sample(logits, rows.temperature, rows.top_p, rows.draws[:, step])
        rows.written[:, step] = on_host = tokens.cpu()
        is_end = torch.isin(on_host, ends)
        if on_token is not None:
            for row in (alive & ~is_end).nonzero().flatten().tolist():
                on_token(int(rows.index[row]), int(on_host[row]))
        for row in (alive & (is_end | (rows.limit == step + 1))).nonzero().flatten().tolist():
            alive[row] = False
            on_done(int(rows.index[row]), _completion(rows.written[row, : step + 1], bool(is_end[row])))
        alive &= torch.tensor([is_wanted(i) for i in rows.index.tolist()])
        n_alive = int(alive.sum())
        if n_alive == 0:
            return
        if n_alive < _COMPACT_BELOW * len(alive):
            rows.keep(alive)
            kept = alive.nonzero().flatten().to(tokens.device)
            cache.batch_select_indices(kept)
            mask, tokens, alive = mask[kept], tokens[kept], alive[alive]
        ids = tokens[:, None]


def sample(logits: Tensor, temperature: Tensor, top_p: Tensor, draws: Tensor) -> Tensor:
    """Return one token per row, shape (n,), drawn exactly from the softmax at each row's temperature.

    The distribution function is inverted at `draws`, uniform in [0, 1): one random number a token, whatever
    the vocabulary, the device or the batch.

    Args:
        logits: Shape (n, vocabulary).
        temperature: Shape (n,); 0 takes the likeliest token.
        top_p: Shape (n,); below 1, only the likeliest tokens that together reach it are drawn from
            (nucleus sampling, https://arxiv.org/abs/1904.09751).
        draws: Shape (n,).
    """
    likeliest = logits.argmax(-1)
    is_greedy = temperature == 0
    if bool(is_greedy.all()):
        return likeliest
    scaled = logits.float() / torch.where(is_greedy, 1.0, temperature)[:, None]
    probabilities = scaled.softmax(-1)
    if bool((top_p < 1).any()):
        probabilities = _nucleus(probabilities, top_p)
    cumulative = probabilities.double().cumsum(-1)
    at = draws.double()[:, None] * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, at, right=True).squeeze(1).clamp_(max=logits.shape[-1] - 1)
    return torch.where(is_greedy, likeliest, drawn)


def _nucleus(probabilities: Tensor, top_p: Tensor) -> Tensor:
    ordered, order = probabilities.sort(-1, descending=True)
    is_beyond = ordered.cumsum(-1) - ordered >= top_p[:, None]
    return probabilities.masked_fill(is_beyond.gather(-1, order.argsort(-1)), 0.0)


def _draws(request: Request, n: int) -> Tensor:
    """Return the request's uniform numbers, padded to `n`."""
    if request.temperature == 0:
        return torch.zeros(n)
    generator = torch.Generator().manual_seed(request.seed)
    own = torch.rand(request.max_tokens, generator=generator)
    return torch.nn.functional.pad(own, (0, n - request.max_tokens))


def _left_padded(prompts: Sequence[Sequence[int]], pad_id: int, n_room: int) -> tuple[Tensor, Tensor]:
    """Return ids (n, longest) and the attention mask (n, longest + n_room), 1 where a token is or will be."""
    longest = max(len(p) for p in prompts)
    ids = torch.full((len(prompts), longest), pad_id)
    mask = torch.ones(len(prompts), longest + n_room, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        n_pad = longest - len(prompt)
        ids[row, n_pad:] = torch.tensor(prompt)
        mask[row, :n_pad] = 0
    return ids, mask


def _new_cache(model: Any) -> Any:
    cache = DynamicCache(config=model.config)
    # Sliding-window and other special layers keep their own class.
    cache.layers = [_Layer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _next_logits(model: Any, ids: Tensor, mask: Tensor, cache: Any) -> Tensor:
    """Return the logits (n, vocabulary) of the token after `ids`, whose states join the cache."""
    takes = inspect.signature(model.forward).parameters
    arguments: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "past_key_values": cache}
    if "position_ids" in takes:
        arguments["position_ids"] = (mask.cumsum(-1) - 1).clamp_(min=0)[:, -ids.shape[1] :]
    if "logits_to_keep" in takes:
        arguments["logits_to_keep"] = 1
    logits: Tensor = model(**arguments, use_cache=True).logits[:, -1]
    return logits


def _completion(tokens: Tensor, has_ended: bool) -> Completion:
    kept = tokens[:-1] if has_ended else tokens
    return Completion(kept.tolist(), len(tokens), "stop" if has_ended else "length")
