"""Which pairs a person judges next, and how a verdict is kept.

In: a cycle's comparisons, the results behind them, the person's earlier annotations. Out: `Item`s, blind and
most telling first; annotations in the database, from where the export takes them over the agents' votes.
Knows no terminal and no browser: called by `camelx annotate`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from camelx.errors import OrchestrationError
from camelx.schemas import (
    Annotation,
    Comparison,
    Cycle,
    CycleStatus,
    Interaction,
    Role,
    Stage,
    Verdict,
    stable_id,
    utc_now,
)
from camelx.storage import Store

HumanVerdict = Verdict | Literal["both_bad"]


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


def ranked_cycle(store: Store, cycle_id: str | None = None) -> Cycle:
    """Return the cycle to judge: the one named, else the latest one that has comparisons.

    Raises:
        OrchestrationError: It has no comparisons, or no cycle has any.
        ConfigError: There is no such cycle.
    """
    for cycle in [store.cycle(cycle_id)] if cycle_id else reversed(store.cycles()):
        if store.comparisons(cycle.id):
            return cycle
    if cycle_id:
        ranked = store.stage_reports(cycle_id).get(Stage.RANK)
        if ranked is not None and ranked.status is CycleStatus.COMPLETED:
            raise OrchestrationError(
                f"cycle {cycle_id} has no comparisons to judge: no goal of it has two results that reviewers "
                "could compare"
            )
        raise OrchestrationError(
            f"cycle {cycle_id} has no comparisons to judge: its mutual ranking did not complete; "
            f"run `camelx cycle --cycle {cycle_id}` first"
        )
    raise OrchestrationError("no cycle has comparisons to judge yet; run `camelx cycle` first")


def next_items(store: Store, cycle_id: str, annotator: str) -> list[Item]:
    """Return what the annotator has not judged yet, where the agents are least sure first.

    Pairs that no verdict makes a preference pair of are left out: the same text twice, answers to different
    messages, unfinished answers. The order of the sides is random, but the same for the same annotator and
    pair.
    """
    comparisons = sorted(
        store.comparisons(cycle_id), key=lambda c: (abs(c.probability - 0.5), c.first_id, c.second_id)
    )
    results = store.interactions_by_id({i for c in comparisons for i in (c.first_id, c.second_id)})
    goal_ids = {c.goal_id for c in comparisons}
    mine = [a for a in store.annotations(goal_ids) if a.annotator == annotator]
    judged = {frozenset((a.first_id, a.second_id)) for a in mine}
    open_groups = [
        group
        for group in _same_texts(comparisons, results)
        if not any(frozenset((c.first_id, c.second_id)) in judged for c in group)
    ]
    parent_ids = {results[c.first_id].parent_id for c, *_ in open_groups}
    proposals = store.interactions_by_id(i for i in parent_ids if i is not None)
    goals = {goal.id: goal.text for goal in store.goals(ids=sorted(goal_ids))}
    return [_item(group, annotator, goals, results, proposals) for group in open_groups]


def record(
    store: Store,
    item: Item,
    annotator: str,
    verdict: HumanVerdict,
    *,
    rating: int | None = None,
    rationale: str | None = None,
    edited_text: str | None = None,
) -> tuple[Annotation, ...]:
    """Save a verdict at once and return its annotations, one for each of the item's pairs.

    Their ids are addresses of annotator and pair: a later verdict takes an earlier one's place.

    Args:
        store: The database.
        item: What was judged.
        annotator: Who judged.
        verdict: `FIRST` is A.
        rating: 1 to 5, how good the better result is.
        rationale: Why.
        edited_text: An answer better than the losing side, or than both where neither won.
    """
    now = utc_now()
    annotations = tuple(
        Annotation(
            id=stable_id("annotation", *sorted(pair), annotator),
            goal_id=item.goal_id,
            first_id=pair[0],
            second_id=pair[1],
            annotator=annotator,
            verdict=verdict,
            rating=rating,
            rationale=rationale,
            edited_text=edited_text,
            created_at=now,
        )
        for pair in item.pairs
    )
    store.save_annotations(annotations)
    return annotations


def undo(store: Store, annotations: Sequence[Annotation]) -> None:
    """Take back what `record` saved: the item is open again."""
    store.delete_annotations(annotation.id for annotation in annotations)


def _same_texts(
    comparisons: Sequence[Comparison], results: Mapping[str, Interaction]
) -> list[list[Comparison]]:
    """Return the comparisons that can teach something, those of the same texts together, in their order."""
    groups: dict[tuple[str, frozenset[str]], list[Comparison]] = defaultdict(list)
    for c in comparisons:
        first, second = results[c.first_id], results[c.second_id]
        texts = frozenset((first.completion.strip(), second.completion.strip()))
        is_same_prompt = first.prompt_key == second.prompt_key
        if len(texts) == 2 and is_same_prompt and first.is_finished and second.is_finished:
            groups[first.prompt_key, texts].append(c)
    return list(groups.values())


def _item(
    group: Sequence[Comparison],
    annotator: str,
    goals: Mapping[str, str],
    results: Mapping[str, Interaction],
    proposals: Mapping[str, Interaction],
) -> Item:
    c = group[0]
    is_swapped = int(stable_id("side", annotator, c.first_id, c.second_id), 16) % 2 == 1
    first, second = (
        results[i] for i in ((c.second_id, c.first_id) if is_swapped else (c.first_id, c.second_id))
    )
    proposal = proposals.get(first.parent_id or "")
    as_shown = first.completion.strip()
    return Item(
        goal_id=c.goal_id,
        goal=goals[c.goal_id],
        role=c.role,
        proposal=proposal.completion if proposal else None,
        first=first.completion,
        second=second.completion,
        pairs=tuple(
            (twin.first_id, twin.second_id)
            if results[twin.first_id].completion.strip() == as_shown
            else (twin.second_id, twin.first_id)
            for twin in group
        ),
    )
