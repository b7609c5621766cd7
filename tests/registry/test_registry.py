"""The registry on a real MLflow with SQLite; adapter directories hold a few real tensors."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from camelx.errors import RegistryError
from camelx.registry import Registry

NAME = "policy"


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """A migrated database, made once: migrations take seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    registry = Registry(f"sqlite:///{folder / 'mlflow.db'}", folder)
    assert registry.champion(NAME) is None
    assert not any(folder.iterdir()), "looking makes no database"
    registry._client.search_registered_models()
    return folder / "mlflow.db"


@pytest.fixture
def registry(empty_database, tmp_path):
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts")


@pytest.fixture
def adapter(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_file({"a": torch.ones(2)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")
    (folder / "README.md").write_text("---\nbase_model: x\n---\n# The card\n")
    (folder / "manifest.json").write_text(
        json.dumps({"base": "/some/where", "parent_version": 3, "pairs_sha256": "p"})
    )
    return folder


def _registered(registry, adapter, cycle_id, **metrics):
    run_id = registry.start_run(cycle_id, {"seed": 1}, {"trace_id": "t"})
    return registry.register(run_id, NAME, adapter, "demo", metrics, {"colour": "red"}, [])


def test_a_version_carries_lineage_metrics_card_and_a_local_directory(registry, adapter, tmp_path):
    report = tmp_path / "report.html"
    report.write_text("<p>fine</p>")
    run_id = registry.start_run("c1", {"training.beta": 0.1}, {"trace_id": "t1"})
    for step in (1, 2):
        registry.log_metrics(run_id, {"loss": 1.0 / step, "rewards/margins": 0.5 * step}, step)
    version = registry.register(
        run_id, NAME, adapter, "demo", {"difference": 0.25}, {"colour": "red"}, [report]
    )

    assert version.label == "policy/1"
    assert version.aliases == ("challenger",)
    assert version.base == "demo"
    assert version.cycle_id == "c1"
    assert version.created_at is not None
    assert version.metrics == {"difference": 0.25}
    assert version.tags["colour"] == "red"
    assert version.tags["parent_version"] == "3"
    assert version.tags["pairs_sha256"] == "p"
    assert len(version.tags["manifest_sha256"]) == 64
    assert (version.path / "adapter_model.safetensors").read_bytes() == (
        adapter / "adapter_model.safetensors"
    ).read_bytes()
    client = registry._client
    assert [m.value for m in client.get_metric_history(run_id, "rewards/margins")] == [0.5, 1.0]
    assert client.get_run(run_id).data.params == {"training.beta": "0.1"}
    assert client.get_model_version(NAME, "1").description == "# The card"
    assert {f.path for f in client.list_artifacts(run_id)} == {"adapter", "report.html"}


def test_a_run_is_found_again_by_its_cycle_and_keeps_its_parameters(registry):
    first = registry.start_run("c1", {"a": 1}, {})
    assert registry.start_run("c1", {"a": 2, "b": 3}, {}) == first
    assert registry._client.get_run(first).data.params == {"a": "1", "b": "3"}
    assert registry.start_run("c2", {}, {}) != first


@pytest.mark.parametrize(
    ("error", "status"),
    [(RuntimeError("NaN"), "FAILED"), (KeyboardInterrupt(), "KILLED")],
    ids=["failed", "ctrl-c"],
)
def test_a_run_ends_with_its_block_and_is_opened_again_by_the_next(registry, error, status):
    with pytest.raises(type(error)), registry.run("c1", {}, {}) as first:
        raise error
    ended = registry._client.get_run(first).info
    assert (ended.status, ended.end_time is not None) == (status, True)
    with registry.run("c1", {}, {}) as again:
        assert registry._client.get_run(again).info.status == "RUNNING"
    assert again == first
    assert registry._client.get_run(first).info.status == "FINISHED"


def test_what_ended_a_run_is_raised_even_if_mlflow_is_gone_by_then(registry, monkeypatch):
    monkeypatch.setattr(registry._client, "set_terminated", None)
    with pytest.raises(ValueError, match="NaN"), registry.run("c1", {}, {}):
        raise ValueError("NaN")


def test_a_parameter_whose_name_mlflow_refuses_is_logged_under_a_near_one(registry):
    run_id = registry.start_run("c1", {"agents.backends.gpt@work.kind": "openai"}, {})
    assert registry.start_run("c1", {"agents.backends.gpt@work.kind": "openai"}, {}) == run_id
    assert registry._client.get_run(run_id).data.params == {"agents.backends.gpt_work.kind": "openai"}


def test_more_parameters_than_one_call_takes_are_all_logged(registry):
    run_id = registry.start_run("c1", {f"p{i}": i for i in range(205)}, {})
    assert len(registry._client.get_run(run_id).data.params) == 205


def test_a_cycle_registered_twice_gives_the_same_version(registry, adapter):
    first = _registered(registry, adapter, "c1", accuracy=0.5)
    again = _registered(registry, adapter, "c1", accuracy=0.5)
    assert (again.version, [v.version for v in registry.versions(NAME)]) == (first.version, [1])


def test_an_adapter_trained_anew_is_a_version_of_its_own_and_the_old_one_keeps_its_files(registry, adapter):
    first = _registered(registry, adapter, "c1", accuracy=0.5)
    before = (first.path / "adapter_model.safetensors").read_bytes()
    save_file({"a": torch.zeros(2)}, adapter / "adapter_model.safetensors")
    second = _registered(registry, adapter, "c1", accuracy=0.75)
    assert (second.version, second.metrics) == (2, {"accuracy": 0.75})
    old, new = (registry.version(NAME, number) for number in (1, 2))
    assert (old.path / "adapter_model.safetensors").read_bytes() == before
    assert (new.path / "adapter_model.safetensors").read_bytes() != before
    assert {version.cycle_id for version in (old, new)} == {"c1"}


def test_a_cycle_that_is_trained_on_other_pairs_has_a_run_of_its_own(registry):
    first = registry.start_run("c1", {}, {"trace_id": "t", "pairs_sha256": "a"})
    assert registry.start_run("c1", {}, {"trace_id": "t", "pairs_sha256": "b"}) != first
    assert registry.start_run("c1", {}, {"trace_id": "t", "pairs_sha256": "a"}) == first


def test_registering_an_old_cycle_again_leaves_the_challenger_alone(registry, adapter):
    _registered(registry, adapter, "c1")
    _registered(registry, adapter, "c2")
    assert _registered(registry, adapter, "c1").aliases == ()
    assert registry.version(NAME, 2).aliases == ("challenger",)


def test_the_pairs_file_becomes_the_runs_training_data(registry, tmp_path):
    import pandas as pd

    pd.DataFrame({"chosen": ["a"], "rejected": ["b"]}).to_parquet(tmp_path / "pairs.parquet")
    run_id = registry.start_run("c1", {}, {})
    for _ in range(2):
        registry.log_dataset(run_id, tmp_path / "pairs.parquet")
    inputs = registry._client.get_run(run_id).inputs.dataset_inputs
    assert [i.dataset.name for i in inputs] == ["preference-pairs"]


def test_rollbacks_walk_back_through_the_champions(registry, adapter):
    for cycle in ("c1", "c2", "c3"):
        version = _registered(registry, adapter, cycle)
        assert registry.promote(NAME, version.version).aliases == ("challenger", "champion")
    assert registry.promote(NAME, 3).version == 3  # once more: no second entry
    assert registry.rollback(NAME).version == 2
    assert registry.rollback(NAME).version == 1
    with pytest.raises(RegistryError, match="none before it"):
        registry.rollback(NAME)
    assert registry.champion(NAME).version == 1


def test_a_version_promoted_after_a_rollback_rolls_back_to_the_champion_before_it(registry, adapter):
    for cycle in ("c1", "c2", "c3"):
        _registered(registry, adapter, cycle)
    for version in (1, 2):
        registry.promote(NAME, version)
    registry.rollback(NAME)
    registry.promote(NAME, 3)
    assert registry.rollback(NAME).version == 1


def test_a_promotion_killed_before_it_was_recorded_rolls_back_to_the_champion_before(registry, adapter):
    for cycle in ("c1", "c2"):
        _registered(registry, adapter, cycle)
    registry.promote(NAME, 1)
    registry._client.set_registered_model_alias(NAME, "champion", "2")  # all that a killed promotion did
    assert registry.rollback(NAME).version == 1


def test_a_killed_promotion_is_completed_by_the_next(registry, adapter):
    for cycle in ("c1", "c2"):
        _registered(registry, adapter, cycle)
    registry.promote(NAME, 1)
    registry._client.set_registered_model_alias(NAME, "champion", "2")
    registry.promote(NAME, 2)
    assert [version for _, version in registry._stack(NAME)] == [1, 2]


def test_concurrent_promotions_leave_alias_and_history_in_agreement(registry, adapter):
    for cycle in ("c1", "c2", "c3"):
        _registered(registry, adapter, cycle)
    errors = []

    def promote(version):
        try:
            registry.promote(NAME, version)
        except RegistryError as e:
            errors.append(e)

    threads = [threading.Thread(target=promote, args=(version,)) for version in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    stack = [version for _, version in registry._stack(NAME)]
    assert sorted(stack) == [1, 2, 3]
    assert registry.champion(NAME).version == stack[-1]


def test_an_unknown_version_is_answered_with_those_that_exist(registry, adapter):
    _registered(registry, adapter, "c1")
    _registered(registry, adapter, "c2")
    with pytest.raises(RegistryError, match=r"no version 7 .*existing versions: 1, 2"):
        registry.promote(NAME, 7)
    with pytest.raises(RegistryError, match="existing versions: none"):
        registry.version("nobody", 1)


def test_a_model_without_a_champion_has_none(registry, adapter):
    _registered(registry, adapter, "c1")
    assert registry.champion(NAME) is None
    with pytest.raises(RegistryError, match="no champion"):
        registry.rollback(NAME)


@pytest.mark.parametrize("name", ["optimizer.pt", "adapter_model.bin", "sub/state.PKL"])
def test_a_directory_with_a_pickle_is_not_registered(registry, adapter, name):
    (adapter / name).parent.mkdir(exist_ok=True)
    (adapter / name).write_bytes(b"x")
    with pytest.raises(RegistryError, match=name):
        _registered(registry, adapter, "c1")


def test_a_pickle_that_was_put_in_later_is_refused_at_loading(registry, adapter):
    import pickle

    version = _registered(registry, adapter, "c1")
    (version.path / "notes.txt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(RegistryError, match=r"notes\.txt"):
        registry.version(NAME, 1)


def test_an_adapter_whose_files_are_gone_is_said_to_be(registry, adapter):
    version = _registered(registry, adapter, "c1")
    shutil.rmtree(version.path)
    with pytest.raises(RegistryError, match="does not exist"):
        registry.version(NAME, 1)


def test_a_remote_version_is_fetched_once(registry, adapter, monkeypatch):
    _registered(registry, adapter, "c1")
    monkeypatch.setattr(Registry, "_local_path", lambda self, stored: None)
    first = registry.version(NAME, 1)
    assert first.path == registry.artifacts_dir / "copies" / NAME / "1"
    assert (first.path / "adapter_model.safetensors").is_file()
    assert registry.version(NAME, 1).path == first.path


def test_a_server_that_does_not_answer_is_said_at_once(tmp_path):
    registry = Registry("http://127.0.0.1:9", tmp_path)
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9 does not answer.*CAMELX_MLFLOW_URI"):
        registry.champion(NAME)


def test_the_password_of_a_server_is_not_in_a_message(tmp_path):
    registry = Registry("http://someone:secret@127.0.0.1:9", tmp_path)
    with pytest.raises(RegistryError, match=r"someone:\*\*\*@127\.0\.0\.1:9") as raised:
        registry.champion(NAME)
    assert "secret" not in str(raised.value)


def test_two_processes_may_start_the_same_run(registry, tmp_path):
    code = (
        "import sys; from pathlib import Path; from camelx.registry import Registry;"
        "print(Registry(sys.argv[1], Path(sys.argv[2])).start_run('c1', {}, {}))"
    )
    command = [sys.executable, "-c", code, registry.tracking_uri, str(registry.artifacts_dir)]
    other = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert registry.start_run("c1", {}, {}) == other.stdout.split()[-1]
