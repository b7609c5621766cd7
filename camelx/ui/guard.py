"""Who uses a page, checked inside every handler: Gradio's endpoints can be called without their page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from camelx.access import allow
from camelx.errors import AccessError, CamelxError
from camelx.runtime.tracing import adopt_trace_id
from camelx.schemas import AccessRole, Principal
from camelx.workspace import Workspace

if TYPE_CHECKING:
    import gradio as gr


def guard(workspace: Workspace, request: gr.Request, role: AccessRole) -> Principal:
    """Return who uses the page, where they may do what `role` may.

    Raises:
        gr.Error: They may not, or are not signed in any more; the page shows why.
    """
    adopt_trace_id(_trace_id(request))
    try:
        return allow(workspace.access.by_name(str(request.username)), role)
    except AccessError as e:
        raise shown(e) from e


def _trace_id(request: gr.Request) -> str | None:
    """Return the trace id that the server gave the request; Gradio runs handlers away from it."""
    scope = getattr(getattr(request, "request", None), "scope", None) or {}
    found: str | None = scope.get("state", {}).get("trace_id")
    return found


def warn(said: str) -> None:
    """Show what a user should notice before going on, escaped."""
    import html

    import gradio as gr

    gr.Warning(html.escape(said))


def shown(error: CamelxError) -> gr.Error:
    """Return the error as a page shows it: its words, escaped, and no traceback."""
    import html

    import gradio as gr

    return gr.Error(html.escape(str(error)), print_exception=False)
