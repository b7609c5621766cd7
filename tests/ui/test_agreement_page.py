"""The page Agreement: its handlers without a browser, and an admin's way through it with one."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from pairs_to_judge import add_pairs_to_judge

from camelx import config
from camelx.annotation import annotation_id
from camelx.config import Settings
from camelx.export.judgements import settle
from camelx.schemas import AccessRole, Annotation, Principal, Verdict
from camelx.ui.pages.agreement import AgreementPage
from camelx.ui.verdict_batches import Asked
from camelx.workspace import Workspace

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e[x](javascript:alert(3))\x1b[31m"
ROOT = Principal(name="root", role=AccessRole.ADMIN, via="cli")
ALL = "all cycles"
EVERY = (ALL, "", "any", "", "")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(Settings(_env_file=None, root=tmp_path, sign_in="on")) as opened:
        for role in ("viewer", "annotator", "operator", "admin"):
            opened.access.add_user(role, AccessRole(role), "a long password", by=ROOT)
        yield opened


@pytest.fixture
def page(workspace: Workspace) -> AgreementPage:
    return AgreementPage(workspace)


def asks(who: str = "admin", **query: str) -> gr.Request:
    return gr.Request(username=who, query_params=query)


def judge(workspace: Workspace, n: int = 3, names: tuple[str, ...] = ("ada", "ben")) -> None:
    """Let people judge n pairs: they differ on all of them."""
    add_pairs_to_judge(workspace.store)
    for pair in workspace.store.comparisons("c1")[:n]:
        for name, verdict in zip(names, (Verdict.FIRST, Verdict.SECOND), strict=False):
            workspace.store.save_annotations(
                [
                    Annotation(
                        id=annotation_id((pair.first_id, pair.second_id), name),
                        goal_id=pair.goal_id,
                        first_id=pair.first_id,
                        second_id=pair.second_id,
                        annotator=name,
                        verdict=verdict,
                        rationale=HOSTILE,
                    )
                ]
            )


def loaded(page: AgreementPage, who: str = "admin", **query: str) -> dict[str, Any]:
    names = (
        "cycle",
        "figures",
        "exports",
        "person",
        "to",
        "admins",
        "position",
        "pair",
        "dispute",
        "steps",
        "settling",
    )
    return dict(zip(names, page.load(asks(who, **query)), strict=True))


def everything(values: tuple[Any, ...]) -> dict[str, Any]:
    names = (
        "figures",
        "exports",
        "person",
        "to",
        "admins",
        "position",
        "pair",
        "dispute",
        "steps",
        "settling",
    )
    return dict(zip(names, values[-len(names) :], strict=True))


def test_without_verdicts_the_page_says_what_to_do(page: AgreementPage) -> None:
    shown = loaded(page)
    assert "Nobody has judged a pair yet" in shown["figures"]
    assert 'href="/"' in shown["figures"]
    assert (shown["dispute"], shown["exports"], shown["settling"]["visible"]) == ("", "", False)


def test_one_person_alone_is_not_measurable_and_no_number(page: AgreementPage, workspace: Workspace) -> None:
    judge(workspace, names=("ada",))
    shown = loaded(page)
    assert "not measurable: nobody else judged the same items" in shown["figures"]
    assert "nan" not in shown["figures"].lower()
    assert "No pair has been judged by two people yet" in shown["dispute"]


def test_the_address_chooses_a_cycle(page: AgreementPage, workspace: Workspace) -> None:
    judge(workspace)
    shown = loaded(page, cycle="c1")
    assert shown["cycle"]["value"] == "c1"
    assert "format=csv&amp;cycle_id=c1" in shown["exports"]
    assert loaded(page, cycle="<b>")["cycle"]["value"] == ALL


def test_disagreements_are_gone_through_one_by_one(page: AgreementPage, workspace: Workspace) -> None:
    judge(workspace)
    first = loaded(page)
    assert "1 of 3" in first["dispute"]
    assert "<b>ada</b>: A is better" in first["dispute"]
    goal_id = workspace.store.interactions_by_id([first["pair"].split()[0]]).popitem()[1].goal_id
    assert f'href="/interactions?cycle=c1&amp;goal={goal_id}"' in first["dispute"]
    position, pair, dispute, *_ = page.step(ALL, 0, -1, asks())
    assert position == 2
    assert "3 of 3" in dispute
    assert pair != first["pair"]
    assert page.step(ALL, 2, 1, asks())[0] == 0


def test_what_another_admin_settled_since_is_not_overruled_unseen(
    page: AgreementPage, workspace: Workspace
) -> None:
    judge(workspace)
    seen = loaded(page)["pair"]
    _, mine, *_ = page.settle(ALL, 0, seen, "second", "", asks())
    said, last, why, *now = page.settle(ALL, 0, seen, "tie", "", asks())
    assert "admin has settled this pair since: B is better" in said
    assert (last, why) == ("", gr.skip()), "what is written stays"
    again = everything(tuple(now))["pair"]
    assert again.split()[:2] == seen.split()[:2], "it is looked at again, as it is by now"
    assert again != seen
    _, theirs, *_ = page.settle(ALL, 2, again, "tie", "", asks())
    said, last, *_ = page.undo(ALL, 0, "", mine, asks())
    assert ("settled this pair since: a tie" in said, last) == (True, "")
    assert "taken back" in page.undo(ALL, 0, "", theirs, asks())[0]
    assert "has been taken back since" in page.settle(ALL, 0, again, "first", "", asks())[0]


def test_a_cycle_of_which_nothing_is_judged_is_said(page: AgreementPage, workspace: Workspace) -> None:
    judge(workspace)
    with pytest.warns(UserWarning, match="Nothing of cycle c99"):
        assert page.load(asks(cycle="c99"))[0]["value"] == ALL


def test_an_admin_settles_what_is_shown_and_takes_it_back(page: AgreementPage, workspace: Workspace) -> None:
    judge(workspace)
    pair = loaded(page)["pair"]
    key = (pair.split()[0], pair.split()[1])
    said, last, why, *rest = page.settle(ALL, 0, pair, "second", "worked out", asks())
    assert "Settled: B is better" in said
    assert (last[: len(pair)], why) == (pair, "")
    assert settle(workspace.store.annotations_on())[key].winner == key[1]
    now = everything(tuple(rest))
    assert now["pair"] != pair, "the next open one is shown"
    assert "Settled by admin: B is better" in page.step(ALL, 0, -1, asks())[2]
    page.undo(ALL, 0, "", last, asks())
    assert loaded(page)["pair"] == pair
    assert "nothing was settled of" in page.undo(ALL, 0, pair, "", asks())[0]
    actions = [entry.action for entry in workspace.access.trail(action="annotation")]
    assert actions == ["annotation.unsettle", "annotation.settle"]


def test_others_see_it_all_and_change_nothing(
    page: AgreementPage, workspace: Workspace, tmp_path: Path
) -> None:
    judge(workspace)
    before = workspace.store.annotations_on()
    for who in ("viewer", "annotator", "operator"):
        shown = loaded(page, who)
        assert "1 of 3" in shown["dispute"]
        assert (shown["settling"]["visible"], shown["admins"]["visible"]) == (False, False)
        for refused in (
            lambda who=who: page.settle(ALL, 0, "a b", "tie", "", asks(who)),
            lambda who=who: page.undo(ALL, 0, "a b", "", asks(who)),
            lambda who=who: page.preview(str(tmp_path / "a.csv"), asks(who)),
            lambda who=who: page.bring_in(str(tmp_path / "a.csv"), ALL, asks(who)),
            lambda who=who: page.find_many(*EVERY, asks(who)),
            lambda who=who: page.batches.ask("withdraw", ["x"], ["x"], False, None, asks(who)),
            lambda who=who: page.do_many(ALL, Asked("withdraw", ("x",)), asks(who)),
        ):
            with pytest.raises(gr.Error, match="takes admin"):
                refused()
    with pytest.raises(gr.Error, match="sign in"):
        page.load(asks("nobody"))
    assert workspace.store.annotations_on() == before


def test_a_file_is_looked_at_before_it_is_imported(
    page: AgreementPage, workspace: Workspace, tmp_path: Path
) -> None:
    judge(workspace)
    pair = workspace.store.comparisons("c1")[5]
    good = {"a_id": pair.first_id, "b_id": pair.second_id, "preferred": "tie", "annotator": HOSTILE[:25]}
    path = tmp_path / "<b>.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps(good | {"preferred": "<i>"}) + "\n")
    preview, button = page.preview(str(path), asks())
    assert "would be 1 added, 0 changed, 0 unchanged, 1 refused" in preview
    assert (button["visible"], button["value"]) == (True, "Import 1 verdict")
    assert "<script>" not in preview
    assert "<b>.jsonl" not in preview
    (goal,) = workspace.store.goals(ids=[pair.goal_id])
    assert f": a tie, on “{goal.text}”</summary>" in preview
    assert pair.first_id not in re.sub("<details>.*?</details>", "", preview), "ids are for who asks"
    assert pair.first_id in preview
    assert len(workspace.store.annotations_on()) == 6
    chosen, became, *_ = page.bring_in(str(path), ALL, asks())
    assert chosen is None
    assert "rows 1 added" in became
    assert len(workspace.store.annotations_on()) == 7
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert page.preview(str(tmp_path / "a.csv"), asks())[1]["visible"] is False
    assert page.preview(None, asks())[0] == ""
    with pytest.raises(gr.Error, match="choose a file"):
        page.bring_in(None, ALL, asks())


def found(page: AgreementPage, cycle: str = ALL, person: str = "", verdict: str = "any", *times: str) -> Any:
    """The ids that conditions find, and the whole answer."""
    shown = page.find_many(cycle, person, verdict, *(times or ("", "")), asks())
    return list(shown[0]), shown


def test_verdicts_are_found_by_person_verdict_and_time(page: AgreementPage, workspace: Workspace) -> None:
    judge(workspace)
    ids, shown = found(page, "c1", "ada")
    assert len(ids) == 3
    assert "3 verdicts in cycle c1" in shown[1]
    labels = [label for label, _ in shown[2]["choices"]]
    assert all(" · ada · A is better · Goal " in label for label in labels)
    assert not shown[3]["visible"], "all are listed"
    assert len(found(page, ALL, "", "second")[0]) == 3
    assert "No verdict in all cycles" in found(page, ALL, "", "tie")[1][1]
    assert found(page, ALL, "", "any", "2020-01-01", "2020-01-02")[0] == []
    assert "expected a moment" in found(page, ALL, "", "any", "yesterday", "")[1][1]


def test_chosen_verdicts_are_taken_back_after_a_question_that_says_how_many(
    page: AgreementPage, workspace: Workspace
) -> None:
    judge(workspace)
    ids, _ = found(page, "c1", "ada")
    asked, sure, question, yes = page.batches.ask("withdraw", ids, ids[:2], False, None, asks())
    assert (sure["visible"], yes["visible"]) == (True, True)
    assert "Take back 2 verdicts by ada?" in question
    done, *_ = page.do_many("c1", asked, asks())
    assert "2 verdicts by ada: taken back." in done
    assert sorted(a.annotator for a in workspace.store.annotations_on()) == ["ada", *["ben"] * 3]
    with pytest.raises(gr.Error, match="changed in between"):
        page.do_many("c1", asked, asks())
    with pytest.raises(gr.Error, match="choose verdicts first"):
        page.batches.ask("withdraw", ids, [], False, None, asks())
    (entry,) = workspace.access.trail(action="annotation.withdraw")
    assert (entry.actor, entry.subject, entry.details["annotations"]) == ("admin", "ada", 2)


def test_verdicts_are_given_to_another_person_and_those_that_stay_are_named(
    page: AgreementPage, workspace: Workspace
) -> None:
    judge(workspace)
    bens = [a for a in workspace.store.annotations_on() if a.annotator == "ben"]
    workspace.store.delete_annotations([bens[0].id])
    ids, _ = found(page, ALL, "ada")
    asked, _, question, yes = page.batches.ask("reassign", ids, [], True, " ben ", asks())
    assert "Give 1 verdict by ada to ben?" in question
    assert "2 verdicts left as they are: ben judged these pairs." in question
    assert question.count("<li>ada: A is better, on “Goal ") == 2
    assert yes["visible"]
    assert "1 verdict by ada: given to ben." in page.do_many(ALL, asked, asks())[0]
    names = sorted(a.annotator for a in workspace.store.annotations_on())
    assert names == ["ada", "ada", "ben", "ben", "ben"]
    (entry,) = workspace.access.trail(action="annotation.reassign")
    assert (entry.subject, entry.details["annotations"], entry.details["to"]) == ("ada", 1, "ben")
    _, _, question, yes = page.batches.ask("reassign", ids, found(page, ALL, "ada")[0], False, "ben", asks())
    assert "There is nothing to give to ben." in question
    assert not yes["visible"]
    for name in ("", None, "a\u202eb", "x" * 201):
        with pytest.raises(gr.Error, match="is no name of a person"):
            page.batches.ask("reassign", ids, found(page, ALL, "ada")[0], False, name, asks())


def test_texts_and_names_of_models_and_people_are_escaped(page: AgreementPage, workspace: Workspace) -> None:
    judge(workspace, names=(HOSTILE, "ben"))
    rows = workspace.store.interactions("c1")
    workspace.store.save_interactions(
        [row.model_copy(update={"completion": HOSTILE + row.id}) for row in rows]
    )
    shown = loaded(page)
    markup = (
        shown["figures"]
        + shown["dispute"]
        + page.batches.ask("withdraw", (), found(page, ALL, HOSTILE)[0], False, None, asks())[2]
    )
    assert markup.count("&lt;script&gt;") > 4
    markup += (
        str([label for label, _ in found(page)[1][2]["choices"]]).replace("<script>", "").replace("<img", "")
    )
    for raw in ("<script>", "<img", "\u202e", "\x1b"):
        assert raw not in markup


# With a browser


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of an app of its own without sign-in, with people who differ on three pairs."""
    settings = Settings(_env_file=None, root=tmp_path)
    with Workspace.open(settings) as workspace:
        judge(workspace)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = (
        "import uvicorn\nfrom camelx.config import settings\nfrom camelx.server import create_app\n"
        "from camelx.workspace import Workspace\n"
        f"uvicorn.run(create_app(Workspace.open(settings())), port={port}, log_level='error')\n"
    )
    env = os.environ | {"CAMELX_ROOT": str(tmp_path), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen([sys.executable, "-c", serve], env=env, cwd=tmp_path)
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)
        config.settings.cache_clear()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(3000):
        assert server.poll() is None, "the app ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the app did not start")


def test_an_admin_settles_by_keyboard_undoes_and_downloads(address: str, tab: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    tab.goto(f"{address}/agreement?cycle=c1")
    dispute = tab.locator("#cx-dispute")
    expect(dispute).to_contain_text("1 of 3", timeout=60_000)
    expect(tab).to_have_title("Agreement · camelx")
    expect(tab.locator("#key-b")).to_be_visible(timeout=20_000)
    tab.keyboard.press("b")
    expect(tab.locator("#cx-settled")).to_contain_text("Settled: B is better", timeout=20_000)
    tab.keyboard.press("p")
    expect(dispute).to_contain_text("Settled by local: B is better", timeout=20_000)
    tab.keyboard.press("u")
    expect(tab.locator("#cx-settled")).to_contain_text("taken back", timeout=20_000)
    expect(dispute).not_to_contain_text("Settled", timeout=20_000)
    with tab.expect_download() as download:
        tab.get_by_role("link", name="JSONL").click()
    lines = Path(download.value.path()).read_text("utf-8").splitlines()
    assert len(lines) == 6
    uploaded = tmp_path / "more.jsonl"
    uploaded.write_text(json.dumps(json.loads(lines[0]) | {"annotator": "chloe"}) + "\n")
    tab.get_by_text("Import annotations").click()
    tab.locator("#cx-import input[type=file]").set_input_files(str(uploaded))
    tab.get_by_role("button", name="Import 1 verdict").click(timeout=20_000)
    expect(tab.locator("#cx-agreement")).to_contain_text("chloe", timeout=20_000)
    tab.get_by_text("Take back verdicts, or give them").click()
    listed = tab.locator("#cx-verdicts label", has_text="ben · B is better")
    listed.first.click(timeout=20_000)
    tab.get_by_label("Whose they are").press_sequentially("zoe")
    tab.keyboard.press("Enter")
    tab.get_by_text("Give to this person ...").click()
    tab.locator("#cx-yes-batch").click(timeout=20_000)
    expect(tab.locator("#cx-batch-done")).to_contain_text("1 verdict by ben: given to zoe.", timeout=20_000)
    expect(tab.locator("#cx-agreement")).to_contain_text("zoe", timeout=20_000)
