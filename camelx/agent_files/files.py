"""`AgentFiles`: agents files in the configs folder, saved by one person at a time, every state of them kept.

The file is what cycles read; the database keeps its history. A file that something else wrote, such as an
editor, is noticed at the next look and becomes a version of its own. Whoever saves says what their edit was
based on; if file or history have moved on, nothing is written and both texts are shown.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from camelx.agent_files.comparing import unified_diff
from camelx.agent_files.guarding import check_savable
from camelx.config import Mistake, Settings, agents_mistakes, masked, secret_lines
from camelx.errors import ConflictError, NotFoundError, StorageError, boundary
from camelx.files import replacing
from camelx.schemas import AgentVersion
from camelx.storage import Store

DEFAULT_FILE = "agents.yaml"
NO_FILE = "0-none"
"""What an edit is based on where there is no file yet."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.ya?ml")
_SECTION_OF_AGENTS = re.compile(
    r"(?m)^(agents|backends)[ \t]*:[ \t]*(#.*)?\r?$|^(agents|backends)[ \t]*:[ \t]*[\[{]"
)
_LOCK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class AgentsText:
    """An agents file as it is now."""

    file: str
    text: str
    """Empty where there is no file; a key that stands in it is masked."""
    version: AgentVersion | None
    """Its place in the history; None: there is no file."""

    @property
    def etag(self) -> str:
        """What an edit of this text is based on."""
        return self.version.etag if self.version else NO_FILE

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """What is wrong with it."""
        return agents_mistakes(self.text) if self.version else ()


class EditConflictError(ConflictError):
    """Somebody else changed the file; nothing was written, and nothing is lost."""

    def __init__(self, message: str, *, current: AgentsText, yours: str) -> None:
        super().__init__(message)
        self.current, self.yours = current, yours

    @property
    def diff(self) -> str:
        """From what the file says now to what was to be saved."""
        return unified_diff(self.current.text, self.yours, f"{self.current.file} now", "yours")


class AgentFiles:
    """The agents files of one configs folder."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._folder = settings.configs_dir
        self._lock_path = settings.data_dir / ".agents.lock"

    def names(self) -> list[str]:
        """Return the names of the agents files that can be edited, `agents.yaml` first, there or not."""
        found = [path.name for path in sorted(self._folder.glob("*.y*ml")) if self._is_agents_file(path)]
        return [DEFAULT_FILE, *(name for name in found if name != DEFAULT_FILE)]

    def read(self, file: str = DEFAULT_FILE) -> AgentsText:
        """Return the file as it is now; what something else made of it becomes a version first.

        Raises:
            NotFoundError: The name is not that of an agents file in the configs folder.
            StorageError: The file can't be read.
        """
        path = self._path(file)
        content, latest = _content(path), self._store.latest_agent_version(file)
        if content is None:
            return AgentsText(file, "", None)
        if latest is None or latest.sha256 != _sha256(content):
            with self._locked():
                return self._noticed(file, path)
        return AgentsText(file, _shown(content), latest)

    def save(
        self,
        text: str,
        *,
        based_on: str,
        author: str,
        file: str = DEFAULT_FILE,
        note: str = "",
        may_name_code: bool = True,
        origin: Literal["saved", "restored"] = "saved",
    ) -> AgentsText:
        """Write a checked text, as a new version.

        Args:
            text: The whole file.
            based_on: The etag of the text that was edited.
            author: Who saves.
            file: Name of the file.
            note: What the change is for.
            may_name_code: Whether the author may add what runs code of this machine (see `guarding`).
            origin: Whether the text comes from the history.

        Returns:
            The file as it is then; the same version where nothing was changed.

        Raises:
            ConfigError: The text has mistakes, or holds a key; nothing is written.
            AccessError: It names code, and the author may not.
            EditConflictError: The file or its history is not what the edit was based on.
        """
        path = self._path(file)
        check_savable(text, file)
        with self._locked():
            current = self._noticed(file, path)
            if current.etag != based_on:
                raise _conflict(current, text)
            text = _with_line_ends_of(text, current.text)
            if current.version and current.version.sha256 == _sha256(text.encode()):
                return current
            check_savable(text, file, before=current.text, may_name_code=may_name_code)
            number = current.version.number + 1 if current.version else self._next_number(file)
            return self._written(path, _version(file, number, text, origin, author, note))

    def versions(self, file: str = DEFAULT_FILE) -> list[AgentVersion]:
        """Return the history of a file, newest first.

        Raises:
            NotFoundError: The name is not that of an agents file in the configs folder.
        """
        self.read(file)
        return self._store.agent_versions(file)

    def version(self, number: int, file: str = DEFAULT_FILE) -> AgentVersion:
        """Return one version of a file.

        Raises:
            NotFoundError: There is no such file or version.
        """
        self._path(file)
        return self._store.agent_version(file, number)

    def restore(
        self, number: int, *, based_on: str, author: str, file: str = DEFAULT_FILE, may_name_code: bool = True
    ) -> AgentsText:
        """Write the text of an earlier version again, as a new version.

        Raises:
            NotFoundError: There is no such file or version.
            ConfigError: This camelx does not take that text any more.
            EditConflictError: The file or its history is not what was looked at.
        """
        old = self.version(number, file)
        return self.save(
            old.text,
            based_on=based_on,
            author=author,
            file=file,
            note=f"version {number} restored",
            may_name_code=may_name_code,
            origin="restored",
        )

    def _path(self, file: str) -> Path:
        path = self._folder / file
        is_safe = _NAME.fullmatch(file) is not None and path.resolve().parent == self._folder.resolve()
        if not is_safe or (file != DEFAULT_FILE and not self._is_agents_file(path)):
            raise NotFoundError(
                f"there is no agents file {file!r} in the configs folder; there are {', '.join(self.names())}"
            )
        return path

    def _is_agents_file(self, path: Path) -> bool:
        """Whether it declares agents itself: a cycle.yaml only names the file that does."""
        if _NAME.fullmatch(path.name) is None or not path.is_file():
            return False
        if path.resolve().parent != self._folder.resolve():
            return False
        content = _content(path) or b""
        return _SECTION_OF_AGENTS.search(content.decode("utf-8", "replace")) is not None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock under which files are written, which other apps on this machine take too."""
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock_path)
        try:
            lock.acquire(timeout=_LOCK_TIMEOUT_S)
        except Timeout:
            raise ConflictError(
                f"another process has kept the agents files for {_LOCK_TIMEOUT_S:.0f} s; try again"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _noticed(self, file: str, path: Path) -> AgentsText:
        """Return the file as it is, with a version of it in the history; the lock is held."""
        content, latest = _content(path), self._store.latest_agent_version(file)
        if content is None:
            return AgentsText(file, "", None)
        if latest is None or latest.sha256 != _sha256(content):
            note = "found as it is" if latest is None else "edited outside"
            number = latest.number + 1 if latest else 1
            latest = _version(file, number, _shown(content), "outside", "", note, sha256=_sha256(content))
            self._store.add_agent_version(latest)
        return AgentsText(file, _shown(content), latest)

    def _next_number(self, file: str) -> int:
        """Return the number of a file that was removed and is made again."""
        latest = self._store.latest_agent_version(file)
        return latest.number + 1 if latest else 1

    def _written(self, path: Path, version: AgentVersion) -> AgentsText:
        """Keep the version, then put the file in place: killed in between, the file is what it was."""
        with boundary(StorageError, f"writing {path}"), replacing(path) as partial:
            partial.write_bytes(version.text.encode())
            if path.exists():
                partial.chmod(path.stat().st_mode & 0o777)
            self._store.add_agent_version(version)
        return AgentsText(version.file, version.text, version)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as e:
        raise StorageError(
            f"agents file {path} can't be read: {e.strerror}; check its owner and rights"
        ) from e


def _shown(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    return masked(text) if secret_lines(text) else text


def _with_line_ends_of(text: str, before: str) -> str:
    """Return the text with the line ends of the file: a browser's editor knows one kind only."""
    if "\r\n" not in before or "\r" in text:
        return text
    return text.replace("\n", "\r\n")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _version(
    file: str,
    number: int,
    text: str,
    origin: Literal["saved", "restored", "outside"],
    author: str,
    note: str,
    sha256: str | None = None,
) -> AgentVersion:
    return AgentVersion(
        file=file,
        number=number,
        sha256=sha256 or _sha256(text.encode()),
        text=text,
        origin=origin,
        author=author,
        note=note,
    )


def _conflict(current: AgentsText, yours: str) -> EditConflictError:
    return EditConflictError(
        f"{current.file} was changed since your edit began: {_whose(current.version)}. Nothing was written "
        "and your text is kept; compare the two, take over what you want, and save again",
        current=current,
        yours=yours,
    )


def _whose(version: AgentVersion | None) -> str:
    if version is None:
        return "the file is gone"
    by = f"saved by {version.author}" if version.author else "edited outside"
    return f"it is at version {version.number} now, {by} at {version.at:%Y-%m-%d %H:%M} UTC"
