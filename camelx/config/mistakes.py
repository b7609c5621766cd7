"""What is wrong in a config file's text, as a person needs it: the line, the key, the nearest valid name.

In: YAML text. Out: the document, or each `Mistake`. Called by `loading`, and by whoever checks a text before
it is saved. A value that looks like a secret is never repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from camelx.config.agents import AgentsConfig
from camelx.config.secrets import masked, sounds_secret
from camelx.config.section import MisplacedError, Section, nearest_hint
from camelx.errors import ConfigError

_MAX_NODES = 20_000
"""Entries of a document: a few lines of aliases of aliases would write out to billions."""
_MAX_OPEN_BRACKETS = 100
"""ruamel.yaml takes a time that is quadratic in them, before it says that there are too many."""
_OPENS = {"[": 1, "{": 1, "]": -1, "}": -1}
"""What a token does to how many are open, by its id."""


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in the text of a config file."""

    line: int
    """Counted from 1."""
    key: str
    """Dotted place in the document, such as "agents.0.backend"; empty: the document as a whole."""
    message: str
    """What, got, expected, and the nearest valid name."""

    def at(self, file: str) -> str:
        """Return the mistake as a message names it: "file:line: key: what"."""
        return (
            f"{file}:{self.line}: {self.key}: {self.message}"
            if self.key
            else (f"{file}:{self.line}: {self.message}")
        )


def agents_mistakes(text: str) -> tuple[Mistake, ...]:
    """Return all that is wrong with the text of an agents file, by line; empty: a cycle can take it."""
    document = read_document(text)
    if isinstance(document, Mistake):
        return (document,)
    try:
        AgentsConfig.model_validate(plain(document))
    except ValidationError as e:
        explained = explained_errors(e, AgentsConfig, document)
        found = (Mistake(line_of(document, loc), dotted(loc), what) for loc, what in explained)
        return tuple(sorted(found, key=lambda mistake: mistake.line))
    return ()


def parse_agents(text: str, name: str = "agents.yaml") -> AgentsConfig:
    """Return the checked agents of a text.

    Args:
        text: YAML.
        name: How messages call it.

    Raises:
        ConfigError: It has mistakes; the message has a line for each.
    """
    if mistakes := agents_mistakes(text):
        raise ConfigError("\n".join(mistake.at(name) for mistake in mistakes))
    return AgentsConfig.model_validate(plain_document(text))


def plain_document(text: str) -> dict[str, Any]:
    """Return what a YAML text says, as plain mappings, lists and values, unchecked.

    Raises:
        ConfigError: It is no YAML, or no mapping.
    """
    document = read_document(text)
    if isinstance(document, Mistake):
        raise ConfigError(document.at("the text"))
    return dict(plain(document))


def read_document(text: str) -> dict[str, Any] | Mistake:
    """Return the mapping that a YAML text holds, which knows its lines, or why it holds none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if has_too_many_brackets(text):
        return Mistake(1, "", f"more than {_MAX_OPEN_BRACKETS} brackets of it are open at once; close them")
    try:
        document = YAML().load(text)
    except MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 1
        problem = str(e.problem).partition(" with value ")[0]  # of a duplicate key; it may be a secret
        return Mistake(line, "", f"not valid YAML: {masked(problem)}")
    except YAMLError as e:
        return Mistake(1, "", f"not valid YAML: {masked(str(e))}")
    except RecursionError:
        return Mistake(1, "", "not valid YAML: nested too deeply")
    except ValueError as e:  # ruamel.yaml reads "2026-13-45" as a date
        return Mistake(1, "", f"not valid YAML: {e}")
    if not isinstance(document, dict):
        kind = "nothing" if document is None else type(document).__name__
        return Mistake(1, "", f"expected a mapping of sections, got {kind}")
    if not _is_bounded(document):
        return Mistake(1, "", f"its aliases make more than {_MAX_NODES:,} entries of it; write less of them")
    return document


def has_too_many_brackets(text: str) -> bool:
    """Whether more of them are open at once than YAML is read with; those within its texts are none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if text.count("[") + text.count("{") <= _MAX_OPEN_BRACKETS:
        return False
    n_open = 0
    with suppress(YAMLError):  # whoever reads it says what is wrong, and comes no further
        for token in YAML(typ="safe", pure=True).scan(text):
            n_open += _OPENS.get(token.id, 0)
            if n_open > _MAX_OPEN_BRACKETS:
                return True
    return False


def _is_bounded(document: Any) -> bool:
    """Whether the document, all aliases written out, is of a size that a file may have."""
    waiting, n_seen = [document], 0
    while waiting and n_seen <= _MAX_NODES:
        node = waiting.pop()
        n_seen += 1
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return n_seen <= _MAX_NODES


def plain(document: Any) -> Any:
    """Return the document without ruamel.yaml's round-trip types, so that pydantic and JSON take it."""
    if isinstance(document, dict):
        return {str(key): plain(value) for key, value in document.items()}
    if isinstance(document, list):
        return [plain(value) for value in document]
    return document


def explained_errors(
    e: ValidationError, model: type[BaseModel], document: Any
) -> list[tuple[tuple[int | str, ...], str]]:
    """Return where in the document each error is, and what is wrong."""
    # A sequence that lost its wrong items is then called too short as well: that is no second mistake.
    errors = [error for error in e.errors() if error["type"] != "too_short" or e.error_count() == 1]
    explained = [explained_error(error, model, document) for error in errors]
    for error in errors:
        wrong = error.get("ctx", {}).get("error")
        if isinstance(wrong, MisplacedError):
            loc = _keys_in_file(error["loc"], document)
            explained += [((*loc, *other.place), str(other)) for other in wrong.others]
    return explained


def dotted(loc: Sequence[int | str]) -> str:
    """Return a place as it is written in messages."""
    return ".".join(str(part) for part in loc)


def explained_error(error: Any, model: type[BaseModel], document: Any) -> tuple[tuple[int | str, ...], str]:
    """Return where in the document one pydantic error is, and its "what, got, expected"."""
    kind, context = error["type"], error.get("ctx", {})
    loc = _keys_in_file(error["loc"], document)
    if kind == "union_tag_invalid":
        valid = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        return (
            *loc,
            "kind",
        ), f"there is no {masked(repr(context['tag']))}{nearest_hint(context['tag'], valid)}"
    if kind == "union_tag_not_found":
        return (*loc, "kind"), "this key is missing"
    if kind == "extra_forbidden" and sounds_secret(str(loc[-1])):
        return loc, (
            "a key never stands in the file: put it into an environment variable and name that one in "
            "api_key_env"
        )
    if kind == "extra_forbidden":
        return loc, f"unknown key{nearest_hint(str(loc[-1]), _valid_keys(model, document, loc[:-1]))}"
    if kind == "missing":
        return loc, "this key is missing"
    wrong = context.get("error")
    if isinstance(wrong, MisplacedError):
        return (*loc, *wrong.place), str(wrong)
    message = error["msg"].removeprefix("Value error, ")
    got = "" if isinstance(error["input"], dict) else f", got {masked(repr(error['input']))}"
    return loc, message + got


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


def line_of(lines: Any, loc: Sequence[int | str]) -> int:
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
