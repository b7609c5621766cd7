from decimal import Decimal

import numpy as np
import pytest

from camelx.config import EvaluationConfig
from camelx.errors import ConfigError, EvaluationError
from camelx.evaluation import check_answers, last_number, make_verifier
from camelx.schemas import Goal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 57.", "57"),
        ("#### 57", "57"),
        ("3 apples\n#### 1,234\n", "1234"),
        ("first 12, then 7", "7"),
        ("1,234,567.89 in all", "1234567.89"),
        ("1,2", "2"),
        ("51.0", "51"),
        ("-3", "-3"),
        ("x=-3", "-3"),
        ("(-7)", "-7"),
        ("−5 degrees", "-5"),
        ("-$3.50", "-3.5"),
        ("$-3.50", "-3.5"),
        ("$1,000", "1000"),
        ("60%", "60"),
        ("5-2", "2"),
        ("20-30", "30"),
        ("10 - 3 = 7", "7"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("1e3", "1000"),
        ("**57**", "57"),
        ("57kg", "57"),
        (r"\boxed{-12}", "-12"),
        ("3,000,", "3000"),
    ],
)
def test_the_last_number_of_a_text_is_read(text, number):
    assert last_number(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "no number here", "A1 and B2", "5 apples #### none"])
def test_a_text_without_a_number_has_none(text):
    assert last_number(text) is None


def _verify(answer, text, own=None, **settings):
    goal = Goal.new("what?", answer=answer, verifier=own)
    return make_verifier(EvaluationConfig(**settings))(goal, text)


def test_numbers_are_compared_by_value():
    assert _verify("51.0", "So it is 51.")
    assert _verify("1,234", "#### 1234")
    assert not _verify("51", "It is 51, or rather 52")
    assert not _verify("51", "I don't know")


def test_exact_ignores_case_and_white_space_only():
    assert _verify("New  York", " new york\n", "exact")
    assert not _verify("New York", "New York.", "exact")


def test_regex_compares_the_first_group_of_the_last_match():
    settings = {"verifier": "regex", "regex": r"Answer: (\w+)"}
    assert _verify("blue", "Answer: red\nAnswer: Blue", **settings)
    assert not _verify("red", "Answer: red\nAnswer: Blue", **settings)
    assert not _verify("red", "red", **settings)


def is_longer(goal, text):
    return len(text) > len(goal.answer)


def returns_a_number(goal, text):
    return 1


def is_close(goal, text):
    return np.isclose(float(text), float(goal.answer))


def fails(goal, text):
    raise KeyError(text)


def _named(function):
    return {"verifier": "callable", "callable": f"{__name__}:{function.__name__}"}


def test_a_users_function_is_called_with_goal_and_text():
    assert _verify("ab", "abc", **_named(is_longer))
    assert not _verify("ab", "a", **_named(is_longer))
    assert _verify("1.0", "1.00000001", **_named(is_close)) is True


def test_a_users_function_that_fails_or_returns_no_bool_is_named():
    with pytest.raises(EvaluationError, match="returned int, expected bool"):
        _verify("ab", "a", **_named(returns_a_number))
    with pytest.raises(EvaluationError, match=r"verifier .*fails on goal .* KeyError"):
        _verify("ab", "a", **_named(fails))


@pytest.mark.parametrize("name", ["no_colon", ":f", "no.such.package:f", "math:no_such", "math:pi"])
def test_a_callable_that_can_not_be_used_is_a_config_error(name):
    with pytest.raises(ConfigError, match=r"evaluation\.callable"):
        make_verifier(EvaluationConfig(verifier="callable", callable=name))


def test_a_broken_regex_is_a_config_error():
    with pytest.raises(ConfigError, match="no regular expression"):
        make_verifier(EvaluationConfig(verifier="regex", regex="("))


def test_answers_that_can_not_be_compared_are_named_by_their_texts_before_anything_is_paid_for():
    goals = [
        Goal.new("How many?", answer="4"),
        Goal.new("Who?", answer="Ann", verifier="exact"),
        Goal.new("Say something."),
        Goal.new("Which day?", answer="abc"),
        Goal.new("Which year?", answer="1999", verifier="regex"),
    ]
    with pytest.raises(EvaluationError) as caught:
        check_answers(goals, EvaluationConfig())
    said = str(caught.value)
    assert said.startswith("2 held-out goals")
    assert "'Which day?': expected answer 'abc' holds no number" in said
    assert "'Which year?': asks for verifier 'regex'" in said
    assert "--update" in said
    check_answers(goals, EvaluationConfig(verifier="exact", regex="(.*)"))


def test_a_goals_own_verifier_wins_over_the_configs():
    assert _verify("57", "57", "exact", verifier="numeric")
    assert not _verify("57", "it is 57", "exact", verifier="numeric")


def test_a_goal_that_can_not_be_verified_is_an_error_and_not_a_zero():
    with pytest.raises(EvaluationError, match="no expected answer"):
        _verify(None, "57")
    with pytest.raises(EvaluationError, match="holds no number"):
        _verify("many", "57")
    with pytest.raises(EvaluationError, match=r"evaluation\.regex is not set"):
        _verify("many", "57", "regex")
