"""WebSockets on which programs and pages watch cycles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket
from starlette.concurrency import run_in_threadpool

from camelx.errors import ConfigError, NotFoundError
from camelx.schemas import AccessRole, CycleEvent, EventMessage, Record
from camelx.server.dependencies import Viewer, WorkspaceDep
from camelx.server.streams import NO_SUCH_THING, accepted_protocol, close, serve_stream, still_allowed
from camelx.watching import Subscription

router = APIRouter(prefix="/api/v1/ws", tags=["cycles"])


@router.websocket("/cycles/{cycle_id}")
async def watch_cycle(
    websocket: WebSocket,
    workspace: WorkspaceDep,
    principal: Viewer,
    cycle_id: str,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> None:
    """Send the events of a cycle behind the one numbered `after`, until it has ended and all are sent."""
    await websocket.accept(subprotocol=accepted_protocol(websocket))
    try:
        await run_in_threadpool(workspace.store.cycle, cycle_id)
    except (ConfigError, NotFoundError):
        await close(websocket, NO_SUCH_THING, f"there is no cycle {cycle_id[:80]!r}")
        return
    async with workspace.events.watch(cycle_id, after) as subscription:
        check = still_allowed(websocket, workspace.access, AccessRole.VIEWER)
        await serve_stream(websocket, _Messages(subscription), check)


class _Messages:
    """The stream of a subscription as it is sent: events in an envelope, beside what else is told."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    @property
    def reason(self) -> str:
        """Why it ended, once it has."""
        return self._subscription.reason

    async def __aiter__(self) -> AsyncIterator[Record]:
        async for item in self._subscription:
            yield EventMessage(event=item) if isinstance(item, CycleEvent) else item
