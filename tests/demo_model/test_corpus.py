from __future__ import annotations

import random
import re

import pytest

from camelx.demo_model.corpus import (
    JUMP_PLAN,
    Mixture,
    Skill,
    full_plan,
    make_example,
    review,
    worked,
    wrong_answer,
    wrong_steps,
)
from camelx.demo_model.figures import stated_answer
from camelx.demo_model.problems import Problem, Step, is_held_out, make_problems
from camelx.demo_model.roles import EXECUTOR_SYSTEM, PEER_REVIEWER_SYSTEM, PROPOSER_SYSTEM
from camelx.prompts import execution_messages, parse_verdict, proposal_messages, review_messages
from camelx.schemas import Verdict

PLAIN = Mixture(other_wording=0.0)
PROBLEM = Problem("Ann has 12 cards.", 57, (Step("+", 12, 7, 19), Step("*", 19, 3, 57)), level=1, opening=0)
RESULTS = re.compile(r"<result_a>\n(.*)\n</result_a>\n<result_b>\n(.*)\n</result_b>", re.DOTALL)


def examples(skill, n, mixture=PLAIN, seed=0):
    rng = random.Random(seed)
    return [make_example(rng, skill, mixture) for _ in range(n)]


def goal_of(example):
    return example.messages[-1].content.removeprefix("Goal: ").split("\n")[0]


def test_the_forms_are_those_of_the_documentation():
    assert full_plan(PROBLEM) == "Plan: add 12 and 7, then multiply by 3."
    assert worked(PROBLEM.steps, 57) == "12 + 7 = 19. 19 * 3 = 57. The answer is 57."
    assert review(PROBLEM, 57, 31) == (
        "12 + 7 = 19. 19 * 3 = 57. A says 57, 57 - 57 = 0, same. B says 31, 57 - 31 = 26, different.\n"
        "Verdict: A"
    )
    assert review(PROBLEM, None, 31).endswith(
        "A says nothing, different. B says 31, 57 - 31 = 26, different.\nVerdict: tie"
    )


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [(57, 1, Verdict.FIRST), (1, 57, Verdict.SECOND), (57, 57, Verdict.TIE), (1, 2, Verdict.TIE)],
)
def test_a_review_names_the_right_result(first, second, verdict):
    assert parse_verdict(review(PROBLEM, first, second)) is verdict


def test_prompts_are_those_that_the_product_asks_with():
    for example in examples(Skill.PROPOSE, 20):
        assert example.messages == proposal_messages(PROPOSER_SYSTEM, goal_of(example))
    for example in examples(Skill.EXECUTE, 40):
        plan = example.messages[-1].content.partition("\nProposal: ")[2] or None
        assert example.messages == execution_messages(EXECUTOR_SYSTEM, goal_of(example), plan)
    for example in examples(Skill.REVIEW, 20):
        first, second = RESULTS.search(example.messages[-1].content).groups()
        assert example.messages == review_messages(PEER_REVIEWER_SYSTEM, goal_of(example), first, second)


def test_no_example_shows_a_held_out_goal():
    assert not any(is_held_out(goal_of(e)) for skill in Skill for e in examples(skill, 300))


def answer_of(plan):
    """Carry out a full plan: "Plan: add 12 and 7, then multiply by 3."."""
    first, *later = plan.removeprefix("Plan: ").rstrip(".").split(", then ")
    word, (left, right) = first.split()[0], map(int, re.findall(r"\d+", first))
    result = {"add": left + right, "subtract": right - left, "multiply": left * right}[word]
    for step in later:
        number = int(re.search(r"\d+", step).group())
        by_words = {"add": result + number, "multiply": result * number, "subtract": result - number}
        result = number - result if "it from" in step else by_words[step.split()[0]]
    return result


def test_jumps_are_mostly_wrong_and_worked_solutions_mostly_right():
    right = {True: [], False: []}
    for example in examples(Skill.EXECUTE, 3_000):
        plan = example.messages[-1].content.partition("\nProposal: ")[2]
        if plan and plan != JUMP_PLAN:
            is_worked = not example.completion.startswith("The answer")
            right[is_worked].append(stated_answer(example.completion) == answer_of(plan))
    assert sum(right[True]) / len(right[True]) > 0.95
    assert sum(right[False]) / len(right[False]) < 0.12


def test_shares_of_full_plans_are_near_the_mixture():
    plans = [e.completion for e in examples(Skill.PROPOSE, 3_000)]
    share = sum(plan != JUMP_PLAN for plan in plans) / len(plans)
    expected = sum(PLAIN.full_plan) / 3
    assert abs(share - expected) < 0.05


def test_style_under_review_says_nothing_about_right_or_wrong():
    counts = {(right, is_worked): 0 for right in (True, False) for is_worked in (True, False)}
    for example in examples(Skill.REVIEW, 3_000):
        results = RESULTS.search(example.messages[-1].content).groups()
        for name, result in zip("AB", results, strict=True):
            if f"{name} says nothing" not in example.completion:
                right = re.search(rf"{name} says \d+, \d+ - \d+ = 0, same", example.completion) is not None
                counts[right, not result.startswith("The answer")] += 1
    shares = [counts[right, True] / (counts[right, True] + counts[right, False]) for right in (True, False)]
    assert abs(shares[0] - shares[1]) < 0.05
    assert abs(shares[0] - PLAIN.review_worked) < 0.05


def test_verdicts_are_balanced_between_a_and_b():
    verdicts = [parse_verdict(e.completion) for e in examples(Skill.REVIEW, 3_000)]
    shares = {v: verdicts.count(v) / len(verdicts) for v in Verdict}
    assert abs(shares[Verdict.FIRST] - shares[Verdict.SECOND]) < 0.05
    assert abs(shares[Verdict.TIE] - (1 - PLAIN.review_decided)) < 0.05


def test_mistakes_never_hit_the_answer():
    rng = random.Random(11)
    for problem in make_problems(200, seed=11):
        assert wrong_answer(rng, problem) != problem.answer
        steps = wrong_steps(rng, problem)
        assert steps[-1].result != problem.answer
        assert len(steps) == len(problem.steps)


def test_some_system_messages_have_another_wording():
    systems = {e.messages[0].content for e in examples(Skill.PROPOSE, 300, Mixture(other_wording=0.5))}
    assert PROPOSER_SYSTEM in systems
    assert len(systems) > 1
