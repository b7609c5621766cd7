from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from camelx import config
from camelx.cli.failures import Commands
from camelx.errors import CamelxError, RegistryError, StorageError


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_folder_that_cannot_be_written_is_one_line_that_says_what_to_do(wrapped: bool) -> None:
    app = typer.Typer(cls=Commands)

    @app.command()
    def work() -> None:
        closed = OSError(errno.EROFS, "Read-only file system", "/mine/data/prefect")
        if wrapped:
            raise StorageError("the folder of database /mine/data/prefect can't be made") from closed
        raise closed

    @app.callback()
    def root() -> None:
        pass

    done = CliRunner().invoke(app, ["work"])
    assert done.exit_code == StorageError.exit_code
    assert "/mine/data/prefect" in done.stderr
    assert "CAMELX_ROOT" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        RegistryError(
            "starting the run failed: (sqlite3.OperationalError) database or disk is full\n[SQL: x]"
        ),
        StorageError(
            "saving failed: the disk is full; free some (could not extend file: No space left on device)"
        ),
    ],
)
def test_a_full_disk_is_one_message_with_the_place_that_has_least_room(
    error: CamelxError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path / "new"))
    config.settings.cache_clear()
    app = typer.Typer(cls=Commands)

    @app.command()
    def work() -> None:
        raise error

    @app.callback()
    def root() -> None:
        pass

    done = CliRunner().invoke(app, ["work"])
    config.settings.cache_clear()
    assert done.exit_code == StorageError.exit_code
    assert done.stderr.count("the disk is full") == 1
    assert "least room is in" in done.stderr
    assert "MiB free" in done.stderr
    assert "camelx cycle --resume" in done.stderr
    assert "[SQL" not in done.stderr


_INTERRUPTED_WHILE_THROWN_AWAY = """
import signal, time
from camelx.cli.failures import interrupt_on_sigterm

class ThrownAway:
    def __del__(self):
        signal.raise_signal(signal.{name})

interrupt_on_sigterm()
try:
    ThrownAway()
    time.sleep(30)
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_that_comes_while_an_object_is_thrown_away_is_not_lost(name: str) -> None:
    code = _INTERRUPTED_WHILE_THROWN_AWAY.format(name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("stopped\n", "")
