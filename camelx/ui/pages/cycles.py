"""The page Cycles: start one, watch it as it happens, stop it, go on with it, compare two.

What is shown is made anew from the database at each look, so that a page that is reloaded, or opened by
somebody else, shows the same. A timer looks once a second while something is queued or runs; another one, now
and then in any case.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import gradio as gr

from camelx.config import OverrideName, parsed_overrides
from camelx.cycles.comparing import compare
from camelx.cycles.summary import CycleSummary, summaries_of
from camelx.errors import CamelxError, ConfigError
from camelx.orchestration.detached import last_lines
from camelx.pages import Markup, tag
from camelx.runtime.tracing import current_trace_id
from camelx.schemas import AccessRole, CycleStatus, Stage
from camelx.ui.cycle_pieces import Watched, comparison, cycle_list, watched_cycle
from camelx.ui.guard import guard, shown
from camelx.ui.look import LOADING
from camelx.workspace import Workspace

_MOST_LISTED = 100
_PROGRESS_SEEN = 60
"""Reports of progress that the pace is taken from: half a minute's."""
_STEPS_SEEN = 5_000
_LINES_SEEN = 14
_OPEN = (CycleStatus.QUEUED, CycleStatus.RUNNING)
_WHAT_IS_LEFT = "what is left"
_LOOK_ANYHOW_S = 10.0
"""So often the page looks in any case: a schedule starts cycles, too, and Gradio now and then loses the
answer to a look and waits for it for ever."""


class CyclesPage:
    """The page's handlers; each checks who asks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """Return the page as it begins: the cycle that its address names, else the one that runs or the last.

        The values are for selected, list, cycle, cancel, resume, timer, form, config, compared a and b.
        """
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        self._workspace.cycles.settle()
        listed = self._listed()
        asked = dict(request.query_params).get("cycle")
        ids = [one.cycle.id for one in listed]
        running = [one.cycle.id for one in listed if one.cycle.status in _OPEN]
        selected = str(asked) if asked else next(iter([*running, *ids]), None)
        may_change = principal.role.includes(AccessRole.OPERATOR)
        configs = self._workspace.cycles.configs() if may_change else []
        two = gr.update(choices=ids, value=None)
        return (
            selected,
            *self._seen(selected, listed, may_change),
            gr.update(visible=may_change, open=not ids),
            gr.update(choices=configs, value="cycle.yaml" if "cycle.yaml" in configs else None),
            gr.update(choices=ids, value=selected if selected in ids else None),
            two,
        )

    def look(self, selected: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Return list, cycle, cancel, resume and timer as they are now."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        self._workspace.cycles.settle()
        return self._seen(selected, self._listed(), principal.role.includes(AccessRole.OPERATOR))

    def check(
        self,
        config: str | None,
        goals: str,
        seed: str,
        lines: str,
        request: gr.Request,
    ) -> Markup:
        """Return what is wrong with the form, or that nothing is; a viewer has no form, but Gradio asks."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        if not principal.role.includes(AccessRole.OPERATOR):
            return Markup("")
        try:
            if not config:
                folder = self._workspace.settings.configs_dir
                raise ConfigError(f"choose a config; {folder} has none that loads where the list is empty")
            self._workspace.cycles.check(config, overrides_of(goals, seed, lines), OverrideName.LINE)
        except ConfigError as e:
            return tag("div", str(e), css="cx-text cx-bad")
        return tag("div", "This can be started.", css="cx-good")

    def start(
        self,
        config: str | None,
        goals: str,
        seed: str,
        lines: str,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Start a cycle, and return selected, list, cycle, cancel, resume, timer and form as they are then.

        Raises:
            gr.Error: It can't be started; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.OPERATOR)
        try:
            overrides = overrides_of(goals, seed, lines)
            cycle = self._workspace.cycles.start(
                config or "",
                overrides,
                by=principal.name,
                trace_id=current_trace_id(),
                named=OverrideName.LINE,
            )
        except CamelxError as e:
            raise shown(e) from e
        self._workspace.access.audit(principal, "cycle.start", cycle.id, config=config, overrides=overrides)
        return (cycle.id, *self._seen(cycle.id, self._listed(), True), gr.update(open=False))

    def cancel(self, selected: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Stop the selected cycle, and return list, cycle, cancel, resume and timer as they are then.

        Raises:
            gr.Error: It can't be stopped; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.OPERATOR)
        try:
            self._workspace.cycles.cancel(selected or "")
        except CamelxError as e:
            raise shown(e) from e
        self._workspace.access.audit(principal, "cycle.cancel", selected or "")
        return self._seen(selected, self._listed(), True)

    def ask_resume(self, selected: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Return the question where to go on; nothing is left of a cycle that has completed."""
        guard(self._workspace, request, AccessRole.OPERATOR)
        stages = [str(one) for one in Stage]
        try:
            is_done = self._workspace.cycles.cycle(selected or "").status is CycleStatus.COMPLETED
        except CamelxError as e:
            raise shown(e) from e
        if is_done:  # pairs are made anew where people have judged since
            return gr.update(visible=True), gr.update(choices=stages, value=str(Stage.EXPORT))
        return gr.update(visible=True), gr.update(choices=[_WHAT_IS_LEFT, *stages], value=_WHAT_IS_LEFT)

    def resume(self, selected: str | None, from_stage: str, request: gr.Request) -> tuple[Any, ...]:
        """Go on with the selected cycle, and return list, cycle, cancel, resume and timer as they are then.

        Raises:
            gr.Error: It can't be gone on with; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.OPERATOR)
        stage = None if from_stage in (None, "", _WHAT_IS_LEFT) else from_stage
        try:
            self._workspace.cycles.resume(selected or "", stage, by=principal.name)
        except CamelxError as e:
            raise shown(e) from e
        self._workspace.access.audit(principal, "cycle.resume", selected or "", from_stage=stage)
        return self._seen(selected, self._listed(), True)

    def compared(self, a: str | None, b: str | None, request: gr.Request) -> Markup:
        """Return two cycles side by side."""
        guard(self._workspace, request, AccessRole.VIEWER)
        if not a or not b:
            return tag("p", "Choose two cycles.", css="cx-empty")
        try:
            both = [self._workspace.cycles.cycle(cycle_id) for cycle_id in (a, b)]
        except CamelxError as e:
            raise shown(e) from e
        return comparison(compare(*summaries_of(self._workspace.store, both)))

    def _listed(self) -> list[CycleSummary]:
        store = self._workspace.store
        return summaries_of(store, store.cycles_page(limit=_MOST_LISTED))

    def _seen(self, selected: str | None, listed: list[CycleSummary], may_change: bool) -> tuple[Any, ...]:
        """Return list, cycle, cancel, resume and timer."""
        is_live = any(one.cycle.status in _OPEN for one in listed)
        try:
            watched = self._watched(selected, listed) if selected else None
        except CamelxError as e:
            said = tag("div", tag("p", str(e)), tag("p", "Choose one of the list below."), css="cx-empty")
            return (
                cycle_list(listed, selected), said, gr.update(visible=False), gr.update(visible=False),
                gr.Timer(active=is_live),
            )  # fmt: skip
        status = watched.summary.cycle.status if watched else None
        stops = (
            watched is not None and watched.launch is not None and watched.launch.cancel_asked_at is not None
        )
        return (
            cycle_list(listed, selected),
            watched_cycle(watched) if watched else Markup(""),
            gr.update(
                visible=may_change and status in _OPEN,
                interactive=not (stops and status is CycleStatus.RUNNING),
            ),
            gr.update(
                visible=may_change and status is not None and status not in _OPEN and not is_live,
                value="Run stages again ..." if status is CycleStatus.COMPLETED else "Go on with it ...",
            ),
            gr.Timer(active=is_live),
        )

    def _watched(self, selected: str, listed: list[CycleSummary]) -> Watched:
        """Return all that is shown of a cycle.

        Raises:
            NotFoundError: There is none of that id.
        """
        store, control = self._workspace.store, self._workspace.cycles
        found = [one for one in listed if one.cycle.id == selected]
        summary = found[0] if found else summaries_of(store, [control.cycle(selected)])[0]
        launch = control.launch(selected)
        is_open = summary.cycle.status in _OPEN
        lines = store.last_events(selected, _LINES_SEEN, kinds=["log"])
        return Watched(
            summary=summary,
            launch=launch,
            progress=store.last_events(selected, _PROGRESS_SEEN, kinds=["progress"]) if is_open else (),
            training=store.last_events(selected, _STEPS_SEEN, kinds=["training"]),
            lines=lines,
            printed=() if lines else last_lines(self._workspace.settings, selected, _LINES_SEEN),
            counts=store.counts_of(selected) if is_open else {},
            links=self._links(summary),
        )

    def _links(self, summary: CycleSummary) -> list[tuple[str, str]]:
        cycle, settings = summary.cycle, self._workspace.settings
        cycle_id, folder = quote(cycle.id), settings.cycle_dir(cycle.id)
        links = [
            (what, f"/api/v1/cycles/{cycle_id}/report/{kind}")
            for what, kind in (("validation report", "validation"), ("reviewers' report", "panel"))
            if (folder / f"{kind}.html").is_file()
        ]
        links.append(("interactions", f"/interactions?cycle={cycle_id}"))
        if any(one.cycle_id == cycle.id for one in self._workspace.queue.standings.ranked_cycles()):
            links.append(("judge its pairs", f"/?cycle={cycle_id}"))
        version = summary.as_json()["mlflow"]
        if version["version"] is not None:
            links.append((f"version {version['version']}", f"/models?version={version['version']}"))
            if ui := settings.resolved_mlflow_ui:
                name = quote(str(version["name"]))
                links.append(("in MLflow", f"{ui.rstrip('/')}/#/models/{name}/versions/{version['version']}"))
        if run := self._workspace.cycles.run_url(self._workspace.cycles.launch(cycle.id)):
            links.append(("run in Prefect", run))
        return links


def overrides_of(goals: str | None, seed: str | None, lines: str | None) -> dict[str, Any]:
    """Return the overrides that the form's fields say; its lines of key=value win.

    Raises:
        ConfigError: A field is no whole number, a line is not key=value, or its value is not YAML.
    """
    fields = {"goals.n": (goals or "").strip(), "seed": (seed or "").strip()}
    for key, value in fields.items():
        if value and not value.isdecimal():
            raise ConfigError(f"{key}: expected a whole number, got {value!r}")
    given = {key: int(value) for key, value in fields.items() if value}
    written = [line.strip() for line in (lines or "").splitlines() if line.strip()]
    return given | parsed_overrides(written, OverrideName.LINE)


def build(workspace: Workspace) -> None:
    """Lay out the page."""
    page = CyclesPage(workspace)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    selected, timer, anyhow = gr.State(None), gr.Timer(1.0, active=False), gr.Timer(_LOOK_ANYHOW_S)
    gr.HTML("<h1>Cycles</h1>")
    watched = gr.HTML(elem_id="cx-watched")
    with gr.Row(elem_classes="cx-buttons"):
        cancel = gr.Button("Cancel this cycle ...", visible=False, variant="stop", size="sm")
        resume = gr.Button("Go on with this cycle ...", visible=False, size="sm")
    with gr.Group(visible=False) as sure_cancel:
        gr.HTML("<p class=cx-ask>Stop it? What was answered is kept, and it can be gone on with later.</p>")
        with gr.Row():
            yes_cancel = gr.Button("Yes, cancel it", variant="stop", size="sm")
            no_cancel = gr.Button("No", size="sm")
    with gr.Group(visible=False) as sure_resume:
        gr.HTML("<p class=cx-ask>Run it on from there? No model call that was answered is made again.</p>")
        stage = gr.Dropdown(
            [_WHAT_IS_LEFT, *(str(one) for one in Stage)], value=_WHAT_IS_LEFT, label="Run again from"
        )
        with gr.Row():
            yes_resume = gr.Button("Yes, go on", variant="primary", size="sm")
            no_resume = gr.Button("No", size="sm")
    with gr.Accordion("Start a cycle", open=False, visible=False, elem_id="cx-form") as form:
        with gr.Row():
            config = gr.Dropdown([], label="Config", info="A file of the folder configs.")
            goals = gr.Textbox(label="Goals", info="Empty: as the config says.", max_length=9)
            seed = gr.Textbox(label="Seed", info="Empty: as the config says.", max_length=9)
        lines = gr.Textbox(
            label="Overrides", info="One key=value a line, such as training.epochs=2.", lines=3, max_lines=12
        )
        checked = gr.HTML()
        start = gr.Button("Start", variant="primary", elem_id="cx-start")
    listing = gr.HTML(LOADING, elem_id="cx-list")
    with gr.Accordion("Compare two cycles", open=False):
        with gr.Row():
            a, b = gr.Dropdown([], label="Cycle"), gr.Dropdown([], label="with")
        side_by_side = gr.HTML()

    seen = [listing, watched, cancel, resume, timer]
    fields: list[Any] = [config, goals, seed, lines]
    gr.on(None, page.load, None, [selected, *seen, form, config, a, b], **quiet)
    timer.tick(page.look, [selected], seen, **quiet)
    anyhow.tick(page.look, [selected], seen, trigger_mode="multiple", **quiet)
    for one in fields:
        one.change(page.check, fields, [checked], trigger_mode="always_last", **quiet)
    start.click(page.start, fields, [selected, *seen, form], api_visibility="private", trigger_mode="once")
    hide, reveal = gr.update(visible=False), gr.update(visible=True)
    cancel.click(lambda: reveal, None, [sure_cancel], **quiet)
    resume.click(page.ask_resume, [selected], [sure_resume, stage], **quiet)
    for button, group in ((no_cancel, sure_cancel), (no_resume, sure_resume)):
        button.click(lambda: hide, None, [group], **quiet)
    yes_cancel.click(lambda: hide, None, [sure_cancel], **quiet)
    yes_cancel.click(page.cancel, [selected], seen, trigger_mode="once", **quiet)
    yes_resume.click(lambda: hide, None, [sure_resume], **quiet)
    yes_resume.click(page.resume, [selected, stage], seen, trigger_mode="once", **quiet)
    gr.on([a.change, b.change], page.compared, [a, b], [side_by_side], **quiet)
