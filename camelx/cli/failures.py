"""How a command ends that could not do its work: a message on stderr and a documented exit code."""

from __future__ import annotations

import _thread
import errno
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import typer
from typer.core import TyperGroup

from camelx.cli.output import visible_lines
from camelx.errors import CamelxError, StorageError

INTERRUPTED = 130
_SQLITE = "sqlite:///"
_AGAIN_AFTER_S = 0.05


class Commands(TyperGroup):
    """The root group: turns the errors that camelx raises on purpose into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the context names."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say(
                "interrupted; `camelx cycle --resume` goes on where a cycle stopped, nothing answered is lost"
            )
            raise typer.Exit(INTERRUPTED) from None
        except (CamelxError, OSError) as e:
            if os.environ.get("CAMELX_TRACEBACK") == "1":
                raise
            if _is_full_disk(e):
                said = str(e).partition("\n")[0]  # MLflow adds the statement
                say(said if "the disk is full" in said else f"the disk is full: {said}")
                say(f"{_least_room()}; free some, then a cycle goes on with `camelx cycle --resume`")
                raise typer.Exit(StorageError.exit_code) from e
            if _is_closed(e):
                said = f"{e.filename}: {e.strerror}" if isinstance(e, OSError) else str(e)
                say(f"{said}; make the folder writable, or name another one with CAMELX_ROOT")
                raise typer.Exit(StorageError.exit_code) from e
            if not isinstance(e, CamelxError):
                raise
            say(str(e))
            raise typer.Exit(e.exit_code) from e


def interrupt_on_sigterm() -> None:
    """Let SIGTERM end a command as Ctrl-C does: a cycle is closed and can be resumed, services stop."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    # A shell starts background jobs with SIGINT ignored; camelx is to be stopped by it there too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.unraisablehook = _interrupt_again


def _interrupt_again(lost: Any) -> None:
    """Repeat an interrupt that came while an object was thrown away: Python drops what is raised there."""
    if lost.exc_type is not None and not issubclass(lost.exc_type, Exception | GeneratorExit):
        # A little later: now it would be raised in this hook, and be lost again. No lock, which may be held.
        _thread.start_new_thread(_interrupt_later, ())
    else:
        sys.__unraisablehook__(lost)


def _interrupt_later() -> None:
    time.sleep(_AGAIN_AFTER_S)
    # A signal, which ends a wait of the main thread; `_thread.interrupt_main` would come after it.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def say(message: str) -> None:
    """Write one message of camelx to stderr."""
    typer.echo(f"camelx: {visible_lines(message)}", err=True)


def write_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report an exception that nobody expected: short on stderr, whole in a file of data/logs."""
    from camelx.config import settings

    text = "".join(traceback.format_exception(kind, error, trace))
    if os.environ.get("CAMELX_TRACEBACK") == "1":
        sys.stderr.write(text)
        return
    try:
        folder = settings().data_dir / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        path.write_text(text, "utf-8")
    except (OSError, CamelxError):
        sys.stderr.write(text)
        return
    say(f"unexpected {kind.__name__}: {error}\nThe traceback is in {path}; a bug report wants it.")


def _is_full_disk(error: BaseException) -> bool:
    # Libraries in other languages say it in words only: safetensors, PostgreSQL and SQLite for instance.
    words = (os.strerror(errno.ENOSPC), "database or disk is full")
    return any(
        (isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT))
        or any(w in str(e) for w in words)
        for e in _causes(error)
    )


def _is_closed(error: BaseException) -> bool:
    """Whether a place that camelx keeps its files in can't be written."""
    from camelx.config import settings

    for e in _causes(error):
        if isinstance(e, OSError) and e.errno in (errno.EROFS, errno.EACCES) and e.filename is not None:
            path = Path(os.fsdecode(e.filename)).resolve()
            return e.errno == errno.EROFS or path.is_relative_to(settings().root.resolve())
    return False


def _least_room() -> str:
    """Return which of the places that camelx writes to has the least room, for errors often name none."""
    from camelx.config import settings

    known = settings()
    urls = (known.resolved_database_url, known.resolved_mlflow_uri)
    databases = [Path(url.removeprefix(_SQLITE)).parent for url in urls if url.startswith(_SQLITE)]
    places = [known.data_dir, known.adapters_dir, known.mlruns_dir, Path(tempfile.gettempdir()), *databases]
    there = {place: _existing(place.resolve()) for place in places}
    fullest = min(places, key=lambda place: shutil.disk_usage(there[place]).free)
    disk = next(above for above in (there[fullest], *there[fullest].parents) if above.is_mount())
    free = shutil.disk_usage(disk).free / 2**20
    return f"least room is in {fullest}, on the disk mounted at {disk}: {free:.1f} MiB free"


def _existing(path: Path) -> Path:
    return next(above for above in (path, *path.parents) if above.exists())


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
