"""Pairs as a person sees them: blind, sides in random order, identical texts together.

In: comparisons and the results behind them. Out: `Item`s, of which no page can tell who wrote what.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from camelx.schemas import Comparison, Goal, Interaction, Message, Role, stable_id


@dataclass(frozen=True)
class Item:
    """Two results of one goal as a person sees them: texts alone, so that no page can tell who wrote them."""

    goal_id: str
    goal: str
    role: Role
    proposal: str | None
    """What both executions carry out; None where proposals are compared or the workflow has no Proposer."""
    first: str
    """Text shown as A."""
    second: str
    """Text shown as B."""
    pairs: tuple[tuple[str, str], ...]
    """Ids of the results, A's before B's. Several pairs where agents wrote the very same texts to the same
    messages: they are judged once, and the verdict counts for all of them."""
    messages: tuple[Message, ...] = ()
    """What both results answer, the system message included."""
    category: str = ""
    """Of the goal."""


def same_texts(
    comparisons: Sequence[Comparison], results: Mapping[str, Interaction]
) -> list[list[Comparison]]:
    """Return the comparisons that can teach something, those of the same texts together, in their order."""
    groups: dict[tuple[str, str, frozenset[str]], list[Comparison]] = defaultdict(list)
    for c in comparisons:
        first, second = results[c.first_id], results[c.second_id]
        texts = frozenset((first.completion.strip(), second.completion.strip()))
        is_same_prompt = first.prompt_key == second.prompt_key
        if len(texts) == 2 and is_same_prompt and first.is_finished and second.is_finished:
            groups[c.goal_id, first.prompt_key, texts].append(c)
    return list(groups.values())


def twin_pairs(
    group: Sequence[Comparison], results: Mapping[str, Interaction]
) -> tuple[tuple[str, str], ...]:
    """Return the pairs of a group of the same texts, each with the same text first."""
    first = results[group[0].first_id].completion.strip()
    return tuple(
        (c.first_id, c.second_id)
        if results[c.first_id].completion.strip() == first
        else (c.second_id, c.first_id)
        for c in group
    )


def is_swapped(annotator: str, pair: tuple[str, str], repeat: int = 0) -> bool:
    """Return whether the person sees the second of the pair as A: random, and always the same for them.

    A repeat has an order of its own.
    """
    look = (repeat,) if repeat else ()
    return int(stable_id("side", annotator, *pair, *look), 16) % 2 == 1


def make_item(
    role: Role,
    pairs: Sequence[tuple[str, str]],
    annotator: str,
    goal: Goal,
    results: Mapping[str, Interaction],
    proposals: Mapping[str, Interaction],
    *,
    repeat: int = 0,
) -> Item:
    """Return what the person sees of the pairs, which are of the same texts and oriented alike."""
    if is_swapped(annotator, pairs[0], repeat):
        pairs = [(second, first) for first, second in pairs]
    first, second = (results[i] for i in pairs[0])
    proposal = proposals.get(first.parent_id or "")
    return Item(
        goal_id=goal.id,
        goal=goal.text,
        role=role,
        proposal=proposal.completion if proposal else None,
        first=first.completion,
        second=second.completion,
        pairs=tuple(pairs),
        messages=first.messages,
        category=goal.category,
    )
