"""A child process that ends with its parent, however the parent ends, kill -9 included.

The parent holds the writing end of the child's standard input. When it closes, because the parent says
so or because it is gone, the child ends its whole process group. In the child this module is the program:
`python -m camelx.orchestration.attached MODULE [ARGUMENT ...]` runs MODULE as `python -m MODULE` would.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AttachedProcess:
    """A running child; `stop` ends it."""

    name: str
    log: Path
    popen: subprocess.Popen[bytes]

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.popen.poll() is None

    def last_lines(self, n: int = 5) -> str:
        """Return the end of the child's log."""
        return "\n".join(self.log.read_text("utf-8", errors="replace").splitlines()[-n:])

    def stop(self, timeout_s: float = 15.0) -> None:
        """Ask the child's process group to end, and after `timeout_s` seconds kill it."""
        if self.popen.stdin is not None:
            self.popen.stdin.close()
        try:
            self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()


def start_attached(name: str, *command: str, environment: Mapping[str, str], log: Path) -> AttachedProcess:
    """Start `python -m command[0] ...` tied to this process; what it prints goes to the end of `log`.

    The child is in a session of its own: Ctrl-C reaches this process alone, which then stops the child
    in its own time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", __name__, *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    return AttachedProcess(name, log, popen)


def _end_with_parent() -> None:
    # os.read and not sys.stdin: a thread that waits in a buffered reader breaks the interpreter's exit.
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgid(0), signal.SIGTERM)


def main(command: list[str]) -> None:
    """Run the module `command[0]` with the other arguments, until it ends or the parent does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
