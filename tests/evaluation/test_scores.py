import numpy as np
import pytest

from camelx.config import EvaluationConfig
from camelx.errors import EvaluationError
from camelx.evaluation import check_holdout, holdout_hash, judged_scores, score
from camelx.schemas import Goal, Interaction, Role, Stage, Vote

SETTINGS = EvaluationConfig()


def _goals(*answers):
    return [Goal.new(f"goal {i}", answer=answer, level=1 + i % 2) for i, answer in enumerate(answers)]


def _answers(goals, texts, policy, **fields):
    return [
        Interaction(
            id=f"{policy}{i}",
            cycle_id="c",
            stage=Stage.EVALUATE,
            goal_id=goal.id,
            agent=policy,
            role=Role.EXECUTOR,
            model="m",
            completion=text,
            **fields,
        )
        for i, (goal, text) in enumerate(zip(goals, texts, strict=True))
    ]


def _vote(goal, first, second, verdict):
    return Vote(
        id=f"{first}{second}{verdict}",
        cycle_id="c",
        goal_id=goal.id,
        judge="j",
        first_id=first,
        second_id=second,
        verdict=verdict,
    )


def test_verified_goals_score_one_where_right():
    goals = _goals("1", "2", "3")
    found = score(
        goals, _answers(goals, ["1", "0", "0"], "a"), _answers(goals, ["1", "2", "0"], "b"), [], SETTINGS
    )
    assert found.champion.tolist() == [1, 0, 0]
    assert found.challenger.tolist() == [1, 1, 0]
    assert found.by_level("challenger") == {"1": 0.5, "2": 1.0}
    assert found.rows()[1] == {"goal_id": goals[1].id, "level": 2, "champion": 0.0, "challenger": 1.0}


def test_an_answer_that_was_cut_is_not_right():
    goals = _goals("1", "2")
    old = _answers(goals, ["1", "2"], "a")
    new = _answers(goals, ["1", "2"], "b", finish_reason="length")
    assert score(goals, old, new, [], SETTINGS).challenger.tolist() == [0, 0]


def test_a_goal_whose_call_failed_counts_for_neither():
    goals = _goals("1", "2")
    old = _answers(goals, ["1", "2"], "a")
    new = _answers(goals, ["1", "2"], "b")
    new[0] = new[0].model_copy(update={"error": "timeout"})
    found = score(goals, old, new, [], SETTINGS)
    assert (found.champion.tolist(), found.unscored) == ([1], (goals[0].id,))


def test_judged_goals_score_by_the_votes_of_both_orders():
    goals = _goals(None, None, None, None, None)
    old = _answers(goals, ["old"] * 5, "a")
    new = _answers(goals, ["new"] * 4 + ["old"], "b")
    votes = [
        _vote(goals[0], "a0", "b0", "second"),
        _vote(goals[0], "b0", "a0", "first"),
        _vote(goals[1], "a1", "b1", "first"),
        _vote(goals[1], "b1", "a1", "tie"),
        _vote(goals[2], "a2", "b2", "first"),
        _vote(goals[2], "b2", "a2", "first"),
        _vote(goals[3], "a3", "b3", None),
        _vote(goals[0], "x", "y", "first"),
    ]
    assert judged_scores(old, new, votes) == {
        goals[0].id: 1.0,
        goals[1].id: 0.0,
        goals[2].id: 0.5,
        goals[4].id: 0.5,
    }
    found = score(goals, old, new, votes, SETTINGS)
    assert np.allclose(found.champion + found.challenger, 1)
    assert found.unscored == (goals[3].id,)
    assert found.rows()[-1]["challenger"] is None


def test_answers_of_other_goals_are_refused():
    goals = _goals("1", "2")
    rows = _answers(goals, ["1", "2"], "a")
    with pytest.raises(EvaluationError, match="do not belong"):
        score(goals, rows, rows[::-1], [], SETTINGS)


def test_the_holdouts_hash_depends_on_texts_and_answers_and_not_on_order():
    goals = _goals("1", "2")
    assert holdout_hash(goals) == holdout_hash(goals[::-1])
    check_holdout(goals[::-1], holdout_hash(goals))
    changed = [goals[0], goals[1].model_copy(update={"answer": "3"})]
    for others in (changed, goals[:1]):
        with pytest.raises(EvaluationError, match="not the one that was frozen"):
            check_holdout(others, holdout_hash(goals))
