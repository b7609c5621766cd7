"""What is known of a panel of reviewers as a whole, beside the weight of each of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


def _empty(*columns: str) -> pd.DataFrame:
    return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})


@dataclass(frozen=True)
class Panel:
    """How far the reviewers together may be trusted. Rankers that take no labels leave the frames empty."""

    is_verified: bool = False
    """Whether human labels stand behind the weights. False: agreement was taken for quality. A handful of
    labels does not verify: they are counted and compared (`agreement`, `held_out`), but change nothing."""
    conflicts: tuple[str, ...] = ()
    """Sentences that name reviewers whose steady opinion is not that of the others."""
    in_conflict: tuple[str, ...] = ()
    """Their names, in the same order."""
    agreement: pd.DataFrame = field(default_factory=lambda: _empty("agreement", "low", "high", "n"))
    """Rows "before" and "after": share of the human labels that the panel meets, a tie half met, with its
    95 % interval, and the number of labelled pairs. "after": by weights from other goals' labels."""
    weights: pd.DataFrame = field(default_factory=lambda: _empty("judge", "category", "weight"))
    """Log odds of the human verdict per unit of a judge's mean vote; category "": goals without weights of
    their own."""
    held_out: pd.DataFrame = field(
        default_factory=lambda: _empty(
            "goal_id", "first_id", "second_id", "outcome", "p_first", "p_tie", "p_second"
        )
    )
    """The labelled pairs, `outcome` 1, 0 or -1 seen from first_id < second_id, with the probabilities that
    were predicted without the labels of their goal."""
