"""Calls on agents files: read, check, save under the version that the edit is based on, restore."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from camelx.client.calls import Call, View, change, get, post

FILE = "agents.yaml"


class Mistake(View):
    """One thing that is wrong in a text."""

    line: int
    key: str
    message: str


class AgentsVersion(View):
    """One state of a file, without its text."""

    number: int
    etag: str
    origin: str
    author: str
    note: str
    at: datetime


class AgentsFile(View):
    """A file as it is now."""

    file: str
    etag: str
    """To be given to `save`."""
    text: str
    mistakes: list[Mistake]
    version: AgentsVersion | None


class VersionText(AgentsVersion):
    """One state of a file, with its text."""

    text: str
    diff: str
    """From this version to the file as it is now."""


class Checked(View):
    """What is wrong with a text, and what it would change."""

    mistakes: list[Mistake]
    diff: str


def read(file: str = FILE) -> Call[AgentsFile]:
    """Return the file as it is now."""
    return get(AgentsFile, "agents", file=file)


def check(text: str, file: str = FILE) -> Call[Checked]:
    """Return what is wrong with a text; nothing is saved."""
    return post(Checked, "agents", "validate", body={"text": text}, file=file)


def save(text: str, *, based_on: str, note: str = "", file: str = FILE) -> Call[AgentsFile]:
    """Save a text.

    Where somebody else has saved since, the server refuses with status 412; `ApiError.problem` holds their
    text (`current`), its `etag` and the `diff`. The call is not sent again by itself: an answer that was lost
    would look like somebody else's change.

    Args:
        text: The whole file.
        based_on: The etag of the state that was edited.
        note: What the change is for.
        file: Which file.
    """
    body, headers = {"text": text, "note": note}, {"If-Match": f'"{based_on}"'}
    return change("PUT", AgentsFile, "agents", body=body, headers=headers, query={"file": file})


def versions(file: str = FILE) -> Call[list[AgentsVersion]]:
    """Return the states that the file was in, newest first."""
    return get(list[AgentsVersion], "agents", "versions", file=file)


def version(number: int, file: str = FILE) -> Call[VersionText]:
    """Return one of them with its text."""
    return get(VersionText, "agents", "versions", number, file=file)


def restore(number: int, *, based_on: str, file: str = FILE) -> Call[AgentsFile]:
    """Write an earlier text again, as a new version."""
    call: Call[Any] = post(AgentsFile, "agents", "versions", number, "restore", file=file)
    return replace(call, headers={"If-Match": f'"{based_on}"'})
