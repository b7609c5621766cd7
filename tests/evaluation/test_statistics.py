import numpy as np
import pytest
from scipy import stats

from camelx.config import GateConfig
from camelx.errors import EvaluationError
from camelx.evaluation import decide, paired_difference


def _difference(champion, challenger, *, n_bootstrap=2_000, confidence=0.95, seed=0):
    return paired_difference(
        np.array(champion, float),
        np.array(challenger, float),
        confidence=confidence,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )


def test_the_interval_is_close_to_the_normal_one_on_many_goals():
    rng = np.random.default_rng(0)
    old, new = (rng.random(2_000) < 0.4).astype(float), (rng.random(2_000) < 0.6).astype(float)
    found = _difference(old, new)
    half = 1.96 * (new - old).std() / np.sqrt(2_000)
    assert found.difference == pytest.approx(new.mean() - old.mean())
    assert (found.low, found.high) == pytest.approx(
        (found.difference - half, found.difference + half), abs=0.1 * half
    )


def test_the_p_value_is_mcnemars_exact_one():
    old = [1] * 3 + [0] * 12 + [1] * 20
    new = [0] * 3 + [1] * 12 + [1] * 20
    assert _difference(old, new).p_value == pytest.approx(2 * stats.binom.cdf(3, 15, 0.5))


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(1)
    old, new = rng.random(50), rng.random(50)
    assert _difference(old, new, seed=3) == _difference(old, new, seed=3)
    assert _difference(old, new, seed=3).low != _difference(old, new, seed=4).low


@pytest.mark.usefixtures("no_warnings")
@pytest.mark.parametrize("score", [0, 1])
def test_equal_answers_differ_by_exactly_nothing_without_a_warning(score):
    found = _difference([score] * 10, [score] * 10)
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_two_goals_that_both_improved_are_no_proof():
    found = _difference([0, 0], [1, 1])
    assert found.difference == 1
    assert found.low < 0 < found.high
    assert not decide(found, GateConfig()).promoted


@pytest.mark.parametrize(
    ("n", "gains", "is_proof"), [(300, 3, False), (300, 5, False), (300, 6, True), (5, 3, False)]
)
def test_a_few_gains_without_a_loss_are_a_proof_only_where_the_exact_test_says_so(n, gains, is_proof):
    found = _difference([0] * n, [1] * gains + [0] * (n - gains))
    assert (found.p_value < 0.05) is is_proof
    assert decide(found, GateConfig()).promoted is is_proof


def test_many_goals_that_all_improved_are_a_proof():
    assert _difference([0] * 300, [1] * 300).low > 0.9


@pytest.mark.usefixtures("no_warnings")
@pytest.mark.parametrize("new", [[0, 1], [1, 0]])
def test_two_goals_of_which_one_improved_have_an_interval_without_a_warning(new):
    found = _difference([0, 0], new)
    assert 0 <= found.low <= found.difference <= found.high <= 1


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        old = (rng.random(100) < 0.4).astype(float)
        new = np.where(rng.random(100) < 0.7, old, (rng.random(100) < 0.7).astype(float))
        found = _difference(old, new, n_bootstrap=400, seed=trial)
        hits += found.low <= 0.3 * (0.7 - 0.4) <= found.high
    assert 0.90 <= hits / 200 <= 0.99


@pytest.mark.parametrize(
    ("old", "new"), [([1], [1]), ([1, 0], [1, 0, 1]), ([[1, 0]], [[1, 0]]), ([1, float("nan")], [1, 1])]
)
def test_scores_that_can_not_be_compared_are_an_error(old, new):
    with pytest.raises(EvaluationError):
        _difference(old, new)


def test_the_gate_wants_both_bounds_and_says_what_it_saw():
    better = _difference([0] * 60 + [1] * 40, [1] * 90 + [0] * 10)
    assert decide(better, GateConfig()).promoted
    strict = decide(better, GateConfig(min_difference=0.9))
    assert not strict.promoted
    assert "+50.00 is less than gate.min_difference, +90.00 points" in strict.reasons[0]


def test_a_bound_that_is_only_touched_does_not_pass():
    same = _difference([1, 0], [1, 0])
    decision = decide(same, GateConfig())
    assert not decision.promoted
    assert decision.reasons == (
        "difference +0.00 is at least gate.min_difference, +0.00 points",
        "lower bound +0.00 is not above gate.min_low, +0.00 points",
    )
