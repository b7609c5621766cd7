"""From ranked results to records: executions directly, proposals through what became of them.

In: `RankedVotes`. Out: a `Ranking` for each result and a `Comparison` for each reviewed pair.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from camelx.ranking.rankers import RankedVotes
from camelx.schemas import Comparison, Interaction, Ranking, Role


def credit_roles(
    ranked: RankedVotes, results: Mapping[str, Interaction], cycle_id: str, ranker: str
) -> tuple[list[Ranking], list[Comparison]]:
    """Return rankings and comparisons of the judged results and of the proposals behind them.

    A proposal's score is the mean of its executions' scores, with the standard error of that mean. The
    probability that it beats another is the mean over the reviewed pairs of an execution of the one and an
    execution of the other; its `n_orders` is that of the best reviewed of these pairs.

    Args:
        ranked: What `rank_votes` gave.
        results: The judged interactions by id.
        cycle_id: Written into the records.
        ranker: The ranker's kind, written into the rankings.
    """
    known = set(results)
    items = ranked.items[ranked.items["item_id"].isin(known)]
    pairs = ranked.pairs[ranked.pairs["first_id"].isin(known) & ranked.pairs["second_id"].isin(known)]
    proposals, proposal_pairs = _proposal_items(items, results), _proposal_pairs(pairs, results)
    rankings = [*_rankings(items, cycle_id, ranker), *_rankings(proposals, cycle_id, ranker)]
    roles = {item: results[item].role for item in items["item_id"]}
    roles |= dict.fromkeys(proposals["item_id"], Role.PROPOSER)
    comparisons = [*_comparisons(pairs, roles, cycle_id), *_comparisons(proposal_pairs, roles, cycle_id)]
    return rankings, comparisons


def _proposal_items(items: pd.DataFrame, results: Mapping[str, Interaction]) -> pd.DataFrame:
    """Return the same columns for the proposals behind the items."""
    frame = items.assign(item_id=_parents(items["item_id"], results), variance=items["stderr"] ** 2).dropna(
        subset="item_id"
    )
    grouped = frame.groupby(["goal_id", "item_id"], as_index=False)
    merged = grouped.agg(
        score=("score", "mean"), variance=("variance", "sum"), n=("score", "size"), n_votes=("n_votes", "sum")
    )
    merged["stderr"] = np.sqrt(merged["variance"]) / merged["n"]
    merged["rank"] = merged.groupby("goal_id")["score"].rank(method="min", ascending=False).astype(int)
    return merged


def _proposal_pairs(pairs: pd.DataFrame, results: Mapping[str, Interaction]) -> pd.DataFrame:
    """Return the same columns for the pairs of proposals whose executions were compared."""
    first, second = _parents(pairs["first_id"], results), _parents(pairs["second_id"], results)
    is_across = first.notna() & second.notna() & (first != second)
    first, second, pairs = first[is_across], second[is_across], pairs[is_across]
    swap = first > second
    frame = pairs.assign(
        first_id=first.mask(swap, second),
        second_id=second.mask(swap, first),
        probability=pairs["probability"].mask(swap, 1.0 - pairs["probability"]),
    )
    return frame.groupby(["goal_id", "first_id", "second_id"], as_index=False).agg(
        probability=("probability", "mean"),
        n_votes=("n_votes", "sum"),
        n_orders=("n_orders", "max"),
        vote_ids=("vote_ids", lambda groups: tuple(sorted(i for ids in groups for i in ids))),
    )


def _parents(ids: pd.Series[Any], results: Mapping[str, Interaction]) -> pd.Series[Any]:
    """Return the proposal behind each execution, missing where there is none."""
    return pd.Series([results[i].parent_id for i in ids], index=ids.index, dtype=object)


def _rankings(items: pd.DataFrame, cycle_id: str, ranker: str) -> list[Ranking]:
    columns = ["goal_id", "item_id", "score", "stderr", "rank", "n_votes"]
    rows = items[columns].rename(columns={"item_id": "interaction_id"}).to_dict("records")
    return [Ranking(cycle_id=cycle_id, ranker=ranker, **_named(row)) for row in rows]


def _comparisons(pairs: pd.DataFrame, roles: Mapping[str, Role], cycle_id: str) -> list[Comparison]:
    rows = pairs.to_dict("records")
    return [Comparison(cycle_id=cycle_id, role=roles[row["first_id"]], **_named(row)) for row in rows]


def _named(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in row.items()}
