"""The page Agents: agents.yaml as a form and as text, its mistakes while typing, its history.

The text in the editor is the only truth: each change of the form is made in it, and the form is read from it
again. Nothing is written before Save, which shows its diff first and is refused where somebody else was
faster.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from camelx.agent_files import (
    DEFAULT_FILE,
    MAX_CHARACTERS,
    EditConflictError,
    template,
    templates,
    unified_diff,
)
from camelx.errors import CamelxError, ConfigError
from camelx.pages import Markup, tag
from camelx.schemas import AccessRole, Principal
from camelx.ui.agent_pieces import conflict_view, diff_view, history_view, template_view
from camelx.ui.agents_form import FormInStep, State, bounded, checks, form_values
from camelx.ui.agents_layout import AGENT_FIELDS, BACKEND_FIELDS, Layout
from camelx.ui.guard import guard, shown, warn
from camelx.workspace import Workspace


class AgentsPage(FormInStep):
    """All handlers of the page; each checks who asks."""

    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """Return the page as it begins: the file that its address names, else agents.yaml."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        file = str(dict(request.query_params).get("file") or DEFAULT_FILE)
        try:
            return self._opened(file, principal)
        except CamelxError as e:
            warn(f"{e}; what is shown is {DEFAULT_FILE}")
            return self._opened(DEFAULT_FILE, principal)

    def open(self, file: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Return the page on another file, or on this one anew."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        try:
            return self._opened(file or DEFAULT_FILE, principal)
        except CamelxError as e:
            raise shown(e) from e

    # Saving

    def save(self, state: State, text: str | None, note: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Write the text; return state, conflict, note, history and checks.

        Raises:
            gr.Error: The text has mistakes or holds a key; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.OPERATOR)
        text = bounded(text)
        try:
            saved = self._workspace.agent_files.save(
                text,
                based_on=state["etag"],
                author=principal.name,
                file=state["file"],
                note=(note or "")[:500],
                may_name_code=principal.role.includes(AccessRole.ADMIN),
            )
        except EditConflictError as e:
            state = state | {"theirs": e.current.etag, "their_text": e.current.text}
            reveal = gr.update(visible=True)
            said = (conflict_view(e), reveal, gr.update())
            return (state, *said, *self._history(state["file"]), *checks(state, text))
        except CamelxError as e:
            raise shown(e) from e
        self._workspace.access.audit(
            principal, "agents.save", saved.file, version=saved.etag, note=note or ""
        )
        gr.Info(f"Saved as version {saved.version.number if saved.version else 1}.")
        state = {"file": saved.file, "etag": saved.etag, "base": saved.text}
        done = (Markup(""), gr.update(visible=False), "")
        return (state, *done, *self._history(saved.file), *checks(state, text))

    def keep_mine(self, state: State, text: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Go on with one's own text on top of what the file says now; nothing is saved yet."""
        guard(self._workspace, request, AccessRole.OPERATOR)
        if "theirs" in state:  # a second click finds nothing to do
            state = {"file": state["file"], "etag": state["theirs"], "base": state["their_text"]}
        return state, Markup(""), gr.update(visible=False), *checks(state, bounded(text))

    def version_diff(self, state: State, number: Any, request: gr.Request) -> tuple[Any, ...]:
        """Return what differs from a version to the file as it is now, and whether it can be restored."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        if number is None:
            return Markup(""), gr.update(visible=False)
        try:
            old = self._workspace.agent_files.version(int(number), state["file"])
        except CamelxError as e:
            raise shown(e) from e
        diff = unified_diff(old.text, state["base"], f"version {number}", f"{state['file']} now")
        said = diff_view(diff) if diff else tag("p", "It is the same as the file now.", css="cx-soft")
        may = principal.role.includes(AccessRole.OPERATOR)
        return said, gr.update(visible=bool(diff) and may, value=f"Restore version {number}")

    def restore(self, state: State, number: Any, request: gr.Request) -> tuple[Any, ...]:
        """Write a version's text again, and return the whole page as it is then.

        Raises:
            gr.Error: Somebody else was faster, or this camelx does not take that text any more.
        """
        principal = guard(self._workspace, request, AccessRole.OPERATOR)
        try:
            restored = self._workspace.agent_files.restore(
                int(number or 0),
                based_on=state["etag"],
                author=principal.name,
                file=state["file"],
                may_name_code=principal.role.includes(AccessRole.ADMIN),
            )
            self._workspace.access.audit(
                principal, "agents.restore", restored.file, version=restored.etag, restored=number
            )
            return self._opened(state["file"], principal)
        except CamelxError as e:
            raise shown(e) from e

    # Bringing in a text

    def template_chosen(self, name: str | None, request: gr.Request) -> Markup:
        """Return what a template is for."""
        guard(self._workspace, request, AccessRole.VIEWER)
        return template_view(template(name)) if name else Markup("")

    def use_template(self, state: State, name: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Put a template's text in the editor; nothing is saved."""
        guard(self._workspace, request, AccessRole.VIEWER)
        try:
            text = template(name).text if name else state.get("base", "")
        except CamelxError as e:
            raise shown(e) from e
        return (text, *form_values(text, 0, None), *checks(state, text))

    def uploaded(self, state: State, path: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Put an uploaded file's text in the editor; nothing is saved.

        Raises:
            gr.Error: It is too large, or no text.
        """
        guard(self._workspace, request, AccessRole.OPERATOR)
        try:
            if path is None or Path(path).stat().st_size > MAX_CHARACTERS:
                raise ConfigError(f"the file is larger than {MAX_CHARACTERS:,} bytes: no agents file is")
            text = Path(path).read_bytes().decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError as e:
            raise shown(ConfigError("the file is no text in UTF-8")) from e
        except CamelxError as e:
            raise shown(e) from e
        return (text, *form_values(text, 0, None), *checks(state, text))

    # What is shown

    def _opened(self, file: str, principal: Principal) -> tuple[Any, ...]:
        """Return state, files, text, form, checks, conflict and its buttons, history, save and why not."""
        current = self._workspace.agent_files.read(file)
        names = self._workspace.agent_files.names()
        state = {"file": file, "etag": current.etag, "base": current.text}
        may = principal.role.includes(AccessRole.OPERATOR)
        why = "" if may else f"Saving takes the role operator; you have {principal.role}."
        return (
            state,
            gr.update(choices=names, value=file, visible=len(names) > 1),
            current.text,
            *form_values(current.text, 0, None),
            *checks(state, current.text),
            Markup(""),
            gr.update(visible=False),
            *self._history(file),
            gr.update(visible=may),
            tag("p", why, css="cx-soft") if why else Markup(""),
        )

    def _history(self, file: str) -> tuple[Any, ...]:
        """Return the history, and the choice of a version of it."""
        versions = self._workspace.agent_files.versions(file)
        choices = [(f"{v.number}: {v.at:%Y-%m-%d %H:%M}", v.number) for v in versions]
        return history_view(versions), gr.update(choices=choices, value=None)


def _of_agent(page: AgentsPage, field: str) -> Callable[..., tuple[Any, ...]]:
    """Return the handler of one field of an agent; Gradio finds no request in the arguments of a partial."""

    def change(state: State, text: str | None, agent: Any, value: Any, request: gr.Request) -> Any:
        return page.agent_field(field, state, text, agent, value, request)

    return change


def _of_backend(page: AgentsPage, field: str) -> Callable[..., tuple[Any, ...]]:
    """Return the handler of one field of a backend."""

    def change(state: State, text: str | None, backend: Any, value: Any, request: gr.Request) -> Any:
        return page.backend_field(field, state, text, backend, value, request)

    return change


def _of_structure(page: AgentsPage, what: str) -> Callable[..., tuple[Any, ...]]:
    """Return the handler of one button that adds or removes."""

    def change(
        state: State,
        text: str | None,
        agent: Any,
        backend: Any,
        name: str | None,
        kind: str | None,
        request: gr.Request,
    ) -> Any:
        return page.structure(what, state, text, agent, backend, name, kind, request)

    return change


def build(workspace: Workspace) -> None:
    """Lay out the page."""
    page, quiet = AgentsPage(workspace), {"show_progress": "hidden", "api_visibility": "private"}
    typing: dict[str, Any] = quiet | {"trigger_mode": "always_last"}
    once: dict[str, Any] = quiet | {"trigger_mode": "once"}
    ui = Layout([(t.title, t.name) for t in templates()])
    form = [ui.agents, *ui.agent_fields.values(), ui.backends, *ui.backend_fields.values()]
    checks = [ui.checked, ui.diff, ui.save]
    whole = [
        ui.state, ui.file, ui.text, *form, *checks, ui.conflict, ui.conflict_buttons, ui.history, ui.version,
        ui.saving, ui.why,
    ]  # fmt: skip
    gr.on(None, page.load, None, whole, **quiet)
    for trigger in (ui.file.input, ui.discard.click, ui.take_theirs.click):
        trigger(page.open, [ui.file], whole, **once)
    ui.text.input(page.typed, [ui.state, ui.text, ui.agents, ui.backends], [*form, *checks], **typing)
    ui.agents.input(page.agent_chosen, [ui.text, ui.agents], list(ui.agent_fields.values()), **quiet)
    ui.backends.input(page.backend_chosen, [ui.text, ui.backends], list(ui.backend_fields.values()), **quiet)
    for field in AGENT_FIELDS:
        ui.agent_fields[field].input(
            _of_agent(page, field),
            [ui.state, ui.text, ui.agents, ui.agent_fields[field]],
            [ui.state, ui.text, ui.agents, *checks],
            **typing,
        )
    for field in BACKEND_FIELDS:
        ui.backend_fields[field].input(
            _of_backend(page, field),
            [ui.state, ui.text, ui.backends, ui.backend_fields[field]],
            [ui.state, ui.text, *checks],
            **typing,
        )
    for change, (button, name, kind) in ui.structure.items():
        button.click(
            _of_structure(page, change),
            [ui.state, ui.text, ui.agents, ui.backends, name, kind],
            [ui.text, *form, *checks],
            **once,
        )
    saved = [ui.state, ui.conflict, ui.conflict_buttons, ui.note, ui.history, ui.version, *checks]
    ui.save.click(page.save, [ui.state, ui.text, ui.note], saved, **once)
    ui.keep_mine.click(
        page.keep_mine, [ui.state, ui.text], [ui.state, ui.conflict, ui.conflict_buttons, *checks], **once
    )
    ui.version.input(page.version_diff, [ui.state, ui.version], [ui.version_diff, ui.restore], **quiet)
    restored = ui.restore.click(page.restore, [ui.state, ui.version], whole, **once)
    no_diff = (Markup(""), gr.update(visible=False))
    restored.success(lambda: no_diff, None, [ui.version_diff, ui.restore], **quiet)
    ui.template.input(page.template_chosen, [ui.template], [ui.about], **quiet)
    brought = [ui.text, *form, *checks]
    ui.use.click(page.use_template, [ui.state, ui.template], brought, **once)
    ui.upload.upload(page.uploaded, [ui.state, ui.upload], brought, **once)
