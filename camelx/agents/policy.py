"""What "model: policy, adapter: champion" stands for, and cheap facts about a model's directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camelx.adapters import check_adapter_files
from camelx.config import DEMO_MODEL_DIR, TransformersBackendConfig
from camelx.errors import AgentError, ConfigError, boundary

_LENGTH_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")
_UNBOUNDED = 1 << 20
"""Context of a model whose config names no limit (a recurrent one, for instance)."""


@dataclass(frozen=True)
class PolicyModel:
    """The model that a cycle improves: a base, and the adapter on it."""

    base: str
    """A directory, or a hub id."""
    adapter: Path | None = None
    """Directory of the adapter; None: the base alone."""
    adapter_version: str | None = None
    """The adapter as it is written into interactions: "name/3"."""

    @property
    def label(self) -> str:
        """Name of the base: "demo", a hub id, or a directory."""
        return "demo" if Path(self.base) == DEMO_MODEL_DIR else self.base


def policy_for(backend: TransformersBackendConfig, policy: PolicyModel) -> PolicyModel:
    """Return the model that a backend's section names.

    The champion is an adapter for the policy's base; a backend on another base gets none of it.

    Raises:
        ConfigError: The adapter names a directory that does not exist.
    """
    base = {"policy": policy.base, "demo": str(DEMO_MODEL_DIR)}.get(backend.model)
    if base is None:  # a directory is written out as the policy's base is: "./model" may be the same
        base = str(Path(backend.model).resolve()) if Path(backend.model).is_dir() else backend.model
    if backend.adapter == "champion":
        return policy if base == policy.base else PolicyModel(base)
    if backend.adapter == "none":
        return PolicyModel(base)
    if not Path(backend.adapter).is_dir():
        raise ConfigError(
            f'agents: adapter {backend.adapter!r} is no directory; expected one, "champion" or "none"'
        )
    return PolicyModel(base, Path(backend.adapter), backend.adapter)


def check_files(policy: PolicyModel) -> None:
    """Raise where the model can't be loaded safely, without loading it.

    Raises:
        ConfigError: The base looks like a directory that does not exist or holds no model.
        AgentError: The adapter is no adapter directory, or holds a pickle file, which could run any code
            when loaded.
    """
    base = Path(policy.base)
    if base.is_dir():
        if not (base / "config.json").is_file():
            raise ConfigError(f"model directory {base} has no config.json; expected a transformers model")
        if not any(base.glob("*.safetensors")):
            raise ConfigError(f"model directory {base} has no *.safetensors file; convert the model first")
    elif base.is_absolute() or policy.base.startswith((".", "~")):
        raise ConfigError(f'model directory {base} does not exist; expected one, a hub id, or "demo"')
    if policy.adapter is None:
        return
    check_adapter_files(policy.adapter, AgentError)


def context_length(base: str) -> int:
    """Return the most tokens that the model takes, prompt and answer together, from its config.json.

    Raises:
        AgentError: The config can't be read.
    """
    config = _config(base)
    config = config.get("text_config", config)
    found = [int(config[key]) for key in _LENGTH_KEYS if config.get(key)]
    return found[0] if found else _UNBOUNDED


def _config(base: str) -> dict[str, Any]:
    with boundary(AgentError, f"reading the config of model {base!r}"):
        path = Path(base) / "config.json"
        if path.is_file():
            return dict(json.loads(path.read_text("utf-8")))
        from transformers import AutoConfig

        return dict(AutoConfig.from_pretrained(base).to_dict())
