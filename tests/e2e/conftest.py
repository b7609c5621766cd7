"""Whole cycles on a tiny policy, with agents that a counting HTTP server on localhost answers for."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tiny_model import build_tiny_model

from camelx import config
from camelx.schemas import Stage

from .looking_back import ranked_cycle

_AGENTS = """\
backends:
  server: {{kind: openai, url: "{url}", model: counted, retry: {{attempts: 2, first_wait_s: 0.01}}}}
agents:
  - {{name: proposer, role: proposer, backend: server, system: Plan., count: 2}}
  - {{name: executor, role: executor, backend: server, system: Work., count: 2}}
  - {{name: reviewer, role: peer_reviewer, backend: server, system: Judge.}}
"""
_CYCLE = """\
agents: agents.yaml
policy: {{base: "{base}", name: tiny}}
goals: {{n: 8, heldout_n: 4}}
generation: {{concurrency: 4}}
validation: {{min_pairs: 4}}
training: {{epochs: 2, batch_size: 4, micro_batch_size: 4, checkpoint_steps: 1, max_length: 512}}
"""


class CountingServer(ThreadingHTTPServer):
    """An OpenAI-compatible server whose reviewers prefer the greater result, whatever the order."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Chat)
        self.answered: Counter[str] = Counter()
        self.delay_s = 0.0
        self.is_erratic = False
        """Whether a third of the verdicts are the wrong way round."""
        self.always: str | None = None
        """What every reviewer answers; None: they compare."""
        self.refuses_with: int | None = None
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def n_answered(self) -> int:
        return self.answered.total()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is killed hangs up: that is what is tested."""


class _Chat(BaseHTTPRequestHandler):
    server: CountingServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send({"object": "list", "data": []})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.server.delay_s)
        if self.server.refuses_with is not None:
            self._send({"error": {"message": "refused"}}, self.server.refuses_with)
            return
        key = json.dumps([asked["messages"], asked.get("seed")])
        message = {"role": "assistant", "content": self._answer(asked["messages"][-1]["content"], key)}
        self._send(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "counted",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
            }
        )
        with self.server.lock:
            self.server.answered[key] += 1

    def _answer(self, user: str, key: str) -> str:
        if self.server.always is not None and "<result_a>" in user:
            return self.server.always
        return _reply(user, key, is_erratic=self.server.is_erratic)

    def _send(self, document: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _reply(user: str, key: str, *, is_erratic: bool = False) -> str:
    number = int(hashlib.sha256(key.encode()).hexdigest()[:4], 16)
    shown = dict(re.findall(r"<result_([a-h])>\n(.*?)\n</result_\1>", user, re.DOTALL))
    if not shown:
        return f"Plan {number}." if "Proposal:" not in user else f"The answer is {number}."
    marks = {
        letter.upper(): 1 + int(hashlib.sha256(text.encode()).hexdigest()[:2], 16) % 5
        for letter, text in shown.items()
    }
    if "'Ratings: " in user:
        return "Ratings: " + ", ".join(f"{letter}={mark}" for letter, mark in marks.items())
    best_first = sorted(shown, key=shown.__getitem__, reverse=True)
    if "'Ranking: " in user:
        return "Ranking: " + " > ".join(letter.upper() for letter in best_first)
    if is_erratic and number % 3 == 0:
        best_first.reverse()
    return "Verdict: tie" if shown["a"] == shown["b"] else f"Verdict: {best_first[0].upper()}"


def _mark(text: str) -> int:
    return 1 + int(hashlib.sha256(text.encode()).hexdigest()[:2], 16) % 5


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project's folder, with a database of its own."""
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    config.settings.cache_clear()
    yield tmp_path
    config.settings.cache_clear()


@contextmanager
def counting_server() -> Iterator[CountingServer]:
    server = CountingServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def counted() -> Iterator[CountingServer]:
    with counting_server() as server:
        yield server


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("base"), context=1024)


@pytest.fixture
def counted_config(tmp_path: Path, counted: CountingServer, tiny_base: Path) -> Path:
    return write_config(tmp_path, counted, tiny_base)


def write_config(root: Path, server: CountingServer, base: Path) -> Path:
    """Write agents.yaml and cycle.yaml below the folder, and return the path of the latter."""
    folder = root / "configs"
    folder.mkdir()
    (folder / "agents.yaml").write_text(_AGENTS.format(url=server.url))
    path = folder / "cycle.yaml"
    path.write_text(_CYCLE.format(base=base))
    return path


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """The folder of a cycle that came as far as its pairs; its model server is gone."""
    folder = tmp_path_factory.mktemp("played")
    with pytest.MonkeyPatch.context() as patch, counting_server() as server:
        patch.setenv("CAMELX_ROOT", str(folder))
        config.settings.cache_clear()
        ranked_cycle(write_config(folder, server, tiny_base), Stage.GENERATE, Stage.RANK, Stage.EXPORT)
    config.settings.cache_clear()
    return folder


@pytest.fixture
def exported(root: Path, played: Path) -> str:
    """The id of that cycle, in a folder of its own."""
    shutil.copytree(played / "data", root / "data")
    return "c1"
