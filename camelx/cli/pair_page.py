"""How a pair looks in a terminal: made harmless, with its differences marked, folded to fit.

In: an `Item`. Out: what rich prints. Used by `camelx annotate`.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.containers import Lines
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from camelx.annotation import Item

SIDE_BY_SIDE_FROM = 100
"""Columns from which two results stand side by side."""
_DIFFERS = "bold underline yellow"  # not the colour alone: not everybody sees it, and NO_COLOR takes it away
_WORD, _LINE = re.compile(r"\w+|[^\w\s]"), re.compile(r"[^\n]+")
_MOST_COMPARED = 1_000
"""Words, else lines, of one side that are compared: the time grows with their square."""
_LEAST_ALIKE = 0.3
"""In texts less alike than this everything differs, and marks would only make them hard to read."""
_OTHER_LINES = 12
"""Lines of a page that are neither goal nor results: title, frames, keys."""
_MIN_LINES = 4


def is_harmless(character: str) -> bool:
    """Whether a terminal only draws the character: no control, no turn of direction, no lone surrogate.

    The two joiners are drawn: Persian and many emoji need them.
    """
    return character.isprintable() or character in "\n\u200c\u200d" or unicodedata.category(character) == "Zs"


def shown(text: str) -> str:
    """Return the text with characters that a terminal would obey spelt out, such as <U+001B>."""
    text = text.replace("\r\n", "\n").expandtabs(4).strip("\n")
    return "".join(c if is_harmless(c) else f"<U+{ord(c):04X}>" for c in text)


def pair_page(item: Item, console: Console, *, is_whole: bool) -> Group:
    """Return goal and results for the console's width; folded to its height unless `is_whole`."""
    is_beside = console.width >= SIDE_BY_SIDE_FROM
    width = (console.width // 2 if is_beside else console.width) - 4
    goal_room = max(_MIN_LINES, console.height // 5)
    above: list[Text] = []
    for title, content in (("Goal", item.goal), ("Proposal that both carry out", item.proposal)):
        if content is not None:
            above.append(Text(title, style="bold cyan"))
            lines = Text(shown(content)).wrap(console, console.width)
            above += lines if is_whole else folded(lines, goal_room)
    room = max(_MIN_LINES, (console.height - _OTHER_LINES - len(above)) // (1 if is_beside else 2))
    sides = [text.wrap(console, max(width, 1)) for text in marked(shown(item.first), shown(item.second))]
    bodies = [Text("\n").join(lines if is_whole else folded(lines, room)) for lines in sides]
    panels = [Panel(body, title=name, title_align="left") for name, body in zip("AB", bodies, strict=True)]
    if not is_beside:
        return Group(*above, *panels)
    grid = Table.grid(expand=True)
    for _ in panels:
        grid.add_column(ratio=1)
    grid.add_row(*panels)
    return Group(*above, grid)


def is_folded(item: Item, console: Console) -> bool:
    """Whether the page leaves something out that the whole one shows."""
    folded_page, whole_page = (
        console.render_lines(pair_page(item, console, is_whole=is_whole)) for is_whole in (False, True)
    )
    return folded_page != whole_page


def marked(first: str, second: str) -> tuple[Text, Text]:
    """Return both texts with the words, in long texts the lines, that the other one lacks marked."""
    texts = (Text(first), Text(second))
    for unit in (_WORD, _LINE):
        parts = [list(unit.finditer(text)) for text in (first, second)]
        if max(map(len, parts)) <= _MOST_COMPARED:
            break
    else:
        return texts
    # With its heuristic on popular words: without it a text that repeats one word takes minutes.
    matcher = SequenceMatcher(a=[part[0] for part in parts[0]], b=[part[0] for part in parts[1]])
    if matcher.ratio() < _LEAST_ALIKE:
        return texts
    for what, *bounds in matcher.get_opcodes():
        if what != "equal":
            for text, side, (begin, end) in zip(texts, parts, (bounds[:2], bounds[2:]), strict=True):
                if begin < end:
                    text.stylize(_DIFFERS, side[begin].start(), side[end - 1].end())
    return texts


def folded(lines: Lines, most: int) -> list[Text]:
    """Return at most `most` lines: the first, the last and those with differences, then what else fits.

    A line in each gap says how much is missing there.
    """
    if len(lines) <= most:
        return list(lines)
    marks = [any(span.style == _DIFFERS for span in line.spans) for line in lines]
    by_worth = sorted(range(len(lines)), key=lambda i: (i not in (0, len(lines) - 1), not marks[i], i))
    kept: list[int] = []
    for i in by_worth:
        trial = sorted([*kept, i])
        if len(trial) + sum(after - before > 1 for before, after in pairwise(trial)) <= most:
            kept = trial
    folds = [_fold(marks[before + 1 : after]) for before, after in pairwise(kept)]
    shown_lines = [part for i, fold in zip(kept, folds, strict=False) for part in (lines[i], *fold)]
    return [*shown_lines, lines[kept[-1]]]


def _fold(marks: list[bool]) -> list[Text]:
    """Return the line that stands for lines with these marks; none where there are none."""
    if not marks:
        return []
    differing = f", {sum(marks):,} with differences" if any(marks) else ""
    return [Text(f"··· {len(marks):,} lines{differing}; m shows more ···", style="dim")]
