"""All pages in one Gradio app, mounted on the API's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from camelx.pages import Markup, page, tag
from camelx.ui.look import CSS, HEAD, theme
from camelx.ui.pages import PAGES
from camelx.ui.signed_in import signed_in_line
from camelx.workspace import Workspace

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response


_AT_ONCE = 32
"""Calls of one handler that may be under way."""

Who = Callable[["Request"], Awaitable[str | None]]
"""Returns the name of whoever sent a request; None: nobody is signed in."""


def mount_pages(app: FastAPI, workspace: Workspace, who: Who) -> FastAPI:
    """Return the app with every page of `PAGES` on it, each at its own path."""
    import gradio as gr

    first, *others = PAGES
    with gr.Blocks(title="camelx", analytics_enabled=False) as blocks:
        gr.Navbar(main_page_name=first.title)
        signed_in_line(workspace)
        first.build(workspace)
    for one in others:
        with blocks.route(one.title, one.path):
            gr.Navbar(main_page_name=first.title)
            signed_in_line(workspace)
            one.build(workspace)
    # By default one person at a time would get an answer of a handler.
    blocks.queue(default_concurrency_limit=_AT_ONCE)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        blocks,
        path="",
        auth_dependency=who,
        css=CSS,
        head=HEAD,
        theme=theme(),
        footer_links=[],
        show_error=True,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        max_file_size=int(workspace.settings.max_upload_mb * 2**20),
    )
    _answer_wrong_addresses(mounted)
    return mounted


def _answer_wrong_addresses(app: FastAPI) -> None:
    """Let a browser that asks for a page that there is not see one that leads on, and no JSON."""
    from fastapi import FastAPI
    from fastapi.exception_handlers import http_exception_handler
    from starlette.exceptions import HTTPException
    from starlette.responses import HTMLResponse
    from starlette.routing import Mount

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code != 404 or "text/html" not in request.headers.get("accept", ""):
            return await http_exception_handler(request, error)
        return HTMLResponse(no_such_page(request.url.path), 404)

    pages = next(one.app for one in reversed(app.routes) if isinstance(one, Mount))
    assert isinstance(pages, FastAPI)
    pages.add_exception_handler(HTTPException, answer)


def no_such_page(path: str) -> str:
    """Return the page that stands where there is none: what was asked for, and all there is."""
    links = (tag("li", Markup(f'<a href="{one.path}">{one.title}</a>')) for one in PAGES)
    said = tag("p", f"There is no page {path}. These there are:")
    return page("Not found", tag("h1", "Not found") + said + tag("ul", *links))
