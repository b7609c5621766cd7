"""YAML files to a checked `RunConfig`; every mistake is named with file, line and the nearest valid key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from camelx.config.agents import AgentsConfig, ScriptedBackendConfig
from camelx.config.cycle import RunConfig
from camelx.config.mistakes import (
    Mistake,
    dotted,
    explained_error,
    explained_errors,
    line_of,
    plain,
    read_document,
)
from camelx.errors import ConfigError

_Model = TypeVar("_Model", bound=BaseModel)


class OverrideName(StrEnum):
    """What an override is called where it was given: a message says by it which one to mend."""

    OPTION = "--set {}"
    """Of a command."""
    LINE = "{}"
    """Of a form that has a line for each."""
    MEMBER = 'overrides["{}"]'
    """Of a request's JSON body."""

    def of(self, key: str) -> str:
        """Return the name of the override with this key."""
        return self.value.format(key)


def load_config(
    path: Path,
    overrides: Mapping[str, Any] | None = None,
    named: OverrideName = OverrideName.OPTION,
) -> RunConfig:
    """Return the checked config of the YAML file and the agents file that it names.

    Args:
        path: A cycle.yaml.
        overrides: Values by dotted key, such as {"goals.n": 20}; they win over the file.
        named: How a message calls an override.

    Raises:
        ConfigError: The file is missing, is not YAML, or has a wrong key or value; the message names file
            and line, and for an unknown key the nearest valid one.
    """
    document = _read_yaml(path)
    agents_name = document.get("agents", "agents.yaml")
    if not isinstance(agents_name, str):
        raise ConfigError(
            f"{path}:{line_of(document, ('agents',))}: agents must be the path of an agents file, "
            f"got {type(agents_name).__name__}"
        )
    agents_path = path.parent / agents_name
    agents = _validated(AgentsConfig, _read_yaml(agents_path), agents_path)
    agents = _with_absolute_scripts(agents, agents_path.parent)
    complete = plain(document) | {"agents": agents.model_dump(mode="json")}
    for key, value in (overrides or {}).items():
        _set_dotted(complete, key, value, named)
    return _validated(RunConfig, complete, path, document, overrides or (), named)


def parse_config(document: Mapping[str, Any]) -> RunConfig:
    """Return the config that was stored with a cycle.

    Raises:
        ConfigError: It was written by another version and does not fit this one.
    """
    try:
        return RunConfig.model_validate(document)
    except ValidationError as e:
        raise ConfigError(f"the stored config does not fit this version of camelx: {e.errors()[0]}") from e


def with_overrides(config: RunConfig, overrides: Mapping[str, Any]) -> RunConfig:
    """Return the config with other values by dotted key; another `kind` brings its own defaults.

    Raises:
        ConfigError: A key or value is wrong.
    """
    document, named = config.model_dump(mode="json"), OverrideName.OPTION
    for key, value in sorted(overrides.items(), key=lambda item: not item[0].endswith(".kind")):
        if key.endswith(".kind"):
            _set_dotted(document, key.removesuffix(".kind"), {"kind": value}, named)
        else:
            _set_dotted(document, key, value, named)
    try:
        return RunConfig.model_validate(document)
    except ValidationError as e:
        explained = (explained_error(error, RunConfig, document) for error in e.errors())
        raise ConfigError("\n".join(f"{named.of(dotted(loc))}: {what}" for loc, what in explained)) from e


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"config file {path} does not exist; name one with --config") from None
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"config file {path} can't be read: {e}") from e
    document = read_document(text)
    if isinstance(document, Mistake):
        raise ConfigError(document.at(str(path)))
    return document


def _validated(
    model: type[_Model],
    document: Mapping[str, Any],
    path: Path,
    lines: Any = None,
    overridden: Collection[str] = (),
    named: OverrideName = OverrideName.OPTION,
) -> _Model:
    """Return the model of the document.

    `lines` is the YAML mapping that knows the line numbers, `overridden` has the keys that are not from it.
    """
    lines = document if lines is None else lines
    try:
        return model.model_validate(plain(document))
    except ValidationError as e:
        explained = explained_errors(e, model, document)
        messages = [f"{_origin(loc, path, lines, overridden, named)}: {what}" for loc, what in explained]
        raise ConfigError("\n".join(messages)) from e


def _origin(
    loc: Sequence[int | str], path: Path, lines: Any, overridden: Collection[str], named: OverrideName
) -> str:
    """Return where a wrong value came from: an override, or "file:line: key", or both."""
    key = dotted(loc)
    if given := [one for one in overridden if f"{key}.".startswith(f"{one}.")]:
        return named.of(key or given[0])
    if not loc:
        return str(path)
    behind = [named.of(one) for one in overridden if one.startswith(f"{key}.")]
    also = f" with {', '.join(behind)}" if behind else ""
    return f"{path}:{line_of(lines, loc)}{also}: {key}"


def _with_absolute_scripts(agents: AgentsConfig, folder: Path) -> AgentsConfig:
    """Return the agents with the paths of scripted replies made absolute: they start at agents.yaml."""
    backends = {
        name: b.model_copy(update={"path": (folder / b.path).resolve()})
        if isinstance(b, ScriptedBackendConfig) and b.path
        else b
        for name, b in agents.backends.items()
    }
    return agents.model_copy(update={"backends": backends})


def _set_dotted(document: dict[str, Any], key: str, value: Any, named: OverrideName) -> None:
    """Set the value at a dotted key, making the sections on the way."""
    *sections, last = key.split(".")
    for section in sections:
        document = document.setdefault(section, {})
        if not isinstance(document, dict):
            raise ConfigError(f"{named.of(key)}: {section!r} is a value, not a section")
    document[last] = value
