"""The pieces of the page Interactions, as markup: the log, one call whole, an import.

In: records. Out: markup in which all that models and people wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from camelx.cycles.goal_uploads import GoalRow, GoalUpload
from camelx.pages import Markup, escaped, labelled_row, tag
from camelx.schemas import Interaction, InteractionLine, InteractionPage

PATH = "/interactions"
_MARKS = {"ok": "✓", "error": "✗", "cut": "✂", "empty": "∅"}
_LOOKS = {"ok": "completed", "error": "failed", "cut": "cancelled", "empty": "cancelled"}
_HEAD = ("time (UTC)", "cycle", "agent", "role", "goal", "says", "tokens", "seconds", "status")
_N_FIRST_LINE = 120
_N_FOLDED = 400
"""A longer text is folded."""


def address(query: Mapping[str, str], **others: str | None) -> str:
    """Return the page's address with this query; None takes a key away."""
    merged: dict[str, str | None] = {**query, **others}
    kept = {name: value for name, value in merged.items() if value}
    return f"{PATH}?{urlencode(kept)}" if kept else PATH


def log_table(page: InteractionPage, query: Mapping[str, str], n_found: str) -> Markup:
    """Return the lines, each a link to its call, and the ways to older and newer ones."""
    if not page.items:
        return _nothing(query)
    rows = Markup("".join(_line(one, query) for one in page.items))
    top = tag("thead", tag("tr", *(tag("th", name) for name in _HEAD)))
    table = tag("table", top, tag("tbody", rows), css="cx-table cx-blocks cx-log-lines")
    return tag("div", tag("p", n_found, css="cx-soft"), table, _pager(page, query))


def _nothing(query: Mapping[str, str]) -> Markup:
    if query:
        return tag(
            "div",
            tag("p", tag("b", "No interaction meets these filters.")),
            tag("p", "Take one away, or ", link(PATH, "begin without any"), "."),
            css="cx-empty",
        )
    return tag(
        "div",
        tag("p", tag("b", "No model has been asked anything yet.")),
        tag("p", "Each call that agents make is logged here. ", link("/cycles", "Start a cycle"), " first."),
        css="cx-empty",
    )


def _line(one: InteractionLine, query: Mapping[str, str]) -> Markup:
    here = address(query, id=one.id)
    cells = (
        link(here, _moment(one.created_at)),
        link(f"/cycles?{urlencode({'cycle': one.cycle_id})}", one.cycle_id),
        one.agent,
        str(one.role).replace("_", " "),
        link(address({}, goal=one.goal_id, cycle=one.cycle_id), one.goal_id[:8]),
        link(here, _first_line(one.beginning) or "(nothing)"),
        f"{one.prompt_tokens} → {one.completion_tokens}",
        f"{one.latency_s:.2f}",
        badge(str(one.status)),
    )
    return labelled_row(_HEAD, cells, css="cx-selected" if query.get("id") == one.id else "")


def _pager(page: InteractionPage, query: Mapping[str, str]) -> Markup:
    ways = []
    if page.previous_cursor:
        ways.append(link(address(query, id=None, cursor=page.previous_cursor), "← newer (p)", "key-p"))
    if page.next_cursor:
        ways.append(link(address(query, id=None, cursor=page.next_cursor), "older (n) →", "key-n"))
    return tag("nav", *ways, css="cx-pager")


def whole_interaction(one: Interaction, status: str, query: Mapping[str, str]) -> Markup:
    """Return one call: what it was asked, what it answered, what that cost, and its ids."""
    answer = tag("div", one.completion or "(nothing)", css="cx-text cx-answer")
    parts = [
        tag("h2", Markup(f"{escaped(one.agent)} {badge(status)}")),
        tag("p", link(address(query, id=None), "close"), css="cx-soft"),
        tag("p", one.error, css="cx-text cx-bad") if one.error else Markup(""),
        _facts(one),
        *(tag("section", tag("h4", turn.role), folded(turn.content)) for turn in one.messages),
        *_tool_calls(one),
        tag("section", tag("h4", "answer"), answer, css="cx-said"),
    ]
    return tag("article", *parts, css="cx-call")


def _facts(one: Interaction) -> Markup:
    within = {"cycle": one.cycle_id, "goal": one.goal_id}
    facts: list[tuple[str, str]] = [
        ("asked", f"{_moment(one.created_at)} UTC, in {one.stage}"),
        ("role", str(one.role).replace("_", " ")),
        ("model", one.model + (f", adapter {one.adapter_version}" if one.adapter_version else "")),
        ("tokens", f"{one.prompt_tokens} read, {one.completion_tokens} written"),
        ("took", f"{one.latency_s:.2f} s"),
        ("ended", one.finish_reason or "–"),
        ("cycle", link(f"/cycles?{urlencode({'cycle': one.cycle_id})}", one.cycle_id)),
        ("goal", link(address({}, **within), one.goal_id)),
        ("id", one.id),
    ]
    if one.parent_id:
        facts.append(("carries out", link(address({}, **within, id=one.parent_id), one.parent_id)))
    facts += [("seed", str(one.seed))] if one.seed is not None else []
    facts += [("trace", one.trace_id)] if one.trace_id else []
    rows = Markup("".join(tag("tr", tag("td", name), tag("td", value)) for name, value in facts))
    return tag("table", tag("tbody", rows), css="cx-table cx-facts")


def _tool_calls(one: Interaction) -> Iterator[Markup]:
    for call in one.tool_calls:
        name = tag("h4", f"tool {call.name}")
        yield tag("section", name, folded(call.arguments), folded(call.result), css="cx-chat-tool")


# Goals from a file


def upload_report(done: GoalUpload) -> Markup:
    """Return what became, or would become, of a file's rows."""
    n = done.counts
    verb = "would be" if done.is_dry_run else "were"
    said = (
        f"{done.file}: {n['new']:,} goals {verb} new, {n['known']:,} are stored already, {n['updated']:,} "
        f"{verb} given the file's answer; {n['broken']:,} of {n['rows']:,} rows are broken, "
        f"{n['duplicates']:,} are duplicates."
    )
    return tag(
        "div",
        tag("p", said, css="cx-good" if n["goals"] else "cx-bad"),
        _file_rows("Broken rows", done.broken, n["broken"]),
        _file_rows("Duplicates", done.duplicates, n["duplicates"]),
        tag("ul", *(tag("li", remark) for remark in done.remarks), css="cx-mistakes") if done.remarks else "",
    )


def _file_rows(what: str, rows: Sequence[GoalRow], n: int) -> Markup:
    if not rows:
        return Markup("")
    more = f", the first {len(rows)} of {n:,}" if n > len(rows) else ""
    items = (tag("li", tag("b", row.where), f": {row.what}") for row in rows)
    return Markup(tag("h4", what + more) + tag("ul", *items, css="cx-mistakes"))


# Pieces of pieces


def badge(status: str) -> Markup:
    """Return what became of a call, as a badge."""
    return tag("span", f"{_MARKS[status]} {status}", css=f"cx-badge cx-{_LOOKS[status]}")


def link(where: str, text: str, elem_id: str = "") -> Markup:
    """Return a link; one with an id can be clicked by its key."""
    named = f' id="{escaped(elem_id)}"' if elem_id else ""
    return Markup(f'<a href="{escaped(where)}"{named}>{escaped(text)}</a>')


def folded(text: str, *, bad: bool = False) -> Markup:
    """Return a text; of a long one the beginning, with the rest to unfold."""
    css = "cx-text cx-bad" if bad else "cx-text"
    if len(text) <= _N_FOLDED:
        return tag("div", text or "(nothing)", css=css)
    return tag(
        "details", tag("summary", f"{text[:_N_FOLDED].rstrip()} …"), tag("div", text, css=css), css=css
    )


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= _N_FIRST_LINE else f"{line[:_N_FIRST_LINE].rstrip()} …"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
