"""Where a session's turns are played: heard while they are made, stored before they count as finished.

In: a participant and what it hears. Out: a `Turn`, with its interaction in the database and its event shown.
An answer of a blind pair goes into the log of interactions later, see `holding_back`.
Called by `camelx.sessions.conversation`, in the session's own thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from camelx.agents import CUT, Listener
from camelx.errors import AgentError
from camelx.schemas import (
    LIVE_CYCLE,
    SESSION_SOURCE,
    Annotation,
    Goal,
    Interaction,
    LiveSession,
    Message,
    SessionEvent,
    SessionEventKind,
    SessionPhase,
    SessionStream,
    Stage,
    ToolCall,
    derived_seed,
    session_goal_id,
    stable_id,
    utc_now,
)
from camelx.sessions.casting import label_of
from camelx.sessions.holding_back import RELEASES, holding
from camelx.sessions.participants import Participant
from camelx.storage import Store

_MAX_TITLE_CHARS = 80


@dataclass(frozen=True)
class Turn:
    """What one participant said."""

    interaction: Interaction
    heard: str

    @property
    def text(self) -> str:
        """The answer."""
        return self.interaction.completion

    @property
    def is_cut(self) -> bool:
        """Whether a person stopped it."""
        return self.interaction.finish_reason == CUT


@dataclass
class PlayedOn:
    """One session's stage: its events, numbered, in the database and with whoever watches."""

    session: LiveSession
    store: Store
    show: Callable[[SessionEvent | SessionStream], None]
    """Called with what is to be seen."""
    holder: str | None = None
    """The app that has the session open: it stores nothing once another one has taken the session."""
    seq: int = 0
    """Number of the last event."""
    title: str = ""
    phase: SessionPhase = "listening"
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to end the turns under way."""
    held: dict[str, Interaction] = field(default_factory=dict)
    """Answers of a blind pair that are in no log yet, by id."""
    _goal: Goal | None = None

    def record(
        self,
        kind: SessionEventKind,
        speaker: str,
        text: str = "",
        *,
        data: Mapping[str, Any] | None = None,
        hidden: Mapping[str, Any] | None = None,
        phase: SessionPhase | None = None,
        interactions: Iterable[Interaction] = (),
        annotations: Iterable[Annotation] = (),
        releases: bool = False,
    ) -> SessionEvent:
        """Store one event with what it made, then show it; `releases` what was held back of a blind pair.

        Raises:
            StorageError: It can't be stored; it is not shown then.
        """
        event = SessionEvent(
            session_id=self.session.id,
            seq=self.seq + 1,
            kind=kind,
            speaker=speaker,
            text=text,
            data=dict(data or {}),
            hidden={**(hidden or {}), **(RELEASES if releases else {})},
        )
        rows = [*(self.held.values() if releases else ()), *interactions]
        phase = phase or self.phase
        title = _title_of(text) if kind == "human" and not self.title else ""
        self.store.append_session_events(
            [event],
            phase=phase,
            title=title or None,
            goals=() if self._goal is None else [self._goal],
            interactions=rows,
            annotations=annotations,
            holder=self.holder,
        )
        self._goal = None
        if releases:
            self.held.clear()
        self.seq, self.phase, self.title = event.seq, phase, self.title or title
        self.show(event)
        return event

    def goal_id(self, text: str) -> str:
        """Return the id of a goal that was typed; it is stored with the next event."""
        self._goal = Goal(
            id=session_goal_id(text), text=text.strip(), source=SESSION_SOURCE, category="session"
        )
        return self._goal.id

    async def play(
        self,
        place: str,
        who: Participant,
        heard: str,
        *,
        goal: str,
        kind: SessionEventKind = "turn",
        speaker: str | None = None,
        parent_id: str | None = None,
        phase: SessionPhase | None = None,
    ) -> Turn:
        """Return what the participant says to what it hears.

        Args:
            place: Its place in the session.
            who: The participant.
            heard: What it hears.
            goal: What the interaction works on.
            kind: Of the event.
            speaker: Who is shown to speak; None: the participant's own name. With another name nothing that
                tells the version can be read until what is held back is released.
            parent_id: The proposal that is carried out.
            phase: What the session waits for once the turn is finished; a turn that was cut waits for words.

        Raises:
            AgentError: There is no answer; the interaction and an event say why.
        """
        shown = speaker or who.name
        if n := who.make_room(heard):
            what = f"{shown} has forgotten its {n} oldest turns, to stay within its model's context"
            self.record("status", "session", what)
        asked = self._asked(place, who, heard, goal, parent_id)
        heard_by = Listener(
            on_text=lambda piece: self.show(SessionStream(speaker=shown, text=piece)),
            on_tool=lambda call: self._tool(shown, call),
            on_again=lambda: self.show(SessionStream(speaker=shown, is_void=True)),
        )
        keep = self._hold_back if speaker else self._log
        try:
            reply = await who.say(heard, seed=asked.seed or 0, stop=self.stop, heard_by=heard_by)
        except AgentError as e:
            self.record("error", shown, str(e), phase="listening", **keep(asked.failed(e), {}))
            raise
        row = asked.answered(reply)
        needed = {
            "place": place,
            "heard": heard,
            "interaction_id": row.id,
            "goal": goal,
            "parent_id": parent_id,
        }
        self.record(
            kind,
            shown,
            row.completion,
            data=_told(row) | ({} if speaker else _telling(who, row)),
            phase="listening" if row.finish_reason == CUT else phase,
            **keep(row, needed),
        )
        return Turn(row, heard)

    def _log(self, row: Interaction, hidden: dict[str, Any]) -> dict[str, Any]:
        """Return what `record` is given of an interaction that goes into the log at once."""
        return {"interactions": [row], "hidden": hidden}

    def _hold_back(self, row: Interaction, hidden: dict[str, Any]) -> dict[str, Any]:
        """Return what `record` is given of an interaction that goes into the log later."""
        self.held[row.id] = row
        return {"hidden": hidden | holding(row)}

    def by_hand(self, instead_of: Interaction, text: str) -> Interaction:
        """Return what the person wrote in the place of an answer, as an interaction of their own."""
        return instead_of.model_copy(
            update={
                "id": stable_id("interaction", LIVE_CYCLE, self.session.id, self.seq + 1, "by-hand"),
                "agent": f"human:{self.session.owner}",
                "model": "human",
                "adapter_version": None,
                "completion": text,
                "finish_reason": "stop",
                "tool_calls": (),
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "latency_s": 0.0,
                "seed": None,
                "created_at": utc_now(),
            }
        )

    def _asked(
        self, place: str, who: Participant, heard: str, goal: str, parent_id: str | None
    ) -> Interaction:
        messages: tuple[Message, ...] = who.messages(heard)
        item_id = stable_id("interaction", LIVE_CYCLE, self.session.id, self.seq + 1, place)
        return Interaction(
            id=item_id,
            cycle_id=LIVE_CYCLE,
            stage=Stage.GENERATE,
            goal_id=self.goal_id(goal),
            agent=who.name,
            role=who.role,
            parent_id=parent_id,
            model=who.model,
            adapter_version=who.adapter_version,
            messages=messages,
            seed=derived_seed(0, item_id),
            trace_id=self.session.id,
        )

    def _tool(self, speaker: str, call: ToolCall) -> None:
        self.record("tool_call", speaker, call.name, data=call.model_dump())


def _told(row: Interaction) -> dict[str, Any]:
    """Return what a page may show beside an answer whose version it must not tell."""
    return {
        "role": row.role.value,
        "finish_reason": row.finish_reason,
        "n_tool_calls": len(row.tool_calls),
    }


def _telling(who: Participant, row: Interaction) -> dict[str, Any]:
    """Return what would tell the version."""
    return {
        "version": label_of(who),
        "n_tokens": row.completion_tokens,
        "seconds": round(row.latency_s, 2),
    }


def _title_of(text: str) -> str:
    """Return the first words of a message, with a mark where they are not all of it."""
    words = " ".join(text.split())
    return words if len(words) <= _MAX_TITLE_CHARS else words[: _MAX_TITLE_CHARS - 1].rstrip() + "…"
