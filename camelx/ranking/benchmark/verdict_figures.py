"""Every ranker's agreement with objective labels on a set of verdicts, without labels and with twenty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from camelx.config import BradleyTerryConfig, RankerConfig, ReliablePeerRankConfig, WinRateConfig
from camelx.ranking.benchmark import floors
from camelx.ranking.benchmark.forecasts import Forecast, forecast, panel_figures
from camelx.ranking.benchmark.intervals import calibration_error, difference, mean_score
from camelx.ranking.benchmark.verdicts import VerdictSet
from camelx.ranking.rankers import rank_votes
from camelx.ranking.votes import Floats

Figures = dict[str, dict[str, Any]]

N_LABELS = 20
_NOT_IN_MAJORITY = "ChatGPT-0301"
"""An older snapshot of a judge that votes already; the published majority leaves it out."""
_RELIABLE = "reliable_peer_rank"
_RANKERS: dict[str, RankerConfig] = {
    _RELIABLE: ReliablePeerRankConfig(),
    "bradley_terry": BradleyTerryConfig(),
    "win_rate": WinRateConfig(kind="win_rate"),
}


def measure_verdicts(verdicts: VerdictSet, draws: int) -> Figures:
    """Return {ranker: figures}; see `camelx.ranking.benchmark` for the names.

    Args:
        verdicts: One set.
        draws: Random draws of twenty labelled items.
    """
    truth, votes = verdicts.truth, _voters(verdicts.votes)
    judges = _judge_scores(verdicts)
    scores: dict[str, Floats] = {f"judge:{name}": judges[name].to_numpy(float) for name in judges}
    forecasts = {"majority": _majority(votes, truth)}
    extra: Figures = {}
    for name, config in _RANKERS.items():
        ranked = rank_votes(votes, config)
        forecasts[name] = forecast(ranked, truth)
        if name == _RELIABLE:
            extra[name] = panel_figures(ranked.panel)
    if longer := floors.longer_answer(truth):
        forecasts["floor:longer_answer"] = longer
    human = truth["human"].to_numpy(float)
    scores |= {name: made.scores(human) for name, made in forecasts.items()}
    figures = {
        name: mean_score(truth["goal"].to_numpy(), score) | {"kappa": None} for name, score in scores.items()
    }
    if best := floors.best_single_judge(figures):
        figures["floor:best_single_judge"] = best
        scores["floor:best_single_judge"] = scores[f"judge:{best['judge']}"]
    for name, made in forecasts.items():
        figures[name] |= _details(name, made, truth, scores, forecasts["majority"]) | extra.get(name, {})
    if draws and len(truth) > N_LABELS:
        figures[f"{_RELIABLE}:{N_LABELS}_labels"] = measure_labelled(votes, truth, judges, draws)
    return figures


def measure_labelled(
    votes: pd.DataFrame, truth: pd.DataFrame, judges: pd.DataFrame, draws: int
) -> dict[str, Any]:
    """Return means over random draws of twenty labelled items, scored on the items that were not drawn.

    accuracy with _low and _high (2.5 and 97.5 % of the draws) and accuracy_sd; ece; best_single_judge on the
    same items, picked_judge (the one that the labels pick) and reached_best_judge (share of the draws that
    are at least level with it); panel_before and panel_after, the panel's own estimate of its agreement.
    """
    anchors = truth[["goal_id", "first_id", "second_id"]].assign(outcome=truth["human"])
    rows = [_one_draw(votes, truth, judges, anchors, draw) for draw in range(draws)]
    found = pd.DataFrame(rows)
    low, high = np.percentile(found["accuracy"], (2.5, 97.5))
    return {
        **{str(name): float(value) for name, value in found.drop(columns="is_verified").mean().items()},
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "accuracy_sd": float(found["accuracy"].std(ddof=0)),
        "kappa": None,
        "n": len(truth) - N_LABELS,
        "n_labels": N_LABELS,
        "draws": draws,
        "is_verified": bool(found["is_verified"].all()),
    }


def _one_draw(
    votes: pd.DataFrame, truth: pd.DataFrame, judges: pd.DataFrame, anchors: pd.DataFrame, draw: int
) -> dict[str, float]:
    picked = np.random.default_rng(draw).permutation(len(truth))[:N_LABELS]
    rest = np.setdiff1d(np.arange(len(truth)), picked)
    ranked = rank_votes(votes, ReliablePeerRankConfig(), anchors=anchors.iloc[picked])
    made = forecast(ranked, truth)
    score = made.scores(truth["human"].to_numpy(float))[rest]
    on_rest = judges.iloc[rest].mean()
    confidence = np.maximum(made.probability, 1.0 - made.probability)[rest]
    own = ranked.panel.agreement["agreement"]
    return {
        "accuracy": float(score.mean()),
        "ece": calibration_error(rest, confidence, score)["ece"],
        "best_single_judge": float(on_rest.max()),
        "picked_judge": float(on_rest.to_numpy()[judges.iloc[picked].mean().to_numpy().argmax()]),
        "reached_best_judge": float(score.mean() >= on_rest.max()),
        "panel_before": float(own["before"]),
        "panel_after": float(own["after"]),
        "is_verified": ranked.panel.is_verified,
    }


def _voters(votes: pd.DataFrame) -> pd.DataFrame:
    """Return the votes of the judges that count in a panel."""
    counted = votes[votes["judge"] != _NOT_IN_MAJORITY]
    return counted if len(counted) else votes


def _judge_scores(verdicts: VerdictSet) -> pd.DataFrame:
    """Return items x judges: the share of both orders that is right, an unreadable verdict one half."""
    votes = verdicts.votes.merge(
        verdicts.truth[["goal_id", "first_id", "human"]], on="goal_id", suffixes=("", "_1")
    )
    truth = np.where(votes["first_id"] == votes["first_id_1"], votes["human"], -votes["human"])
    right = np.where(votes["outcome"].isna(), 0.5, votes["outcome"] == truth)
    by_item = votes.assign(right=right).pivot_table("right", "goal_id", "judge", "mean")
    return by_item.reindex(verdicts.truth["goal_id"]).fillna(0.5)


def _majority(votes: pd.DataFrame, truth: pd.DataFrame) -> Forecast:
    """Return the sign of the sum of all readable votes of both orders."""
    is_first = votes["first_id"].isin(truth["first_id"])
    total = np.where(is_first, votes["outcome"], -votes["outcome"])
    sums = votes.assign(total=total).groupby("goal_id")["total"].sum()
    return Forecast.bare(np.sign(sums.reindex(truth["goal_id"]).fillna(0.0).to_numpy(np.float64)))


def _details(
    name: str, made: Forecast, truth: pd.DataFrame, scores: dict[str, Floats], majority: Forecast
) -> dict[str, Any]:
    goal, at = truth["goal"].to_numpy(), made.is_stated
    details: dict[str, Any] = {"agreement_with_pooled": float((made.choice == majority.choice).mean())}
    if at.any():
        confidence = np.maximum(made.probability, 1.0 - made.probability)
        details |= calibration_error(goal[at], confidence[at], scores[name][at])
    references = [
        other for other in ("majority", *scores) if other == "majority" or other.startswith("floor:")
    ]
    details["against"] = {
        other: difference(goal, scores[name], scores[other]) for other in dict.fromkeys(references)
    }
    return details
