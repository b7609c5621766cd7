"""A ranked cycle with proposals, their executions and comparisons, for tests of what people say of it."""

from __future__ import annotations

from camelx.cycles import open_store
from camelx.prompts import execution_messages, proposal_messages
from camelx.schemas import Comparison, Cycle, Goal, Interaction, Ranking, Role, Stage

GOAL = Goal.new("How much is 2 and 2?")
PROPOSALS = {"p1": "Add them.", "p2": "Guess."}
EXECUTIONS = {
    "e1": ("p1", "2 and 2 make 4"),
    "e2": ("p1", "it is 5"),
    "e3": ("p1", "perhaps 6"),
    "e4": ("p1", "it is 5"),
    "e5": ("p2", "it is 7"),
}


def add_ranked_cycle(**texts: str) -> None:
    """Store cycle c1; `texts` take the place of what its executions say.

    Comparisons of executions: e1 with e3 is undecided, e1 with e2 nearly, e1 with e4 (which says what e2
    says) is clear, e2 with e4 is twice the same text, e1 with e5 carries out two proposals.
    """
    rows = [
        _row(i, Role.PROPOSER, text, proposal_messages("", GOAL.text), None) for i, text in PROPOSALS.items()
    ]
    rows += [
        _row(
            i,
            Role.EXECUTOR,
            texts.get(i, text),
            execution_messages("", GOAL.text, PROPOSALS[parent]),
            parent,
        )
        for i, (parent, text) in EXECUTIONS.items()
    ]
    executor = [("e1", "e2", 0.6), ("e1", "e3", 0.5), ("e1", "e4", 0.9), ("e2", "e4", 0.5), ("e1", "e5", 0.5)]
    comparisons = [_comparison(Role.EXECUTOR, *c) for c in executor]
    comparisons.append(_comparison(Role.PROPOSER, "p1", "p2", 0.8))
    with open_store() as store:
        store.add_goals([GOAL])
        store.add_cycle(Cycle(id="c1", number=1, config={}, trace_id="t", goal_ids=(GOAL.id,)))
        store.save_interactions(rows)
        store.replace_rankings("c1", [_ranking(row.id, 9 - int(row.id[1])) for row in rows], comparisons)


def _row(i: str, role: Role, text: str, messages: object, parent: str | None) -> Interaction:
    return Interaction(
        id=i,
        cycle_id="c1",
        stage=Stage.GENERATE,
        goal_id=GOAL.id,
        agent=f"author-of-{i}",
        role=role,
        parent_id=parent,
        model="m",
        messages=messages,
        completion=text,
    )


def _comparison(role: Role, first: str, second: str, probability: float) -> Comparison:
    return Comparison(
        cycle_id="c1",
        goal_id=GOAL.id,
        role=role,
        first_id=first,
        second_id=second,
        probability=probability,
        n_votes=2,
        n_orders=2,
    )


def _ranking(i: str, score: float) -> Ranking:
    return Ranking(
        cycle_id="c1", goal_id=GOAL.id, interaction_id=i, ranker="r", score=score, stderr=1, rank=1, n_votes=2
    )
