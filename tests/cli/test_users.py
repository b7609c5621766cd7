"""`camelx user` as an admin types it, each command in this process against a folder of its own."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from camelx.access import Access
from camelx.cli.app import app
from camelx.config import settings
from camelx.errors import AccessError
from camelx.storage import Store

OLD, NEW = "correct horse battery", "another staple entirely"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    monkeypatch.setenv("CAMELX_SIGN_IN", "on")
    monkeypatch.delenv("CAMELX_TRACEBACK", raising=False)
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def access() -> Any:
    """What the app asks about ada, an admin, and bob, an annotator."""
    add("ada", "admin")
    add("bob", "annotator")
    with Store.open(settings().resolved_database_url) as store:
        yield Access(store, settings())


def user(*arguments: str, typed: str = "") -> Any:
    return CliRunner().invoke(app, ["user", *arguments], input=typed)


def add(name: str, role: str) -> None:
    done = user("add", name, "--role", role, "--password-stdin", typed=f"{OLD}\n")
    assert done.exit_code == 0, done.output


def make_token(name: str) -> tuple[str, str]:
    """The id of a new token and its text."""
    text = user("token", name, "--label", "night build").stdout.strip()
    (made,) = [one for one in json.loads(user("tokens", name, "--json").stdout) if not one["revoked_at"]]
    return made["id"], text


def done_to(access: Access, action: str) -> list[tuple[str, str]]:
    return [(entry.actor, entry.subject) for entry in access.trail(action=action)]


def test_another_password_ends_the_old_one_and_the_sessions_but_no_token(access: Access) -> None:
    session, (_, text) = access.session_of(access.user("bob")), make_token("bob")
    done = user("password", "bob", "--password-stdin", typed=f"{NEW}\n")
    assert (done.exit_code, done.stdout) == (0, "bob has another password now; they have to sign in again.\n")
    assert access.sign_in("bob", NEW).name == "bob"
    for asked in (lambda: access.sign_in("bob", OLD), lambda: access.by_session(session)):
        with pytest.raises(AccessError):
            asked()
    assert access.by_bearer(text).name == "bob"
    assert done_to(access, "user.password") == [("local", "bob")]
    assert NEW not in done.output


def test_a_password_that_is_too_short_changes_nothing(access: Access) -> None:
    done = user("password", "bob", "--password-stdin", typed="short\n")
    assert done.exit_code == 2
    assert "short" not in done.stdout
    assert access.sign_in("bob", OLD).name == "bob"
    assert done_to(access, "user.password") == []


@pytest.mark.parametrize(
    "command", [("password", "eve", "--password-stdin"), ("deactivate", "eve"), ("role", "eve", "admin")]
)
def test_somebody_who_is_not_there_is_named(access: Access, command: tuple[str, ...]) -> None:
    done = user(*command, typed=f"{NEW}\n")
    assert done.exit_code == 2
    assert "eve" in done.stderr
    assert "Traceback" not in done.output


def test_who_was_deactivated_comes_in_by_nothing_until_that_is_undone(access: Access) -> None:
    session, (_, text) = access.session_of(access.user("bob")), make_token("bob")
    done = user("deactivate", "bob")
    assert (done.exit_code, done.stdout) == (0, "bob may not sign in any more.\n")
    ways = (
        lambda: access.sign_in("bob", OLD),
        lambda: access.by_session(session),
        lambda: access.by_bearer(text),
    )
    for way in ways:
        with pytest.raises(AccessError):
            way()
    back = user("deactivate", "bob", "--undo")
    assert (back.exit_code, back.stdout) == (0, "bob may sign in again.\n")
    assert access.sign_in("bob", OLD).name == "bob"
    assert done_to(access, "user.change") == [("local", "bob"), ("local", "bob")]


def test_the_last_admin_stays(access: Access) -> None:
    done = user("deactivate", "ada")
    assert done.exit_code != 0
    assert "admin" in done.stderr
    assert access.sign_in("ada", OLD).is_active


def test_a_revoked_token_is_useless_at_once_and_others_go_on(access: Access) -> None:
    (token_id, text), kept = make_token("bob"), user("token", "ada", "--label", "scraper").stdout.strip()
    assert access.by_bearer(text).name == "bob"
    done = user("revoke", token_id)
    assert (done.exit_code, done.stdout) == (0, f"Token {token_id} is revoked.\n")
    with pytest.raises(AccessError, match="revoked"):
        access.by_bearer(text)
    assert access.by_bearer(kept).name == "ada"
    (listed,) = json.loads(user("tokens", "bob", "--json").stdout)
    assert listed["revoked_at"] is not None
    assert "sha256" not in listed
    assert done_to(access, "token.revoke") == [("local", token_id)]


def test_a_token_that_is_not_there_is_named(access: Access) -> None:
    done = user("revoke", "nosuchtoken")
    assert done.exit_code == 2
    assert "there is no token 'nosuchtoken'" in done.stderr
    assert "Traceback" not in done.output
