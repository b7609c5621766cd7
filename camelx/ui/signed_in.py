"""The line above every page that says who is signed in, and signs out."""

from __future__ import annotations

import gradio as gr

from camelx.pages import Markup, escaped
from camelx.schemas import AccessRole, Principal
from camelx.ui.guard import guard
from camelx.workspace import Workspace


def signed_in_line(workspace: Workspace) -> None:
    """Lay out the line, at the top of a page; without sign-in there is none."""
    if not workspace.access.is_required:
        return

    def show(request: gr.Request) -> str:
        return line_of(guard(workspace, request, AccessRole.VIEWER))

    line = gr.HTML(elem_id="cx-signed-in", container=False, padding=False)
    gr.on(None, show, None, line, show_progress="hidden", api_visibility="private", queue=False)


def line_of(principal: Principal) -> Markup:
    """Return the line as HTML."""
    return Markup(
        '<form class="cx-signed-in" method="post" action="/sign-out">'
        f"<span>{escaped(principal.name)} ({escaped(principal.role)})</span> <button>Sign out</button></form>"
    )
