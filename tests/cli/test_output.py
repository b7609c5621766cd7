import errno
import json
import logging
import os
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from camelx.cli.app import app
from camelx.cli.cycle import print_summary
from camelx.cli.failures import Commands, say
from camelx.cli.output import (
    LineView,
    all_on_stderr,
    print_json,
    print_steps,
    print_table,
    show_logs,
    shown_progress,
    visible,
)
from camelx.config import settings
from camelx.cycles.summary import CycleSummary
from camelx.errors import StorageError, TrainingError
from camelx.runtime import progress
from camelx.schemas import Cycle, CycleStatus, Stage, StageReport


def test_with_json_nothing_else_reaches_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    with all_on_stderr():
        sys.stdout.write("a library's print\n")
        os.write(1, b"a C library's print\n")
    print_json({"n": 1})
    out, err = capfd.readouterr()
    assert out == '{"n": 1}\n'
    assert "a library's print" in err
    assert "a C library's print" in err


def test_progress_without_a_terminal_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress() as view:
        assert isinstance(view, LineView)
        progress.report(progress.Progress("c1", "mutual-rank", 10, 20, "votes"))
        progress.report(progress.Progress("c1", "mutual-rank", 20, 20, "votes"))
    assert view.cycle_id == "c1"
    assert capsys.readouterr().err == "mutual-rank: 20 of 20 votes\n"


def test_a_stage_without_steps_has_one_line_and_an_end_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with shown_progress() as view:
        progress.report(progress.Progress("c1", "open-cycle", 0, 0))
        assert view.cycle_id == "c1"
        progress.report(progress.Progress("c1", "validate", 1, 1, "stage"))
        for _ in range(2):
            progress.report(progress.Progress("c1", "evaluate-adapter", 600, 600, "interactions"))
    assert capsys.readouterr().err == "validate: done\nevaluate-adapter: 600 of 600 interactions\n"


def test_a_table_shows_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("what", "detail"), [("postgres", "pip install 'psycopg[binary]'"), ("x" * 300, "[/odd]")])
    out = capsys.readouterr().out
    assert "pip install 'psycopg[binary]'" in out
    assert "[/odd]" in out
    assert "x" * 300 in out


@pytest.mark.parametrize("width", [40, 80, 120])
def test_commands_to_type_are_whole_whatever_the_width(width: int) -> None:
    command = "camelx cycle --cycle c1 --from export-preference-pairs"
    console = Console(width=width)
    with console.capture() as captured:
        print_steps([(command, "make its pairs anew with your verdicts"), ("short", "why")], console)
    lines = captured.get().splitlines()
    assert any(line.strip().startswith(command) for line in lines)
    assert all(line.startswith("  ") for line in lines)


def test_log_records_of_camelx_reach_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("camelx")
    before = list(logger.handlers)
    try:
        logger.handlers = []
        show_logs("WARNING")
        logging.getLogger("camelx.room").warning("something to know")
    finally:
        logger.handlers = before
    assert "WARNING camelx.room: something to know" in capsys.readouterr().err


HOSTILE = "bad \x1b]0;pwned\x07\x1b[2J\u202e\rrequest"


def test_nothing_that_a_server_or_a_file_wrote_acts_in_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(("what", HOSTILE[:3]), [("state", HOSTILE)])
    say(f"{HOSTILE}\nsecond line")
    failed = StageReport(cycle_id="c1", stage=Stage.GENERATE, status=CycleStatus.FAILED, error=HOSTILE)
    cycle = Cycle(id="c1", number=1, config={}, trace_id="t", config_path=HOSTILE, status=CycleStatus.FAILED)
    print_summary(CycleSummary(cycle=cycle, reports={Stage.GENERATE: failed}))
    logger = logging.getLogger("camelx")
    before = list(logger.handlers)
    try:
        logger.handlers = []
        show_logs("WARNING")
        logging.getLogger("camelx.room").warning("%s", HOSTILE)
    finally:
        logger.handlers = before
    out, err = capsys.readouterr()
    assert not set("\x1b\x07\u202e\r") & set(out + err)
    assert out.count("\\u{1b}]0;pwned") >= 2
    assert err.count("\\u{1b}]0;pwned") == 2
    assert "request\nsecond line\n" in err


def _raising(error: BaseException) -> Any:
    app = typer.Typer(cls=Commands)

    @app.callback()
    def root() -> None:
        """Root."""

    @app.command()
    def work() -> None:
        """Fail."""
        raise error

    return CliRunner().invoke(app, ["work"])


def test_of_two_cycles_each_tells_its_own_stages(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress():
        for cycle_id in ("c1", "c2"):
            progress.report(progress.Progress(cycle_id, "mutual-rank", 1, 20, "votes"))
            progress.report(progress.Progress(cycle_id, "mutual-rank", 20, 20, "votes"))
    assert capsys.readouterr().err == "mutual-rank: 20 of 20 votes\n" * 2


def test_users_and_tokens_are_listed_to_the_minute_and_in_json_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    settings.cache_clear()
    try:
        CliRunner().invoke(app, ["user", "add", "ada", "--password-stdin"], input="correct horse battery\n")
        CliRunner().invoke(app, ["user", "token", "ada", "--label", "night"])
        listed, tokens, as_json = (
            CliRunner().invoke(app, ["user", *command]).stdout
            for command in (["list"], ["tokens"], ["list", "--json"])
        )
    finally:
        settings.cache_clear()
    for table in (listed, tokens):
        assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d UTC", table)
        assert not re.search(r"\d\d:\d\d:\d\d", table)
    (ada,) = json.loads(as_json)
    assert ada["role"] == "annotator"
    assert datetime.fromisoformat(ada["since"]).tzinfo is not None


def test_ctrl_c_says_how_to_go_on() -> None:
    done = _raising(KeyboardInterrupt())
    assert done.exit_code == 130
    assert "camelx cycle --resume" in done.stderr


def test_a_full_disk_is_named_also_behind_an_error_of_camelx() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    wrapped = StorageError("saving failed")
    wrapped.__cause__ = full
    in_words = RuntimeError("I/O error: No space left on device (os error 28)")
    foreign = TrainingError("saving the adapter failed")
    foreign.__cause__ = in_words
    for error in (full, wrapped, foreign):
        done = _raising(error)
        assert done.exit_code == 8
        assert "the disk is full" in done.stderr


def test_another_operating_system_error_is_not_dressed_up() -> None:
    done = _raising(PermissionError("no"))
    assert isinstance(done.exception, PermissionError)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain, tab\there, é, 日本, ½ × 3, 🎈", "plain, tab\there, é, 日本, ½ × 3, 🎈"),
        ("\x1b[31mred", "\\u{1b}[31mred"),
        ("\x9b31m", "\\u{9b}31m"),
        ("over\rwritten\nline", "over\\u{d}written\\u{a}line"),
        ("\u202egnp.exe", "\\u{202e}gnp.exe"),
        ("a\u200bb\u2028c\U000e0041", "a\\u{200b}b\\u{2028}c\\u{e0041}"),
        ("half \ud83d", "half \\u{d83d}"),
    ],
)
def test_what_would_act_in_a_terminal_is_shown_by_its_code(written: str, shown: str) -> None:
    assert visible(written) == shown
