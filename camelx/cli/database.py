"""`camelx db`: the database's schema."""

from __future__ import annotations

from typing import Annotated

import typer

from camelx.cli.output import print_line

database_app = typer.Typer(help="Upgrade, downgrade or show the database's schema.", no_args_is_help=True)


@database_app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Revision to reach.")] = "head",
) -> None:
    """Bring the database to the newest schema; makes it if there is none."""
    from camelx.config import settings
    from camelx.storage import upgrade as run_upgrade

    settings().data_dir.mkdir(parents=True, exist_ok=True)
    run_upgrade(settings().resolved_database_url, revision)
    current()


@database_app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help='Revision to go back to, "base" or "-1".')],
) -> None:
    """Take the database back to an older schema. What that schema has no place for is lost."""
    from camelx.config import settings
    from camelx.storage import downgrade as run_downgrade

    run_downgrade(settings().resolved_database_url, revision)
    current()


@database_app.command()
def current() -> None:
    """Show the database and its revision."""
    from camelx.config import settings
    from camelx.storage import database_revision

    url = settings().resolved_database_url
    print_line(f"{without_password(url)}  revision {database_revision(url) or 'none: empty database'}")


def without_password(url: str) -> str:
    """Return the URL with its password hidden."""
    from urllib.parse import urlsplit

    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password else url
