"""Which model a cycle starts from, and how a user loads the one in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from camelx.adapters import ADAPTER_WEIGHTS, file_sha256
from camelx.agents import PolicyModel
from camelx.config import RunConfig, settings, without_password
from camelx.errors import ConfigError, RegistryError
from camelx.registry import Registry
from camelx.runtime.offline import let_hub_answer
from camelx.schemas import AdapterVersion, content_hash

if TYPE_CHECKING:
    from camel.agents import ChatAgent


def open_registry() -> Registry:
    """Return the registry of this process's settings."""
    return Registry(settings().resolved_mlflow_uri, settings().mlruns_dir / "artifacts")


def resolve_base(base: str) -> str:
    """Return the directory or hub id of a base model's name.

    Raises:
        ConfigError: It looks like a path and there is nothing.
    """
    if base == "demo":
        from camelx.demo_model import demo_model_path

        return str(demo_model_path())
    path = Path(base)
    if path.is_dir():
        return str(path.resolve())
    if path.is_absolute() or base.startswith((".", "~")) or base.count("/") > 1:
        raise ConfigError(f"policy.base {base!r} is no directory; expected one, a hub id, or demo")
    let_hub_answer()
    return base


def champion_policy(config: RunConfig) -> tuple[AdapterVersion | None, PolicyModel]:
    """Return the registered champion (None: there is none yet) and the policy that it makes.

    Raises:
        ConfigError: The champion was trained on another base than the config's, or that base has changed.
    """
    champion = open_registry().champion(config.policy.name)
    if champion is not None and champion.base != config.policy.base:
        raise ConfigError(
            f"champion {champion.label} is an adapter for base {champion.base!r}, the config says "
            f"{config.policy.base!r}; change policy.base back, or policy.name to start a new line"
        )
    policy = policy_of(config, champion)
    if champion is not None:
        _check_base(champion, policy.base)
    return champion, policy


def parent_policy(config: RunConfig, version: int | None) -> PolicyModel:
    """Return the policy that a cycle started from, whatever the champion is now."""
    parent = open_registry().version(config.policy.name, version) if version is not None else None
    return policy_of(config, parent)


def policy_of(config: RunConfig, version: AdapterVersion | None) -> PolicyModel:
    """Return the config's base with the version's adapter on it, or the base alone."""
    return PolicyModel(
        base=resolve_base(config.policy.base),
        adapter=version.path if version else None,
        adapter_version=version.label if version else None,
    )


def weights_digest(policy: PolicyModel) -> str:
    """Return 8 hexadecimal digits that stand for the weights of the base and of the adapter on it."""
    from camelx.training import base_sha256

    adapter = "none" if policy.adapter is None else file_sha256(policy.adapter / ADAPTER_WEIGHTS)
    return content_hash([base_sha256(policy.base), adapter])[:8]


def load_champion(name: str = "camelx-policy", *, device: str = "auto") -> tuple[Any, Any]:
    """Return the champion as a transformers model, adapter merged, and its tokenizer, ready to generate.

    Args:
        name: The registered model's name (`policy.name` of the cycle config).
        device: "auto" takes a GPU where there is one; else a PyTorch device.

    Raises:
        ConfigError: The base model has changed since the champion was trained.
        RegistryError: Nothing has been promoted under that name.
    """
    from camelx.agents import open_model

    return open_model(_champion(name), device=device)


def champion_agent(
    name: str = "camelx-policy", *, system: str | None = None, max_tokens: int = 256, temperature: float = 0.0
) -> ChatAgent:
    """Return a CAMEL ChatAgent on the champion: `champion_agent().step("Goal: ...")` answers.

    Args:
        name: The registered model's name.
        system: System message; None: the Executor's of the demo, which solves a goal.
        max_tokens: Most tokens of one answer.
        temperature: 0 is greedy.

    Raises:
        ConfigError: The base model has changed since the champion was trained.
        RegistryError: Nothing has been promoted under that name.
    """
    from camelx.agents import camel_agent
    from camelx.demo_model.roles import EXECUTOR_SYSTEM

    return camel_agent(
        _champion(name),
        system=EXECUTOR_SYSTEM if system is None else system,
        max_tokens=max_tokens,
        temperature=temperature,
    )


def _champion(name: str) -> PolicyModel:
    registry = open_registry()
    champion = registry.champion(name)
    if champion is None:
        raise RegistryError(
            f"model {name!r} has no champion in {without_password(settings().resolved_mlflow_uri)}; set "
            "CAMELX_ROOT to the folder where cycles run, if it is another, or run `camelx cycle` or "
            "`camelx promote VERSION`"
        )
    base = resolve_base(champion.base)
    _check_base(champion, base)
    return PolicyModel(base=base, adapter=champion.path, adapter_version=champion.label)


def _check_base(version: AdapterVersion, base: str) -> None:
    """Check that the base's weights are those that the adapter was trained on, "demo" included."""
    from camelx.training import base_sha256

    trained_on = version.tags.get("base_sha256")
    if trained_on is not None and trained_on != (found := base_sha256(base)):
        raise ConfigError(
            f"{version.label} was trained on base {version.base!r} with weights {trained_on[:12]}, the "
            f"weights there now are {found[:12]}: bring the old ones back, or give policy.name a new name "
            "to start a new line"
        )
