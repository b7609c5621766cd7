from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from camelx.agents import PolicyModel, check_team, open_team
from camelx.config import AgentsConfig
from camelx.schemas import Message, Role


@pytest.fixture
def served(tiny_model: Path) -> Iterator[str]:
    """The server that ships with transformers, on the tiny model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = Path(sys.executable).with_name("transformers")
    arguments = ["serve", str(tiny_model), "--device", "cpu", "--port", str(port)]
    process = subprocess.Popen([str(command), *arguments], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            except httpx.HTTPError:
                assert process.poll() is None, "transformers serve ended"
                assert time.monotonic() < deadline, "transformers serve does not answer"
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.slow
async def test_agents_work_on_a_real_model_server(served: str, tiny_model: Path) -> None:
    common = {"backend": "b", "system": "Solve.", "sampling": {"max_tokens": 8}}
    config = AgentsConfig(
        backends={"b": {"kind": "openai", "model": str(tiny_model), "url": served}},
        agents=[
            {"name": "solver", "role": "executor", **common},
            {"name": "judge", "role": "peer_reviewer", **common},
        ],
    )
    policy = PolicyModel(str(tiny_model))
    check_team(config, policy)
    messages = [Message(role="system", content="Solve."), Message(role="user", content="2 + 3?")]
    async with open_team(config, policy, concurrency=4) as team:
        agent = team.agents(Role.EXECUTOR)[0]
        replies = await asyncio.gather(*(agent.ask(messages, seed=i) for i in range(4)))
    assert len(replies) == 4
    assert all(reply.completion_tokens > 0 for reply in replies)
