"""A model card as markup: headings, tables, code and paragraphs, and nothing else that markdown can do.

A card holds what models, people and file names brought. Every text is escaped; links, images and HTML stay
the characters that they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from camelx.pages import Markup, tag

_MOST = 20_000
"""Characters of a card that are shown."""


def card(markdown: str) -> Markup:
    """Return the card as markup."""
    return tag("div", *_parts(markdown[:_MOST]), css="cx-card")


def _parts(markdown: str) -> Iterator[Markup]:
    for i, part in enumerate(markdown.split("```")):
        if i % 2:
            yield tag("pre", part.partition("\n")[2].rstrip(), css="cx-text")
        else:
            yield from _prose(part)


def _prose(text: str) -> Iterator[Markup]:
    for kind, lines in groupby(text.splitlines(), _kind):
        if kind == "heading":
            yield from (tag("h4", line.lstrip("# ")) for line in lines)
        elif kind == "table":
            yield _table(list(lines))
        elif kind == "text":
            yield tag("p", " ".join(lines))


def _kind(line: str) -> str:
    stripped = line.strip()
    if not stripped:
        return "blank"
    if stripped.startswith("#"):
        return "heading"
    return "table" if stripped.startswith("|") and stripped.endswith("|") else "text"


def _table(lines: list[str]) -> Markup:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    shown = [row for row in rows if any(cell.strip("-: ") for cell in row)]
    body = (tag("tr", *(tag("td", cell) for cell in row)) for row in shown)
    return tag("table", tag("tbody", *body), css="cx-table")
