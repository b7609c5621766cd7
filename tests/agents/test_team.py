from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from camelx.agents import PolicyModel, camel_agent, check_team, context_length, open_team
from camelx.agents.policy import policy_for
from camelx.config import AgentsConfig, TransformersBackendConfig
from camelx.errors import AgentError, ConfigError
from camelx.schemas import Message, Role

SYSTEM = "Solve <think>hard</think>."
RETRY = {"attempts": 4, "first_wait_s": 0.01, "longest_wait_s": 0.02}
NO_POLICY = PolicyModel("none")


def config(backend: dict[str, Any], **sampling: Any) -> AgentsConfig:
    common = {"backend": "b", "system": SYSTEM, "sampling": {"max_tokens": 24, **sampling}}
    return AgentsConfig(
        backends={"b": backend},
        agents=[
            {"name": "solver", "role": "executor", "count": 2, "samples": 3, **common},
            {"name": "judge", "role": "peer_reviewer", **common},
        ],
    )


def asked(text: str = "2 + 3?") -> list[Message]:
    return [Message(role="system", content=SYSTEM), Message(role="user", content=text)]


def openai(server: Any, **fields: Any) -> dict[str, Any]:
    return {"kind": "openai", "model": "m", "url": server.url, "retry": RETRY, **fields}


async def ask(backend: dict[str, Any], text: str = "2 + 3?", policy: PolicyModel = NO_POLICY) -> Any:
    async with open_team(config(backend), policy, concurrency=8) as team:
        return await team.agents(Role.EXECUTOR)[0].ask(asked(text), seed=7)


@pytest.fixture(params=["transformers", "openai", "camel", "scripted"])
def backend(request: pytest.FixtureRequest) -> Any:
    if request.param == "transformers":
        return {"kind": "transformers"}, PolicyModel(str(request.getfixturevalue("tiny_model")))
    if request.param == "scripted":
        return {"kind": "scripted", "replies": ("one", "two")}, NO_POLICY
    server = request.getfixturevalue("server")
    if request.param == "openai":
        return openai(server), NO_POLICY
    camel = {"kind": "camel", "platform": "vllm", "model": "m", "url": server.url, "retry": RETRY}
    return camel, NO_POLICY


async def test_every_backend_answers_through_the_same_agent(backend: Any) -> None:
    section, policy = backend
    check_team(config(section), policy)
    async with open_team(config(section), policy, concurrency=8) as team:
        solvers = team.agents(Role.EXECUTOR)
        assert [(a.name, a.samples, a.system) for a in solvers] == [
            ("solver-1", 3, SYSTEM),
            ("solver-2", 3, SYSTEM),
        ]
        assert list(team.judges(peers=False)) == ["judge"]
        assert {a.role for a in team.judges(peers=True).values()} == {Role.PEER_REVIEWER}
        reply = await solvers[0].ask(asked(), seed=7)
        many = await asyncio.gather(*(solvers[1].ask(asked(f"{i}?"), seed=i) for i in range(10)))
    assert reply.text
    assert reply.finish_reason in ("stop", "length")
    assert reply.prompt_tokens > 0 < reply.completion_tokens
    assert reply.latency_s > 0
    assert len(many) == 10


@pytest.mark.parametrize("kind", ["openai", "camel"])
async def test_a_closed_team_keeps_no_connection_open(server: Any, kind: str) -> None:
    section = openai(server) if kind == "openai" else {**openai(server), "kind": "camel", "platform": "vllm"}
    async with open_team(config(section), NO_POLICY, concurrency=8) as team:
        solver = team.agents(Role.EXECUTOR)[0]
        await asyncio.gather(*(solver.ask(asked(), seed=i) for i in range(3)))
        assert len(server.open) == 3
    assert server.hung_up()


async def test_a_server_is_sent_the_messages_unchanged_with_sampling_and_seed(server: Any) -> None:
    reply = await ask(openai(server), "why <think>so</think>?")
    sent = server.calls[0]
    assert [(m["role"], m["content"]) for m in sent["messages"]] == [
        ("system", SYSTEM),
        ("user", "why <think>so</think>?"),
    ]
    assert (sent["seed"], sent["max_tokens"], sent["model"]) == (7, 24, "m")
    assert reply.text == "echo: why <think>so</think>?"
    assert (reply.prompt_tokens, reply.completion_tokens, reply.seed) == (3, 2, 7)


async def test_a_server_that_takes_no_seed_is_sent_none(server: Any) -> None:
    reply = await ask(openai(server, send_seed=False))
    assert "seed" not in server.calls[0]
    assert server.calls[0]["max_tokens"] == 24
    assert reply.seed is None


async def test_earlier_turns_reach_the_server_in_order(server: Any) -> None:
    turns = [*asked("first"), Message(role="assistant", content="ok"), Message(role="user", content="next")]
    async with open_team(config(openai(server)), NO_POLICY, concurrency=1) as team:
        await team.agents(Role.EXECUTOR)[0].ask(turns, seed=1)
    assert [m["content"] for m in server.calls[0]["messages"]] == [SYSTEM, "first", "ok", "next"]


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 429, "Retry-After": "0"}, {"sleep": 4.0}, "reset"], ids=str
)
async def test_a_passing_fault_is_retried(server: Any, fault: Any) -> None:
    server.faults[:] = [fault]
    reply = await ask(openai(server, timeout_s=2.0 if "sleep" in fault else 60.0))
    assert reply.text.startswith("echo")
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    "fault", [{"status": 400}, {"body": "{not json"}, {"body": '{"choices": []}'}], ids=str
)
async def test_another_fault_is_an_error_at_once(server: Any, fault: Any) -> None:
    server.faults[:] = [fault]
    with pytest.raises(AgentError) as raised:
        await ask(openai(server))
    assert raised.value.agent == "solver-1"
    assert not raised.value.retryable
    assert len(server.calls) == 1


async def test_retries_end_with_a_retryable_error(server: Any) -> None:
    server.faults[:] = [{"status": 503}] * 9
    with pytest.raises(AgentError, match="solver-1") as raised:
        await ask(openai(server))
    assert raised.value.retryable
    assert len(server.calls) == RETRY["attempts"]


async def test_a_server_that_asks_for_an_hour_is_not_waited_for(server: Any) -> None:
    server.faults[:] = [{"status": 429, "Retry-After": "3600"}]
    with pytest.raises(AgentError) as raised:
        await ask(openai(server))
    assert raised.value.retryable
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("sent", "text"), [("", ""), (None, ""), ("a\x00b", "a\ufffdb"), ("\ud800", "\ufffd")]
)
async def test_hostile_text_is_an_answer_that_any_database_takes(server: Any, sent: Any, text: str) -> None:
    server.faults[:] = [{"text": sent}]
    reply = await ask(openai(server))
    assert reply.text == text
    reply.text.encode()


async def test_a_prompt_beyond_the_context_is_an_error_that_says_so(tiny_model: Path) -> None:
    with pytest.raises(AgentError, match="context of 512"):
        await ask({"kind": "transformers"}, "x" * 600, PolicyModel(str(tiny_model)))


async def test_a_script_answers_by_the_first_rule_that_matches(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(
        '{"match": "\\\\d", "reply": "number"}\n{"match": "", "reply": "any\u2028line"}\n', "utf-8"
    )
    assert (await ask({"kind": "scripted", "path": path}, "3")).text == "number"
    assert (await ask({"kind": "scripted", "path": path}, "x")).text == "any\u2028line"


async def test_no_matching_rule_is_an_error_that_names_the_script(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text('{"match": "never", "reply": "x"}\n')
    with pytest.raises(AgentError, match=r"script\.jsonl.*2 \+ 3"):
        await ask({"kind": "scripted", "path": path})


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"match": "a"}', '{"match": "(", "reply": "x"}'])
def test_a_bad_line_of_a_script_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text('{"match": "a", "reply": "b"}\n' + line)
    with pytest.raises(ConfigError, match=r"script\.jsonl:2"):
        check_team(config({"kind": "scripted", "path": path}), NO_POLICY)


def test_an_unreachable_server_is_said_before_the_cycle(server: Any) -> None:
    gone = openai(server, url="http://127.0.0.1:9/v1")
    with pytest.raises(AgentError, match=r"backend 'b'.*127\.0\.0\.1:9"):
        check_team(config(gone), NO_POLICY)


def test_a_missing_key_is_said_before_the_cycle(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        check_team(config(openai(server, api_key_env="NO_SUCH_KEY")), NO_POLICY)


async def test_a_key_is_sent_without_its_line_feed_and_a_wrong_one_is_never_shown(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "secret\n")
    section = openai(server, api_key_env="A_KEY")
    check_team(config(section), NO_POLICY)
    assert (await ask(section)).text.startswith("echo")
    monkeypatch.setenv("A_KEY", "secret\nother")
    with pytest.raises(ConfigError, match="A_KEY") as raised:
        check_team(config(section), NO_POLICY)
    assert "secret" not in str(raised.value)


def test_a_directory_named_in_two_ways_is_the_policys_base_all_the_same(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_model.parent)
    policy = PolicyModel(str(tiny_model.resolve()), Path("adapter"), "p/1")
    backend = TransformersBackendConfig(kind="transformers", model=f"./{tiny_model.name}")
    assert policy_for(backend, policy) == policy
    elsewhere = TransformersBackendConfig(kind="transformers", model="org/other")
    assert policy_for(elsewhere, policy) == PolicyModel("org/other")


def test_an_unknown_platform_is_named_with_the_nearest(server: Any) -> None:
    with pytest.raises(ConfigError, match="anthropic"):
        check_team(config({"kind": "camel", "platform": "antropic", "model": "m"}), NO_POLICY)


def test_an_adapter_with_a_pickle_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.bin").write_bytes(b"x")
    with pytest.raises(AgentError, match=r"adapter_model\.bin"):
        check_team(config({"kind": "transformers"}), PolicyModel(str(tiny_model), tmp_path, "p/1"))


def test_a_missing_model_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone"):
        check_team(config({"kind": "transformers"}), PolicyModel(str(tmp_path / "gone")))


def test_the_context_length_is_read_from_the_config(tiny_model: Path) -> None:
    assert context_length(str(tiny_model)) == 512


def test_a_camel_agent_on_the_policy_answers_without_an_event_loop(tiny_model: Path) -> None:
    agent = camel_agent(PolicyModel(str(tiny_model)), system="Hi", max_tokens=8)
    assert agent.step("hello").info["usage"]["completion_tokens"] in range(1, 9)


def test_importing_the_room_loads_neither_camel_nor_torch() -> None:
    code = (
        "import camelx.agents, sys, json;"
        "print(json.dumps([m for m in ('camel', 'torch') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
