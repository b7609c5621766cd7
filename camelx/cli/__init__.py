"""The `camelx` command: one file per group of commands, no work of its own.

What a command needs is imported when it runs, so that `camelx --help` answers at once. docs/cli.md lists
commands, exit codes and the JSON that scripts can rely on.
"""

from __future__ import annotations

import sys

from dotenv import load_dotenv

from camelx.runtime.offline import turn_off_telemetry
from camelx.runtime.threads import let_waiting_threads_sleep


def main() -> None:
    """Run the command line and exit with its code."""
    # All of .env, for Prefect and the keys of model servers too: `Settings` would take CAMELX_* alone.
    load_dotenv(".env")
    turn_off_telemetry()
    let_waiting_threads_sleep()
    from typer.main import get_command

    from camelx.cli.app import app
    from camelx.cli.failures import write_traceback

    sys.excepthook = write_traceback
    get_command(app)(prog_name="camelx")
