"""The trace id of what is being done: one request, one command, one cycle. It goes into logs and rows.

Set by whoever begins something (the server for each request, a cycle for itself), read by whoever writes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str | None] = ContextVar("camelx_trace_id", default=None)
_TRACE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def new_trace_id() -> str:
    """Return a new trace id, in the form that W3C's traceparent has: 32 hex digits."""
    return secrets.token_hex(16)


def current_trace_id() -> str | None:
    """Return the trace id of what is being done here; None: nothing began one."""
    return _current.get()


@contextmanager
def traced(trace_id: str) -> Iterator[str]:
    """Make this the trace id of all that is done inside the block."""
    token = _current.set(trace_id)
    try:
        yield trace_id
    finally:
        _current.reset(token)


def adopt_trace_id(trace_id: str | None) -> None:
    """Make this the trace id of the rest of this task or thread: one that a framework started for us."""
    if trace_id is not None:
        _current.set(trace_id)


def trace_id_of(x_trace_id: str | None, traceparent: str | None) -> str:
    """Return the trace id that a caller sent, or a new one where it sent none that is well formed.

    Args:
        x_trace_id: Header X-Trace-ID: up to 64 letters, digits and _.:-
        traceparent: W3C's header; its trace id of zeros alone counts as none.
    """
    if x_trace_id and _TRACE_ID.fullmatch(x_trace_id):
        return x_trace_id
    parent = _TRACEPARENT.fullmatch(traceparent or "")
    if parent and set(parent[1]) != {"0"}:
        return parent[1]
    return new_trace_id()
