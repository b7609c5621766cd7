"""`camelx doctor`: what is installed, what is configured, what can be reached."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from camelx.cli.cycle import Json
from camelx.cli.output import all_on_stderr, print_json, print_table
from camelx.errors import CamelxError

LIBRARIES = (
    "camel-ai",
    "datasets",
    "great-expectations",
    "mlflow",
    "peft",
    "prefect",
    "sqlalchemy",
    "torch",
    "transformers",
    "trl",
)
_LOW_DISK_GB = 2.0


class Finding(NamedTuple):
    """One line of the examination."""

    what: str
    state: Literal["ok", "note", "wrong"]
    detail: str


def doctor(
    config: Annotated[Path, typer.Option(help="A cycle.yaml.")] = Path("configs/cycle.yaml"),
    as_json: Json = False,
) -> None:
    """Examine this installation. Exit code 1 where something is wrong that a cycle needs."""
    with all_on_stderr():
        findings = [*_installed(), *_machine(), *_configured(config), *_reachable(config)]
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        print_table(("what", "state", "detail"), findings)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)


def _installed() -> Iterator[Finding]:
    yield Finding("python", "ok", sys.version.split()[0])
    for name in LIBRARIES:
        try:
            yield Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "wrong", "not installed; run `make cycle` or `pip install -e .`")


def _machine() -> Iterator[Finding]:
    from camelx.config import settings

    root = settings().root.resolve()
    root = next(folder for folder in (root, *root.parents) if folder.exists())
    free_gb = shutil.disk_usage(root).free / 1e9
    yield Finding("disk", "ok" if free_gb > _LOW_DISK_GB else "wrong", f"{free_gb:.1f} GB free at {root}")
    yield _folders()
    threads = os.environ.get("OMP_NUM_THREADS", "not set: PyTorch takes all cores")
    yield Finding("cores", "ok", f"{os.cpu_count()}; OMP_NUM_THREADS {threads}")
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        yield Finding(
            "bytecode", "note", "PYTHONDONTWRITEBYTECODE is set: every start compiles all libraries"
        )


def _folders() -> Finding:
    from camelx.config import settings

    places = [settings().data_dir, settings().adapters_dir, settings().mlruns_dir]
    if home := os.environ.get("PREFECT_HOME"):
        places.append(Path(home))
    there = {place: next(p for p in (place, *place.parents) if p.exists()) for place in places}
    closed = [str(place) for place, above in there.items() if not os.access(above, os.W_OK | os.X_OK)]
    if closed:
        return Finding(
            "folders", "wrong", f"can't be written: {', '.join(closed)}; CAMELX_ROOT names another place"
        )
    return Finding(
        "folders", "ok", f"data, adapters and mlruns can be written in {settings().root.resolve()}"
    )


def _configured(config: Path) -> Iterator[Finding]:
    def agents() -> str:
        from camelx.config import load_config

        run = load_config(config)
        names = ", ".join(f"{a.count} {a.role} on {a.backend}" for a in run.agents.agents)
        return f"{config}: policy {run.policy.base}, {run.goals.n} goals a cycle; {names}"

    yield _checked("config", agents)


def _reachable(config: Path) -> Iterator[Finding]:
    yield _checked("database", _database)
    yield _checked("model registry", lambda: _registry(config))
    yield _checked("model backends", lambda: _backends(config))
    yield _prefect()


def _checked(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", check())
    except CamelxError as e:
        return Finding(what, "wrong", str(e))


def _database() -> str:
    from camelx.config import is_missing, settings, without_password
    from camelx.storage import database_revision

    url = settings().resolved_database_url
    if is_missing(url):
        return f"{url}: not there yet, the first cycle makes it"
    return f"{without_password(url)}: revision {database_revision(url)}"


def _registry(config: Path) -> str:
    from camelx.config import is_missing, load_config, settings, without_password
    from camelx.cycles.policies import open_registry

    uri, name = settings().resolved_mlflow_uri, load_config(config).policy.name
    if is_missing(uri):
        return f"{uri}: not there yet, the first cycle makes it"
    champion = open_registry().champion(name)
    return f"{without_password(uri)}: champion {champion.label if champion else 'none yet'}"


def _backends(config: Path) -> str:
    from camelx.agents import check_team
    from camelx.config import load_config
    from camelx.cycles.policies import policy_of

    run = load_config(config)
    check_team(run.agents, policy_of(run, None))
    return ", ".join(f"{name} ({backend.kind})" for name, backend in run.agents.backends.items())


def _prefect() -> Finding:
    from camelx.config import settings
    from camelx.orchestration.server import answers, api_url, foreign_home, is_free

    named = os.environ.get("PREFECT_API_URL")
    url = named or api_url(settings().prefect_port)
    if answers(url):
        home = None if named else foreign_home(url, settings())
        if home is not None:
            return Finding("prefect server", "note", f"answers at {url}, but keeps its runs in {home}")
        return Finding("prefect server", "ok", f"answers at {url}")
    if named:
        return Finding("prefect server", "wrong", f"nothing answers at PREFECT_API_URL={named}")
    port = settings().prefect_port
    taken = "" if is_free(port) else f"; port {port} is taken, so on a free port"
    return Finding("prefect server", "ok", f"none runs; a cycle starts its own{taken}")
