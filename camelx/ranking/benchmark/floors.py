"""What can be reached without a panel of reviewers: below these a ranker is worth nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from camelx.ranking.benchmark.forecasts import Forecast


def longer_answer(truth: pd.DataFrame) -> Forecast | None:
    """Return that the longer answer is always better; None where no length is known."""
    ahead = (truth["first_chars"] - truth["second_chars"]).to_numpy(float)
    return None if np.isnan(ahead).all() else Forecast.bare(np.nan_to_num(np.sign(ahead)))


def author_prior(truth: pd.DataFrame) -> Forecast | None:
    """Return verdicts by the models' human scores on all other goals; None where authors are unknown.

    No answer and no vote is read.
    """
    if "first_author" not in truth:
        return None
    by_model = truth.pivot_table("human", "goal", "first_author", "sum", fill_value=0.0)
    others: pd.Series[Any] = (by_model.sum() - by_model).stack()
    first, second = (
        others.reindex(pd.MultiIndex.from_frame(truth[["goal", side]])).to_numpy(np.float64)
        for side in ("first_author", "second_author")
    )
    return Forecast.bare(np.asarray(np.sign(first - second), dtype=np.float64))


def best_single_judge(rows: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row of the most accurate judge, with its name as `judge`: a choice that needs all labels."""
    judges = [name for name in rows if name.startswith("judge:")]
    if not judges:
        return None
    best = max(judges, key=lambda name: (rows[name]["accuracy"], name))
    return {**rows[best], "judge": best.removeprefix("judge:")}
