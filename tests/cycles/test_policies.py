from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from camelx.cycles.policies import load_champion, open_registry, resolve_base
from camelx.errors import ConfigError, RegistryError
from camelx.training import base_sha256


def test_a_champion_is_not_loaded_onto_a_base_that_changed(root: Path) -> None:
    base, adapter = root / "base", root / "adapter"
    for folder in (base, adapter):
        folder.mkdir()
    save_file({"a": torch.zeros(1)}, base / "model.safetensors")
    save_file({"a": torch.ones(1)}, adapter / "adapter_model.safetensors")
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "manifest.json").write_text(json.dumps({"base_sha256": base_sha256(str(base))}))
    registry = open_registry()
    run_id = registry.start_run("c1", {}, {})
    registry.register(run_id, "policy", adapter, str(base), {}, {}, [])
    registry.promote("policy", 1)

    save_file({"a": torch.ones(1)}, base / "model.safetensors")
    with pytest.raises(ConfigError, match=r"policy/1 was trained on base .* the weights there now are"):
        load_champion("policy")


def test_looking_for_a_champion_elsewhere_makes_nothing_and_says_where_cycles_run(root: Path) -> None:
    with pytest.raises(RegistryError, match="set CAMELX_ROOT to the folder where cycles run"):
        load_champion("policy")
    assert open_registry().versions("policy") == []
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("base", ["./nowhere", "/no/where", "~/model", "a/b/c"])
def test_a_base_that_looks_like_a_path_and_is_none_is_named(base: str) -> None:
    with pytest.raises(ConfigError, match="is no directory"):
        resolve_base(base)


def test_a_hub_id_stays_what_it_is_and_a_directory_is_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert resolve_base("org/model") == "org/model"
    assert resolve_base("model") == str((tmp_path / "model").resolve())
