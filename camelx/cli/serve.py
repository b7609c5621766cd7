"""`camelx serve`: the app alone, as containers and service managers run it."""

from __future__ import annotations

import os
import socket
from typing import Annotated

import typer

from camelx.errors import OrchestrationError

Host = Annotated[str | None, typer.Option(help="Address to listen on; default: CAMELX_HOST, 127.0.0.1.")]
Port = Annotated[int | None, typer.Option(help="Port of the app; default: CAMELX_PORT, 7860.")]
_STOPS_WITHIN_S = 5
"""How long open requests and WebSockets may take once the app is to stop."""


def serve(
    host: Host = None,
    port: Port = None,
    pages: Annotated[bool, typer.Option(help="Serve the pages; without them it starts sooner.")] = True,
) -> None:
    """Run the app alone: pages, REST, WebSockets, health and metrics. Logs are JSON on stdout."""
    from camelx.cli.failures import interrupt_on_sigterm
    from camelx.config import settings
    from camelx.runtime.logs import log_json
    from camelx.runtime.repeating import repeated
    from camelx.workspace import Workspace

    set_address(host, port)
    check_can_serve()
    interrupt_on_sigterm()
    known = settings()
    listening = _listen(known.host, known.port)
    log_json(known.log_level)
    import uvicorn

    from camelx.server import create_app

    with (
        listening,
        Workspace.open(known) as workspace,
        repeated(workspace.cycles.settle, 30.0, "looking for cycles that ended unseen"),
        repeated(workspace.queue.read_ahead, 2.0, "reading what can be judged"),
    ):
        config = uvicorn.Config(
            create_app(workspace, pages=pages),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(known.trusted_proxies),
            forwarded_allow_ips=known.trusted_proxies or None,
            timeout_graceful_shutdown=_STOPS_WITHIN_S,
            ws_ping_interval=15,
        )
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:  # uvicorn has stopped, and sends on the signal that told it to
            pass
        finally:
            if os.getpid() == 1:
                # The last process of a container takes all others with it: cycles are closed before.
                workspace.cycles.stop_all()


def set_address(host: str | None, port: int | None) -> None:
    """Let options win over the environment, for this process and those that it starts."""
    from camelx.config import settings

    if host is not None:
        os.environ["CAMELX_HOST"] = host
    if port is not None:
        os.environ["CAMELX_PORT"] = str(port)
    settings.cache_clear()


def check_can_serve() -> None:
    """Refuse to listen where others come in without signing in, or where nobody could.

    Raises:
        ConfigError: So it is.
    """
    from camelx.access import Access
    from camelx.config import settings
    from camelx.cycles import open_store

    with open_store() as store:
        Access(store, settings()).check_can_serve()


def _listen(host: str, port: int) -> socket.socket:
    """Return the socket of the app: bound before anything is imported, so that a taken port is said soon.

    Raises:
        OrchestrationError: The port is taken, or the address is none of this machine.
    """
    from camelx.orchestration.services import host_and_port, who_listens

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as e:
        if port and (taken := who_listens(port)):
            raise OrchestrationError(
                f"port {port} for the app is taken by {taken}; stop that, or choose another with --port"
            ) from e
        raise OrchestrationError(f"the app can't listen on {host_and_port(host, port)}: {e}") from e
    return listening
