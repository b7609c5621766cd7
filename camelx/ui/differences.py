"""Two texts side by side: what differs is marked, what is long is folded. All of it escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from camelx.pages import Markup, tag

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_TOKENS = 3_000
"""Texts with more are not compared: it would take longer than a person waits."""
_LEAST_ALIKE = 0.25
"""Below this share of common words nearly everything would be marked, which shows nothing."""
_FOLD_CHARS = 1_400
_FOLD_LINES = 24

Piece = tuple[str, bool]
"""A part of a text, and whether the other text lacks it."""


def differences(first: str, second: str) -> tuple[list[Piece], list[Piece]]:
    """Return both texts in pieces, those that the other one lacks told apart, word by word."""
    words = _TOKEN.findall(first), _TOKEN.findall(second)
    if max(map(len, words)) > _MOST_TOKENS:
        return [(first, False)], [(second, False)]
    matcher = SequenceMatcher(None, *words, autojunk=False)
    common = sum(
        not word.isspace()
        for block in matcher.get_matching_blocks()
        for word in words[0][block.a : block.a + block.size]
    )
    if common < _LEAST_ALIKE * max(sum(not word.isspace() for word in those) for those in words):
        return [(first, False)], [(second, False)]
    ours: list[Piece] = []
    theirs: list[Piece] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        ours.append(("".join(words[0][a:b]), kind != "equal"))
        theirs.append(("".join(words[1][c:d]), kind != "equal"))
    return [p for p in ours if p[0]], [p for p in theirs if p[0]]


def side_by_side(first: str, second: str) -> Markup:
    """Return the two texts as A and B, beside each other where there is room."""
    ours, theirs = differences(first, second)
    return tag("div", _side("A", ours), _side("B", theirs), css="cx-sides")


def folded(text: str) -> Markup:
    """Return a text, the part that is too long folded away."""
    return _folded([(text, False)])


def _side(name: str, pieces: Sequence[Piece]) -> Markup:
    return tag("section", tag("h4", name), _folded(pieces), css="cx-side")


def _folded(pieces: Sequence[Piece]) -> Markup:
    text = "".join(piece for piece, _ in pieces)
    at = _fold_at(text)
    if at is None:
        return tag("div", _marked(pieces), css="cx-text")
    head, rest = _split(pieces, at)
    more = tag("details", tag("summary", f"{len(text) - at:,} more characters"), _block(rest))
    return tag("div", _block(head), more)


def _block(pieces: Sequence[Piece]) -> Markup:
    return tag("div", _marked(pieces), css="cx-text")


def _marked(pieces: Iterable[Piece]) -> Markup:
    return Markup("".join(tag("mark" if is_marked else "span", piece) for piece, is_marked in pieces))


def _fold_at(text: str) -> int | None:
    """Return where the text is folded; None: it is short, or what would be folded away is."""
    lines = text.splitlines(keepends=True)
    at = min(_FOLD_CHARS, len("".join(lines[:_FOLD_LINES])))
    return at if len(text) > at + 200 else None


def _split(pieces: Sequence[Piece], at: int) -> tuple[list[Piece], list[Piece]]:
    head: list[Piece] = []
    rest: list[Piece] = []
    for text, is_marked in pieces:
        n = max(0, at)
        head += [(text[:n], is_marked)] if n else []
        rest += [(text[n:], is_marked)] if n < len(text) else []
        at -= len(text)
    return head, rest
