"""Ballots: what is compared, by whom, in which order."""

from __future__ import annotations

import pytest

from camelx.config import RankingConfig
from camelx.errors import ConfigError
from camelx.ranking.reviewing.schedule import bout_ballots, check_reviewable, goal_results, schedule_bouts
from camelx.schemas import Interaction, Role, Stage


def execution(n, *, agent="ann", parent=None, text=None, goal="g", finish="stop"):
    return Interaction(
        id=f"{goal}-x{n}", cycle_id="c", stage=Stage.GENERATE, goal_id=goal, agent=agent, role=Role.EXECUTOR,
        parent_id=parent, model="m", completion=f"answer {n}" if text is None else text, finish_reason=finish,
    )  # fmt: skip


def proposal(name, agent="pam"):
    return Interaction(
        id=name,
        cycle_id="c",
        stage=Stage.GENERATE,
        goal_id="g",
        agent=agent,
        role=Role.PROPOSER,
        model="m",
        completion="plan",
    )


def ballots(results, parents=(), judges=("rex",), seed=0, **settings):
    by_id = {p.id: p for p in parents}
    goals = goal_results(results, by_id, judges, seed)
    made = [b for goal in goals for b in bout_ballots(goal, schedule_bouts(goal, RankingConfig(**settings)))]
    check_reviewable(goals, judges, len(made))
    return made


def pairs(made):
    return {frozenset(b.shown) for b in made}


def is_connected(nodes, edges):
    seen, todo = set(), [next(iter(nodes))]
    while todo:
        node = todo.pop()
        seen.add(node)
        todo += [n for edge in edges if node in edge for n in edge if n not in seen]
    return seen == set(nodes)


def test_each_pair_is_asked_in_both_orders_of_the_same_judge():
    made = ballots([execution(i) for i in range(6)], judges=("rex", "sue"), reviewers_per_pair=2)
    asked = {(b.judge, *b.shown) for b in made}
    assert len(asked) == len(made) == 10 * 2 * 2
    assert all((judge, b, a) in asked for judge, a, b in asked)


def test_both_sides_come_first_about_as_often():
    results = [execution(i, goal=f"g{i // 2}") for i in range(200)]
    first = ballots(results)[::2]
    assert 30 < sum(b.shown[0] < b.shown[1] for b in first) < 70


def test_the_seed_and_not_the_order_of_results_fixes_the_ballots():
    results = [execution(i) for i in range(8)]
    assert ballots(results) == ballots(results[::-1])
    assert ballots(results) != ballots(results, seed=1)


def test_nobody_judges_its_own_result_or_an_execution_of_its_own_proposal():
    parents = [proposal("p1", "pam"), proposal("p2", "rex")]
    results = [execution(i, agent=("ann", "sue")[i % 2], parent=("p1", "p2")[i // 4]) for i in range(8)]
    made = ballots(
        results,
        parents,
        judges=("ann", "sue", "pam", "rex", "tom"),
        comparisons_per_goal=100,
        reviewers_per_pair=5,
    )
    by_id = {r.id: r for r in results}
    owner = {p.id: p.agent for p in parents}
    for ballot in made:
        for side in (by_id[i] for i in ballot.shown):
            assert ballot.judge not in (side.agent, owner[side.parent_id])


def test_judges_take_turns():
    made = ballots([execution(i) for i in range(6)], judges=("rex", "sue", "tom"), comparisons_per_goal=12)
    n = {judge: sum(b.judge == judge for b in made) for judge in ("rex", "sue", "tom")}
    assert set(n.values()) == {8}


def test_unfinished_results_and_equal_texts_are_not_compared():
    results = [
        execution(0),
        execution(1, finish="length"),
        execution(2, text=""),
        execution(3, text="answer 0 "),
    ]
    assert ballots(results) == []
    assert pairs(ballots([*results, execution(4)])) == {frozenset(("g-x0", "g-x4"))}


def test_equal_texts_of_two_proposals_are_both_compared_but_not_with_each_other():
    results = [
        execution(0, parent="p1", text="a"),
        execution(1, parent="p2", text="a"),
        execution(2, parent="p2", text="b"),
    ]
    made = pairs(ballots(results, [proposal("p1"), proposal("p2")]))
    assert made == {frozenset(("g-x0", "g-x2")), frozenset(("g-x1", "g-x2"))}


@pytest.mark.parametrize(("n_proposals", "n_executions"), [(1, 8), (8, 1), (4, 2), (2, 4)])
def test_with_enough_comparisons_all_results_are_connected(n_proposals, n_executions):
    parents = [proposal(f"p{i}") for i in range(n_proposals)]
    results = [execution(i, parent=f"p{i // n_executions}") for i in range(8)]
    made = pairs(ballots(results, parents, comparisons_per_goal=7))
    assert len(made) == 7
    assert is_connected({r.id for r in results}, made)


def test_every_two_proposals_meet_before_anything_is_asked_twice():
    parents = [proposal(f"p{i}") for i in range(4)]
    results = [execution(i, parent=f"p{i // 2}") for i in range(8)]
    made = pairs(ballots(results, parents, comparisons_per_goal=10))
    family = {r.id: r.parent_id for r in results}
    assert len({frozenset(family[i] for i in pair) for pair in made}) == 4 + 6


def test_judges_that_all_wrote_something_of_every_pair_are_an_error():
    with pytest.raises(ConfigError, match="nobody judges its own work"):
        ballots([execution(0), execution(1)], judges=("ann",))


def test_nothing_to_compare_gives_no_ballots():
    assert ballots([]) == []
    assert ballots([execution(0)], judges=()) == []
