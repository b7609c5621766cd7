"""All pages in one Gradio app, mounted on the API's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from camelx.ui.look import CSS, HEAD, theme
from camelx.ui.pages import PAGES
from camelx.ui.signed_in import signed_in_line
from camelx.workspace import Workspace

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request


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
    for page in others:
        with blocks.route(page.title, page.path):
            gr.Navbar(main_page_name=first.title)
            signed_in_line(workspace)
            page.build(workspace)

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
    return mounted
