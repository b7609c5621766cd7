"""The pieces of the page Agreement, as markup: figures of people and reviewers, one disagreement, an import.

In: an `AgreementReport`, texts. Out: markup in which all that models and people wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from camelx.annotation import VERDICT_WORDS
from camelx.annotation.agreement import (
    AgreementReport,
    Beside,
    Disagreement,
    PersonFigures,
    ReviewerAgreement,
)
from camelx.annotation.exchange import ExchangeFormat
from camelx.annotation.importing import AnnotationImport, RowOutcome
from camelx.auditing.records import Figure
from camelx.pages import Markup, escaped, table, tag

_MOST_ROWS = 200
_MOST_PEOPLE = 12
"""People of whom the matrix shows every two; of more it would be no table to read."""
_FORMATS = {
    ExchangeFormat.JSONL: "JSONL",
    ExchangeFormat.CSV: "CSV for a spreadsheet",
    ExchangeFormat.PARQUET: "parquet",
}


@dataclass(frozen=True)
class Disputed:
    """A disagreement with what it is about."""

    disagreement: Disagreement
    goal: str
    first: str
    second: str
    position: int
    """From 0, of all that are listed."""
    n_listed: int
    cycle_id: str
    """That wrote the two results."""


def nothing_yet() -> Markup:
    """Return what the page shows while nobody has judged anything."""
    return tag(
        "div",
        tag("p", "Nobody has judged a pair yet."),
        tag(
            "p",
            Markup('Verdicts are given on the page <a href="/">Annotate</a>, by '),
            tag("code", "camelx annotate"),
            ", or brought from a file below. What two people judge, or one judges twice, is compared here.",
        ),
        css="cx-empty",
    )


def overview(report: AgreementReport) -> Markup:
    """Return the figures of all people together, as tiles."""
    together = report.together
    tiles = (
        ("judged pairs", tag("b", f"{report.n_items:,}"), f"{report.n_shared:,} of them by two or more"),
        ("say the same", *_tile(together.percent, as_share=True)),
        ("Fleiss' kappa", *_tile(together.fleiss)),
        ("Krippendorff's alpha", *_tile(together.alpha)),
        ("alpha, ordinal (A, tie, B)", *_tile(together.ordinal_alpha)),
        ("alpha of the ratings", *_tile(together.rating_alpha)),
    )
    return tag(
        "div",
        *(
            tag("div", tag("span", name), value, tag("span", note), css="cx-tile")
            for name, value, note in tiles
        ),
        css="cx-tiles",
    )


def people(figures: Sequence[PersonFigures]) -> Markup:
    """Return the table of people."""
    head = (
        "Person", "Judged", "Agrees with others", "Cohen's kappa", "With themselves", "Median time", "Ties",
        "Both bad",
    )  # fmt: skip
    rows = [
        (
            person.name,
            f"{person.n_judged:,}",
            figure(person.percent, as_share=True),
            figure(person.kappa),
            figure(person.self_percent, as_share=True),
            _seconds(person.seconds),
            _share(person.ties),
            _share(person.both_bad),
        )
        for person in figures
    ]
    return tag("div", table(head, rows), css="cx-blocks")


def matrix(beside: Sequence[Beside]) -> Markup:
    """Return how far every two people agree, as a table of Cohen's kappa; nothing for one person."""
    names = sorted({name for b in beside for name in (b.one, b.other)})
    if not beside:
        return Markup("")
    if len(names) > _MOST_PEOPLE:
        return tag(
            "p", f"{len(names)} people are too many to set every two beside each other.", css="cx-soft"
        )
    cells = {(b.one, b.other): _cell(b) for b in beside}
    cells |= {(other, one): cell for (one, other), cell in cells.items()}
    rows = [
        tag(
            "tr", tag("th", one), *(tag("td", cells.get((one, other), Markup("&middot;"))) for other in names)
        )
        for one in names
    ]
    top = tag("tr", tag("th", ""), *(tag("th", name) for name in names))
    return tag("div", tag("table", tag("thead", top), tag("tbody", *rows), css="cx-table"), css="cx-matrix")


def reviewers(figures: Sequence[ReviewerAgreement]) -> Markup:
    """Return the table of reviewer agents beside what people settled."""
    if not figures:
        return tag("p", "No reviewer agent voted on a pair that people judged.", css="cx-soft")
    head = ("Reviewer", "Pairs people judged", "Says what people say", "Cohen's kappa", "Median time", "Ties")
    rows = [
        (
            one.name,
            f"{one.n_judged:,}",
            figure(one.percent, as_share=True),
            figure(one.kappa),
            _seconds(one.seconds),
            _share(one.ties),
        )
        for one in figures
    ]
    return tag("div", table(head, rows), css="cx-blocks")


def disputed(one: Disputed) -> Markup:
    """Return one disagreement: goal, both results side by side, who says what."""
    d = one.disagreement
    said = [
        tag("li", tag("b", name), f": {VERDICT_WORDS.get(label, label)}")
        for name, label in d.verdicts.items()
    ]
    settled = Markup("")
    if d.settled is not None:
        settled = tag("p", f"Settled by {d.settled_by}: {VERDICT_WORDS[d.settled]}", css="cx-good")
    query = urlencode({"cycle": one.cycle_id, "goal": d.goal_id})
    thread = Markup(f'<a href="/interactions?{escaped(query)}">the whole thread</a>')
    return tag(
        "div",
        tag("p", f"{one.position + 1} of {one.n_listed}, most divided first, ", thread, css="cx-soft"),
        tag("div", one.goal, css="cx-text cx-goal"),
        tag("div", _side("A", one.first), _side("B", one.second), css="cx-two"),
        tag("ul", *said),
        settled,
    )


def no_dispute(n_shared: int) -> Markup:
    """Return what stands in the place of disagreements where there are none."""
    if n_shared:
        return tag("p", f"On all {n_shared:,} pairs that several people judged they say the same.")
    return tag(
        "p",
        "No pair has been judged by two people yet; CAMELX_ANNOTATION_OVERLAP_SHARE says how many will be.",
        css="cx-soft",
    )


def export_links(cycle_id: str | None) -> Markup:
    """Return links that download the annotations."""
    of_cycle = {"cycle_id": cycle_id} if cycle_id else {}
    links = (
        Markup(
            f'<a download href="/api/v1/agreement/export?'
            f'{escaped(urlencode({"format": str(format), **of_cycle}))}">{name}</a>'
        )
        for format, name in _FORMATS.items()
    )
    joined = Markup(", ".join(links))
    return tag("p", f"Download the annotations{f' of {cycle_id}' if cycle_id else ''}: ", joined)


def import_preview(done: AnnotationImport) -> Markup:
    """Return what became, or would become, of a file's rows, refused ones first."""
    rows = sorted(done.rows, key=lambda row: row.outcome != "refused")[:_MOST_ROWS]
    counts = ", ".join(f"{n:,} {outcome}" for outcome, n in done.counts.items())
    would = "would be " if done.is_dry_run else ""
    more = f" The first {_MOST_ROWS} rows:" if len(done.rows) > _MOST_ROWS else ""
    lines = [
        (row.place, tag("span", row.outcome, css="cx-bad" if row.outcome == "refused" else ""), _row(row))
        for row in rows
    ]
    return tag(
        "div",
        tag("p", f"{done.file}: of {len(done.rows):,} rows {would}{counts}.", more),
        tag("div", table(("Row", "", "What"), lines), css="cx-blocks") if lines else "",
    )


def _row(row: RowOutcome) -> Markup:
    if row.a_id is None or row.b_id is None:
        return escaped(row.what)
    ids = tag("div", f"A is {row.a_id}, B is {row.b_id}", css="cx-soft")
    return tag("details", tag("summary", row.what), ids)


def figure(one: Figure, *, as_share: bool = False) -> Markup:
    """Return a figure with its interval and how many items it rests on, or why there is none."""
    if one.value is None:
        return tag("span", f"not measurable: {one.reason}", css="cx-soft")
    value, interval = _value(one, as_share), _interval(one, as_share)
    return tag("span", value, " ", tag("span", f"{interval}, n {one.n:,}".lstrip(", "), css="cx-soft"))


def _value(one: Figure, as_share: bool) -> str:
    assert one.value is not None
    return f"{one.value:.0%}" if as_share else f"{one.value:.2f}"


def _interval(one: Figure, as_share: bool) -> str:
    if one.low is None or one.high is None:
        return ""
    low, high = max(-1.0, one.low), min(1.0, one.high)
    return f"{low:.0%} to {high:.0%}" if as_share else f"{low:.2f} to {high:.2f}"


def _tile(one: Figure, *, as_share: bool = False) -> tuple[Markup, str]:
    if one.value is None:
        return tag("b", "not measurable"), str(one.reason)
    return tag("b", _value(one, as_share)), f"{_interval(one, as_share)}, n {one.n:,}".lstrip(", ")


def _cell(beside: Beside) -> Markup:
    if beside.kappa.value is None:
        return tag("span", f"{'none in common' if not beside.kappa.n else 'same label'}", css="cx-soft")
    return tag("span", f"{beside.kappa.value:.2f} ", tag("span", f"n {beside.kappa.n:,}", css="cx-soft"))


def _seconds(one: Figure) -> Markup:
    if one.value is None:
        return tag("span", str(one.reason), css="cx-soft")
    return escaped(f"{one.value:.1f} s")


def _share(one: Figure) -> Markup:
    return escaped("none" if one.value is None else f"{one.value:.0%}")


def _side(name: str, text: str) -> Markup:
    return tag("div", tag("h4", name), tag("div", text, css="cx-text"), css="cx-side")


def listed(names: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return people as choices: what is shown, and their name."""
    return [(f"{name} ({n:,})", name) for name, n in names.items()]
