"""The page Interactions: its handlers without a browser, what they show, and one way through it with one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from live_server import live_server
from threaded_goal import GOAL, HOSTILE, PAIR_ID, add_threaded_goal

from camelx import config
from camelx.access import LOCAL
from camelx.schemas import AccessRole, Interaction, ToolCall
from camelx.server import create_app
from camelx.ui.pages.interactions import FIELDS, InteractionsPage
from camelx.workspace import Workspace


@pytest.fixture
def page(workspace: Workspace) -> InteractionsPage:
    return InteractionsPage(workspace)


def asks(**query: str) -> gr.Request:
    return gr.Request(username="local", query_params=query)


def seen(loaded: tuple[Any, ...]) -> dict[str, Any]:
    """Return what `load` gave, by name."""
    call, thread, log, exports, form = loaded[len(FIELDS) :]
    filters = dict(zip(FIELDS, loaded, strict=False))
    return {"filters": filters, "call": call["value"], "thread": thread["value"], "log": log,
            "exports": exports, "form": form}  # fmt: skip


def looked(page: InteractionsPage, **values: str) -> str:
    _, _, log, _ = page.look(*(values.get(name, "") for name in FIELDS), asks())
    return str(log)


def test_without_interactions_the_page_says_what_to_do(page: InteractionsPage) -> None:
    shown = seen(page.load(asks()))
    assert "No model has been asked anything yet" in shown["log"]
    assert '<a href="/cycles">Start a cycle</a>' in shown["log"]
    assert (shown["call"], shown["exports"], shown["form"]["visible"]) == ("", "", True)


def test_the_address_says_what_is_filtered(page: InteractionsPage) -> None:
    add_threaded_goal()
    shown = seen(page.load(asks(role="executor", text="it is 5", until="2999-01-01")))
    assert shown["filters"]["role"]["value"] == "executor"
    assert shown["filters"]["text"]["value"] == "it is 5"
    assert "2 interactions" in shown["log"]
    assert "author-of-e2" in shown["log"]
    assert "author-of-e1" not in shown["log"]
    assert "/api/v1/interactions/export?role=executor&amp;text=it+is+5&amp;until=2999" in shown["exports"]
    assert "role=executor&amp;text=it+is+5&amp;until=2999-01-01&amp;id=e2" in shown["log"]


def test_a_changed_filter_gives_another_log(page: InteractionsPage) -> None:
    add_threaded_goal()
    assert "8 interactions" in looked(page)
    assert "2 interactions" in looked(page, role="proposer")
    assert "1 interaction, filtered by role, text<" in looked(page, role="executor", text='"2 make 4"')
    assert "No interaction meets these filters" in looked(page, agent="nobody")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"role": "boss"}, "role &#x27;boss&#x27;: expected one of proposer"),
        ({"since": "yesterday"}, "expected a moment such as"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "expected a moment before until &#x27;2026-01-01"),
        ({"text": "?"}, "no word or number"),
        ({"cursor": "x"}, "begin again without a cursor"),
    ],
)
def test_an_address_that_means_nothing_is_explained(
    page: InteractionsPage, asked: dict[str, str], said: str
) -> None:
    add_threaded_goal()
    shown = seen(page.load(asks(**asked)))
    assert said in shown["log"]
    assert 'href="/interactions"' in shown["log"]


def test_a_thread_leads_to_judging_only_what_can_be_judged(page: InteractionsPage) -> None:
    add_threaded_goal()
    thread = seen(page.load(asks(cycle="c1", goal=GOAL.id)))["thread"]
    pairs = set(re.findall(r'href="/\?pair=(\w+,\w+)">annotate', thread))
    assert pairs == {"e1,e2", "e1,e3", "e1,e4", "e4,e1", "p1,p2"}
    assert "(e2) over" in thread, "twice the same text: compared, and nothing to judge"


def test_pages_lead_to_each_other(page: InteractionsPage, workspace: Workspace) -> None:
    add_threaded_goal()
    like = workspace.store.interactions_by_id(["e1"])["e1"]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    many = [
        like.model_copy(update={"id": f"n{i:03}", "agent": "many", "created_at": moment}) for i in range(120)
    ]
    workspace.store.save_interactions(many)
    first = seen(page.load(asks(agent="many")))["log"]
    assert 'id="key-n"' in first
    assert 'id="key-p"' not in first
    cursor = re.search(r"cursor=([\w%-]+)\" id=\"key-n\"", first)
    assert cursor
    second = seen(page.load(asks(agent="many", cursor=cursor.group(1))))["log"]
    assert 'id="key-p"' in second
    assert len(set(re.findall(r"id=(n\d+)", first)) | set(re.findall(r"id=(n\d+)", second))) == 100


def test_an_open_call_is_whole_with_the_thread_of_its_goal(
    page: InteractionsPage, workspace: Workspace
) -> None:
    add_threaded_goal()
    one = workspace.store.interactions_by_id(["e1"])["e1"]
    call = ToolCall(name="add", arguments='{"a": 2}', result="4")
    workspace.store.save_interactions([one.model_copy(update={"tool_calls": (call,), "seed": 7})])
    shown = seen(page.load(asks(id="e1")))
    for said in ("2 and 2 make 4", "tool add", "How much is 2 and 2?", "seed", "cycle=c1", "carries out"):
        assert said in shown["call"], said
    for said in ("Add them.", "perhaps 6", "reviewer-1", "prefers it to", "could not be read", PAIR_ID, "ann",
                 "It adds.", '/?pair=e1,e4"', "id=turn"):  # fmt: skip
        assert said in shown["thread"], said
    assert 'class="cx-selected"' in shown["thread"]
    assert "There is no interaction e99" in seen(page.load(asks(id="e99")))["call"]


def test_a_goal_alone_is_shown_and_with_a_cycle_its_thread(page: InteractionsPage) -> None:
    add_threaded_goal()
    assert "Choose a cycle, too" in seen(page.load(asks(goal=GOAL.id)))["thread"]
    assert "Preference pairs (1)" in seen(page.load(asks(goal=GOAL.id, cycle="c1")))["thread"]
    assert "no interaction on goal" in seen(page.load(asks(goal=GOAL.id, cycle="c9")))["thread"]
    assert "there is no goal" in seen(page.load(asks(goal="g9", cycle="c1")))["thread"]


def test_what_models_wrote_never_becomes_markup(page: InteractionsPage, workspace: Workspace) -> None:
    add_threaded_goal(e1=HOSTILE, e4=HOSTILE + " no")
    one = workspace.store.interactions_by_id(["e2"])["e2"]
    call = ToolCall(name=HOSTILE, arguments=HOSTILE, result=HOSTILE)
    bad = {"id": "bad", "agent": HOSTILE, "model": HOSTILE, "error": HOSTILE, "tool_calls": (call,)}
    workspace.store.save_interactions([Interaction.model_validate(dict(one) | bad)])
    for asked in ({}, {"id": "bad"}, {"id": "e1"}, {"agent": HOSTILE, "text": HOSTILE}, {"cursor": HOSTILE}):
        shown = seen(page.load(asks(**asked)))
        for part in (shown["call"], shown["thread"], shown["log"], shown["exports"]):
            assert "<script" not in part
            assert "<img" not in part
            assert "\u202e" not in part
            assert "\x1b" not in part


def test_goals_are_checked_and_then_imported_by_operators(
    page: InteractionsPage, workspace: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "sums.csv"
    file.write_text("q,a\nWhat is 1 + 2?,3\n,4\n")
    form = (str(file), "as the first row tells", "text=q, answer=a", "train", "numeric", False, False)
    said = page.bring(*form, True, asks())
    assert "sums.csv: 1 goals would be new" in said
    assert "sums.csv:3" in said
    assert str(tmp_path) not in said
    assert workspace.store.goals() == []
    assert "1 goals were new" in page.bring(*form, False, asks())
    assert [goal.answer for goal in workspace.store.goals()] == ["3"]
    assert "Choose a file first" in page.bring(None, *form[1:], True, asks())
    assert "expected FIELD=COLUMN" in page.bring(form[0], form[1], "text", *form[3:], True, asks())


def test_viewers_look_and_do_not_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    monkeypatch.setenv("CAMELX_SIGN_IN", "on")
    config.settings.cache_clear()
    with Workspace.open(config.settings()) as workspace:
        workspace.access.add_user("vera", AccessRole.VIEWER, "a password of hers", by=LOCAL)
        page = InteractionsPage(workspace)
        vera = gr.Request(username="vera", query_params={})
        assert seen(page.load(vera))["form"]["visible"] is False
        with pytest.raises(gr.Error, match="takes operator"):
            page.bring("x.csv", "", "", "train", "", False, False, False, vera)
        with pytest.raises(gr.Error):
            page.load(gr.Request(username="nobody", query_params={}))
        with pytest.raises(gr.Error):
            page.look(*([""] * len(FIELDS)), gr.Request(username="nobody", query_params={}))
    config.settings.cache_clear()


def test_a_search_is_typed_kept_by_a_reload_and_leads_to_a_call_and_its_thread(
    workspace: Workspace, tab: Any
) -> None:
    add_threaded_goal()
    with live_server(create_app(workspace), lifespan="on") as server:
        tab.goto(f"{server.url}/interactions")
        tab.get_by_text("8 interactions").wait_for()
        tab.locator("#cx-words textarea, #cx-words input").press_sequentially('"it is 5"', delay=40)
        tab.get_by_text("2 interactions").wait_for()
        tab.wait_for_url("**/interactions?text=*")
        tab.reload()
        tab.get_by_text("2 interactions").wait_for()
        tab.locator("#cx-lines").get_by_text("it is 5").first.click()
        tab.locator("#cx-call").get_by_text("How much is 2 and 2?").first.wait_for()
        tab.locator("#cx-thread").get_by_text("Preference pairs (1)").wait_for()
        assert "text=" in tab.url
        assert (
            tab.locator("#cx-thread a", has_text="annotate").first.get_attribute("href").startswith("/?pair=")
        )
        tab.set_viewport_size({"width": 390, "height": 844})
        tab.goto(f"{server.url}/interactions")
        tab.get_by_text("8 interactions").wait_for()
        assert tab.locator(".cx-log-lines").bounding_box()["y"] < 422, "a phone's first screen has results"
        tab.locator("#cx-fold").click()
        tab.locator("#cx-words textarea, #cx-words input").press_sequentially("perhaps", delay=40)
        tab.get_by_text("1 interaction, filtered by text").wait_for()
