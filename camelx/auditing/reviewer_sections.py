"""The sections of the page on each reviewer: position, answers, self preference, agreement, reliability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from camelx.auditing.pieces import folded, plotted, said, section
from camelx.auditing.plots import Series, agreement_plot, interval_plot, lines_plot
from camelx.auditing.records import Agreement, Figure, PanelAudit, ReviewerFigures
from camelx.pages import Markup, table, tag

_MOST_IN_MATRIX = 10
"""Reviewers up to which their matrix is drawn; the table has all."""


def position_section(reviewers: Sequence[ReviewerFigures]) -> Markup:
    """Return how far the place in which a result is shown decides."""
    names = [r.judge for r in reviewers]
    flips = [Series("flip rate", [r.flip_rate for r in reviewers])]
    firsts = [Series("first", [r.first_preference for r in reviewers])]
    rows = [
        (r.judge, f"{r.n_counted:,}", said(r.flip_rate, unit="pairs"), said(r.first_preference, unit="votes"))
        for r in reviewers
    ]
    return section(
        "Position",
        "Flip rate: of the pairs that a reviewer judged in both orders, how often its verdict changed with "
        "the order. Where the second order is asked for only where the first was close, these are the hard "
        "pairs. First-position preference: of its decided votes, how many went to what was shown first; "
        "half is fair.",
        (
            plotted(flips, lambda: interval_plot("Order flip rate", names, flips)),
            plotted(firsts, lambda: interval_plot("First-position preference", names, firsts, neutral=0.5)),
        ),
        table(("Reviewer", "Votes counted", "Flip rate", "First-position preference"), rows),
    )


def answers_section(reviewers: Sequence[ReviewerFigures]) -> Markup:
    """Return how often reviewers tie, can't be read, and say the same."""
    series = [
        Series("ties", [r.ties for r in reviewers]),
        Series("unreadable", [r.unreadable for r in reviewers]),
    ]
    rows = [
        (
            r.judge,
            said(r.ties, unit="votes"),
            said(r.unreadable, unit="votes"),
            f"{r.same_answer.answer or 'none'}: {said(r.same_answer.share, unit='votes')}",
        )
        for r in reviewers
    ]
    names = [r.judge for r in reviewers]
    return section(
        "Answers",
        "Ties among the readable votes, unreadable ones among all, and the answer given most often: a "
        "reviewer that gives one answer whatever it is shown has collapsed.",
        (plotted(series, lambda: interval_plot("Ties and unreadable verdicts", names, series)),),
        table(("Reviewer", "Ties", "Unreadable", "Most frequent answer"), rows),
    )


def self_preference_section(reviewers: Sequence[ReviewerFigures]) -> Markup:
    """Return what reviewers make of their own work, or why that can't be told."""
    found = [r for r in reviewers if r.self_preference.own.value is not None]
    explained = (
        "What a reviewer's own work won in its own votes, beside what it won on the same pairs in the "
        "others' votes; a tie is half. Such votes do not count in the ranking."
    )
    reasons = Counter(
        r.self_preference.own.reason for r in reviewers if r.self_preference.own.reason is not None
    )
    unmeasured = [
        tag("p", f"{n} of {len(reviewers)} reviewers: not measurable: {reason}.")
        for reason, n in sorted(reasons.items())
    ]
    if not found:
        return section("Self preference", explained, (), *unmeasured)
    series = [
        Series("by itself", [r.self_preference.own for r in found]),
        Series("by the others", [r.self_preference.others for r in found]),
    ]
    rows = [
        (
            r.judge,
            said(r.self_preference.own, unit="pairs"),
            said(r.self_preference.others, unit="pairs"),
            said(r.self_preference.difference, "points"),
        )
        for r in found
    ]
    return section(
        "Self preference",
        explained,
        (interval_plot("Share won by own work", [r.judge for r in found], series, neutral=0.5),),
        table(("Reviewer", "By itself", "By the others", "Difference in points"), rows),
        *unmeasured,
    )


def agreement_section(audit: PanelAudit) -> Markup:
    """Return how far reviewers agree beyond chance, and what the ranker made of each."""
    names = [r.judge for r in audit.reviewers]
    found = [a for a in audit.agreement if a.kappa.value is not None]
    matrix = found and len(names) <= _MOST_IN_MATRIX
    with_others = [Series("kappa", [r.agreement for r in audit.reviewers])]
    return section(
        "Agreement",
        "Cohen's kappa: 1 is full agreement, 0 what chance gives, below 0 is opposition. Each reviewer's "
        "verdict on a pair is that of its orders together. High agreement is no proof of quality: reviewers "
        "can be wrong together. The weight, and what follows it, is what the ranker made of the reviewer; a "
        "negative weight means that its votes count turned round.",
        (
            agreement_plot("Kappa of each two reviewers", names, found) if matrix else Markup(),
            plotted(
                with_others,
                lambda: interval_plot(
                    "Kappa with the majority of the others", names, with_others, neutral=0.0, span=(-1.0, 1.0)
                ),
            ),
        ),
        folded("Each two reviewers, with intervals", _agreement_table(found)) if found else Markup(),
        *_unmeasured(audit.agreement),
        _ranker_table(audit.reviewers),
        *_people_table(audit.reviewers),
    )


def _agreement_table(found: Sequence[Agreement]) -> Markup:
    rows = [(f"{a.one} and {a.other}", said(a.kappa, "kappa", "pairs")) for a in found]
    return table(("Reviewers", "Kappa"), rows)


def _unmeasured(agreement: Sequence[Agreement]) -> list[Markup]:
    """Return one sentence per reason why two reviewers can't be compared."""
    if not agreement:
        return [tag("p", "Each two reviewers: not measurable: there are no two reviewers.")]
    reasons = Counter(a.kappa.reason for a in agreement if a.kappa.reason is not None)
    return [
        tag("p", f"{n} of {len(agreement)} pairs of reviewers: not measurable: {reason}.")
        for reason, n in sorted(reasons.items())
    ]


_LEARNED = {
    "swap_kappa": "Kappa of its two orders",
    "first_bias": "Lean to the first",
    "self_bias": "Lean to itself",
}
_PEOPLE = {"n_labels": "Labels", "human_before": "As it is", "human_after": "Calibrated"}
_INTERVALS = ("_low", "_high", "_stderr")


def _ranker_table(reviewers: Sequence[ReviewerFigures]) -> Markup:
    """Return what the ranker learned of each reviewer from the votes."""
    learned = dict.fromkeys(name for r in reviewers for name in r.learned)
    shown = [
        name for name in learned if not name.startswith(tuple(_PEOPLE)) and not name.endswith(_INTERVALS)
    ]
    head = [_LEARNED.get(name, name.replace("_", " ").capitalize()) for name in shown]
    rows = [
        (
            r.judge,
            said(r.agreement, "kappa", "pairs"),
            said(r.weight, "kappa"),
            *(_learned(r, name) for name in shown),
        )
        for r in reviewers
    ]
    return table(("Reviewer", "Kappa with the others", "Weight", *head), rows)


def _people_table(reviewers: Sequence[ReviewerFigures]) -> list[Markup]:
    """Return how often each reviewer says what people say; nothing where the ranker had no labels."""
    if not any("human_before" in r.learned for r in reviewers):
        return []
    rows = [(r.judge, *(_learned(r, name) for name in _PEOPLE)) for r in reviewers]
    return [
        tag("h3", "With people"),
        tag(
            "p",
            "Share of the labels that a reviewer's verdicts meet, a tie half: as they are, and with the sign "
            "that the labels of other goals give them.",
        ),
        table(("Reviewer", *_PEOPLE.values()), rows),
    ]


def _learned(figures: ReviewerFigures, name: str) -> str:
    """Return what the ranker learned, with its interval where it gives one."""
    value, low, high = (figures.learned.get(name + end) for end in ("", "_low", "_high"))
    if value is None:
        return "–"
    is_count = value == int(value) and abs(value) > 1
    return said(Figure(value=value, low=low, high=high), "number" if is_count else "kappa")


def reliability_section(audit: PanelAudit) -> Markup:
    """Return how each reviewer changed from cycle to cycle."""

    def lines(name: str) -> dict[str, list[Figure]]:
        cycles = (*audit.earlier, audit.cycle)
        absent = Figure(value=None, reason="it gave no vote in this cycle")
        judges = list(dict.fromkeys(judge for cycle in reversed(cycles) for judge in cycle.reviewers))
        return {
            judge: [getattr(c.reviewers[judge], name) if judge in c.reviewers else absent for c in cycles]
            for judge in judges
        }

    title = "Reliability over cycles"
    if not audit.earlier:
        return section(title, "not measurable: no earlier cycle left a report.", ())
    steps = [cycle.cycle_id for cycle in (*audit.earlier, audit.cycle)]
    captions = {
        "agreement": "Kappa with the majority of the others",
        "flip_rate": "Order flip rate",
        "weight": "Weight in the ranking",
    }
    found = {name: lines(name) for name in captions}
    drawn = [
        lines_plot(
            f"{captions[name]}, by cycle", steps, by_judge, span=(0, 1) if name == "flip_rate" else None
        )
        for name, by_judge in found.items()
        if any(f.value is not None for figures in by_judge.values() for f in figures)
    ]
    return section(
        title,
        "A reviewer whose agreement falls, or whose flip rate rises, from cycle to cycle is wearing out.",
        drawn,
    )
