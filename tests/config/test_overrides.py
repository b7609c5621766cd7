"""What is written after --set, and on the page that starts a cycle, into values."""

from __future__ import annotations

import pytest

from camelx.config import parsed_overrides
from camelx.errors import ConfigError


def test_values_are_read_as_yaml_by_dotted_key() -> None:
    read = parsed_overrides(["goals.n=50", "policy.base=models/a=b", "ranking.forms=[pairwise, listwise]"])
    assert read == {"goals.n": 50, "policy.base": "models/a=b", "ranking.forms": ["pairwise", "listwise"]}
    assert parsed_overrides(None) == {}


@pytest.mark.parametrize("pair", ["goals.n", "=50", ""])
def test_what_has_no_key_or_no_value_is_refused(pair: str) -> None:
    with pytest.raises(ConfigError, match="expected KEY=VALUE"):
        parsed_overrides([pair])


@pytest.mark.parametrize(
    "value",
    ["[1", "2026-13-45", "[" * 100_000 + "]" * 100_000, "- " * 100_000, "a: &a [*a"],
    ids=["open", "no date", "brackets", "dashes", "alias"],
)
def test_a_value_that_is_no_yaml_or_nested_without_end_is_an_error_with_its_key(value: str) -> None:
    with pytest.raises(ConfigError, match=r"--set goals\.n: ") as caught:
        parsed_overrides([f"goals.n={value}"])
    assert len(str(caught.value)) < 400
