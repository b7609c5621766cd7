"""What one running app shares: the database, who may do what. Pages and routes are handed it.

Opened once by `camelx.server`; long-lived parts (watchers of cycles, live sessions) belong to it and end with
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from camelx.access import Access
from camelx.agent_files import AgentFiles
from camelx.agents import SharedEngines
from camelx.annotation import AnnotationQueue, QueueRules
from camelx.config import Settings
from camelx.orchestration.control import CycleControl
from camelx.sessions import SessionRegistry
from camelx.storage import Store
from camelx.versions import Versions
from camelx.watching import EventHub


@dataclass(frozen=True)
class Workspace:
    """What one running app shares."""

    settings: Settings
    store: Store
    access: Access
    events: EventHub
    cycles: CycleControl
    """Starts and stops cycles."""
    queue: AnnotationQueue
    """What people judge next."""
    agent_files: AgentFiles
    """Who takes part in cycles, and how that changed."""
    versions: Versions
    """The registered versions of the policy."""
    sessions: SessionRegistry
    """People in conversation with agents."""
    engines: SharedEngines
    """Models that people ask, each loaded once."""

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the database, brought to the newest schema.

        Raises:
            StorageError: It can't be opened.
        """
        store = Store.open(settings.resolved_database_url)
        queue = AnnotationQueue(store, QueueRules.of(settings))
        access, cycles = Access(store, settings), CycleControl(store, settings)
        engines, files = SharedEngines(), AgentFiles(store, settings)
        return cls(
            settings,
            store,
            access,
            EventHub(store),
            cycles,
            queue,
            files,
            Versions(store, settings, engines),
            SessionRegistry(store, settings, engines, audit=access.audit),
            engines,
        )

    def close(self) -> None:
        """End what runs and close the database."""
        self.sessions.close()
        self.events.close()
        self.versions.close()
        self.engines.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
