"""All commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from camelx import __version__
from camelx.cli.annotate import annotate
from camelx.cli.audit import explain, replay
from camelx.cli.bench import bench_app, demo_model_app
from camelx.cli.cycle import cycle, cycles, show
from camelx.cli.database import database_app
from camelx.cli.demo_data import demo_data
from camelx.cli.doctor import doctor
from camelx.cli.failures import Commands
from camelx.cli.files import export, import_app, validate
from camelx.cli.models import models, promote, rollback
from camelx.cli.serve import serve
from camelx.cli.up import up
from camelx.cli.users import user_app

app = typer.Typer(
    cls=Commands,
    help="Makes LLM agents better at their own work, on a schedule, and proves it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    traceback: Annotated[
        bool,
        typer.Option("--traceback", envvar="CAMELX_TRACEBACK", help="Show the traceback of every error."),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""
    import os

    if traceback:
        os.environ["CAMELX_TRACEBACK"] = "1"


for command in (
    cycle, cycles, show, annotate, explain, replay, up, serve,
    export, validate, models, promote, rollback, doctor, demo_data,
):  # fmt: skip
    app.command()(command)
app.add_typer(import_app, name="import")
app.add_typer(user_app, name="user")
app.add_typer(database_app, name="db")
app.add_typer(bench_app, name="bench")
app.add_typer(demo_model_app, name="demo-model")
