"""What a ranker says of pairs that people judged: a verdict each, and its probabilities where it has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from camelx.ranking.panel import Panel
from camelx.ranking.rankers import RankedVotes
from camelx.ranking.votes import Flags, Floats


@dataclass(frozen=True)
class Forecast:
    """One ranker's answer to each of `n` pairs, seen from the first result."""

    verdict: Floats
    """(n,) 1, 0 or -1, the likeliest of three outcomes; 0 too where nothing is known of the pair."""
    choice: Floats
    """(n,) likewise, if it has to choose one of the two: 0 only where it can't."""
    probability: Floats
    """(n,) that the first beats the second, ties half; NaN where there is none."""
    p_tie: Floats
    """(n,) of a tie; NaN where there is none."""

    @classmethod
    def bare(cls, verdict: Floats) -> Forecast:
        """Return verdicts without probabilities."""
        unknown = np.full(len(verdict), np.nan)
        return cls(verdict, verdict, unknown, unknown)

    @property
    def is_stated(self) -> Flags:
        """(n,) whether there is a probability."""
        return ~np.isnan(self.probability)

    def scores(self, truth: Floats) -> Floats:
        """Return 1 where the choice is right, 0 where it is wrong, one half where there is none (n,)."""
        return np.where(self.choice == 0, 0.5, self.choice == truth)


def forecast(ranked: RankedVotes, truth: pd.DataFrame) -> Forecast:
    """Return what the ranker says of the pairs in `truth` (first_id, second_id).

    A pair without votes is called by the scores of its results.
    """
    score = ranked.items.set_index("item_id")["score"]
    ahead = [score.reindex(truth[side]).fillna(0.0).to_numpy(float) for side in ("first_id", "second_id")]
    return _likeliest(ranked.pairs, truth, ahead[0] - ahead[1])


def panel_figures(panel: Panel) -> dict[str, Any]:
    """Return what the ranker says of its panel."""
    return {
        "is_verified": panel.is_verified,
        "conflicts": list(panel.conflicts),
        "in_conflict": list(panel.in_conflict),
    }


def held_out_forecast(held_out: pd.DataFrame, truth: pd.DataFrame) -> Forecast:
    """Return what a panel says of labelled pairs, each goal's without the labels of that goal."""
    pairs = held_out.assign(probability=held_out["p_first"] + held_out["p_tie"] / 2.0)
    return _likeliest(pairs, truth, np.zeros(len(truth)))


def _likeliest(pairs: pd.DataFrame, truth: pd.DataFrame, otherwise: Floats) -> Forecast:
    """Return the forecast by the probabilities of `pairs`, the sign of `otherwise` where there are none."""
    first, second = (pairs["first_id"].to_numpy(object), pairs["second_id"].to_numpy(object))
    lean, tie = pairs["probability"].to_numpy(float), pairs["p_tie"].to_numpy(float)
    both = pd.DataFrame(
        {"probability": np.append(lean, 1.0 - lean), "p_tie": np.append(tie, tie)},
        index=pd.MultiIndex.from_arrays([np.append(first, second), np.append(second, first)]),
    )
    found = both.reindex(pd.MultiIndex.from_frame(truth[["first_id", "second_id"]]))
    probability, p_tie = (found["probability"].to_numpy(float), found["p_tie"].to_numpy(float))
    lean = np.where(np.isnan(probability), otherwise, probability - 0.5)
    choice = np.sign(np.round(lean, 9))
    return Forecast(
        np.where(p_tie > 0.5 - p_tie / 2.0 + np.abs(lean), 0.0, choice), choice, probability, p_tie
    )


def aligned(verdicts: pd.Series[Any], truth: pd.DataFrame) -> Forecast:
    """Return the signs of sums of votes, indexed by (first_id, second_id); a pair that has none is a tie."""
    index = pd.MultiIndex.from_frame(truth[["first_id", "second_id"]])
    return Forecast.bare(np.sign(verdicts.reindex(index).fillna(0.0).to_numpy(np.float64)))
