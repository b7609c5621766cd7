"""The page Agents: form and text in step, conflicts, history; and once in a real browser."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest
from live_server import live_server

from camelx.access import LOCAL
from camelx.agent_files import EditConflictError, unified_diff
from camelx.config import Settings
from camelx.schemas import AccessRole
from camelx.server import create_app
from camelx.ui.agent_pieces import change_view, conflict_view, diff_view, history_view
from camelx.ui.pages.agents import AgentsPage
from camelx.workspace import Workspace

SHIPPED = (Path(__file__).parents[2] / "configs" / "agents.yaml").read_text("utf-8")

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def workspace(tmp_path, request):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "agents.yaml").write_text(SHIPPED)
    sign_in = getattr(request, "param", "off")
    with Workspace.open(Settings(root=tmp_path, project=tmp_path, sign_in=sign_in)) as opened:
        yield opened


@pytest.fixture
def page(workspace):
    return AgentsPage(workspace)


def test_buttons_without_anything_chosen_say_what_to_do(page):
    state = {"file": "agents.yaml", "etag": "0-none", "base": ""}
    with pytest.raises(gr.Error, match="choose the agent"):
        page.structure("remove agent", state, SHIPPED, None, None, "", None, asks())
    assert page.keep_mine(state, SHIPPED, asks())[0] == state, "the conflict is settled already"
    with pytest.raises(gr.Error, match="there is no template"):
        page.use_template(state, "none", asks())


def asks(name="local", **query):
    return gr.Request(username=name, query_params=query)


def on_disk(tmp_path):
    return (tmp_path / "configs" / "agents.yaml").read_text("utf-8")


def test_the_page_begins_with_the_file_its_agents_and_nothing_to_save(page):
    state, file, text, agents, name, *rest = page.load(asks())
    assert (state["file"], text, file["visible"]) == ("agents.yaml", SHIPPED, False)
    assert [label for label, _ in agents["choices"]] == ["proposer", "executor", "reviewer"]
    assert name["value"] == "proposer"
    assert any("Nothing is changed yet" in str(part) for part in rest)


def test_a_file_that_is_not_there_is_said_and_agents_yaml_shown(page):
    with pytest.warns(UserWarning, match=r"nope\.yaml.*what is shown is agents\.yaml"):
        state, *_ = page.load(asks(file="nope.yaml"))
    assert state["file"] == "agents.yaml"


def test_a_field_changes_the_text_and_the_text_changes_the_form(page):
    state = page.load(asks())[0]
    state, text, _, checked, change, save = page.agent_field("count", state, SHIPPED, 0, 7, asks())
    assert text == SHIPPED.replace("count: 2  ", "count: 7  ", 1)
    assert "A cycle can take this" in checked
    assert "+    count: 7" in change
    assert save["interactive"] is True
    typed = page.typed(state, text.replace("count: 7", "count: 8"), 0, None, asks())
    assert typed[4]["value"] == 8


@pytest.mark.parametrize(
    ("field", "value"), [("count", 0), ("count", 1.5), ("temperature", -1), ("top_p", 2)]
)
def test_a_number_that_can_not_be_is_named_and_nothing_can_be_saved(page, field, value):
    state = page.load(asks())[0]
    state, text, _, checked, _, save = page.agent_field(field, state, SHIPPED, 0, value, asks())
    assert f"{field}: {value}" in text
    assert field in checked
    assert f"got {value}" in checked
    assert save["interactive"] is False
    state, text, _, checked, *_ = page.agent_field("name", state, text, 0, "other", asks())
    assert "name: other" in text, "another field goes on"
    assert field in checked


def test_an_emptied_number_is_its_default(page):
    state = page.load(asks())[0]
    _, text, *_ = page.agent_field("count", state, SHIPPED, 0, None, asks())
    assert text == SHIPPED.replace("count: 2  ", "count: 1  ", 1)


def test_words_typed_in_one_by_one_end_as_if_they_had_come_at_once(page):
    state, text = page.load(asks())[0], SHIPPED
    for end in ("Plan", "Plan ", "Plan: ", "Plan: well.", "Plan: well. "):
        state, text, *_ = page.agent_field("system", state, text, 0, end, asks())
    assert text == SHIPPED.replace(
        "You are the proposer. Write a short plan that reaches the goal.", "Plan: well."
    )


def test_mistakes_come_with_their_line_while_typing_and_nothing_can_be_saved(page):
    state = page.load(asks())[0]
    *_, checked, _, save = page.typed(
        state, SHIPPED.replace("backend: policy", "backend: polcy", 1), 0, None, asks()
    )
    assert "Line 21" in checked
    assert "did you mean" in checked
    assert save["interactive"] is False
    *_, checked, _, save = page.typed(state, "agents: [", 0, None, asks())
    assert "not valid YAML" in checked


def test_agents_and_backends_are_added_and_removed(page):
    state = page.load(asks())[0]
    text, agents, *_ = page.structure("add agent", state, SHIPPED, 0, None, "critic", "peer_reviewer", asks())
    assert agents["value"] == 3
    assert page.structure("remove agent", state, text, 3, None, "", "", asks())[0] == SHIPPED
    text, *_ = page.structure("add backend", state, SHIPPED, 0, None, "server", "openai", asks())
    state, text, checked, *_ = page.backend_field(
        "api_key_env", state, text, "server", "sk-abcdefghijklmnop", asks()
    )
    assert "environment variable" in checked
    assert "sk-abc" not in checked
    with pytest.raises(gr.Error, match="called &#x27;server&#x27; already"):
        page.structure("add backend", state, text, 0, None, "server", "openai", asks())


def test_who_is_late_sees_both_texts_and_goes_on_with_their_own(page, workspace, tmp_path):
    mine = theirs = page.load(asks())[0]
    their_text, my_text = (
        SHIPPED.replace("samples: 2", "samples: 5"),
        SHIPPED.replace("count: 2  ", "count: 4  "),
    )
    assert page.save(theirs, their_text, "theirs", asks())[1] == ""
    mine, conflict, buttons, *_ = page.save(mine, my_text, "mine", asks())
    assert "Somebody else changed the file" in conflict
    assert "-    samples: 5" in conflict
    assert buttons["visible"] is True
    assert on_disk(tmp_path) == their_text
    mine, *_ = page.keep_mine(mine, my_text, asks())
    page.save(mine, my_text, "mine", asks())
    assert on_disk(tmp_path) == my_text
    assert [v.note for v in workspace.agent_files.versions()] == ["mine", "theirs", "found as it is"]


def test_a_version_is_looked_at_and_restored(page, tmp_path):
    state = page.save(page.load(asks())[0], SHIPPED.replace("samples: 2", "samples: 5"), "", asks())[0]
    diff, button = page.version_diff(state, 1, asks())
    assert "+    samples: 5" in diff
    assert button["visible"] is True
    page.restore(state, 1, asks())
    assert on_disk(tmp_path) == SHIPPED


def test_where_there_is_no_file_the_page_says_so_and_a_template_begins_one(page, tmp_path):
    (tmp_path / "configs" / "agents.yaml").unlink()
    opened = page.load(asks())
    assert any("begin with a template" in str(part) for part in opened)
    text = page.use_template(opened[0], "solo", asks())[0]
    page.save(opened[0], text, "", asks())
    assert on_disk(tmp_path) == text


def test_an_uploaded_file_goes_into_the_editor_alone(page, tmp_path):
    state = page.load(asks())[0]
    (tmp_path / "theirs.yaml").write_bytes(SHIPPED.replace("\n", "\r\n").encode())
    assert page.uploaded(state, str(tmp_path / "theirs.yaml"), asks())[0] == SHIPPED
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(gr.Error, match="UTF-8"):
        page.uploaded(state, str(tmp_path / "odd.yaml"), asks())


@pytest.mark.parametrize("workspace", ["on"], indirect=True)
def test_a_viewer_sees_why_not_and_no_handler_saves_for_them(page, workspace, tmp_path):
    workspace.access.add_user("vera", AccessRole.VIEWER, "long enough, is it not", by=LOCAL)
    state, *rest = page.load(asks("vera"))
    assert any("takes the role operator; you have viewer" in str(part) for part in rest)
    for forbidden in (
        lambda: page.save(state, SHIPPED + "# x\n", "", asks("vera")),
        lambda: page.restore(state, 1, asks("vera")),
        lambda: page.uploaded(state, None, asks("vera")),
        lambda: page.load(asks("nobody")),
    ):
        with pytest.raises(gr.Error):
            forbidden()
    assert on_disk(tmp_path) == SHIPPED


def test_whatever_people_wrote_is_escaped(workspace):
    current = workspace.agent_files.read()
    error = EditConflictError(HOSTILE, current=current, yours=HOSTILE)
    diff = unified_diff("", HOSTILE, HOSTILE, HOSTILE)
    version = current.version.model_copy(update={"note": HOSTILE, "author": HOSTILE})
    for shown in (diff_view(diff), change_view(diff), conflict_view(error), history_view([version])):
        assert "<script" not in shown
        assert "<img" not in shown
        assert "&lt;script" in shown


def test_in_a_browser_a_file_with_comments_is_edited_as_form_and_as_text(workspace, tab, tmp_path):
    with live_server(create_app(workspace), lifespan="on") as server:
        tab.goto(f"{server.url}/agents")
        change, checked = tab.locator("#cx-change"), tab.locator("#cx-checked")
        checked.get_by_text("Nothing is changed yet").wait_for()
        tab.locator("#cx-count input").fill("12")
        change.get_by_text("+    count: 12").wait_for()
        asked = []
        tab.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
        tab.reload()
        assert asked == ["beforeunload"]
        checked.get_by_text("Nothing is changed yet").wait_for()
        tab.locator("#cx-count input").fill("12")
        change.get_by_text("+    count: 12").wait_for()
        name = tab.locator("#cx-name textarea, #cx-name input").first
        name.press("End")
        name.press("Backspace")
        change.get_by_text("+  - name: propose", exact=True).wait_for()
        tab.keyboard.insert_text("rs")  # as a paste, or a phone's keyboard, does
        change.get_by_text("+  - name: proposers").wait_for()
        name.fill("proposer")
        change.get_by_text("name: proposers").wait_for(state="detached")
        tab.get_by_role("tab", name="Text").click()
        editor = tab.locator("#cx-agents-text .cm-content")
        editor.click()
        tab.keyboard.press("Control+Home")
        tab.keyboard.type("# by hand")
        tab.keyboard.press("Enter")
        tab.keyboard.type("oops: 1")
        checked.get_by_text("Line 2").wait_for()
        for _ in "oops: 1":
            tab.keyboard.press("Backspace")
        checked.get_by_text("A cycle can take this").wait_for()
        tab.locator("#cx-note textarea, #cx-note input").first.fill("twelve plans")
        tab.locator("#cx-save").click()
        change.get_by_text("Saving would change nothing").wait_for()
    assert on_disk(tmp_path) == "# by hand\n" + SHIPPED.replace(
        "count: 2                      #", "count: 12                     #", 1
    )
    assert workspace.agent_files.versions()[0].note == "twelve plans"
