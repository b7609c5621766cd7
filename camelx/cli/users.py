"""`camelx user`: who may sign in, tokens for programs, and who changed what.

A password is asked for, or read from stdin; it is never an argument, which other users of the machine see.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic_core import to_jsonable_python

from camelx.cli.output import print_json, print_line, print_table
from camelx.schemas import AccessRole

if TYPE_CHECKING:
    from camelx.access import Access

user_app = typer.Typer(
    help="Add, list and change users; tokens for programs; who changed what.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="The user's name.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@user_app.command()
def add(
    name: Name,
    role: Annotated[AccessRole, typer.Option(help="What they may do.")] = AccessRole.ANNOTATOR,
    password_stdin: FromStdin = False,
) -> None:
    """Add somebody who may sign in; the first admin is made so too."""
    from camelx.access import LOCAL

    with _access() as access:
        user = access.add_user(name, role, _password(from_stdin=password_stdin), by=LOCAL)
    print_line(f"{user.name} may sign in, as {user.role}.")


@user_app.command(name="list")
def list_users(as_json: AsJson = False) -> None:
    """Show all users."""
    with _access() as access:
        rows = [
            {"name": u.name, "role": u.role, "active": u.is_active, "since": u.created_at}
            for u in access.users()
        ]
    _print(rows, ("name", "role", "active", "since"), as_json=as_json)


@user_app.command()
def role(name: Name, role: Annotated[AccessRole, typer.Argument(help="What they may do now.")]) -> None:
    """Give a user another role; their sessions end."""
    from camelx.access import LOCAL

    with _access() as access:
        user = access.change_user(name, role=role, by=LOCAL)
    print_line(f"{user.name} is {user.role} now; they have to sign in again.")


@user_app.command()
def password(name: Name, password_stdin: FromStdin = False) -> None:
    """Give a user another password; their sessions end, their tokens stay."""
    from camelx.access import LOCAL

    with _access() as access:
        access.user(name)
        access.set_password(name, _password(from_stdin=password_stdin), by=LOCAL)
    print_line(f"{name} has another password now; they have to sign in again.")


@user_app.command()
def deactivate(
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Let them in again.")] = False,
) -> None:
    """Let a user in no more: their sessions and tokens end at once."""
    from camelx.access import LOCAL

    with _access() as access:
        access.change_user(name, is_active=undo, by=LOCAL)
    print_line(f"{name} may sign in again." if undo else f"{name} may not sign in any more.")


@user_app.command()
def token(
    name: Name,
    label: Annotated[str, typer.Option(help="What it is for.")],
    role: Annotated[AccessRole | None, typer.Option(help="At most the user's own, the default.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How long it is good for.")] = 90,
) -> None:
    """Make a token for a program and print it, this once."""
    from camelx.access import LOCAL

    with _access() as access:
        made, text = access.make_token(name, label, role, timedelta(days=days), by=LOCAL)
    typer.echo(f"Token {made.id} of {name}, {made.role}, until {made.expires_at:%Y-%m-%d}:", err=True)
    print_line(text)


@user_app.command()
def tokens(
    name: Annotated[str | None, typer.Argument(help="Whose; none: everybody's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show tokens, without their text."""
    with _access() as access:
        rows = [token.model_dump(exclude={"sha256"}) for token in access.tokens.list(name)]
    _print(rows, ("id", "user_name", "label", "role", "expires_at", "last_used_at", "revoked_at"), as_json)


@user_app.command()
def revoke(token_id: Annotated[str, typer.Argument(help="The token's id, as `tokens` shows it.")]) -> None:
    """Make a token useless from now on."""
    from camelx.access import LOCAL

    with _access() as access:
        access.revoke_token(token_id, by=LOCAL)
    print_line(f"Token {token_id} is revoked.")


@user_app.command()
def trail(
    actor: Annotated[str | None, typer.Option(help="Who did it.")] = None,
    action: Annotated[str | None, typer.Option(help='What was done; "model" finds "model.promote".')] = None,
    subject: Annotated[str | None, typer.Option(help="What it was done to.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who changed what, newest first."""
    with _access() as access:
        found = access.trail(actor=actor, action=action, subject=subject, limit=limit)
    rows = [entry.model_dump() for entry in found]
    _print(rows, ("at", "actor", "action", "subject", "details"), as_json=as_json)


@contextmanager
def _access() -> Iterator[Access]:
    """Open the database that the app uses."""
    from camelx.access import Access
    from camelx.config import settings
    from camelx.storage import Store

    with Store.open(settings().resolved_database_url) as store:
        yield Access(store, settings())


def _password(*, from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return typed


def _print(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        print_json(to_jsonable_python(rows))
    else:
        print_table(columns, [[_cell(row[column]) for column in columns] for row in rows])


def _cell(value: Any) -> Any:
    """Return the value as a table shows it: a moment to the minute."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else value
