"""What is known of the reviewers while votes are still coming in.

In: the votes so far and, where there are any, human labels. Out: `Known`, the reviewers in the buyer's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from camelx.config import ReliablePeerRankConfig
from camelx.ranking.reliable import Link, Reviewers, fit_panel
from camelx.ranking.votes import tabulate_votes

_PRIOR = {"discrimination": 0.5, "omega": 0.1, "sigma": 0.4, "first_bias": 0.0, "self_bias": 0.0}
"""A reviewer before any vote, as the ranker's own prior has it."""
_PRIOR_LINK = Link(correlation=0.8, threshold=0.1, scale=1.0)


@dataclass(frozen=True)
class Known:
    """The reviewers, and how a person's verdict follows from what they say."""

    reviewers: Reviewers
    """Arrays (r,)."""
    link: Link
    shared: float = 0.0
    """Variance of the errors that the reviewers of a pair make together."""
    own: float = 1.0
    """Factor on the variance of their own errors."""


def nothing_known(n_reviewers: int) -> Known:
    """Return reviewers who are all alike."""
    arrays = {name: np.full(n_reviewers, value) for name, value in _PRIOR.items()}
    return Known(Reviewers(transitivity=0.5, author=np.zeros(n_reviewers + 1), **arrays), _PRIOR_LINK)


def learn_reviewers(
    votes: pd.DataFrame,
    judges: Sequence[str],
    config: ReliablePeerRankConfig,
    anchors: pd.DataFrame | None = None,
    *,
    drop_own: bool = True,
) -> Known:
    """Return what the votes say of the judges; of one who has not voted yet the prior holds.

    Args:
        votes: A frame with `VOTE_COLUMNS`; goals' categories are not told apart.
        judges: Names, in the order of the arrays.
        config: Of the model.
        anchors: Human labels, see `rank_votes`.
        drop_own: Leave out votes on a judge's own work.
    """
    known = nothing_known(len(judges))
    table = tabulate_votes(votes.drop(columns="category", errors="ignore"), drop_own=drop_own)
    if not len(table.outcome):
        return known
    panel = fit_panel(table, config, anchors)
    code = pd.Index(table.agents).get_indexer(pd.Index(judges))
    has_voted = np.isin(code, table.judge)
    arrays = {}
    for name in _PRIOR:
        arrays[name] = getattr(known.reviewers, name).copy()
        arrays[name][has_voted] = getattr(panel.reviewers, name)[code[has_voted]]
    pinned = None
    if panel.reviewers.pinned is not None:
        # Labels say nothing of who has not voted: until then it weighs nothing beside those who have.
        pinned = np.where(has_voted, panel.reviewers.pinned[code], 0.0)
    scenario = max(panel.scenarios, key=lambda s: s.share)
    reviewers = replace(known.reviewers, transitivity=panel.reviewers.transitivity, pinned=pinned, **arrays)
    return Known(reviewers, scenario.link, scenario.shared, scenario.own)
