"""A real server on a free port, in a thread, for what only a real one shows: sockets, retries, restarts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import uvicorn


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LiveServer:
    """An ASGI app behind uvicorn; may be stopped and started again on the same port."""

    def __init__(self, app: Any, port: int, lifespan: Literal["on", "off"] = "off") -> None:
        self.app, self.port, self.lifespan = app, port, lifespan
        self.url = f"http://127.0.0.1:{port}"
        self._server: uvicorn.Server | None = None

    def start(self) -> None:
        config = uvicorn.Config(
            self.app,
            port=self.port,
            log_level="warning",
            timeout_graceful_shutdown=2,
            lifespan=self.lifespan,  # pages need theirs: it starts Gradio's queue
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            self._thread.join(0.01)

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join(20)
            self._server = None


@contextmanager
def live_server(app: Any, lifespan: Literal["on", "off"] = "off") -> Iterator[LiveServer]:
    server = LiveServer(app, free_port(), lifespan)
    server.start()
    try:
        yield server
    finally:
        server.stop()
