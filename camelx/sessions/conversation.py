"""The one loop of a session: it takes what the person sends and lets the agents speak, until it is ended.

    team   message -> Proposer proposes -> approve | redirect | edit -> Executor carries it out -> (comment)
    talk   message -> Executor answers
    ab     message -> both versions answer, shown as A and B in an order drawn anew -> pick

Words that a person interjects stop whoever speaks, at the next token, and are the next thing that they hear.
The participants' memories grow with each turn and are never put together anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, assert_never

from camelx.errors import AgentError
from camelx.prompts import carry_out_words, comment_words, goal_words
from camelx.schemas import (
    Annotation,
    Interaction,
    SessionEvent,
    SessionEventKind,
    SessionPhase,
    Verdict,
    stable_id,
)
from camelx.sessions.casting import BASE, EXECUTOR, PROPOSER, REVIEWER, SIDES, label_of
from camelx.sessions.inputs import Approve, Edit, Input, Interject, Pick, Redirect, Say, Stop
from camelx.sessions.participants import Participant
from camelx.sessions.stage import PlayedOn, Turn

_VERDICTS: Mapping[str, Verdict] = {"a": Verdict.FIRST, "b": Verdict.SECOND, "tie": Verdict.TIE}


class _CutError(Exception):
    """Whoever spoke was stopped: the rest of the exchange does not happen.

    `unheard` is what they were to answer, where they were stopped before they said anything: nothing is
    remembered of that.
    """

    def __init__(self, place: str, unheard: str = "") -> None:
        self.place, self.unheard = place, unheard


@dataclass
class _Last:
    """What was said last, by whom: what a decision, a pick or an edit is about."""

    place: str
    goal: str
    interaction_id: str
    other_id: str = ""
    """Of B, where two answered."""
    other_place: str = ""
    parent_id: str | None = None


class Conversation:
    """What happens between one person and the participants of a session."""

    def __init__(
        self, played_on: PlayedOn, cast: Mapping[str, Participant], events: list[SessionEvent]
    ) -> None:
        """Take up the conversation where the events leave it.

        Args:
            played_on: The session's stage.
            cast: Participants by place, who remember their turns.
            events: What happened so far.
        """
        self._on, self._cast, self._store = played_on, cast, played_on.store
        self._owner = played_on.session.owner
        self._last = _last_of(events)
        self._speaking, self._unheard = EXECUTOR, ""

    def interrupt(self) -> None:
        """Stop whoever speaks, at the next token."""
        self._on.stop.set()

    async def take(self, sent: Input, *, is_stopped: bool = False) -> SessionPhase:
        """Let happen what follows from what the person sent, and return what the session waits for then.

        A failure was recorded where it happened, and the person may go on.

        Args:
            sent: What was sent.
            is_stopped: Whoever speaks is stopped at once: the person has sent more already.

        Raises:
            StorageError: It could not be stored.
        """
        self._on.stop.clear()
        if is_stopped:
            self._on.stop.set()
        try:
            await self._happen(sent)
        except AgentError:
            self._on.phase = "listening"
        except _CutError as cut:
            self._speaking, self._unheard = cut.place, cut.unheard
        return self._on.phase

    async def _happen(self, sent: Input) -> None:
        if self._on.phase == "picking" and isinstance(sent, Say | Interject):
            self._unpicked()
        unheard, self._unheard = self._unheard, ""
        match sent:
            case Say():
                await self._message(sent.text)
            case Interject():
                await self._interjected(sent.text, unheard)
            case Approve():
                await self._approved()
            case Redirect():
                self._said(sent.text, "redirect")
                await self._propose(sent.text, self._goal)
            case Edit():
                await self._edited(sent.text)
            case Pick():
                self._picked(sent)
            case Stop():
                pass  # nobody spoke any more
            case _:
                assert_never(sent)

    # --- what a person says

    async def _message(self, text: str) -> None:
        self._said(text, "message")
        mode = self._on.session.mode
        if mode == "team":
            await self._propose(goal_words(text), text)
        elif mode == "talk":
            await self._execute(self._opening(text), text, None)
        else:
            await self._both(self._opening(text), text)

    async def _interjected(self, text: str, unheard: str) -> None:
        """Let them hear the words who were speaking, or who would speak next."""
        if self._last is None:
            await self._message(text)
            return
        self._said(text, "interject")
        heard = f"{unheard}\n\n{text}" if unheard else text
        if self._on.session.mode == "ab":
            await self._both(heard, self._goal)
        elif self._speaking == PROPOSER or self._last.place == PROPOSER:
            await self._propose(heard, self._goal)
        else:
            await self._execute(heard, self._goal, self._last.parent_id)

    async def _approved(self) -> None:
        last = self._last
        assert last is not None
        self._said("", "approve")
        proposal = self._interaction(last.interaction_id)
        await self._carry_out(last.goal, proposal.completion, proposal.id)

    async def _edited(self, text: str) -> None:
        """Put the person's version in the place of the last answer; a proposal is carried out then."""
        last = self._last
        replaced = self._interaction(last.interaction_id) if last else None
        if last is None or replaced is None or last.place in SIDES or not replaced.completion:
            self._on.record("status", "session", "there is no answer to edit", phase="listening")
            return
        mine = self._on.by_hand(replaced, text)
        annotation = self._annotation(mine, replaced, Verdict.FIRST)
        self._on.record(
            "edit",
            self._owner,
            text,
            data={"of": replaced.role.value},
            hidden={"remember": {last.place: text}},
            interactions=[mine],
            annotations=[annotation],
            phase="busy" if last.place == PROPOSER else "listening",
        )
        self._cast[last.place].correct(text)
        if last.place == PROPOSER:
            await self._carry_out(last.goal, text, mine.id)

    def _picked(self, pick: Pick) -> None:
        """Keep the pick, tell who was who, and let both remember the better answer."""
        last = self._last
        assert last is not None
        a, b = self._interaction(last.interaction_id), self._interaction(last.other_id)
        verdict = _VERDICTS.get(pick.verdict)
        annotation = self._annotation(a, b, verdict or "both_bad").model_copy(
            update={
                "edited_text": pick.edited_text,
                "rationale": pick.rationale,
                "rating": pick.rating,
            }
        )
        agreed = pick.edited_text or {"b": b.completion, "both_bad": ""}.get(pick.verdict, a.completion)
        self._on.record(
            "pick",
            self._owner,
            pick.edited_text or "",
            data={
                "verdict": pick.verdict,
                "a": self._version_of(last.place),
                "b": self._version_of(last.other_place),
                "rationale": pick.rationale,
            },
            hidden={"remember": dict.fromkeys(SIDES, agreed), "annotation_id": annotation.id},
            annotations=[annotation],
            phase="listening",
            releases=True,
        )
        self._agree(agreed)

    def _version_of(self, side: str) -> str:
        """Return who answered as A or B; of two on servers, which may have one model, by name."""
        version, who = self._on.session.versions[SIDES.index(side)], self._cast[side]
        return label_of(who) if version in (BASE, who.adapter_version) else f"{version} ({who.model})"

    def _unpicked(self) -> None:
        """Go on from A's answer where the person says something instead: both must remember the same."""
        assert self._last is not None
        agreed = self._interaction(self._last.interaction_id).completion
        self._on.record(
            "status",
            "session",
            "nothing was picked; the conversation goes on from A's answer",
            hidden={"remember": dict.fromkeys(SIDES, agreed)},
            phase="listening",
            releases=True,
        )
        self._agree(agreed)

    # --- what agents say

    async def _propose(self, heard: str, goal: str) -> None:
        turn = await self._play(PROPOSER, heard, goal, kind="proposal", phase="deciding")
        self._last = _Last(PROPOSER, goal, turn.interaction.id)
        self._check(PROPOSER, turn)

    async def _carry_out(self, goal: str, proposal: str, proposal_id: str) -> None:
        await self._execute(carry_out_words(goal, proposal), goal, proposal_id)

    async def _execute(self, heard: str, goal: str, parent_id: str | None) -> None:
        has_review = self._on.session.has_review
        turn = await self._play(
            EXECUTOR, heard, goal, parent_id=parent_id, phase="busy" if has_review else "listening"
        )
        self._last = _Last(EXECUTOR, goal, turn.interaction.id, parent_id=parent_id)
        self._check(EXECUTOR, turn)
        if has_review:
            await self._comment(goal, turn)

    async def _comment(self, goal: str, result: Turn) -> None:
        heard = comment_words(goal, result.text)
        turn = await self._play(
            REVIEWER, heard, goal, kind="comment", parent_id=result.interaction.id, phase="listening"
        )
        if turn.is_cut:  # what is interjected into a comment is for the Executor
            raise _CutError(EXECUTOR)

    async def _both(self, heard: str, goal: str) -> None:
        """Let both answer the same messages, under names that tell nothing."""
        order = list(SIDES)
        random.shuffle(order)
        a, b = order
        turns = await asyncio.gather(
            self._play(a, heard, goal, speaker="A"),
            self._play(b, heard, goal, speaker="B"),
            return_exceptions=True,
        )
        spoken = [t for t in turns if isinstance(t, Turn)]
        for error in turns:
            if isinstance(error, BaseException) and not isinstance(error, AgentError):
                raise error
        if len(spoken) < len(turns) or any(t.is_cut or not t.text.strip() for t in spoken):
            self._not_comparable(spoken, goal)
            raise _CutError(a, "" if any(t.text for t in spoken) else heard)
        first, second = spoken
        self._last = _Last(a, goal, first.interaction.id, second.interaction.id, b)
        self._on.record("ab_pair", "session", hidden={"last": asdict(self._last)}, phase="picking")

    def _not_comparable(self, spoken: list[Turn], goal: str) -> None:
        """Go on from what was said where one was stopped or failed: there is nothing to pick."""
        agreed = next((t.text for t in spoken if t.text), "")
        self._last = _Last(SIDES[0], goal, spoken[0].interaction.id) if spoken else None
        self._on.record(
            "status",
            "session",
            "not both answers are whole, so there is nothing to pick; the conversation goes on"
            + (" from A's" if agreed else ""),
            hidden={"remember": dict.fromkeys(SIDES, agreed)},
            phase="listening",
            releases=True,
        )
        self._agree(agreed)

    # --- pieces

    async def _play(
        self,
        place: str,
        heard: str,
        goal: str,
        *,
        kind: SessionEventKind = "turn",
        speaker: str | None = None,
        parent_id: str | None = None,
        phase: SessionPhase | None = None,
    ) -> Turn:
        self._speaking = place
        return await self._on.play(
            place,
            self._cast[place],
            heard,
            goal=goal,
            kind=kind,
            speaker=speaker,
            parent_id=parent_id,
            phase=phase,
        )

    def _check(self, place: str, turn: Turn) -> None:
        if turn.is_cut:
            raise _CutError(place, "" if turn.text else turn.heard)

    def _said(self, text: str, how: str) -> None:
        self._on.record("human", self._owner, text, data={"how": how}, phase="busy")

    def _opening(self, text: str) -> str:
        """Return what agents hear of a message: the first one is a goal, what follows are words."""
        return goal_words(text) if self._last is None else text

    def _agree(self, text: str) -> None:
        for side in SIDES:
            self._cast[side].correct(text)

    def _interaction(self, interaction_id: str) -> Interaction:
        held = self._on.held.get(interaction_id)
        return held or self._store.interactions_by_id([interaction_id])[interaction_id]

    def _annotation(
        self, first: Interaction, second: Interaction, verdict: Verdict | Literal["both_bad"]
    ) -> Annotation:
        return Annotation(
            id=stable_id("annotation", *sorted((first.id, second.id)), self._owner),
            goal_id=first.goal_id,
            first_id=first.id,
            second_id=second.id,
            annotator=self._owner,
            verdict=verdict,
        )

    @property
    def _goal(self) -> str:
        assert self._last is not None
        return self._last.goal


def _last_of(events: list[SessionEvent]) -> _Last | None:
    """Return what was said last, from what is stored."""
    for event in reversed(events):
        if event.kind == "ab_pair":
            return _Last(**event.hidden["last"])
        if event.kind in ("turn", "proposal"):
            hidden = event.hidden
            return _Last(
                hidden["place"], hidden["goal"], hidden["interaction_id"], parent_id=hidden.get("parent_id")
            )
    return None
