"""What each participant remembered when a session was left, from what is stored of it.

In: the events of a session. Out: for each participant its turns, to be put into its memory once, when the
session is reopened. A turn is what it heard and what it said, or what a person put in the place of that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from camelx.schemas import Message, SessionEvent


def memories(events: Iterable[SessionEvent]) -> dict[str, list[Message]]:
    """Return the turns of each participant, by its place in the session, without system messages."""
    turns: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for event in events:
        place = event.hidden.get("place")
        if event.kind in ("turn", "proposal", "comment") and isinstance(place, str):
            turns[place].append((event.hidden["heard"], event.text))
        for place, text in event.hidden.get("remember", {}).items():
            if turns[place]:
                turns[place][-1] = (turns[place][-1][0], text)
    return {place: _messages(said) for place, said in turns.items()}


def unfinished_pair(events: Sequence[SessionEvent]) -> dict[str, str]:
    """Return what those who answered as A and B remember of an exchange that broke off: nothing.

    One of the two may have answered already: both must remember the same.
    """
    spoke: dict[str, str] = {}
    for event in events:
        if event.kind == "human":
            spoke.clear()
        if event.speaker in ("A", "B") and "place" in event.hidden:
            spoke[event.hidden["place"]] = ""
    return spoke


def _messages(turns: Iterable[tuple[str, str]]) -> list[Message]:
    """Return the turns as messages; of one without an answer nothing was remembered."""
    return [
        message
        for heard, said in turns
        if said
        for message in (Message(role="user", content=heard), Message(role="assistant", content=said))
    ]
