"""The page Models on a real registry with two small versions; and once in a real browser."""

from __future__ import annotations

import shutil

import gradio as gr
import pytest
from live_server import live_server
from two_versions import EVIL, with_two_versions

from camelx import config
from camelx.access import LOCAL
from camelx.config import Settings
from camelx.schemas import AccessRole
from camelx.server import create_app
from camelx.ui.card_pieces import card
from camelx.ui.pages.models import ModelsPage
from camelx.workspace import Workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with two versions, made once: MLflow takes seconds."""
    root = tmp_path_factory.mktemp("made") / "root"
    root.mkdir()
    return with_two_versions(root)


@pytest.fixture
def workspace(made, monkeypatch, tmp_path, request):
    monkeypatch.setenv("CAMELX_ROOT", str(made.root))
    config.settings.cache_clear()
    shutil.copy(made.mlruns_dir / "mlflow.db", tmp_path / "kept.db")
    settings = made.model_copy(update={"sign_in": getattr(request, "param", "off")})
    with Workspace.open(settings) as opened:
        yield opened
    shutil.copy(tmp_path / "kept.db", made.mlruns_dir / "mlflow.db")
    config.settings.cache_clear()


@pytest.fixture
def page(workspace):
    return ModelsPage(workspace)


def asks(name="local", **query):
    return gr.Request(username=name, query_params=query)


def test_the_champion_is_shown_with_curves_lineage_and_pairs(page):
    state, listing, version, pair, promote, back, why, *_ = page.load(asks())
    assert (state["version"], state["champion"]) == (1, 1)
    assert "40.0% → 60.0%" in listing
    assert "champion" in listing
    assert 'aria-label="Loss: from 1.000 to 0.200' in version
    assert 'href="/cycles?cycle=c1"' in version
    assert "pair1000" in version
    assert (pair["visible"], promote["visible"], back["visible"]) == (False, False, False)
    assert "none before it" in why["value"]


def test_the_address_chooses_version_and_pair_down_to_its_votes(page):
    state, _, version, pair, promote, *_ = page.load(asks(version="2", pair="pair2" + "0" * 19))
    assert (state["version"], promote["visible"]) == (2, True)
    assert "tiny/1" in version
    assert "reviewer (weight none): chosen" in pair["value"]
    assert "/interactions?cycle=c2&amp;goal=" in pair["value"]


def test_what_models_and_people_wrote_is_escaped_in_card_pairs_and_goal(page):
    _, listing, version, pair, *_ = page.load(asks(version="2", pair="pair2" + "0" * 19))
    for shown in (listing, version, pair["value"], card(EVIL), card(f"```\n{EVIL}\n```"), card(f"# {EVIL}")):
        assert "<script" not in shown
        assert "<img" not in shown
        assert 'href="javascript' not in shown
    assert "&lt;script" in version
    assert "&lt;script" in pair["value"]


def test_a_version_is_promoted_and_rolled_back_and_who_is_late_is_told(page, workspace):
    late = state = page.load(asks(version="2"))[0]
    state, _, _, _, _, back, why, *_ = page.promote(state, asks())
    assert (state["champion"], back["visible"]) == (2, True)
    assert "This version is in use" in why["value"]
    with pytest.raises(gr.Error, match="somebody else was faster"):
        page.promote(late | {"version": 1}, asks())
    state = page.roll_back(state, asks())[0]
    assert (state["champion"], state["version"]) == (1, 1)
    actions = [entry.action for entry in workspace.store.audit_entries(limit=2)]
    assert sorted(actions) == ["model.promote", "model.rollback"]


def test_two_versions_are_compared_and_asked(page):
    state = page.load(asks())[0]
    assert "training.beta" in page.compared(state, "1", "2", asks())
    assert "Choose two versions" in page.compared(state, "1", None, asks())
    answers = page.ask(state, "How much is 2 + 2?", "base", "2", asks())
    assert "tiny/2" in answers
    with pytest.raises(gr.Error, match="there is no goal to answer"):
        page.ask(state, " ", "base", "2", asks())


def test_a_version_that_is_not_there_is_said_to_be(page):
    assert "there are 1, 2" in page.load(asks(version="9"))[2]
    assert "no pair of" in page.load(asks(pair="nothing"))[3]["value"]


@pytest.mark.parametrize("workspace", ["on"], indirect=True)
def test_who_may_not_promote_sees_why_and_no_handler_does_it(page, workspace):
    workspace.access.add_user("vera", AccessRole.VIEWER, "long enough, is it not", by=LOCAL)
    state, _, _, _, promote, back, why, *_ = page.load(asks("vera", version="2"))
    assert (promote["visible"], back["visible"]) == (False, False)
    assert "takes the role operator; you have viewer" in why["value"]
    for forbidden in (
        lambda: page.promote(state, asks("vera")),
        lambda: page.roll_back(state, asks("vera")),
        lambda: page.ask(state, "g", "1", "2", asks("vera")),
        lambda: page.load(asks("nobody")),
    ):
        with pytest.raises(gr.Error):
            forbidden()


def test_where_nothing_is_registered_the_page_says_to_run_a_cycle(tmp_path):
    with Workspace.open(Settings(root=tmp_path, project=tmp_path)) as opened:
        assert "Run a cycle" in ModelsPage(opened).load(asks())[1]


def test_a_registry_that_cant_be_reached_leaves_a_page_that_says_so(tmp_path):
    settings = Settings(root=tmp_path, project=tmp_path, mlflow_uri="http://u:secret@127.0.0.1:9")
    with Workspace.open(settings) as opened:
        listing = ModelsPage(opened).load(asks())[1]
    assert "can&#x27;t be reached" in listing
    assert "secret" not in listing


def test_in_a_browser_a_version_is_promoted_and_rolled_back_and_nothing_written_runs(workspace, tab):
    with live_server(create_app(workspace), lifespan="on") as server:
        tab.goto(f"{server.url}/models?version=2&pair=pair2{'0' * 19}")
        tab.locator("#cx-pair").get_by_text("Votes (1)").wait_for()
        tab.get_by_text("Model card").click()
        assert tab.evaluate("window.hurt") is None
        why = tab.locator("#cx-why")
        tab.locator("#cx-promote").click()
        tab.get_by_role("button", name="Yes, promote it").click()
        why.get_by_text("This version is in use.").wait_for()
        assert [v.version for v in workspace.versions.registered() if v.is_champion] == [2]
        tab.locator("#cx-rollback").click()
        tab.get_by_role("button", name="Yes, roll back").click()
        why.get_by_text("none before it").wait_for()
    assert [v.version for v in workspace.versions.registered() if v.is_champion] == [1]
