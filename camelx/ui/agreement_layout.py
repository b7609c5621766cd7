"""The layout of the page on agreement: its components, in the order of the page."""

from __future__ import annotations

import gradio as gr

from camelx.annotation import MAX_RATIONALE_CHARS, VERDICT_WORDS
from camelx.ui.look import LOADING
from camelx.ui.verdict_batches import BatchLayout

ALL = "all cycles"
_KEYS = {"first": "a", "second": "b", "tie": "t", "both_bad": "x"}


class Layout:
    """The components, laid out inside a Gradio context."""

    def __init__(self) -> None:
        self.position, self.pair, self.last = gr.State(0), gr.State(""), gr.State("")
        gr.HTML("<h1>Agreement</h1>")
        self.cycle = gr.Dropdown([ALL], value=ALL, label="Verdicts on", elem_id="cx-agreement-cycle")
        self.figures = gr.HTML(LOADING, elem_id="cx-agreement")
        self._disputes()
        self.exports = gr.HTML(elem_id="cx-exports")
        with gr.Column(visible=False) as self.admins:
            self._import()
            with gr.Accordion("Take back verdicts, or give them to another person", open=False) as self.many:
                self.batch = BatchLayout()
        one = [self.position, self.pair, self.dispute, self.steps, self.settling]
        self.one = one
        """Outputs that show one disagreement."""
        self.everything = [self.figures, self.exports, self.batch.person, self.batch.to, self.admins, *one]

    def _disputes(self) -> None:
        self.dispute = gr.HTML(elem_id="cx-dispute")
        with gr.Row(visible=False, elem_classes="cx-buttons") as self.steps:
            self.before = gr.Button("Previous [P]", size="sm", elem_id="key-p")
            self.after = gr.Button("Next [N]", size="sm", elem_id="key-n")
        with gr.Group(visible=False, elem_id="cx-settle") as self.settling:
            gr.HTML("<p class=cx-ask>Settle it: your verdict holds, whatever people said.</p>")
            self.why = gr.Textbox(label="Why (optional)", max_length=MAX_RATIONALE_CHARS)
            with gr.Row(elem_classes="cx-buttons"):
                self.verdicts = {
                    label: gr.Button(
                        f"{says[0].upper()}{says[1:]} [{key.upper()}]", size="sm", elem_id=f"key-{key}"
                    )
                    for label, says in VERDICT_WORDS.items()
                    for key in [_KEYS[label]]
                }
                self.undo = gr.Button("Undo [U]", size="sm", elem_id="key-u")
        self.settled = gr.HTML(elem_id="cx-settled")

    def _import(self) -> None:
        with gr.Accordion("Import annotations", open=False, elem_id="cx-import"):
            self.file = gr.File(
                label="JSONL, CSV or parquet", file_types=[".jsonl", ".csv", ".parquet"], height=120
            )
            self.preview = gr.HTML()
            self.bring_in = gr.Button("Import", variant="primary", visible=False)
