"""A typed client of the server: HTTP with retries, WebSockets that reconnect. Knows none of its code.

    with Client(token="camelx_...") as camelx:
        cycle = camelx.send(cycles.start(overrides={"goals.n": 20}))
        for annotation in camelx.items(annotations.every(cycle_id=cycle.cycle_id)): ...

A module of this room makes the calls of one resource (`cycles`, `annotations`, `agents`, `models`, `people`,
`records`, `sessions`); a client sends them. `AsyncClient` does the same on an event loop, and watches cycles.
"""

from camelx.client import agents, annotations, cycles, models, people, records, sessions
from camelx.client.calls import Call, Page, View
from camelx.client.errors import ApiError, UnreachableError
from camelx.client.http import AsyncClient, Client
from camelx.client.streams import Stream

__all__ = [
    "ApiError",
    "AsyncClient",
    "Call",
    "Client",
    "Page",
    "Stream",
    "UnreachableError",
    "View",
    "agents",
    "annotations",
    "cycles",
    "models",
    "people",
    "records",
    "sessions",
]
