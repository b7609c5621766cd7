"""What a live session knows of an agent that takes part, whichever framework runs it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from camelx.agents import Listener
from camelx.schemas import Message, Reply, Role


class Participant(Protocol):
    """One agent for the whole session; its memory grows with each turn."""

    @property
    def name(self) -> str:
        """Its name in agents.yaml."""
        ...

    @property
    def role(self) -> Role:
        """What it does."""
        ...

    @property
    def model(self) -> str:
        """Name of the model that answers."""
        ...

    @property
    def adapter_version(self) -> str | None:
        """Version of the adapter on it; None: the base alone."""
        ...

    def messages(self, text: str) -> tuple[Message, ...]:
        """Return what its model is asked when it hears `text` now."""
        ...

    def make_room(self, text: str) -> int:
        """Forget the oldest turns until `text` fits, and return how many these were."""
        ...

    async def say(self, text: str, *, seed: int, stop: asyncio.Event, heard_by: Listener) -> Reply:
        """Return the answer to `text`, heard while it is made; see `camelx.agents.LiveAgent.say`."""
        ...

    def correct(self, text: str) -> None:
        """Remember `text` as the last answer; "" forgets the question too."""
        ...

    async def aclose(self) -> None:
        """End what it keeps open."""
        ...
