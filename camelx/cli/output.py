"""What commands write: pages and tables for people, one line of JSON for scripts, progress on stderr."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import time
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from camelx.runtime import progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_LINE_EVERY_S = 10.0
_LEAST_WORDS = 36
"""Columns that what a command is for needs beside it."""
_ACTING = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
"""Unicode's categories of what is no visible character: controls, formats, unassigned, line separators."""


def print_json(value: Any) -> None:
    """Write the value as one line of JSON to stdout."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")
    sys.stdout.flush()


def print_line(text: str = "") -> None:
    """Write one line to stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table to stdout, or say that there is nothing."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # As Text: in a plain string rich would take "psycopg[binary]" for markup.
        table.add_row(*(Text("" if value is None else visible_lines(str(value))) for value in row))
    page_console().print(table if rows else "nothing yet")


def print_steps(steps: Sequence[tuple[str, str]], console: Console) -> None:
    """Write what can be typed next and what for: in two columns, or one under the other."""
    from rich.table import Table
    from rich.text import Text

    steps = [(visible(command), visible(why)) for command, why in steps]
    widest = max(len(command) for command, _ in steps)
    if console.width < widest + _LEAST_WORDS:
        for command, why in steps:
            console.print(Text(f"  {command}"), soft_wrap=True)
            console.print(Text(f"      {why}"), soft_wrap=True)
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=widest + 2, no_wrap=True)
    table.add_column()
    for command, why in steps:
        table.add_row(Text(f"  {command}"), Text(why))
    console.print(table)


def program() -> str:
    """Return how this command is called here: by its name, or by its path where that is not on the path."""
    if shutil.which("camelx"):
        return "camelx"
    path = Path(sys.executable).with_name("camelx")
    if not path.exists():
        return "camelx"
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def visible(line: str) -> str:
    """Return a line that a model or a stranger wrote as a terminal may have it.

    Controls, formats (which turn the direction or join), line ends, halves of a character and what Unicode
    assigns nothing to are shown by their codes instead; marks on a letter stay.
    """
    return "".join(
        c if c == "\t" or unicodedata.category(c) not in _ACTING else f"\\u{{{ord(c):x}}}" for c in line
    )


def visible_lines(text: str) -> str:
    """Return a text of several lines as a terminal may have it."""
    return "\n".join(map(visible, text.split("\n")))


def page_console() -> Console:
    """Return a console on stdout. Paths survive a pipe whole; a terminal wraps them itself."""
    from rich.console import Console

    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else 1_000
    return console


@contextmanager
def all_on_stderr() -> Iterator[None]:
    """Send what anything writes to stdout inside the block to stderr, child processes and C code too."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what sys.stderr is now: progress bars put themselves in its place for a while."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def format(self, record: logging.LogRecord) -> str:
        return visible_lines(super().format(record))

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def show_logs(level: str) -> None:
    """Write camelx's own log records of that level and above to stderr."""
    handler = _StderrHandler()
    handler.setLevel(level)
    logging.getLogger("camelx").addHandler(handler)


def hush_libraries() -> None:
    """Keep from the terminal what libraries warn of and a user can do nothing about."""
    for message in (
        "`is_gradient_checkpointing` is deprecated",
        "The specified dataset source can be interpreted in multiple ways",
    ):
        warnings.filterwarnings("ignore", message=message)
    # What is logged outside a run, such as of the runs before, is no mistake.
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    if os.environ.get("HF_HUB_OFFLINE") == "1":  # nothing is downloaded, so no bar is missed
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


@contextmanager
def shown_progress() -> Iterator[ProgressView]:
    """Show the reports made inside the block: bars on a terminal, else a line every ten seconds."""
    view: ProgressView = BarView() if sys.stderr.isatty() else LineView()
    with progress.listening(view.listen):
        try:
            yield view
        finally:
            view.close()


class ProgressView:
    """Knows the cycle that reports; subclasses show how far it is."""

    cycle_id: str | None = None

    def listen(self, report: progress.Progress) -> None:
        """Take one report."""
        self.cycle_id = report.cycle_id
        if report.total:
            self.show(report)

    def show(self, report: progress.Progress) -> None:
        """Show one report."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class BarView(ProgressView):
    """A bar for each stage, with the time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bars: Bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]:<12}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
        )
        self._ids: dict[tuple[str, str], TaskID] = {}
        """By cycle and stage."""
        self._bars.start()

    def show(self, report: progress.Progress) -> None:
        """Move the stage's bar."""
        key = (report.cycle_id, report.stage)
        if key not in self._ids:
            self._ids[key] = self._bars.add_task(report.stage, unit=report.unit)
        elif report.unit == "stage":  # its own steps have filled the bar
            return
        self._bars.update(self._ids[key], completed=report.done, total=report.total)

    def close(self) -> None:
        """Stop drawing; the bars stay."""
        self._bars.stop()


class LineView(ProgressView):
    """A line at a stage's end and every ten seconds before it."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], float] = {}
        self._began: dict[tuple[str, str], float] = {}
        """Both by cycle and stage."""
        self._ended: set[progress.Progress] = set()

    def show(self, report: progress.Progress) -> None:
        """Write a line if the last one is old enough."""
        now, key = time.monotonic(), (report.cycle_id, report.stage)
        if report in self._ended or (report.unit == "stage" and key in self._began):
            return
        began = self._began.setdefault(key, now)
        last = self._last.setdefault(key, began)
        if report.done < report.total and now - last < _LINE_EVERY_S:
            return
        self._last[key] = now
        if report.done >= report.total:
            self._ended.add(report)
        if report.unit == "stage":
            sys.stderr.write(f"{report.stage}: done\n")
            return
        left = (now - began) * (report.total - report.done) / max(report.done, 1)
        rest = f", about {left:.0f} s left" if report.done < report.total else ""
        sys.stderr.write(f"{report.stage}: {report.done:,} of {report.total:,} {report.unit}{rest}\n")
