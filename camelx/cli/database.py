"""`camelx db`: the database's schema."""

from __future__ import annotations

from typing import Annotated

import typer

from camelx.cli.output import print_line

database_app = typer.Typer(help="Upgrade, downgrade or show the database's schema.", no_args_is_help=True)


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
) -> None:
    """Take the database back to an older schema. What that schema has no place for is lost."""
    from camelx.config import settings
    from camelx.storage import downgrade as run_downgrade

    run_downgrade(settings().resolved_database_url, revision)
    current()


@database_app.command()
def current() -> None:
    """Show the database and its revision."""
    from camelx.config import settings, without_password
    from camelx.storage import database_revision

    url = settings().resolved_database_url
    print_line(f"{without_password(url)}  revision {database_revision(url) or 'none: empty database'}")
