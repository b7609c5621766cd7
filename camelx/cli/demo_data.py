"""`camelx demo-data`: an empty database, filled so that every page has something to show."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from camelx.cli.cycle import Json
from camelx.cli.output import print_json, print_line, shown_progress


def demo_data(
    interactions: Annotated[
        int,
        typer.Option(
            "--interactions", min=0, help="Least number of interactions; what is missing is earlier cycles."
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other problems and verdicts.")] = 0,
    as_json: Json = False,
) -> None:
    """Fill an empty database with two judged cycles and what three people said of them; no model is asked."""
    from camelx.demo_data import fill

    begun = time.perf_counter()
    with shown_progress():
        filled = asdict(fill(interactions, seed=seed))
    if as_json:
        print_json(filled)
        return
    counts = ", ".join(f"{what} {n:,}" for what, n in filled.items())
    print_line(f"{counts}; {time.perf_counter() - begun:.0f} s")
    print_line("look at them with `camelx serve`; nothing of it is trained on")
