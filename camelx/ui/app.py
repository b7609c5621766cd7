"""All pages in one Gradio app, mounted on the API's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from camelx.access import LOCAL
from camelx.ui.look import CSS, HEAD, theme
from camelx.ui.pages import PAGES
from camelx.workspace import Workspace

if TYPE_CHECKING:
    from fastapi import FastAPI


def mount_pages(app: FastAPI, workspace: Workspace) -> FastAPI:
    """Return the app with every page of `PAGES` on it, each at its own path."""
    import gradio as gr

    first, *others = PAGES
    with gr.Blocks(title="camelx", analytics_enabled=False) as blocks:
        first.build(workspace)
    for page in others:
        with blocks.route(page.title, page.path):
            page.build(workspace)

    def who(request: Request) -> str | None:
        return LOCAL.name

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
    )
    return mounted
