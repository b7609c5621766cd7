"""`camelx up`: all of camelx on one machine, in one terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from camelx.cli.output import print_line
from camelx.cli.serve import Host, Port, check_can_serve, set_address


def up(
    host: Host = None,
    port: Port = None,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = 5000,
    project: Annotated[Path, typer.Option(help="Folder with prefect.yaml and configs/.")] = Path(),
) -> None:
    """Run the app, the Prefect server and UI, a worker with the nightly schedule, and the MLflow UI, until
    Ctrl-C."""
    from camelx.cli.failures import interrupt_on_sigterm
    from camelx.config import settings
    from camelx.orchestration.services import services

    set_address(host, port)
    os.environ["CAMELX_PROJECT"] = str(project.resolve())
    check_can_serve()
    interrupt_on_sigterm()
    running: list[str] = []
    print_line("Starting; this takes some seconds ...")
    try:
        with services(settings(), mlflow_port=mlflow_port, project=project.resolve()) as all_up:
            print_line(f"App       {all_up.app_url}   (judge, watch, start and steer cycles)")
            print_line(f"API       {all_up.app_url}/api/docs")
            print_line(
                f"Prefect   {all_up.prefect_url}   (runs, schedule, deployment self-improvement/nightly)"
            )
            print_line(f"MLflow    {all_up.mlflow_url}   (training curves, versions, aliases)")
            print_line(f"Logs      {settings().data_dir / 'app.log'}, {settings().data_dir / 'prefect'}")
            print_line("Start a cycle on the page Cycles, or in another terminal:")
            print_line(
                f"  export PREFECT_API_URL={all_up.prefect_url}/api PREFECT_HOME={os.environ['PREFECT_HOME']}"
            )
            print_line(
                f"  {Path(sys.executable).with_name('prefect')} deployment run self-improvement/nightly"
            )
            print_line("Stop with Ctrl-C.")
            try:
                all_up.wait()
            finally:
                running = _running()
                print_line("Stopping; a cycle that runs is closed first ...")
    except KeyboardInterrupt:
        print_line("Stopped.")
        for cycle_id in set(running) - set(_running()):
            print_line(
                f"Cycle {cycle_id} is unfinished; `camelx cycle --cycle {cycle_id}` goes on with it, nothing "
                "answered is lost."
            )


def _running() -> list[str]:
    """Return the cycles that a process of this machine runs."""
    from camelx.config import is_missing, settings
    from camelx.cycles import open_store
    from camelx.cycles.holding import as_it_stands
    from camelx.schemas import CycleStatus

    if is_missing(settings().resolved_database_url):
        return []
    with open_store() as store:
        return [known.id for known in store.cycles() if as_it_stands(known).status is CycleStatus.RUNNING]
