"""All that led to one preference pair, from what is stored: for ``camelx explain``, and for a page to show.

In: the id of a pair, or its first digits. Out: an `Explanation`: both texts and who wrote them, each vote
behind them with the reviewer's raw reply, what people said, what the ranker made of it, and the adapters
that were trained on it. Nothing is judged anew, and no model and no registry is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from camelx import export, ranking
from camelx.config import settings
from camelx.cycles import open_store
from camelx.errors import ConfigError
from camelx.schemas import (
    Annotation,
    Comparison,
    Cycle,
    CycleStatus,
    Goal,
    Interaction,
    Message,
    PreferencePair,
    Ranking,
    Record,
    ReviewForm,
    Stage,
    Verdict,
    Vote,
)
from camelx.storage import Store

_N_NAMED = 5

Position = Literal["chosen", "rejected"]
Winner = Literal["chosen", "rejected", "tie"]
State = Literal["used", "changed since", "taken back since", "new since"]


class Side(Record):
    """One of the two texts, and where it comes from."""

    interaction_id: str
    text: str
    agent: str
    model: str
    adapter_version: str | None
    seed: int | None
    is_edited: bool
    """Whether a person wrote the text over the agent's."""
    score: float | None
    """Of the ranker; None: it was not ranked."""
    stderr: float | None
    rank: int | None


class ExplainedVote(Record):
    """One reviewer's verdict, and what it was asked and answered."""

    vote_id: str
    judge: str
    weight: float | None
    """Of the judge among all of the cycle's; None: the ranker gave it none."""
    is_counted: bool
    """False: unreadable, on the judge's own work, or replaced by a later round."""
    first_id: str
    """Result that was shown earlier."""
    first_letter: str
    """Its name in the prompt, and so in the reply: A, of several results also B and so on."""
    first_author: str
    first_side: Position | None
    """The side of the pair that it is, or that it carries out; None: of neither."""
    second_id: str
    second_letter: str
    second_author: str
    second_side: Position | None
    verdict: Verdict | None
    """As shown; None: unreadable, see `error`."""
    error: str | None
    favours: Winner | None
    """Which side of the pair that speaks for; None: for neither."""
    form: ReviewForm
    round: int
    model: str | None
    """Of the reviewer; None, as all below: the vote was imported without its reply."""
    adapter_version: str | None
    seed: int | None
    interaction_id: str | None
    prompt: tuple[Message, ...]
    reply: str | None


class ExplainedAnnotation(Record):
    """What one person said."""

    annotation: Annotation
    """As it was when it was used, or is now where it came too late."""
    favours: Winner | Literal["both_bad"] | None
    """Which side of the pair that speaks for; None: it is on other results, and a review was held to it."""
    state: State


class TrainedAdapter(Record):
    """A registered version that the pair went into."""

    label: str
    """"name/version"."""
    cycle_id: str
    is_promoted: bool
    is_direct: bool
    """False: it continues a version that was trained on the pair."""


class Explanation(Record):
    """All that is known of one pair."""

    pair: PreferencePair
    goal: Goal
    chosen: Side
    rejected: Side
    cycle: Cycle
    ranker: str | None
    probability: float | None
    """That chosen beats rejected by the votes, ties half; None: no votes were cast on them."""
    n_orders: int
    is_verified: bool
    """Whether human labels stood behind the reviewers' weights."""
    conflicts: tuple[str, ...]
    votes: tuple[ExplainedVote, ...]
    """By round, judge and order."""
    annotations: tuple[ExplainedAnnotation, ...]
    adapters: tuple[TrainedAdapter, ...]
    pairs_file: str


def explain_pair(pair_id: str, *, cycle_id: str | None = None) -> Explanation:
    """Return what led to a pair.

    Args:
        pair_id: The `id` in pairs.parquet or pairs.jsonl, or its first digits if no other pair has them.
        cycle_id: Look in this cycle alone; None: in all.

    Raises:
        ConfigError: No pair, or more than one, begins with these digits.
        ConfigError: There is no such cycle.
    """
    with open_store() as store:
        return explain_stored_pair(store, pair_id, cycle_id=cycle_id)


def explain_stored_pair(store: Store, pair_id: str, *, cycle_id: str | None = None) -> Explanation:
    """Return what led to a pair, as `explain_pair` does, from a database that is open.

    Raises:
        ConfigError: No pair, or more than one, begins with these digits, or there is no such cycle.
    """
    cycle, pair = _find(store, pair_id, cycle_id)
    return _explained(store, cycle, pair)


def _find(store: Store, pair_id: str, cycle_id: str | None) -> tuple[Cycle, PreferencePair]:
    cycles = store.cycles() if cycle_id is None else [store.cycle(cycle_id)]
    found = [
        (cycle, pair)
        for cycle in cycles
        for pair in export.stored_pairs(settings().cycle_dir(cycle.id))
        if pair_id and pair.id.startswith(pair_id)
    ]
    if len(found) == 1:
        return found[0]
    where = f"cycle {cycle_id}" if cycle_id else f"any of {len(cycles)} cycles"
    if not found:
        raise ConfigError(
            f"no pair of {where} has an id that begins with {pair_id!r}; the field `id` of a cycle's "
            "pairs.jsonl names them, and `camelx export CYCLE` says where that lies"
        )
    named = ", ".join(f"{pair.id} ({cycle.id})" for cycle, pair in found[:_N_NAMED])
    more = f" and {len(found) - _N_NAMED} more" if len(found) > _N_NAMED else ""
    raise ConfigError(
        f"{len(found)} pairs of {where} begin with {pair_id!r}: {named}{more}; give more digits"
    )


def _explained(store: Store, cycle: Cycle, pair: PreferencePair) -> Explanation:
    reports = store.stage_reports(cycle.id)
    ranked = reports[Stage.RANK].details if Stage.RANK in reports else {}
    panel = ranked.get("panel", {})
    sides = _Sides.of(store, cycle, pair)
    scores = {row.interaction_id: row for row in store.rankings(cycle.id)}
    (goal,) = store.goals(ids=[pair.goal_id])
    comparison = _comparison(store, pair)
    return Explanation(
        pair=pair,
        goal=goal,
        chosen=_side(sides.rows[pair.chosen_id], pair.chosen, scores),
        rejected=_side(sides.rows[pair.rejected_id], pair.rejected, scores),
        cycle=cycle,
        ranker=ranked.get("ranker"),
        probability=_probability(comparison, pair),
        n_orders=comparison.n_orders if comparison else 0,
        is_verified=bool(panel.get("verified")),
        conflicts=tuple(panel.get("conflicts", ())),
        votes=_votes(store, cycle, pair, sides, ranked),
        annotations=_annotations(store, cycle, pair, sides),
        adapters=_adapters(store, cycle),
        pairs_file=str(settings().cycle_dir(cycle.id) / "pairs.parquet"),
    )


@dataclass(frozen=True)
class _Sides:
    """The interactions around a pair, and which of its sides they speak for."""

    pair: PreferencePair
    rows: Mapping[str, Interaction]

    @classmethod
    def of(cls, store: Store, cycle: Cycle, pair: PreferencePair) -> _Sides:
        # People's judgements on an earlier cycle's results make pairs too.
        texts = store.interactions_by_id([pair.chosen_id, pair.rejected_id])
        cycle_ids = sorted({cycle.id, *(row.cycle_id for row in texts.values())})
        rows = {row.id: row for i in cycle_ids for row in store.interactions(i, goal_id=pair.goal_id)}
        return cls(pair, rows)

    def side(self, result_id: str) -> Position | None:
        """Return the side of a result, or of the execution of a proposal; None: of neither."""
        row = self.rows.get(result_id)
        for i in (result_id, row.parent_id if row else None):
            if i == self.pair.chosen_id:
                return "chosen"
            if i == self.pair.rejected_id:
                return "rejected"
        return None

    def favoured(self, judgement: Vote | Annotation) -> Winner | None:
        """Return the side that a judgement on two results speaks for; None: it speaks for neither."""
        if not self.compares(judgement.first_id, judgement.second_id):
            return None
        match judgement.verdict:
            case Verdict.FIRST:
                return self.side(judgement.first_id)
            case Verdict.SECOND:
                return self.side(judgement.second_id)
            case Verdict.TIE:
                return "tie"
        return None

    def compares(self, first_id: str, second_id: str) -> bool:
        """Whether a judgement on these two results is one on the pair."""
        return {self.side(first_id), self.side(second_id)} == {"chosen", "rejected"}


def _comparison(store: Store, pair: PreferencePair) -> Comparison | None:
    ids = {pair.chosen_id, pair.rejected_id}
    return next((c for c in store.comparisons(pair.cycle_id) if {c.first_id, c.second_id} == ids), None)


def _probability(comparison: Comparison | None, pair: PreferencePair) -> float | None:
    if comparison is None:
        return None
    p = comparison.probability
    return p if comparison.first_id == pair.chosen_id else 1.0 - p


def _side(row: Interaction, text: str, scores: Mapping[str, Ranking]) -> Side:
    place = scores.get(row.id)
    return Side(
        interaction_id=row.id,
        text=text,
        agent=row.agent,
        model=row.model,
        adapter_version=row.adapter_version,
        seed=row.seed,
        is_edited=text != row.completion,
        score=place.score if place else None,
        stderr=place.stderr if place else None,
        rank=place.rank if place else None,
    )


def _votes(
    store: Store, cycle: Cycle, pair: PreferencePair, sides: _Sides, ranked: Mapping[str, Any]
) -> tuple[ExplainedVote, ...]:
    """Return the votes that the pair rests on, and those on the same two sides that did not count."""
    weights = {row["judge"]: row.get("weight") for row in ranked.get("judges", ())}
    cast = [vote for vote in store.votes(cycle.id, stage=Stage.RANK) if vote.goal_id == pair.goal_id]
    votes = [
        vote
        for vote in sorted(cast, key=lambda v: (v.round, v.judge, v.first_id, v.second_id))
        if vote.id in pair.vote_ids or sides.compares(vote.first_id, vote.second_id)
    ]
    return tuple(_vote(vote, sides, weights.get(vote.judge), _letters(vote, cast)) for vote in votes)


def _letters(vote: Vote, cast: Sequence[Vote]) -> Mapping[str, str]:
    """Return the names under which the vote's turn showed results."""
    if vote.form == "pairwise":
        return {vote.first_id: "A", vote.second_id: "B"}
    shown = ranking.shown_order([v for v in cast if v.interaction_id == vote.interaction_id])
    return {result: chr(ord("A") + place) for place, result in enumerate(shown)}


def _vote(vote: Vote, sides: _Sides, weight: float | None, letters: Mapping[str, str]) -> ExplainedVote:
    turn = sides.rows.get(vote.interaction_id or "")
    return ExplainedVote(
        vote_id=vote.id,
        judge=vote.judge,
        weight=weight,
        is_counted=vote.id in sides.pair.vote_ids,
        first_id=vote.first_id,
        first_letter=letters[vote.first_id],
        first_author=sides.rows[vote.first_id].agent,
        first_side=sides.side(vote.first_id),
        second_id=vote.second_id,
        second_letter=letters[vote.second_id],
        second_author=sides.rows[vote.second_id].agent,
        second_side=sides.side(vote.second_id),
        verdict=vote.verdict,
        error=vote.error,
        favours=sides.favoured(vote),
        form=vote.form,
        round=vote.round,
        model=turn.model if turn else None,
        adapter_version=turn.adapter_version if turn else None,
        seed=turn.seed if turn else None,
        interaction_id=vote.interaction_id,
        prompt=turn.messages if turn else (),
        reply=turn.completion if turn else None,
    )


def _annotations(
    store: Store, cycle: Cycle, pair: PreferencePair, sides: _Sides
) -> tuple[ExplainedAnnotation, ...]:
    """Return what people said of the two sides, as it was used, and what they have said since."""

    def wanted(a: Annotation) -> bool:
        return a.id in pair.annotation_ids or sides.compares(a.first_id, a.second_id)

    used = {a.id: a for a in store.used_annotations(cycle.id, Stage.EXPORT) if wanted(a)}
    now = {a.id: a for a in store.annotations([pair.goal_id]) if wanted(a)}
    said = [*used.values(), *(a for a in now.values() if a.id not in used)]
    return tuple(
        ExplainedAnnotation(
            annotation=a,
            favours="both_bad" if a.verdict == "both_bad" else sides.favoured(a),
            state=_state(a, used, now),
        )
        for a in said
    )


def _state(a: Annotation, used: Mapping[str, Annotation], now: Mapping[str, Annotation]) -> State:
    if a.id not in used:
        return "new since"
    if a.id not in now:
        return "taken back since"
    return "used" if now[a.id] == a else "changed since"


def _adapters(store: Store, cycle: Cycle) -> tuple[TrainedAdapter, ...]:
    """Return the versions that the cycles' reports name: the cycle's own, and all that continue it."""
    found: dict[tuple[str, int], TrainedAdapter] = {}
    for later in store.cycles():
        registered = store.stage_reports(later.id).get(Stage.REGISTER)
        if registered is None or registered.status is not CycleStatus.COMPLETED:
            continue
        name, version = registered.details["name"], registered.details["version"]
        if later.id == cycle.id or (name, later.parent_version) in found:
            found[name, version] = TrainedAdapter(
                label=f"{name}/{version}",
                cycle_id=later.id,
                is_promoted=bool(registered.details["promoted"]),
                is_direct=later.id == cycle.id,
            )
    return tuple(found.values())
