"""The sections of the page on the whole cycle: limits, length, calibration, cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from camelx.auditing.limits import REMEDIES, LimitName, LimitResult, State, allowed_in_words, exceeded
from camelx.auditing.pieces import folded, plotted, said, section
from camelx.auditing.plots import Series, calibration_plot, interval_plot, lines_plot
from camelx.auditing.records import CycleFigures, Figure, LengthPreference, Mean, PanelAudit
from camelx.pages import Markup, table, tag

_STATES: dict[State, str] = {"passed": "passed", "failed": "failed", "not measurable": ""}
_SPENT = ("calls", "tokens", "money")


def limits_section(results: Sequence[LimitResult]) -> Markup:
    """Return the limits that are exceeded with their remedies, and the others folded away."""
    if not results:
        return Markup()
    rest = [r for r in results if r.state != "failed"]
    n_passed = sum(r.state == "passed" for r in rest)
    rows = [
        (
            tag("span", r.state, css=f"state {_STATES[r.state]}"),
            r.limit,
            r.subject,
            r.got,
            allowed_in_words(r),
        )
        for r in sorted(rest, key=lambda r: (r.state != "passed", r.limit))
    ]
    return section(
        "Limits",
        "Beyond one of the limits in ranking.limits the cycle stops before anything is trained.",
        (),
        *(_exceeded(name, failed) for name, failed in exceeded(results).items()),
        folded(
            f"Kept: {n_passed}; not measurable: {len(rest) - n_passed}",
            table(("State", "Limit", "Of", "Found", "Allowed"), rows),
        ),
    )


def _exceeded(name: LimitName, failed: Sequence[LimitResult]) -> Markup:
    """Return who is beyond a limit, and what to do."""
    return tag(
        "div",
        tag("p", tag("span", name, css="failed"), f", allowed {allowed_in_words(failed[0])}:"),
        tag("ul", *(tag("li", f"{result.subject} {result.got}") for result in failed)),
        tag("p", f"What to do: {REMEDIES[name]}."),
    )


def length_section(audit: PanelAudit) -> Markup:
    """Return whether the longer text is preferred, by whom, and in what is trained on."""
    length = audit.length
    named: list[tuple[str, LengthPreference]] = [
        *((r.judge, r.length) for r in audit.reviewers),
        ("all votes", length.votes),
        ("people", length.people),
        ("exported pairs", length.exported),
    ]
    series = [
        Series("lengths differ", [p.differing for _, p in named]),
        Series("length-matched", [p.matched for _, p in named]),
    ]
    rows = [(name, said(p.differing), said(p.matched), said(p.difference, "points")) for name, p in named]
    ratio = tag(
        "p",
        "Exported pairs: chosen / rejected length (geometric mean) "
        f"{said(length.ratio, 'number', 'pairs')}; length-matched "
        f"{said(length.matched_ratio, 'number', 'pairs')}.",
    )
    names = [name for name, _ in named]
    return section(
        "Length",
        "How often the longer of two texts was preferred, of the decided cases; lengths in characters. The "
        "baseline are pairs whose lengths differ by less than 10 %, where length can hardly be seen. "
        "Longer may be better: people's labels, where there are any, stand beside it.",
        (
            plotted(series, lambda: interval_plot("The longer text preferred", names, series, neutral=0.5)),
            *_over_cycles(audit, "Mean length of chosen texts", lambda c: c.chosen_chars),
        ),
        table(("Whose preference", "Lengths differ", "Length-matched", "Difference in points"), rows),
        ratio,
    )


def _over_cycles(
    audit: PanelAudit, caption: str, of: Callable[[CycleFigures], dict[str, Mean]]
) -> list[Markup]:
    """Return a plot of means by role over the cycles, where there are at least two."""
    cycles = (*audit.earlier, audit.cycle)
    roles = sorted({role for cycle in cycles for role in of(cycle)})
    if len(cycles) < 2 or not roles:
        return []
    absent = Figure(value=None, reason="no such pairs")
    lines = {
        role: [Figure(value=of(c)[role].mean, n=of(c)[role].n) if role in of(c) else absent for c in cycles]
        for role in roles
    }
    return [lines_plot(caption, [c.cycle_id for c in cycles], lines)]


def calibration_section(audit: PanelAudit) -> Markup:
    """Return how far stated probabilities came true, or why that can't be told."""
    verdict, preferred = audit.calibration.verdict, audit.calibration.preferred
    explained = (
        "Each labelled pair was predicted without the labels of its goal. On the dashed line, what was "
        "stated came true as often as stated; the numbers at the foot are labels. Beside the expected "
        "calibration error stands the one that as many labels show on average when every stated "
        "probability is right."
    )
    curves = (("Likeliest verdict of three", verdict, 0.0), ("Preferred side wins", preferred, 0.5))
    drawn = [calibration_plot(caption, curve, low) for caption, curve, low in curves if curve.bins]
    by_cycle = {"error": [c.calibration_error for c in (*audit.earlier, audit.cycle)]}
    if len(by_cycle["error"]) > 1 and any(f.value is not None for f in by_cycle["error"]):
        steps = [c.cycle_id for c in (*audit.earlier, audit.cycle)]
        drawn.append(lines_plot("Calibration error, by cycle", steps, by_cycle))
    if not verdict.bins:
        return section("Calibration", f"not measurable: {verdict.error.reason}.", drawn)
    errors = [
        (caption, said(curve.error, "error", "labels"), said(curve.by_chance, "error"))
        for caption, curve, _ in curves
    ]
    bins = [
        (caption, f"{b.low:.1f} to {b.high:.1f}", f"{b.stated:.3f}", said(b.met, unit="labels"))
        for caption, curve, _ in curves
        for b in curve.bins
    ]
    return section(
        "Calibration",
        explained,
        drawn,
        table(("Of", "Calibration error", "By chance"), errors),
        folded("Each bin", table(("Of", "Stated", "Mean", "Borne out"), bins)),
    )


def cost_section(audit: PanelAudit) -> Markup:
    """Return what is exported by role, and what the reviews behind it cost."""
    saved = said(audit.costs["saved_calls"], unit="calls")
    roles = [
        (role, f"{chosen.n:,}", f"{chosen.mean:,.0f}", _mean_weight(audit.cycle, role))
        for role, chosen in audit.cycle.chosen_chars.items()
    ]
    return section(
        "Exported pairs and their cost",
        "The weight is 2p - 1 for the probability p that the chosen side wins, of the pairs that rest on "
        "votes. The cost is that of all reviews, a discussion included. Calls saved against asking for all "
        f"scheduled pairs in both orders: {saved}.",
        _over_cycles(audit, "Mean weight of voted pairs", lambda c: c.weights),
        table(("Role", "Pairs", "Chosen characters", "Weight"), roles) if roles else Markup(),
        _spent(audit),
    )


def _spent(audit: PanelAudit) -> Markup:
    """Return the cost in all and per pair; one sentence where one reason keeps all of it from being known."""
    figures = [(name, audit.costs[name], audit.costs[f"{name}_per_pair"]) for name in _SPENT]
    reasons = {figure.reason for _, *both in figures for figure in both}
    if len(reasons) == 1 and None not in reasons:
        return tag("p", f"Calls, tokens, money: {said(figures[0][1])}.")
    rows = [(name.capitalize(), said(spent, "number"), said(per, "number")) for name, spent, per in figures]
    return table(("Spent", "In all", "Per exported pair"), rows)


def _mean_weight(cycle: CycleFigures, role: str) -> str:
    if role not in cycle.weights:
        return "not measurable: no such pair rests on votes"
    return f"{cycle.weights[role].mean:.2f}, n\u00a0{cycle.weights[role].n:,}"
