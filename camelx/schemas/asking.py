"""The protocol by which rooms ask agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from camelx.schemas.loop import Message, Reply, Role


class Agent(Protocol):
    """One agent that can be asked: what the rooms know of a model. `camelx.agents` makes them."""

    @property
    def name(self) -> str:
        """Unique in the cycle, such as "executor-2"."""
        ...

    @property
    def role(self) -> Role:
        """What the agent does."""
        ...

    @property
    def system(self) -> str:
        """Its system message."""
        ...

    @property
    def model(self) -> str:
        """Name of the model that answers."""
        ...

    @property
    def adapter_version(self) -> str | None:
        """Version of the adapter on it, as "name/3"; None: the base alone."""
        ...

    @property
    def samples(self) -> int:
        """Answers asked for per prompt."""
        ...

    async def ask(self, messages: Sequence[Message], *, seed: int) -> Reply:
        """Return the answer to the messages, whose last turn is the user's.

        Raises:
            AgentError: The backend failed after its own retries.
        """
        ...
