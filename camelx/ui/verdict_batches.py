"""The part of the page Agreement where admins take back, or give to another person, many verdicts at once.

In: conditions, what is chosen of what they find. Out: a question that says how many verdicts that is and
which of them have to stay, and, once it is answered, what was done. What is done is what was asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any, Literal

import gradio as gr

from camelx.annotation import VERDICT_WORDS, batches
from camelx.errors import CamelxError, ConfigError, ConflictError
from camelx.pages import Markup, tag
from camelx.schemas import CONTROL_CHARACTERS, AccessRole, Annotation, AnnotationFilter
from camelx.ui.annotate_pieces import note
from camelx.ui.guard import guard, shown
from camelx.ui.moments import minute, moment_in
from camelx.workspace import Workspace

_ANY = "any"
_VERDICTS = [("any verdict", _ANY), *((says, verdict) for verdict, says in VERDICT_WORDS.items())]
_MOST_LISTED = 100
_MOST_NAMED = 10
"""Verdicts that have to stay, named one by one."""


@dataclass(frozen=True)
class Asked:
    """What an admin is asked about, so that exactly this is done."""

    action: Literal["withdraw", "reassign"] = "withdraw"
    ids: tuple[str, ...] = ()
    """Of annotations."""
    to: str = ""


class VerdictBatches:
    """The handlers of the part; each checks who asks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def find(
        self,
        cycle_id: str | None,
        person: str | None,
        verdict: str,
        since: str,
        until: str,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Return found ids, how many that is, their list, the choice of all, and what can be done."""
        guard(self._workspace, request, AccessRole.ADMIN)
        try:
            wanted = AnnotationFilter.model_validate(
                {
                    "cycle_id": cycle_id,
                    "annotator": person or None,
                    "verdict": None if verdict == _ANY else verdict,
                    "since": moment_in(since, "From"),
                    "until": moment_in(until, "Before"),
                }
            )
        except ConfigError as e:
            return _found([], [], tag("p", str(e), css="cx-bad"))
        verdicts = batches.as_verdicts(self._workspace.store.annotations_meant(wanted))[::-1]
        where = f"in cycle {cycle_id}" if cycle_id else "in all cycles"
        if not verdicts:
            return _found([], [], tag("p", f"No verdict {where} is of that kind.", css="cx-soft"))
        more = f"; the newest {_MOST_LISTED} are listed" if len(verdicts) > _MOST_LISTED else ""
        said = f"{_counted(len(verdicts), 'verdict')} {where}{more}. The cycle is chosen on top of the page."
        return _found(verdicts, self._choices(verdicts[:_MOST_LISTED]), tag("p", said, css="cx-soft"))

    def ask(
        self,
        action: Literal["withdraw", "reassign"],
        found: Sequence[str],
        chosen: Sequence[str],
        is_all: bool,
        to: str | None,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Return what is asked about, the question, and whether it can be answered with yes.

        Raises:
            gr.Error: Nothing is chosen, or the name is none; the page shows why.
        """
        guard(self._workspace, request, AccessRole.ADMIN)
        try:
            annotations = self._annotations(found if is_all else chosen)
            if action == "reassign":
                return self._ask_for_name(annotations, (to or "").strip())
        except CamelxError as e:
            raise shown(e) from e
        asks = tag("p", f"Take back {_many(annotations)}? Export them first to keep a copy.", css="cx-ask")
        return Asked(action, _ids(annotations)), gr.update(visible=True), asks, gr.update(visible=True)

    def _ask_for_name(self, annotations: Sequence[Annotation], name: str) -> tuple[Any, ...]:
        planned = batches.reassignment(self._workspace.store, annotations, name)
        ids = _ids(planned.moved)
        asked = Asked("reassign", ids, name)
        return asked, gr.update(visible=True), self._asks(planned), gr.update(visible=bool(ids))

    def do(self, asked: Asked, request: gr.Request) -> Markup:
        """Do what was asked about, all or nothing, and return what was done.

        Raises:
            gr.Error: Something of it was changed in between; nothing is done.
        """
        principal = guard(self._workspace, request, AccessRole.ADMIN)
        queue, store = self._workspace.queue, self._workspace.store
        try:
            changed = self._annotations(asked.ids)
            if asked.action == "withdraw":
                batches.withdraw(queue, store, changed)
            else:
                planned = batches.reassignment(store, changed, asked.to)
                if planned.left:
                    raise ConflictError(
                        f"{asked.to} judged some of these pairs in between; look at them again"
                    )
                batches.reassign(queue, store, planned)
        except CamelxError as e:
            raise shown(e) from e
        names = ", ".join(sorted({a.annotator for a in changed}))
        details = {"annotations": len(changed)} | ({"to": asked.to} if asked.to else {})
        self._workspace.access.audit(principal, f"annotation.{asked.action}", names, **details)
        said = f"given to {asked.to}" if asked.to else "taken back"
        return note(f"{_many(changed)}: {said}.")

    def _annotations(self, ids: Sequence[str]) -> list[Annotation]:
        """Return all annotations of the verdicts that these belong to.

        Raises:
            ConfigError: There are no ids.
            ConflictError: One of the annotations is gone.
        """
        if not ids:
            raise ConfigError("choose verdicts first")
        there = self._workspace.store.annotations_by_id(ids)
        if len(there) < len(set(ids)):
            raise ConflictError("some of these verdicts were changed in between; look at them again")
        return batches.whole(self._workspace.store, there.values())

    def _choices(self, verdicts: Sequence[batches.OneVerdict]) -> list[tuple[str, str]]:
        """Return the verdicts as choices: what tells them apart, and an id."""
        goals = self._goals([given[0] for given in verdicts])
        return [
            (_plain(f"{minute(a.created_at)} · {a.annotator} · {_says(a)} · {goals[a.goal_id]}"), a.id)
            for a, *_ in verdicts
        ]

    def _goals(self, annotations: Sequence[Annotation]) -> dict[str, str]:
        goals = self._workspace.store.goals(ids=sorted({a.goal_id for a in annotations}))
        return {goal.id: shorten(goal.text, 80, placeholder=" …") for goal in goals}

    def _asks(self, planned: batches.Reassignment) -> Markup:
        """Return the question whether verdicts get another name, with those that have to stay."""
        asks = f"Give {_many(planned.moved)} to {planned.annotator}?"
        if not planned.moved:
            asks = f"There is nothing to give to {planned.annotator}."
        left = batches.as_verdicts(planned.left)
        if not left:
            return tag("p", asks, css="cx-ask")
        goals = self._goals([given[0] for given in left])
        named = [
            tag("li", f"{a.annotator}: {_says(a)}, on “{goals[a.goal_id]}”") for a, *_ in left[:_MOST_NAMED]
        ]
        if len(left) > _MOST_NAMED:
            named.append(tag("li", f"and {len(left) - _MOST_NAMED:,} more"))
        stays = f"{_counted(len(left), 'verdict')} left as they are: {planned.annotator} judged these pairs."
        return tag("div", tag("p", asks), tag("p", stays, css="cx-bad"), tag("ul", *named), css="cx-ask")


def _found(
    verdicts: Sequence[batches.OneVerdict], choices: list[tuple[str, str]], said: Markup
) -> tuple[Any, ...]:
    """Return ids, remark, list, choice of all, what can be done, and no question."""
    ids = tuple(given[0].id for given in verdicts)
    return (
        ids,
        said,
        gr.update(choices=choices, value=[], visible=bool(choices)),
        gr.update(label=f"all {len(ids):,} that were found", value=False, visible=len(ids) > len(choices)),
        gr.update(visible=bool(choices)),
        gr.update(visible=False),
    )


NOTHING_FOUND = _found([], [], Markup(""))


def _ids(annotations: Sequence[Annotation]) -> tuple[str, ...]:
    return tuple(a.id for a in annotations)


def _says(a: Annotation) -> str:
    kind = " (settled)" if a.adjudicated else " (repeat)" if a.repeat else ""
    return VERDICT_WORDS[a.verdict] + kind


def _many(annotations: Sequence[Annotation]) -> str:
    """Return how many verdicts of whom these are."""
    n, names = len(batches.as_verdicts(annotations)), sorted({a.annotator for a in annotations})
    pairs = f" on {len(annotations):,} pairs" if len(annotations) > n else ""
    return f"{_counted(n, 'verdict')}{pairs} by {', '.join(names)}"


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _plain(text: str) -> str:
    """Return the text of a choice, which the page escapes itself, without characters that act."""
    return CONTROL_CHARACTERS.sub("\ufffd", text)


class BatchLayout:
    """The components, laid out inside a Gradio context."""

    def __init__(self) -> None:
        self.found, self.asked = gr.State(()), gr.State(Asked())
        with gr.Row(elem_classes="cx-filters"):
            self.person = gr.Dropdown([("anybody", "")], value="", label="Person", min_width=150)
            self.verdict = gr.Dropdown(_VERDICTS, value=_ANY, label="Verdict", min_width=150)
            self.since = gr.Textbox(label="From (UTC)", placeholder="2026-11-26 14:30", min_width=150)
            self.until = gr.Textbox(label="Before (UTC)", placeholder="2026-11-27", min_width=150)
        self.said = gr.HTML()
        self.listed = gr.CheckboxGroup(
            [], label="All that are listed", show_select_all=True, visible=False, elem_id="cx-verdicts"
        )
        self.all = gr.Checkbox(label="all", visible=False, container=False)
        with gr.Row(visible=False) as self.acts:
            self.withdraw = gr.Button("Take back ...", variant="stop", size="sm")
            self.to = gr.Dropdown(
                [], label="Whose they are", allow_custom_value=True, value=None, min_width=150
            )
            self.reassign = gr.Button("Give to this person ...", size="sm")
        with gr.Group(visible=False) as self.sure:
            self.question = gr.HTML()
            with gr.Row():
                self.yes = gr.Button("Yes", variant="stop", size="sm", elem_id="cx-yes-batch")
                self.no = gr.Button("No", size="sm")
        self.done = gr.HTML(elem_id="cx-batch-done")

    @property
    def conditions(self) -> list[Any]:
        """Inputs of `find`, behind the cycle."""
        return [self.person, self.verdict, self.since, self.until]

    @property
    def results(self) -> list[Any]:
        """Outputs of `find`."""
        return [self.found, self.said, self.listed, self.all, self.acts, self.sure]
