"""The app that `camelx serve` runs: REST, WebSockets, health, metrics, sign-in; it mounts the pages last.

In: a `Workspace`. Out: an ASGI app. A route checks who asks, calls a room below, and returns its records; it
holds no rule of its own.
"""

from camelx.server.app import create_app

__all__ = ["create_app"]
