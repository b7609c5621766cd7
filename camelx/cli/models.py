"""`camelx models`, `camelx promote`, `camelx rollback`: the registered versions and which one is in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camelx.cli.cycle import Json
from camelx.cli.output import print_json, print_line, print_table
from camelx.schemas import AdapterVersion

Name = Annotated[
    str | None, typer.Option("--name", help="Registered model; default: policy.name of --config.")
]
Config = Annotated[Path, typer.Option(help="A cycle.yaml.")]
_CONFIG = Path("configs/cycle.yaml")


def models(name: Name = None, config: Config = _CONFIG, as_json: Json = False) -> None:
    """List the registered versions of the policy, newest first."""
    from camelx.cycles.policies import open_registry

    versions = sorted(open_registry().versions(_name(name, config)), key=lambda v: -v.version)
    if as_json:
        print_json([version.model_dump(mode="json") for version in versions])
        return
    print_table(
        ("version", "aliases", "cycle", "made", "held-out", "points"),
        [_row(version) for version in versions],
    )
    # Below the table, each whole: beside the figures a narrow terminal would clip them all to the same text.
    for version in versions:
        print_line(f"{version.label}  {version.path}")


def promote(
    version: Annotated[int, typer.Argument(help="Version to put in use.")],
    name: Name = None,
    config: Config = _CONFIG,
) -> None:
    """Make a version the champion, whatever the gate said of it."""
    from camelx.cycles.policies import open_registry

    champion = open_registry().promote(_name(name, config), version)
    print_line(f"{champion.label} is the champion; the next cycle starts from it")


def rollback(name: Name = None, config: Config = _CONFIG) -> None:
    """Put the previous champion in use again."""
    from camelx.cycles.policies import open_registry

    champion = open_registry().rollback(_name(name, config))
    print_line(f"{champion.label} is the champion again; the next cycle starts from it")


def _name(name: str | None, config: Path) -> str:
    from camelx.config import load_config

    return name or load_config(config).policy.name


def _row(version: AdapterVersion) -> tuple[str | None, ...]:
    """Return what the table says of a version; "points" are those that it gained on the hold-out."""
    score, gain = (version.metrics.get(f"heldout_{name}") for name in ("challenger", "difference"))
    return (
        version.label,
        ", ".join(version.aliases),
        version.cycle_id,
        version.created_at.astimezone().strftime("%Y-%m-%d %H:%M") if version.created_at else None,
        None if score is None else f"{score:.1%}",
        None if gain is None else f"{100 * gain:+.1f}",
    )
