"""The answers of a blind pair, kept out of the log of interactions until there is nothing to pick any more.

Whoever could read them there would see which version gave which. Until then each waits, whole, with its own
event, among what no page and no route is sent. In: the events of a session. Out: what is still held back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from camelx.schemas import Interaction, SessionEvent

_HELD, _RELEASED = "held_back", "has_released"
RELEASES: dict[str, Any] = {_RELEASED: True}
"""Hidden part of an event with which all that was held back went into the log."""


def holding(interaction: Interaction) -> dict[str, Any]:
    """Return the hidden part of an event that holds an interaction back."""
    return {_HELD: interaction.model_dump(mode="json")}


def held_back(events: Iterable[SessionEvent]) -> dict[str, Interaction]:
    """Return the interactions that are in no log yet, by id."""
    held: dict[str, Interaction] = {}
    for event in events:
        if event.hidden.get(_RELEASED):
            held.clear()
        if (document := event.hidden.get(_HELD)) is not None:
            interaction = Interaction.model_validate(document)
            held[interaction.id] = interaction
    return held
