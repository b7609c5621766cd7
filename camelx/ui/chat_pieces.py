"""What the page Chat shows, as escaped HTML: a conversation, what is being said, the list of sessions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from camelx.pages import Markup, escaped, tag
from camelx.schemas import LiveSession, SessionEvent, SessionView

MODES = {
    "team": "Proposer and Executor",
    "talk": "Executor alone",
    "ab": "Blind comparison of two",
}
WAITING = {
    "listening": "waits for you",
    "deciding": "a proposal to decide on",
    "picking": "two answers to compare",
    "busy": "agents are answering",
}
_PICKED = {"a": "A is better", "b": "B is better", "tie": "as good as each other", "both_bad": "both are bad"}
_DID = {"approve": "approved the proposal", "redirect": "redirected", "interject": "interjected"}
_MOST_SHOWN = 100
"""Events of a long conversation that the page shows; the ones before are there behind a link."""


def conversation(view: SessionView, *, everything: bool = False) -> Markup:
    """Return what was said, the newest last."""
    if not view.events:
        return tag("div", _invitation(view.session), css="cx-empty")
    whole = view.events[: -1 if _waits_for_its_other(view) else None]
    events = list(whole if everything else whole[-_MOST_SHOWN:])
    n_before = len(whole) - len(events)
    pieces = []
    if n_before:
        address = f"/chat?session={quote(view.session.id)}&all=1"
        pieces.append(tag("p", _link(address, f"{n_before} earlier entries"), css="cx-chat-note"))
    while events:
        n, piece = _next(events)
        pieces.append(piece)
        del events[:n]
    # The box is filled from below, so that it stays at the newest without a script.
    return tag("div", tag("div", *pieces, css="cx-chat-said"), css="cx-chat")


def being_said(view: SessionView) -> Markup:
    """Return the answers that are being made; beside the second of two the first, which is whole.

    Of the view's events the last two are looked at.
    """
    if view.session.phase != "busy":
        return Markup("")
    bubbles = {speaker: _under_way(speaker, said) for speaker, said in view.under_way.items()}
    if _waits_for_its_other(view):
        first = view.events[-1]
        other = "B" if first.speaker == "A" else "A"
        bubbles = {other: _under_way(other, "")} | bubbles | {first.speaker: _bubble(first)}
    if not bubbles:
        return tag("p", "...", css="cx-chat-note")
    pieces = [bubbles[speaker] for speaker in sorted(bubbles)]
    return tag("div", *pieces, css="cx-chat-two" if len(pieces) > 1 else "")


def heading(view: SessionView) -> Markup:
    """Return what the session is, who answers, and what it waits for."""
    session = view.session
    state = (
        WAITING[session.phase] if session.status == "active" else "ended; your next message opens it again"
    )
    parts = [
        tag("span", MODES[session.mode], css="cx-badge"),
        tag("span", who_answers(session), css="cx-soft"),
        tag("span", state, css="cx-badge cx-running" if session.phase == "busy" else "cx-badge"),
    ]
    if session.backend != "camel":
        parts.append(tag("span", session.backend, css="cx-badge"))
    return tag("div", *parts, css="cx-chat-head")


def who_answers(session: LiveSession) -> str:
    """Return who answers, as far as it may be told."""
    if session.mode == "ab":
        return "two versions, A and B drawn anew for each message; a pick tells who was who"
    version = session.versions[0]
    return "the base model answers" if version == "base" else f"{version} answers"


def session_list(sessions: Sequence[LiveSession], running: Iterable[str], selected: str | None) -> Markup:
    """Return the sessions, each a link."""
    if not sessions:
        return tag("p", "No session yet. Begin one above.", css="cx-empty")
    on = set(running)
    rows = [_row(session, session.id in on, session.id == selected) for session in sessions]
    return tag("div", *rows, css="cx-chat-sessions")


def nothing_selected() -> Markup:
    """Return what the page says before a session was begun or chosen."""
    return tag(
        "div",
        tag("p", "Talk with the agents: give them a goal, decide on what they propose, interrupt them."),
        tag(
            "p",
            "Begin a session below. In the blind comparison two versions answer the same words, and what you "
            "pick teaches the next cycle.",
        ),
        css="cx-empty",
    )


def only_look(name: str) -> Markup:
    """Return the page of somebody who may not talk to the agents."""
    return tag(
        "div",
        tag("h3", "You may look, not talk"),
        tag("p", f"{name} has the role viewer; talking to agents takes annotator, which an admin can give."),
        Markup('<p><a href="/interactions">See what agents have said</a></p>'),
        css="cx-empty",
    )


def _invitation(session: LiveSession) -> str:
    return {
        "team": "Write a goal. The Proposer makes a plan, you approve, redirect or edit it, and the Executor "
        "carries it out.",
        "talk": "Write a goal or a question; the Executor answers.",
        "ab": "Write a goal. Two versions answer it, as A and B; you pick the better one.",
    }[session.mode]


def _under_way(speaker: str, said: str) -> Markup:
    who = tag("div", tag("b", speaker), css="cx-chat-who")
    return tag(
        "div", who, tag("div", said, css="cx-text cx-chat-under-way"), css="cx-chat-bubble cx-chat-agent"
    )


def _waits_for_its_other(view: SessionView) -> bool:
    """Whether the last event is the answer of one of two, while the other one still answers."""
    are_answers = [event.kind == "turn" and event.speaker in ("A", "B") for event in view.events[-2:]]
    return view.session.phase == "busy" and are_answers[-1:] == [True] and are_answers != [True, True]


def _next(events: Sequence[SessionEvent]) -> tuple[int, Markup]:
    """Return the next piece and how many events it shows: two that answered the same stand side by side."""
    first = events[0]
    if first.kind == "turn" and first.speaker in ("A", "B") and len(events) > 1:
        other = events[1]
        if other.kind == "turn" and {first.speaker, other.speaker} == {"A", "B"}:
            both = sorted((first, other), key=lambda e: e.speaker)
            return 2, tag("div", *(_bubble(e) for e in both), css="cx-chat-two")
    return 1, _piece(first)


def _piece(event: SessionEvent) -> Markup:
    match event.kind:
        case "human":
            return _human(event)
        case "turn" | "proposal" | "comment":
            return _bubble(event)
        case "tool_call":
            return _tool(event)
        case "pick":
            return _pick(event)
        case "edit":
            what = "better proposal" if event.data.get("of") == "proposer" else "better answer"
            return _mine(event, f"wrote a {what}")
        case "ab_pair":
            return Markup("")
        case "error":
            return tag("p", f"{event.speaker}: {event.text}", css="cx-chat-note cx-bad cx-text")
        case _:
            return tag("p", event.text, css="cx-chat-note")


def _human(event: SessionEvent) -> Markup:
    did = _DID.get(str(event.data.get("how")), "")
    if not event.text:
        return tag("p", f"{event.speaker} {did}", css="cx-chat-note")
    return _mine(event, did)


def _mine(event: SessionEvent, did: str) -> Markup:
    who = tag("div", tag("b", event.speaker), tag("span", did, css="cx-soft"), css="cx-chat-who")
    return tag("div", who, tag("div", event.text, css="cx-text"), css="cx-chat-bubble cx-chat-person")


def _bubble(event: SessionEvent) -> Markup:
    data = event.data
    notes = []
    if event.kind == "proposal":
        notes.append(tag("span", "proposal", css="cx-badge"))
    if event.kind == "comment":
        notes.append(tag("span", "comment", css="cx-badge"))
    if data.get("finish_reason") == "cancelled":
        notes.append(tag("span", "stopped", css="cx-badge cx-cancelled"))
    if data.get("finish_reason") == "length":
        notes.append(tag("span", "cut at the token limit", css="cx-badge cx-cancelled"))
    if version := data.get("version"):
        notes.append(tag("span", str(version), css="cx-soft"))
    who = tag("div", tag("b", event.speaker), *notes, css="cx-chat-who")
    said = event.text or "(nothing)"
    return tag("div", who, tag("div", said, css="cx-text"), css="cx-chat-bubble cx-chat-agent")


def _tool(event: SessionEvent) -> Markup:
    """Return a tool call, folded."""
    data = event.data
    inside = (
        tag("div", "with"),
        tag("pre", _indented(data.get("arguments")), css="cx-text"),
        tag("div", "was told"),
        tag("pre", str(data.get("result", "")), css="cx-text"),
    )
    summary = tag("summary", f"{event.speaker} called {event.text}")
    return tag("details", summary, *inside, css="cx-chat-tool")


def _indented(arguments: Any) -> str:
    """Return JSON for a reader; what is none, as it is."""
    try:
        return json.dumps(json.loads(str(arguments)), indent=1, ensure_ascii=False)
    except ValueError:
        return str(arguments)


def _pick(event: SessionEvent) -> Markup:
    data = event.data
    pieces = [
        tag("b", f"{event.speaker}: {_PICKED.get(str(data.get('verdict')), '')}"),
        tag("span", f"A was {data.get('a')}, B was {data.get('b')}", css="cx-soft"),
    ]
    if data.get("rationale"):
        pieces.append(tag("div", str(data["rationale"]), css="cx-text"))
    if event.text:
        pieces += [tag("div", "better answer:", css="cx-soft"), tag("div", event.text, css="cx-text")]
    return tag("div", *pieces, css="cx-chat-note cx-chat-pick")


def _row(session: LiveSession, is_running: bool, is_selected: bool) -> Markup:
    state = WAITING[session.phase] if is_running else "ended"
    said = (
        tag("b", session.title or "no message yet"),
        tag(
            "span",
            f"{MODES[session.mode]}, {session.owner}, {session.updated_at:%d %b %H:%M} UTC",
            css="cx-soft",
        ),
        tag("span", state, css="cx-badge"),
    )
    link = _link(f"/chat?session={quote(session.id)}", Markup("".join(said)))
    return tag("div", link, css="cx-chat-session cx-selected" if is_selected else "cx-chat-session")


def _link(address: str, text: str) -> Markup:
    return Markup(f'<a href="{escaped(address)}">{escaped(text)}</a>')
