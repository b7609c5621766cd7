"""Agents with tools, against a real HTTP server that asks for them before it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from camelx import stages
from camelx.agents import PolicyModel, check_team, open_team
from camelx.config import AgentsConfig, load_config
from camelx.cycles import open_store
from camelx.cycles.opening import open_cycle
from camelx.errors import ConfigError
from camelx.schemas import Message, Reply, Role, Stage, ToolCall

ASKED = [Message(role="system", content="Work."), Message(role="user", content="2 + 3?")]
RETRY = {"attempts": 3, "first_wait_s": 0.01, "longest_wait_s": 0.02}
POLICY = PolicyModel("none")
OWN = '''
calls = []

def shout(word: str, times: int) -> str:
    """Return the word in capitals.

    Args:
        word: What to shout.
        times: How often.
    """
    calls.append(word)
    return word.upper() * times

async def whisper(word: str) -> str:
    """Return the word in small letters.

    Args:
        word: What to whisper.
    """
    return word.lower()

def breaks() -> str:
    """Fail."""
    raise RuntimeError("no paper left")

def undocumented(word: str) -> str:
    return word

number = 3
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_tools.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_tools", raising=False)


def calling(
    *calls: tuple[str, dict[str, Any]], content: str | None = None, reason: str = "tool_calls"
) -> Any:
    """Return what a server sends that wants tools called."""
    wanted = [
        {"id": f"call{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for i, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": content, "tool_calls": wanted}
    answer = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    return {"body": json.dumps(answer)}


def config(backend: dict[str, Any], *tools: str) -> AgentsConfig:
    return AgentsConfig(
        backends={"b": backend},
        agents=[
            {"name": "solver", "role": "executor", "backend": "b", "system": "Work.", "tools": tools},
            {"name": "judge", "role": "peer_reviewer", "backend": "b", "system": "Judge."},
        ],
    )


def openai(server: Any) -> dict[str, Any]:
    return {"kind": "openai", "model": "m", "url": server.url, "retry": RETRY}


async def ask(section: dict[str, Any], *tools: str) -> Reply:
    check_team(config(section, *tools), POLICY)
    async with open_team(config(section, *tools), POLICY, concurrency=2) as team:
        return await team.agents(Role.EXECUTOR)[0].ask(ASKED, seed=7)


@pytest.mark.parametrize("kind", ["openai", "camel"])
async def test_a_tool_is_called_its_result_is_sent_and_the_call_is_logged(server: Any, kind: str) -> None:
    section = openai(server) if kind == "openai" else {**openai(server), "kind": "camel", "platform": "vllm"}
    server.faults[:] = [
        calling(("math_multiply", {"a": 6, "b": 7, "decimal_places": 0})),
        {"text": "It is 42."},
    ]
    reply = await ask(section, "MathToolkit")
    first, second = server.calls
    assert "math_multiply" in [tool["function"]["name"] for tool in first["tools"]]
    assert [m["role"] for m in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert "42" in second["messages"][-1]["content"]
    (called,) = reply.tool_calls
    assert (called.name, json.loads(called.arguments)["a"], called.result) == ("math_multiply", 6, "42")
    assert (reply.text, reply.finish_reason) == ("It is 42.", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens) == (6, 4)


async def test_tools_are_opened_only_for_the_roles_that_are_asked(server: Any) -> None:
    made = config(openai(server), "none.such:tool")
    with pytest.raises(ConfigError, match=r"none\.such:tool"):
        open_team(made, POLICY, concurrency=2)
    async with open_team(made, POLICY, concurrency=2, roles=(Role.PEER_REVIEWER,)) as team:
        assert set(team.judges(peers=True)) == {"judge", "solver"}
        assert (await team.judges(peers=True)["solver"].ask(ASKED, seed=7)).finish_reason == "stop"


async def test_a_users_own_functions_are_tools_async_ones_too(server: Any, own: None) -> None:
    server.faults[:] = [
        calling(("shout", {"word": "hi", "times": 2}), ("whisper", {"word": "HO"})),
        {"text": "ok"},
    ]
    reply = await ask(openai(server), "own_tools:shout", "own_tools:whisper")
    assert reply.tool_calls == (
        ToolCall(name="shout", arguments='{"word": "hi", "times": 2}', result="HIHI"),
        ToolCall(name="whisper", arguments='{"word": "HO"}', result="ho"),
    )
    described = server.calls[0]["tools"][0]["function"]
    assert described["description"] == "Return the word in capitals."
    assert described["parameters"]["properties"]["word"]["description"] == "What to shout."


async def test_a_call_that_fails_between_tools_is_made_again_without_the_tools(
    server: Any, own: None
) -> None:
    server.faults[:] = [
        calling(("shout", {"word": "hi", "times": 1})),
        {"status": 503},
        "reset",
        {"text": "ok"},
    ]
    reply = await ask(openai(server), "own_tools:shout")
    import own_tools  # type: ignore[import-not-found]

    assert own_tools.calls == ["hi"]
    assert len(server.calls) == 4
    assert (reply.text, len(reply.tool_calls)) == ("ok", 1)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("breaks", {}), "no paper left"),
        (("no_such_tool", {}), "not found"),
        (("breaks", {"extra": 1}), "unexpected keyword"),
    ],
)
async def test_a_tool_that_fails_tells_the_model_so(server: Any, own: None, call: Any, told: str) -> None:
    server.faults[:] = [calling(call), {"text": "never mind"}]
    reply = await ask(openai(server), "own_tools:breaks")
    assert told in server.calls[1]["messages"][-1]["content"]
    assert told in reply.tool_calls[0].result
    assert reply.text == "never mind"


async def test_a_model_that_calls_tools_for_ever_is_stopped_with_an_unfinished_answer(
    server: Any, own: None
) -> None:
    again = calling(("whisper", {"word": "A"}), content="Let me see.", reason="stop")
    server.faults[:] = [again] * 50
    reply = await ask(openai(server), "own_tools:whisper")
    assert len(server.calls) == len(reply.tool_calls) == 10
    assert reply.finish_reason == "tool_calls"


async def test_hostile_arguments_are_logged_as_text_that_any_database_takes(server: Any, own: None) -> None:
    server.faults[:] = [calling(("whisper", {"word": "a\x00B" + "x" * 30_000})), {"text": "ok"}]
    (called,) = (await ask(openai(server), "own_tools:whisper")).tool_calls
    assert len(called.arguments) == len(called.result) == 20_000
    assert called.result.startswith("a\ufffdb")
    assert "\x00" not in called.arguments.encode().decode()


async def test_agents_without_tools_are_offered_none(server: Any) -> None:
    reply = await ask(openai(server))
    assert not server.calls[0].get("tools")
    assert reply.tool_calls == ()


async def test_a_peer_judges_without_the_tools_of_its_role(server: Any) -> None:
    async with open_team(config(openai(server), "MathToolkit"), POLICY, concurrency=2) as team:
        await team.judges(peers=True)["solver"].ask(ASKED, seed=1)
    assert not server.calls[0].get("tools")


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ("MathTolkit", "agent 'solver': CAMEL has no toolkit 'MathTolkit'.*did you mean 'MathToolkit'"),
        ("BaseToolkit", "no toolkit 'BaseToolkit'"),
        ("RetrievalToolkits", "did you mean 'RetrievalToolkit'"),
        ("MCPToolkit", "opening toolkit 'MCPToolkit' without settings"),
        ("no_such_module:f", "importing tool 'no_such_module:f'.*No module"),
        ("own_tools:shut", "importing tool 'own_tools:shut'.*no attribute"),
        ("own_tools:number", "is a int, expected a function"),
        ("own_tools:undocumented", "has no docstring"),
    ],
)
def test_a_wrong_tool_is_said_before_the_cycle(server: Any, own: None, tool: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_team(config(openai(server), tool), POLICY)


def test_two_tools_of_one_name_are_refused(server: Any) -> None:
    with pytest.raises(ConfigError, match="more than one is called math_add"):
        check_team(config(openai(server), "MathToolkit", "MathToolkit"), POLICY)


@pytest.mark.parametrize("backend", [{"kind": "transformers"}, {"kind": "scripted", "replies": ("one",)}])
def test_tools_on_a_backend_that_calls_none_are_refused(backend: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=f"'solver' has tools.*kind {backend['kind']}.*use kind openai"):
        config(backend, "MathToolkit")


def write_configs(root: Path, server: Any, base: Path, backend: str) -> Path:
    (root / "agents.yaml").write_text(
        f'backends:\n  b: {{kind: openai, url: "{server.url}", model: m}}\n  policy: {{kind: transformers}}\n'
        "agents:\n"
        f"  - {{name: solver, role: executor, backend: {backend}, system: Work., tools: [MathToolkit]}}\n"
        "  - {name: judge, role: peer_reviewer, backend: b, system: Judge.}\n"
    )
    path = root / "cycle.yaml"
    path.write_text(
        f'agents: agents.yaml\npolicy: {{base: "{base}", name: t}}\ngoals: {{n: 1, heldout_n: 2}}\n'
        "generation: {concurrency: 1}\n"
    )
    return path


def test_what_was_called_is_in_the_database(root: Path, server: Any, tiny_model: Path) -> None:
    server.faults[:] = [calling(("math_add", {"a": 2, "b": 3})), {"text": "The answer is 5."}]
    cycle_id = open_cycle(str(write_configs(root, server, tiny_model, "b")))
    stages.generate_interactions(cycle_id)
    with open_store() as store:
        (row,) = store.interactions(cycle_id, stage=Stage.GENERATE)
    assert row.tool_calls == (ToolCall(name="math_add", arguments='{"a": 2, "b": 3}', result="5"),)
    assert [m.role for m in row.messages] == ["system", "user"], "a pair's prompt is what was asked"
    assert row.completion == "The answer is 5."


def test_a_config_with_tools_in_process_is_refused_when_it_is_read(
    root: Path, server: Any, tiny_model: Path
) -> None:
    with pytest.raises(
        ConfigError, match=r"agents\.yaml:\d+: .*'solver' has tools, but its backend 'policy'"
    ):
        load_config(write_configs(root, server, tiny_model, "policy"))
