"""From ranked results to records: executions directly, proposals through what became of them.

In: `RankedVotes`. Out: a `Ranking` for each result and a `Comparison` for each reviewed pair.
"""

from __future__ import annotations

from collections import Counter
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
    execution of the other; its `n_orders` is that of the worst reviewed of these pairs. Executions of a
    proposal that say the same are judged once and count as often as they came.

    Args:
        ranked: What `rank_votes` gave.
        results: The judged interactions by id.
        cycle_id: Written into the records.
        ranker: The ranker's kind, written into the rankings.
    """
    known = set(results)
    items = ranked.items[ranked.items["item_id"].isin(known)]
    pairs = ranked.pairs[ranked.pairs["first_id"].isin(known) & ranked.pairs["second_id"].isin(known)]
    copies = _copies(results)
    proposals = _proposal_items(items, results, copies)
    proposal_pairs = _proposal_pairs(pairs, results, copies)
    rankings = [*_rankings(items, cycle_id, ranker), *_rankings(proposals, cycle_id, ranker)]
    roles = {item: results[item].role for item in items["item_id"]}
    roles |= dict.fromkeys(proposals["item_id"], Role.PROPOSER)
    comparisons = [*_comparisons(pairs, roles, cycle_id), *_comparisons(proposal_pairs, roles, cycle_id)]
    return rankings, comparisons


def _copies(results: Mapping[str, Interaction]) -> dict[str, int]:
    """Return for each result how many executions of its proposal have its text."""
    texts = {item: (row.parent_id, row.completion.strip()) for item, row in results.items()}
    n_of = Counter(texts.values())
    return {item: n_of[text] for item, text in texts.items()}


def _proposal_items(
    items: pd.DataFrame, results: Mapping[str, Interaction], copies: Mapping[str, int]
) -> pd.DataFrame:
    """Return the same columns for the proposals behind the items."""
    weight = items["item_id"].map(copies)
    frame = items.assign(
        item_id=_parents(items["item_id"], results),
        weight=weight,
        score=weight * items["score"],
        variance=(weight * items["stderr"]) ** 2,
    ).dropna(subset="item_id")
    grouped = frame.groupby(["goal_id", "item_id"], as_index=False)
    merged = grouped[["weight", "score", "variance", "n_votes"]].sum()
    merged["score"] /= merged["weight"]
    merged["stderr"] = np.sqrt(merged["variance"]) / merged["weight"]
    places = merged["score"].round(9).groupby(merged["goal_id"]).rank(method="min", ascending=False)
    return merged.assign(rank=places.astype(int))


def _proposal_pairs(
    pairs: pd.DataFrame, results: Mapping[str, Interaction], copies: Mapping[str, int]
) -> pd.DataFrame:
    """Return the same columns for the pairs of proposals whose executions were compared."""
    weight = pairs["first_id"].map(copies) * pairs["second_id"].map(copies)
    first, second = _parents(pairs["first_id"], results), _parents(pairs["second_id"], results)
    is_across = first.notna() & second.notna() & (first != second)
    first, second, weight, pairs = first[is_across], second[is_across], weight[is_across], pairs[is_across]
    swap = first > second
    frame = pairs.assign(
        first_id=first.mask(swap, second),
        second_id=second.mask(swap, first),
        weight=weight,
        probability=weight * pairs["probability"].mask(swap, 1.0 - pairs["probability"]),
    )
    merged = frame.groupby(["goal_id", "first_id", "second_id"], as_index=False).agg(
        weight=("weight", "sum"),
        probability=("probability", "sum"),
        n_votes=("n_votes", "sum"),
        n_orders=("n_orders", "min"),
        vote_ids=("vote_ids", lambda groups: tuple(sorted(i for ids in groups for i in ids))),
    )
    # A sum of parts of 1 can come out a rounding error beyond it.
    return merged.assign(probability=(merged["probability"] / merged["weight"]).clip(0.0, 1.0))


def _parents(ids: pd.Series[Any], results: Mapping[str, Interaction]) -> pd.Series[Any]:
    """Return the proposal behind each execution, missing where there is none."""
    return pd.Series([results[i].parent_id for i in ids], index=ids.index, dtype=object)


def _rankings(items: pd.DataFrame, cycle_id: str, ranker: str) -> list[Ranking]:
    columns = ["goal_id", "item_id", "score", "stderr", "rank", "n_votes"]
    rows = items[columns].rename(columns={"item_id": "interaction_id"}).to_dict("records")
    return [Ranking(cycle_id=cycle_id, ranker=ranker, **_named(row)) for row in rows]


def _comparisons(pairs: pd.DataFrame, roles: Mapping[str, Role], cycle_id: str) -> list[Comparison]:
    columns = ["goal_id", "first_id", "second_id", "probability", "n_votes", "n_orders", "vote_ids"]
    rows = pairs[columns].to_dict("records")
    return [Comparison(cycle_id=cycle_id, role=roles[row["first_id"]], **_named(row)) for row in rows]


def _named(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in row.items()}
