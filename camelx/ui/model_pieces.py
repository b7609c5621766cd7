"""The pieces of the page on models, as markup: list, one version, its lineage, a pair, answers.

In: records of `camelx.versions` and an explained pair. Out: markup in which all that models and people wrote
is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from camelx.lineage.explaining import Explanation, Side
from camelx.pages import Markup, escaped, labelled_row, tag
from camelx.ui.card_pieces import card
from camelx.ui.charts import line_chart
from camelx.versions import Answer, CurvePoint, Difference, Lineage, PairRow, Version, VersionComparison

PAIRS_A_PAGE = 10
_CURVES = {
    "loss": "Loss",
    "rewards/margins": "Margin of chosen over rejected",
    "rewards/accuracies": "Pairs the right way round",
    "eval_loss": "Loss on pairs held back",
    "grad_norm": "Gradient norm",
}
"""The curves that are shown, in this order."""
_EXCERPT = 160


def model_link(text: str, name: str, version: int, **more: object) -> Markup:
    """Return a link to a version on this page."""
    query = urlencode({"name": name, "version": version, **more})
    return Markup(f'<a href="/models?{escaped(query)}">{escaped(text)}</a>')


def nothing_yet(name: str) -> Markup:
    """Return what the page says where no version was registered."""
    return tag(
        "div",
        tag("p", f"{name} has no version yet."),
        tag("p", Markup('<a href="/cycles">Run a cycle</a>'), ": it ends with a registered version, judged "
            "on goals that it has not seen."),
        css="cx-empty",
    )  # fmt: skip


def unreachable(message: str) -> Markup:
    """Return what the page says where MLflow does not answer."""
    return tag(
        "div",
        tag("p", tag("b", "The model registry can't be reached.")),
        tag("p", message, css="cx-text"),
        tag("p", "Nothing is lost: cycles, pairs and judgements are in the database. Load the page again "
            "when MLflow runs."),
        css="cx-empty",
    )  # fmt: skip


def version_list(versions: Sequence[Version], selected: int | None) -> Markup:
    """Return the table of versions, newest first, each a link to its own view."""
    head = ("Version", "Alias", "Cycle", "Held-out goals", "Gate", "Made")
    rows = [_version_row(one, head, one.version == selected) for one in versions]
    top = tag("thead", tag("tr", *(tag("th", name) for name in head)))
    return tag("table", top, tag("tbody", *rows), css="cx-table cx-blocks")


def _version_row(one: Version, head: Sequence[str], is_selected: bool) -> Markup:
    cells = (
        model_link(str(one.version), one.name, one.version),
        badges(one),
        _cycle_link(one.cycle_id) if one.cycle_id else "",
        heldout_text(one),
        gate_mark(one),
        f"{one.created_at:%Y-%m-%d %H:%M}" if one.created_at else "",
    )
    return labelled_row(head, cells, css="cx-selected" if is_selected else "")


def badges(one: Version) -> Markup:
    """Return the aliases of a version as badges."""
    looks = {"champion": "cx-badge cx-completed", "challenger": "cx-badge cx-running"}
    return Markup(" ".join(tag("span", alias, css=looks.get(alias, "cx-badge")) for alias in one.aliases))


def heldout_text(one: Version) -> str:
    """Return champion, challenger, and the interval of their difference, in percent and points."""
    h = one.heldout
    if h is None:
        return "not evaluated"
    return (
        f"{h.champion:.1%} → {h.challenger:.1%} ({100 * h.difference:+.1f} points, "
        f"{100 * h.low:+.1f} to {100 * h.high:+.1f})"
    )


def gate_mark(one: Version) -> Markup:
    """Return what the gate said, in a word."""
    said = {True: ("passed", "cx-good"), False: ("stopped", "cx-bad"), None: ("not asked", "")}
    return tag("span", said[one.passed_gate][0], css=said[one.passed_gate][1])


def version_view(
    lineage: Lineage, curves: Mapping[str, Sequence[CurvePoint]], card_text: str, offset: int
) -> Markup:
    """Return all that is known of one version."""
    one = lineage.version
    return tag(
        "div",
        tag("h2", one.label, " ", badges(one)),
        _tiles(one),
        tag("p", tag("b", "Gate: "), gate_mark(one), *(f"; {reason}" for reason in one.reasons)),
        _curves(curves),
        _lineage(lineage, offset),
        tag("details", tag("summary", "Model card"), card(card_text or "This version has no card.")),
        tag("details", tag("summary", f"All metrics ({len(one.metrics)})"), _facts(
            [(name, f"{value:.6g}") for name, value in sorted(one.metrics.items())])),
        css="cx-version",
    )  # fmt: skip


def _tiles(one: Version) -> Markup:
    h = one.heldout
    tiles = [("base", one.base), ("cycle", one.cycle_id or "none")]
    if h is not None:
        tiles = [
            ("held-out goals", f"{h.n:,}"),
            ("champion then", f"{h.champion:.1%}"),
            ("this version", f"{h.challenger:.1%}"),
            ("difference, points", f"{100 * h.difference:+.1f}"),
            ("interval", f"{100 * h.low:+.1f} to {100 * h.high:+.1f}"),
        ]
    return tag(
        "div", *(tag("div", tag("b", v), tag("span", k), css="cx-tile") for k, v in tiles), css="cx-tiles"
    )


def _curves(curves: Mapping[str, Sequence[CurvePoint]]) -> Markup:
    charts = [
        line_chart(title, [(point.step, point.value) for point in curves[key]])
        for key, title in _CURVES.items()
        if key in curves
    ]
    if not charts:
        return tag(
            "p",
            "This version has no curves: its training had a single step, or is not logged here.",
            css="cx-soft",
        )
    return tag("div", *charts, css="cx-charts")


def _lineage(lineage: Lineage, offset: int) -> Markup:
    one = lineage.version
    parents = [model_link(label, one.name, int(label.rpartition("/")[2])) for label in lineage.ancestors]
    chain = Markup(" ← ".join([tag("b", one.label), *parents, escaped(f"base {one.base}")]))
    facts: list[tuple[str, str]] = [("continues", chain)]
    if one.cycle_id:
        facts.append(("made by cycle", _cycle_link(one.cycle_id)))
    facts += [
        (
            "put in use",
            ", ".join(f"{at:%Y-%m-%d %H:%M}" for at in lineage.promoted_at) or "never, or rolled back",
        ),
        ("pairs", f"{lineage.n_pairs:,}" + (f"; {lineage.pairs_note}" if lineage.pairs_note else "")),
        *((what, tag("code", value[:16])) for what, value in _hashes(one) if value),
    ]
    return tag("div", tag("h3", "Where it comes from"), _facts(facts), _pairs(lineage, offset))


def _hashes(one: Version) -> list[tuple[str, str | None]]:
    return [
        ("hash of the base", one.base_sha256),
        ("hash of the pairs", one.pairs_sha256),
        ("hash of the adapter", one.adapter_sha256),
        ("trace id", one.trace_id),
    ]


def _facts(facts: Sequence[tuple[str, str]]) -> Markup:
    rows = (tag("tr", tag("td", what), tag("td", said)) for what, said in facts)
    return tag("table", tag("tbody", *rows), css="cx-table cx-facts")


def _pairs(lineage: Lineage, offset: int) -> Markup:
    if not lineage.pairs:
        return Markup("")
    one, last = lineage.version, offset + len(lineage.pairs)
    head = ("Pair", "Role", "Weight", "Chosen", "Rejected", "Rests on")
    rows = [_pair_row(pair, one, head, offset) for pair in lineage.pairs]
    pages = []
    if offset:
        pages.append(model_link("‹ before", one.name, one.version, offset=max(0, offset - PAIRS_A_PAGE)))
    pages.append(escaped(f"{offset + 1:,} to {last:,} of {lineage.n_pairs:,} pairs"))
    if last < lineage.n_pairs:
        pages.append(model_link("more ›", one.name, one.version, offset=last))
    table = tag(
        "table",
        tag("thead", tag("tr", *(tag("th", name) for name in head))),
        tag("tbody", *rows),
        css="cx-table cx-blocks",
    )
    return tag(
        "div",
        tag("h3", "Pairs that it was trained on"),
        table,
        tag("p", Markup(" ".join(pages)), css="cx-soft"),
    )


def _pair_row(pair: PairRow, version: Version, head: Sequence[str], offset: int) -> Markup:
    verified = ("verifier",) if pair.source == "verifier" else ()
    counted = ((pair.n_votes, "vote", "votes"), (pair.n_annotations, "person", "people"))
    rests = ", ".join([*verified, *(f"{n} {one if n == 1 else more}" for n, one, more in counted if n)])
    cells = (
        model_link(pair.id[:8], version.name, version.version, pair=pair.id, offset=offset),
        str(pair.role),
        f"{pair.weight:.2f}",
        _excerpt(pair.chosen),
        _excerpt(pair.rejected),
        rests,
    )
    return labelled_row(head, cells)


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else line[:_EXCERPT] + " ..."


def pair_view(explained: Explanation) -> Markup:
    """Return one pair: both texts, each vote and each annotation that it rests on."""
    pair = explained.pair
    sure = "" if explained.probability is None else f", {explained.probability:.0%} sure by the votes"
    links = Markup(
        f'<a href="/interactions?{escaped(urlencode({"cycle": pair.cycle_id, "goal": pair.goal_id}))}">'
        "the whole thread of this goal</a>"
    )
    votes = [
        f"{vote.judge} (weight {'none' if vote.weight is None else f'{vote.weight:.2f}'}): "
        f"{vote.favours or vote.error or 'neither'}{'' if vote.is_counted else ', not counted'}"
        for vote in explained.votes
    ]
    people = [
        f"{a.annotation.annotator}: {a.favours or 'on other results'} ({a.state})"
        for a in explained.annotations
    ]
    return tag(
        "div",
        tag("h3", f"Pair {pair.id[:8]}"),
        tag("p", f"{pair.role}, weight {pair.weight:.2f}{sure}; ", links, css="cx-soft"),
        tag("p", tag("b", "Goal: "), explained.goal.text, css="cx-text"),
        tag("div", _side("Chosen", explained.chosen), _side("Rejected", explained.rejected), css="cx-charts"),
        tag("h4", f"Votes ({len(votes)})"),
        tag("ul", *(tag("li", said) for said in votes)) if votes else tag("p", "none"),
        tag("h4", f"People ({len(people)})"),
        tag("ul", *(tag("li", said) for said in people)) if people else tag("p", "nobody judged it"),
        css="cx-pair",
    )


def _side(title: str, side: Side) -> Markup:
    edited = ", edited by a person" if side.is_edited else ""
    who = f"{side.agent} on {side.adapter_version or side.model}{edited}"
    return tag(
        "div",
        tag("b", title),
        tag("div", side.text, css="cx-text"),
        tag("div", who, css="cx-soft"),
        css="cx-chart",
    )


def comparison_view(both: VersionComparison) -> Markup:
    """Return two versions side by side."""
    return tag(
        "div",
        tag("h4", "Metrics"),
        _differences(both.metrics, both),
        tag("h4", "Config"),
        _differences(both.config, both)
        if both.config
        else tag("p", both.note or "Their cycles had the same config."),
    )


def _differences(rows: Sequence[Difference], both: VersionComparison) -> Markup:
    head = tag("tr", tag("th", ""), tag("th", both.a.label), tag("th", both.b.label))
    body = (
        tag("tr", tag("td", row.what), tag("td", _shown(row.a)), tag("td", _shown(row.b)),
            css="" if row.a == row.b else "cx-selected")
        for row in rows
    )  # fmt: skip
    return tag("table", tag("thead", head), tag("tbody", *body), css="cx-table")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def answers_view(answers: Sequence[Answer]) -> Markup:
    """Return answers side by side."""
    return tag("div", *map(_answer, answers), css="cx-charts")


def _answer(answer: Answer) -> Markup:
    named = "" if (answer.plan or "").lower().startswith("plan") else tag("b", "Plan: ")
    plan = [tag("div", named, answer.plan, css="cx-text")] if answer.plan is not None else []
    cost = f"{answer.completion_tokens:,} tokens in {answer.seconds:.1f} s"
    return tag(
        "div",
        tag("b", answer.label),
        *plan,
        tag("div", answer.text or "(nothing)", css="cx-text"),
        tag("div", cost + (", cut at its token limit" if answer.is_cut else ""), css="cx-soft"),
        css="cx-chart",
    )


def _cycle_link(cycle_id: str) -> Markup:
    return Markup(f'<a href="/cycles?cycle={escaped(quote(cycle_id))}">{escaped(cycle_id)}</a>')
