"""`camelx models`, `camelx promote`, `camelx rollback`: the registered versions and which one is in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camelx.cli.cycle import Json
from camelx.cli.output import print_json, print_line, print_table

Name = Annotated[
    str | None, typer.Option("--name", help="Registered model; default: policy.name of --config.")
]
Config = Annotated[Path, typer.Option(help="A cycle.yaml.")]
_CONFIG = Path("configs/cycle.yaml")


def models(name: Name = None, config: Config = _CONFIG, as_json: Json = False) -> None:
    """List the registered versions of the policy, newest first."""
    from camelx.policies import open_registry

    versions = sorted(open_registry().versions(_name(name, config)), key=lambda v: -v.version)
    if as_json:
        print_json([version.model_dump(mode="json") for version in versions])
        return
    print_table(
        ("version", "aliases", "cycle", "held-out", "difference", "adapter"),
        [
            (
                v.label,
                ", ".join(v.aliases),
                v.cycle_id,
                _share(v.metrics.get("heldout_challenger")),
                _share(v.metrics.get("heldout_difference")),
                v.path,
            )
            for v in versions
        ],
    )


def promote(
    version: Annotated[int, typer.Argument(help="Version to put in use.")],
    name: Name = None,
    config: Config = _CONFIG,
) -> None:
    """Make a version the champion, whatever the gate said of it."""
    from camelx.policies import open_registry

    champion = open_registry().promote(_name(name, config), version)
    print_line(f"{champion.label} is the champion; the next cycle starts from it")


def rollback(name: Name = None, config: Config = _CONFIG) -> None:
    """Put the previous champion in use again."""
    from camelx.policies import open_registry

    champion = open_registry().rollback(_name(name, config))
    print_line(f"{champion.label} is the champion again; the next cycle starts from it")


def _name(name: str | None, config: Path) -> str:
    from camelx.config import load_config

    return name or load_config(config).policy.name


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"
