"""`camelx db`: the database's schema, its backups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camelx.cli.cycle import Json
from camelx.cli.failures import say
from camelx.cli.output import print_json, print_line
from camelx.errors import StorageError

if TYPE_CHECKING:
    from camelx.storage import Manifest

database_app = typer.Typer(
    help="Upgrade, downgrade or show the database's schema; back it up and restore it.", no_args_is_help=True
)


@database_app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Revision to reach.")] = "head",
    prefect: Annotated[
        bool,
        typer.Option("--prefect", help="Prepare the database of camelx's own Prefect server too."),
    ] = False,
) -> None:
    """Bring the database to the newest schema; makes it if there is none."""
    from camelx.config import settings
    from camelx.storage import upgrade as run_upgrade

    run_upgrade(settings().resolved_database_url, revision)
    current()
    if prefect:
        from camelx.orchestration.server import upgrade_server_database

        print_line(f"{upgrade_server_database(settings())}  ready for the Prefect server")


@database_app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help='Revision to go back to, such as 0001, or "base".')],
    lose: Annotated[
        bool, typer.Option("--lose", help="Go on although the database holds rows, which may be lost.")
    ] = False,
) -> None:
    """Take the database back to an older schema. What that schema has no place for is lost."""
    from camelx.config import settings, without_password
    from camelx.storage import downgrade as run_downgrade
    from camelx.storage import n_rows_in

    url = settings().resolved_database_url
    if not lose and (n := n_rows_in(url)):
        raise StorageError(
            f"database {without_password(url)} holds {n:,} rows, and schema {revision} may have no place for "
            "them; save them with `camelx db backup FILE`, then add --lose"
        )
    run_downgrade(url, revision)
    current()


@database_app.command()
def current() -> None:
    """Show the database and its revision."""
    from camelx.config import settings, without_password
    from camelx.storage import database_revision

    url = settings().resolved_database_url
    print_line(f"{without_password(url)}  revision {database_revision(url) or 'none: empty database'}")


@database_app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write; it must not be there yet.")],
    as_json: Json = False,
) -> None:
    """Save all that the database holds in one file, while others may go on working with it.

    Files of cycles, adapters and the MLflow registry lie in data/, adapters/ and mlruns/: copy them too.
    """
    from camelx.config import is_missing, settings, without_password
    from camelx.storage import backup as run_backup

    url = settings().resolved_database_url
    if is_missing(url):
        raise StorageError(f"{without_password(url)} does not exist: nothing to save")
    _print_saved(run_backup(url, file, on_progress=_say_rows), f"{file}  holds", as_json)


@database_app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="File that `camelx db backup` wrote, from any database.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of what the database holds now.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fill the database from a backup, whole or not at all; SQLite and PostgreSQL take each other's."""
    from camelx.config import settings, without_password
    from camelx.storage import restore as run_restore

    url = settings().resolved_database_url
    done = run_restore(url, file, replace=replace, on_progress=_say_rows)
    _print_saved(done, f"{without_password(url)}  has", as_json)


def _say_rows(table: str, n: int) -> None:
    if n:
        say(f"{table}: {n:,} rows")


def _print_saved(manifest: Manifest, what: str, as_json: bool) -> None:
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    print_line(
        f"{what} {manifest.n_rows:,} rows as of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC, schema revision "
        f"{manifest.revision}"
    )
