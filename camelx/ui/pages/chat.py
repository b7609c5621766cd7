"""The page Chat: a live session with the agents, and the list of one's sessions.

The conversation is made anew from the database where something was added to it; what is being said is looked
at four times a second while agents answer. So a page that is reloaded, or opened once more, shows the same,
and what was said elsewhere is seen some seconds later.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from camelx.errors import CamelxError
from camelx.pages import Markup, tag
from camelx.schemas import MAX_MESSAGE_CHARS, AccessRole, Principal, SessionView
from camelx.sessions import Approve, Edit, Input, Interject, Pick, Redirect, Say, SessionRequest, Stop
from camelx.ui.chat_layout import AUTOMATIC, AUTOMATIC_B, Layout
from camelx.ui.chat_pieces import (
    being_said,
    conversation,
    heading,
    nothing_selected,
    only_look,
    session_list,
)
from camelx.ui.guard import guard, shown
from camelx.workspace import Workspace

_LOOK_EVERY_S = 0.25
_LOOK_ANYHOW_S = 3.0
"""So often the page looks in any case: for what was said elsewhere, and because Gradio now and then loses
the answer to a look and waits for it for ever, until the next event of another kind."""
_LOOKED_BACK = 2
"""Events that are read again at each look: what is being said stands beside the last of them."""
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_ONCE: dict[str, Any] = _QUIET | {"trigger_mode": "once"}
_KEEP_ADDRESS = (
    "(id) => { history.replaceState(null, '', location.pathname + (id ? '?session=' + id : '')); }"
)


class ChatPage:
    """The page's handlers; each checks who asks.

    What they return is for seen, heading, conversation, live, both timers, decide, proposal, pick, message,
    send, stop, the box with close and delete, and the list of sessions.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._sessions = workspace, workspace.sessions

    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """Return the page as it begins: selected, the form, and the session that its address names."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        if not principal.role.includes(AccessRole.ANNOTATOR):
            return (None, gr.update(visible=False), *_nothing(only_look(principal.name)), Markup(""))
        query = dict(request.query_params)
        selected = str(query["session"]) if query.get("session") else None
        return (selected, gr.update(open=not selected), *self._seen(principal, selected, "", query))

    def choices(self, mode: str, request: gr.Request) -> tuple[Any, Any, Any]:
        """Return who can be chosen to answer, and beside whom, in this mode."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        try:
            names = self._sessions.choices() if principal.role.includes(AccessRole.ANNOTATOR) else ()
        except CamelxError as e:
            gr.Warning(str(shown(e)))
            names = ()
        first, second = [AUTOMATIC, *names], [AUTOMATIC_B, *names]
        is_pair = mode == "ab"
        return (
            gr.update(choices=first, value=AUTOMATIC, label="Who answers" if not is_pair else "One"),
            gr.update(choices=second, value=AUTOMATIC_B, visible=is_pair),
            gr.update(visible=mode == "team" or mode == "talk"),
        )

    def begin(
        self, mode: str, first: str, second: str, has_review: bool, backend: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Begin a session, and return selected, its address, the form, and the session.

        Raises:
            gr.Error: It can't be begun; the page shows why.
        """
        principal = self._who(request)
        try:
            session = self._sessions.create(
                principal,
                SessionRequest.model_validate(
                    {
                        "mode": mode,
                        "versions": _versions(mode, first, second),
                        "has_review": has_review,
                        "backend": backend,
                    }
                ),
            )
        except CamelxError as e:
            raise shown(e) from e
        except ValueError as e:
            raise gr.Error("choose a mode and who answers", print_exception=False) from e
        return (session.id, session.id, gr.update(open=False), *self._seen(principal, session.id, "", {}))

    def look(self, selected: str | None, seen: str, request: gr.Request) -> tuple[Any, ...]:
        """Return the session as it is now; what has not changed is left alone."""
        return self._seen(self._who(request), selected, seen, {})

    def say(self, selected: str | None, text: str, request: gr.Request) -> tuple[Any, ...]:
        """Send a message, or interject it where agents are answering."""
        principal = self._who(request)
        if not (text or "").strip():
            return self._seen(principal, selected, "", {})
        is_busy = self._view(principal, selected).session.phase == "busy"
        return self._sent(principal, selected, _made(Interject if is_busy else Say, text))

    def approve(self, selected: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Let the proposal be carried out."""
        return self._sent(self._who(request), selected, Approve())

    def redirect(self, selected: str | None, text: str, request: gr.Request) -> tuple[Any, ...]:
        """Let the Proposer propose anew."""
        return self._sent(self._who(request), selected, _made(Redirect, text))

    def edit(self, selected: str | None, text: str, request: gr.Request) -> tuple[Any, ...]:
        """Let the person's own version of the proposal be carried out."""
        return self._sent(self._who(request), selected, _made(Edit, text))

    def pick(
        self, selected: str | None, verdict: str, better: str, rationale: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Keep which answer is better."""
        said = {"verdict": verdict, "edited_text": (better or "").strip() or None,
                "rationale": (rationale or "").strip() or None}  # fmt: skip
        return self._sent(self._who(request), selected, _valid(Pick, said))

    def stop(self, selected: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Stop whoever speaks."""
        return self._sent(self._who(request), selected, Stop())

    def close(self, selected: str | None, request: gr.Request) -> tuple[Any, ...]:
        """End the session."""
        principal = self._who(request)
        try:
            self._sessions.end(principal, selected or "")
        except CamelxError as e:
            raise shown(e) from e
        return self._seen(principal, selected, "", {})

    def delete(self, selected: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Forget what was said in the session; return selected, its address, the form and an empty page."""
        principal = self._who(request)
        try:
            self._sessions.delete(principal, selected or "")
        except CamelxError as e:
            raise shown(e) from e
        return (None, "", gr.update(open=True), *self._seen(principal, None, "", {}))

    # --- inside

    def _who(self, request: gr.Request) -> Principal:
        return guard(self._workspace, request, AccessRole.ANNOTATOR)

    def _listed(self, principal: Principal, selected: str | None) -> Markup:
        found = self._sessions.sessions(principal, limit=50)
        return session_list(found, [s.id for s in found if self._sessions.is_running(s.id)], selected)

    def _view(self, principal: Principal, selected: str | None) -> SessionView:
        try:
            return self._sessions.view(principal, selected or "")
        except CamelxError as e:
            raise shown(e) from e

    def _sent(self, principal: Principal, selected: str | None, sent: Input) -> tuple[Any, ...]:
        try:
            self._sessions.send(principal, selected or "", sent)
        except CamelxError as e:
            raise shown(e) from e
        return self._seen(principal, selected, "", {})

    def _seen(
        self, principal: Principal, selected: str | None, seen: str, query: dict[str, Any]
    ) -> tuple[Any, ...]:
        if not selected:
            return (*_nothing(nothing_selected()), self._listed(principal, None))
        try:
            last = _last_seen(selected, seen)
            view = self._sessions.view(principal, selected, after=max(0, last - _LOOKED_BACK))
            if last and _mark(view) == seen:
                return (seen, gr.skip(), gr.skip(), being_said(view), *([gr.skip()] * 10))
            whole = self._sessions.view(principal, selected) if last > _LOOKED_BACK else view
        except CamelxError as e:
            said = tag("div", tag("p", str(e)), tag("p", "Choose one below, or begin one."), css="cx-empty")
            return (*_nothing(said), self._listed(principal, None))
        return (*self._shown(principal, whole, query), self._listed(principal, selected))

    def _shown(self, principal: Principal, view: SessionView, query: dict[str, Any]) -> tuple[Any, ...]:
        """Return all that depends on the session."""
        phase, is_mine = view.session.phase, view.session.owner == principal.name
        is_busy = phase == "busy"
        proposal = next((e.text for e in reversed(view.events) if e.kind == "proposal"), "")
        return (
            _mark(view),
            heading(view),
            conversation(view, everything=bool(query.get("all"))),
            being_said(view),
            gr.Timer(active=is_busy),
            gr.Timer(active=True),
            gr.update(visible=is_mine and phase == "deciding"),
            gr.update(value=proposal) if phase == "deciding" else gr.skip(),
            gr.update(visible=is_mine and phase == "picking"),
            gr.update(visible=is_mine, label=_label(view)),
            gr.update(visible=is_mine, value="Interject" if is_busy else "Send"),
            gr.update(visible=is_mine and is_busy),
            gr.update(visible=is_mine),
        )


def _mark(view: SessionView) -> str:
    """Return what tells whether a session has changed: its id, its last event, what it waits for."""
    seq = view.events[-1].seq if view.events else 0
    return f"{view.session.id} {seq} {view.session.phase} {view.session.status}"


def _last_seen(selected: str, seen: str) -> int:
    """Return the number of the last event that the page shows of this session; 0: it shows none."""
    session_id, seq, *_ = [*(seen or "").split(" "), ""]
    return int(seq) if session_id == selected and seq.isdecimal() and len(seq) < 10 else 0


def _label(view: SessionView) -> str:
    if view.session.phase == "busy":
        return "Interject: stops them, and is what they hear next"
    return "A goal" if not view.events else "Your next words"


def _nothing(said: Markup) -> tuple[Any, ...]:
    hidden = gr.update(visible=False)
    return (
        "",
        "",
        said,
        "",
        gr.Timer(active=False),
        gr.Timer(active=False),
        hidden,
        gr.skip(),
        hidden,
        hidden,
        hidden,
        hidden,
        hidden,
    )


def _versions(mode: str, first: str, second: str) -> tuple[str, ...]:
    """Return who is to answer; what was left as it is, is chosen when the session begins."""
    if mode != "ab":
        return () if first == AUTOMATIC else (first,)
    return () if (first, second) == (AUTOMATIC, AUTOMATIC_B) else (first, second)


def _made(kind: type[Any], text: str) -> Input:
    return _valid(kind, {"text": text or ""})


def _valid(kind: type[Any], fields: dict[str, Any]) -> Input:
    """Return what is sent.

    Raises:
        gr.Error: A text is empty or too long.
    """
    try:
        made: Input = kind.model_validate(fields)
    except ValueError as e:
        raise gr.Error(f"write 1 to {MAX_MESSAGE_CHARS:,} characters", print_exception=False) from e
    return made


def build(workspace: Workspace) -> None:
    """Lay out the page, and let each component call its handler."""
    page, layout = ChatPage(workspace), Layout()
    address = gr.Textbox(visible="hidden")
    selected = gr.State(None)
    often, anyhow = gr.Timer(_LOOK_EVERY_S, active=False), gr.Timer(_LOOK_ANYHOW_S, active=False)
    # Kept by the browser: where two answers overtake each other it is still that of what the page shows.
    seen = gr.Textbox("", visible="hidden")
    here = [seen, *layout.shown(often, anyhow)]
    _wire_beginning(page, layout, selected, address, here)
    often.tick(page.look, [selected, seen], here, **_QUIET)
    anyhow.tick(page.look, [selected, seen], here, **_QUIET | {"trigger_mode": "multiple"})
    _wire_talk(page, layout, selected, here)
    _wire_judging(page, layout, selected, here)
    _wire_ending(page, layout, selected, address, here)


def _wire_beginning(page: ChatPage, layout: Layout, selected: Any, address: Any, here: list[Any]) -> None:
    form = [layout.first, layout.second, layout.review]
    gr.on(None, page.load, None, [selected, layout.form, *here], **_QUIET)
    gr.on([layout.mode.change], page.choices, [layout.mode], form, **_QUIET)
    gr.on(None, page.choices, [layout.mode], form, **_QUIET)
    begun = layout.begin.click(
        page.begin,
        [layout.mode, *form, layout.backend],
        [selected, address, layout.form, *here],
        **_ONCE,
    )
    begun.then(None, [address], None, js=_KEEP_ADDRESS)


def _wire_talk(page: ChatPage, layout: Layout, selected: Any, here: list[Any]) -> None:
    message = layout.message
    for trigger in (message.submit, layout.send.click):
        trigger(page.say, [selected, message], here, **_ONCE).success(lambda: "", None, [message], **_QUIET)
    layout.stop.click(page.stop, [selected], here, **_QUIET)


def _wire_judging(page: ChatPage, layout: Layout, selected: Any, here: list[Any]) -> None:
    words, why = layout.words, [layout.better, layout.rationale]
    layout.approve.click(page.approve, [selected], here, **_ONCE)
    for trigger in (layout.redirect.click, words.submit):
        trigger(page.redirect, [selected, words], here, **_ONCE).success(lambda: "", None, [words], **_QUIET)
    layout.edit.click(page.edit, [selected, layout.proposal], here, **_ONCE)
    for verdict, button in layout.verdicts.items():
        picked = button.click(page.pick, [selected, gr.State(verdict), *why], here, **_ONCE)
        picked.success(lambda: ("", ""), None, why, **_QUIET)


def _wire_ending(page: ChatPage, layout: Layout, selected: Any, address: Any, here: list[Any]) -> None:
    hide, reveal = gr.update(visible=False), gr.update(visible=True)
    layout.close.click(page.close, [selected], here, **_ONCE)
    layout.delete.click(lambda: reveal, None, [layout.sure], **_QUIET)
    for button in (layout.no, layout.yes):
        button.click(lambda: hide, None, [layout.sure], **_QUIET)
    deleted = layout.yes.click(page.delete, [selected], [selected, address, layout.form, *here], **_ONCE)
    deleted.then(None, [address], None, js=_KEEP_ADDRESS)
