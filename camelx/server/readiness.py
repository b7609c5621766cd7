"""Whether the app can do its work: each part it stands on, asked side by side, for a bounded time.

Only the database and the disk are needed: without the others people can still look and judge, so that a
server which is away must not take the pages away with it. Called by /readyz.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from typing import Literal

import httpx
from pydantic import Field

from camelx.config import Settings, is_missing, load_config, without_password
from camelx.errors import CamelxError, StorageError
from camelx.orchestration.server import answers, api_url
from camelx.schemas import Record
from camelx.storage import Store

State = Literal["up", "down", "absent", "checking"]

WITHIN_S = 3.0
LONGEST_LOOK_S = 60.0
"""So long a look at what only cycles need may take: the first one imports libraries."""
_LEAST_FREE_MB = 500
_CONFIG = "cycle.yaml"


class PartState(Record):
    """How one part is."""

    state: State = Field(examples=["up"])
    """"absent": not there, and nobody said that it should be; "checking": no look at it has ended yet."""
    why: str | None = Field(default=None, examples=["sqlite, schema revision 0015"])
    """In words; only for somebody who may look at the app."""


class ReadinessReport(Record):
    """Whether the app is ready, and each part's state."""

    status: Literal["ready", "degraded", "unready"]
    """"degraded": something that only cycles need is down, or not looked at yet; "unready": the app can't
    work."""
    parts: dict[str, PartState]

    @property
    def is_ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.status != "unready"

    def without_reasons(self) -> ReadinessReport:
        """Return it as everybody may see it: reasons name addresses and folders."""
        parts = {name: PartState(state=part.state) for name, part in self.parts.items()}
        return self.model_copy(update={"parts": parts})


@dataclass(frozen=True)
class _Part:
    check: Callable[[], PartState]
    keep_s: float
    is_needed: bool = False


@dataclass(frozen=True)
class _Look:
    """One look at a part, which may still be under way."""

    began: float
    future: Future[PartState]
    before: PartState | None
    """What the look before found."""

    def found(self, part: _Part, within_s: float) -> PartState:
        """Return what it found; where it has not ended what is known by now."""
        if self.future.done():
            return self.future.result()
        if part.is_needed:
            return PartState(state="down", why=f"no answer within {within_s:g} s")
        seconds = time.monotonic() - self.began
        if seconds > LONGEST_LOOK_S:
            return PartState(state="down", why=f"no answer for {seconds:.0f} s")
        return self.before or PartState(state="checking", why=f"the first look began {seconds:.0f} s ago")


class Readiness:
    """Asks the parts, each at most once at a time, and keeps what they said for some seconds."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._parts = {
            "database": _Part(lambda: _database(store), 3.0, is_needed=True),
            "disk": _Part(lambda: _disk(settings), 3.0, is_needed=True),
            "prefect": _Part(lambda: _prefect(settings), 5.0),
            "mlflow": _Part(lambda: _mlflow(settings), 5.0),
            # Hosted servers are asked for their list of models: not with every probe.
            "models": _Part(lambda: _models(settings), 60.0),
        }
        self._looks: dict[str, _Look] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(len(self._parts), thread_name_prefix="readiness")

    def report(self, within_s: float = WITHIN_S) -> ReadinessReport:
        """Return how all parts are; one that is needed and does not answer in time is down."""
        looks = {name: self._look(name) for name in self._parts}
        wait_for([look.future for look in looks.values()], timeout=within_s)
        parts = {name: look.found(self._parts[name], within_s) for name, look in looks.items()}
        not_well = {name for name, part in parts.items() if part.state in ("down", "checking")}
        is_unready = any(self._parts[name].is_needed for name in not_well)
        return ReadinessReport(
            status="unready" if is_unready else "degraded" if not_well else "ready", parts=parts
        )

    def _look(self, name: str) -> _Look:
        """Return the look at a part that is under way, or was not long ago; else a new one."""
        part = self._parts[name]
        with self._lock:
            last = self._looks.get(name)
            if last is None or (last.future.done() and time.monotonic() - last.began > part.keep_s):
                before = last.future.result() if last and last.future.exception() is None else None
                last = self._looks[name] = _Look(time.monotonic(), self._threads.submit(part.check), before)
            return last


def _database(store: Store) -> PartState:
    try:
        return PartState(state="up", why=store.check_answers())
    except StorageError as e:
        return PartState(state="down", why=str(e))


def _disk(settings: Settings) -> PartState:
    folder = settings.data_dir if settings.data_dir.exists() else settings.root
    try:
        free_mb = shutil.disk_usage(folder).free // 2**20
    except OSError as e:
        return PartState(state="down", why=f"{folder}: {e}")
    state: State = "up" if free_mb >= _LEAST_FREE_MB else "down"
    return PartState(state=state, why=f"{free_mb:,} MiB free in {folder}; {_LEAST_FREE_MB} are needed")


def _prefect(settings: Settings) -> PartState:
    named = os.environ.get("PREFECT_API_URL")
    url = named or api_url(settings.prefect_port)
    if answers(url):
        return PartState(state="up", why=without_password(url))
    if named:
        return PartState(state="down", why=f"nothing answers at {without_password(url)}; start it")
    return PartState(state="absent", why="no server runs; a cycle that starts brings its own")


def _mlflow(settings: Settings) -> PartState:
    uri = settings.resolved_mlflow_uri
    shown = without_password(uri)
    if not uri.startswith(("http://", "https://")):
        if is_missing(uri):
            return PartState(state="absent", why=f"there is no {shown}; the first cycle makes it")
        return PartState(state="up", why=shown)
    try:
        status = httpx.get(f"{uri.rstrip('/')}/health", timeout=2.0).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as e:
        return PartState(state="down", why=f"{shown} does not answer: {type(e).__name__}")
    return PartState(state="down" if status >= 500 else "up", why=f"{shown} answers {status}")


def _models(settings: Settings) -> PartState:
    """Check what the agents of the project's own config are answered by."""
    from camelx.agents import check_team
    from camelx.cycles.policies import policy_of

    path = settings.configs_dir / _CONFIG
    if not path.exists():
        return PartState(state="absent", why=f"there is no {path}")
    try:
        config = load_config(path)
        check_team(config.agents, policy_of(config, None))
    except CamelxError as e:
        return PartState(state="down", why=str(e))
    used = sorted({agent.backend for agent in config.agents.agents})
    return PartState(state="up", why=f"{_CONFIG}: {', '.join(used)}")
