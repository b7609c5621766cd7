from __future__ import annotations

import errno
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
