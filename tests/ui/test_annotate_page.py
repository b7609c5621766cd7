"""The page Annotate: its handlers without a browser, and ten pairs judged by keyboard in a real one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from pairs_to_judge import add_pairs_to_judge

from camelx.config import Settings
from camelx.schemas import AccessRole, Principal, Verdict, utc_now
from camelx.ui.differences import differences, folded, side_by_side
from camelx.ui.pages.annotate import AnnotatePage, OnScreen
from camelx.workspace import Workspace

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e[x](javascript:alert(3))\x1b[31m"
ROOT = Principal(name="root", role=AccessRole.ADMIN, via="cli")
CHOSEN = (None, "any", "any")


def open_workspace(root: Path, **kwargs: Any) -> Workspace:
    rules = {"annotation_repeat_share": 0, "annotation_overlap_share": 0}
    return Workspace.open(
        Settings(_env_file=None, root=root, project=Path(__file__).parents[2], **rules | kwargs)
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with open_workspace(tmp_path) as opened:
        add_pairs_to_judge(opened.store)
        yield opened


@pytest.fixture
def page(workspace: Workspace) -> AnnotatePage:
    return AnnotatePage(workspace)


def asks(name: str = "local", **query: str) -> gr.Request:
    return gr.Request(username=name, query_params=query)


class Views:
    """The values of a handler by name."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        names = ("screen", "seen", "place", "item", "progress", "saved", "said", "judging", "reopen")
        names += ("rating", "rationale", "edited", "better")
        by_name = dict(zip(names, values[-len(names) :], strict=True))
        self.screen: OnScreen = by_name["screen"]
        self.seen: str = by_name["seen"]
        self.place: str = by_name["place"]
        self.item, self.progress, self.saved = (by_name[name] for name in ("item", "progress", "saved"))
        self.can_judge: bool = by_name["judging"]["visible"]
        self.can_reopen: bool = by_name["reopen"]["visible"]
        self.written = tuple(by_name[name] for name in ("rating", "rationale", "edited"))


def judge(page: AnnotatePage, views: Views, verdict: Any = Verdict.FIRST, **said: Any) -> Views:
    texts = {"rating": None, "rationale": "", "edited": ""} | said
    return Views(page.judge(verdict, views.screen, views.seen, *texts.values(), *CHOSEN, asks()))


def test_a_pair_is_shown_and_its_verdict_kept(page: AnnotatePage, workspace: Workspace) -> None:
    views = Views(page.load(asks()))
    assert views.can_judge
    assert "18 open" in views.progress
    after = judge(page, views, Verdict.SECOND, rating="4", rationale="why", edited="A better one.")
    (said,) = workspace.store.annotations()
    assert (said.verdict, said.rating, said.rationale, said.edited_text) == (
        "second",
        4,
        "why",
        "A better one.",
    )
    assert said.duration_s is not None
    assert "1 judged today" in after.progress
    assert "Saved: B is better" in after.saved
    assert after.seen != views.seen


def test_a_reload_keeps_the_item(page: AnnotatePage) -> None:
    first, again = Views(page.load(asks())), Views(page.load(asks()))
    assert again.item == first.item
    assert again.seen == first.seen


def test_what_is_pressed_twice_or_for_another_item_counts_once(
    page: AnnotatePage, workspace: Workspace
) -> None:
    first = Views(page.load(asks()))
    second = judge(page, first)
    third = judge(page, Views(page.load(asks())), Verdict.TIE)
    late = Views(page.judge(Verdict.FIRST, third.screen, first.seen, None, "", "", *CHOSEN, asks()))
    assert late.seen == third.seen
    assert judge(page, second, Verdict.TIE).seen == third.seen
    assert [a.verdict for a in sorted(workspace.store.annotations(), key=lambda a: a.created_at)] == [
        "first",
        "tie",
    ]


def test_another_verdict_on_what_was_judged_in_another_tab_is_said_to_be_not_kept(
    page: AnnotatePage, workspace: Workspace
) -> None:
    here, there = Views(page.load(asks())), Views(page.load(asks()))
    judge(page, here, Verdict.TIE)
    with pytest.raises(gr.Error, match="already, maybe in another tab: a tie"):
        judge(page, there, Verdict.FIRST)
    with pytest.raises(gr.Error, match="not kept"):
        judge(page, there, Verdict.TIE, rationale="why")
    assert "Saved" in judge(page, there, Verdict.TIE).saved
    assert [str(a.verdict) for a in workspace.store.annotations()] == ["tie"]


def test_an_answer_that_is_one_of_the_two_is_no_better_one(page: AnnotatePage, workspace: Workspace) -> None:
    views = Views(page.load(asks()))
    judge(page, views, edited=f"  {views.screen.texts[0]} ")
    assert workspace.store.annotations()[0].edited_text is None


def test_undo_shows_the_item_again(page: AnnotatePage, workspace: Workspace) -> None:
    views = Views(page.load(asks()))
    judge(page, views)
    undone = Views(page.undo(*CHOSEN, asks()))
    assert workspace.store.annotations() == []
    assert undone.item == views.item
    assert Views(page.load(asks())).item == views.item
    assert "Nothing to undo" in Views(page.undo(*CHOSEN, asks())).saved


def test_undo_brings_back_what_was_written_with_the_verdict(page: AnnotatePage) -> None:
    views = judge(page, Views(page.load(asks())), rating="4", rationale="why", edited="A better one.")
    assert views.written == (None, "", "")
    assert Views(page.undo(*CHOSEN, asks())).written == ("4", "why", "A better one.")
    assert Views(page.undo(*CHOSEN, asks())).written == (None, "", "")


def test_a_page_that_lost_its_place_says_that_nothing_was_kept(
    page: AnnotatePage, workspace: Workspace
) -> None:
    views = Views(page.load(asks()))
    again = Views(page.judge(Verdict.TIE, OnScreen(), views.seen, None, "why", "", *CHOSEN, asks()))
    assert "Nothing was kept" in again.saved
    assert again.place == views.place
    assert workspace.store.annotations() == []


def test_what_the_agents_said_comes_after_the_verdict(page: AnnotatePage) -> None:
    views = Views(page.load(asks()))
    assert "after your verdict" in page.agents(asks())
    assert "author" not in views.item
    judge(page, views)
    said = page.agents(asks())
    assert "author-" in said
    assert "ada" in said
    assert "you said A is better" in said


def test_what_the_agents_said_is_there_on_a_new_page_and_of_an_earlier_verdict_after_undo(
    page: AnnotatePage, workspace: Workspace
) -> None:
    second = judge(page, Views(page.load(asks())))
    first = page.agents(asks())
    judge(page, second, Verdict.TIE)
    again = AnnotatePage(workspace)
    again.load(asks())
    assert "you said a tie" in again.agents(asks())
    page.undo(*CHOSEN, asks())
    assert page.agents(asks()) == first


def test_an_empty_queue_says_what_to_do(page: AnnotatePage) -> None:
    views = Views(page.load(asks()))
    skipped = Views(page.skip(views.screen, views.seen, *CHOSEN, asks()))
    while skipped.can_judge:
        skipped = judge(page, skipped)
    assert "All judged" in skipped.item
    assert 'href="/agreement"' in skipped.item
    assert skipped.can_reopen
    again = Views(page.reopen(*CHOSEN, asks()))
    assert again.item == views.item


def test_without_a_ranked_cycle_it_says_what_to_do(tmp_path: Path) -> None:
    with open_workspace(tmp_path) as workspace:
        views = Views(AnnotatePage(workspace).load(asks()))
    assert 'href="/cycles"' in views.item
    assert not views.can_judge


def test_the_address_names_a_cycle_or_a_pair(page: AnnotatePage, workspace: Workspace) -> None:
    add_pairs_to_judge(workspace.store, 2, cycle_id="c2", number=2)
    compared = workspace.store.comparisons("c1")[-1]
    assert page.load(asks())[0]["value"] == "c2"
    assert page.load(asks(cycle="c1"))[0]["value"] == "c1"
    with pytest.warns(UserWarning, match="Nothing of cycle c9 can be judged yet; this is of cycle c2"):
        page.load(asks(cycle="c9"))
    named = Views(page.load(asks(pair=f"{compared.second_id},{compared.first_id}")))
    assert {named.screen.first_id, named.screen.second_id} == {compared.first_id, compared.second_id}
    with pytest.warns(UserWarning, match="no pair that can be judged"):
        assert Views(page.load(asks(pair="a,b"))).can_judge


def test_the_kind_of_work_can_be_chosen(page: AnnotatePage) -> None:
    page.load(asks())
    categories, *views = page.choose("c1", "any", "words", asks())
    assert categories["value"] == "words"
    assert "words" in Views(tuple(views)).item
    none = Views(page.choose("c1", "proposer", "any", asks()))
    assert "Nothing of this role and category is left" in none.item


def test_what_models_wrote_is_escaped_marks_and_folds_included() -> None:
    for shown in (side_by_side(HOSTILE, HOSTILE + " more"), folded(HOSTILE * 60)):
        assert "<script" not in shown
        assert "<img" not in shown
        assert "\u202e" not in shown
        assert "\x1b" not in shown
    assert "<mark>" in side_by_side("two and two make 4", "two and two make 5")
    assert "<details>" in folded(HOSTILE * 60)


def test_differences_keep_every_character() -> None:
    first, second = "I add 2 and 3.\nSo 5.", "I add 2 and 4.\nSo  6!"
    ours, theirs = differences(first, second)
    assert "".join(text for text, _ in ours) == first
    assert "".join(text for text, _ in theirs) == second
    assert ("3", True) in ours
    assert not any(marked for _, marked in differences("abc def", "entirely other words")[0])


def test_a_viewer_may_look_and_every_handler_refuses_them(tmp_path: Path) -> None:
    with open_workspace(tmp_path, sign_in="on") as workspace:
        add_pairs_to_judge(workspace.store)
        workspace.access.add_user("vera", AccessRole.VIEWER, "a long password", by=ROOT)
        page, vera = AnnotatePage(workspace), asks("vera")
        views = Views(page.load(vera))
        assert "You may look, not judge" in views.item
        calls: list[Any] = [
            lambda: page.judge(Verdict.FIRST, views.screen, "", None, "", "", *CHOSEN, vera),
            lambda: page.skip(views.screen, "", *CHOSEN, vera),
            lambda: page.undo(*CHOSEN, vera),
            lambda: page.reopen(*CHOSEN, vera),
            lambda: page.agents(vera),
            lambda: page.choose(*CHOSEN, vera),
        ]
        for call in calls:
            with pytest.raises(gr.Error, match="this takes annotator"):
                call()


# In a browser


@pytest.fixture
def served(workspace: Workspace) -> Iterator[str]:
    """The address of the whole app, in a thread."""
    import uvicorn

    from camelx.server import create_app

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(create_app(workspace), host="127.0.0.1", port=port, log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(20)


def test_ten_pairs_are_judged_by_keyboard_with_a_reload_between_and_one_undone(
    served: str, browser: Any, workspace: Workspace
) -> None:
    page = browser.new_page()
    page.goto(served)
    began = utc_now()

    def item() -> str:
        page.wait_for_selector(".cx-sides", timeout=30_000)
        return str(page.inner_text(".cx-item"))

    def press(key: str) -> None:
        before = item()
        page.keyboard.press(key)
        page.wait_for_function(
            "(before) => (document.querySelector('.cx-item') ?? {innerText: before}).innerText !== before",
            arg=before,
            timeout=30_000,
        )

    for key in "abtx":
        press(key)
    before = item()
    page.reload()
    assert item() == before
    page.keyboard.press("4")
    press("a")
    shown = item()
    press("b")
    press("u")
    assert item() == shown
    press("s")
    for key in "babta":
        press(key)
    said = sorted(workspace.store.annotations(), key=lambda a: a.created_at)
    assert [str(a.verdict) for a in said] == [
        "first", "second", "tie", "both_bad", "first", "second", "first", "second", "tie", "first",
    ]  # fmt: skip
    assert [a.rating for a in said] == [None, None, None, None, 4, None, None, None, None, None]
    assert all(a.created_at > began and a.duration_s is not None for a in said)
    page.reload()
    item()
    page.keyboard.press("v")
    page.wait_for_selector(".cx-said", timeout=30_000)
    page.dblclick("#key-a")
    page.wait_for_function("() => document.querySelector('#cx-progress').innerText.includes('11 judged')")
    assert len(workspace.store.annotations()) in (11, 12), "a double click counts once for what it shows"
    page.close()


def test_what_is_written_but_not_sent_outlives_a_reload(
    served: str, browser: Any, workspace: Workspace
) -> None:
    page = browser.new_page()
    page.goto(served)
    why, better = (
        page.get_by_label("Why (optional)"),
        page.get_by_label("It is learned in place of the winner"),
    )
    page.wait_for_selector(".cx-sides", timeout=30_000)
    page.keyboard.press("3")
    page.get_by_role("button", name="Write a better answer").click()
    page.get_by_text("Start from A").click()
    page.wait_for_function("(field) => field.value !== ''", arg=better.element_handle())
    begun = better.input_value()
    better.press_sequentially(" more")
    why.press_sequentially("unsent")
    page.reload()
    better.wait_for(timeout=30_000)  # the fold is open: there is something in it
    assert (why.input_value(), better.input_value()) == ("unsent", begun + " more")
    page.click("#key-a")
    page.wait_for_function("() => document.querySelector('#cx-progress').innerText.includes('1 judged')")
    (said,) = workspace.store.annotations()
    assert (said.rating, said.rationale, said.edited_text) == (3, "unsent", begun + " more")
    assert why.input_value() == better.input_value() == ""
    page.keyboard.press("u")
    page.wait_for_selector("text=is taken back", timeout=30_000)
    page.reload()
    better.wait_for(timeout=30_000)
    assert (why.input_value(), better.input_value()) == ("unsent", begun + " more")

    def is_written(text: str) -> None:
        page.wait_for_function("([field, text]) => field.value === text", arg=[why.element_handle(), text])

    why.fill("on the first")
    page.click("#key-s")
    is_written("")
    why.fill("on the second")
    page.click("#key-u")
    is_written("on the first")
    page.click("#key-b")
    is_written("on the second")
    workspace.store.drop_leases({lease.id for lease in workspace.store.leases("c1", utc_now())}, "local")
    page.reload()
    page.wait_for_selector(".cx-sides", timeout=30_000)
    is_written("on the second")
    page.close()


def test_keys_pressed_in_a_text_field_judge_nothing(served: str, browser: Any, workspace: Workspace) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(served)
    page.wait_for_selector(".cx-sides", timeout=30_000)
    page.get_by_label("Why (optional)").fill("")
    page.get_by_label("Why (optional)").press_sequentially("abtxsu")
    page.wait_for_timeout(500)
    assert workspace.store.annotations() == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    page.click("#key-a")
    page.wait_for_function("() => document.querySelector('#cx-progress').innerText.includes('1 judged')")
    assert [a.rationale for a in workspace.store.annotations()] == ["abtxsu"]
    page.close()
