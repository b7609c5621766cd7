"""Rankers measured on real votes with human or objective labels: the core of ``camelx bench ranking``.

In: a folder with the public data sets `prd_vicuna80` (https://github.com/bcdnlp/PRD) and `llmbar_dev`
(https://github.com/princeton-nlp/LLMBar). Out: accuracy and kappa of every ranker, and the floors that a
ranker without any judge reaches. Their rows are read, never shipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camelx.config import BradleyTerryConfig, PeerRankConfig, RankerConfig, WinRateConfig
from camelx.errors import ConfigError
from camelx.ranking.agreement import agreement, mean_score
from camelx.ranking.peer_rank import mean_votes, peer_weights
from camelx.ranking.rankers import rank_votes
from camelx.ranking.votes import Floats, tabulate_votes

Figures = dict[str, dict[str, Any]]

_PRD = Path("prd_vicuna80") / "rounds.jsonl"
_LLMBAR = Path("llmbar_dev") / "verdicts.jsonl"
_RAW_OUTCOME = {1: 1.0, 2: -1.0, 3: 0.0}
_NOT_IN_MAJORITY = "ChatGPT-0301"
"""An older snapshot of a judge that votes already; the published majority leaves it out."""


def benchmark_rankings(data_dir: Path) -> dict[str, Figures]:
    """Return {data set: {ranker: {accuracy, kappa, ...}}}, ready for JSON.

    `prd_vicuna80` scores each of the 1,600 ordered pairs against the sign of the mean human vote (first,
    second or tie), as the paper does, votes of judges on their own work included. Rankers named "pooled"
    and those of `rank_votes` give one verdict for both orders; "rank_votes" drops votes on own work first.
    Sets `llmbar_dev/<strategy>/<set>` score a verdict against the objective label, a tie or an unreadable
    one as one half; they have no kappa.

    Raises:
        ConfigError: The data are not there.
    """
    figures = {"prd_vicuna80": _benchmark_prd(_rows(data_dir, _PRD))}
    return figures | _benchmark_llmbar(_rows(data_dir, _LLMBAR))


def _rows(data_dir: Path, name: Path) -> list[dict[str, Any]]:
    path = data_dir / name
    if not path.is_file():
        raise ConfigError(
            f"benchmark data {path} is not there; put the data sets prd_vicuna80 and llmbar_dev into a "
            "folder and name it with $CAMELX_REAL_DATA (default: ../shared/data)"
        )
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def _benchmark_prd(rounds: list[dict[str, Any]]) -> Figures:
    votes, truth = prd_votes(rounds), _prd_truth(rounds)
    verdicts: dict[str, Floats] = {
        f"judge:{judge}": _aligned(own.set_index(["first_id", "second_id"])["outcome"], truth)
        for judge, own in votes.groupby("judge")
    }
    verdicts |= _ordered_verdicts(votes, truth)
    peer, rate = PeerRankConfig(kind="peer_rank"), WinRateConfig(kind="win_rate")
    verdicts["pooled_majority"] = _pooled(votes, truth, rate, by_sum=True)
    verdicts["pooled_peer_rank"] = _pooled(votes, truth, peer)
    verdicts["win_rate"] = _pooled(votes, truth, rate)
    verdicts["bradley_terry"] = _pooled(votes, truth, BradleyTerryConfig())
    verdicts["rank_votes:peer_rank"] = _pooled(votes, truth, peer, drop_own=True)
    verdicts["rank_votes:win_rate"] = _pooled(votes, truth, rate, drop_own=True)
    verdicts["rank_votes:bradley_terry"] = _pooled(votes, truth, BradleyTerryConfig(), drop_own=True)
    verdicts["floor:author_prior"] = _author_prior(truth)
    verdicts["floor:longer_answer"] = np.sign((truth["first_chars"] - truth["second_chars"]).to_numpy(float))
    figures = {name: _prd_figures(verdict, truth) for name, verdict in verdicts.items()}
    figures["peer_rank"] |= _peer_details(votes, peer.rounds)
    return figures


def prd_votes(rounds: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the 8,000 votes as a frame with `VOTE_COLUMNS`; an item is named "goal/model"."""
    return pd.DataFrame(
        {
            "goal_id": str(r["goal_id"]),
            "judge": v["judge"],
            "first_id": f"{r['goal_id']}/{v['first']}",
            "second_id": f"{r['goal_id']}/{v['second']}",
            "first_author": v["first"],
            "second_author": v["second"],
            "outcome": _RAW_OUTCOME[v["raw"]],
            "vote_id": f"{r['goal_id']}/{v['judge']}/{v['first']}/{v['second']}",
        }
        for r in rounds
        for v in r["votes"]
    )


def _prd_truth(rounds: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the ordered pairs with the sign of the mean human vote, and the lengths of both answers."""
    rows = []
    for goal, r in enumerate(rounds):
        for h in r["human"]:
            human = float(np.sign(sum(h["votes"])))
            for first, second, sign in ((h["a"], h["b"], human), (h["b"], h["a"], -human)):
                ids = f"{r['goal_id']}/{first}", f"{r['goal_id']}/{second}"
                chars = len(r["outputs"][first]), len(r["outputs"][second])
                rows.append((goal, *ids, first, second, *chars, sign))
    names = ("goal", "first_id", "second_id", "first_author", "second_author")
    return pd.DataFrame(rows, columns=[*names, "first_chars", "second_chars", "human"])


def _prd_figures(verdict: Floats, truth: pd.DataFrame) -> dict[str, Any]:
    """Return the agreement on all ordered pairs, and the accuracy on those that people decided."""
    human, goal = truth["human"].to_numpy(float), truth["goal"].to_numpy()
    is_decided = human != 0
    right = np.where(verdict == 0, 0.5, verdict == human)[is_decided]
    decided = mean_score(goal[is_decided], right)
    return agreement(goal, verdict, human) | {f"decided_{key}": value for key, value in decided.items()}


def _ordered_verdicts(votes: pd.DataFrame, truth: pd.DataFrame) -> dict[str, Floats]:
    """Return plain majority and the paper's peer rank, which judge each order by itself."""
    table = tabulate_votes(votes, drop_own=False)
    keys, group = np.unique(table.first * len(table.item_ids) + table.second, return_inverse=True)
    first, second = np.divmod(keys, len(table.item_ids))
    index = pd.MultiIndex.from_arrays([table.item_ids[first], table.item_ids[second]])
    settings = PeerRankConfig(kind="peer_rank")
    weights, _ = peer_weights(table, settings.rounds)
    plain = mean_votes(group, len(keys), table.outcome, np.ones_like(table.outcome))
    weighted = mean_votes(group, len(keys), table.outcome, weights[table.judge])
    weighted[np.abs(weighted) <= settings.tie_width] = 0.0
    return {
        "majority": _aligned(pd.Series(np.sign(plain), index), truth),
        "peer_rank": _aligned(pd.Series(np.sign(weighted), index), truth),
    }


def _pooled(
    votes: pd.DataFrame,
    truth: pd.DataFrame,
    config: RankerConfig,
    *,
    drop_own: bool = False,
    by_sum: bool = False,
) -> Floats:
    """Return one verdict per pair for both of its orders, from the ranker or (`by_sum`) the sum of votes."""
    if by_sum:
        table = tabulate_votes(votes, drop_own=drop_own)
        sign = np.sign(np.bincount(table.pair, table.low_outcome, len(table.low)))
        first, second = table.item_ids[table.low], table.item_ids[table.high]
    else:
        pairs = rank_votes(votes, config, drop_own=drop_own).pairs
        sign = np.sign(np.round(pairs["probability"].to_numpy(float) - 0.5, 9))
        first, second = pairs["first_id"].to_numpy(object), pairs["second_id"].to_numpy(object)
    index = pd.MultiIndex.from_arrays([np.append(first, second), np.append(second, first)])
    return _aligned(pd.Series(np.append(sign, -sign), index), truth)


def _aligned(verdicts: pd.Series[Any], truth: pd.DataFrame) -> Floats:
    """Return the verdicts, indexed by (first_id, second_id), in the order of the ordered pairs."""
    index = pd.MultiIndex.from_frame(truth[["first_id", "second_id"]])
    return verdicts.reindex(index).fillna(0.0).to_numpy(float)


def _author_prior(truth: pd.DataFrame) -> Floats:
    """Return verdicts by the models' human scores on all other goals: no answer is read."""
    by_model = truth.pivot_table("human", "goal", "first_author", "sum", fill_value=0.0)
    others = by_model.sum() - by_model
    score = others.stack()
    first = score.reindex(pd.MultiIndex.from_frame(truth[["goal", "first_author"]])).to_numpy(float)
    second = score.reindex(pd.MultiIndex.from_frame(truth[["goal", "second_author"]])).to_numpy(float)
    return np.asarray(np.sign(first - second), dtype=np.float64)


def _peer_details(votes: pd.DataFrame, rounds: int) -> dict[str, dict[str, float]]:
    table = tabulate_votes(votes, drop_own=False)
    weights, rates = peer_weights(table, rounds)
    return {
        "weights": dict(zip(table.agents.tolist(), weights.tolist(), strict=True)),
        "win_rates": dict(zip(table.agents.tolist(), rates.tolist(), strict=True)),
    }


def _benchmark_llmbar(rows: list[dict[str, Any]]) -> dict[str, Figures]:
    verdicts = pd.DataFrame(rows)
    figures: dict[str, Figures] = {}
    for (strategy, name), part in verdicts.groupby(["strategy", "set"]):
        votes = _llmbar_votes(part)
        labels = part.drop_duplicates("i").set_index("i")["label"].sort_index()
        table = {f"judge:{llm}": _llmbar_judge(own) for llm, own in votes.groupby("judge")}
        voters = votes[votes["judge"] != _NOT_IN_MAJORITY]
        table["majority"] = _llmbar_score(voters.groupby("item")["low_outcome"].sum(), labels)
        for config in (BradleyTerryConfig(), WinRateConfig(kind="win_rate")):
            pairs = rank_votes(voters, config).pairs
            lean = pd.Series(pairs["probability"].to_numpy(float) - 0.5, pairs["goal_id"].astype(int))
            table[config.kind] = _llmbar_score(lean, labels)
        figures[f"llmbar_dev/{strategy}/{name}"] = table
    return figures


def _llmbar_votes(part: pd.DataFrame) -> pd.DataFrame:
    """Return two votes per row, one for each order; `low_outcome` is that for output 1, `right` its score."""
    frames = []
    for column, (first, second) in {"ab": ("1", "2"), "ba": ("2", "1")}.items():
        outcome = part[column].astype(object).map({first: 1.0, second: -1.0}).astype(float)
        item = part["i"].astype(str)
        frames.append(
            pd.DataFrame(
                {
                    "goal_id": item,
                    "item": part["i"],
                    "judge": part["llm"],
                    "first_id": item + "/" + first,
                    "second_id": item + "/" + second,
                    "first_author": None,
                    "second_author": None,
                    "outcome": outcome,
                    "vote_id": item + "/" + part["llm"] + "/" + column,
                    "low_outcome": outcome if first == "1" else -outcome,
                    "label": part["label"].astype(int),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _llmbar_judge(own: pd.DataFrame) -> dict[str, Any]:
    """Return a judge's accuracy over both orders, an unreadable verdict counting one half."""
    truth = np.where(own["label"] == 1, 1.0, -1.0)
    right = np.where(own["low_outcome"].isna(), 0.5, own["low_outcome"] == truth)
    return mean_score(_codes(own["item"]), right) | {"kappa": None}


def _llmbar_score(lean: pd.Series[Any], labels: pd.Series[Any]) -> dict[str, Any]:
    """Return the accuracy of the sign of `lean` (towards output 1), a tie counting one half."""
    truth = np.where(labels == 1, 1.0, -1.0)
    sign = np.sign(np.round(lean.reindex(labels.index).to_numpy(float), 9))
    return mean_score(np.arange(len(labels)), np.where(sign == 0, 0.5, sign == truth)) | {"kappa": None}


def _codes(values: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(pd.factorize(values)[0], dtype=np.int64)
