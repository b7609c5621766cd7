"""A goal's thread on the page Interactions, as markup: proposals, executions, verdicts, pairs.

In: a `GoalThread`. Out: markup in which all that models and people wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from camelx.annotation.candidates import can_be_judged
from camelx.lineage.goal_thread import GoalThread, ThreadExecution, ThreadProposal, ThreadVote
from camelx.pages import Markup, tag
from camelx.schemas import Annotation, Comparison, Interaction, PreferencePair, Role
from camelx.ui.interaction_pieces import address, folded, link

_N_SHOWN = 12
"""Comparisons of a goal that are listed."""


@dataclass(frozen=True)
class _Shown:
    """A thread on the page."""

    thread: GoalThread
    selected: str | None
    """The interaction that is open."""
    results: Mapping[str, Interaction]
    """Proposals and executions by id."""

    @property
    def within(self) -> dict[str, str]:
        """What the address of anything in the thread says."""
        return {"cycle": self.thread.cycle_id, "goal": self.thread.goal.id}

    def author(self, result_id: str) -> str:
        """Return how a result is called."""
        row = self.results.get(result_id)
        return f"{row.agent} ({result_id[:6]})" if row else result_id[:8]

    def judging(self, first_id: str, second_id: str) -> tuple[str, ...]:
        """Return the link to the page where a person judges these two; nothing where nobody can."""
        first, second = self.results.get(first_id), self.results.get(second_id)
        if first is None or second is None or not can_be_judged(first, second):
            return ()
        query = urlencode({"pair": f"{first_id},{second_id}"}, safe=",")
        return (" · ", link(f"/?{query}", "annotate"))


def thread_tree(thread: GoalThread, selected: str | None) -> Markup:
    """Return what a cycle did with a goal: proposals, executions, verdicts, pairs."""
    shown = _Shown(thread, selected, _results(thread))
    branches = [_proposal(one, shown) for one in thread.proposals]
    branches += [_execution(one, shown) for one in thread.other_executions]
    parts = [
        tag("h3", f"What {thread.cycle_id} did with the goal"),
        tag("div", thread.goal.text, css="cx-text cx-goal"),
        tag("p", f"expected answer: {thread.goal.answer}", css="cx-soft")
        if thread.goal.answer
        else Markup(""),
        tag("ul", *branches, css="cx-tree"),
        _pairs(thread.pairs, shown),
        _comparisons(thread.comparisons, shown),
        _annotations(thread.annotations, shown),
        _evaluations(thread.evaluations, shown),
    ]
    return tag("article", *parts, css="cx-thread")


def _results(thread: GoalThread) -> dict[str, Interaction]:
    found = [one.interaction for one in (*thread.proposals, *thread.other_executions)]
    found += [e.interaction for one in thread.proposals for e in one.executions]
    return {row.id: row for row in found}


def _proposal(one: ThreadProposal, shown: _Shown) -> Markup:
    below = tag("ul", *(_execution(e, shown) for e in one.executions), css="cx-tree")
    return tag("li", _result(one, shown), below, css=_chosen(one.interaction.id, shown))


def _execution(one: ThreadExecution, shown: _Shown) -> Markup:
    votes = Markup("".join(_vote(vote, one.interaction.id, shown) for vote in one.votes))
    said = (
        tag("details", tag("summary", _tally(one)), tag("ul", votes, css="cx-votes")) if votes else Markup("")
    )
    return tag("li", _result(one, shown), said, css=_chosen(one.interaction.id, shown))


def _result(one: ThreadProposal | ThreadExecution, shown: _Shown) -> Markup:
    row = one.interaction
    place = (
        f"rank {one.rank}, score {one.score:+.2f} ± {one.stderr:.2f}"
        if one.rank is not None
        else "not ranked"
    )
    what = "proposes" if row.role is Role.PROPOSER else "answers"
    head = tag(
        "div",
        tag("b", link(address({}, **shown.within, id=row.id), row.agent)),
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


def _vote(one: ThreadVote, result_id: str, shown: _Shown) -> Markup:
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
    place = f", shown as {'A' if is_first else 'B'}" if vote.form == "pairwise" else f", {vote.form}"
    judging = shown.judging(vote.first_id, vote.second_id)
    return tag("li", tag("b", vote.judge), said, tag("span", place, css="cx-soft"), *reply, *judging)


def _pairs(pairs: Sequence[PreferencePair], shown: _Shown) -> Markup:
    if not pairs:
        return tag("p", "No preference pair came of it.", css="cx-soft")
    return Markup(tag("h4", f"Preference pairs ({len(pairs)})") + "".join(_pair(p, shown) for p in pairs))


def _pair(pair: PreferencePair, shown: _Shown) -> Markup:
    facts = f"{str(pair.role).replace('_', ' ')}, from {pair.source}, weight {pair.weight:.2f}, id {pair.id}"
    sides = (
        tag("div", tag("h4", name, css=css), folded(text), css="cx-side")
        for name, text, css in (("chosen", pair.chosen, "cx-good"), ("rejected", pair.rejected, "cx-bad"))
    )
    ways = tag("p", tag("span", facts, css="cx-soft"), *shown.judging(pair.chosen_id, pair.rejected_id))
    return tag("div", ways, tag("div", *sides, css="cx-two"))


def _comparisons(comparisons: Sequence[Comparison], shown: _Shown) -> Markup:
    if not comparisons:
        return Markup("")
    rows = (
        tag(
            "li",
            f"{shown.author(c.first_id)} over {shown.author(c.second_id)}: ",
            f"{c.probability:.0%} ({c.n_votes} votes, {c.n_orders} orders)",
            *shown.judging(c.first_id, c.second_id),
        )
        for c in comparisons[:_N_SHOWN]
    )
    more = f", the surest {_N_SHOWN}" if len(comparisons) > _N_SHOWN else ""
    what = f"How sure the ranking is ({len(comparisons)} comparisons{more})"
    return tag("details", tag("summary", what), tag("ul", *rows, css="cx-votes"))


def _annotations(annotations: Sequence[Annotation], shown: _Shown) -> Markup:
    if not annotations:
        return Markup("")
    rows = (
        tag(
            "li",
            tag("b", a.annotator),
            f" {_opinion(a, shown)}" + (f": {a.rationale}" if a.rationale else ""),
            *shown.judging(a.first_id, a.second_id),
        )
        for a in annotations
    )
    return Markup(tag("h4", "What people said") + tag("ul", *rows, css="cx-votes"))


def _opinion(said: Annotation, shown: _Shown) -> str:
    """Return what a person said of two results, each named by who wrote it."""
    first, second = shown.author(said.first_id), shown.author(said.second_id)
    return {
        "first": f"prefers {first} to {second}",
        "second": f"prefers {second} to {first}",
        "tie": f"sees a tie of {first} and {second}",
        "both_bad": f"finds {first} and {second} both bad",
    }[str(said.verdict)]


def _evaluations(rows: Sequence[Interaction], shown: _Shown) -> Markup:
    if not rows:
        return Markup("")
    items = (
        tag(
            "li",
            tag("b", link(address({}, **shown.within, id=row.id), row.agent)),
            folded(row.error or row.completion),
            css=_chosen(row.id, shown),
        )
        for row in rows
    )
    return Markup(tag("h4", "Answers as one of the hold-out") + tag("ul", *items, css="cx-tree"))


def _chosen(result_id: str, shown: _Shown) -> str:
    return "cx-selected" if result_id == shown.selected else ""
