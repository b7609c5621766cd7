"""The page Interactions: every call of a model, filtered and searched, with the thread of its goal.

The address holds what is shown: filters, page, the call that is open. A view is shared by its address, and
reloading keeps it. Beside the log goals are imported from files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlencode

import gradio as gr

from camelx.cycles.goal_uploads import upload_goals
from camelx.errors import CamelxError, ConfigError
from camelx.importing import PRESETS
from camelx.lineage.goal_thread import goal_thread
from camelx.pages import Markup, tag
from camelx.schemas import (
    AccessRole,
    Goal,
    InteractionFilter,
    InteractionStatus,
    Role,
    Split,
    Stage,
    VerifierKind,
)
from camelx.ui.guard import guard
from camelx.ui.interaction_pieces import link, log_table, upload_report, whole_interaction
from camelx.ui.look import LOADING
from camelx.ui.moments import moment_in
from camelx.ui.thread_pieces import thread_tree
from camelx.workspace import Workspace

FIELDS = ("cycle", "agent", "role", "model", "status", "stage", "text", "goal", "since", "until")
"""Filters, by their names in the address and in the order of the form."""
_ANY = ("any", "")
_MAX_FIELD = 500
_FROM_FIRST_ROW = "as the first row tells"

_DELAYED = """(...values) => new Promise((go) => {
  clearTimeout(window.cxSearch); window.cxSearch = setTimeout(() => go(values), 350); })"""
"""A search begins when nothing was typed for a moment."""
_FOLD = "() => { document.getElementById('cx-filters').classList.toggle('cx-unfolded'); }"
_INTO_ADDRESS = f"""(...values) => {{
  const query = new URLSearchParams(), names = {list(FIELDS)};
  names.forEach((name, i) => {{ if (values[i]) query.set(name, values[i]); }});
  history.replaceState(null, "", location.pathname + (query.size ? "?" + query : "")); }}"""


class InteractionsPage:
    """The page's handlers; each checks who asks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """Return what the address names: the filters, the call, the thread, the log, exports, form."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        query = _kept(dict(request.query_params))
        facets = self._workspace.store.interaction_facets()
        choices: dict[str, Sequence[str]] = {
            "cycle": facets.cycles, "agent": facets.agents, "role": facets.roles, "model": facets.models,
            "status": facets.statuses, "stage": facets.stages,
        }  # fmt: skip
        filters = [
            gr.update(choices=_choices(choices[name], query.get(name)), value=query.get(name, ""))
            if name in choices
            else gr.update(value=query.get(name, ""))
            for name in FIELDS
        ]
        call, thread = self._opened(query)
        may_import = principal.role.includes(AccessRole.OPERATOR)
        return (*filters, *_shown(call, thread), *self._log(query), gr.update(visible=may_import))

    def look(
        self,
        cycle: str | None,
        agent: str | None,
        role: str | None,
        model: str | None,
        status: str | None,
        stage: str | None,
        text: str | None,
        goal: str | None,
        since: str | None,
        until: str | None,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Return no call, the thread, the log and the exports of filters that were changed."""
        guard(self._workspace, request, AccessRole.VIEWER)
        given = (cycle, agent, role, model, status, stage, text, goal, since, until)
        query = _kept(dict(zip(FIELDS, given, strict=True)))
        _, thread = self._opened(query)
        return (*_shown(Markup(""), thread), *self._log(query))

    def bring(
        self,
        file: str | None,
        layout: str,
        fields: str,
        split: str,
        verifier: str,
        update: bool,
        strict: bool,
        dry_run: bool,
        request: gr.Request,
    ) -> Markup:
        """Import goals from the file, or say what that would do, and return the report."""
        principal = guard(self._workspace, request, AccessRole.OPERATOR)
        if not file:
            return tag("p", "Choose a file first.", css="cx-bad")
        path = Path(file)
        try:
            done = upload_goals(
                path,
                path.name,
                dry_run=dry_run,
                strict=bool(strict),
                fields=_fields(fields),
                preset=layout if layout in PRESETS else None,
                split=Split(split),
                verifier=verifier if verifier in get_args(VerifierKind) else None,  # type: ignore[arg-type]
                update=bool(update),
            )
        except CamelxError as e:
            return tag("div", str(e), css="cx-text cx-bad")
        if not dry_run:
            self._workspace.access.audit(principal, "goal.import", path.name, **done.counts)
        return upload_report(done)

    def _log(self, query: Mapping[str, str]) -> tuple[Markup, Markup]:
        """Return the lines of the log, and the links to files of all of it."""
        store = self._workspace.store
        try:
            wanted = _wanted(query)
            page = store.interaction_page(wanted, cursor=query.get("cursor"))
            n = store.count_interactions(wanted)
        except CamelxError as e:
            said = tag("p", str(e), css="cx-text cx-bad")
            return tag(
                "div", said, tag("p", link("/interactions", "Begin without filters")), css="cx-empty"
            ), Markup("")
        found = "more than 10,000 interactions" if n is None else f"{n:,} interaction{'' if n == 1 else 's'}"
        if by := [name for name in FIELDS if name in query]:
            found += f", filtered by {', '.join(by)}"
        return log_table(page, query, found), _exports(wanted) if page.items else Markup("")

    def _opened(self, query: Mapping[str, str]) -> tuple[Markup, Markup]:
        """Return the call that is open, and the thread of its goal; or of the goal that is filtered by."""
        store, call = self._workspace.store, Markup("")
        cycle_id, goal_id = query.get("cycle"), query.get("goal")
        if opened := query.get("id"):
            found = store.interactions_by_id([opened]).get(opened)
            if found is None:
                said = tag("p", f"There is no interaction {opened}.", css="cx-bad")
                return tag("div", said, css="cx-empty"), Markup("")
            (line,) = store.interaction_lines([opened])
            call = whole_interaction(found, str(line.status), query)
            cycle_id, goal_id = found.cycle_id, found.goal_id
        if not goal_id:
            return call, Markup("")
        return call, self._thread(cycle_id, goal_id, query.get("id"))

    def _thread(self, cycle_id: str | None, goal_id: str, selected: str | None) -> Markup:
        store = self._workspace.store
        try:
            if not cycle_id:
                goals = store.goals(ids=[goal_id])
                return _goal(goals[0]) if goals else Markup("")
            return thread_tree(goal_thread(store, self._workspace.settings, cycle_id, goal_id), selected)
        except CamelxError as e:
            return tag("p", str(e), css="cx-soft cx-text")


def _shown(*parts: Markup) -> tuple[Any, ...]:
    """Return what makes the parts seen, and those away in which there is nothing."""
    return tuple(gr.update(value=part, visible=bool(part)) for part in parts)


def _goal(goal: Goal) -> Markup:
    said = tag("p", "Choose a cycle, too, to see what that one did with the goal.", css="cx-soft")
    return tag("article", tag("div", goal.text, css="cx-text cx-goal"), said, css="cx-thread")


def _kept(query: Mapping[str, Any]) -> dict[str, str]:
    """Return what the page knows of a query, without what is empty."""
    known = {name: str(query.get(name) or "").strip() for name in (*FIELDS, "cursor", "id")}
    return {name: value[:_MAX_FIELD] for name, value in known.items() if value}


def _choices(values: Sequence[str], chosen: str | None) -> list[tuple[str, str]]:
    """Return the choices of a filter: any, all values, and one that is asked for and does not occur."""
    texts = [str(value) for value in values]
    known = texts if chosen is None or chosen in texts else [chosen, *texts]
    return [_ANY, *((text.replace("_", " "), text) for text in known)]


def _wanted(query: Mapping[str, str]) -> InteractionFilter:
    """Return the filter that the query says.

    Raises:
        ConfigError: A value is none that the filter takes.
    """
    kinds: dict[str, Any] = {"role": Role, "status": InteractionStatus, "stage": Stage}
    for name, kind in kinds.items():
        if name in query and query[name] not in list(kind):
            raise ConfigError(f"{name} {query[name]!r}: expected one of {', '.join(kind)}")
    values: dict[str, Any] = {
        name: query.get(name) for name in ("agent", "role", "model", "status", "stage", "text")
    }
    since, until = moment_in(query.get("since"), "since"), moment_in(query.get("until"), "until")
    if since is not None and until is not None and since >= until:
        raise ConfigError(f"since {query['since']!r}: expected a moment before until {query['until']!r}")
    return InteractionFilter(
        **values,
        cycle_id=(query.get("cycle") or "")[:200] or None,
        goal_id=(query.get("goal") or "")[:200] or None,
        since=since,
        until=until,
    )


def _exports(wanted: InteractionFilter) -> Markup:
    """Return links to all that is filtered, as files."""
    asked = wanted.model_dump(mode="json", exclude_none=True)
    links = [
        link(f"/api/v1/interactions/export?{urlencode(asked | {'format': format})}", name)
        for name, format in (("JSONL", "jsonl"), ("CSV", "csv"), ("parquet", "parquet"))
    ]
    return tag(
        "p", "All of these as a file: ", links[0], " · ", links[1], " · ", links[2], css="cx-soft cx-exports"
    )


def _fields(text: str | None) -> dict[str, str] | None:
    """Return the columns that lines of "field=column" name.

    Raises:
        ConfigError: A line has no equals sign.
    """
    fields = {}
    for line in (text or "").replace(",", "\n").splitlines():
        if line.strip():
            name, equals, column = line.partition("=")
            if not equals:
                raise ConfigError(f"column {line.strip()!r}: expected FIELD=COLUMN, such as text=question")
            fields[name.strip()] = column.strip()
    return fields or None


def build(workspace: Workspace) -> None:
    """Lay out the page."""
    page = InteractionsPage(workspace)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    gr.HTML("<h1>Interactions</h1>")
    fold = gr.Button("Filters", size="sm", elem_id="cx-fold", elem_classes="cx-only-phone")
    fold.click(None, js=_FOLD, api_visibility="private")
    filters = _filters()
    call, thread = gr.HTML(elem_id="cx-call", visible=False), gr.HTML(elem_id="cx-thread", visible=False)
    log, exports = gr.HTML(LOADING, elem_id="cx-lines"), gr.HTML()
    with gr.Accordion("Import goals", open=False, visible=False, elem_id="cx-import") as form:
        bringing = _import_form()
    seen = [call, thread, log, exports]
    gr.on(None, page.load, None, [*filters, *seen, form], **quiet)
    for one in filters:
        typed = {"js": _DELAYED} if isinstance(one, gr.Textbox) else {}
        one.input(page.look, filters, seen, trigger_mode="always_last", **typed, **quiet).then(
            None, filters, None, js=_INTO_ADDRESS
        )
    *fields, check, bring, report = bringing
    yes, no = gr.State(True), gr.State(False)
    check.click(page.bring, [*fields, yes], [report], api_visibility="private")
    bring.click(page.bring, [*fields, no], [report], api_visibility="private", trigger_mode="once")


def _filters() -> list[Any]:
    """Return the filters in the order of `FIELDS`; a phone shows them once they are unfolded."""
    with gr.Column(elem_id="cx-filters"):
        with gr.Row(elem_classes="cx-filters"):
            choices = [
                gr.Dropdown([_ANY], value="", label=name.capitalize(), min_width=130, filterable=True)
                for name in FIELDS[:6]
            ]
        with gr.Row(elem_classes="cx-filters"):
            words = gr.Textbox(
                label="Words", info='All of them; "several together" in quotation marks.', elem_id="cx-words",
                max_length=500, scale=2,
            )  # fmt: skip
            goal = gr.Textbox(label="Goal", info="Its id.", max_length=200, min_width=130)
            since = gr.Textbox(label="From (UTC)", info="2026-11-26 14:30", max_length=40, min_width=130)
            until = gr.Textbox(label="Before (UTC)", info="2026-11-27", max_length=40, min_width=130)
    return [*choices, words, goal, since, until]


def _import_form() -> tuple[Any, ...]:
    """Return the fields of the form in the order of `bring`, its two buttons, and its report."""
    file = gr.File(label="JSONL, JSON, CSV or parquet", file_types=[".jsonl", ".json", ".csv", ".parquet"])
    with gr.Row():
        layout = gr.Dropdown([_FROM_FIRST_ROW, *PRESETS], value=_FROM_FIRST_ROW, label="Layout")
        columns = gr.Textbox(
            label="Columns", info="text=question, answer=solution; empty: as the layout has it."
        )
        split = gr.Dropdown([str(one) for one in Split], value=str(Split.TRAIN), label="Split")
        verifier = gr.Dropdown(
            ["as the layout has it", *get_args(VerifierKind)], value="as the layout has it", label="Answers"
        )
    with gr.Row():
        update = gr.Checkbox(label="Give stored goals the file's answers")
        strict = gr.Checkbox(label="Take nothing from a file with a broken row")
    with gr.Row():
        check = gr.Button("Only check", size="sm", elem_id="cx-check-goals")
        bring = gr.Button("Import", variant="primary", size="sm", elem_id="cx-import-goals")
    return (
        file,
        layout,
        columns,
        split,
        verifier,
        update,
        strict,
        check,
        bring,
        gr.HTML(elem_id="cx-import-report"),
    )
