"""The app, put together."""

from __future__ import annotations

from fastapi import FastAPI

from camelx import __version__
from camelx.server.routes import ROUTERS
from camelx.ui import mount_pages
from camelx.workspace import Workspace


def create_app(workspace: Workspace, *, pages: bool = True) -> FastAPI:
    """Return the app on an open workspace, which stays the caller's to close.

    Args:
        workspace: What it serves.
        pages: False: the API alone, which starts in less time.
    """
    app = FastAPI(
        title="camelx", version=__version__, docs_url="/api/docs", openapi_url="/api/v1/openapi.json"
    )
    app.state.workspace = workspace
    for router in ROUTERS:
        app.include_router(router)
    return mount_pages(app, workspace) if pages else app
