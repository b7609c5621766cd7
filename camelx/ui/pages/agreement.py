"""The page Agreement: how far people and reviewers agree; admins settle, import and take back.

The figures are made anew from the database at each look. Disagreements are gone through one by one, the most
divided first; a settled one moves behind the open ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from camelx.annotation.agreement import AgreementReport, Disagreement, agreement_report
from camelx.annotation.importing import import_annotations
from camelx.annotation.settling import settle_pair, unsettle_pair, withdraw
from camelx.errors import CamelxError, ConfigError, NotFoundError
from camelx.pages import Markup, tag
from camelx.schemas import AccessRole, Principal
from camelx.ui import agreement_pieces as pieces
from camelx.ui.annotate_pieces import note
from camelx.ui.guard import guard, shown
from camelx.workspace import Workspace

_ALL = "all cycles"
_SETTLES = {"first": "A is better", "second": "B is better", "tie": "Tie", "both_bad": "Both bad"}
_KEYS = {"first": "a", "second": "b", "tie": "t", "both_bad": "x"}


class AgreementPage:
    """The page's handlers; each checks who asks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """Return the page as it begins: cycle choice, figures, position, disagreement, what admins may do."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        asked = str(dict(request.query_params).get("cycle") or _ALL)
        ids = [one.cycle_id for one in self._workspace.queue.standings.ranked_cycles()]
        chosen = asked if asked in ids else _ALL
        return (gr.update(choices=[_ALL, *ids], value=chosen), *self._all(chosen, 0, principal))

    def choose(self, cycle: str, request: gr.Request) -> tuple[Any, ...]:
        """Return the figures and disagreements of the chosen cycle."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        return self._all(cycle, 0, principal)

    def step(self, cycle: str, position: int, by: int, request: gr.Request) -> tuple[Any, ...]:
        """Return position, disagreement and buttons of the one that lies `by` further on."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        report = self._report(cycle)
        n = len(report.disagreements)
        return self._one(report, (position + by) % n if n else 0, principal)

    def settle(
        self, cycle: str, position: int, shown_pair: str, label: str, why: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Settle the disagreement that is shown, and return everything as it is then.

        Raises:
            gr.Error: It can't be settled; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.ADMIN)
        first, second = _pair_in(shown_pair)
        preferred = {"first": first, "second": second}.get(label, label)
        try:
            settle_pair(
                self._workspace.queue,
                self._workspace.store,
                (first, second),
                preferred,
                principal.name,
                rationale=why or None,
            )
        except CamelxError as e:
            raise shown(e) from e
        subject = f"{first} {second}"
        self._workspace.access.audit(principal, "annotation.settle", subject, preferred=preferred)
        done = note(f"Settled: {_SETTLES[label]}. Undo takes it back.")
        return (done, shown_pair, "", *self._all(cycle, position, principal))

    def undo(
        self, cycle: str, position: int, shown_pair: str, last: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Take back what was settled last here, else what is settled of the pair shown; return everything.

        Raises:
            gr.Error: There is nothing to take back; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.ADMIN)
        pair = _pair_in(last or shown_pair)
        try:
            unsettle_pair(self._workspace.queue, self._workspace.store, pair)
        except NotFoundError as e:
            raise shown(NotFoundError("there is nothing to take back: this pair is not settled")) from e
        except CamelxError as e:
            raise shown(e) from e
        self._workspace.access.audit(principal, "annotation.unsettle", " ".join(pair))
        done = note("What was settled is taken back.")
        return (done, "", "", *self._all(cycle, position, principal))

    def preview(self, file: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Return what a file's import would change, and the button that does it."""
        guard(self._workspace, request, AccessRole.ADMIN)
        if not file:
            return Markup(""), gr.update(visible=False)
        try:
            done = import_annotations(self._workspace.store, Path(file), dry_run=True, name=Path(file).name)
        except CamelxError as e:
            return tag("p", str(e), css="cx-bad cx-text"), gr.update(visible=False)
        n = done.counts["added"] + done.counts["changed"]
        return pieces.import_preview(done), gr.update(visible=n > 0, value=f"Import {n:,} verdicts")

    def bring_in(self, file: str | None, cycle: str, request: gr.Request) -> tuple[Any, ...]:
        """Import the file that was looked at, and return what became of it and everything as it is then.

        Raises:
            gr.Error: It can't be imported; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.ADMIN)
        if not file:
            raise shown(ConfigError("choose a file first"))
        name = Path(file).name
        try:
            done = import_annotations(self._workspace.store, Path(file), name=name)
        except CamelxError as e:
            raise shown(e) from e
        self._workspace.queue.standings.forget_all()
        self._workspace.access.audit(principal, "annotation.import", name, **done.counts)
        return (None, pieces.import_preview(done), gr.update(visible=False), *self._all(cycle, 0, principal))

    def ask_withdraw(self, cycle: str, annotator: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Return the question whether all of a person's verdicts are to go."""
        guard(self._workspace, request, AccessRole.ADMIN)
        if not annotator:
            return gr.update(visible=False), Markup("")
        n = len(self._workspace.store.annotations_on(_cycle_id(cycle), annotator))
        where = f"in {cycle}" if _cycle_id(cycle) else "in all cycles"
        asks = f"Take back {n:,} annotations by {annotator} {where}? Export them first to keep a copy."
        return gr.update(visible=True), tag("p", asks, css="cx-ask")

    def withdraw(self, cycle: str, annotator: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Take back all of a person's verdicts, and return everything as it is then.

        Raises:
            gr.Error: There is nothing to take back; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.ADMIN)
        try:
            n = withdraw(self._workspace.queue, self._workspace.store, annotator or "", _cycle_id(cycle))
        except CamelxError as e:
            raise shown(e) from e
        self._workspace.access.audit(
            principal, "annotation.withdraw", annotator or "", cycle_id=_cycle_id(cycle), annotations=n
        )
        return (gr.update(visible=False), *self._all(cycle, 0, principal))

    def _report(self, cycle: str) -> AgreementReport:
        return agreement_report(self._workspace.store, _cycle_id(cycle))

    def _all(self, cycle: str, position: int, principal: Principal) -> tuple[Any, ...]:
        """Return figures, exports, who can be taken back, admins' part, and one disagreement."""
        report = self._report(cycle)
        is_admin = principal.role.includes(AccessRole.ADMIN)
        names = self._workspace.store.annotators()
        return (
            _figures(report),
            pieces.export_links(_cycle_id(cycle)) if report.n_annotations else Markup(""),
            gr.update(choices=pieces.listed(names), value=None),
            gr.update(visible=is_admin),
            *self._one(report, position, principal),
        )

    def _one(self, report: AgreementReport, position: int, principal: Principal) -> tuple[Any, ...]:
        """Return position, the pair that is shown, its markup, and which buttons there are."""
        listed = report.disagreements
        is_admin = principal.role.includes(AccessRole.ADMIN)
        steps = gr.update(visible=len(listed) > 1)
        if not listed:
            markup = pieces.no_dispute(report.n_shared) if report.n_annotations else Markup("")
            return 0, "", markup, steps, gr.update(visible=False)
        position = min(position, len(listed) - 1)
        one = listed[position]
        markup = pieces.disputed(self._disputed(one, position, len(listed)))
        return position, f"{one.first_id} {one.second_id}", markup, steps, gr.update(visible=is_admin)

    def _disputed(self, one: Disagreement, position: int, n_listed: int) -> pieces.Disputed:
        results = self._workspace.store.interactions_by_id((one.first_id, one.second_id))
        goal = next(iter(self._workspace.store.goals(ids=[one.goal_id])), None)
        return pieces.Disputed(
            disagreement=one,
            goal=goal.text if goal else "",
            first=results[one.first_id].completion,
            second=results[one.second_id].completion,
            position=position,
            n_listed=n_listed,
        )


def build(workspace: Workspace) -> None:
    """Lay out the page."""
    page = AgreementPage(workspace)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    position, pair, last = gr.State(0), gr.State(""), gr.State("")
    gr.HTML("<h1>Agreement</h1>")
    cycle = gr.Dropdown([_ALL], value=_ALL, label="Verdicts on", elem_id="cx-agreement-cycle")
    figures = gr.HTML(elem_id="cx-agreement")
    gr.HTML("<h2>Where people differ</h2>")
    dispute = gr.HTML(elem_id="cx-dispute")
    with gr.Row(visible=False, elem_classes="cx-buttons") as steps:
        before = gr.Button("Previous [P]", size="sm", elem_id="key-p")
        after = gr.Button("Next [N]", size="sm", elem_id="key-n")
    with gr.Group(visible=False, elem_id="cx-settle") as settling:
        gr.HTML("<p class=cx-ask>Settle it: your verdict holds, whatever people said.</p>")
        why = gr.Textbox(label="Why (optional)", max_length=4_000)
        with gr.Row(elem_classes="cx-buttons"):
            buttons = {
                label: gr.Button(f"{says} [{_KEYS[label].upper()}]", size="sm", elem_id=f"key-{_KEYS[label]}")
                for label, says in _SETTLES.items()
            }
            undo = gr.Button("Undo [U]", size="sm", elem_id="key-u")
    settled = gr.HTML(elem_id="cx-settled")
    exports = gr.HTML(elem_id="cx-exports")
    with gr.Column(visible=False) as admins:
        with gr.Accordion("Import annotations", open=False, elem_id="cx-import"):
            file = gr.File(
                label="JSONL, CSV or parquet", file_types=[".jsonl", ".csv", ".parquet"], height=120
            )
            preview = gr.HTML()
            bring_in = gr.Button("Import", variant="primary", visible=False)
        with gr.Accordion("Take back all of a person's verdicts", open=False, elem_id="cx-withdraw"):
            person = gr.Dropdown([], label="Person")
            with gr.Group(visible=False) as sure:
                question = gr.HTML()
                with gr.Row():
                    yes, no = (
                        gr.Button("Yes, take them back", variant="stop", size="sm"),
                        gr.Button("No", size="sm"),
                    )

    one = [position, pair, dispute, steps, settling]
    everything = [figures, exports, person, admins, *one]
    gr.on(None, page.load, None, [cycle, *everything], **quiet)
    cycle.input(page.choose, [cycle], everything, **quiet)
    before.click(page.step, [cycle, position, gr.State(-1)], one, **quiet)
    after.click(page.step, [cycle, position, gr.State(1)], one, **quiet)
    for label, button in buttons.items():
        given = [cycle, position, pair, gr.State(label), why]
        button.click(page.settle, given, [settled, last, why, *everything], trigger_mode="once", **quiet)
    undo.click(
        page.undo,
        [cycle, position, pair, last],
        [settled, last, why, *everything],
        trigger_mode="once",
        **quiet,
    )
    file.change(page.preview, [file], [preview, bring_in], **quiet)
    bring_in.click(
        page.bring_in, [file, cycle], [file, preview, bring_in, *everything], trigger_mode="once", **quiet
    )
    person.input(page.ask_withdraw, [cycle, person], [sure, question], **quiet)
    no.click(lambda: gr.update(visible=False), None, [sure], **quiet)
    yes.click(page.withdraw, [cycle, person], [sure, *everything], trigger_mode="once", **quiet)


def _figures(report: AgreementReport) -> Markup:
    if not report.n_annotations:
        return pieces.nothing_yet()
    return tag(
        "div",
        pieces.overview(report),
        tag("h2", "People"),
        pieces.people(report.people),
        tag("h3", "Cohen's kappa of every two") if report.matrix else "",
        pieces.matrix(report.matrix),
        tag("h2", "Reviewer agents beside people"),
        pieces.reviewers(report.reviewers),
    )


def _cycle_id(cycle: str) -> str | None:
    return None if cycle == _ALL else cycle


def _pair_in(text: str) -> tuple[str, str]:
    """Return the two ids in the text.

    Raises:
        gr.Error: It names no pair.
    """
    first, _, second = text.partition(" ")
    if not second:
        raise shown(ConfigError("there is nothing to settle or to take back"))
    return first, second
