from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tiny_model import build_tiny_model


class Server(ThreadingHTTPServer):
    """A real OpenAI-compatible HTTP server on localhost; `faults` are answered first, one a call."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Chat)
        self.faults: list[Any] = []
        self.calls: list[dict[str, Any]] = []
        self.open: set[Any] = set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def hung_up(self, within_s: float = 5.0) -> bool:
        """Whether every client hangs up in time."""
        end = time.monotonic() + within_s
        while self.open and time.monotonic() < end:
            time.sleep(0.01)
        return not self.open

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is part of the tests."""


class _Chat(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.client_address)

    def finish(self) -> None:
        self.server.open.discard(self.client_address)
        super().finish()

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, json.dumps({"object": "list", "data": []}))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append(asked)
        match self.server.faults.pop(0) if self.server.faults else None:
            case {"deltas": deltas, **more}:
                self._stream(deltas, more.get("reason", "stop"), more.get("hold_s", 0.0))
            case None if asked.get("stream"):
                said = f"echo: {asked['messages'][-1]['content']}"
                self._stream([{"content": piece} for piece in said.split(" ")], "stop", 0.0)
            case None:
                self._send(200, _answer(f"echo: {asked['messages'][-1]['content']}"))
            case {"text": text}:
                self._send(200, _answer(text))
            case {"status": status, **headers}:
                self._send(status, '{"error": {"message": "as told"}}', headers)
            case {"body": body}:
                self._send(200, body)
            case {"sleep": seconds}:
                time.sleep(seconds)
                self._send(200, _answer("late"))
            case "reset":
                self.close_connection = True
                self.connection.close()

    def _stream(self, deltas: list[dict[str, Any]], reason: str, hold_s: float) -> None:
        """Server-sent events: one for each delta, one with the reason, one with the usage."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        choices = [[{"index": 0, "delta": d, "finish_reason": None}] for d in deltas]
        choices += [[{"index": 0, "delta": {}, "finish_reason": reason}], []]
        for n, some in enumerate(choices):
            usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5} if not some else None
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m"}
            said = json.dumps({**chunk, "choices": some, "usage": usage})
            try:
                self.wfile.write(f"data: {said}\n\n".encode())
                self.wfile.flush()
            except OSError:
                return  # the client hung up, which is part of the tests
            time.sleep(hold_s if n == 0 else 0)
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        content = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _answer(text: str | None) -> str:
    return json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
    )


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield served
    served.shutdown()
    served.server_close()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("model"))
