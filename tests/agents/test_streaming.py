"""Answers heard while they are made: whole characters, the same answer, a stop that keeps what was said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import build_tiny_model

from camelx.agents import CUT, Listener, LiveAgent, PolicyModel, SharedEngines, open_team
from camelx.agents.loading import open_tokenizer
from camelx.agents.streaming import TextStream, pieces
from camelx.config import DEMO_MODEL_DIR, AgentsConfig
from camelx.errors import AgentError
from camelx.schemas import Message, Role

NO_POLICY = PolicyModel("none")


def config(backend: dict[str, Any], tools: tuple[str, ...] = (), **sampling: Any) -> AgentsConfig:
    common = {"backend": "b", "system": "S", "sampling": {"max_tokens": 24, **sampling}}
    return AgentsConfig(
        backends={"b": backend},
        agents=[
            {"name": "solver", "role": "executor", "tools": tools, **common},
            {"name": "judge", "role": "peer_reviewer", **common},
        ],
    )


def openai(server: Any, **fields: Any) -> dict[str, Any]:
    retry = {"attempts": 3, "first_wait_s": 0.01, "longest_wait_s": 0.02}
    return {"kind": "openai", "model": "m", "url": server.url, "retry": retry, **fields}


class Heard:
    """What a listener hears of one turn."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.tools: list[Any] = []
        self.voids = 0
        self.stop = asyncio.Event()
        self.stop_after: int | None = None

    def on_text(self, piece: str) -> None:
        self.pieces.append(piece)
        if self.stop_after is not None and len(self.pieces) >= self.stop_after:
            self.stop.set()

    def on_again(self) -> None:
        self.voids += 1
        self.pieces.clear()

    async def from_(self, agent: LiveAgent, text: str, seed: int = 7) -> Any:
        return await agent.say(
            text,
            seed=seed,
            stop=self.stop,
            heard_by=Listener(self.on_text, self.tools.append, self.on_again),
        )


@asynccontextmanager
async def live(backend: dict[str, Any], policy: PolicyModel = NO_POLICY, **fields: Any) -> AsyncIterator[Any]:
    async with open_team(config(backend, **fields), policy, concurrency=4) as team:
        yield LiveAgent(team.agents(Role.EXECUTOR)[0])


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_pieces_are_whole_characters_and_together_the_text(tiny_model: Any, text: str) -> None:
    tokenizer = open_tokenizer(str(tiny_model))
    decode = lambda tokens: str(tokenizer.decode(tokens, skip_special_tokens=True))  # noqa: E731
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    heard: list[str] = []
    stream = TextStream(decode, heard.append)
    for token in tokens:
        stream.add(token)
    stream.end(decode(tokens))
    assert "".join(heard) == decode(tokens)
    if "\ufffd" not in text:
        assert all("\ufffd" not in piece for piece in heard)


def test_bytes_that_never_become_a_character_are_said_at_the_end() -> None:
    tokenizer = open_tokenizer(str(DEMO_MODEL_DIR))
    decode = lambda tokens: str(tokenizer.decode(tokens, skip_special_tokens=True))  # noqa: E731
    first_of_two = tokenizer("é", add_special_tokens=False)["input_ids"][:1]
    heard: list[str] = []
    stream = TextStream(decode, heard.append)
    stream.add(first_of_two[0])
    assert heard == []
    stream.end(decode(first_of_two))
    assert "".join(heard) == decode(first_of_two)


@given(st.text(max_size=60))
def test_words_of_a_finished_text_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


async def test_an_in_process_model_says_the_same_with_and_without_a_listener(tiny_model: Any) -> None:
    policy = PolicyModel(str(tiny_model))
    backend = {"kind": "transformers", "max_batch": 8}
    async with open_team(config(backend, temperature=1.0), policy, concurrency=4) as team:
        agent = team.agents(Role.EXECUTOR)[0]
        heard = Heard()
        asked = [Message(role="system", content="S"), Message(role="user", content="2 + 3?")]
        alone, *others = await asyncio.gather(
            heard.from_(LiveAgent(agent), "2 + 3?"), *(agent.ask(asked, seed=seed) for seed in (7, 8, 9))
        )
    assert alone.text == others[0].text
    assert "".join(heard.pieces) == alone.text
    assert len(heard.pieces) > 1


async def test_a_stop_ends_an_in_process_answer_at_the_next_token_and_keeps_what_was_said(
    tiny_model: Any,
) -> None:
    policy = PolicyModel(str(tiny_model))
    async with live({"kind": "transformers"}, policy, temperature=1.0, max_tokens=200) as agent:
        heard = Heard()
        heard.stop_after = 3
        reply = await heard.from_(agent, "2 + 3?")
        assert reply.finish_reason == CUT
        assert reply.text == "".join(heard.pieces)
        assert reply.completion_tokens < 200
        assert [m.content for m in agent.messages("go on")] == ["S", "2 + 3?", reply.text, "go on"]


async def test_many_event_loops_share_one_model(tiny_model: Any) -> None:
    policy, engines = PolicyModel(str(tiny_model)), SharedEngines()
    backend = config({"kind": "transformers"}, temperature=1.0)

    def in_a_thread(seed: int) -> tuple[str, str]:
        async def talk() -> tuple[str, str]:
            async with open_team(backend, policy, concurrency=1, engines=engines) as team:
                heard = Heard()
                reply = await heard.from_(LiveAgent(team.agents(Role.EXECUTOR)[0]), "2 + 3?", seed)
                return reply.text, "".join(heard.pieces)

        return asyncio.run(talk())

    try:
        said = await asyncio.gather(*(asyncio.to_thread(in_a_thread, seed % 2) for seed in range(6)))
    finally:
        engines.close()
    assert all(text == heard for text, heard in said)
    assert len(set(said)) == 2, "the seed alone decides"


async def test_whoever_waits_for_a_shared_model_is_told_when_the_app_stops(tmp_path: Any) -> None:
    policy = PolicyModel(str(build_tiny_model(tmp_path / "model", context=20_000)))
    backend, engines = config({"kind": "transformers"}, temperature=0.0, max_tokens=15_000), SharedEngines()
    heard, has_begun = Heard(), asyncio.Event()
    heard.on_text = lambda piece: has_begun.set()  # type: ignore[method-assign]
    async with open_team(backend, policy, concurrency=1, engines=engines) as team:
        agent = team.agents(Role.EXECUTOR)[0]
        asked = asyncio.create_task(heard.from_(LiveAgent(agent), "2 + 3?"))
        await has_begun.wait()
        await asyncio.to_thread(engines.close)
        with pytest.raises(AgentError, match="the app is stopping"):
            await asked
        with pytest.raises(AgentError, match="the app is stopping"):
            await agent.ask([Message(role="user", content="2 + 3?")], seed=1)
    with pytest.raises(AgentError, match="the app is stopping"):
        async with open_team(backend, policy, concurrency=1, engines=engines):
            pass


async def test_the_oldest_turns_make_room(tiny_model: Any) -> None:
    async with live({"kind": "transformers"}, PolicyModel(str(tiny_model)), max_tokens=8) as agent:
        for _ in range(6):
            words = "x" * 100
            n_forgotten = agent.make_room(words)
            await Heard().from_(agent, words)
        assert n_forgotten == 1
        assert len(agent.messages("")) < 2 * 6
        with pytest.raises(AgentError, match="context"):
            await Heard().from_(agent, "x" * 600)
        assert agent.messages("")[-2].role == "assistant", "what failed is not remembered"


async def test_a_server_streams_and_its_usage_is_counted(server: Any) -> None:
    async with live(openai(server)) as agent:
        heard = Heard()
        reply = await heard.from_(agent, "a b c")
    assert heard.pieces == ["echo:", "a", "b", "c"]
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("echo:abc", 3, 2)
    assert server.calls[0]["stream"] is True
    assert server.calls[0]["seed"] == 7


async def test_a_server_that_refuses_to_stream_is_asked_without(server: Any) -> None:
    server.faults += [{"status": 400}]
    async with live(openai(server)) as agent:
        heard = Heard()
        reply = await heard.from_(agent, "a b")
        assert reply.text == "echo: a b" == "".join(heard.pieces)
        await heard.from_(agent, "again")
    assert [call.get("stream") for call in server.calls] == [True, None, None]


async def test_a_stop_hangs_up_on_a_server(server: Any) -> None:
    server.faults += [{"deltas": [{"content": "So"}, {"content": " far"}], "hold_s": 2.0}]
    async with live(openai(server)) as agent:
        heard = Heard()
        heard.stop_after = 1
        reply = await heard.from_(agent, "hello")
    assert (reply.text, reply.finish_reason) == ("So", CUT)


async def test_tool_calls_that_come_in_pieces_are_put_together_and_told(server: Any) -> None:
    called = {
        "index": 0,
        "id": "c1",
        "type": "function",
        "function": {"name": "math_add", "arguments": '{"a":'},
    }
    rest = {"index": 0, "function": {"arguments": ' 2, "b": 2}'}}
    deltas = [{"content": "Let me see."}, {"tool_calls": [called]}, {"tool_calls": [rest]}]
    server.faults += [{"deltas": deltas, "reason": "tool_calls"}]
    async with live(openai(server), tools=("MathToolkit",)) as agent:
        heard = Heard()
        reply = await heard.from_(agent, "2 and 2?")
    (tool,) = heard.tools
    assert (tool.name, tool.result) == ("math_add", "4")
    assert heard.voids == 1, "what was said before the tool is void"
    assert reply.text == "".join(heard.pieces)
    assert reply.tool_calls == (tool,)


async def test_a_call_that_is_made_again_voids_what_was_heard(server: Any) -> None:
    server.faults += [{"status": 503}]
    async with live(openai(server)) as agent:
        reply = await Heard().from_(agent, "a")
    assert reply.text == "echo:a"
    assert len(server.calls) == 2


async def test_scripted_text_comes_in_words() -> None:
    async with live({"kind": "scripted", "replies": ["one two  three"]}) as agent:
        heard = Heard()
        await heard.from_(agent, "x")
    assert heard.pieces == ["one", " two", "  three"]


async def test_a_backend_that_cannot_stream_is_heard_at_its_end(server: Any) -> None:
    retry = {"attempts": 1}
    camel = {"kind": "camel", "platform": "vllm", "model": "m", "url": server.url, "retry": retry}
    async with live(camel) as agent:
        heard = Heard()
        reply = await heard.from_(agent, "a b")
    assert "".join(heard.pieces) == reply.text == "echo: a b"
