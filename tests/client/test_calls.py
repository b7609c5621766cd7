"""The client speaks with the real server: every resource, typed answers, problems as exceptions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from judged_cycle import add_ranked_cycle
from live_server import live_server

from camelx import config
from camelx.access import LOCAL
from camelx.client import ApiError, AsyncClient, Client, agents, annotations, cycles, models, people, records
from camelx.config import Settings
from camelx.schemas import AccessRole, CycleStatus, LogLine, utc_now
from camelx.server import create_app
from camelx.workspace import Workspace

CONFIGS = Path(__file__).parents[2] / "configs"
PASSWORD = "a long enough password"


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    config.settings.cache_clear()
    shutil.copytree(CONFIGS, tmp_path / "configs")
    add_ranked_cycle()
    yield tmp_path
    config.settings.cache_clear()


@pytest.fixture
def workspace(root):
    with Workspace.open(Settings(root=root, project=root)) as opened:
        yield opened


@pytest.fixture
def camelx(workspace):
    with live_server(create_app(workspace, pages=False)) as server, Client(server.url) as client:
        yield client


def test_cycles_are_listed_looked_at_and_followed(camelx, workspace):
    workspace.store.add_events("c1", [(utc_now(), LogLine(level="INFO", message="on the way"))])
    assert [cycle.cycle_id for cycle in camelx.items(cycles.every(limit=1))] == ["c1"]
    cycle = camelx.send(cycles.one("c1"))
    assert (cycle.status, cycle.is_over, cycle.n_pairs) == (CycleStatus.RUNNING, False, 0)
    assert camelx.send(cycles.stages("c1")) == []
    happened = camelx.send(cycles.events("c1"))
    assert (happened.last_seq, happened.items[0].payload.message) == (1, "on the way")
    assert "cycle.yaml" in camelx.send(cycles.configs())
    assert camelx.send(cycles.compare("c1", "c1")).a == "c1"


def test_a_refusal_is_an_exception_that_says_what_and_where(camelx):
    with pytest.raises(ApiError, match=r"404 Not Found: .*c404.*trace") as refused:
        camelx.send(cycles.one("c404"))
    error = refused.value
    assert (error.status, error.title) == (404, "Not Found")
    assert "c404" in error.detail
    assert error.trace_id
    with pytest.raises(ApiError) as wrong:
        camelx.send(cycles.every(limit=0))
    assert wrong.value.status == 422
    assert wrong.value.problem["errors"][0]["where"] == "query.limit"


def test_a_pair_is_judged_changed_and_taken_back(camelx):
    item = camelx.send(annotations.next_item()).item
    assert item is not None
    saved = camelx.send(annotations.judge(item, "first", rating=4, rationale="clearer"))
    assert saved.is_new
    assert not camelx.send(annotations.judge(item, "first", rating=4, rationale="clearer")).is_new
    made = saved.annotations[0]
    assert camelx.send(annotations.one(made.id)).rating == 4
    assert camelx.send(annotations.update(made.id, rating=None, verdict="tie")).verdict == "tie"
    listed = list(camelx.items(annotations.every(limit=1)))
    assert {one.id for one in listed} == {one.id for one in saved.annotations}
    camelx.send(annotations.delete(made.id))
    assert list(camelx.items(annotations.every())) == []


def test_many_verdicts_are_given_at_once_and_one_is_undone(camelx):
    item = camelx.send(annotations.next_item()).item
    wrong = annotations.verdict_on(item, "tie") | {"first_id": "nobody", "submission_id": "other"}
    results = camelx.send(annotations.judge_many([annotations.verdict_on(item, "second"), wrong]))
    assert [result.status for result in results.results] == ["saved", "refused"]
    assert camelx.send(annotations.undo()).item.first_id in (item.first_id, item.second_id)
    camelx.send(annotations.skip(item))


def test_agents_are_saved_under_the_version_that_was_read(camelx):
    before = camelx.send(agents.read())
    edited = before.text + "\n# by a program\n"
    assert "+# by a program" in camelx.send(agents.check(edited)).diff
    saved = camelx.send(agents.save(edited, based_on=before.etag, note="a remark"))
    assert saved.text == edited
    with pytest.raises(ApiError) as late:
        camelx.send(agents.save(before.text, based_on=before.etag))
    assert (late.value.status, late.value.problem["current"]) == (412, edited)
    numbers = [version.number for version in camelx.send(agents.versions())]
    assert "# by a program" not in camelx.send(agents.version(numbers[-1])).text
    restored = camelx.send(agents.restore(numbers[-1], based_on=saved.etag))
    assert restored.text == before.text


def test_the_log_goals_and_pairs_are_read_page_by_page(camelx, tmp_path):
    lines = list(camelx.items(records.interactions(limit=3, cycle_id="c1")))
    assert len(lines) == len({line.id for line in lines}) == 7
    assert camelx.send(records.interaction("e1")).completion == "2 and 2 make 4"
    (goal,) = camelx.items(records.goals())
    assert camelx.send(records.goal(goal.id)) == goal
    assert camelx.send(records.thread(goal.id, "c1")).model_extra
    assert list(camelx.items(records.pairs("c1"))) == []
    assert camelx.send(records.agreement()).model_extra


def test_goals_are_imported_once_however_often_the_file_is_sent(camelx, tmp_path):
    file = tmp_path / "more.jsonl"
    file.write_text('{"question": "How much is 3 and 3?"}\n{"question": "How much is 4 and 4?"}\n')
    call = records.import_goals(file, dry_run=False, fields={"text": "question"})
    first = camelx.send(call)
    assert camelx.send(call) == first  # answered as it was answered then: not "2 are there already"
    assert len(list(camelx.items(records.goals(limit=1)))) == 3


def test_without_versions_there_is_nothing_to_promote(camelx):
    assert camelx.send(models.every()).versions == []
    for call in (models.promote(1), models.one(1), models.lineage(1), models.compare(1, 2)):
        with pytest.raises(ApiError) as refused:
            camelx.send(call)
        assert refused.value.status == 404
    with pytest.raises(ApiError):
        camelx.send(models.roll_back())


async def test_the_same_calls_work_on_an_event_loop(workspace):
    with live_server(create_app(workspace, pages=False)) as server:
        async with AsyncClient(server.url) as camelx:
            assert (await camelx.send(people.me())).via == "local"
            assert [cycle.cycle_id async for cycle in camelx.items(cycles.every())] == ["c1"]
            with pytest.raises(ApiError):
                await camelx.send(cycles.one("c404"))


def test_people_sign_in_make_tokens_and_are_let_in_no_more(root):
    settings = Settings(root=root, project=root, sign_in="on")
    with Workspace.open(settings) as workspace:
        admin = workspace.access.add_user("root", AccessRole.ADMIN, PASSWORD, by=LOCAL)
        assert admin.role is AccessRole.ADMIN
        with live_server(create_app(workspace, pages=False)) as server:
            with Client(server.url) as nobody:
                with pytest.raises(ApiError, match="401"):
                    nobody.send(cycles.one("c1"))
                jwt = nobody.send(people.sign_in("root", PASSWORD)).access_token
            with Client(server.url, token=jwt) as root_client:
                root_client.send(people.add_user("ann", PASSWORD))
                made = root_client.send(people.make_token("tests", role="viewer"))
                assert "camelx" in made.token
                assert made.token not in repr(made)
                with Client(server.url, token=made.token) as program:
                    assert program.send(people.me()).role is AccessRole.VIEWER
                    assert program.send(cycles.one("c1")).cycle_id == "c1"
                    with pytest.raises(ApiError) as refused:
                        program.send(annotations.next_item())
                    assert refused.value.status == 403
                root_client.send(people.revoke_token(made.id))
                assert root_client.send(people.change_user("ann", role=AccessRole.VIEWER)).role == "viewer"
                root_client.send(people.deactivate_user("ann"))
                assert [person.is_active for person in root_client.send(people.users())] == [False, True]
                actions = [row.action for row in root_client.items(people.trail(limit=2))]
                assert {"user.add", "token.revoke"} <= set(actions)
