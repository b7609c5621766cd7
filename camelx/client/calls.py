"""`Call`: one request of the API and the type of its answer, apart from who sends it and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter

T = TypeVar("T")

_REPEATABLE = frozenset(("GET", "DELETE"))


class View(BaseModel):
    """Base of what the server answers: fields that a newer server adds are kept, and do no harm."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)


class Page(View, Generic[T]):
    """One page of a list; `Client.items` goes through all of them."""

    items: list[T] = Field(validation_alias=AliasChoices("items", "annotations"))
    next_cursor: str | int | None = None
    """Gives the next page; None: this was the last."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request. Sent again, because no answer came, it is the same request: it has the same key."""

    method: str
    path: str
    answer: TypeAdapter[T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    """The Idempotency-Key: with one the server does once what is asked for twice."""
    file: tuple[str, bytes] | None = None
    """A file to upload: its name and content."""

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again though the first may have been done."""
        return self.method in _REPEATABLE or self.key is not None

    def behind(self, cursor: str | int) -> Call[T]:
        """Return the call for the page behind a cursor."""
        return replace(self, query={**self.query, "cursor": cursor})


def get(answer: Any, *path: object, **query: Any) -> Call[Any]:
    """Return the call that reads what is at a path."""
    return Call("GET", _path(path), TypeAdapter(answer), query=_plain(query))


def post(answer: Any, *path: object, body: Any = None, **query: Any) -> Call[Any]:
    """Return the call that creates or does something, once."""
    return Call("POST", _path(path), TypeAdapter(answer), query=_plain(query), body=body, key=uuid4().hex)


def change(method: str, answer: Any, *path: object, body: Any = None, **options: Any) -> Call[Any]:
    """Return the call that changes what is at a path."""
    return Call(method, _path(path), TypeAdapter(answer), body=body, **options)


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def _path(parts: tuple[object, ...]) -> str:
    return "/api/v1/" + "/".join(quote(str(part), safe="") for part in parts)


def _plain(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text(value) for name, value in query.items() if value is not None}


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
