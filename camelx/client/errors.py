"""What a call may end with instead of its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from camelx.errors import CamelxError

_EXCERPT = 200


class ApiError(CamelxError):
    """The server refused: its problem details (RFC 9457).

    Attributes:
        status: The HTTP status, or what the close code of a WebSocket stands for.
        title: The kind of problem in words, such as "Conflict".
        detail: What happened and what to do.
        trace_id: Stands in the server's log beside what led to it.
        problem: All that the server said, such as `current` and `diff` of an edit that came too late.
        retry_after_s: How long the server asks to wait; None: it does not say.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        trace_id: str | None = None,
        problem: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}" + (f" (trace {trace_id})" if trace_id else ""))
        self.status, self.title, self.detail = status, title, detail
        self.trace_id, self.problem, self.retry_after_s = trace_id, dict(problem or {}), retry_after_s


class UnreachableError(CamelxError):
    """No server answered, for as long as it was tried."""


def api_error(status: int, reason: str, body: bytes, headers: Mapping[str, str]) -> ApiError:
    """Return what a refusal says: problem details, or whatever a proxy on the way made of them."""
    problem: dict[str, Any] = {}
    try:
        found = json.loads(body)
        problem = found if isinstance(found, dict) else {}
    except ValueError:
        pass
    wait = headers.get("retry-after", "")
    return ApiError(
        status,
        str(problem.get("title") or reason or "Error"),
        str(problem.get("detail") or body[:_EXCERPT].decode(errors="replace") or "no more was said"),
        trace_id=problem.get("trace_id") or headers.get("x-trace-id"),
        problem=problem,
        retry_after_s=float(wait) if wait.isdecimal() else None,
    )
