"""The votes as the audit counts them: whose verdict stands, in which order, on which pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Codes = npt.NDArray[np.int64]

COLUMNS = ("goal_id", "judge", "first_id", "second_id", "first_author", "second_author", "outcome")
PAIR_KEYS = ["goal_id", "low_id", "high_id"]


@dataclass(frozen=True)
class AuditedVotes:
    """Readable votes of the last round, apart for others' work and the judge's own.

    The frames `counted` and `own` have one row per vote: judge (code into `judges`), pair (code into
    `pairs`), is_low_first, outcome (1, 0, -1 seen from what was shown first), low_outcome (seen from the
    lesser id), is_low_own (the judge wrote the lesser of the two).
    """

    judges: tuple[str, ...]
    """By name, those without a counted vote included."""
    pairs: pd.DataFrame
    """goal_id, low_id, high_id of every pair with a readable vote."""
    counted: pd.DataFrame
    own: pd.DataFrame
    """Votes on exactly one work of the judge's own."""
    cells: pd.DataFrame
    """One row per judge and pair, of the counted votes: judge, pair, n_orders, is_same (one verdict in all),
    mean (of low_outcome), verdict (its sign)."""
    n_votes: Codes
    """(judges,) all votes."""
    n_unreadable: Codes
    """(judges,)"""
    n_own: int
    """Readable votes on the judge's own work, both works its own included."""


def audited_votes(votes: pd.DataFrame) -> AuditedVotes:
    """Return the votes as codes.

    Args:
        votes: A frame with `COLUMNS`, and `round` where there was a discussion: of a judge's votes on one
            order of a pair those of the last round that is readable count.
    """
    codes, names = pd.factorize(votes["judge"].to_numpy(dtype=object), sort=True)
    is_readable = votes["outcome"].notna().to_numpy()
    table, pairs = _coded(votes.assign(judge=codes, judge_name=votes["judge"])[is_readable])
    is_own = table["is_first_own"] | table["is_second_own"]
    is_one_own = table["is_first_own"] ^ table["is_second_own"]
    counted = table[~is_own].reset_index(drop=True)
    return AuditedVotes(
        judges=tuple(map(str, names)),
        pairs=pairs,
        counted=counted,
        own=table[is_one_own].reset_index(drop=True),
        cells=_cells(counted),
        n_votes=np.bincount(codes, minlength=len(names)),
        n_unreadable=np.bincount(codes[~is_readable], minlength=len(names)),
        n_own=int(is_own.sum()),
    )


def lesser_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Return goal_id, low_id, high_id and is_low_first of rows with goal_id, first_id, second_id."""
    first, second = (frame[name].to_numpy(dtype=object).astype(str) for name in ("first_id", "second_id"))
    is_low_first = first < second
    return pd.DataFrame(
        {
            "goal_id": frame["goal_id"].to_numpy(dtype=object),
            "low_id": np.where(is_low_first, first, second),
            "high_id": np.where(is_low_first, second, first),
            "is_low_first": is_low_first,
        }
    )


def _coded(readable: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the votes that stand, and the pairs that they are on."""
    if "round" in readable and len(readable):
        last = readable.groupby(["judge", "goal_id", "first_id", "second_id"], sort=False)["round"].transform(
            "max"
        )
        readable = readable[readable["round"] == last]
    sides = lesser_first(readable)
    pair = sides.groupby(PAIR_KEYS, sort=True).ngroup().to_numpy(dtype=np.int64)
    pairs = (
        sides.assign(pair=pair).drop_duplicates("pair").sort_values("pair")[PAIR_KEYS].reset_index(drop=True)
    )
    outcome = readable["outcome"].to_numpy(dtype=float)
    is_low_first = sides["is_low_first"].to_numpy(dtype=bool)
    is_first_own, is_second_own = (
        readable[f"{side}_author"].to_numpy(dtype=object) == readable["judge_name"].to_numpy(dtype=object)
        for side in ("first", "second")
    )
    table = pd.DataFrame(
        {
            "judge": readable["judge"].to_numpy(dtype=np.int64),
            "pair": pair,
            "is_low_first": is_low_first,
            "outcome": outcome,
            "low_outcome": np.where(is_low_first, outcome, -outcome),
            "is_first_own": is_first_own,
            "is_second_own": is_second_own,
            "is_low_own": np.where(is_low_first, is_first_own, is_second_own),
        }
    )
    return table, pairs


def _cells(counted: pd.DataFrame) -> pd.DataFrame:
    grouped = counted.groupby(["judge", "pair"], sort=True)
    seen = grouped["low_outcome"].agg(["min", "max", "mean"])
    orders = grouped["is_low_first"].agg(["min", "max"])
    return pd.DataFrame(
        {
            "n_orders": 1 + (orders["min"] != orders["max"]).astype(int),
            "is_same": seen["min"] == seen["max"],
            "mean": seen["mean"],
            "verdict": np.sign(seen["mean"].round(9)),
        }
    ).reset_index()
