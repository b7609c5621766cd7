"""Which configs a cycle can be started with from a page or a program, and what of them may be overridden.

A request names a file of one folder, never a path. It may change sizes, thresholds, seeds, training and the
gate; what names code, files, servers or keys is changed in the file alone, by whoever may write it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camelx.config.cycle import RunConfig
from camelx.config.loading import OverrideName, load_config
from camelx.config.mistakes import has_too_many_brackets
from camelx.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.ya?ml")


def config_names(folder: Path) -> list[str]:
    """Return the names of the folder's YAML files that a cycle can be started with, by name."""
    return [path.name for path in sorted(folder.glob("*.y*ml")) if _is_config(path)]


def chosen_config(folder: Path, name: str) -> Path:
    """Return the path of one of the folder's files.

    Raises:
        ConfigError: The name is not that of a file in this very folder.
    """
    path = folder / name
    if Path(name).name != name or not _is_inside(path):
        known = ", ".join(config_names(folder)) or f"none: {folder} has no config that loads"
        raise ConfigError(f"there is no config {name!r} to start a cycle with; there are {known}")
    return path


def check_overrides(
    path: Path, overrides: Mapping[str, Any], named: OverrideName = OverrideName.OPTION
) -> RunConfig:
    """Return the config of the file with the overrides of a request, which may not change all of it.

    Args:
        path: What `chosen_config` returned.
        overrides: Values by dotted key.
        named: How a message calls an override.

    Raises:
        ConfigError: The config or an override is wrong, or it names code, files, servers or keys.
    """
    config = load_config(path, overrides, named)
    if overrides and _guarded(config) != (written := _guarded(load_config(path))):
        changed = [key for key, value in _guarded(config).items() if written[key] != value]
        raise ConfigError(
            f"{named.of(changed[0])}: this names code, files or servers, so it is changed in {path.name} or "
            "in the agents file alone, not when a cycle is started"
        )
    return config


def parsed_overrides(
    pairs: Sequence[str] | None, named: OverrideName = OverrideName.OPTION
) -> dict[str, Any]:
    """Return the values of KEY=VALUE by dotted key; `named` is how a message calls one.

    Raises:
        ConfigError: One is not KEY=VALUE, or its value is not YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    overrides: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"{named.of(repr(pair))}: expected KEY=VALUE, such as goals.n=50")
        if has_too_many_brackets(value):
            raise ConfigError(f"{named.of(key)}: too many brackets of the value are open at once")
        try:
            # The loader in C would overflow its stack, and end the process, where a value is nested deeply.
            overrides[key] = YAML(typ="safe", pure=True).load(value)
        except (YAMLError, RecursionError, ValueError) as e:
            raise ConfigError(f"{named.of(key)}: the value {value[:200]!r} is not valid YAML") from e
    return overrides


def _guarded(config: RunConfig) -> dict[str, Any]:
    return {
        "agents": config.agents,
        "policy.base": config.policy.base,
        "evaluation.callable": config.evaluation.callable,
    }


def _is_inside(path: Path) -> bool:
    """Whether the path is a file of its folder, and no link to another place."""
    return (
        _NAME.fullmatch(path.name) is not None
        and path.is_file()
        and path.resolve().parent == path.parent.resolve()
    )


def _is_config(path: Path) -> bool:
    if not _is_inside(path):
        return False
    try:
        load_config(path)
    except ConfigError:
        return False
    return True
