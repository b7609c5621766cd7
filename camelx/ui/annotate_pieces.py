"""What the page Annotate shows, as HTML in which every text is escaped."""

from __future__ import annotations

from camelx.annotation import VERDICT_WORDS, AgentsSaid, Item, Offer, Progress
from camelx.annotation.progress import LEAST_TIMED
from camelx.pages import Markup, table, tag
from camelx.ui.differences import folded, side_by_side

_WORK = {"proposer": "two proposals", "executor": "two executions"}
_SIDE = {"first": "A", "second": "B", "tie": "tie", "unreadable": "no verdict"}


def item_view(offer: Offer) -> Markup:
    """Return the pair that is shown: the goal, what came before, both results."""
    item = offer.item
    badges = [tag("span", _WORK.get(item.role, item.role), css="cx-badge")]
    badges += [tag("span", item.category, css="cx-badge")] if item.category else []
    return tag(
        "article",
        tag("div", *badges, css="cx-badges"),
        tag("h3", "Goal"),
        folded(item.goal),
        _messages(item),
        _proposal(item),
        side_by_side(item.first, item.second),
        css="cx-item",
    )


def _messages(item: Item) -> Markup:
    if not item.messages:
        return Markup("")
    turns = [
        tag("div", tag("b", message.role), tag("div", message.content, css="cx-text"))
        for message in item.messages
    ]
    n = len(turns)
    return tag("details", tag("summary", f"Messages before ({n})"), *turns, css="cx-before")


def _proposal(item: Item) -> Markup:
    if item.proposal is None:
        return Markup("")
    return Markup(tag("h3", "The plan that both carry out") + folded(item.proposal))


def progress_line(progress: Progress) -> Markup:
    """Return how far the person has come, in a line."""
    days = f"{progress.streak_days} day{'' if progress.streak_days == 1 else 's'} in a row"
    left = f"time left is known after {LEAST_TIMED} verdicts"
    if progress.left_s is not None:
        left = f"about {duration(progress.left_s)} left" if progress.n_open else "done"
    parts = [
        f"{progress.n_today:,} judged today",
        f"{progress.n_total:,} in all",
        days,
        f"{progress.n_open:,} open",
        left,
    ]
    return tag("div", *(tag("span", part) for part in parts), css="cx-progress")


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "a minute"
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes / 60:.1f} h"


def said_view(said: AgentsSaid, verdict: str) -> Markup:
    """Return what the agents had said of the pair that was judged last."""
    p = f"{said.probability:.0%}"
    rows = [
        (
            vote.reviewer + (" (after discussion)" if vote.round else ""),
            _SIDE[vote.prefers],
            f"saw {_SIDE[vote.shown_first]} first",
        )
        for vote in said.votes
    ]
    votes = table(("reviewer", "says", "order"), rows) if rows else tag("p", "No reviewer's vote is on it.")
    return tag(
        "section",
        tag("h3", f"The pair before: you said {VERDICT_WORDS.get(verdict, verdict)}"),
        tag("p", f"The ranking gives A a chance of {p} to be the better one."),
        tag("p", f"A is by {said.first_author} ({said.first_model})."),
        tag("p", f"B is by {said.second_author} ({said.second_model})."),
        tag("div", votes, css="cx-blocks"),
        css="cx-said",
    )


def nothing_ranked(reason: str) -> Markup:
    """Return the page where no cycle has anything to judge."""
    return tag(
        "div",
        tag("h3", "Nothing to judge yet"),
        tag("p", reason),
        Markup(
            '<p><a href="/cycles">Start a cycle</a>: its pairs come here once its mutual ranking is done.</p>'
        ),
        css="cx-empty",
    )


def all_judged(progress: Progress, is_filtered: bool) -> Markup:
    """Return the page of somebody who has judged all there is for them."""
    hints = []
    if is_filtered:
        hints.append(tag("p", "Nothing of this role and category is left; choose others above."))
    if progress.n_skipped:
        hints.append(tag("p", f"You skipped {progress.n_skipped:,}: they can be shown again."))
    hints.append(
        Markup(
            '<p>See <a href="/agreement">how far people and reviewers agree</a>, or '
            '<a href="/cycles">start the next cycle</a>, which learns from what you said.</p>'
        )
    )
    title = "All judged" if progress.n_total else "Nothing is open for you here"
    return tag("div", tag("h3", title), *hints, css="cx-empty")


def only_look(name: str) -> Markup:
    """Return the page of somebody who may not judge."""
    return tag(
        "div",
        tag("h3", "You may look, not judge"),
        tag("p", f"{name} has the role viewer; judging takes annotator, which an admin can give."),
        Markup('<p><a href="/cycles">See the cycles</a></p>'),
        css="cx-empty",
    )


def note(text: str) -> Markup:
    """Return a short remark on what was done just now."""
    return tag("div", text, css="cx-note") if text else Markup("")
