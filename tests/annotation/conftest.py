"""Both databases with a cycle to judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pairs_to_judge import add_pairs_to_judge

from camelx.storage import Store


@pytest.fixture
def judged(database: str) -> Iterator[Store]:
    """A store with cycle c1: 18 pairs that can be judged."""
    with Store.open(database) as store:
        add_pairs_to_judge(store)
        yield store
