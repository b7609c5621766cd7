"""From an empty database to a full one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from camelx.cycles import open_store
from camelx.demo_data.cycles import demo_config
from camelx.demo_data.history import add_history
from camelx.demo_data.judged import add_judged_cycle, least_interactions
from camelx.errors import ConfigError
from camelx.schemas import utc_now
from camelx.storage import Store

_JUDGED = ((2, 48), (1, 18))
"""The judged cycles: days before the end, and pairs that people judge."""


@dataclass(frozen=True)
class Filled:
    """What the database holds now."""

    cycles: int
    goals: int
    interactions: int
    votes: int
    annotations: int


def fill(n_interactions: int = 0, *, seed: int = 0, end: datetime | None = None) -> Filled:
    """Fill the empty database of this process's settings and return what it holds then.

    How far it is, it reports as stages do.

    Args:
        n_interactions: At least so many; two judged cycles are there in any case.
        seed: Of the problems and of all that is said about them.
        end: No moment is after it; None: now.

    Raises:
        ConfigError: The database is not empty.
    """
    end = end or utc_now()
    with open_store() as store:
        _check_empty(store)
        n_earlier = max(0, n_interactions - len(_JUDGED) * least_interactions())
        before = end - timedelta(days=_JUDGED[0][0] + 1)
        n_rows = add_history(store, demo_config(seed), n_earlier, end=before)
        votes = 0
        for days, n_annotated in _JUDGED:
            number, start = store.next_cycle_number(), end - timedelta(days=days)
            cycle = add_judged_cycle(store, number, seed=seed, start=start, n_annotated=n_annotated)
            n_rows += len(store.interactions(cycle.id))
            votes += len(store.votes(cycle.id))
        return Filled(
            cycles=len(store.cycles()),
            goals=len(store.goals()),
            interactions=n_rows,
            votes=votes,
            annotations=len(store.annotations()),
        )


def _check_empty(store: Store) -> None:
    if store.latest_cycle() is not None or store.goals():
        raise ConfigError(
            "demo data goes into an empty database, and this one holds goals or cycles; name another one "
            "with CAMELX_ROOT or CAMELX_DATABASE_URL"
        )
