"""Values as YAML, in each way in which they may be written: the caller takes the first that fits."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from camelx.config import plain_document
from camelx.errors import ConfigError

_WIDTH = 100
_LONG = 72
"""Characters from which on a text is better read as a block."""


def scalar_texts(value: Any, style: str, margin: int) -> Iterator[str]:
    """Yield the ways to write a value, the one most like `style` first; not all fit every place.

    Args:
        value: A string, number, bool or None.
        style: How it was written: `'`, `"`, `|`, `>`, or empty for plain.
        margin: Spaces before the lines of a block.
    """
    if not isinstance(value, str):
        yield _number_text(value)
        return
    ways = {
        "'": (_single, _double),
        '"': (_double,),
        "|": (_literal, _double),
        ">": (_folded, _literal, _double),
    }
    if style not in ways:
        is_block = "\n" in value or len(value) > _LONG
        style = ("|" if "\n" in value else ">") if is_block else ""
    for write in ways.get(style, (_plain, _double)):
        yield write(value, margin)
    yield from (_plain(value, margin), json.dumps(value, ensure_ascii=False), json.dumps(value))


def flow_text(value: Any) -> str:
    """Return the value on one line, as in `{temperature: 1.0, top_p: 1.0}` or `[MathToolkit]`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow_text, value)) + "]"
    for text in scalar_texts(value, "", 0):
        if "\n" not in text and _says(f"a: [{text}]", {"a": [value]}):
            return text
    raise ConfigError(f"{value!r} can't be written as YAML")


def entry(key: str, value: Any) -> str:
    """Return "key: value" as lines of a block section, without a line end."""
    if isinstance(value, Mapping | list | tuple):
        return f"{key}: {flow_text(value)}"
    for text in scalar_texts(value, "", 2):
        if _says(f"{key}: {text}\n", {key: value}):
            return f"{key}: {text}"
    raise ConfigError(f"{key}: {value!r} can't be written as YAML")


def entries(section: Mapping[str, Any]) -> str:
    """Return the section as lines, without a line end."""
    return "\n".join(entry(key, value) for key, value in section.items())


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return plain_document(text) == wanted
    except ConfigError:
        return False


def _number_text(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _plain(value: str, margin: int) -> str:
    return value


def _single(value: str, margin: int) -> str:
    return "'" + value.replace("'", "''") + "'"


def _double(value: str, margin: int) -> str:
    return json.dumps(value, ensure_ascii=False)


def _literal(value: str, margin: int) -> str:
    chomping = "" if value.endswith("\n") else "-"
    return f"|{chomping}\n" + _block(value.removesuffix("\n").split("\n"), margin)


def _folded(value: str, margin: int) -> str:
    chomping = "" if value.endswith("\n") else "-"
    paragraphs = value.removesuffix("\n").split("\n")
    wrapped = [
        textwrap.wrap(p, _WIDTH - margin, break_long_words=False, break_on_hyphens=False) for p in paragraphs
    ]
    lines = [line for i, paragraph in enumerate(wrapped) for line in ([""] * bool(i) + paragraph)]
    return f">{chomping}\n" + _block(lines, margin)


def _block(lines: list[str], margin: int) -> str:
    return "\n".join(" " * margin + line if line else "" for line in lines)
