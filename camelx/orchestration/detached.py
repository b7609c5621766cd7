"""A cycle in a process of its own, that outlives whoever started it and can be stopped by whoever comes next.

It is in a session of its own, so no Ctrl-C of a terminal reaches it; what it prints is in
data/<cycle>/run.log; its number and the moment of its start, kept with the cycle, find it again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from camelx.config import Settings
from camelx.errors import ConflictError

LOG = "run.log"


def start_detached(settings: Settings, cycle_id: str, *options: str) -> subprocess.Popen[bytes]:
    """Start `python -m camelx cycle --cycle ID ...` and return the process.

    Args:
        settings: The process gets the same ones.
        cycle_id: A queued cycle.
        options: Further options of `camelx cycle`.
    """
    log = log_of(settings, cycle_id)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", "camelx", "cycle", "--cycle", cycle_id, "--queued", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=settings.project.resolve(),
            env=os.environ | environment_of(settings),
            start_new_session=True,
        )
    # Whoever waits for it leaves no zombie behind.
    threading.Thread(target=popen.wait, name=f"waiting for cycle {cycle_id}", daemon=True).start()
    return popen


def log_of(settings: Settings, cycle_id: str) -> Path:
    """Return the file with what the process of a cycle printed."""
    return settings.cycle_dir(cycle_id) / LOG


def last_lines(settings: Settings, cycle_id: str, n: int = 3, most_bytes: int = 65_536) -> list[str]:
    """Return the end of what the process of a cycle printed; empty: nothing."""
    try:
        with log_of(settings, cycle_id).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most_bytes))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()][-n:]


def interrupt(pid: int) -> None:
    """Stop a cycle's process as Ctrl-C does: it closes its cycle, which takes some seconds.

    Raises:
        ConflictError: It is another user's of this machine.
    """
    _send(pid, signal.SIGINT)


def end(pid: int) -> None:
    """End a process that has not begun its cycle yet.

    Raises:
        ConflictError: It is another user's of this machine.
    """
    _send(pid, signal.SIGTERM)


def _send(pid: int, which: signal.Signals) -> None:
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        pass
    except PermissionError as e:
        raise ConflictError(
            f"process {pid} is another user's of this machine; stop it as that user, or where it was started"
        ) from e


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables by which another process has the same settings."""
    found = {
        "CAMELX_ROOT": str(settings.root.resolve()),
        "CAMELX_DATABASE_URL": settings.resolved_database_url,
        "CAMELX_MLFLOW_URI": settings.resolved_mlflow_uri,
        "CAMELX_PREFECT_PORT": str(settings.prefect_port),
        "CAMELX_PROJECT": str(settings.project.resolve()),
        "CAMELX_NOTIFY_URLS": " ".join(url.get_secret_value() for url in settings.notify_urls),
    }
    return found | ({"CAMELX_PUBLIC_URL": settings.public_url} if settings.public_url else {})
