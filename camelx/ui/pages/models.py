"""The page Models: which versions there are, where each comes from, what it says, which one is in use.

A version is chosen by its link (`/models?version=3`), so that it can be sent to somebody. What the page shows
is read from the registry at each look.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from camelx.errors import CamelxError, NotFoundError, RegistryError
from camelx.lineage.explaining import explain_pair
from camelx.pages import Markup, tag
from camelx.schemas import AccessRole, Principal
from camelx.ui.guard import guard, shown
from camelx.ui.look import LOADING
from camelx.ui.model_pieces import (
    PAIRS_A_PAGE,
    answers_view,
    comparison_view,
    nothing_yet,
    pair_view,
    unreachable,
    version_list,
    version_view,
)
from camelx.versions import BASE, MAX_GOAL_CHARACTERS, Version
from camelx.workspace import Workspace

State = dict[str, Any]
"""What is looked at: name, version, offset of the pairs, pair, and the champion that was shown."""


class ModelsPage:
    """The page's handlers; each checks who asks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """Return the page as it begins: the version that its address names, else the champion or the newest.

        The values are for state, list, version, pair, promote, roll back, why not, compared a and b, asked
        a and b.
        """
        principal = guard(self._workspace, request, AccessRole.VIEWER)
        query = dict(request.query_params)
        state: State = {
            "name": str(query.get("name") or "") or None,
            "version": _number(query.get("version")),
            "offset": _number(query.get("offset")) or 0,
            "pair": str(query.get("pair") or "") or None,
        }
        return self._seen(state, principal)

    def promote(self, state: State, request: gr.Request) -> tuple[Any, ...]:
        """Put the version that is looked at in use, and return the page as it is then.

        Raises:
            gr.Error: It can't be; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.OPERATOR)
        try:
            promoted = self._workspace.versions.promote(
                int(state.get("version") or 0), state.get("name"), instead_of=state.get("champion")
            )
        except CamelxError as e:
            raise shown(e) from e
        self._workspace.access.audit(
            principal, "model.promote", promoted.label, passed_gate=promoted.passed_gate
        )
        return self._seen(state, principal)

    def roll_back(self, state: State, request: gr.Request) -> tuple[Any, ...]:
        """Put the champion before this one in use again, and return the page as it is then.

        Raises:
            gr.Error: There is none, or somebody else was faster; the page shows why.
        """
        principal = guard(self._workspace, request, AccessRole.OPERATOR)
        try:
            back = self._workspace.versions.rollback(state.get("name"), instead_of=state.get("champion"))
        except CamelxError as e:
            raise shown(e) from e
        self._workspace.access.audit(principal, "model.rollback", back.label)
        return self._seen(state | {"version": back.version}, principal)

    def compared(self, state: State, a: str | None, b: str | None, request: gr.Request) -> Markup:
        """Return two versions side by side."""
        guard(self._workspace, request, AccessRole.VIEWER)
        if _number(a) is None or _number(b) is None:
            return tag("p", "Choose two versions.", css="cx-empty")
        try:
            both = self._workspace.versions.compare(int(a or 0), int(b or 0), state.get("name"))
        except CamelxError as e:
            raise shown(e) from e
        return comparison_view(both)

    def ask(
        self, state: State, goal: str | None, a: str | None, b: str | None, request: gr.Request
    ) -> Markup:
        """Return what two versions answer to a goal.

        Raises:
            gr.Error: They can't be asked, or the time was over; the page shows why.
        """
        guard(self._workspace, request, AccessRole.ANNOTATOR)
        try:
            return answers_view(
                self._workspace.versions.answers(goal or "", [a or BASE, b or BASE], state.get("name"))
            )
        except CamelxError as e:
            raise shown(e) from e

    def _seen(self, state: State, principal: Principal) -> tuple[Any, ...]:
        room, nothing = self._workspace.versions, gr.update(visible=False)
        empty = (Markup(""), nothing, nothing, nothing, nothing, *[gr.update()] * 4)
        try:
            name = state.get("name") or room.names()[0]
            versions = room.registered(name)
            if not versions:
                return state, nothing_yet(name), *empty
            before = room.before_champion(name)
        except RegistryError as e:
            return state, unreachable(str(e)), *empty
        champion = next((one for one in versions if one.is_champion), None)
        chosen = state.get("version") or (champion or versions[0]).version
        state = state | {"name": name, "version": chosen, "champion": champion.version if champion else 0}
        return (
            state,
            version_list(versions, chosen),
            self._version(state),
            gr.update(value=self._pair(state), visible=bool(state.get("pair"))),
            *_changes(principal, versions, chosen, before),
            *_choices(versions, champion),
        )

    def _version(self, state: State) -> Markup:
        room, number, name = self._workspace.versions, state["version"], state["name"]
        try:
            return version_view(
                room.lineage(number, name, offset=state["offset"], limit=PAIRS_A_PAGE),
                room.curves(number, name),
                room.card(number, name),
                state["offset"],
            )
        except NotFoundError as e:
            return tag("div", tag("p", str(e)), tag("p", "Choose one of the list above."), css="cx-empty")
        except RegistryError as e:
            return unreachable(str(e))

    def _pair(self, state: State) -> Markup:
        if not state.get("pair"):
            return Markup("")
        try:
            return pair_view(explain_pair(state["pair"]))
        except CamelxError as e:
            return tag("p", str(e), css="cx-empty cx-text")


def _number(value: Any) -> int | None:
    text = str(value or "")
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _changes(
    principal: Principal, versions: list[Version], chosen: int, before: int | None
) -> tuple[Any, ...]:
    """Return promote, roll back, and why they are not there."""
    may = principal.role.includes(AccessRole.OPERATOR)
    one = next((one for one in versions if one.version == chosen), None)
    promotes = may and one is not None and not one.is_champion
    why = ""
    if not may:
        why = f"Promoting and rolling back takes the role operator; you have {principal.role}."
    elif one is not None and one.is_champion:
        why = "This version is in use." + ("" if before else " There is none before it to roll back to.")
    return (
        gr.update(visible=promotes, value=f"Promote version {chosen} ..."),
        gr.update(visible=may and before is not None, value=f"Roll back to version {before} ..."),
        gr.update(value=tag("p", why, css="cx-soft"), visible=bool(why)),
    )


def _choices(versions: list[Version], champion: Version | None) -> tuple[Any, ...]:
    """Return the choices of compared a and b, asked a and b."""
    numbers = [str(one.version) for one in versions]
    newest, used = numbers[0], str(champion.version) if champion else BASE
    other = used if used != newest else (numbers[1] if len(numbers) > 1 else BASE)
    return (
        gr.update(choices=numbers, value=None),
        gr.update(choices=numbers, value=None),
        gr.update(choices=[BASE, *numbers], value=other),
        gr.update(choices=[BASE, *numbers], value=newest),
    )


def build(workspace: Workspace) -> None:
    """Lay out the page."""
    page = ModelsPage(workspace)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    state = gr.State({})
    gr.HTML("<h1>Models</h1>")
    listing = gr.HTML(LOADING, elem_id="cx-versions")
    with gr.Row(elem_classes="cx-buttons"):
        promote = gr.Button("Promote ...", visible=False, variant="primary", size="sm", elem_id="cx-promote")
        back = gr.Button("Roll back ...", visible=False, size="sm", elem_id="cx-rollback")
    with gr.Group(visible=False) as sure_promote:
        gr.HTML("<p class=cx-ask>Put it in use, whatever the gate said? The next cycle starts from it.</p>")
        with gr.Row():
            yes_promote = gr.Button("Yes, promote it", variant="primary", size="sm")
            no_promote = gr.Button("No", size="sm")
    with gr.Group(visible=False) as sure_back:
        gr.HTML("<p class=cx-ask>Put the champion before this one in use again?</p>")
        with gr.Row():
            yes_back = gr.Button("Yes, roll back", variant="stop", size="sm")
            no_back = gr.Button("No", size="sm")
    why = gr.HTML(elem_id="cx-why", visible=False)
    pair = gr.HTML(elem_id="cx-pair", visible=False)
    version = gr.HTML(elem_id="cx-version")
    with gr.Accordion("Side by side: what two versions answer", open=False):
        goal = gr.Textbox(label="Goal", lines=2, max_length=MAX_GOAL_CHARACTERS, elem_id="cx-goal")
        with gr.Row():
            asked_a, asked_b = gr.Dropdown([BASE], label="Version"), gr.Dropdown([BASE], label="and")
        ask = gr.Button("Ask both", variant="primary", size="sm")
        answers = gr.HTML(elem_id="cx-answers")
    with gr.Accordion("Compare two versions", open=False):
        with gr.Row():
            a, b = gr.Dropdown([], label="Version"), gr.Dropdown([], label="with")
        compared = gr.HTML(elem_id="cx-compared")

    seen = [state, listing, version, pair, promote, back, why, a, b, asked_a, asked_b]
    gr.on(None, page.load, None, seen, **quiet)
    gr.on([a.change, b.change], page.compared, [state, a, b], [compared], **quiet)
    ask.click(
        page.ask, [state, goal, asked_a, asked_b], [answers], api_visibility="private", trigger_mode="once"
    )
    hide, reveal = gr.update(visible=False), gr.update(visible=True)
    for button, group in ((promote, sure_promote), (back, sure_back)):
        button.click(lambda: reveal, None, [group], **quiet)
    for button, group in (
        (no_promote, sure_promote), (yes_promote, sure_promote), (no_back, sure_back), (yes_back, sure_back),
    ):  # fmt: skip
        button.click(lambda: hide, None, [group], **quiet)
    yes_promote.click(page.promote, [state], seen, trigger_mode="once", **quiet)
    yes_back.click(page.roll_back, [state], seen, trigger_mode="once", **quiet)
