"""An app with sign-in and a user of each role, and the clients that speak for them."""

from __future__ import annotations

from contextlib import contextmanager

from starlette.testclient import TestClient

from camelx.access import LOCAL
from camelx.config import Settings
from camelx.schemas import AccessRole
from camelx.server import create_app
from camelx.workspace import Workspace

PASSWORD = "correct horse battery"
HOST = "http://localhost"


@contextmanager
def served(root, *, pages=False, **settings):
    """The app and its workspace; users are named like their roles."""
    known = Settings(root=root, **{"sign_in": "on", **settings})
    with Workspace.open(known) as workspace:
        for role in AccessRole:
            workspace.access.add_user(role.value, role, PASSWORD, by=LOCAL)
        yield create_app(workspace, pages=pages)


def client_of(app, name=None, **options):
    """A client that sends the token of a user, or none."""
    client = TestClient(app, base_url=HOST, follow_redirects=False, **options)
    if name is not None:
        access = app.state.workspace.access
        client.headers["Authorization"] = f"Bearer {access.jwt_of(access.user(name))[0]}"
    return client


def browser_of(app, name, **options):
    """A client that carries a session's cookie, as a browser does."""
    client = TestClient(app, base_url=HOST, follow_redirects=False, **options)
    access = app.state.workspace.access
    client.cookies.set("camelx_session", access.session_of(access.user(name)))
    return client
