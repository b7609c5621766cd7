"""One change of a YAML text that leaves every other character as it is: comments, order, quotes, blank lines.

ruamel.yaml says where each value stands; only those characters are replaced. (Writing its round-trip document
back would set its own indentation, and lose a comment that it had tied to what was removed.) Whatever is
written is read again before it is returned: a text that does not say exactly what was asked for never leaves
this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from camelx.agent_files.rendering import entries, entry, flow_text, scalar_texts
from camelx.config import plain_document
from camelx.errors import ConfigError

Path = tuple[str | int, ...]
"""Keys and indices, from the top of the document."""

_COMMENT_BEHIND = re.compile(r"([^#'\"\n]*?)( {2,})(?=#)")
_LINE_END = re.compile(r"\r?\n|$")


def with_value(text: str, path: Path, value: Any, order: Sequence[str] = ()) -> str:
    """Return the text with another value at the path; a key that is not there is put in.

    Args:
        text: YAML.
        path: Where. All but the last part must be there, or be sections that can be put in.
        value: A string, number, bool, None, or a list or mapping of these.
        order: Keys of the section in the order in which they are usually written; a new one goes behind
            those that come before it.

    Raises:
        ConfigError: The text is no YAML mapping, has no such place, or the change can't be made there.
    """
    wanted = plain_document(text)
    if _found(wanted, path) == (True, value):
        return text
    _set(wanted, path, value)
    document = _Document(text)
    node = document.at(path)
    if node is not None:
        return _first_right(document.replaced(node, value), wanted, path)
    if document.at(path[:-1]) is None:
        return with_value(text, path[:-1], {path[-1]: value}, order)
    return _first_right(document.with_key(path, value, order), wanted, path)


def without(text: str, path: Path) -> str:
    """Return the text without the key or item at the path; comments before and after it stay.

    Raises:
        ConfigError: There is no such place, or it is the only entry.
    """
    wanted = plain_document(text)
    if not _found(wanted, path)[0]:
        raise ConfigError(f"there is no {_dotted(path)} to remove")
    section = _found(wanted, path[:-1])[1]
    if len(section) == 1:
        raise ConfigError(f"{_dotted(path)} is the only one; add another before you remove it")
    position = path[-1] if isinstance(path[-1], int) else list(section).index(path[-1])
    del section[path[-1]]
    return _first_right([_Document(text).cut(path[:-1], position)], wanted, path)


def with_item(text: str, path: Path, item: dict[str, Any]) -> str:
    """Return the text with one more section at the end of the list at the path.

    Raises:
        ConfigError: There is no list with entries, or the item can't be written there.
    """
    wanted = plain_document(text)
    items = _found(wanted, path)[1]
    if not isinstance(items, list) or not items:
        raise ConfigError(f"{_dotted(path)} is no list with entries: edit the text")
    items.append(item)
    return _first_right([_Document(text).with_item(path, item)], wanted, path)


def with_section(text: str, path: Path, section: dict[str, Any]) -> str:
    """Return the text with a new section, one line a key, at the end of the mapping that holds the path.

    Raises:
        ConfigError: The name is taken, or there is no mapping with entries.
    """
    wanted = plain_document(text)
    around = _found(wanted, path[:-1])[1]
    if not isinstance(around, dict) or not around or path[-1] in around:
        raise ConfigError(
            f"{_dotted(path)} can't be added: the name is taken, or the text has no place for it"
        )
    around[path[-1]] = section
    return _first_right([_Document(text).with_section(path, section)], wanted, path)


def renamed_key(text: str, path: Path, name: str) -> str:
    """Return the text with another name for the key at the path, whose value stays.

    Raises:
        ConfigError: There is no such key, or one of the new name already.
    """
    wanted = plain_document(text)
    section = _found(wanted, path[:-1])[1]
    if not isinstance(section, dict) or path[-1] not in section or name in section:
        raise ConfigError(f"{_dotted(path)} can't be called {name!r}: it is not there, or the name is taken")
    section[name] = section.pop(path[-1])
    return _first_right(_Document(text).renamed(path, name), wanted, path)


def _first_right(texts: Iterable[str], wanted: dict[str, Any], path: Path) -> str:
    """Return the first text that says what is wanted."""
    for text in texts:
        try:
            if plain_document(text) == wanted:
                return text
        except ConfigError:
            continue
    raise ConfigError(
        f"{_dotted(path)} can't be changed by the form without touching what stands around it (an anchor, "
        "or an unusual layout): edit the text"
    )


def _dotted(path: Path) -> str:
    return ".".join(map(str, path)) or "the document"


def _found(document: Any, path: Path) -> tuple[bool, Any]:
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return False, None
    return True, document


def _set(document: Any, path: Path, value: Any) -> None:
    *sections, last = path
    try:
        for part in sections:
            document = document.setdefault(part, {}) if isinstance(document, dict) else document[part]
        document[last] = value
    except (KeyError, IndexError, TypeError) as e:
        raise ConfigError(f"the text has no place {_dotted(path)}: edit the text") from e


@dataclass(frozen=True)
class _Place:
    """Where an entry's key (or item) begins and its value ends."""

    start: int
    end: int


class _Document:
    """A text and where ruamel.yaml found its values."""

    def __init__(self, text: str) -> None:
        from ruamel.yaml import YAML

        self._text, self._root = text, YAML().compose(text)

    def at(self, path: Path) -> Any:
        """Return the node at the path; None: there is none."""
        node = self._root
        for part in path:
            if _is(node, "mapping"):
                node = next((value for key, value in node.value if key.value == str(part)), None)
            elif _is(node, "sequence") and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
            else:
                return None
        return node

    def replaced(self, node: Any, value: Any) -> Iterable[str]:
        """Yield texts with another value in a node's place, comments behind it kept in their column first."""
        start, end = node.start_mark.index, self._end(node)
        if isinstance(value, dict | list | tuple):
            yield self._text[:start] + flow_text(value) + self._text[end:]
            return
        style = getattr(node, "style", None) or ""
        for written in scalar_texts(value, style, self._margin(start) + 2):
            if "\n" not in written:
                yield self._text[:start] + written + self._aligned(end, len(written) - (end - start))
            yield self._text[:start] + written + self._text[end:]

    def renamed(self, path: Path, name: str) -> Iterable[str]:
        """Yield texts with another name for a key."""
        key = next(key for key, _ in self.at(path[:-1]).value if key.value == path[-1])
        for written in scalar_texts(name, "", 0):
            yield self._text[: key.start_mark.index] + written + self._text[key.end_mark.index :]

    def with_key(self, path: Path, value: Any, order: Sequence[str]) -> Iterable[str]:
        """Yield texts with one more key in a section that is there."""
        node, key = self.at(path[:-1]), str(path[-1])
        if not _is(node, "mapping"):
            return
        if not node.value:
            yield self._replacing(node, flow_text({key: value}))
            return
        behind = self._behind([str(k.value) for k, _ in node.value], key, order)
        place = self._places(node)[behind]
        if node.flow_style:
            inner = flow_text({key: value})[1:-1]
            yield f"{self._text[: place.end]}, {inner}{self._text[place.end :]}"
            return
        lines = _indented(entry(key, value), self._column(self._places(node)[0].start))
        yield self._with_lines(self._line_end(place.end), lines)

    def with_item(self, path: Path, item: dict[str, Any]) -> str:
        """Return the text with one more section in a list that has some."""
        node = self.at(path)
        places = self._places(node)
        last = places[-1]
        if node.flow_style:
            return f"{self._text[: last.end]}, {flow_text(item)}{self._text[last.end :]}"
        dash = self._dash(last.start)
        inner = _indented(entries(item), 2)
        lines = _indented("- " + inner[2:], self._column(dash))
        return self._with_lines(self._line_end(last.end), self._gap(places) + lines)

    def with_section(self, path: Path, section: dict[str, Any]) -> str:
        """Return the text with one more named section in a mapping that has some."""
        node, name = self.at(path[:-1]), str(path[-1])
        places = self._places(node)
        if node.flow_style:
            inner = flow_text({name: section})[1:-1]
            return f"{self._text[: places[-1].end]}, {inner}{self._text[places[-1].end :]}"
        head = flow_text({name: None})[1:-1].removesuffix("null").rstrip()
        lines = _indented(head + "\n" + _indented(entries(section), 2), self._column(places[0].start))
        return self._with_lines(self._line_end(places[-1].end), self._gap(places) + lines)

    def cut(self, path: Path, position: int) -> str:
        """Return the text without one of several entries of a section or list."""
        node = self.at(path)
        places = self._places(node)
        place, is_last = places[position], position == len(places) - 1
        if node.flow_style:
            start = places[position - 1].end if is_last else place.start
            return self._text[:start] + self._text[place.end if is_last else places[position + 1].start :]
        first = self._dash(place.start) if _is(node, "sequence") else place.start
        if self._text[self._line_start(first) : first].strip():  # behind the dash of an item
            return self._text[: place.start] + self._text[places[position + 1].start :]
        before = self._text[: self._line_start(first)]
        after = self._text[self._line_end(place.end) :].removeprefix("\r").removeprefix("\n")
        if before.endswith(("\n\n", "\n\r\n")) and (not after.strip() or after.startswith(("\n", "\r\n"))):
            before = before.removesuffix("\n").removesuffix("\r")
        elif position == 0:  # no blank line at the beginning of a list that had none
            after = re.sub(r"\A[ \t]*\r?\n", "", after)
        return before + after

    def _replacing(self, node: Any, written: str) -> str:
        return self._text[: node.start_mark.index] + written + self._text[self._end(node) :]

    def _places(self, node: Any) -> list[_Place]:
        if _is(node, "mapping"):
            return [_Place(key.start_mark.index, self._end(value)) for key, value in node.value]
        return [_Place(item.start_mark.index, self._end(item)) for item in node.value]

    def _end(self, node: Any) -> int:
        """Return where the text of a node ends; YAML counts blank lines and comments behind a block to it."""
        if isinstance(node.value, list) and node.value and not node.flow_style:
            last = node.value[-1]
            return self._end(last[1] if isinstance(last, tuple) else last)
        start, end = int(node.start_mark.index), int(node.end_mark.index)
        if getattr(node, "style", None) in ("|", ">"):
            return start + len(self._text[start:end].rstrip())
        return end

    def _behind(self, keys: Sequence[str], key: str, order: Sequence[str]) -> int:
        """Return the position of the entry behind which a new key goes."""
        if key not in order:
            return len(keys) - 1
        earlier = order[: order.index(key)]
        return max((i for i, there in enumerate(keys) if there in earlier), default=0)

    def _aligned(self, end: int, growth: int) -> str:
        """Return what follows `end`, with a comment on its line left in its column where there is room."""
        behind = _COMMENT_BEHIND.match(self._text, end)
        if behind is None:
            return self._text[end:]
        spaces = " " * max(1, len(behind[2]) - growth)
        return behind[1] + spaces + self._text[behind.end() :]

    def _gap(self, places: Sequence[_Place]) -> str:
        """Return the blank line with which the entries of a list are kept apart, if they are."""
        if len(places) < 2:
            return ""
        between = self._text[places[-2].end : places[-1].start]
        return "\n" if re.search(r"\n[ \t]*\r?\n", between) else ""

    def _with_lines(self, at: int, lines: str) -> str:
        newline = "\r\n" if "\r\n" in self._text else "\n"
        return self._text[:at] + newline + lines.replace("\n", newline) + self._text[at:]

    def _line_start(self, at: int) -> int:
        return self._text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        found = _LINE_END.search(self._text, at)
        return found.start() if found else len(self._text)

    def _column(self, at: int) -> int:
        return at - self._line_start(at)

    def _margin(self, at: int) -> int:
        """Return the column in which the line's key begins, dashes before it left aside."""
        line = self._text[self._line_start(at) : at]
        return len(line) - len(line.lstrip(" -"))

    def _dash(self, at: int) -> int:
        return self._text.rfind("-", 0, at)


def _is(node: Any, kind: str) -> bool:
    return getattr(node, "id", "") == kind


def _indented(lines: str, margin: int) -> str:
    return "\n".join(" " * margin + line if line else "" for line in lines.split("\n"))
