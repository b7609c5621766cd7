"""Every ranker's agreement with people on a data set of rounds, and the floors beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from camelx.config import (
    BradleyTerryConfig,
    PeerRankConfig,
    RankerConfig,
    ReliablePeerRankConfig,
    WinRateConfig,
)
from camelx.errors import ConfigError
from camelx.ranking.benchmark import floors
from camelx.ranking.benchmark.forecasts import Forecast, aligned, forecast, held_out_forecast, panel_figures
from camelx.ranking.benchmark.intervals import (
    agreement,
    calibration_error,
    difference,
    mean_score,
    surest_half,
)
from camelx.ranking.benchmark.rounds import Rounds
from camelx.ranking.peer_rank import mean_votes, peer_weights
from camelx.ranking.rankers import RankedVotes, rank_votes
from camelx.ranking.votes import Floats, tabulate_votes

Say = Callable[[str], None]
Figures = dict[str, dict[str, Any]]

_POOLED = "pooled_majority"
_RELIABLE = "reliable_peer_rank"
_NEAR = 0.1
"""Answers whose lengths have a logarithmic ratio below this are near equal in length."""
_RANKERS: dict[str, RankerConfig] = {
    _RELIABLE: ReliablePeerRankConfig(),
    "peer_rank": PeerRankConfig(kind="peer_rank"),
    "bradley_terry": BradleyTerryConfig(),
    "win_rate": WinRateConfig(kind="win_rate"),
}


def measure_rounds(rounds: Rounds, say: Say) -> Figures:
    """Return {ranker: figures}; see `camelx.ranking.benchmark` for the names."""
    truth = rounds.truth
    forecasts: dict[str, Forecast] = {}
    extra: Figures = {}
    for name, ranked, made in _ranked(rounds, say):
        forecasts[name] = made
        if name.startswith(_RELIABLE):
            extra[name] = panel_figures(ranked.panel)
    forecasts |= _by_majority(rounds) | _as_published(rounds.votes, truth, extra) | _judges(rounds)
    for name, floor in (
        ("floor:longer_answer", floors.longer_answer(truth)),
        ("floor:author_prior", floors.author_prior(truth)),
    ):
        if floor is not None:
            forecasts[name] = floor
    references = {
        name: forecasts[name] for name in (_POOLED, *(n for n in forecasts if n.startswith("floor:")))
    }
    figures = {name: _figures(f, truth, references) | extra.get(name, {}) for name, f in forecasts.items()}
    if best := floors.best_single_judge(figures):
        figures["floor:best_single_judge"] = best
    return figures


def _ranked(rounds: Rounds, say: Say) -> Iterator[tuple[str, RankedVotes, Forecast]]:
    """Yield every ranker's result: votes of judges on their own work count, except in "rank_votes:...".

    `reliable_peer_rank` is not told who wrote an answer; ":authors" is, and has a prior on them; ":labels"
    predicts each goal from the human verdicts on the others.
    """
    votes, truth = rounds.votes, rounds.truth
    blind = votes.assign(first_author=None, second_author=None)
    for name, config in _RANKERS.items():
        seen = blind if name == _RELIABLE else votes
        runs = {("pooled_" if name == "peer_rank" else "") + name: (seen, False)}
        for key, (frame, drop_own) in (runs | {f"rank_votes:{name}": (votes, True)}).items():
            try:
                ranked = rank_votes(frame, config, drop_own=drop_own)
            except ConfigError as e:
                say(f"{key} left out: {str(e).partition(';')[0]}")
                continue
            if len(ranked.pairs):
                yield key, ranked, forecast(ranked, truth)
            else:
                say(f"{key} left out: every vote is a judge's on its own work")
    ranked = rank_votes(votes, ReliablePeerRankConfig(author_prior=True), drop_own=False)
    yield f"{_RELIABLE}:authors", ranked, forecast(ranked, truth)
    labels = truth[["goal_id", "first_id", "second_id"]].assign(outcome=truth["human"]).iloc[::2]
    ranked = rank_votes(blind, ReliablePeerRankConfig(), drop_own=False, anchors=labels)
    yield f"{_RELIABLE}:labels", ranked, held_out_forecast(ranked.panel.held_out, truth)


def _judges(rounds: Rounds) -> dict[str, Forecast]:
    """Return each judge's own verdicts, each order by itself."""
    return {
        f"judge:{judge}": aligned(_sums(own), rounds.truth) for judge, own in rounds.votes.groupby("judge")
    }


def _by_majority(rounds: Rounds) -> dict[str, Forecast]:
    """Return the plain majority of the votes in each order, and of both orders pooled."""
    votes = rounds.votes
    turned = votes.rename(columns={"first_id": "second_id", "second_id": "first_id"})
    pooled = pd.concat([votes, turned.assign(outcome=-votes["outcome"])])
    return {"majority": aligned(_sums(votes), rounds.truth), _POOLED: aligned(_sums(pooled), rounds.truth)}


def _sums(votes: pd.DataFrame) -> pd.Series[Any]:
    """Return the sum of the readable votes on each ordered pair."""
    return votes.groupby(["first_id", "second_id"])["outcome"].sum()


def _as_published(votes: pd.DataFrame, truth: pd.DataFrame, extra: Figures) -> dict[str, Forecast]:
    """Return the paper's peer rank, which judges each order by itself; nothing where it can't be computed."""
    table, config = (tabulate_votes(votes, drop_own=False), PeerRankConfig(kind="peer_rank"))
    try:
        weights, rates = peer_weights(table, config.rounds)
    except ConfigError:
        return {}
    keys, group = np.unique(table.first * len(table.item_ids) + table.second, return_inverse=True)
    first, second = np.divmod(keys, len(table.item_ids))
    index = pd.MultiIndex.from_arrays([table.item_ids[first], table.item_ids[second]])
    mean = mean_votes(group, len(keys), table.outcome, weights[table.judge])
    mean[np.abs(mean) <= config.tie_width] = 0.0
    by_judge = {"weights": weights[table.judges], "win_rates": rates[table.judges]}
    names = table.agents[table.judges].tolist()
    extra["peer_rank"] = {
        key: {name: None if np.isnan(v) else float(v) for name, v in zip(names, values, strict=True)}
        for key, values in by_judge.items()
    }
    return {"peer_rank": aligned(pd.Series(mean, index), truth)}


def _figures(made: Forecast, truth: pd.DataFrame, references: dict[str, Forecast]) -> dict[str, Any]:
    human, goal = truth["human"].to_numpy(float), truth["goal"].to_numpy()
    right, score = (made.verdict == human).astype(float), made.scores(human)
    is_decided = human != 0
    chars = [np.maximum(truth[side].to_numpy(float), 1.0) for side in ("first_chars", "second_chars")]
    near = is_decided & (np.abs(np.log(chars[0] / chars[1])) < _NEAR)
    return (
        agreement(goal, made.verdict, human)
        | mean_score(goal[is_decided], score[is_decided], "decided_accuracy", "decided_n")
        | mean_score(goal[near], score[near], "near_equal_length_accuracy", "near_equal_length_n")
        | _probability_figures(made, truth)
        | {
            "agreement_with_pooled": float((made.verdict == references[_POOLED].verdict).mean()),
            "subtasks": _subtasks(right, truth),
            "against": {
                name: difference(goal, right, (other.verdict == human).astype(float))
                for name, other in references.items()
            },
        }
    )


def _probability_figures(made: Forecast, truth: pd.DataFrame) -> dict[str, float]:
    """Return calibration, and precision on the surer half; nothing for bare verdicts."""
    at = made.is_stated
    if not at.any():
        return {}
    human, goal = truth["human"].to_numpy(float), truth["goal"].to_numpy()
    score = made.scores(human)
    figures = calibration_error(goal[at], made.probability[at], (1.0 + human[at]) / 2.0, "ece_pair")
    if not np.isnan(made.p_tie).all():
        win = 0.5 - made.p_tie / 2.0 + np.abs(made.probability - 0.5)
        top = np.maximum(made.p_tie, win)
        figures |= calibration_error(goal[at], top[at], (made.verdict == human)[at].astype(float))
    listed = at & (np.arange(len(truth)) % 2 == 0)
    rows = {"": listed, "_decided": listed & (human != 0)}
    for name, chosen in rows.items():
        half = np.flatnonzero(chosen)[surest_half(np.abs(made.probability[chosen] - 0.5))]
        scored = half[human[half] != 0]
        key = f"precision_at_50{name}"
        figures |= mean_score(goal[scored], score[scored], key, f"{key}_n")
        if not name:
            sure = (made.choice == human)[half].astype(float)
            figures |= mean_score(goal[half], sure, f"{key}_ties_wrong", f"{key}_ties_wrong_n")
    return figures


def _subtasks(right: Floats, truth: pd.DataFrame) -> Figures:
    """Return the three-class accuracy on each pair of models, "a vs b" in the order of the alphabet."""
    goal = truth["goal"].to_numpy()
    a, b = (truth["first_author"].to_numpy(object), truth["second_author"].to_numpy(object))
    names = np.array([f"{min(pair)} vs {max(pair)}" for pair in zip(a, b, strict=True)], dtype=object)
    return {str(name): mean_score(goal[names == name], right[names == name]) for name in np.unique(names)}
