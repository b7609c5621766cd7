"""The page Chat: its handlers without a browser, and a live session in a real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from live_server import live_server
from sessions.playing import ADMIN, hear, wait_for, write_configs

from camelx.access import LOCAL
from camelx.pages import Markup
from camelx.schemas import LiveSession, SessionEvent, SessionView
from camelx.server import create_app
from camelx.sessions import Say, SessionRequest
from camelx.ui.chat_pieces import being_said, conversation
from camelx.ui.pages.chat import ChatPage
from camelx.workspace import Workspace

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e[x](javascript:alert(3))\x1b[31m"
HERE = ("seen", "head", "said", "live", "timer", "anyhow", "decide", "proposal", "pick", "message", "send",
        "stop", "ending", "list")  # fmt: skip


@pytest.fixture
def workspace(tmp_path):
    with Workspace.open(write_configs(tmp_path, piece_s=0.05)) as opened:
        yield opened


@pytest.fixture
def page(workspace):
    return ChatPage(workspace)


def asks(name: str = "local", **query: str) -> gr.Request:
    return gr.Request(username=name, query_params=query)


def seen(values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(HERE, values[-len(HERE) :], strict=True))


def wait(workspace, session_id, *phases):
    return wait_for(workspace.sessions, session_id, *phases, who=LOCAL)


def test_before_a_session_the_page_says_what_to_do(page):
    selected, form, *rest = page.load(asks())
    here = seen(tuple(rest))
    assert (selected, form["open"]) == (None, True)
    assert "Begin a session" in here["said"]
    assert "No session yet" in here["list"]
    assert not here["message"]["visible"]
    assert not here["timer"].active
    assert not here["anyhow"].active


def test_a_session_is_begun_decided_on_and_read_again(page, workspace):
    i, address, _, *rest = page.begin("team", "champion", "challenger", False, "camel", asks())
    assert address == i
    assert "Write a goal" in seen(tuple(rest))["said"]
    here = seen(page.say(i, "How much is 2 and 2?", asks()))
    assert (here["send"]["value"], here["timer"].active, here["stop"]["visible"]) == ("Interject", True, True)
    assert here["anyhow"].active
    wait(workspace, i, "deciding")
    here = seen(page.look(i, "", asks()))
    assert here["decide"]["visible"]
    assert here["proposal"]["value"].startswith("Plan 1")
    again = seen(page.look(i, here["seen"], asks()))
    assert isinstance(again["live"], Markup)
    assert again["said"] == gr.skip(), "what has not changed is not sent again"
    page.edit(i, "Add the units.", asks())
    wait(workspace, i, "listening")
    here = seen(page.load(asks(session=i)))
    assert "wrote a better proposal" in here["said"]
    assert "Carried out" in here["said"]


def test_words_while_agents_answer_interrupt_them(page, workspace):
    i = page.begin("talk", "champion", "", False, "camel", asks())[0]
    page.say(i, "How much is 2 and 2?", asks())
    workspace.sessions.view(LOCAL, i)
    page.say(i, "Say it in French.", asks())
    wait(workspace, i, "listening")
    said = seen(page.look(i, "", asks()))["said"]
    assert "interjected" in said
    assert "La réponse est quatre." in said


def test_a_blind_pair_is_picked_from_and_then_told(page, workspace):
    i = page.begin("ab", "executor", "second", False, "camel", asks())[0]
    page.say(i, "How much is 2 and 2?", asks())
    wait(workspace, i, "picking")
    here = seen(page.look(i, "", asks()))
    assert here["pick"]["visible"]
    assert "second" not in here["said"] + here["head"]
    page.pick(i, "a", "", "because", asks())
    wait(workspace, i, "listening")
    here = seen(page.look(i, "", asks()))
    assert "A was second (scripted), B was executor" in here["said"] or "A was executor (s" in here["said"]
    assert "because" in here["said"]


def test_closed_reopened_and_deleted(page, workspace):
    i = page.begin("talk", "champion", "", False, "camel", asks())[0]
    here = seen(page.close(i, asks()))
    assert "ended" in here["head"]
    page.say(i, "How much is 2 and 2?", asks())
    wait(workspace, i, "listening")
    selected, _, form, *_ = page.delete(i, asks())
    assert (selected, form["open"]) == (None, True)
    assert "There is no live session".lower() in seen(page.load(asks(session=i)))["said"].lower()


def test_mistakes_are_shown(page):
    i = page.begin("team", "champion", "", False, "camel", asks())[0]
    with pytest.raises(gr.Error, match="waits for a message"):
        page.approve(i, asks())
    with pytest.raises(gr.Error, match="8,000"):
        page.say(i, "x" * 8_001, asks())
    with pytest.raises(gr.Error, match="no agent"):
        page.begin("talk", "<b>nobody</b>", "", False, "camel", asks())
    with pytest.raises(gr.Error, match="choose a mode"):
        page.begin("shouting", "champion", "", False, "camel", asks())


def test_another_person_sees_nothing_and_an_admin_may_only_read(tmp_path):
    from camelx.schemas import AccessRole

    settings = write_configs(tmp_path).model_copy(update={"sign_in": "on"})
    with Workspace.open(settings) as workspace:
        for name, role in (("ann", AccessRole.ANNOTATOR), ("bob", AccessRole.ANNOTATOR),
                           ("eve", AccessRole.VIEWER), ("root", AccessRole.ADMIN)):  # fmt: skip
            workspace.access.add_user(name, role, "a long password", by=ADMIN)
        page = ChatPage(workspace)
        i = page.begin("talk", "champion", "", False, "camel", asks("ann"))[0]
        assert "no live session" in seen(page.load(asks("bob", session=i)))["said"]
        with pytest.raises(gr.Error, match="no live session"):
            page.say(i, "hi", asks("bob"))
        here = seen(page.load(asks("root", session=i)))
        assert not here["message"]["visible"]
        with pytest.raises(gr.Error, match="ann&#x27;s"):
            page.close(i, asks("root"))
        assert "eve has the role viewer" in seen(page.load(asks("eve", session=i)))["said"]
        for act in (lambda r: page.say(i, "hi", r), lambda r: page.look(i, "", r)):
            with pytest.raises(gr.Error, match="viewer"):
                act(asks("eve"))


def test_whatever_is_said_is_shown_as_text():
    session = LiveSession(id="s", owner=HOSTILE, title=HOSTILE, policy_name="p", policy_base="d", config={})
    kinds = (
        "human",
        "turn",
        "proposal",
        "comment",
        "tool_call",
        "ab_pair",
        "pick",
        "edit",
        "status",
        "error",
    )
    data = {"version": HOSTILE, "arguments": json.dumps({"x": HOSTILE}), "result": HOSTILE, "a": HOSTILE,
            "b": HOSTILE, "rationale": HOSTILE, "verdict": HOSTILE, "how": HOSTILE}  # fmt: skip
    events = tuple(
        SessionEvent(session_id="s", seq=n, kind=kind, speaker=HOSTILE, text=HOSTILE, data=data)
        for n, kind in enumerate(kinds, 1)
    )
    shown = conversation(SessionView(session=session, events=events))
    busy = session.model_copy(update={"phase": "busy"})
    shown += being_said(SessionView(session=busy, events=events, under_way={HOSTILE: HOSTILE}))
    assert "<script" not in shown
    assert "<img" not in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown


def test_the_first_of_two_that_is_whole_stands_beside_the_other_and_nowhere_else():
    session = LiveSession(id="s", owner="ann", mode="ab", policy_name="p", policy_base="d", config={})
    asked, b = (
        SessionEvent(session_id="s", seq=1, kind="human", speaker="ann", text="How much?"),
        SessionEvent(session_id="s", seq=2, kind="turn", speaker="B", text="It is five."),
    )
    busy = session.model_copy(update={"phase": "busy"})
    view = SessionView(session=busy, events=(asked, b), under_way={"A": "Let me"})
    assert "five" not in conversation(view)
    both = being_said(view)
    assert "cx-chat-two" in both
    assert both.index("Let me") < both.index("five")
    silent = being_said(view.model_copy(update={"under_way": {}}))
    assert silent.index("<b>A</b>") < silent.index("five")
    a = b.model_copy(update={"seq": 3, "speaker": "A", "text": "It is four."})
    whole = SessionView(session=busy, events=(asked, b, a))
    assert conversation(whole).index("four") < conversation(whole).index("five")
    assert "five" not in being_said(whole)


def test_a_look_reads_only_the_last_events_while_nothing_happens(page, workspace, monkeypatch):
    i = page.begin("talk", "champion", "", False, "camel", asks())[0]
    for text in ("How much is 2 and 2?", "Say it in French.", "And now?"):
        page.say(i, text, asks())
        wait(workspace, i, "listening")
    here = seen(page.look(i, "", asks()))
    read, read_events = [], workspace.store.session_events

    def counted(session_id, **fields):
        read.append(read_events(session_id, **fields))
        return read[-1]

    monkeypatch.setattr(workspace.store, "session_events", counted)
    again = seen(page.look(i, here["seen"], asks()))
    assert (again["seen"], again["said"]) == (here["seen"], gr.skip())
    assert [len(events) for events in read] == [2]


@pytest.mark.parametrize(
    "wrong", ["", "x", "other 7 listening active", "{i} x", "{i} -1", "{i} ²", "{i} " + "9" * 30]
)
def test_what_a_browser_says_it_has_seen_is_not_trusted(page, workspace, wrong):
    i = page.begin("talk", "champion", "", False, "camel", asks())[0]
    page.say(i, "How much is 2 and 2?", asks())
    wait(workspace, i, "listening")
    assert "How much is 2 and 2?" in seen(page.look(i, wrong.replace("{i}", i), asks()))["said"]


# --- in a browser


def write(page, text):
    box = page.locator("#cx-message textarea, #cx-message input").first
    box.fill(text)
    box.press("Enter")


@pytest.mark.parametrize("model", ["scripted", "demo"])
def test_a_live_session_with_an_interjection_and_a_reload(tmp_path, browser, model):
    settings = write_configs(tmp_path, piece_s=1.0)
    if model == "demo":
        for name in ("agents.yaml", "cycle.yaml"):
            source = Path(__file__).parents[2] / "configs" / name
            (tmp_path / "configs" / name).write_text(source.read_text("utf-8"), "utf-8")
    with Workspace.open(settings) as workspace, live_server(create_app(workspace), lifespan="on") as server:
        page = browser.new_page()
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(f"{server.url}/chat")
        page.wait_for_selector("#cx-sessions:has-text('No session yet')", timeout=60_000)
        page.click("#cx-start", timeout=60_000)
        page.wait_for_function("location.search.includes('session=')", timeout=60_000)
        write(page, "Tom has 5 apples and buys 3. How many apples has he? <img src=x onerror=alert(1)>")
        if model == "scripted":
            page.wait_for_selector(".cx-chat-under-way:has-text('Plan 1:')", timeout=60_000)
            write(page, "Take another way.")
            page.wait_for_selector(".cx-badge:has-text('stopped')", timeout=60_000)
        page.wait_for_selector("#key-a:visible", timeout=60_000)
        page.reload()
        page.wait_for_selector("#key-a:visible", timeout=60_000)
        assert "Tom has 5 apples" in page.locator(".cx-chat-said").inner_text()
        page.locator("h1").click()
        page.keyboard.press("a")
        page.wait_for_selector(".cx-chat-note:has-text('approved the proposal')", timeout=60_000)
        page.wait_for_selector(".cx-chat-agent:has-text('executor')", timeout=60_000)
        page.wait_for_selector("#cx-chat-head:has-text('waits for you')", timeout=60_000)
        said = page.locator(".cx-chat-said").inner_text()
        session = workspace.store.live_sessions()[0]
        for event in workspace.store.session_events(session.id):
            assert event.text.strip() in said
        assert dialogs == []


def test_a_listener_hears_before_the_turn_is_finished(workspace):
    i = workspace.sessions.create(LOCAL, SessionRequest(mode="talk")).id
    workspace.sessions.send(LOCAL, i, Say(text="How much is 2 and 2?"))
    view = hear(workspace.sessions, i, "Plan", who=LOCAL)
    assert "cx-chat-under-way" in being_said(view)
