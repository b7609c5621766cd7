"""One whole cycle, stage by stage, in this process: what it leaves, and what a second run of it does not."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cycle_page import page_of

import camelx
from camelx import config, cycles, stages
from camelx.adapters import file_sha256
from camelx.cycles import open_store, policies
from camelx.cycles.asking import ask_policy, starting_policy
from camelx.cycles.opening import open_cycle
from camelx.cycles.summary import cycle_summary, next_steps
from camelx.errors import (
    AgentError,
    CamelxError,
    ConfigError,
    EvaluationError,
    OrchestrationError,
    RegistryError,
    TrainingError,
)
from camelx.schemas import CycleStatus, Stage, StageReport, utc_now

from .conftest import CountingServer


def _run(cycle_id: str) -> dict[Stage, StageReport]:
    return {name: stage(cycle_id) for name, stage in stages.BY_NAME.items()}


def test_a_cycle_ends_with_a_registered_version_and_a_page(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    cycle_id = open_cycle(str(counted_config))
    reports = _run(cycle_id)
    cycles.close_cycle(cycle_id, status=CycleStatus.COMPLETED, seconds=100.0)

    assert reports[Stage.GENERATE].counts["executions"] == 8 * 2 * 2
    assert reports[Stage.EXPORT].counts["pairs"] > 0
    done = cycle_summary(cycle_id).as_json()
    assert done["n_interactions"] == 8 * (2 + 4)
    assert done["n_votes"] == reports[Stage.RANK].counts["votes"]
    with open_store() as store:
        evaluated = store.interactions(cycle_id, stage=Stage.EVALUATE)
    assert len(evaluated) >= 4 * 2, "at least a proposal of each policy for each goal"
    assert done["n_model_calls"] == counted.n_answered + len(evaluated)
    assert sum(done["dropped"].values()) + done["n_pairs"] == reports[Stage.EXPORT].counts["comparisons"]
    assert done["heldout"]["n_goals"] == 4
    assert done["mlflow"] == {"name": "tiny", "version": 1}
    assert done["panel"]["verified"] is False
    assert done["panel"]["n_labelled"] == 0
    assert done["reviews"]["calls"] == reports[Stage.RANK].n_model_calls
    assert done["reviews"]["all_calls"] >= done["reviews"]["calls"]
    assert done["seconds"] == 100.0
    assert [stage["name"] for stage in done["stages"]] == list(Stage)

    page = page_of(cycle_summary(cycle_id))
    for word in (
        "goals",
        "votes",
        "not checked against human labels",
        "panel.html",
        "kept",
        "dropped",
        "loss",
        "champion",
        "gate",
        "models:/tiny/1",
        "adapter",
    ):
        assert word in page
    version = policies.open_registry().version("tiny", 1)
    run_id, pairs = reports[Stage.TRAIN].details["run_id"], root / "data" / cycle_id / "pairs.parquet"
    run = policies.open_registry()._client.get_run(run_id)
    manifest = json.loads((version.path / "manifest.json").read_text())
    assert {x["pairs_sha256"] for x in (version.tags, run.data.tags, manifest)} == {file_sha256(pairs)}
    assert run.info.status == "FINISHED"

    commands = [command for command, _ in next_steps(cycle_summary(cycle_id))]
    assert f"camelx cycle --config {counted_config}" in commands
    for name in (
        "pairs.parquet",
        "pairs.jsonl",
        "panel.html",
        "panel.json",
        "validation.html",
        "evaluation.json",
    ):
        assert (root / "data" / cycle_id / name).stat().st_size > 0

    n_calls = counted.n_answered
    assert _run(cycle_id) == reports
    assert open_cycle(str(counted_config), cycle_id=cycle_id, from_stage=Stage.RANK) == cycle_id
    again = _run(cycle_id)
    assert counted.n_answered == n_calls, "running stages again must not ask for what was answered"
    assert again[Stage.EXPORT].details["jsonl_sha256"] == reports[Stage.EXPORT].details["jsonl_sha256"]


def test_the_next_cycle_starts_from_what_was_promoted_and_reuses_its_answers(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    on_demo = {"policy.base": "demo", "training.max_length": 256}
    first = open_cycle(str(counted_config), overrides=on_demo)
    _run(first)
    policies.open_registry().promote("tiny", 1)
    second = open_cycle(str(counted_config), overrides=on_demo)
    reports = _run(second)
    with open_store() as store:
        cycle, rows = store.cycle(second), store.interactions(second, stage=Stage.EVALUATE)
    assert cycle.parent_version == 1
    assert {(row.agent.split("-")[0], row.role) for row in rows} == {
        (side, role) for side in ("champion", "challenger") for role in ("proposer", "executor")
    }
    # The champion's greedy answers were paid for when it was the challenger.
    assert {row.agent.split("-")[0] for row in rows if row.trace_id == cycle.trace_id} == {"challenger"}
    assert reports[Stage.EVALUATE].n_model_calls == len(rows) / 2
    manifest = json.loads((root / "adapters" / second / "manifest.json").read_text())
    assert manifest["parent_version"] == "1"

    third = open_cycle(str(counted_config), overrides=on_demo)
    assert _n_champion_calls(third) == 0
    agents = counted_config.parent / "agents.yaml"
    agents.write_text(agents.read_text().replace("system: Work.", "system: Work., sampling: {max_tokens: 9}"))
    assert _n_champion_calls(open_cycle(str(counted_config), overrides=on_demo)) == 4 * 2

    with pytest.raises(RegistryError, match="no champion"):
        camelx.load_champion("nobody")
    model, tokenizer = camelx.load_champion("tiny")
    assert model.generate(**tokenizer("Goal", return_tensors="pt"), max_new_tokens=2).shape[0] == 1
    answer = camelx.champion_agent("tiny", max_tokens=64).step("Goal: Tom has 3 pens. He buys 4 more.")
    assert answer.msgs[0].content.strip()


def _n_champion_calls(cycle_id: str) -> int:
    """Return how many answers to the hold-out the champion is asked for, not taken over."""
    with open_store() as store:
        cycle = store.cycle(cycle_id)
        context = cycles.CycleContext(cycle, config.parse_config(cycle.config), config.settings(), store)
        return ask_policy(context, "champion", starting_policy(context), context.heldout_goals()).n_calls


def test_a_training_that_failed_leaves_no_run_open_and_a_resumed_one_goes_on_in_it(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    cycle_id = open_cycle(str(counted_config))
    before = list(stages.BY_NAME.values())[:4]
    for stage in before:
        stage(cycle_id)
    in_the_way = root / "adapters" / cycle_id
    in_the_way.mkdir(parents=True)
    with pytest.raises(TrainingError):
        stages.train_dpo_adapter(cycle_id)
    client = policies.open_registry()._client
    (experiment,) = [e.experiment_id for e in client.search_experiments() if e.name == "camelx"]
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FAILED"
    in_the_way.rmdir()
    # The server gave all that it was needed for: to train, and to score by verifier, nobody asks it.
    counted.shutdown()
    counted.server_close()
    assert open_cycle(str(counted_config), cycle_id=cycle_id) == cycle_id
    assert stages.train_dpo_adapter(cycle_id).details["run_id"] == run.info.run_id
    assert client.get_run(run.info.run_id).info.status == "FINISHED"


def test_a_cycle_whose_models_are_gone_is_not_resumed(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    cycle_id = open_cycle(str(counted_config))
    counted.shutdown()
    counted.server_close()
    cycles.close_cycle(cycle_id, status=CycleStatus.FAILED)
    with pytest.raises(AgentError, match="no model server answers"):
        open_cycle(str(counted_config), cycle_id=cycle_id)
    with open_store() as store:
        assert store.cycle(cycle_id).status is CycleStatus.FAILED


def test_a_steady_refusal_fails_a_stage_without_a_call_for_another_try(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    cycle_id = open_cycle(str(counted_config))
    counted.refuses_with = 401
    with pytest.raises(AgentError, match="16 of 16 model calls failed") as raised:
        stages.generate_interactions(cycle_id)
    assert not raised.value.retryable


def test_a_cycle_is_charged_the_time_that_it_was_worked_on(root: Path, counted_config: Path) -> None:
    cycle_id = open_cycle(str(counted_config))
    cycles.close_cycle(cycle_id, status=CycleStatus.FAILED, seconds=10.0)
    with open_store() as store:
        store.update_cycle(cycle_id, started_at=utc_now() - timedelta(days=1))
    open_cycle(str(counted_config), resume=True)
    cycles.close_cycle(cycle_id, status=CycleStatus.COMPLETED)
    with open_store() as store:
        assert 10.0 < store.cycle(cycle_id).seconds < 3600


def test_a_stage_needs_the_one_before_it(root: Path, counted_config: Path) -> None:
    cycle_id = open_cycle(str(counted_config))
    with pytest.raises(OrchestrationError, match="generate-interactions has not completed"):
        stages.mutual_rank(cycle_id)
    with open_store() as store:
        report = store.stage_reports(cycle_id)[Stage.RANK]
    assert report.status is CycleStatus.FAILED
    assert "has not completed" in (report.error or "")
    assert "failed" in page_of(cycle_summary(cycle_id))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"from_stage": "mutual-rank"}, ConfigError, "needs --cycle"),
        ({"cycle_id": "c1", "overrides": {"seed": 3}}, ConfigError, "keeps the config it started with"),
        ({"cycle_id": "c9"}, CamelxError, "no cycle 'c9'"),
        ({"cycle_id": "c1", "from_stage": "rank"}, ConfigError, "unknown stage 'rank'; stages are generate"),
    ],
)
def test_a_wrong_way_to_open_a_cycle_is_explained(
    root: Path, counted_config: Path, options: dict[str, object], error: type[CamelxError], message: str
) -> None:
    open_cycle(str(counted_config))
    with pytest.raises(error, match=message):
        open_cycle(str(counted_config), **options)  # type: ignore[arg-type]


def test_there_is_nothing_to_resume_when_every_cycle_completed(root: Path, counted_config: Path) -> None:
    cycle_id = open_cycle(str(counted_config))
    assert open_cycle(str(counted_config), resume=True) == cycle_id
    cycles.close_cycle(cycle_id, status=CycleStatus.COMPLETED)
    with pytest.raises(OrchestrationError, match="nothing to resume"):
        open_cycle(str(counted_config), resume=True)


def test_an_unreachable_server_is_said_before_the_cycle_starts(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    agents = counted_config.parent / "agents.yaml"
    agents.write_text(agents.read_text().replace(counted.url, "http://127.0.0.1:9/v1"))
    with pytest.raises(CamelxError, match=r"127\.0\.0\.1:9"):
        open_cycle(str(counted_config))
    with open_store() as store:
        assert store.cycles() == []


def test_a_holdout_that_changed_stops_the_cycle(root: Path, counted_config: Path) -> None:
    import sqlite3

    open_cycle(str(counted_config))
    with sqlite3.connect(root / "data" / "camelx.db") as database:
        database.execute("update goals set answer = '0' where split = 'heldout'")
    with pytest.raises(EvaluationError, match="not the one that was frozen"):
        open_cycle(str(counted_config))


def test_a_database_source_without_goals_says_how_to_get_some(root: Path, counted_config: Path) -> None:
    with pytest.raises(ConfigError, match="camelx import goals"):
        open_cycle(str(counted_config), overrides={"goals.source": "database"})


def test_another_base_than_the_champions_is_refused(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    _run(open_cycle(str(counted_config)))
    policies.open_registry().promote("tiny", 1)
    with pytest.raises(ConfigError, match="is an adapter for base"):
        open_cycle(str(counted_config), overrides={"policy.base": "demo"})
    with pytest.raises(ConfigError, match="is no directory"):
        policies.resolve_base("./nowhere")
