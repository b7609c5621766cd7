"""The text of an agents file and its form, kept in step: each change of one shows in the other.

In: the text in the editor and one field, button or choice of the form. Out: the text with that changed, and
all that the page shows of it. Nothing is written here; the page Agents saves.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from camelx.agent_files import (
    MAX_CHARACTERS,
    add_agent,
    add_backend,
    agent_field,
    read_form,
    remove_agent,
    remove_backend,
    rename_backend,
    set_agent_field,
    set_backend_field,
    unified_diff,
)
from camelx.config import agents_mistakes, masked
from camelx.errors import CamelxError, ConfigError
from camelx.pages import Markup, tag
from camelx.schemas import AccessRole
from camelx.ui.agent_pieces import change_view, checked_view
from camelx.ui.agents_layout import agent_values, backend_values
from camelx.ui.guard import guard, shown
from camelx.workspace import Workspace

State = dict[str, Any]
"""What is edited: file, its etag and text at that time, and the run of changes of one field."""
_WHOLE = {"count", "samples", "max_tokens", "max_batch"}
_AGENT_NUMBERS = {"count", "samples", "max_tokens", "temperature", "top_p"}


class FormInStep:
    """The handlers that keep text and form in step; each checks who asks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def typed(
        self, state: State, text: str | None, agent: Any, backend: Any, request: gr.Request
    ) -> tuple[Any, ...]:
        """Return the form, the mistakes and the diff of what was typed as text."""
        guard(self._workspace, request, AccessRole.VIEWER)
        text = bounded(text)
        return (*form_values(text, agent, backend), *checks(state, text))

    def agent_chosen(self, text: str | None, agent: Any, request: gr.Request) -> tuple[Any, ...]:
        """Return the fields of the agent that was chosen."""
        guard(self._workspace, request, AccessRole.VIEWER)
        return agent_values(read_form(bounded(text)), agent)

    def backend_chosen(self, text: str | None, backend: Any, request: gr.Request) -> tuple[Any, ...]:
        """Return the fields of the backend that was chosen."""
        guard(self._workspace, request, AccessRole.VIEWER)
        return backend_values(read_form(bounded(text)), backend)

    def agent_field(
        self, field: str, state: State, text: str | None, agent: Any, value: Any, request: gr.Request
    ) -> tuple[Any, ...]:
        """Change one field of the chosen agent in the text; return state, text, agents, checks and diff."""
        guard(self._workspace, request, AccessRole.VIEWER)
        text = bounded(text)
        if agent is None or (value is None and field not in _AGENT_NUMBERS):
            return state, text, gr.update(), *checks(state, text)
        given = agent_field({}, field) if value is None else _as_written(field, value)
        state, after = _changed(
            state, text, f"agent {agent} {field}", lambda t: set_agent_field(t, int(agent), field, given)
        )
        names = _agent_choices(after) if field == "name" else gr.update()
        return state, after, names, *checks(state, after)

    def backend_field(
        self, field: str, state: State, text: str | None, backend: Any, value: Any, request: gr.Request
    ) -> tuple[Any, ...]:
        """Change one field of the chosen backend in the text; return state, text, checks and diff."""
        guard(self._workspace, request, AccessRole.VIEWER)
        text = bounded(text)
        if backend is None:
            return state, text, *checks(state, text)
        given = _as_written(field, value) if value not in ("", None) else None
        state, after = _changed(
            state, text, f"backend {backend} {field}", lambda t: set_backend_field(t, backend, field, given)
        )
        return state, after, *checks(state, after)

    def structure(
        self,
        change: str,
        state: State,
        text: str | None,
        agent: Any,
        backend: Any,
        name: str | None,
        kind: str | None,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Add, remove or rename an agent or backend in the text; return text, form, checks and diff."""
        guard(self._workspace, request, AccessRole.VIEWER)
        text, name = bounded(text), (name or "").strip()
        try:
            match change:
                case "add agent":
                    text = add_agent(text, name, kind or "executor")
                    agent = len(read_form(text).agents) - 1  # type: ignore[union-attr]  # it was just changed
                case "remove agent":
                    if not isinstance(agent, int):
                        raise ConfigError("choose the agent that is to be removed first")
                    text, agent = remove_agent(text, agent), 0
                case "add backend":
                    text, backend = add_backend(text, name, kind or "openai"), name
                case "rename backend":
                    text, backend = rename_backend(text, str(backend), name), name
                case _:
                    text, backend = remove_backend(text, str(backend)), None
        except CamelxError as e:
            raise shown(e) from e
        return (text, *form_values(text, agent, backend), *checks(state, text))


def form_values(text: str, agent: Any, backend: Any) -> tuple[Any, ...]:
    """Return agents, fields of the agent, backends, fields of the backend, and who may be named."""
    form = read_form(text)
    agents = form.agents if form else []
    chosen = int(agent) if isinstance(agent, int) and agent < len(agents) else (0 if agents else None)
    backends = list(form.backends) if form else []
    named = backend if backend in backends else next(iter(backends), None)
    return (
        gr.update(choices=_numbered(agents), value=chosen),
        *agent_values(form, chosen),
        gr.update(choices=backends, value=named),
        *backend_values(form, named),
    )


def checks(state: State, text: str) -> tuple[Any, ...]:
    """Return mistakes, diff, and whether the text can be saved."""
    mistakes = agents_mistakes(text) if text.strip() else ()
    diff = unified_diff(state["base"], masked(text), f"{state['file']} now", "yours")
    if not text.strip():
        where = "put one in the editor, under Templates, import and export"
        said = tag("p", f"There is no {state['file']} yet: {where}.", css="cx-empty")
        return said, Markup(""), gr.update(interactive=False)
    can_save = bool(diff) and not mistakes
    return checked_view(mistakes, bool(diff)), change_view(diff), gr.update(interactive=can_save)


def bounded(text: str | None) -> str:
    """Return the text that the editor sent; none is an empty one.

    Raises:
        gr.Error: No agents file is that long.
    """
    text = text or ""
    if len(text) > MAX_CHARACTERS:
        raise shown(ConfigError(f"the text is longer than {MAX_CHARACTERS:,} characters"))
    return text


def _as_written(field: str, value: Any) -> Any:
    """Return a field's value as it stands in the text."""
    if field == "tools":
        return [tool.strip() for tool in str(value).split(",") if tool.strip()]
    if field in _WHOLE and float(value).is_integer():
        return int(value)
    if isinstance(value, str):
        return value.strip()
    return float(value) if isinstance(value, int | float) else value


def _changed(state: State, text: str, field: str, change: Any) -> tuple[State, str]:
    """Return state and text after one field was changed.

    While one field is typed in, each change is made in the text before the first: else half a word could make
    a block of text a quoted line.
    """
    is_same_run = state.get("field") == field and state.get("after") == text
    before = state["before"] if is_same_run else text
    try:
        after = change(before)
    except CamelxError as e:
        raise shown(e) from e
    return state | {"field": field, "before": before, "after": after}, after


def _numbered(agents: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(str(agent.get("name", f"agent {i + 1}")), i) for i, agent in enumerate(agents)]


def _agent_choices(text: str) -> Any:
    form = read_form(text)
    return gr.update(choices=_numbered(form.agents)) if form else gr.update()
