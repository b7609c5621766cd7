"""The page Chat: a live session with the agents, and the list of one's sessions.

The conversation is made anew from the database where something was added to it; what is being said is looked
at four times a second while agents answer. So a page that is reloaded, or opened once more, shows the same.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import gradio as gr

from camelx.errors import CamelxError
from camelx.pages import Markup, tag
from camelx.schemas import MAX_MESSAGE_CHARS, AccessRole, Principal, SessionView
from camelx.sessions import Approve, Edit, Input, Interject, Pick, Redirect, Say, SessionRequest, Stop
from camelx.ui.chat_pieces import (
    MODES,
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
_AUTOMATIC = "champion"
_AUTOMATIC_B = "challenger"


class ChatPage:
    """The page's handlers; each checks who asks.

    What they return is for seen, heading, conversation, live, timer, decide, proposal, pick, message, send,
    stop, the box with close and delete, and the list of sessions.
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
        first, second = [_AUTOMATIC, *names], [_AUTOMATIC_B, *names]
        is_pair = mode == "ab"
        return (
            gr.update(choices=first, value=_AUTOMATIC, label="Who answers" if not is_pair else "One"),
            gr.update(choices=second, value=_AUTOMATIC_B, visible=is_pair),
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
            view = self._sessions.view(principal, selected)
        except CamelxError as e:
            said = tag("div", tag("p", str(e)), tag("p", "Choose one below, or begin one."), css="cx-empty")
            return (*_nothing(said), self._listed(principal, None))
        phase, is_mine = view.session.phase, view.session.owner == principal.name
        live = being_said(view.under_way, is_busy=phase == "busy")
        now = f"{selected} {len(view.events)} {phase} {view.session.status}"
        if now == seen:
            return (now, gr.skip(), gr.skip(), live, *([gr.skip()] * 9))
        is_busy = phase == "busy"
        proposal = next((e.text for e in reversed(view.events) if e.kind == "proposal"), "")
        return (
            now,
            heading(view),
            conversation(view, everything=bool(query.get("all"))),
            live,
            gr.Timer(active=is_busy),
            gr.update(visible=is_mine and phase == "deciding"),
            gr.update(value=proposal) if phase == "deciding" else gr.skip(),
            gr.update(visible=is_mine and phase == "picking"),
            gr.update(visible=is_mine, label=_label(view)),
            gr.update(visible=is_mine, value="Interject" if is_busy else "Send"),
            gr.update(visible=is_mine and is_busy),
            gr.update(visible=is_mine),
            self._listed(principal, selected),
        )


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
        return () if first == _AUTOMATIC else (first,)
    return () if (first, second) == (_AUTOMATIC, _AUTOMATIC_B) else (first, second)


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


_KEEP_ADDRESS = (
    "(id) => { history.replaceState(null, '', location.pathname + (id ? '?session=' + id : '')); }"
)


def build(workspace: Workspace) -> None:
    """Lay out the page."""
    page = ChatPage(workspace)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    once: dict[str, Any] = quiet | {"trigger_mode": "once"}
    address = gr.Textbox(visible="hidden")
    selected, seen, timer = gr.State(None), gr.State(""), gr.Timer(_LOOK_EVERY_S, active=False)
    gr.HTML("<h1>Chat</h1>")
    head = gr.HTML(elem_id="cx-chat-head")
    said = gr.HTML(elem_id="cx-conversation")
    live = gr.HTML(elem_id="cx-live")
    with gr.Group(visible=False, elem_id="cx-decide") as decide:
        gr.HTML("<p class=cx-ask>What is to become of this proposal?</p>")
        with gr.Row():
            approve = gr.Button("Approve [A]", variant="primary", elem_id="key-a")
        with gr.Row():
            words = gr.Textbox(
                label="Redirect the Proposer",
                max_length=MAX_MESSAGE_CHARS,
                lines=1,
                max_lines=6,
                scale=4,
                min_width=240,
            )
            redirect = gr.Button("Redirect", elem_id="cx-redirect", scale=1, min_width=110)
        with gr.Accordion("Edit it", open=False):
            proposal = gr.Textbox(label="Your version", max_length=MAX_MESSAGE_CHARS, lines=3, max_lines=12)
            edit = gr.Button("Carry out my version", elem_id="cx-edit")
    with gr.Group(visible=False, elem_id="cx-pick") as pick:
        gr.HTML("<p class=cx-ask>Which answer is better?</p>")
        with gr.Row():
            verdicts = {
                "a": gr.Button("A [1]", elem_id="key-1", variant="primary", min_width=130),
                "b": gr.Button("B [2]", elem_id="key-2", variant="primary", min_width=130),
                "tie": gr.Button("Tie [T]", elem_id="key-t", min_width=130),
                "both_bad": gr.Button("Both bad [X]", elem_id="key-x", min_width=130),
            }
        with gr.Accordion("Why, and a better answer", open=False):
            rationale = gr.Textbox(label="Why", max_length=MAX_MESSAGE_CHARS, lines=1, max_lines=6)
            better = gr.Textbox(label="A better answer", max_length=MAX_MESSAGE_CHARS, lines=2, max_lines=12)
    with gr.Row():
        message = gr.Textbox(
            visible=False,
            label="A goal",
            placeholder="Enter sends, Shift+Enter is a new line",
            max_length=MAX_MESSAGE_CHARS,
            lines=1,
            max_lines=8,
            scale=5,
            elem_id="cx-message",
        )
        send = gr.Button("Send", visible=False, variant="primary", scale=1, min_width=90, elem_id="cx-send")
        stop = gr.Button("Stop [S]", visible=False, variant="stop", scale=1, min_width=90, elem_id="key-s")
    with gr.Row(visible=False) as ending:
        close = gr.Button("Close this session", size="sm", elem_id="cx-close")
        delete = gr.Button("Delete it ...", size="sm", elem_id="cx-delete")
    with gr.Group(visible=False) as sure:
        gr.HTML("<p class=cx-ask>Forget what was said? What you picked still teaches the next cycle.</p>")
        with gr.Row():
            yes = gr.Button("Yes, delete it", variant="stop", size="sm", elem_id="cx-delete-yes")
            no = gr.Button("No", size="sm")
    with gr.Accordion("Begin a session", open=True, elem_id="cx-begin") as form:
        mode = gr.Radio([(name, key) for key, name in MODES.items()], value="team", label="With")
        with gr.Row():
            first = gr.Dropdown([_AUTOMATIC], value=_AUTOMATIC, label="Who answers")
            second = gr.Dropdown([_AUTOMATIC_B], value=_AUTOMATIC_B, label="The other", visible=False)
        review = gr.Checkbox(label="A PeerReviewer comments on each result")
        has_langroid = importlib.util.find_spec("langroid") is not None
        backend = gr.Radio(["camel", "langroid"], value="camel", label="Run by", visible=has_langroid)
        begin = gr.Button("Begin", variant="primary", elem_id="cx-start")
    gr.HTML("<h2>My sessions</h2>")
    listing = gr.HTML(elem_id="cx-sessions")

    here = [seen, head, said, live, timer, decide, proposal, pick, message, send, stop, ending, listing]
    gr.on(None, page.load, None, [selected, form, *here], **quiet)
    gr.on([mode.change], page.choices, [mode], [first, second, review], **quiet)
    gr.on(None, page.choices, [mode], [first, second, review], **quiet)
    timer.tick(page.look, [selected, seen], here, **quiet)
    begun = begin.click(
        page.begin, [mode, first, second, review, backend], [selected, address, form, *here], **once
    )
    begun.then(None, [address], None, js=_KEEP_ADDRESS)
    for trigger in (message.submit, send.click):
        sent = trigger(page.say, [selected, message], here, **once)
        sent.success(lambda: "", None, [message], **quiet)
    approve.click(page.approve, [selected], here, **once)
    for trigger in (redirect.click, words.submit):
        trigger(page.redirect, [selected, words], here, **once).success(lambda: "", None, [words], **quiet)
    edit.click(page.edit, [selected, proposal], here, **once)
    for verdict, button in verdicts.items():
        picked = button.click(page.pick, [selected, gr.State(verdict), better, rationale], here, **once)
        picked.success(lambda: ("", ""), None, [better, rationale], **quiet)
    stop.click(page.stop, [selected], here, **quiet)
    close.click(page.close, [selected], here, **once)
    hide, reveal = gr.update(visible=False), gr.update(visible=True)
    delete.click(lambda: reveal, None, [sure], **quiet)
    for button in (no, yes):
        button.click(lambda: hide, None, [sure], **quiet)
    yes.click(page.delete, [selected], [selected, address, form, *here], **once).then(
        None, [address], None, js=_KEEP_ADDRESS
    )
