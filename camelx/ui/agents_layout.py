"""The layout of the page on agents: its components, and what the form's fields show of a text."""

from __future__ import annotations

from typing import Any

import gradio as gr

from camelx.agent_files import BACKEND_KINDS, FormText, agent_field, backend_fields
from camelx.errors import ConfigError
from camelx.schemas import Role

AGENT_FIELDS = (
    "name", "role", "backend", "count", "samples", "temperature", "top_p", "max_tokens", "tools", "system",
)  # fmt: skip
BACKEND_FIELDS = (
    "model", "adapter", "platform", "url", "api_key_env", "timeout_s", "send_seed", "device", "dtype",
    "max_batch", "path",
)  # fmt: skip
_ROLES = [str(role) for role in Role]
_ROLE_CHOICES = [(role.replace("_", " "), role) for role in _ROLES]


class Layout:
    """The components, laid out in the order of the page."""

    def __init__(self, template_choices: list[tuple[str, str]]) -> None:
        """Lay out the page inside a Gradio context."""
        self.state = gr.State({"file": "", "etag": "", "base": ""})
        gr.HTML("<h1>Agents</h1><p class=cx-soft>Who takes part in a cycle, and on which models.</p>")
        self.file = gr.Dropdown([], label="File", visible=False)
        self.structure: dict[str, tuple[Any, Any, Any]] = {}
        with gr.Tabs():
            with gr.Tab("Form"):
                self._agents()
                self._backends()
            with gr.Tab("Text"):
                self.text = gr.Code(
                    language="yaml", lines=20, max_lines=40, label="agents.yaml", wrap_lines=True,
                    interactive=True, elem_id="cx-agents-text",
                )  # fmt: skip
        # Gradio's own strips the text, which would change the end of the file that is saved. A subclass is no
        # way: Gradio writes a .pyi file beside the module of one.
        self.text.postprocess = _as_it_is
        self.checked = gr.HTML(elem_id="cx-checked")
        self.conflict = gr.HTML(elem_id="cx-conflict")
        with gr.Row(visible=False, elem_classes="cx-buttons") as self.conflict_buttons:
            self.keep_mine = gr.Button("Go on with mine, on top of theirs", size="sm", variant="primary")
            self.take_theirs = gr.Button("Take theirs, drop mine", size="sm", variant="stop")
        self.diff = gr.HTML(elem_id="cx-change")
        with gr.Group(visible=False) as self.saving:
            self.note = gr.Textbox(label="What the change is for", max_length=500, elem_id="cx-note")
            with gr.Row(equal_height=True, elem_classes="cx-buttons"):
                self.save = gr.Button("Save", variant="primary", interactive=False, elem_id="cx-save")
                self.discard = gr.Button("Discard what is not saved")
        self.why = gr.HTML()
        self._history()
        self._sources(template_choices)

    # Numbers have no limits of their own: Gradio's would refuse the whole form, and not say for which field.

    def _agents(self) -> None:
        self.agents = gr.Radio([], label="Agent", elem_id="cx-agents")
        with gr.Row():
            name = gr.Textbox(label="Name", elem_id="cx-name", max_length=64)
            role = gr.Dropdown(_ROLE_CHOICES, label="Role")
            backend = gr.Dropdown([], label="Backend", allow_custom_value=True)
        with gr.Row():
            count = gr.Number(label="How many", elem_id="cx-count")
            samples = gr.Number(label="Answers per prompt")
            temperature = gr.Number(
                label="Temperature", step=0.1, info="0 is greedy.", elem_id="cx-temperature"
            )
            top_p = gr.Number(label="top_p", step=0.05)
            max_tokens = gr.Number(label="Most tokens")
        system = gr.Textbox(label="System message", lines=3, max_lines=12, elem_id="cx-system")
        tools = gr.Textbox(label="Tools", info="CAMEL toolkits, with commas; backends openai and camel only.")
        fields = (name, role, backend, count, samples, temperature, top_p, max_tokens, tools, system)
        self.agent_fields: dict[str, Any] = dict(zip(AGENT_FIELDS, fields, strict=True))
        with gr.Accordion("Add or remove an agent", open=False):
            with gr.Row():
                new = gr.Textbox(label="Name of a new agent", max_length=64)
                kind = gr.Dropdown(_ROLE_CHOICES, value="executor", label="Its role")
            with gr.Row(elem_classes="cx-buttons"):
                self.structure["add agent"] = (gr.Button("Add it", size="sm"), new, kind)
                remove = gr.Button("Remove the chosen agent", size="sm", variant="stop")
                self.structure["remove agent"] = (remove, new, kind)

    def _backends(self) -> None:
        with gr.Accordion("Backends", open=False):
            self.backends = gr.Radio([], label="Backend")
            made: dict[str, Any] = {}
            with gr.Row():
                made["model"] = gr.Textbox(label="Model", max_length=300)
                made["adapter"] = gr.Textbox(label="Adapter", info='"champion", "none" or a directory')
                made["platform"] = gr.Textbox(label="Platform", info="As CAMEL names it")
                made["url"] = gr.Textbox(label="URL", info="Ending in /v1", max_length=500)
                made["api_key_env"] = gr.Textbox(
                    label="Variable with the key", info="Its name, never the key", max_length=100
                )
            with gr.Row():
                made["timeout_s"] = gr.Number(label="Time limit of a call, s")
                made["send_seed"] = gr.Checkbox(label="Send a seed")
                made["device"] = gr.Textbox(label="Device", max_length=50)
                made["dtype"] = gr.Dropdown(["auto", "float32", "bfloat16", "float16"], label="dtype")
                made["max_batch"] = gr.Number(label="Most requests at once")
                made["path"] = gr.Textbox(label="Script", info="JSONL file, from agents.yaml")
            self.backend_fields: dict[str, Any] = {field: made[field] for field in BACKEND_FIELDS}
            with gr.Row():
                new = gr.Textbox(label="Name of a new backend, or a new name", max_length=64)
                kind = gr.Dropdown(list(BACKEND_KINDS), value="openai", label="Kind of a new backend")
            with gr.Row(elem_classes="cx-buttons"):
                for change, said in (
                    ("add backend", "Add it"), ("rename backend", "Rename the chosen one"),
                    ("remove backend", "Remove the chosen one"),
                ):  # fmt: skip
                    self.structure[change] = (gr.Button(said, size="sm"), new, kind)

    def _history(self) -> None:
        with gr.Accordion("History", open=False):
            self.history = gr.HTML(elem_id="cx-history")
            self.version = gr.Dropdown([], label="Compare with the file now", elem_id="cx-old")
            self.version_diff = gr.HTML(elem_id="cx-old-diff")
            self.restore = gr.Button("Restore", visible=False, size="sm", elem_id="cx-restore")

    def _sources(self, template_choices: list[tuple[str, str]]) -> None:
        with gr.Accordion("Templates, import and export", open=False):
            self.template = gr.Dropdown(template_choices, value=None, label="A workflow to begin with")
            self.about = gr.HTML()
            with gr.Row(elem_classes="cx-buttons"):
                self.use = gr.Button("Put it in the editor", size="sm")
                self.upload = gr.UploadButton(
                    "Upload a file into the editor", file_types=[".yaml", ".yml"], size="sm"
                )
            gr.HTML('<p><a href="/api/v1/agents/text" download>Download agents.yaml</a></p>')


def _as_it_is(text: str | None) -> str | None:
    return text


def agent_values(form: FormText | None, chosen: Any) -> tuple[Any, ...]:
    """Return what the fields of an agent show, in the order of `AGENT_FIELDS`."""
    agents = form.agents if form else []
    if form is None or not isinstance(chosen, int) or not 0 <= chosen < len(agents):
        return tuple(gr.update(value=None, interactive=False) for _ in AGENT_FIELDS)
    agent = agents[chosen]
    updates = {field: gr.update(value=_plain(agent, field), interactive=True) for field in AGENT_FIELDS}
    if agent.get("role") not in _ROLES:
        updates["role"] = gr.update(value=None, interactive=True)
    updates["backend"] = gr.update(
        choices=list(form.backends), value=_plain(agent, "backend"), interactive=True
    )
    return tuple(updates.values())


def backend_values(form: FormText | None, chosen: Any) -> tuple[Any, ...]:
    """Return what the fields of a backend show, in the order of `BACKEND_FIELDS`."""
    backend = form.backends.get(chosen) if form and isinstance(chosen, str) else None
    try:
        known = backend_fields(str(backend.get("kind"))) if backend else {}
    except ConfigError:
        known = {}
    shown = [backend.get(field, known.get(field)) if backend else None for field in BACKEND_FIELDS]
    return tuple(
        gr.update(visible=field in known, value=_simple(value))
        for field, value in zip(BACKEND_FIELDS, shown, strict=True)
    )


def _plain(agent: dict[str, Any], field: str) -> Any:
    """Return a field's value as its component takes it; None where the text has something else there."""
    try:
        value = agent_field(agent, field)
    except KeyError:
        return None
    if field == "tools":
        return ", ".join(map(str, value)) if isinstance(value, list) else ""
    if field in ("count", "samples", "max_tokens", "temperature", "top_p"):
        return value if isinstance(value, int | float) else None
    return value if isinstance(value, str) else ""


def _simple(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
