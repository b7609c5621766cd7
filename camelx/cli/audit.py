"""`camelx replay` and `camelx explain`: what the judgements of a cycle rest on, without asking a model.

Texts that models and people wrote are shown with `visible` and as `Text`: they can neither steer the terminal
nor pass for a line of this page. Each of theirs stands behind a bar, and on a terminal no line is left to be
wrapped, as its rest would begin where the page's own lines do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camelx.cli.cycle import Json
from camelx.cli.failures import say
from camelx.cli.output import page_console, print_json, visible

if TYPE_CHECKING:
    from camelx.lineage.explaining import ExplainedAnnotation, ExplainedVote, Explanation, Side
    from camelx.lineage.replaying import Replay, Rows

DIFFERENT = 10
"""Exit code of a replay that did not give what is stored."""

_N_SHOWN = 10
_TEXT_CHARS = 4_000
_REPLY_CHARS = 600
_BAR = "  │ "
_INDENT = "      "
_LEAST_PIECE = 8

Line = tuple[str, str]
"""A style of rich, and what to write in it."""


def replay(
    cycle_id: Annotated[str, typer.Argument(metavar="CYCLE")],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Another ranker or threshold, such as ranking.ranker.kind=win_rate, export.min_weight=0.5.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write the pairs to.")] = None,
    as_json: Json = False,
) -> None:
    """Read every stored reply again and recompute rankings and pairs, without a model; only the tokenizer of
    the policy's base must be there. Exit code 10 where what comes out is not what is stored."""
    from camelx.config import parsed_overrides
    from camelx.lineage.replaying import replay_cycle

    found = replay_cycle(cycle_id, overrides=parsed_overrides(set_), out=out)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(_replay_lines(found))
    if not found.faithful if found.overrides else found.differs:
        say(f"the replay of cycle {found.cycle_id} is not what is stored")
        raise typer.Exit(DIFFERENT)


def explain(
    pair_id: Annotated[str, typer.Argument(metavar="PAIR", help="A pair's id, or its first digits.")],
    cycle_id: Annotated[
        str | None, typer.Option("--cycle", metavar="ID", help="Look in this cycle alone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show all that led to one preference pair."""
    from camelx.lineage.explaining import explain_pair

    found = explain_pair(pair_id, cycle_id=cycle_id)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(_explanation_lines(found))


def _print(lines: Iterator[Line]) -> None:
    from rich.text import Text

    console = page_console()
    for style, line in lines:
        shown = visible(line).expandtabs(4)
        for piece in _folded(shown, console.width) if console.is_terminal else [shown]:
            console.print(Text(piece, style=style), soft_wrap=True)


def _folded(line: str, width: int) -> Iterator[str]:
    """Return the line in pieces of so many columns at most, all but the first behind its bar or indented."""
    more = _BAR if line.startswith(_BAR) else _INDENT
    piece, used = "", 0
    for c in line:
        if used + _columns(c) > max(width, _columns(more) + _LEAST_PIECE):
            yield piece
            piece, used = more, _columns(more)
        piece, used = piece + c, used + _columns(c)
    yield piece


def _columns(text: str) -> int:
    """Return the most columns that a terminal shows a text in; marks that take none count too."""
    return sum(2 if unicodedata.east_asian_width(c) in "FWA" else 1 for c in text)


def _replay_lines(r: Replay) -> Iterator[Line]:
    made = " with " + ", ".join(f"{k} = {v}" for k, v in r.overrides.items()) if r.overrides else ""
    yield "bold", f"Replay of cycle {r.cycle_id}{made}"
    yield "", _said_of_replies(r)
    for m in r.replies.misread[:_N_SHOWN]:
        said = m.read or "nothing that can be read"
        yield (
            "red",
            f"  vote {m.vote_id} of {m.judge}: stored {m.stored or 'unreadable'}, its reply says {said}",
        )
        if m.why:
            yield from _quoted(m.why, _REPLY_CHARS, "--json has it whole")
    yield "", _said_of_people(r)
    yield "", _said_of_rows("rankings", r.rankings)
    yield "", _said_of_rows("comparisons", r.comparisons)
    yield from _pair_lines(r)


def _said_of_replies(r: Replay) -> str:
    replies = r.replies
    said = f"{'replies':<13}{replies.n_votes:,} votes read again from {replies.n_turns:,} stored replies: "
    said += f"{len(replies.misread):,} differ" if replies.misread else "all as stored"
    imported = f"; {replies.n_without:,} votes were imported without a reply and taken as they are"
    return said + (imported if replies.n_without else "")


def _said_of_people(r: Replay) -> str:
    people = r.annotations
    said = f"{'people':<13}{people.n_used:,} judgements were used, and are used here as they were"
    if not people.n_used + people.n_new:
        return f"{'people':<13}nobody judged these results"
    if not people.is_known:
        said = f"{'people':<13}{people.n_used:,} judgements are used, for the pairs today's"
        said += ": there is no copy of those they were made with"
    elif not people.is_intact:
        said += "; the copies kept are NOT those that the stages reported"
    changes = (
        (people.n_changed, "changed"),
        (people.n_taken_back, "taken back: only the copies are left"),
        (people.n_new, "new, and not used"),
    )
    since = ", ".join(f"{n:,} {what}" for n, what in changes if n)
    return said + (f"; since then {since}" if since else "")


def _said_of_rows(what: str, rows: Rows) -> str:
    if not rows.n_different:
        return f"{what:<13}{rows.n:,}, all as stored"
    return (
        f"{what:<13}{rows.n:,} against {rows.n_stored:,} stored: {rows.n_different:,} differ, by "
        f"{rows.largest_difference:.3g} at most"
    )


def _pair_lines(r: Replay) -> Iterator[Line]:
    c = r.changes
    yield (
        "",
        f"{'pairs':<13}{r.n_pairs:,}: {len(c.kept):,} kept ({c.n_reweighted:,} with another weight), "
        f"{len(c.gained):,} gained, {len(c.lost):,} lost, {len(c.flipped):,} flipped",
    )
    for file in () if r.overrides else r.files:
        same = "byte for byte the same" if file.identical else "NOT the same"
        gone = "" if file.stored_sha256 else " (the cycle's file is not there)"
        yield "" if file.identical else "yellow", f"  {file.path}: {same}{gone}, sha256 {file.sha256[:16]}"
    if r.out:
        yield "", f"written to {r.out}"
    if not r.overrides:
        same = "identical" if r.identical else "as stored, but the cycle has no pairs to compare with"
        yield "bold", "DIFFERENT" if r.differs else same


def _explanation_lines(e: Explanation) -> Iterator[Line]:
    pair = e.pair
    yield "bold", f"Pair {pair.id} of cycle {pair.cycle_id}, role {pair.role}, by {pair.source}"
    yield "", f"weight {pair.weight:.3f}, margin {pair.margin:.3f}; in {e.pairs_file}"
    yield from _section(f"Goal {e.goal.id} ({e.goal.category}, from {e.goal.source})", e.goal.text)
    for message in pair.prompt:
        yield from _section(f"Prompt, {message.role}", message.content)
    yield from _section(f"Chosen: {_author(e.chosen)}", e.chosen.text)
    yield from _section(f"Rejected: {_author(e.rejected)}", e.rejected.text)
    yield from _heading("What the ranker made of it")
    yield "", _said_by_ranker(e)
    for conflict in e.conflicts:
        yield "yellow", f"conflict: {conflict}"
    yield from _heading(f"Votes ({sum(v.is_counted for v in e.votes)} counted of {len(e.votes)})")
    for vote in e.votes:
        yield from _vote_lines(vote, pair.id)
    yield from _heading(f"People ({len(e.annotations)})")
    for said in e.annotations:
        yield from _annotation_lines(said)
    yield from _heading("Adapters trained on it")
    for adapter in e.adapters:
        how = "trained on the pair" if adapter.is_direct else "continues one that was"
        yield "", f"{adapter.label} of cycle {adapter.cycle_id}: {how}" + ", promoted" * adapter.is_promoted
    if not e.adapters:
        yield "", f"none yet; cycle {e.cycle.id} is {e.cycle.status}"


def _author(side: Side) -> str:
    said = f"{side.agent}, {_model(side.model, side.adapter_version, side.seed)}"
    if side.score is not None:
        said += f"; score {side.score:.3f} ± {side.stderr:.3f}, rank {side.rank}"
    return said + ("; edited by a person" if side.is_edited else "") + f"; interaction {side.interaction_id}"


def _model(model: str | None, adapter: str | None, seed: int | None) -> str:
    return f"model {model}, adapter {adapter or 'none'}, seed {'none' if seed is None else seed}"


def _said_by_ranker(e: Explanation) -> str:
    if e.probability is None:
        return f"nothing: the pair rests on {'people' if e.pair.source == 'human' else 'the verifier'} alone"
    orders = {0: "no order", 1: "one order", 2: "both orders"}[e.n_orders]
    checked = "were calibrated with" if e.is_verified else "were not checked against"
    return (
        f"{e.ranker}: chosen beats rejected with probability {e.probability:.3f}; judged in {orders}; "
        f"the reviewers {checked} human labels"
    )


def _vote_lines(vote: ExplainedVote, pair_id: str) -> Iterator[Line]:
    weight = "none" if vote.weight is None else f"{vote.weight:.3f}"
    shown = ", ".join(
        f"{letter} = {side or author} ({result})"
        for letter, side, author, result in (
            (vote.first_letter, vote.first_side, vote.first_author, vote.first_id),
            (vote.second_letter, vote.second_side, vote.second_author, vote.second_id),
        )
    )
    said = "unreadable" if vote.verdict is None else f"{vote.verdict}"
    said += f", for {vote.favours}" if vote.favours in ("chosen", "rejected") else ""
    counted = "" if vote.is_counted else "; NOT counted"
    yield "bold", f"{vote.judge}: {said}; weight {weight}{counted}"
    yield "", f"  vote {vote.vote_id}, {vote.form}, round {vote.round}; shown {shown}"
    if vote.error:
        yield from _quoted(vote.error, _REPLY_CHARS, "--json has it whole")
    if vote.reply is None:
        yield "dim", "  imported: there is no prompt and no reply"
        return
    yield "", f"  {_model(vote.model, vote.adapter_version, vote.seed)}; interaction {vote.interaction_id}"
    rest = f"camelx explain {pair_id} --json has the prompt and the whole reply"
    yield from _quoted(vote.reply, _REPLY_CHARS, rest)


def _annotation_lines(said: ExplainedAnnotation) -> Iterator[Line]:
    a = said.annotation
    rating = f", rating {a.rating}" if a.rating is not None else ""
    favours = f", for {said.favours}" if said.favours in ("chosen", "rejected") else ""
    when = a.created_at.strftime("%Y-%m-%d %H:%M")
    yield "bold", f"{a.annotator}: {a.verdict}{favours}{rating}; {said.state}"
    yield "", f"  annotation {a.id}, {when} UTC; first = {a.first_id}, second = {a.second_id}"
    if a.rationale:
        yield from _quoted(a.rationale, _REPLY_CHARS, "the database has it whole")


def _section(title: str, text: str) -> Iterator[Line]:
    yield from _heading(title)
    yield from _quoted(text, _TEXT_CHARS, "--json has it whole")


def _heading(title: str) -> Iterator[Line]:
    yield "", ""
    yield "bold cyan", title


def _quoted(text: str, most: int, rest: str) -> Iterator[Line]:
    """Return the lines of a foreign text, cut in the middle, each behind a bar."""
    lines: Sequence[str] = text.split("\n")
    if len(text) > most:
        half = most // 2
        cut = f"[{len(text) - 2 * half:,} of {len(text):,} characters are not shown; {rest}]"
        lines = [*text[:half].split("\n"), cut, *text[-half:].split("\n")]
    for line in lines:
        yield "", f"{_BAR}{line}"
