"""Every error as RFC 9457 problem details: for what camelx raises, wrong input, no such path, and the rest.

In: an exception. Out: a response of type application/problem+json that carries the trace id and never a
traceback; or, before a WebSocket was accepted, its refusal.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState

from camelx.errors import (
    AccessError,
    AgentError,
    CamelxError,
    ConfigError,
    ConflictError,
    DataValidationError,
    EvaluationError,
    JudgeParseError,
    NotFoundError,
    OrchestrationError,
    RegistryError,
    StorageError,
    TrainingError,
)
from camelx.schemas import CONTROL_CHARACTERS

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_UNION_MEMBER = re.compile(r"^((constrained|function|str-enum|literal)\b.*|int|str)$")
_NO_SECRETS = frozenset(
    {
        "enum",
        "literal_error",
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "int_from_float",
    }
)
"""Kinds of mistakes in numbers, and in words of which there are few."""
_STATUSES: tuple[tuple[type[CamelxError], int], ...] = (
    (ConfigError, 422),
    (DataValidationError, 422),
    (NotFoundError, 404),
    (ConflictError, 409),
    (OrchestrationError, 409),
    (TrainingError, 409),
    (EvaluationError, 409),
    (AgentError, 502),
    (JudgeParseError, 502),
    (StorageError, 503),
    (RegistryError, 503),
)


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    where: str = Field(examples=["body.rating"])
    what: str = Field(examples=["Input should be less than or equal to 5"])


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:camelx:problem:conflict",
                    "title": "Conflict",
                    "status": 409,
                    "detail": "cycle c7 is completed; only a running one can be cancelled",
                    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                }
            ]
        }
    )

    type: str = Field(description="What kind of problem: urn:camelx:problem:<kind>.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened and what to do.")
    trace_id: str | None = Field(default=None, description="Stands in the log beside what led to it.")
    errors: list[FieldProblem] | None = Field(default=None, description="Each field that is wrong.")


def problem(
    scope: Scope,
    status: int,
    detail: str,
    *,
    errors: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return problem details as a response."""
    title = _phrase(status)
    body = Problem(
        type="urn:camelx:problem:" + title.lower().replace(" ", "-"),
        title=title,
        status=status,
        detail=detail,
        trace_id=scope.get("state", {}).get("trace_id"),
        errors=errors,
    )
    return JSONResponse(
        body.model_dump(exclude_none=True), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def status_of(error: CamelxError) -> int:
    """Return the HTTP status of an error that camelx raised."""
    if isinstance(error, AccessError):
        return 401 if error.is_unknown else 403
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def problem_of(scope: Scope, error: CamelxError) -> JSONResponse:
    """Return the problem details of an error that camelx raised."""
    status = status_of(error)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if status >= 500:
        logger.error("%s: %s", type(error).__name__, error)
    return problem(scope, status, _visible(str(error)), headers=headers)


async def refuse(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Answer a request, or refuse a WebSocket that was not accepted yet, with this response."""
    if scope["type"] != "websocket":
        await response(scope, receive, send)
        return
    websocket = WebSocket(scope, receive, send)
    if "websocket.http.response" in scope.get("extensions", {}):
        await websocket.send_denial_response(response)
        return
    await websocket.close(code=1008, reason=_reason(response))


def add_problem_handlers(app: FastAPI) -> None:
    """Let the app answer every error with problem details."""
    app.exception_handler(CamelxError)(_on_camelx_error)
    app.exception_handler(RequestValidationError)(_on_wrong_input)
    app.exception_handler(ValidationError)(_on_wrong_record)
    app.exception_handler(HTTPException)(_on_http_error)


async def _on_camelx_error(connection: HTTPConnection, error: Exception) -> Response | None:
    assert isinstance(error, CamelxError)
    return await _answer(connection, problem_of(connection.scope, error))


async def _on_wrong_input(connection: HTTPConnection, error: Exception) -> Response | None:
    assert isinstance(error, RequestValidationError)
    return await _answer(connection, _wrong(connection.scope, error.errors()))


async def _on_wrong_record(connection: HTTPConnection, error: Exception) -> Response | None:
    """Answer where a room refused what it was given: its records check themselves."""
    assert isinstance(error, ValidationError)
    return await _answer(connection, _wrong(connection.scope, error.errors()))


async def _on_http_error(connection: HTTPConnection, error: Exception) -> Response | None:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code < 400:
        return await _answer(connection, Response(None, error.status_code, headers))
    details = {404: f"there is nothing at {connection.url.path}", 405: "this path takes other methods"}
    detail = details.get(error.status_code) if _is_plain(error) else None
    said = _visible(detail or str(error.detail))
    return await _answer(connection, problem(connection.scope, error.status_code, said, headers=headers))


def _is_plain(error: HTTPException) -> bool:
    return error.detail == _phrase(error.status_code)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


async def _answer(connection: HTTPConnection, response: Response) -> Response | None:
    """Return the response of a request; a WebSocket is refused or closed here, and None returned."""
    if not isinstance(connection, WebSocket):
        return response
    if connection.application_state is WebSocketState.CONNECTING:
        await refuse(connection.scope, connection.receive, connection.send, response)
    elif connection.application_state is WebSocketState.CONNECTED:
        await connection.close(code=1011 if response.status_code >= 500 else 1008, reason=_reason(response))
    return None


def _wrong(scope: Scope, errors: Iterable[Any]) -> JSONResponse:
    said: dict[str, dict[str, None]] = {}
    for e in errors:
        where, what = _mistake(e)
        said.setdefault(where, {})[_visible(what)] = None
    fields = [FieldProblem(where=where, what=", or: ".join(those)) for where, those in said.items()]
    first = f"{fields[0].where}: {fields[0].what}" if fields else "the request is not what this path takes"
    rest = f"; {len(fields) - 1} more" if len(fields) > 1 else ""
    return problem(scope, 422, first + rest, errors=fields)


def _mistake(error: Mapping[str, Any]) -> tuple[str, str]:
    """Return where, what, and what was got: a number, or what should be one of few words; never a secret."""
    where = ".".join(str(part) for part in error["loc"] if not _UNION_MEMBER.search(str(part))) or "body"
    kind, said, got = error["type"], str(error["msg"]), error.get("input")
    if kind == "json_invalid" and error["loc"]:
        return "body", f"not JSON: {error['ctx']['error']}, at character {error['loc'][-1]}"
    if where == "body" and kind == "model_attributes_type":
        return where, "expected a JSON object, sent with Content-Type: application/json"
    if isinstance(got, int | float | str) and (kind in _NO_SECRETS or kind.endswith("_parsing")):
        said += f", got {got!r:.60}"
    return where, said


def _reason(response: Response) -> str:
    """Return why, in the 123 bytes that a close frame has room for."""
    import json

    said: str = json.loads(bytes(response.body)).get("detail", "") if response.body else ""
    return said.encode()[:120].decode(errors="ignore")


def _visible(text: str) -> str:
    return CONTROL_CHARACTERS.sub("\ufffd", text)
