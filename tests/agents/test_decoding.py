from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare

from camelx.agents import PolicyModel
from camelx.agents.decoding import Completion, Request, decode, sample
from camelx.agents.engine import Engine
from camelx.agents.loading import open_model
from camelx.agents.transformers_backend import open_engine


def request(prompt: int = 5, *, max_tokens: int = 12, temperature: float = 1.0, seed: int = 0) -> Request:
    return Request([10 + (seed + i) % 200 for i in range(prompt)], max_tokens, temperature, 1.0, seed)


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Any:
    return open_model(PolicyModel(str(tiny_model)))[0]


def answers(model: Any, requests: list[Request], eos: int = 0) -> list[Completion]:
    found: dict[int, Completion] = {}
    decode(model, requests, pad_id=0, eos_ids=[eos], is_wanted=lambda _: True, on_done=found.__setitem__)
    return [found[i] for i in range(len(requests))]


def test_sampling_follows_the_softmax() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -3.0])
    n = 20_000
    draws = torch.rand(n, generator=torch.Generator().manual_seed(1))
    tokens = sample(logits.expand(n, -1), torch.full((n,), 0.7), torch.ones(n), draws)
    expected = (logits / 0.7).softmax(-1).double()
    counts = torch.bincount(tokens, minlength=5).double()
    assert chisquare(counts.numpy(), (expected / expected.sum() * n).numpy()).pvalue > 0.01


def test_top_p_keeps_the_likeliest_tokens_that_reach_it() -> None:
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()
    draws = torch.linspace(0, 0.999, 1000)
    tokens = sample(logits.expand(1000, -1), torch.ones(1000), torch.full((1000,), 0.7), draws)
    counts = torch.bincount(tokens, minlength=4) / 1000
    assert counts.tolist() == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=0.01)


def test_greedy_answers_are_those_of_whole_forward_passes(model: Any) -> None:
    asked = [request(n, temperature=0, seed=n) for n in (3, 9, 40)]
    for one, answer in zip(asked, answers(model, asked, eos=-1), strict=True):
        ids = list(one.tokens)
        for _ in range(12):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        assert answer.tokens == ids[len(one.tokens) :]


def test_an_answer_does_not_depend_on_its_batch(model: Any) -> None:
    asked = [request(4 + 3 * i, max_tokens=5 + 7 * (i % 5), seed=i) for i in range(20)]
    together = answers(model, asked)
    assert together == [answers(model, [one])[0] for one in asked]
    assert len({tuple(a.tokens) for a in together}) == 20


def test_each_row_is_cut_at_its_own_limit_or_ended_by_its_own_end(model: Any) -> None:
    free = answers(model, [request(max_tokens=100)], eos=-1)[0]
    assert (free.finish_reason, free.n_tokens) == ("length", 100)
    eos = free.tokens[20]
    at = free.tokens.index(eos)
    ended, cut = answers(model, [request(max_tokens=100), request(max_tokens=at)], eos=eos)
    assert (ended.tokens, ended.finish_reason, ended.n_tokens) == (free.tokens[:at], "stop", at + 1)
    assert (cut.tokens, cut.finish_reason) == (free.tokens[:at], "length")


async def test_concurrent_requests_share_batches_no_larger_than_allowed(tiny_model: Path) -> None:
    engine = open_engine(PolicyModel(str(tiny_model)), max_batch=8)
    sizes: list[int] = []
    generate = Engine._generate

    def counting(self: Engine, requests: Any, *rest: Any) -> None:
        sizes.append(len(requests))
        generate(self, requests, *rest)

    engine._generate = counting.__get__(engine)  # type: ignore[method-assign]
    await asyncio.gather(*(engine.complete(request(seed=i)) for i in range(20)))
    assert sizes == [8, 8, 4]
    assert engine.seconds > 0


async def test_a_cancelled_request_leaves_the_others_unharmed(tiny_model: Path) -> None:
    engine = open_engine(PolicyModel(str(tiny_model)), max_batch=8)
    tasks = [asyncio.create_task(engine.complete(request(max_tokens=300, seed=i))) for i in range(4)]
    await asyncio.sleep(0.02)
    tasks[0].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert all(isinstance(answer, Completion) for answer in done[1:])
