"""YAML files to a checked `RunConfig`; every mistake is named with file, line and the nearest valid key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from camelx.config.agents import AgentsConfig, ScriptedBackendConfig
from camelx.config.cycle import RunConfig
from camelx.config.section import MisplacedError, Section, nearest_hint
from camelx.errors import ConfigError

_Model = TypeVar("_Model", bound=BaseModel)


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """Return the checked config of the YAML file and the agents file that it names.

    Args:
        path: A cycle.yaml.
        overrides: Values by dotted key, such as {"goals.n": 20}; they win over the file.

    Raises:
        ConfigError: The file is missing, is not YAML, or has a wrong key or value; the message names file
            and line, and for an unknown key the nearest valid one.
    """
    document = _read_yaml(path)
    agents_name = document.get("agents", "agents.yaml")
    if not isinstance(agents_name, str):
        raise ConfigError(
            f"{path}:{_line(document, ('agents',))}: agents must be the path of an agents file, "
            f"got {type(agents_name).__name__}"
        )
    agents_path = path.parent / agents_name
    agents = _validated(AgentsConfig, _read_yaml(agents_path), agents_path)
    agents = _with_absolute_scripts(agents, agents_path.parent)
    plain = _plain(document) | {"agents": agents.model_dump(mode="json")}
    for key, value in (overrides or {}).items():
        _set_dotted(plain, key, value)
    return _validated(RunConfig, plain, path, document, overrides or ())


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
    document = config.model_dump(mode="json")
    for key, value in sorted(overrides.items(), key=lambda item: not item[0].endswith(".kind")):
        if key.endswith(".kind"):
            _set_dotted(document, key.removesuffix(".kind"), {"kind": value})
        else:
            _set_dotted(document, key, value)
    try:
        return RunConfig.model_validate(document)
    except ValidationError as e:
        explained = (_explained(error, RunConfig, document) for error in e.errors())
        raise ConfigError("\n".join(f"--set {_dotted(loc)}: {what}" for loc, what in explained)) from e


def _read_yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        document = YAML().load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"config file {path} does not exist; name one with --config") from None
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"config file {path} can't be read: {e}") from e
    except MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else "?"
        raise ConfigError(f"{path}:{line}: not valid YAML: {e.problem}") from e
    except YAMLError as e:
        raise ConfigError(f"{path}: not valid YAML: {e}") from e
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, got {type(document).__name__}")
    return document


def _plain(document: Any) -> Any:
    """Return the document without ruamel.yaml's round-trip types, so that pydantic and JSON take it."""
    if isinstance(document, dict):
        return {str(key): _plain(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_plain(value) for value in document]
    return document


def _validated(
    model: type[_Model],
    document: Mapping[str, Any],
    path: Path,
    lines: Any = None,
    overridden: Collection[str] = (),
) -> _Model:
    """Return the model of the document.

    `lines` is the YAML mapping that knows the line numbers, `overridden` has the keys that are not from it.
    """
    lines = document if lines is None else lines
    try:
        return model.model_validate(_plain(document))
    except ValidationError as e:
        # A sequence that lost its wrong items is then called too short as well: that is no second mistake.
        errors = [error for error in e.errors() if error["type"] != "too_short" or e.error_count() == 1]
        explained = [_explained(error, model, document) for error in errors]
        messages = [f"{_origin(loc, path, lines, overridden)}: {what}" for loc, what in explained]
        raise ConfigError("\n".join(messages)) from e


def _origin(loc: Sequence[int | str], path: Path, lines: Any, overridden: Collection[str]) -> str:
    """Return where a wrong value came from: an override, or "file:line: key", or both."""
    key = _dotted(loc)
    if given := [one for one in overridden if f"{key}.".startswith(f"{one}.")]:
        return f"--set {key or given[0]}"
    if not loc:
        return str(path)
    behind = [one for one in overridden if one.startswith(f"{key}.")]
    also = f" with --set {', '.join(behind)}" if behind else ""
    return f"{path}:{_line(lines, loc)}{also}: {key}"


def _dotted(loc: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in loc)


def _explained(error: Any, model: type[BaseModel], document: Any) -> tuple[tuple[int | str, ...], str]:
    """Return where in the document one pydantic error is, and its "what, got, expected"."""
    kind, context = error["type"], error.get("ctx", {})
    loc = _keys_in_file(error["loc"], document)
    if kind == "union_tag_invalid":
        valid = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        return (*loc, "kind"), f"there is no {context['tag']!r}{nearest_hint(context['tag'], valid)}"
    if kind == "union_tag_not_found":
        return (*loc, "kind"), "this key is missing"
    if kind == "extra_forbidden":
        return loc, f"unknown key{nearest_hint(str(loc[-1]), _valid_keys(model, document, loc[:-1]))}"
    if kind == "missing":
        return loc, "this key is missing"
    wrong = context.get("error")
    if isinstance(wrong, MisplacedError):
        return (*loc, *wrong.place), str(wrong)
    message = error["msg"].removeprefix("Value error, ")
    return loc, message + ("" if isinstance(error["input"], dict) else f", got {error['input']!r}")


def _keys_in_file(loc: Sequence[int | str], lines: Any) -> tuple[int | str, ...]:
    """Return the location without the tags of unions that pydantic puts in, which stand in no file."""
    kept: list[int | str] = []
    for i, part in enumerate(loc):
        is_there = isinstance(part, int) or (isinstance(lines, dict) and part in lines)
        is_tag = isinstance(lines, dict) and part == lines.get("kind") and not is_there
        if is_tag and i < len(loc) - 1 + (len(loc) == 1):
            continue
        kept.append(part)
        lines = _below(lines, part)
    return tuple(kept)


def _below(lines: Any, part: int | str) -> Any:
    """Return what the document holds under a key or index; None where there is nothing."""
    try:
        return lines[part]
    except (KeyError, IndexError, TypeError):
        return None


def _line(lines: Any, loc: Sequence[int | str]) -> int:
    """Return the line (from 1) of the deepest part of `loc` that the document has."""
    line = 1
    for part in loc:
        try:
            position = lines.lc.item(part) if isinstance(part, int) else lines.lc.key(part)
            line, lines = position[0] + 1, lines[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def _valid_keys(model: type[BaseModel], lines: Any, loc: Sequence[int | str]) -> list[str]:
    """Return the keys that the section at `loc` may have."""
    annotation: Any = model
    for part in loc:
        fields = _section_of(annotation, lines).model_fields
        annotation = fields[part].annotation if part in fields else _item_type(annotation)
        lines = _below(lines, part)
    return sorted(_section_of(annotation, lines).model_fields)


def _section_of(annotation: Any, lines: Any) -> type[BaseModel]:
    """Return the section class of an annotation; in a union the one whose kind the document names."""
    sections = [t for t in _parts(annotation) if isinstance(t, type) and issubclass(t, BaseModel)]
    kind = lines.get("kind") if isinstance(lines, dict) else None
    for section in sections:
        if "kind" in section.model_fields and kind in get_args(section.model_fields["kind"].annotation):
            return section
    return sections[0] if sections else Section


def _parts(annotation: Any) -> list[Any]:
    """Return an annotation and all that is nested in it, outermost first."""
    return [annotation, *(part for inner in get_args(annotation) for part in _parts(inner))]


def _item_type(annotation: Any) -> Any:
    """Return the annotation of the items of a mapping or sequence."""
    arguments = get_args(annotation)
    return arguments[-1] if arguments and arguments[-1] is not Ellipsis else (arguments or (Section,))[0]


def _with_absolute_scripts(agents: AgentsConfig, folder: Path) -> AgentsConfig:
    """Return the agents with the paths of scripted replies made absolute: they start at agents.yaml."""
    backends = {
        name: b.model_copy(update={"path": (folder / b.path).resolve()})
        if isinstance(b, ScriptedBackendConfig) and b.path
        else b
        for name, b in agents.backends.items()
    }
    return agents.model_copy(update={"backends": backends})


def _set_dotted(document: dict[str, Any], key: str, value: Any) -> None:
    """Set the value at a dotted key, making the sections on the way."""
    *sections, last = key.split(".")
    for section in sections:
        document = document.setdefault(section, {})
        if not isinstance(document, dict):
            raise ConfigError(f"override {key!r}: {section!r} is a value, not a section")
    document[last] = value
