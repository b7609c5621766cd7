"""The layout of the page on live sessions: its components, in the order of the page."""

from __future__ import annotations

import importlib.util
from typing import Any

import gradio as gr

from camelx.schemas import MAX_MESSAGE_CHARS, PickVerdict
from camelx.ui.chat_pieces import MODES
from camelx.ui.look import LOADING

AUTOMATIC, AUTOMATIC_B = "champion", "challenger"
"""Chosen where nobody chose who answers: resolved when the session begins."""


class Layout:
    """The components, laid out inside a Gradio context."""

    def __init__(self) -> None:
        gr.HTML("<h1>Chat</h1>")
        self.head = gr.HTML(elem_id="cx-chat-head")
        self.said = gr.HTML(elem_id="cx-conversation")
        self.live = gr.HTML(elem_id="cx-live")
        with gr.Group(visible=False, elem_id="cx-decide") as self.decide:
            self._deciding()
        with gr.Group(visible=False, elem_id="cx-pick") as self.pick:
            self._picking()
        self._talking()
        self._ending()
        with gr.Accordion("Begin a session", open=True, elem_id="cx-begin") as self.form:
            self._beginning()
        gr.HTML("<h2>My sessions</h2>")
        self.listing = gr.HTML(LOADING, elem_id="cx-sessions")

    def shown(self, *timers: gr.Timer) -> list[Any]:
        """Return what shows a session, in the order in which `ChatPage` returns it, without what was seen."""
        return [
            self.head,
            self.said,
            self.live,
            *timers,
            self.decide,
            self.proposal,
            self.pick,
            self.message,
            self.send,
            self.stop,
            self.ending,
            self.listing,
        ]

    def _deciding(self) -> None:
        gr.HTML("<p class=cx-ask>What is to become of this proposal?</p>")
        with gr.Row():
            self.approve = gr.Button("Approve [A]", variant="primary", elem_id="key-a")
        with gr.Row():
            self.words = gr.Textbox(
                label="Redirect the Proposer",
                max_length=MAX_MESSAGE_CHARS,
                lines=1,
                max_lines=6,
                scale=4,
                min_width=240,
            )
            self.redirect = gr.Button("Redirect", elem_id="cx-redirect", scale=1, min_width=110)
        with gr.Accordion("Edit it", open=False):
            self.proposal = gr.Textbox(
                label="Your version", max_length=MAX_MESSAGE_CHARS, lines=3, max_lines=12
            )
            self.edit = gr.Button("Carry out my version", elem_id="cx-edit")

    def _picking(self) -> None:
        gr.HTML("<p class=cx-ask>Which answer is better?</p>")
        with gr.Row():
            self.verdicts: dict[PickVerdict, gr.Button] = {
                "a": gr.Button("A [1]", elem_id="key-1", variant="primary", min_width=130),
                "b": gr.Button("B [2]", elem_id="key-2", variant="primary", min_width=130),
                "tie": gr.Button("Tie [T]", elem_id="key-t", min_width=130),
                "both_bad": gr.Button("Both bad [X]", elem_id="key-x", min_width=130),
            }
        with gr.Accordion("Why, and a better answer", open=False):
            self.rationale = gr.Textbox(label="Why", max_length=MAX_MESSAGE_CHARS, lines=1, max_lines=6)
            self.better = gr.Textbox(
                label="A better answer", max_length=MAX_MESSAGE_CHARS, lines=2, max_lines=12
            )

    def _talking(self) -> None:
        narrow: dict[str, Any] = {"visible": False, "scale": 1, "min_width": 90}
        with gr.Row():
            self.message = gr.Textbox(
                visible=False,
                label="A goal",
                placeholder="Enter sends, Shift+Enter is a new line",
                max_length=MAX_MESSAGE_CHARS,
                lines=1,
                max_lines=8,
                scale=5,
                elem_id="cx-message",
            )
            self.send = gr.Button("Send", variant="primary", elem_id="cx-send", **narrow)
            self.stop = gr.Button("Stop [S]", variant="stop", elem_id="key-s", **narrow)

    def _ending(self) -> None:
        with gr.Row(visible=False) as self.ending:
            self.close = gr.Button("Close this session", size="sm", elem_id="cx-close")
            self.delete = gr.Button("Delete it ...", size="sm", elem_id="cx-delete")
        with gr.Group(visible=False) as self.sure:
            gr.HTML("<p class=cx-ask>Forget what was said? What you picked still teaches the next cycle.</p>")
            with gr.Row():
                self.yes = gr.Button("Yes, delete it", variant="stop", size="sm", elem_id="cx-delete-yes")
                self.no = gr.Button("No", size="sm")

    def _beginning(self) -> None:
        self.mode = gr.Radio([(name, key) for key, name in MODES.items()], value="team", label="With")
        with gr.Row():
            self.first = gr.Dropdown([AUTOMATIC], value=AUTOMATIC, label="Who answers")
            self.second = gr.Dropdown([AUTOMATIC_B], value=AUTOMATIC_B, label="The other", visible=False)
        self.review = gr.Checkbox(label="A PeerReviewer comments on each result")
        has_langroid = importlib.util.find_spec("langroid") is not None
        self.backend = gr.Radio(["camel", "langroid"], value="camel", label="Run by", visible=has_langroid)
        self.begin = gr.Button("Begin", variant="primary", elem_id="cx-start")
