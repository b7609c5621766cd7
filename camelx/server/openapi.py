"""What the OpenAPI document says beyond the routes: what problems one may answer, and the key for once only.

In: the app with all its routes. Out: its `openapi()`, which clients are generated and tests are made from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from camelx.server.problems import MEDIA_TYPE, Problem

DESCRIPTION = (
    "Errors are problem details (RFC 9457). Programs send `Authorization: Bearer` with an API token or with "
    "the token that POST /api/v1/auth/token gives. A POST that creates takes an `Idempotency-Key`: sent "
    "again with the same body it is answered the same and creates nothing. Every answer names its X-Trace-ID."
)
_METHODS = ("get", "put", "post", "delete", "patch")
_SAID = {
    "400": "The request can't be read.",
    "401": "Nobody is signed in.",
    "403": "The role does not allow it, or another origin's page sent it.",
    "404": "There is no such thing.",
    "409": "Somebody else changed it, holds it, or it is in a state that does not allow this.",
    "413": "The body is too long.",
    "422": "The request is not what this path takes.",
    "429": "Too many requests; Retry-After says when to come again.",
    "503": "The database or the registry can't be reached.",
}
_ALWAYS = ("401", "403", "404", "422", "429", "503")
_WITH_BODY = ("400", "409", "413")
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body creates once, and is answered the same for a day.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
    "example": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
}


def add_openapi(app: FastAPI) -> None:
    """Let the app's document name each route's problems, and what makes a POST happen once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    made = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= made.pop("$defs", {})
    schemas["Problem"] = made
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for method, operation in _operations(document):
        _complete(method, operation)
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in document["paths"].values():
        for method in _METHODS:
            if method in item:
                yield method, item[method]


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Add the problems that the way to the route can end in, and what it takes to get there."""
    answers = operation["responses"]
    wanted = [*_ALWAYS, *(() if method == "get" else _WITH_BODY)]
    for status in wanted:
        given = answers.setdefault(status, {"description": _SAID[status]})
        if status == "422" or "content" not in given:
            given["description"] = _SAID[status] if status == "422" else given["description"]
            given["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, given in answers.items():
        if status.startswith(("4", "5")) and "content" not in given:
            given["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if method == "post" and "security" in operation:
        operation.setdefault("parameters", []).append(_KEY)
