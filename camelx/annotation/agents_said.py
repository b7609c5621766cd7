"""What the agents had said of a pair: shown after the verdict, never before.

In: a pair that was judged. Out: `AgentsSaid`: who wrote what, how the ranking puts it, every reviewer's vote.
"""

from __future__ import annotations

from collections.abc import Mapping

from camelx.annotation.candidates import outcomes_of
from camelx.errors import NotFoundError
from camelx.schemas import Comparison, Interaction, Record, Role, Vote
from camelx.storage import Store


class ReviewerVote(Record):
    """One vote, seen from the pair as the person saw it."""

    reviewer: str
    prefers: str
    """"first", "second", "tie" or "unreadable"."""
    shown_first: str
    """Which of the two the reviewer saw first: "first" or "second"."""
    round: int
    """1: after a discussion."""


class AgentsSaid(Record):
    """What the agents had said of two results."""

    first_id: str
    second_id: str
    first_author: str
    second_author: str
    first_model: str
    """Model and adapter that wrote it."""
    second_model: str
    probability: float
    """Probability that the first is better, as the ranking has it."""
    votes: tuple[ReviewerVote, ...]
    """By reviewer. For proposals these are votes on their executions."""


def agents_said(store: Store, first_id: str, second_id: str) -> AgentsSaid:
    """Return what the agents had said of the pair.

    Raises:
        NotFoundError: There are no such results, or no ranking compared them.
    """
    rows = store.interactions_by_id((first_id, second_id))
    compared = None
    if len(rows) == 2:
        compared = store.comparison(rows[first_id].cycle_id, (first_id, second_id))
    if compared is None:
        raise NotFoundError(f"no ranking compares {first_id} with {second_id}")
    first, second = rows[first_id], rows[second_id]
    p = compared.probability if compared.first_id == first_id else 1 - compared.probability
    return AgentsSaid(
        first_id=first_id,
        second_id=second_id,
        first_author=first.agent,
        second_author=second.agent,
        first_model=_model(first),
        second_model=_model(second),
        probability=p,
        votes=_votes(store, compared, first_id),
    )


def _votes(store: Store, compared: Comparison, first_id: str) -> tuple[ReviewerVote, ...]:
    votes = store.votes_by_id(compared.vote_ids)
    shown = store.interactions_by_id(i for vote in votes for i in (vote.first_id, vote.second_id))
    parents = {i: row.parent_id for i, row in shown.items()}
    is_same_way = compared.first_id == first_id
    found = [_vote(vote, compared, parents, is_same_way) for vote in votes]
    return tuple(sorted(found, key=lambda vote: (vote.reviewer, vote.shown_first, vote.round)))


def _vote(
    vote: Vote, compared: Comparison, parents: Mapping[str, str | None], is_same_way: bool
) -> ReviewerVote:
    only = compared.model_copy(update={"vote_ids": (vote.id,)})
    outcome = next(iter(outcomes_of(only, {vote.id: vote}, parents)), None)
    shown = parents.get(vote.first_id) if compared.role is Role.PROPOSER else vote.first_id
    names = ("first", "second") if is_same_way else ("second", "first")
    prefers = {1.0: names[0], -1.0: names[1], 0.0: "tie", None: "unreadable"}[outcome]
    return ReviewerVote(
        reviewer=vote.judge,
        prefers=prefers,
        shown_first=names[0] if shown == compared.first_id else names[1],
        round=vote.round,
    )


def _model(row: Interaction) -> str:
    return f"{row.model} with {row.adapter_version}" if row.adapter_version else row.model
