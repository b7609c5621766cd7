from __future__ import annotations

import pytest

from camelx.calls import check_failures
from camelx.errors import AgentError
from camelx.schemas import derived_seed

AWAY = AgentError("away", agent="a", retryable=True)
REFUSED = AgentError("the key is refused", agent="b")


@pytest.mark.parametrize(
    ("failures", "is_retryable"),
    [
        ([AWAY, AWAY, AWAY], True),
        ([REFUSED, REFUSED, REFUSED], False),
        ([AWAY, AWAY, REFUSED], True),
        ([AWAY, REFUSED, REFUSED], False),
    ],
)
def test_failures_are_worth_another_try_where_those_that_last_would_not_be_too_many(
    failures: list[AgentError], is_retryable: bool
) -> None:
    with pytest.raises(AgentError, match=r"3 of 10 model calls failed \(30\.0%.* is 10\.0%") as raised:
        check_failures(failures, 10, 0.1)
    assert raised.value.retryable is is_retryable
    assert ("key is refused" in str(raised.value)) is not is_retryable


@pytest.mark.parametrize(("failures", "n_calls", "rate"), [([], 0, 0.0), ([AWAY], 10, 0.1), ([AWAY], 1, 1.0)])
def test_as_many_failures_as_allowed_are_none_of_its_business(
    failures: list[AgentError], n_calls: int, rate: float
) -> None:
    check_failures(failures, n_calls, rate)


def test_a_derived_seed_depends_on_both_parts_and_is_small() -> None:
    seeds = {derived_seed(seed, of) for seed in (0, 1) for of in ("a", "b", 1)}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**28 for seed in seeds)
