"""The page Agreement: how far people and reviewers agree; admins settle, import and take back.

The figures are made anew from the database at each look. Disagreements are gone through one by one, the most
divided first; a settled one moves behind the open ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from camelx.annotation import VERDICT_WORDS
from camelx.annotation.agreement import AgreementReport, Disagreement, agreement_report, settled_version
from camelx.annotation.importing import import_annotations
from camelx.annotation.settling import settle_pair, settled_of, unsettle_pair
from camelx.errors import CamelxError, ConfigError, ConflictError, NotFoundError
from camelx.pages import Markup, tag
from camelx.schemas import AccessRole, Principal
from camelx.ui import agreement_pieces as pieces
from camelx.ui.agreement_layout import ALL, Layout
from camelx.ui.annotate_pieces import note
from camelx.ui.guard import guard, shown, warn
from camelx.ui.verdict_batches import NOTHING_FOUND, Asked, VerdictBatches
from camelx.workspace import Workspace

_DISPUTES = tag("h2", "Where people differ")


class AgreementPage:
    """The page's handlers; each checks who asks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.batches = VerdictBatches(workspace)

    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """Return the page as it begins: cycle choice, figures, position, disagreement, what admins may do."""
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        asked = str(dict(request.query_params).get("cycle") or ALL)
        ids = [one.cycle_id for one in self._workspace.queue.standings.ranked_cycles()]
        chosen = asked if asked in ids else ALL
        if asked != chosen:
            warn(f"Nothing of cycle {asked[:80]} can be judged; these are the verdicts on all cycles.")
        return (gr.update(choices=[ALL, *ids], value=chosen), *self._all(chosen, 0, principal))

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

        What another admin settled since it was shown stays; the page says what it is.

        Raises:
            gr.Error: It can't be settled; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.ADMIN)
        (first, second), seen = _seen_in(shown_pair)
        preferred = {"first": first, "second": second}.get(label, label)
        try:
            settled = settle_pair(
                self._workspace.queue,
                self._workspace.store,
                (first, second),
                preferred,
                principal.name,
                rationale=why or None,
                instead_of=seen,
            )
        except ConflictError as e:
            return self._refused(e, cycle, position, shown_pair, principal)
        except CamelxError as e:
            raise shown(e) from e
        subject = f"{first} {second}"
        self._workspace.access.audit(principal, "annotation.settle", subject, preferred=preferred)
        done = note(f"Settled: {VERDICT_WORDS[label]}. Undo takes it back.")
        last = f"{subject} {settled_version(settled_of(settled, (first, second)))}"
        return (done, last, "", *self._all(cycle, position, principal))

    def undo(
        self, cycle: str, position: int, shown_pair: str, last: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Take back what was settled last here, else what is settled of the pair shown; return everything.

        What another admin settled since stays; the page says what it is.

        Raises:
            gr.Error: It can't be taken back; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.ADMIN)
        pair, seen = _seen_in(last or shown_pair)
        try:
            unsettle_pair(self._workspace.queue, self._workspace.store, pair, instead_of=seen)
        except (ConflictError, NotFoundError) as e:
            return self._refused(e, cycle, position, shown_pair, principal)
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
        return pieces.import_preview(done), gr.update(
            visible=n > 0, value=f"Import {n:,} verdict{'' if n == 1 else 's'}"
        )

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

    def find_many(
        self, cycle: str, person: str | None, verdict: str, since: str, until: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Return the verdicts that meet the conditions, to choose from."""
        return self.batches.find(_cycle_id(cycle), person, verdict, since, until, request)

    def do_many(self, cycle: str, asked: Asked, request: gr.Request) -> tuple[Any, ...]:
        """Do what was asked about many verdicts; return what was done, no choices, and everything as it is.

        Raises:
            gr.Error: Something was changed in between; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.ADMIN)
        done = self.batches.do(asked, request)
        return (done, *NOTHING_FOUND, *self._all(cycle, 0, principal))

    def _refused(
        self, why: CamelxError, cycle: str, position: int, shown_pair: str, principal: Principal
    ) -> tuple[Any, ...]:
        """Return why nothing was changed, and everything as it is by now, still at the pair that is shown."""
        ids = shown_pair.split()[:2]
        listed = self._report(cycle).disagreements
        position = next((i for i, one in enumerate(listed) if [one.first_id, one.second_id] == ids), position)
        said = tag("p", str(why), css="cx-bad cx-text")
        return (said, "", gr.skip(), *self._all(cycle, position, principal))

    def _report(self, cycle: str) -> AgreementReport:
        return agreement_report(self._workspace.store, _cycle_id(cycle))

    def _all(self, cycle: str, position: int, principal: Principal) -> tuple[Any, ...]:
        """Return figures, exports, people twice, admins' part, and one disagreement."""
        report = self._report(cycle)
        is_admin = principal.role.includes(AccessRole.ADMIN)
        names = self._workspace.store.annotators()
        return (
            _figures(report),
            pieces.export_links(_cycle_id(cycle)) if report.n_annotations else Markup(""),
            gr.update(choices=[("anybody", ""), *pieces.listed(names)], value=""),
            gr.update(choices=list(names), value=None),
            gr.update(visible=is_admin),
            *self._one(report, position, principal),
        )

    def _one(self, report: AgreementReport, position: int, principal: Principal) -> tuple[Any, ...]:
        """Return position, the pair that is shown, its markup, and which buttons there are."""
        listed = report.disagreements
        is_admin = principal.role.includes(AccessRole.ADMIN)
        steps = gr.update(visible=len(listed) > 1)
        if not listed:
            markup = _DISPUTES + pieces.no_dispute(report.n_shared) if report.n_annotations else Markup("")
            return 0, "", markup, steps, gr.update(visible=False)
        position = min(position, len(listed) - 1)
        one = listed[position]
        markup = _DISPUTES + pieces.disputed(self._disputed(one, position, len(listed)))
        shown_pair = f"{one.first_id} {one.second_id} {one.settled_version}"
        return position, shown_pair, markup, steps, gr.update(visible=is_admin)

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
            cycle_id=results[one.first_id].cycle_id,
        )


def build(workspace: Workspace) -> None:
    """Lay out the page."""
    page, ui = AgreementPage(workspace), Layout()
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    once: dict[str, Any] = {**quiet, "trigger_mode": "once"}
    gr.on(None, page.load, None, [ui.cycle, *ui.everything], **quiet)
    ui.cycle.input(page.choose, [ui.cycle], ui.everything, **quiet)
    for button, by in ((ui.before, -1), (ui.after, 1)):
        button.click(page.step, [ui.cycle, ui.position, gr.State(by)], ui.one, **quiet)
    settled = [ui.settled, ui.last, ui.why, *ui.everything]
    for label, button in ui.verdicts.items():
        given = [ui.cycle, ui.position, ui.pair, gr.State(label), ui.why]
        button.click(page.settle, given, settled, **once)
    ui.undo.click(page.undo, [ui.cycle, ui.position, ui.pair, ui.last], settled, **once)
    ui.file.change(page.preview, [ui.file], [ui.preview, ui.bring_in], **quiet)
    ui.bring_in.click(
        page.bring_in, [ui.file, ui.cycle], [ui.file, ui.preview, ui.bring_in, *ui.everything], **once
    )
    _listen_to_many(page, ui, quiet, once)


def _listen_to_many(page: AgreementPage, ui: Layout, quiet: dict[str, Any], once: dict[str, Any]) -> None:
    """Connect the part on many verdicts at once."""
    many = ui.batch
    conditions = [ui.cycle, *many.conditions]
    ui.many.expand(page.find_many, conditions, many.results, **quiet)
    for one in conditions:
        one.input(page.find_many, conditions, many.results, trigger_mode="always_last", **quiet)
    question = [many.asked, many.sure, many.question, many.yes]
    chosen = [many.found, many.listed, many.all, many.to]
    for action, button in (("withdraw", many.withdraw), ("reassign", many.reassign)):
        button.click(page.batches.ask, [gr.State(action), *chosen], question, **once)
    many.no.click(lambda: gr.update(visible=False), None, [many.sure], **quiet)
    many.yes.click(page.do_many, [ui.cycle, many.asked], [many.done, *many.results, *ui.everything], **once)


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
    return None if cycle == ALL else cycle


def _seen_in(text: str) -> tuple[tuple[str, str], str]:
    """Return the two ids in the text, and the version of what was settled of them as it was shown.

    Raises:
        gr.Error: It names no pair.
    """
    first, _, rest = text.partition(" ")
    second, _, version = rest.partition(" ")
    if not second:
        raise shown(ConfigError("there is nothing to settle or to take back"))
    return (first, second), version
