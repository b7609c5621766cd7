from __future__ import annotations

import subprocess
import sys

import pytest

from camelx.demo_model.problems import (
    EVENTS,
    GOAL_LEVELS,
    OPENINGS,
    calculate,
    demo_goals,
    is_held_out,
    make_problems,
)
from camelx.schemas import Split


def test_the_same_seed_gives_the_same_problems_and_another_seed_others():
    assert make_problems(60, seed=1) == make_problems(60, seed=1)
    assert make_problems(60, seed=1) != make_problems(60, seed=2)


def test_texts_are_distinct_and_levels_are_balanced():
    problems = make_problems(300, seed=3)
    assert len({p.text for p in problems}) == 300
    assert [sum(p.level == level for p in problems) for level in (1, 2, 3)] == [100, 100, 100]


def test_excluded_texts_do_not_occur():
    excluded = {p.text for p in make_problems(50, seed=4)}
    assert not excluded & {p.text for p in make_problems(50, seed=4, exclude=excluded)}


def test_training_and_heldout_goals_share_no_text():
    heldout = {g.text for g in demo_goals(600, seed=0, split=Split.HELDOUT)}
    for seed in (0, 1, 7_000_003):
        assert not heldout & {g.text for g in demo_goals(600, seed=seed)}
    assert all(map(is_held_out, heldout))


def test_heldout_goals_do_not_depend_on_the_seed():
    assert demo_goals(30, seed=1, split=Split.HELDOUT) == demo_goals(30, seed=2, split=Split.HELDOUT)


def test_goals_carry_what_a_verifier_needs():
    goal = demo_goals(1, seed=5, levels=[2])[0]
    problem = make_problems(1, seed=5, levels=[2])[0]
    assert (goal.text, goal.answer, goal.verifier) == (problem.text, str(problem.answer), "numeric")
    assert (goal.category, goal.level, goal.source) == ("word-problem", 2, "demo")


def test_steps_lead_to_the_answer_and_every_number_is_in_the_text():
    for problem in make_problems(300, seed=6):
        before = None
        for step in problem.steps:
            assert calculate(step.operation, step.left, step.right) == step.result >= 1
            if before is not None:
                assert before == (step.right if step.is_reversed else step.left)
            before = step.result
        assert before == problem.answer
        fresh = [problem.steps[0].left, *((s.left if s.is_reversed else s.right) for s in problem.steps)]
        assert all(str(number) in problem.text for number in fresh)


def test_levels_have_their_number_of_steps():
    problems = make_problems(4, seed=7, levels=GOAL_LEVELS)
    assert [len(p.steps) for p in problems] == [2, 2, 3, 3]


def test_every_sentence_occurs():
    problems = make_problems(2_000, seed=8)
    assert {p.opening for p in problems} == set(range(len(OPENINGS)))
    assert len(EVENTS) >= 12


@pytest.mark.parametrize("levels", [[], [5], [1, 0]])
def test_unknown_levels_are_refused_by_name(levels):
    with pytest.raises(ValueError, match=r"levels must be some of \[1, 2, 3, 4\], got"):
        make_problems(1, seed=0, levels=levels)


def test_making_problems_loads_no_model_library():
    code = "import sys, camelx.demo_model.problems, camelx.demo_model.roles; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
