"""Which comparisons become preference pairs, and why the others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from camelx.config import ExportConfig
from camelx.errors import DataValidationError
from camelx.export.judgements import Judgement, PairKey, settle
from camelx.export.texts import DroppedError, Fits, check_texts
from camelx.schemas import Annotation, Comparison, Interaction, PreferencePair, Ranking, Role, stable_id


@dataclass(frozen=True)
class ExportResult:
    """Pairs, and what became of everything that was considered.

    `n_comparisons + n_human_only == n_kept + sum(dropped.values())`. A comparison that is kept makes one
    pair, or two where people found both sides bad and wrote a better answer.
    """

    pairs: list[PreferencePair]
    """Sorted by goal, role, then the surest first."""
    dropped: dict[str, int]
    """Comparisons and annotated pairs that made no pair, by reason."""
    n_comparisons: int
    n_human_only: int
    """Annotated pairs of results that no comparison covers."""
    n_kept: int


def merge_results(*results: ExportResult) -> ExportResult:
    """Return the pairs of all in one order, with their reasons and counts summed."""
    dropped: Counter[str] = Counter()
    for result in results:
        dropped.update(result.dropped)
    return ExportResult(
        pairs=sorted((pair for result in results for pair in result.pairs), key=_place),
        dropped=dict(sorted(dropped.items())),
        n_comparisons=sum(result.n_comparisons for result in results),
        n_human_only=sum(result.n_human_only for result in results),
        n_kept=sum(result.n_kept for result in results),
    )


@dataclass(frozen=True)
class _Candidate:
    """One pair of results under consideration, with all that is known of it."""

    cycle_id: str
    goal_id: str
    role: Role
    key: PairKey
    comparison: Comparison | None
    judgement: Judgement | None


@dataclass
class _Sources:
    """What pairs are made from."""

    interactions: Mapping[str, Interaction]
    scores: Mapping[str, float]
    settings: ExportConfig
    ranker: str
    fits: Fits | None
    pairs: list[tuple[_Candidate, list[PreferencePair]]] = field(default_factory=list)


def select_pairs(
    comparisons: Iterable[Comparison],
    rankings: Iterable[Ranking],
    interactions: Mapping[str, Interaction],
    annotations: Iterable[Annotation],
    settings: ExportConfig,
    *,
    ranker: str,
    cycle_id: str,
    fits: Fits | None = None,
) -> ExportResult:
    """Return the preference pairs, each with its weight and provenance, and the reasons of the others.

    A human judgement on a pair overrides the votes on it: weight 1, source "human", never over quota. An
    edited text becomes the chosen side against the rejected one, or against both where neither won.

    Reasons: role_not_exported, one_order (votes in one order only, where `require_both_orders`), tie (weight
    below `min_weight`), contradiction (the votes on the pair and the ranking of the goal disagree),
    different_prompt, unfinished, control_characters, identical, near_identical (by words), too_long,
    duplicate (the same texts are kept already), over_quota, human_tie, both_bad.

    Args:
        comparisons: Of one cycle.
        rankings: Scores, for the margins.
        interactions: Everything compared or annotated, by id.
        annotations: Human judgements; those on results that are not in `interactions` are left alone.
        settings: Thresholds and quota.
        ranker: Kind of the ranker, for provenance.
        cycle_id: Written into the pairs.
        fits: Whether prompt and answer together fit the model's context; None: all do.

    Raises:
        DataValidationError: A comparison names an interaction that is not there.
    """
    scores = {r.interaction_id: r.score for r in rankings}
    sources = _Sources(interactions, scores, settings, ranker, fits)
    candidates = _candidates(list(comparisons), settle(annotations), interactions, cycle_id)
    dropped: Counter[str] = Counter()
    for candidate in candidates:
        try:
            sources.pairs.append((candidate, _pairs_of(candidate, sources)))
        except DroppedError as reason:
            dropped[str(reason)] += 1
    kept = _within_quota(sources.pairs, settings, interactions, dropped)
    pairs = [pair for _, made in kept for pair in made]
    return ExportResult(
        pairs=sorted(pairs, key=_place),
        dropped=dict(sorted(dropped.items())),
        n_comparisons=sum(c.comparison is not None for c in candidates),
        n_human_only=sum(c.comparison is None for c in candidates),
        n_kept=len(kept),
    )


def _candidates(
    comparisons: Sequence[Comparison],
    judgements: Mapping[PairKey, Judgement],
    interactions: Mapping[str, Interaction],
    cycle_id: str,
) -> list[_Candidate]:
    """Return every compared or annotated pair once."""
    by_key = {(c.first_id, c.second_id): c for c in comparisons}
    if missing := {i for key in by_key for i in key} - interactions.keys():
        raise DataValidationError(
            f"comparisons of cycle {cycle_id} name {len(missing)} interactions that are not stored, such as "
            f"{min(missing)}; run the cycle again from mutual-rank"
        )
    compared = [
        _Candidate(cycle_id, c.goal_id, c.role, key, c, judgements.get(key)) for key, c in by_key.items()
    ]
    human_only = [
        _Candidate(cycle_id, j.goal_id, interactions[key[0]].role, key, None, j)
        for key, j in judgements.items()
        if key not in by_key and key[0] in interactions and key[1] in interactions
    ]
    return [*compared, *human_only]


def _pairs_of(c: _Candidate, sources: _Sources) -> list[PreferencePair]:
    """Return the pairs that the candidate makes, or raise the reason why there are none."""
    if c.role not in sources.settings.roles:
        raise DroppedError("role_not_exported")
    if c.judgement is None:
        return [_voted_pair(c, sources)]
    return _human_pairs(c, c.judgement, sources)


def _voted_pair(c: _Candidate, sources: _Sources) -> PreferencePair:
    comparison = c.comparison
    assert comparison is not None
    weight = abs(2.0 * comparison.probability - 1.0)
    if sources.settings.require_both_orders and comparison.n_orders < 2:
        raise DroppedError("one_order")
    if weight < sources.settings.min_weight or weight == 0.0:
        raise DroppedError("tie")
    chosen, rejected = c.key if comparison.probability > 0.5 else c.key[::-1]
    if sources.scores.get(chosen, 0.0) < sources.scores.get(rejected, 0.0):
        raise DroppedError("contradiction")
    return _pair(c, sources, chosen, rejected, None, weight)


def _human_pairs(c: _Candidate, judgement: Judgement, sources: _Sources) -> list[PreferencePair]:
    first, second = c.key
    edited = judgement.edited_text
    if judgement.winner is not None:
        loser = second if judgement.winner == first else first
        return [_pair(c, sources, judgement.winner, loser, edited, 1.0)]
    if edited is None:
        raise DroppedError(judgement.outcome)
    return [_pair(c, sources, second, first, edited, 1.0), _pair(c, sources, first, second, edited, 1.0)]


def _pair(
    c: _Candidate, sources: _Sources, chosen_id: str, rejected_id: str, edited: str | None, weight: float
) -> PreferencePair:
    """Return the pair after checking its texts."""
    winner, loser = sources.interactions[chosen_id], sources.interactions[rejected_id]
    chosen = winner.completion if edited is None else edited
    check_texts(winner, loser, sources.settings, sources.fits, edited=edited)
    return PreferencePair(
        id=stable_id("pair", c.cycle_id, chosen_id, rejected_id, chosen),
        cycle_id=c.cycle_id,
        goal_id=c.goal_id,
        role=c.role,
        prompt=loser.messages,
        chosen=chosen,
        rejected=loser.completion,
        weight=weight,
        margin=sources.scores.get(chosen_id, 0.0) - sources.scores.get(rejected_id, 0.0)
        if c.comparison and edited is None
        else 0.0,
        source="human" if c.judgement else "votes",
        chosen_id=chosen_id,
        rejected_id=rejected_id,
        vote_ids=c.comparison.vote_ids if c.comparison else (),
        annotation_ids=c.judgement.annotation_ids if c.judgement else (),
        ranker=sources.ranker if c.comparison else None,
    )


def _within_quota(
    made: Sequence[tuple[_Candidate, list[PreferencePair]]],
    settings: ExportConfig,
    interactions: Mapping[str, Interaction],
    dropped: Counter[str],
) -> list[tuple[_Candidate, list[PreferencePair]]]:
    """Return people's pairs and the surest others, with no two of the same texts."""
    seen: set[tuple[str, frozenset[str]]] = set()
    used: Counter[tuple[str, Role]] = Counter()
    kept: list[tuple[_Candidate, list[PreferencePair]]] = []
    for candidate, pairs in sorted(made, key=lambda item: _urgency(item[1][0])):
        prompt = interactions[pairs[0].rejected_id].prompt_key
        new = {(prompt, frozenset((p.chosen.strip(), p.rejected.strip()))) for p in pairs}
        place = (candidate.goal_id, candidate.role)
        if new & seen:
            dropped["duplicate"] += 1
        elif candidate.judgement is None and used[place] >= settings.max_pairs_per_goal:
            dropped["over_quota"] += 1
        else:
            seen |= new
            used[place] += len(pairs)
            kept.append((candidate, pairs))
    return kept


def _urgency(pair: PreferencePair) -> tuple[bool, float, float, str]:
    return pair.source == "votes", -pair.weight, -pair.margin, pair.id


def _place(pair: PreferencePair) -> tuple[str, Role, float, float, str]:
    return pair.goal_id, pair.role, -pair.weight, -pair.margin, pair.id
