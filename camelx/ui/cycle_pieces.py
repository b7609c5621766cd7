"""The pieces of the page on cycles, as markup: list, one cycle as it happens, two side by side.

In: summaries, events, comparisons. Out: markup in which all that models and people wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from camelx.cycles.comparing import Comparison, Difference
from camelx.cycles.summary import CycleSummary
from camelx.pages import Markup, escaped, labelled_row, tag
from camelx.schemas import (
    CycleEvent,
    CycleStatus,
    Launch,
    LogLine,
    ProgressMade,
    Stage,
    TrainingStep,
    utc_now,
)
from camelx.ui.charts import line_chart

_MARKS = {
    None: "○",
    CycleStatus.QUEUED: "○",
    CycleStatus.RUNNING: "▶",
    CycleStatus.COMPLETED: "✓",
    CycleStatus.FAILED: "✗",
    CycleStatus.CANCELLED: "■",
}


_WORDS = {
    "n_goals": "goals",
    "n_model_calls": "model calls",
    "peak_rss_mb": "peak memory, MB",
    "seconds": "whole cycle: seconds",
    "low": "interval from",
    "high": "interval to",
    "promoted": "put in use",
}
"""What a comparison calls things, where that is no word for a reader."""


@dataclass(frozen=True)
class Watched:
    """One cycle, and all that the page shows of it."""

    summary: CycleSummary
    launch: Launch | None = None
    progress: Sequence[CycleEvent] = ()
    """The last reports of progress, oldest first."""
    training: Sequence[CycleEvent] = ()
    lines: Sequence[CycleEvent] = ()
    printed: Sequence[str] = ()
    """What its process printed, where it has not begun to log."""
    counts: dict[str, int] = field(default_factory=dict)
    """Interactions and votes so far."""
    links: Sequence[tuple[str, str]] = ()
    """(What, address) of what else there is on it."""

    @property
    def is_cancelled_on_request(self) -> bool:
        """Whether somebody stopped it: then nothing is said of the signal that did."""
        is_asked = self.launch is not None and self.launch.cancel_asked_at is not None
        return is_asked and self.summary.cycle.status is CycleStatus.CANCELLED


def cycle_list(summaries: Sequence[CycleSummary], selected: str | None) -> Markup:
    """Return the list of cycles, newest first, each a link to its own view."""
    if not summaries:
        return tag(
            "div",
            tag("p", tag("b", "No cycle yet.")),
            tag("p", "Start one above: the first needs no model server and no key, and takes minutes."),
            css="cx-empty",
        )
    head = ("cycle", "status", "started", "time", "pairs", "champion → challenger", "put in use")
    rows = Markup("".join(_list_row(head, one, one.cycle.id == selected) for one in summaries))
    top = tag("thead", tag("tr", *(tag("th", name) for name in head)))
    return tag("table", top, tag("tbody", rows), css="cx-table cx-blocks")


def _list_row(head: Sequence[str], summary: CycleSummary, is_selected: bool) -> Markup:
    cycle, facts = summary.cycle, summary.as_json()
    cells = (
        link(f"/cycles?cycle={quote(cycle.id)}", cycle.id),
        badge(cycle.status),
        _moment(cycle.started_at),
        _seconds(seconds_so_far(summary)),
        f"{facts['n_pairs']:,}",
        _scores(summary) or "–",
        "yes" if facts["promoted"] else "no",
    )
    return labelled_row(head, cells, css="cx-selected" if is_selected else "")


def watched_cycle(watched: Watched) -> Markup:
    """Return one cycle as it stands now."""
    cycle = watched.summary.cycle
    parts = [
        tag("h2", Markup(f"Cycle {escaped(cycle.id)} {badge(cycle.status)}")),
        _told(watched),
        _ladder(watched),
        _figures(watched),
        _curves(watched),
        _lines(watched),
        _links(watched.links),
    ]
    return tag("div", *parts, css="cx-cycle")


def _told(watched: Watched) -> Markup:
    """Return what a reader must know first: that it waits, is about to stop, or why it ended."""
    cycle, launch = watched.summary.cycle, watched.launch
    said = []
    if cycle.status is CycleStatus.QUEUED:
        waits_for_worker = launch is not None and launch.pid is None and launch.flow_run_id is not None
        said.append(
            "It waits for a worker."
            if waits_for_worker
            else "Its process starts; that takes up to a minute where it starts a Prefect server, too."
        )
    elif cycle.status is CycleStatus.RUNNING and launch is not None and launch.cancel_asked_at:
        said.append("Somebody asked it to stop; it closes what it does first.")
    if watched.is_cancelled_on_request:
        said.append("It was cancelled on request; what was answered is kept, and it can be gone on with.")
    elif cycle.error:
        said.append(cycle.error)
    who = launch.requested_by if launch else None
    said.append(f"Started {_moment(cycle.started_at)}" + (f" by {who}." if who else "."))
    return tag("div", *(tag("p", text, css="cx-text") for text in said))


def _ladder(watched: Watched) -> Markup:
    """Return the stages with their state, and how far the one is that runs."""
    reports = watched.summary.reports
    items = []
    for stage in Stage:
        report = reports.get(stage)
        status = report.status if report else None
        if status is CycleStatus.RUNNING and watched.summary.cycle.status is not CycleStatus.RUNNING:
            status = watched.summary.cycle.status
        state = "waits" if status is None else str(status)
        runs = status is CycleStatus.RUNNING
        so_far = (utc_now() - report.started_at).total_seconds() if report and runs else 0.0
        seconds = _seconds(report.seconds + so_far) if report else ""
        body = [tag("span", _MARKS[status], css="cx-mark"), tag("span", str(stage)), tag("span", seconds)]
        bar = _bar(stage, watched.progress) if runs else Markup("")
        told = report.error if report and not watched.is_cancelled_on_request else None
        error = tag("div", told, css="cx-text cx-bad") if told else Markup("")
        items.append(
            Markup(f'<li class="cx-stage cx-{state}" title="{escaped(state)}">')
            + tag("div", *body, css="cx-stage-line")
            + bar
            + error
            + "</li>"
        )
    return Markup(f'<ol class="cx-ladder">{"".join(items)}</ol>')


def _bar(stage: Stage, events: Sequence[CycleEvent]) -> Markup:
    made = [
        (e.at, e.payload) for e in events if isinstance(e.payload, ProgressMade) and e.payload.stage is stage
    ]
    if not made or not made[-1][1].total:
        return Markup("")
    newest = made[-1][1]
    share = min(1.0, newest.done / newest.total)
    left = time_left(made)
    said = f"{newest.done:,} of {newest.total:,} {newest.unit}" + (
        f", about {_seconds(left)} left" if left is not None and share < 1 else ""
    )
    bar = f'<div class="cx-bar"><div style="width: {100 * share:.1f}%"></div></div>'
    return Markup(bar + tag("div", said, css="cx-soft"))


def time_left(made: Sequence[tuple[datetime, ProgressMade]]) -> float | None:
    """Return the seconds that what is left takes at the pace of the reports; None: they show none yet."""
    (began, first), (now, last) = made[0], made[-1]
    done, seconds = last.done - first.done, (now - began).total_seconds()
    return seconds * (last.total - last.done) / done if done > 0 and seconds > 0 else None


def _figures(watched: Watched) -> Markup:
    facts = watched.summary.as_json()
    counts = {
        # While they are made; later what is counted holds the reviewers' too.
        "interactions": facts["n_interactions"] or watched.counts.get("interactions", 0),
        "votes": max(watched.counts.get("votes", 0), facts["n_votes"]),
        "pairs": facts["n_pairs"],
    }
    figures = [(f"{n:,}", what) for what, n in counts.items()]
    figures.append((_seconds(seconds_so_far(watched.summary)), "so far" if _is_open(watched) else "in all"))
    if scores := _scores(watched.summary):
        figures.append((scores, "held-out goals solved"))
        difference = watched.summary.heldout or {}
        figures.append(
            (
                f"{100 * difference['difference']:+.1f} points",
                f"interval {100 * difference['low']:+.1f} to {100 * difference['high']:+.1f}",
            )
        )
    if version := facts["mlflow"]["version"]:
        figures.append((f"version {version}", "in use" if facts["promoted"] else "not put in use"))
    tiles = (tag("div", tag("b", figure), tag("span", what), css="cx-tile") for figure, what in figures)
    return tag("div", *tiles, css="cx-tiles")


def seconds_so_far(summary: CycleSummary) -> float:
    """Return the wall time of a cycle, with that of the stage that runs now."""
    if summary.cycle.status is not CycleStatus.RUNNING:
        return summary.seconds
    began = [r.started_at for r in summary.reports.values() if r.status is CycleStatus.RUNNING]
    return summary.seconds + sum((utc_now() - moment).total_seconds() for moment in began)


def _curves(watched: Watched) -> Markup:
    steps = training_steps(watched)
    charts = [
        line_chart(title, [(step, value) for step, values in steps if (value := values.get(key)) is not None])
        for title, key in (("loss", "loss"), ("reward margin", "reward_margin"))
    ]
    drawn = [chart for chart in charts if chart]
    return tag("div", *drawn, css="cx-charts") if drawn else Markup("")


def training_steps(watched: Watched) -> list[tuple[int, dict[str, Any]]]:
    """Return the training's figures by step; where a step came again after a stop, the newer ones."""
    told = (event.payload for event in watched.training)
    steps = {step.step: step.model_dump() for step in told if isinstance(step, TrainingStep)}
    report = watched.summary.reports.get(Stage.TRAIN)
    if not steps and report is not None:
        history = report.details.get("history", [])
        steps = {
            int(entry.get("step", i)): {
                "loss": entry.get("loss"),
                "reward_margin": entry.get("rewards/margins"),
            }
            for i, entry in enumerate(history, 1)
        }
    return sorted(steps.items())


def _lines(watched: Watched) -> Markup:
    said = [
        f"{event.at.astimezone():%H:%M:%S} {event.payload.level:<7} {event.payload.message}"
        for event in watched.lines
        if isinstance(event.payload, LogLine)
    ] or list(watched.printed)
    if not said:
        return Markup("")
    return Markup(tag("h3", "Last log lines") + tag("pre", "\n".join(said), css="cx-log"))


def _links(links: Iterable[tuple[str, str]]) -> Markup:
    shown = [link(address, what) for what, address in links]
    return tag("p", Markup(" · ".join(shown)), css="cx-links") if shown else Markup("")


def comparison(both: Comparison) -> Markup:
    """Return two cycles side by side."""
    a, b = both.a.cycle.id, both.b.cycle.id
    parts = []
    for title, shown in (
        ("Config", [(row.what, _value(row.a), _value(row.b)) for row in both.config]),
        ("Work", list(_compared(both.counts, _value))),
        ("Held-out goals", list(_compared(both.heldout, _solved))),
        ("Cost", list(_compared(both.costs, _value))),
    ):
        parts.append(tag("h3", title))
        parts.append(_table(("", a, b), shown) if shown else tag("p", "The configs are the same."))
    return tag("div", *parts, css="cx-compare")


def _compared(rows: Sequence[Difference], value: Callable[[Any], str]) -> Iterator[tuple[str, str, str]]:
    for row in rows:
        yield _WORDS.get(row.what, row.what.replace("_", " ")), value(row.a), value(row.b)


def _solved(value: Any) -> str:
    """Return a share as one; anything else as it is."""
    return f"{value:.1%}" if isinstance(value, float) else _value(value)


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    top = tag("thead", tag("tr", *(tag("th", name) for name in head)))
    body = tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows))
    return tag("table", top, body, css="cx-table")


def badge(status: CycleStatus) -> Markup:
    """Return a status as a badge."""
    return tag("span", f"{_MARKS[status]} {status}", css=f"cx-badge cx-{status}")


def link(address: str, text: str) -> Markup:
    """Return a link; one to a server elsewhere, or to a report, opens a page of its own."""
    away = ' target="_blank" rel="noopener"' if "://" in address or address.startswith("/api/") else ""
    return Markup(f'<a href="{escaped(address)}"{away}>{escaped(text)}</a>')


def _scores(summary: CycleSummary) -> str | None:
    held = summary.heldout
    return f"{held['champion']:.1%} → {held['challenger']:.1%}" if held else None


def _is_open(watched: Watched) -> bool:
    return watched.summary.cycle.status in (CycleStatus.QUEUED, CycleStatus.RUNNING)


def _moment(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
