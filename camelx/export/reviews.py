"""Preference pairs of reviews: one that the later outcome bears out over one that it does not.

In: a cycle's votes with the reviewers' turns, and what became known of the reviewed results: people's
verdicts, or which of them the goal's answer bears out. Out: pairs of role peer_reviewer, whose sides answer
the same prompt. The idea of crediting each role by what came of its work is MALT's (arXiv 2412.01928).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from camelx.config import ExportConfig
from camelx.errors import DataValidationError
from camelx.export.judgements import Judgement, PairKey, settle
from camelx.export.selection import ExportResult, merge_results
from camelx.export.texts import DroppedError, Fits, check_texts
from camelx.schemas import Annotation, Goal, Interaction, PreferencePair, Role, Verdict, Vote, stable_id

Verify = Callable[[Goal, str], bool]
"""Whether a text answers a goal rightly; asked of goals with an answer only."""


@dataclass(frozen=True)
class _Outcome:
    """What is known of two results now that was not known when they were reviewed."""

    winner: str | None
    """The better result; None: they are equally good."""
    source: Literal["human", "verifier"]
    weight: float
    annotation_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Review:
    """A reviewer's turn, held against what became known of the results that it saw."""

    turn: Interaction
    votes: tuple[Vote, ...]
    outcomes: tuple[_Outcome, ...]
    is_right: bool
    """Whether every vote on a pair whose outcome is known agrees with it."""


def select_review_pairs(
    votes: Iterable[Vote],
    interactions: Mapping[str, Interaction],
    goals: Mapping[str, Goal],
    annotations: Iterable[Annotation],
    settings: ExportConfig,
    *,
    cycle_id: str,
    verify: Verify | None = None,
    fits: Fits | None = None,
) -> ExportResult:
    """Return pairs of role peer_reviewer, and the reasons why other pairs of reviews make none.

    Considered are two reviews with the same prompt of which the outcome bears out one and not the other.
    A tie is the right verdict on results that are equally good, and the wrong one on all others; a review
    that can't be read is never right. Results that are both bad have no outcome. People's verdicts give the
    weight 2s - 1, where the share s of the annotators said so, and go before the verifier's. A goal's quota
    goes to a pair of each prompt before a second one of any, so that both orders are learned alike.

    Reasons: unfinished, control_characters, identical, near_identical, too_long, duplicate, over_quota.

    Args:
        votes: Of the cycle's mutual ranking; those whose turn or results are not there are left alone.
        interactions: Results and reviewers' turns by id.
        goals: By id; those without an answer have no verified outcome.
        annotations: Human judgements; those on other results are left alone.
        settings: Whether reviews are exported, what tells their outcome, and the quota.
        cycle_id: Written into the pairs.
        verify: The goals' verifier; needed where `settings.review_outcome` names it.
        fits: Whether prompt and answer together fit the model's context; None: all do.

    Raises:
        DataValidationError: `settings.review_outcome` names the verifier and there is none.
    """
    if Role.PEER_REVIEWER not in settings.roles:
        return merge_results()
    if settings.review_outcome != "human" and verify is None:
        raise DataValidationError(
            f"export.review_outcome is {settings.review_outcome!r}, which needs a verifier, got none"
        )
    by_people = {} if settings.review_outcome == "verifier" else settle(annotations)
    known = _Known(interactions, goals, by_people, verify if settings.review_outcome != "human" else None)
    made: list[tuple[int, PreferencePair]] = []
    dropped: Counter[str] = Counter()
    for reviews in _by_prompt(votes, interactions, known):
        chosen, rejected = ([r for r in reviews if r.is_right is side] for side in (True, False))
        for place, (right, wrong) in enumerate(product(chosen, rejected)):
            try:
                check_texts(right.turn, wrong.turn, settings, fits)
                made.append((place, _pair(right, wrong, cycle_id)))
            except DroppedError as reason:
                dropped[str(reason)] += 1
    n_considered = len(made) + dropped.total()
    pairs = _within_quota(made, settings.max_pairs_per_goal, dropped)
    return merge_results(ExportResult(pairs, dict(dropped), n_considered, 0, len(pairs)))


@dataclass(frozen=True)
class _Known:
    """What became known of the results."""

    interactions: Mapping[str, Interaction]
    goals: Mapping[str, Goal]
    by_people: Mapping[PairKey, Judgement]
    verify: Verify | None

    def outcome(self, vote: Vote) -> _Outcome | None:
        """Return what is known of the two results that the vote is on: people's word, else the verifier's."""
        return self._by_people(vote) or self._by_verifier(vote)

    def _by_people(self, vote: Vote) -> _Outcome | None:
        said = self.by_people.get((min(vote.first_id, vote.second_id), max(vote.first_id, vote.second_id)))
        if said is None or said.outcome == "both_bad" or said.agreement <= 0.5:
            return None
        return _Outcome(said.winner, "human", 2.0 * said.agreement - 1.0, said.annotation_ids)

    def _by_verifier(self, vote: Vote) -> _Outcome | None:
        goal = self.goals.get(vote.goal_id)
        if self.verify is None or goal is None or goal.answer is None:
            return None
        texts = (self.interactions[i].completion for i in (vote.first_id, vote.second_id))
        is_right = tuple(self.verify(goal, text) for text in texts)
        if not any(is_right):
            return None
        winner = None if all(is_right) else vote.first_id if is_right[0] else vote.second_id
        return _Outcome(winner, "verifier", 1.0)


def _by_prompt(
    votes: Iterable[Vote], interactions: Mapping[str, Interaction], known: _Known
) -> list[list[_Review]]:
    """Return the reviews whose outcome is known, those with the same prompt together."""
    by_turn: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        turn_id = vote.interaction_id
        if turn_id and {turn_id, vote.first_id, vote.second_id} <= interactions.keys():
            by_turn[turn_id].append(vote)
    by_prompt: dict[str, list[_Review]] = defaultdict(list)
    for turn_id in sorted(by_turn):
        turn = interactions[turn_id]
        if review := _review(turn, by_turn[turn_id], known):
            by_prompt[turn.prompt_key].append(review)
    return list(by_prompt.values())


def _review(turn: Interaction, votes: Sequence[Vote], known: _Known) -> _Review | None:
    """Return the turn with what its votes are held against; None: no outcome is known.

    A turn that ranked several results has several votes; where people judged some of its pairs, the verifier
    is not asked about the others.
    """
    found = [(vote, outcome) for vote in votes if (outcome := known.outcome(vote))]
    if any(outcome.source == "human" for _, outcome in found):
        found = [(vote, outcome) for vote, outcome in found if outcome.source == "human"]
    if not found:
        return None
    return _Review(
        turn=turn,
        votes=tuple(vote for vote, _ in found),
        outcomes=tuple(outcome for _, outcome in found),
        is_right=all(_agrees(vote, outcome) for vote, outcome in found),
    )


def _agrees(vote: Vote, outcome: _Outcome) -> bool:
    match vote.verdict:
        case None:
            return False
        case Verdict.FIRST:
            return vote.first_id == outcome.winner
        case Verdict.SECOND:
            return vote.second_id == outcome.winner
        case Verdict.TIE:
            return outcome.winner is None


def _pair(right: _Review, wrong: _Review, cycle_id: str) -> PreferencePair:
    outcomes = (*right.outcomes, *wrong.outcomes)
    return PreferencePair(
        id=stable_id("pair", cycle_id, right.turn.id, wrong.turn.id, right.turn.completion),
        cycle_id=cycle_id,
        goal_id=right.turn.goal_id,
        role=Role.PEER_REVIEWER,
        prompt=right.turn.messages,
        chosen=right.turn.completion,
        rejected=wrong.turn.completion,
        weight=min(outcome.weight for outcome in outcomes),
        margin=0.0,
        source=right.outcomes[0].source,
        chosen_id=right.turn.id,
        rejected_id=wrong.turn.id,
        vote_ids=tuple(sorted(vote.id for vote in (*right.votes, *wrong.votes))),
        annotation_ids=tuple(sorted({i for outcome in outcomes for i in outcome.annotation_ids})),
    )


def _within_quota(
    made: Sequence[tuple[int, PreferencePair]], max_pairs_per_goal: int, dropped: Counter[str]
) -> list[PreferencePair]:
    """Return the surest pairs of each goal, people's first, with no two of the same texts."""
    kept: list[PreferencePair] = []
    seen: set[tuple[str, frozenset[str]]] = set()
    used: Counter[str] = Counter()

    def urgency(item: tuple[int, PreferencePair]) -> tuple[bool, int, float, str]:
        place, pair = item
        return pair.source != "human", place, -pair.weight, pair.id

    for _, pair in sorted(made, key=urgency):
        prompt = stable_id(*(f"{m.role}\x1e{m.content}" for m in pair.prompt))
        texts = (prompt, frozenset((pair.chosen.strip(), pair.rejected.strip())))
        if texts in seen:
            dropped["duplicate"] += 1
        elif used[pair.goal_id] >= max_pairs_per_goal:
            dropped["over_quota"] += 1
        else:
            seen.add(texts)
            used[pair.goal_id] += 1
            kept.append(pair)
    return kept
