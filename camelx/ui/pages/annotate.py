"""The page Annotate: a person judges pairs, one at a time, blind, by keyboard.

What is shown is the person's until its lease expires, so a reload shows it again and loses nothing; what is
written but not sent yet waits in the browser's tab. Every button sends along which item the browser shows:
what is pressed twice, or a moment too late, counts once and never for an item that nobody saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from pydantic import ValidationError

from camelx.annotation import (
    VERDICT_WORDS,
    HumanVerdict,
    Offer,
    Opinion,
    Wanted,
    agents_said,
    progress_of,
)
from camelx.errors import CamelxError, ConfigError, ConflictError, NotFoundError, OrchestrationError
from camelx.pages import Markup
from camelx.schemas import AccessRole, Annotation, Principal, Role, utc_now
from camelx.ui.annotate_layout import ALL_CATEGORIES, ANY, Layout
from camelx.ui.annotate_pieces import (
    all_judged,
    item_view,
    note,
    nothing_ranked,
    only_look,
    progress_line,
    said_view,
)
from camelx.ui.guard import guard, shown, warn
from camelx.workspace import Workspace

_GUIDELINES = "annotation_guidelines.md"
_NO_GUIDELINES = f"*No guidelines yet: write them to `configs/{_GUIDELINES}`.*"
_FORGET_PAIR = """() => { const url = new URL(location.href);
  ["pair", "item"].forEach((name) => url.searchParams.delete(name)); history.replaceState(null, "", url); }"""
# Drafts, in the browser's tab: what is written beside an item until its verdict is kept.
_KEEP_DRAFT = """(place, ...written) => {
  if (place) sessionStorage.setItem("camelx-draft " + place, JSON.stringify(written)); }"""
_TAKE_DRAFT = """(place, ...written) => {
  const draft = sessionStorage.getItem("camelx-draft " + place);
  if (draft) written = JSON.parse(draft);
  return [...written, { __type__: "update", ...(written[2] ? { open: true } : {}) }]; }"""
_JUDGING = """(place) => { sessionStorage.setItem("camelx-judging", place); }"""
_FORGET_DRAFT = """(place) => {
  const judged = sessionStorage.getItem("camelx-judging");
  if (judged !== place) sessionStorage.removeItem("camelx-draft " + judged); }"""


@dataclass(frozen=True)
class OnScreen:
    """The item that a page shows."""

    first_id: str = ""
    second_id: str = ""
    submission_id: str = ""
    """Empty: no item is shown."""
    repeat: int = 0
    texts: tuple[str, str] = ("", "")

    @classmethod
    def of(cls, offer: Offer | None) -> OnScreen:
        """Return what is on the screen that shows the offer."""
        if offer is None:
            return cls()
        first_id, second_id = offer.item.pairs[0]
        texts = (offer.item.first, offer.item.second)
        return cls(first_id, second_id, offer.lease.submission_id, offer.lease.repeat, texts)


class AnnotatePage:
    """The page's handlers; each checks who asks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._queue = workspace.queue

    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """Return the page as it begins: cycle, role, category, guidelines, and the views of an item.

        The address may name the cycle (`?cycle=c7`) or a pair (`?pair=FIRST,SECOND`).
        """
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        query = {name: str(value) for name, value in dict(request.query_params).items()}
        asked, cycle_id = query.get("cycle"), self._cycle_named(query.get("cycle"))
        choices = (*self._choices(cycle_id), self._guidelines())
        if not principal.role.includes(AccessRole.ANNOTATOR):
            return (*choices, *_empty(only_look(principal.name)))
        try:
            offer = self._named_pair(principal, query.get("pair") or query.get("item"))
        except CamelxError as e:
            warn(f"The pair of this address is not shown: {e}")
            return (*choices, *self._next(principal, Wanted(cycle_id), ""))
        if offer is not None:
            return (*choices, *self._views(principal, offer, Wanted(cycle_id), ""))
        if asked and cycle_id not in (asked, None):
            warn(f"Nothing of cycle {asked[:80]} can be judged yet; this is of cycle {cycle_id}.")
        return (*choices, *self._next(principal, Wanted(cycle_id), ""))

    def choose(self, cycle: str | None, role: str, category: str, request: gr.Request) -> tuple[Any, ...]:
        """Return the categories of the chosen cycle, and the views of an item of what is chosen."""
        principal = guard(self._workspace, request, AccessRole.ANNOTATOR)
        categories = self._categories(cycle)
        chosen = category if category in {name for _, name in categories} else ANY
        views = self._next(principal, _wanted(cycle, role, chosen), "")
        return (gr.update(choices=categories, value=chosen), *views)

    def judge(
        self,
        verdict: HumanVerdict,
        screen: OnScreen,
        seen: str,
        rating: str | None,
        rationale: str,
        edited: str,
        cycle: str | None,
        role: str,
        category: str,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Keep a verdict on what the browser showed, and return the views of what comes next.

        Raises:
            gr.Error: A text is too long, the pair can't be judged any more, or another verdict on what was
                shown came before; the page shows why, and keeps what is written.
        """
        principal = guard(self._workspace, request, AccessRole.ANNOTATOR)
        wanted = _wanted(cycle, role, category)
        if not seen or seen != screen.submission_id:
            is_lost = bool(seen) and not screen.submission_id  # as after a restart of the app
            return self._next(principal, wanted, "Nothing was kept; please judge again." if is_lost else "")
        try:
            opinion = Opinion(
                verdict=verdict,
                rating=int(rating) if rating else None,
                rationale=rationale or None,
                edited_text=edited if (edited or "").strip() not in _unchanged(screen) else None,
                duration_s=self._duration(principal, screen),
            )
            recorded = self._queue.judge(
                screen.first_id,
                screen.second_id,
                principal.name,
                opinion,
                submission_id=screen.submission_id,
                repeat=screen.repeat,
            )
        except ValidationError as e:
            first = e.errors()[0]
            raise shown(ConfigError(f"{first['loc'][0]}: {first['msg']}")) from e
        except CamelxError as e:
            raise shown(e) from e
        said = recorded.annotations[0]
        if recorded.is_new:
            self._workspace.access.audit(principal, "annotation.create", said.id, verdict=str(verdict))
        elif recorded.says_otherwise:
            raise shown(
                ConflictError(
                    f"You have judged this pair already, maybe in another tab: {VERDICT_WORDS[said.verdict]}."
                    " That stays and this is not kept. Reload for what comes next; to judge it anew, open "
                    f"/?pair={screen.first_id},{screen.second_id}"
                )
            )
        return self._next(principal, wanted, f"Saved: {VERDICT_WORDS[verdict]}.")

    def skip(
        self,
        screen: OnScreen,
        seen: str,
        cycle: str | None,
        role: str,
        category: str,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Pass the shown item by, and return the views of what comes next.

        Raises:
            gr.Error: The pair can't be judged any more.
        """
        principal = guard(self._workspace, request, AccessRole.ANNOTATOR)
        said = ""
        if seen and seen == screen.submission_id:
            try:
                self._queue.skip(screen.first_id, screen.second_id, principal.name, repeat=screen.repeat)
            except CamelxError as e:
                raise shown(e) from e
            said = "Skipped."
        return self._next(principal, _wanted(cycle, role, category), said)

    def undo(self, cycle: str | None, role: str, category: str, request: gr.Request) -> tuple[Any, ...]:
        """Take back the last verdict or skip, and return the views of its item."""
        principal = guard(self._workspace, request, AccessRole.ANNOTATOR)
        wanted = _wanted(cycle, role, category)
        try:
            undone = self._queue.undo(principal.name)
        except NotFoundError:
            return self._next(principal, wanted, "Nothing to undo.")
        for annotation in undone.annotations[:1]:
            self._workspace.access.audit(principal, "annotation.undo", annotation.id)
        what = "verdict" if undone.annotations else "skip"
        if undone.offer is None:
            return self._next(principal, wanted, f"The last {what} is taken back.")
        again = f"The last {what} is taken back: judge it again."
        return self._views(principal, undone.offer, wanted, again, undone.annotations[:1])

    def reopen(self, cycle: str | None, role: str, category: str, request: gr.Request) -> tuple[Any, ...]:
        """Show again what the person skipped."""
        principal = guard(self._workspace, request, AccessRole.ANNOTATOR)
        wanted = _wanted(cycle, role, category)
        try:
            self._queue.reopen_skipped(principal.name, wanted.cycle_id)
        except CamelxError as e:
            raise shown(e) from e
        return self._next(principal, wanted, "")

    def agents(self, request: gr.Request) -> Markup:
        """Return what the agents had said of the pair that the person judged last, on whatever page."""
        principal = guard(self._workspace, request, AccessRole.ANNOTATOR)
        last = self._workspace.store.last_submission(principal.name)
        if not last:
            return note("What the agents said is shown after your verdict.")
        said = last[0]
        try:
            before = agents_said(self._workspace.store, said.first_id, said.second_id)
            return said_view(before, str(said.verdict))
        except NotFoundError as e:
            return note(str(e))

    def begin_with_a(self, screen: OnScreen, request: gr.Request) -> str:
        """Return A, to write a better answer from."""
        guard(self._workspace, request, AccessRole.ANNOTATOR)
        return screen.texts[0]

    def begin_with_b(self, screen: OnScreen, request: gr.Request) -> str:
        """Return B, to write a better answer from."""
        guard(self._workspace, request, AccessRole.ANNOTATOR)
        return screen.texts[1]

    # What the views show

    def _next(self, principal: Principal, wanted: Wanted, said: str) -> tuple[Any, ...]:
        try:
            offer = self._queue.next_item(principal.name, wanted)
        except (OrchestrationError, NotFoundError) as e:
            return _empty(nothing_ranked(str(e)))
        return self._views(principal, offer, wanted, said)

    def _views(
        self,
        principal: Principal,
        offer: Offer | None,
        wanted: Wanted,
        said: str,
        before: Sequence[Annotation] = (),
    ) -> tuple[Any, ...]:
        """Return the views of the offer, with the rating and the texts that came with the verdict before."""
        cycle_id = offer.lease.cycle_id if offer else wanted.cycle_id
        asked = Wanted(cycle_id, wanted.role, wanted.category)
        progress = progress_of(self._workspace.store, self._queue, principal.name, asked)
        is_filtered = wanted.role is not None or wanted.category is not None
        return (
            OnScreen.of(offer),
            offer.lease.submission_id if offer else "",
            _place(offer) if offer else "",
            item_view(offer) if offer else all_judged(progress, is_filtered),
            progress_line(progress),
            note(said),
            "",
            gr.update(visible=offer is not None),
            gr.update(visible=offer is None and progress.n_skipped > 0),
            *_written(before),
        )

    def _duration(self, principal: Principal, screen: OnScreen) -> float | None:
        """Return how long the person had the item before them; None: the lease is over, nobody knows."""
        candidate = self._queue.standings.candidate_of(screen.first_id, screen.second_id)
        now = utc_now()
        mine = (
            lease
            for lease in self._workspace.store.leases(candidate.cycle_id, now)
            if lease.submission_id == screen.submission_id and lease.annotator == principal.name
        )
        return next(((now - lease.shown_at).total_seconds() for lease in mine), None)

    def _named_pair(self, principal: Principal, named: str | None) -> Offer | None:
        first_id, _, second_id = (named or "").partition(",")
        if not named:
            return None
        return self._queue.offer(first_id.strip(), second_id.strip(), principal.name)

    def _cycle_named(self, named: str | None) -> str | None:
        known = [one.cycle_id for one in self._queue.standings.ranked_cycles()]
        return named if named in known else next(iter(known), None)

    def _choices(self, cycle_id: str | None) -> tuple[Any, ...]:
        cycles = [(f"cycle {one.cycle_id}", one.cycle_id) for one in self._queue.standings.ranked_cycles()]
        return (
            gr.update(choices=cycles, value=cycle_id, visible=bool(cycles)),
            gr.update(value=ANY, visible=bool(cycles)),
            gr.update(choices=self._categories(cycle_id), value=ANY, visible=bool(cycles)),
        )

    def _categories(self, cycle_id: str | None) -> list[tuple[str, str]]:
        try:
            known = self._queue.standings.index(cycle_id).categories
        except (OrchestrationError, NotFoundError):
            known = ()
        return [ALL_CATEGORIES, *((name, name) for name in known)]

    def _guidelines(self) -> str:
        """Return the guidelines of this project; the file is its operator's."""
        path = self._workspace.settings.configs_dir / _GUIDELINES
        return path.read_text("utf-8") if path.is_file() else _NO_GUIDELINES


def _empty(page: Markup) -> tuple[Any, ...]:
    """Return the views without an item."""
    hide = gr.update(visible=False)
    return (OnScreen(), "", "", page, "", "", "", hide, hide, *_written(()))


def _place(offer: Offer) -> str:
    """Return what names the item for its person: the same whenever it is shown to them."""
    return " ".join((offer.lease.annotator, *offer.item.pairs[0], str(offer.lease.repeat)))


def _written(before: Sequence[Annotation]) -> tuple[Any, ...]:
    """Return what the fields for a rating and for texts hold: what came with an annotation, or nothing."""
    for said in before:
        edited = said.edited_text or ""
        rating = str(said.rating) if said.rating else None
        return rating, said.rationale or "", edited, gr.update(open=True) if edited else gr.skip()
    return None, "", "", gr.skip()


def _wanted(cycle: str | None, role: str, category: str) -> Wanted:
    kind = None if role in (None, ANY) else Role(role)
    return Wanted(cycle or None, kind, None if category in (None, ANY) else category)


def _unchanged(screen: OnScreen) -> set[str]:
    """Return what is no better answer: nothing, or one of the two as they are."""
    return {"", *(text.strip() for text in screen.texts)}


def build(workspace: Workspace) -> None:
    """Lay out the page."""
    page = AnnotatePage(workspace)
    private: dict[str, Any] = {"api_visibility": "private"}
    quiet: dict[str, Any] = {**private, "show_progress": "hidden", "concurrency_limit": 16}
    once: dict[str, Any] = {**quiet, "trigger_mode": "once"}
    screen, ui = gr.State(OnScreen()), Layout()
    chosen: list[Any] = [ui.cycle, ui.role, ui.category]
    views = [
        screen,
        ui.seen,
        ui.place,
        ui.item,
        ui.progress,
        ui.saved,
        ui.said,
        ui.judging,
        ui.reopen,
        *(written := [ui.rating, ui.rationale, ui.edited]),
        ui.better,
    ]
    keep: dict[str, Any] = {"fn": None, "inputs": [ui.place, *written], "js": _KEEP_DRAFT, **private}
    take: dict[str, Any] = {**keep, "outputs": [*written, ui.better], "js": _TAKE_DRAFT}
    gr.on(None, page.load, None, [*chosen, ui.guidelines, *views], **quiet).then(**take)
    for field in written:
        field.input(**keep)
    for one in chosen:
        one.input(page.choose, chosen, [ui.category, *views], **quiet).then(**take)
    given = [screen, ui.seen, *written, *chosen]
    for verdict, button in ui.verdicts.items():
        button.click(None, [ui.place], None, js=_JUDGING, **private)
        judged = button.click(page.judge, [gr.State(verdict), *given], views, **once)
        judged.success(None, [ui.place], None, js=_FORGET_DRAFT, **private)
        judged.then(**take)
    ui.skip.click(page.skip, [screen, ui.seen, *chosen], views, **once).then(**take)
    for button in (*ui.verdicts.values(), ui.skip):
        button.click(None, None, None, js=_FORGET_PAIR, **private)
    ui.undo.click(page.undo, chosen, views, **once).then(**take).then(**keep)
    ui.reopen.click(page.reopen, chosen, views, **once).then(**take)
    ui.agents.click(page.agents, None, [ui.said], **once)
    ui.from_a.click(page.begin_with_a, [screen], [ui.edited], **quiet).then(**keep)
    ui.from_b.click(page.begin_with_b, [screen], [ui.edited], **quiet).then(**keep)
