"""What every handler of a page begins with."""

from __future__ import annotations

from contextvars import copy_context

import gradio as gr
import pytest
from starlette.requests import Request

from camelx.access import LOCAL
from camelx.config import Settings
from camelx.runtime.tracing import current_trace_id
from camelx.schemas import AccessRole
from camelx.ui.guard import guard
from camelx.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    with Workspace.open(Settings(root=tmp_path, sign_in="on")) as opened:
        opened.access.add_user("vic", AccessRole.VIEWER, "correct horse battery", by=LOCAL)
        yield opened


def test_it_says_why_somebody_is_refused_and_escapes_it(workspace):
    with pytest.raises(gr.Error, match="vic has the role viewer; this takes admin"):
        guard(workspace, gr.Request(username="vic"), AccessRole.ADMIN)
    with pytest.raises(gr.Error, match="sign in first"):
        guard(workspace, gr.Request(username="<b>"), AccessRole.VIEWER)


def test_what_a_handler_does_bears_the_trace_id_of_its_request(workspace):
    scope = {"type": "http", "headers": [], "path": "/", "state": {"trace_id": "t-9"}}

    def handler():
        principal = guard(workspace, gr.Request(Request(scope), username="vic"), AccessRole.VIEWER)
        workspace.access.audit(principal, "x.do", "y")
        return current_trace_id()

    assert copy_context().run(handler) == "t-9"
    assert workspace.access.trail(action="x")[0].trace_id == "t-9"
