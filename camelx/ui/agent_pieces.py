"""The pieces of the page on agents, as markup: mistakes, diffs, history, a conflict.

In: texts and records. Out: markup in which all that people wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence

from camelx.agent_files import EditConflictError, Template
from camelx.config import Mistake
from camelx.pages import Markup, escaped, tag
from camelx.schemas import AgentVersion

_MOST_LINES = 400
_LOOKS = {"+": "cx-diff-in", "-": "cx-diff-out", "@": "cx-diff-at"}


def diff_view(diff: str) -> Markup:
    """Return a unified diff, its lines coloured; the signs at their beginning say the same."""
    lines = diff.splitlines()
    shown = [
        tag(
            "div",
            line or " ",
            css="cx-diff-at" if line.startswith(("+++", "---")) else _LOOKS.get(line[:1], ""),
        )
        for line in lines[:_MOST_LINES]
    ]
    if len(lines) > _MOST_LINES:
        shown.append(tag("div", f"... and {len(lines) - _MOST_LINES:,} lines more", css="cx-diff-at"))
    return tag("div", *shown, css="cx-diff")


def checked_view(mistakes: Sequence[Mistake], is_changed: bool) -> Markup:
    """Return what is wrong with the text, or that nothing is."""
    if mistakes:
        items = (
            tag("li", tag("b", f"Line {m.line}"), f" {m.key}: {m.message}" if m.key else f" {m.message}")
            for m in mistakes
        )
        return tag("ul", *items, css="cx-mistakes cx-bad")
    said = "A cycle can take this." + ("" if is_changed else " Nothing is changed yet.")
    return tag("p", said, css="cx-good")


def change_view(diff: str) -> Markup:
    """Return what saving would change."""
    if not diff:
        return tag("p", "Saving would change nothing.", css="cx-soft")
    return Markup(tag("h3", "What saving changes") + diff_view(diff))


def history_view(versions: Sequence[AgentVersion]) -> Markup:
    """Return the history of a file, newest first."""
    if not versions:
        return tag("p", "There is no file yet: begin with a template, below.", css="cx-empty")
    head = ("Version", "When", "Who", "Note")
    rows = (
        tag("tr", *(
            Markup(f'<td data-label="{escaped(name)}">{tag("span", cell)}</td>')
            for name, cell in zip(head, _history_cells(one), strict=True)
        ))
        for one in versions
    )  # fmt: skip
    top = tag("thead", tag("tr", *(tag("th", name) for name in head)))
    return tag("table", top, tag("tbody", *rows), css="cx-table cx-blocks")


def _history_cells(one: AgentVersion) -> tuple[str, ...]:
    who = one.author or ("outside of camelx" if one.origin == "outside" else "unknown")
    return str(one.number), f"{one.at:%Y-%m-%d %H:%M} UTC", who, one.note


def conflict_view(error: EditConflictError) -> Markup:
    """Return why nothing was saved, and what differs from the file as it is now to the text in the editor."""
    return tag(
        "div",
        tag("h3", "Somebody else changed the file"),
        tag("p", str(error)),
        tag("p", "Green is yours, red is what the file says now."),
        diff_view(error.diff),
        css="cx-conflict",
    )


def template_view(template: Template) -> Markup:
    """Return what a template is for, and its text."""
    return tag(
        "div",
        tag("p", tag("b", template.title + ". "), template.about),
        tag("details", tag("summary", "Its text"), tag("pre", template.text, css="cx-text")),
    )
