"""The first page: what there is, and what to do next."""

from __future__ import annotations

from camelx.workspace import Workspace


def build(workspace: Workspace) -> None:
    """Lay out the page."""
    import gradio as gr

    gr.Markdown("# camelx")
