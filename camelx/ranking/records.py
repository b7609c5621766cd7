"""What the votes alone show about each reviewer, whatever the ranker.

In: a `VoteTable` and the weights that a ranker gave. Out: one row per judge, and the conflicts of the panel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from camelx.ranking.votes import Codes, Flags, Floats, VoteTable, weighted_counts

_Z = 1.96
_STEADY = 0.2
"""Kappa between a reviewer's two orders from which on it surely has an opinion."""
_ALONE = 0.6
"""Share of that kappa below which its agreement with the others is surely not that of one shared opinion."""
_CONFLICT_COLUMNS = ("judge", "swap_kappa", "swap_kappa_stderr", "agreement", "agreement_stderr")


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance per agent, (agents,) each; NaN where nothing was compared."""

    kappa: Floats
    stderr: Floats


@dataclass(frozen=True)
class _Cells:
    """The votes of one judge on one pair, `c` cells."""

    judge: Codes
    pair: Codes
    total: Floats
    """(c,) sum of the outcomes for low."""
    total_low_first: Floats
    n_votes: Codes
    n_low_first: Codes
    is_same: Flags
    """(c,) whether all votes say the same."""

    @property
    def is_both(self) -> Flags:
        """(c,) whether the pair was seen in both orders."""
        return (self.n_low_first > 0) & (self.n_low_first < self.n_votes)


def judge_frame(table: VoteTable, weights: Floats | None) -> pd.DataFrame:
    """Return one row per judge, with the columns that `RankedVotes.judges` lists for all rankers."""
    n, cells = len(table.agents), _pool(table)
    if weights is None:
        weights = np.full(n, 1.0 / max(1, len(table.judges)))
    n_votes = np.bincount(table.judge, minlength=n)
    n_ties = np.bincount(table.judge[table.outcome == 0], minlength=n)
    n_first = np.bincount(table.judge[table.outcome == 1], minlength=n)
    both = cells.is_both
    n_both, n_same = (np.bincount(cells.judge[at], minlength=n) for at in (both, both & cells.is_same))
    swap, others = _swap_kappa(cells, n), _peer_kappa(cells, n, len(table.low))
    frame = pd.DataFrame(
        {
            "judge": table.agents,
            "weight": weights,
            "n_votes": n_votes,
            "n_unreadable": table.n_unreadable,
            "n_own": table.n_own,
            "tie_share": share(n_ties, n_votes),
            "first_share": share(n_first, n_votes - n_ties),
            "consistency": share(n_same, n_both),
            "swap_kappa": swap.kappa,
            "swap_kappa_stderr": swap.stderr,
            "agreement": others.kappa,
            "agreement_stderr": others.stderr,
        }
    )
    return frame.iloc[table.judges].reset_index(drop=True)


def conflicts(judges: pd.DataFrame) -> dict[str, str]:
    """Return, by judge, why the consensus of this panel may not be trusted; nothing here needs labels.

    A reviewer who says the same in both orders has an opinion. If that is not the others' opinion, one side
    is wrong, and votes alone can't tell which.
    """
    found = {}
    columns = (judges[name].to_numpy() for name in _CONFLICT_COLUMNS)
    for judge, own, own_stderr, shared, shared_stderr in zip(*columns, strict=True):
        if own - _Z * own_stderr > _STEADY and shared + _Z * shared_stderr < _ALONE * own:
            found[str(judge)] = (
                f"{judge} repeats its verdicts under swap (kappa {own:.2f}) but agrees with the others only "
                f"at kappa {shared:.2f}: either it or the rest of the panel is wrong"
            )
    return found


def share(part: Floats | Codes, whole: Floats | Codes) -> Floats:
    """Return part / whole, NaN where there is nothing."""
    ratio: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=np.asarray(whole) > 0)
    return ratio


def _pool(table: VoteTable) -> _Cells:
    k = max(1, len(table.low))
    keys, cell = np.unique(table.judge * k + table.pair, return_inverse=True)
    cell, c = cell.reshape(-1), len(keys)
    vote, low_first = table.low_outcome, table.is_low_first
    n, total = np.bincount(cell, minlength=c), weighted_counts(cell, vote, c)
    return _Cells(
        judge=keys // k,
        pair=keys % k,
        total=total,
        total_low_first=weighted_counts(cell[low_first], vote[low_first], c),
        n_votes=n,
        n_low_first=np.bincount(cell[low_first], minlength=c),
        # Votes are equal exactly where their variance is 0; sums of -1, 0, 1 are exact.
        is_same=n * weighted_counts(cell, vote**2, c) == total**2,
    )


def _swap_kappa(cells: _Cells, n_agents: int) -> Kappa:
    """Return how far judges repeat their verdict when the order is swapped."""
    at, one = cells.is_both, cells.total_low_first
    return _kappa(cells.judge[at], np.sign(one[at]), np.sign((cells.total - one)[at]), n_agents)


def _peer_kappa(cells: _Cells, n_agents: int, n_pairs: int) -> Kappa:
    """Return how far judges agree with the unweighted majority of the others on the same pair."""
    mean = cells.total / cells.n_votes
    rest = np.round(weighted_counts(cells.pair, mean, n_pairs)[cells.pair] - mean, 9)
    at = np.bincount(cells.pair, minlength=n_pairs)[cells.pair] > 1
    return _kappa(cells.judge[at], np.sign(mean[at]), np.sign(rest[at]), n_agents)


def _kappa(judge: Codes, one: Floats, other: Floats, n_agents: int) -> Kappa:
    """Return Cohen's kappa of two verdicts (-1, 0, 1) per agent, with its large-sample standard error.

    Source: Cohen, A coefficient of agreement for nominal scales, Educ. Psychol. Meas. 20 (1960).
    """
    uses = [
        np.stack([np.bincount(judge[v == c], minlength=n_agents) for c in (-1, 0, 1)]) for v in (one, other)
    ]
    n = np.bincount(judge, minlength=n_agents).astype(float)
    observed = share(np.bincount(judge[one == other], minlength=n_agents), n)
    chance = share((uses[0] * uses[1]).sum(axis=0), n**2)
    spread = np.sqrt(np.maximum(observed * (1.0 - observed), 0.25 / (n + 1.0)) / np.maximum(n, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return Kappa((observed - chance) / (1.0 - chance), spread / (1.0 - chance))
