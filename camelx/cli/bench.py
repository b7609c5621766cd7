"""`camelx bench` and `camelx demo-model`: figures on known data, and the model that ships with camelx."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from camelx.cli.bench_tables import print_ranking_figures
from camelx.cli.cycle import Json
from camelx.cli.output import print_json, print_line, visible

DRAWS, SEEDS = 20, 5
"""So many that all of the known data take about two minutes on one core."""

bench_app = typer.Typer(help="Benchmarks on known data.", no_args_is_help=True)
demo_model_app = typer.Typer(help="The small language model that ships with camelx.", no_args_is_help=True)


@bench_app.callback()
def _bench() -> None:
    """Keep `ranking` a command of its own, though it is the only one."""


@demo_model_app.callback()
def _demo_model() -> None:
    """Keep `build` a command of its own, though it is the only one."""


@bench_app.command()
def ranking(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with the data sets; default: $CAMELX_REAL_DATA or ../shared/data."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help='Data sets to measure, such as "llmbar_dev/Vanilla/*"; repeatable.'),
    ] = None,
    draws: Annotated[
        int, typer.Option(min=0, help="Random draws of 20 labelled items in sets of verdicts; 0: none.")
    ] = DRAWS,
    seeds: Annotated[int, typer.Option(min=0, help="Runs of the buying curve; 0: none.")] = SEEDS,
    as_json: Json = False,
) -> None:
    """Compare every ranker's verdicts with people's, beside what needs no panel of reviewers."""
    from camelx.ranking.benchmark import benchmark_rankings

    folder = data or Path(os.environ.get("CAMELX_REAL_DATA", "../shared/data"))
    figures = benchmark_rankings(folder, draws=draws, seeds=seeds, only=only or (), say=_say)
    if as_json:
        print_json(figures)
    else:
        print_ranking_figures(figures)


def _say(text: str) -> None:
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


@demo_model_app.command()
def build(
    out: Annotated[Path, typer.Option(help="Directory to write.")],
    steps: Annotated[int | None, typer.Option(help="Training steps; default: as shipped.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = 0,
) -> None:
    """Train the demo model from nothing. Takes about half an hour on two cores."""
    from camelx.demo_model.build import BuildSettings
    from camelx.demo_model.build import build as build_model

    settings = replace(BuildSettings(), seed=seed, steps=steps or BuildSettings.steps)
    build_model(out, settings, on_step=_print_step)
    print_line(f"written to {out}; its card is {out / 'README.md'}")


def _print_step(step: int, n_steps: int, loss: float) -> None:
    if step % 50 == 0 or step == n_steps:
        sys.stderr.write(f"step {step:,} of {n_steps:,}, loss {loss:.3f}\n")
