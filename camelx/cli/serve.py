"""`camelx serve`: what a schedule needs, in one terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camelx.cli.output import print_line


def serve(
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = 5000,
    project: Annotated[Path, typer.Option(help="Folder with prefect.yaml.")] = Path(),
) -> None:
    """Run the Prefect server and UI, a worker with the nightly schedule, and the MLflow UI, until Ctrl-C."""
    from camelx.cli.failures import interrupt_on_sigterm
    from camelx.config import settings
    from camelx.orchestration.services import services

    interrupt_on_sigterm()
    print_line("Starting; this takes some seconds ...")
    try:
        with services(settings(), mlflow_port=mlflow_port, project=project.resolve()) as up:
            print_line(f"Prefect   {up.prefect_url}   (runs, schedule, deployment self-improvement/nightly)")
            print_line(f"MLflow    {up.mlflow_url}   (training curves, versions, aliases)")
            print_line(f"Logs      {settings().data_dir / 'prefect'}")
            print_line("Stop with Ctrl-C.")
            up.wait()
    except KeyboardInterrupt:
        print_line("Stopped.")
