"""The layout of the page on annotations: its components, in the order of the page."""

from __future__ import annotations

import gradio as gr

from camelx.annotation import MAX_EDITED_CHARS, MAX_RATIONALE_CHARS, HumanVerdict
from camelx.schemas import Verdict
from camelx.ui.look import LOADING

ANY = "any"
"""Chosen where all roles or categories are wanted."""
ALL_CATEGORIES = ("all categories", ANY)
_ROLES = [("all work", ANY), ("proposals", "proposer"), ("executions", "executor")]


class Layout:
    """The components, laid out inside a Gradio context."""

    def __init__(self) -> None:
        self.seen = gr.Textbox(visible="hidden", elem_id="cx-seen")
        """Which item the browser shows."""
        self.place = gr.Textbox(visible="hidden", elem_id="cx-place")
        """Its name in the browser's tab."""
        gr.HTML("<h1>Annotate</h1>")
        self.progress = gr.HTML(elem_id="cx-progress")
        with gr.Row(elem_classes="cx-wanted"):
            self.cycle = gr.Dropdown([], label="Cycle", container=False, visible=False, min_width=140)
            self.role = gr.Dropdown(
                _ROLES, value=ANY, label="Role", container=False, visible=False, min_width=140
            )
            self.category = gr.Dropdown(
                [ALL_CATEGORIES],
                value=ANY,
                label="Category",
                container=False,
                visible=False,
                min_width=140,
            )
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                self.item = gr.HTML(LOADING, elem_id="cx-item")
                with gr.Column(visible=False, elem_id="cx-judging") as self.judging:
                    with gr.Row(elem_classes="cx-keys"):
                        self.verdicts: dict[HumanVerdict, gr.Button] = {
                            Verdict.FIRST: gr.Button("A is better [A]", variant="primary", elem_id="key-a"),
                            Verdict.SECOND: gr.Button("B is better [B]", variant="primary", elem_id="key-b"),
                            Verdict.TIE: gr.Button("Tie [T]", elem_id="key-t"),
                            "both_bad": gr.Button("Both bad [X]", elem_id="key-x"),
                        }
                        self.skip = gr.Button("Skip [S]", elem_id="key-s")
                    self.rating = gr.Radio(
                        list("12345"),
                        label="How good is the better one? Keys 1 to 5",
                        elem_classes="cx-rating cx-keys-radio",
                    )
                    self.rationale = gr.Textbox(
                        label="Why (optional)", lines=1, max_lines=6, max_length=MAX_RATIONALE_CHARS
                    )
                    with gr.Accordion("Write a better answer", open=False) as self.better:
                        self.edited = gr.Textbox(
                            label="It is learned in place of the winner",
                            lines=4,
                            max_lines=20,
                            max_length=MAX_EDITED_CHARS,
                        )
                        with gr.Row():
                            self.from_a = gr.Button("Start from A", size="sm")
                            self.from_b = gr.Button("Start from B", size="sm")
                with gr.Row(elem_classes="cx-keys-more"):
                    self.undo = gr.Button("Undo [U]", size="sm", elem_id="key-u")
                    self.agents = gr.Button("What the agents said [V]", size="sm", elem_id="key-v")
                self.reopen = gr.Button("Show again what I skipped", visible=False)
                self.saved = gr.HTML(elem_id="cx-saved")
                self.said = gr.HTML(elem_id="cx-agents-said")
            with (
                gr.Column(scale=1, min_width=260),
                gr.Accordion("Guidelines", open=True, elem_id="cx-guidelines"),
            ):
                self.guidelines = gr.Markdown(sanitize_html=True)
