"""The pieces of the page Interactions, as markup: the log, one call whole, a goal's thread, an import.

In: records. Out: markup in which all that models and people wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from camelx.cycles.goal_uploads import GoalRow, GoalUpload
from camelx.lineage.goal_thread import GoalThread, ThreadExecution, ThreadProposal, ThreadVote
from camelx.pages import Markup, escaped, labelled_row, tag
from camelx.schemas import (
    Annotation,
    Comparison,
    Interaction,
    InteractionLine,
    InteractionPage,
    PreferencePair,
    Role,
)

PATH = "/interactions"
_MARKS = {"ok": "✓", "error": "✗", "cut": "✂", "empty": "∅"}
_LOOKS = {"ok": "completed", "error": "failed", "cut": "cancelled", "empty": "cancelled"}
_HEAD = ("time (UTC)", "cycle", "agent", "role", "goal", "says", "tokens", "seconds", "status")
_N_FIRST_LINE = 120
_N_FOLDED = 400
"""A longer text is folded."""
_N_SHOWN = 12
"""Comparisons of a goal that are listed."""


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


# A goal's thread


def thread_tree(thread: GoalThread, selected: str | None) -> Markup:
    """Return what a cycle did with a goal: proposals, executions, verdicts, pairs."""
    within = {"cycle": thread.cycle_id, "goal": thread.goal.id}
    branches = [_proposal(one, within, selected) for one in thread.proposals]
    branches += [_execution(one, within, selected) for one in thread.other_executions]
    parts = [
        tag("h3", f"What {thread.cycle_id} did with the goal"),
        tag("div", thread.goal.text, css="cx-text cx-goal"),
        tag("p", f"expected answer: {thread.goal.answer}", css="cx-soft")
        if thread.goal.answer
        else Markup(""),
        tag("ul", *branches, css="cx-tree"),
        _pairs(thread.pairs),
        _comparisons(thread.comparisons, _authors(thread)),
        _annotations(thread.annotations, _authors(thread)),
        _evaluations(thread.evaluations, within, selected),
    ]
    return tag("article", *parts, css="cx-thread")


def _proposal(one: ThreadProposal, within: Mapping[str, str], selected: str | None) -> Markup:
    below = tag("ul", *(_execution(e, within, selected) for e in one.executions), css="cx-tree")
    return tag("li", _result(one, within), below, css=_chosen(one.interaction.id, selected))


def _execution(one: ThreadExecution, within: Mapping[str, str], selected: str | None) -> Markup:
    votes = Markup("".join(_vote(vote, one.interaction.id) for vote in one.votes))
    said = (
        tag("details", tag("summary", _tally(one)), tag("ul", votes, css="cx-votes")) if votes else Markup("")
    )
    return tag("li", _result(one, within), said, css=_chosen(one.interaction.id, selected))


def _result(one: ThreadProposal | ThreadExecution, within: Mapping[str, str]) -> Markup:
    row = one.interaction
    place = (
        f"rank {one.rank}, score {one.score:+.2f} ± {one.stderr:.2f}"
        if one.rank is not None
        else "not ranked"
    )
    what = "proposes" if row.role is Role.PROPOSER else "answers"
    head = tag(
        "div",
        tag("b", link(address({}, **within, id=row.id), row.agent)),
        f" {what} ",
        tag("span", place, css="cx-soft"),
    )
    return tag("div", head, folded(row.error or row.completion, bad=row.error is not None))


def _tally(one: ThreadExecution) -> str:
    readable = [vote for vote in one.votes if vote.vote.verdict is not None]
    won = sum(_won(vote, one.interaction.id) is True for vote in readable)
    lost = sum(_won(vote, one.interaction.id) is False for vote in readable)
    counts = [f"{won} for it", f"{lost} against", f"{len(readable) - won - lost} ties"]
    if len(readable) < len(one.votes):
        counts.append(f"{len(one.votes) - len(readable)} unreadable")
    return f"{len(one.votes)} verdicts: {', '.join(counts)}"


def _won(vote: ThreadVote, result_id: str) -> bool | None:
    """Return whether the result was preferred; None: neither was."""
    if vote.winner is None:
        return None
    winner = vote.vote.first_id if vote.vote.verdict == "first" else vote.vote.second_id
    return winner == result_id


def _vote(one: ThreadVote, result_id: str) -> Markup:
    vote = one.vote
    is_first = vote.first_id == result_id
    other = one.second_author if is_first else one.first_author
    outcome = {True: "prefers it to", False: "prefers, to it, that of", None: "sees a tie with"}[
        _won(one, result_id)
    ]
    said = f" {outcome} {other}" if vote.verdict is not None else f" could not be read: {vote.error}"
    reply = (
        (" · ", link(address({}, cycle=vote.cycle_id, goal=vote.goal_id, id=vote.interaction_id), "reply"))
        if vote.interaction_id
        else ()
    )
    shown = f", shown as {'A' if is_first else 'B'}" if vote.form == "pairwise" else f", {vote.form}"
    return tag(
        "li", tag("b", vote.judge), said, tag("span", shown, css="cx-soft"), *reply, " · ",
        annotate_link(vote.first_id, vote.second_id),
    )  # fmt: skip


def _pairs(pairs: Sequence[PreferencePair]) -> Markup:
    if not pairs:
        return tag("p", "No preference pair came of it.", css="cx-soft")
    return Markup(tag("h4", f"Preference pairs ({len(pairs)})") + "".join(map(_pair, pairs)))


def _pair(pair: PreferencePair) -> Markup:
    facts = f"{str(pair.role).replace('_', ' ')}, from {pair.source}, weight {pair.weight:.2f}, id {pair.id}"
    sides = (
        tag("div", tag("h4", name, css=css), folded(text), css="cx-side")
        for name, text, css in (("chosen", pair.chosen, "cx-good"), ("rejected", pair.rejected, "cx-bad"))
    )
    ways = tag("p", tag("span", facts, css="cx-soft"), " · ", annotate_link(pair.chosen_id, pair.rejected_id))
    return tag("div", ways, tag("div", *sides, css="cx-two"))


def _comparisons(comparisons: Sequence[Comparison], authors: Mapping[str, str]) -> Markup:
    if not comparisons:
        return Markup("")
    rows = (
        tag(
            "li",
            f"{authors.get(c.first_id, c.first_id)} over {authors.get(c.second_id, c.second_id)}: ",
            f"{c.probability:.0%} ({c.n_votes} votes, {c.n_orders} orders) · ",
            annotate_link(c.first_id, c.second_id),
        )
        for c in comparisons[:_N_SHOWN]
    )
    more = f", the surest {_N_SHOWN}" if len(comparisons) > _N_SHOWN else ""
    what = f"How sure the ranking is ({len(comparisons)} comparisons{more})"
    return tag("details", tag("summary", what), tag("ul", *rows, css="cx-votes"))


def _annotations(annotations: Sequence[Annotation], authors: Mapping[str, str]) -> Markup:
    if not annotations:
        return Markup("")
    rows = (
        tag(
            "li",
            tag("b", a.annotator),
            f" {_opinion(a, authors)}" + (f": {a.rationale}" if a.rationale else "") + " · ",
            annotate_link(a.first_id, a.second_id),
        )
        for a in annotations
    )
    return Markup(tag("h4", "What people said") + tag("ul", *rows, css="cx-votes"))


def _opinion(said: Annotation, authors: Mapping[str, str]) -> str:
    """Return what a person said of two results, each named by who wrote it."""
    first, second = (authors.get(id, id[:8]) for id in (said.first_id, said.second_id))
    return {
        "first": f"prefers {first} to {second}",
        "second": f"prefers {second} to {first}",
        "tie": f"sees a tie of {first} and {second}",
        "both_bad": f"finds {first} and {second} both bad",
    }[str(said.verdict)]


def _evaluations(rows: Sequence[Interaction], within: Mapping[str, str], selected: str | None) -> Markup:
    if not rows:
        return Markup("")
    items = (
        tag(
            "li",
            tag("b", link(address({}, **within, id=row.id), row.agent)),
            folded(row.error or row.completion),
            css=_chosen(row.id, selected),
        )
        for row in rows
    )
    return Markup(tag("h4", "Answers as one of the hold-out") + tag("ul", *items, css="cx-tree"))


def _authors(thread: GoalThread) -> Mapping[str, str]:
    rows = [one.interaction for one in (*thread.proposals, *thread.other_executions)]
    rows += [e.interaction for one in thread.proposals for e in one.executions]
    return {row.id: f"{row.agent} ({row.id[:6]})" for row in rows}


def _chosen(result_id: str, selected: str | None) -> str:
    return "cx-selected" if result_id == selected else ""


def annotate_link(first_id: str, second_id: str) -> Markup:
    """Return the link to the page where a person judges these two."""
    return link(f"/?{urlencode({'pair': f'{first_id},{second_id}'}, safe=',')}", "annotate")


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
