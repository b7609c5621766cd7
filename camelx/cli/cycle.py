"""`camelx cycle`, `camelx cycles` and `camelx show`: run a cycle, list them, look at one."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camelx.cli.failures import interrupt_on_sigterm, say
from camelx.cli.output import (
    ProgressView,
    all_on_stderr,
    hush_libraries,
    page_console,
    print_json,
    print_steps,
    print_table,
    program,
    show_logs,
    shown_progress,
    visible,
    visible_lines,
)
from camelx.errors import ConfigError, OrchestrationError
from camelx.schemas import CycleStatus, Stage

if TYPE_CHECKING:
    from camelx.config import RunConfig
    from camelx.cycles.summary import CycleSummary

FLOW = "flows.self_improvement.self_improvement"
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the config; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, nothing else, on stdout.")]


def cycle(
    config: Annotated[Path, typer.Option(help="A cycle.yaml, for a new cycle.")] = Path("configs/cycle.yaml"),
    from_stage: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STAGE",
            help=f"Run this stage of a cycle and all later ones: {', '.join(Stage)}.",
        ),
    ] = None,
    cycle_id: Annotated[
        str | None, typer.Option("--cycle", metavar="ID", help="Go on with this cycle.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with the latest begun, unfinished cycle.")] = False,
    goals: Annotated[int | None, typer.Option(help="Short for --set goals.n=N.")] = None,
    seed: Annotated[int | None, typer.Option(help="Short for --set seed=N.")] = None,
    set_: Set = None,
    queued: Annotated[
        bool, typer.Option(hidden=True, help="With --cycle: only if it still waits in the queue.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run one self-improvement cycle, or what is left of one."""
    from camelx.config import parsed_overrides

    short = {"goals.n": goals, "seed": seed}
    overrides = parsed_overrides(set_) | {key: n for key, n in short.items() if n is not None} or None
    parameters = {
        "config": str(config),
        "cycle_id": cycle_id,
        "from_stage": from_stage,
        "resume": resume,
        "overrides": overrides,
        "queued_only": queued,
    }
    if cycle_id is None and not resume and from_stage is None:
        _check_config(config, overrides)
    else:
        _check_options(overrides, cycle_id, resume, from_stage)
    view: ProgressView | None = None
    try:
        with all_on_stderr() if as_json else nullcontext(), shown_progress() as view:
            _run(parameters)
    finally:
        # However the cycle ended, Ctrl-C included: what it did so far is worth its page.
        if view is not None and view.cycle_id is not None:
            show(view.cycle_id, as_json)
    if view.cycle_id is None:
        raise OrchestrationError("the flow ended without a cycle; see its run in the Prefect UI")


def cycles(as_json: Json = False) -> None:
    """List the cycles, newest first."""
    from camelx.config import is_missing, settings
    from camelx.cycles import open_store
    from camelx.cycles.summary import cycle_summary

    summaries: list[CycleSummary] = []
    if is_missing(settings().resolved_database_url):
        say(f"there is no {settings().resolved_database_url}; CAMELX_ROOT names another folder")
    else:
        with open_store() as store:
            summaries = [cycle_summary(known.id) for known in reversed(store.cycles())]
    if as_json:
        print_json([summary.as_json() for summary in summaries])
        return
    print_table(
        ("cycle", "status", "started", "seconds", "pairs", "champion", "challenger", "promoted"),
        [_row(summary) for summary in summaries],
    )


def show(cycle_id: Annotated[str, typer.Argument(metavar="CYCLE")], as_json: Json = False) -> None:
    """Show one cycle's page."""
    from camelx.config import is_missing, settings
    from camelx.cycles.summary import cycle_summary

    if is_missing(url := settings().resolved_database_url):
        raise ConfigError(f"no cycle {cycle_id!r}: there is no {url}; CAMELX_ROOT names another folder")
    summary = cycle_summary(cycle_id)
    print_json(summary.as_json()) if as_json else print_summary(summary)


def print_summary(summary: CycleSummary) -> None:
    """Write a cycle's page, with what can be done next, to stdout."""
    from rich.table import Table
    from rich.text import Text

    from camelx.cycles.summary import next_steps

    console = page_console()
    console.print(Text(f"Cycle {summary.cycle.id}: {summary.cycle.status}", style="bold"))
    for title, rows in summary.sections():
        if rows:
            table = Table(box=None, show_header=False, pad_edge=False)
            table.add_column(min_width=18, no_wrap=True)
            table.add_column(overflow="fold")
            for what, value in rows:
                table.add_row(Text(f"  {visible(what)}"), Text(visible_lines(value)))
            console.print(Text(f"\n{title}", style="bold cyan"))
            console.print(table)
    console.print(Text("\nNext", style="bold cyan"))
    print_steps(next_steps(summary, camelx=program()), console)


def _run(parameters: dict[str, Any]) -> None:
    """Run the flow in this process."""
    from camelx.config import settings
    from camelx.orchestration.server import foreign_home, prefect_server, warm_up

    started = _process_start()
    is_named = "PREFECT_API_URL" in os.environ
    interrupt_on_sigterm()
    sys.path.insert(0, str(Path.cwd()))
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "camelx")
    if os.environ.get("CAMELX_TRACEBACK") != "1":
        # Prefect prints a traceback for every failed run; its UI keeps it, a terminal need not show it.
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    hush_libraries()
    with prefect_server(settings()) as server:
        warm_up(server)
        show_logs("WARNING" if sys.stderr.isatty() else settings().log_level)
        say(f"the Prefect UI is at {server.ui_url} while this runs")
        if server.process is None and not is_named and (home := foreign_home(server.api_url, settings())):
            say(f"that server keeps its runs in {home}; another CAMELX_PREFECT_PORT gives this project one")
        from camelx.orchestration.runs import run_flow

        run_flow(FLOW, parameters, server, started=started)


def _check_config(config: Path, overrides: dict[str, Any] | None) -> None:
    """Say what is wrong with the config before anything starts, and let a hub model be asked for."""
    from camelx.config import load_config

    run = load_config(config, overrides)
    _let_hub_answer(run)
    kinds = {run.agents.backends[agent.backend].kind for agent in run.agents.agents}
    if kinds & {"openai", "camel"}:
        # Opening the cycle asks again, but only once a Prefect server has come up.
        from camelx.agents import check_team
        from camelx.cycles.policies import policy_of

        check_team(run.agents, policy_of(run, None))


def _let_hub_answer(run: RunConfig) -> None:
    """Let a hub model be asked for where the config names one."""
    from camelx.runtime.offline import let_hub_answer

    named = {run.policy.base, *(b.model for b in run.agents.backends.values() if b.kind == "transformers")}
    if any(not Path(name).is_dir() for name in named - {"demo", "policy"}):
        let_hub_answer()


def _check_options(
    overrides: dict[str, Any] | None, cycle_id: str | None, resume: bool, from_stage: str | None
) -> None:
    """Say what can't be done before a server is started for it."""
    from camelx.config import is_missing, parse_config, settings
    from camelx.cycles import open_store
    from camelx.cycles.opening import check_options

    check_options(overrides, cycle_id, resume, from_stage)
    if cycle_id is not None and not is_missing(settings().resolved_database_url):
        with open_store() as store:
            known = store.cycle(cycle_id)
        if known.status is CycleStatus.QUEUED:
            _let_hub_answer(parse_config(known.config))


def _process_start() -> datetime:
    import psutil

    return datetime.fromtimestamp(psutil.Process().create_time(), UTC)


def _row(summary: CycleSummary) -> tuple[Any, ...]:
    facts, held = summary.as_json(), summary.heldout
    return (
        summary.cycle.id,
        summary.cycle.status,
        summary.cycle.started_at.astimezone().strftime("%Y-%m-%d %H:%M"),
        f"{summary.seconds:.0f}",
        facts["n_pairs"],
        f"{held['champion']:.1%}" if held else None,
        f"{held['challenger']:.1%}" if held else None,
        "yes" if facts["promoted"] else "no",
    )
