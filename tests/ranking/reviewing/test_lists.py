"""Lists: what is ranked or marked together."""

from __future__ import annotations

from itertools import combinations

import pytest

from camelx.config import RankingConfig
from camelx.ranking.reviewing.lists import list_ballots
from camelx.ranking.reviewing.schedule import goal_results

from .test_schedule import execution, is_connected, proposal


def lists(results, parents=(), judges=("rex",), seed=0, **settings):
    settings = RankingConfig(**{"form": "listwise", "comparisons_per_goal": 1} | settings)
    goals = goal_results(results, {p.id: p for p in parents}, judges, seed)
    return [ballot for goal in goals for ballot in list_ballots(goal, settings)]


def pairs(made):
    return {frozenset(pair) for ballot in made for pair in combinations(ballot.shown, 2)}


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 30])
@pytest.mark.parametrize("size", [2, 4, 8])
def test_lists_overlap_so_that_all_results_are_connected(n, size):
    results = [execution(i) for i in range(n)]
    made = lists(results, list_size=size)
    assert is_connected({r.id for r in results}, pairs(made))
    assert max(len(ballot.shown) for ballot in made) == min(n, size)
    assert len(made) / 2 == -(-(n - 1) // (size - 1)), "the fewest lists that connect them"


def test_each_list_is_asked_in_the_reverse_order_too():
    made = lists([execution(i) for i in range(7)], judges=("rex", "sue"), reviewers_per_pair=2)
    asked = {(b.judge, b.shown) for b in made}
    assert len(asked) == len(made)
    assert all((judge, shown[::-1]) in asked for judge, shown in asked)


def test_further_lists_cover_as_many_pairs_as_are_wanted():
    made = lists([execution(i) for i in range(8)], comparisons_per_goal=20)
    assert 20 <= len(pairs(made)) <= 25
    assert len(pairs(lists([execution(i) for i in range(8)], comparisons_per_goal=999))) == 28


def test_no_list_holds_work_of_its_judge_or_on_a_proposal_of_its_judge():
    parents = [proposal("p1", "pam"), proposal("p2", "rex")]
    results = [execution(i, agent=("ann", "sue")[i % 2], parent=("p1", "p2")[i // 4]) for i in range(8)]
    made = lists(results, parents, ("ann", "sue", "pam", "rex", "tom"), comparisons_per_goal=28)
    by_id, owner = {r.id: r for r in results}, {p.id: p.agent for p in parents}
    assert {b.judge for b in made} > {"tom"}
    for ballot in made:
        for side in (by_id[i] for i in ballot.shown):
            assert ballot.judge not in (side.agent, owner[side.parent_id])


def test_equal_texts_are_never_in_one_list():
    results = [execution(i, parent=f"p{i}", text=f"text {i % 2}") for i in range(6)]
    made = lists(results, [proposal(f"p{i}") for i in range(6)], comparisons_per_goal=99)
    text = {r.id: r.completion for r in results}
    assert made
    assert all(len({text[i] for i in b.shown}) == len(b.shown) for b in made)


def test_the_seed_and_not_the_order_of_results_fixes_the_lists():
    results = [execution(i) for i in range(8)]
    assert lists(results) == lists(results[::-1])
    assert lists(results) != lists(results, seed=1)


def test_where_nobody_may_judge_there_are_no_lists():
    assert lists([execution(0), execution(1)], judges=("ann",)) == []
