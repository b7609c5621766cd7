"""Rank results by the votes of reviewers whose reliability is learned, with human labels as anchors.

In: a frame of votes and, where there are any, human labels on some of the pairs. Out: `ReliableRanks`: a
probability for each outcome of each pair, a score per result, a record per reviewer. No answer is read.

    tabulate_votes -> pool_opinions -> fit_reviewers [-> anchor] -> believe -> Link.probabilities
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from camelx.ranking.reliable.anchors import Anchored, Labels, anchor
from camelx.ranking.reliable.model import (
    Beliefs,
    Flags,
    Link,
    Opinions,
    Options,
    Reviewers,
    believe,
    expected_link,
    fit_reviewers,
    pool_opinions,
)
from camelx.ranking.reliable.records import agreement_interval, conflicts, judge_records
from camelx.ranking.votes import Codes, Floats, VoteTable, tabulate_votes


@dataclass(frozen=True)
class ReliableRanks:
    """What the votes and the labels say."""

    pairs: pd.DataFrame
    """goal_id, first_id < second_id, p_first, p_tie, p_second, probability (p_first + p_tie / 2), n_votes."""
    items: pd.DataFrame
    """goal_id, item_id, score (standard deviations of a typical difference), stderr, n_votes."""
    judges: pd.DataFrame
    """See `judge_records`."""
    weights: pd.DataFrame
    """judge, category ("" for all others), weight: log odds of the human verdict per unit of mean vote. Empty
    without labels."""
    is_verified: bool
    """Whether human labels stand behind the weights. False: agreement was taken for quality."""
    conflicts: tuple[str, ...]
    """Reviewers whose steady opinion is not that of the others."""
    panel: pd.DataFrame
    """before and after: share of labels that the panel meets, low, high, n. Empty without labels."""
    held_out: pd.DataFrame
    """The labelled pairs: goal_id, first_id, second_id, outcome, p_first, p_tie, p_second, predicted from
    other goals' labels."""


def reliable_peer_rank(
    votes: pd.DataFrame, anchors: pd.DataFrame | None = None, options: Options | None = None
) -> ReliableRanks:
    """Return rankings with a calibrated probability per pair.

    Args:
        votes: Columns of `camelx.ranking.votes.VOTE_COLUMNS`, and `category` where goals have one. Without
            authors (None) neither self-preference nor an author's level is learned.
        anchors: Human labels: goal_id, first_id, second_id, outcome (1, 0, -1). Several of one pair are
            summed; those on pairs without votes are left out.
        options: See `Options`.

    Raises:
        DataValidationError: The frame holds no valid votes.
    """
    options = options or Options()
    table = tabulate_votes(votes, drop_own=options.drop_own)
    marks = _labelled_pairs(table, anchors)
    sample = _thin(table, _sampled_goals(table, marks["goal"], options.fit_votes))
    opinions = pool_opinions(sample, sample.judge, len(sample.agents), options)
    free = fit_reviewers(opinions, options)
    if marks.empty or not len(table.outcome):
        link = expected_link(opinions, free, believe(opinions, free))
        whole = pool_opinions(table, table.judge, len(table.agents), options)
        return _unverified(whole, believe(whole, free, options.shared), link, judge_records(opinions, free))
    names = _labelled_categories(votes, table, marks, options)
    marks = _labelled_pairs(sample, anchors)
    labels = Labels(
        marks["pair"].to_numpy(),
        marks["outcome"].to_numpy(),
        marks["goal"].to_numpy(),
        _category_codes(votes, sample, names),
    )
    anchored = anchor(sample, free, labels, options)
    reviewer = (
        table.judge + len(table.agents) * _category_codes(votes, table, names)[table.item_goal[table.first]]
    )
    whole = pool_opinions(table, reviewer, anchored.opinions.n_reviewers, options)
    beliefs = believe(whole, anchored.reviewers, *anchored.errors)
    ranks = _unverified(whole, beliefs, anchored.link, judge_records(opinions, free, labels, anchored))
    return _verified(ranks, opinions, free, labels, anchored, names)


def _unverified(opinions: Opinions, beliefs: Beliefs, link: Link, records: pd.DataFrame) -> ReliableRanks:
    """Return the frames of a panel that no label has tested."""
    table = opinions.table
    chances = link.probabilities(beliefs.difference, beliefs.variance)
    pairs = _pair_frame(table, np.arange(len(table.low)), chances).assign(
        probability=chances[:, 0] + chances[:, 1] / 2.0,
        n_votes=np.bincount(table.pair, minlength=len(table.low)),
    )
    ones = np.ones_like(table.outcome)
    items = pd.DataFrame(
        {
            "goal_id": table.goals[table.item_goal],
            "item_id": table.item_ids,
            "score": beliefs.score / link.scale,
            "stderr": np.sqrt(beliefs.score_variance) / link.scale,
            "n_votes": table.per_item(ones, ones).astype(int),
        }
    )
    empty = pd.DataFrame()
    return ReliableRanks(pairs, items, records, empty, False, tuple(conflicts(records)), empty, empty)


def _verified(
    ranks: ReliableRanks,
    opinions: Opinions,
    free: Reviewers,
    labels: Labels,
    anchored: Anchored,
    names: list[str],
) -> ReliableRanks:
    """Return the ranks with what the labels show of the panel."""
    table = opinions.table
    before = np.sign(believe(opinions, free).difference[labels.pair])
    after = np.sign(anchored.held_out[:, 0] - anchored.held_out[:, 2])
    rows = [agreement_interval(1.0 - np.abs(v - labels.outcome) / 2.0, labels.goal) for v in (before, after)]
    panel = pd.DataFrame(rows, index=["before", "after"], columns=["agreement", "low", "high"])
    weights = pd.DataFrame(
        {
            "judge": np.tile(table.agents, len(names) + 1),
            "category": np.repeat(["", *names], len(table.agents)),
            "weight": anchored.weights,
        }
    )
    return replace(
        ranks,
        weights=weights[weights["judge"].isin(table.agents[table.judges])].reset_index(drop=True),
        is_verified=True,
        panel=panel.assign(n=len(labels.outcome)),
        held_out=_pair_frame(table, labels.pair, anchored.held_out).assign(outcome=labels.outcome),
    )


def _pair_frame(table: VoteTable, pairs: Codes, chances: Floats) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "goal_id": table.goals[table.item_goal[table.low[pairs]]],
            "first_id": table.item_ids[table.low[pairs]],
            "second_id": table.item_ids[table.high[pairs]],
            "p_first": chances[:, 0],
            "p_tie": chances[:, 1],
            "p_second": chances[:, 2],
        }
    )


def _labelled_pairs(table: VoteTable, anchors: pd.DataFrame | None) -> pd.DataFrame:
    """Return pair, outcome (for low) and goal, as codes, of each reviewed pair that has a label."""
    empty = pd.DataFrame({"pair": [], "outcome": [], "goal": []}).astype({"pair": int, "goal": int})
    if anchors is None or anchors.empty:
        return empty
    goal = pd.Index(table.goals).get_indexer(pd.Index(anchors["goal_id"]))
    at = np.flatnonzero(np.isin(table.item_goal[table.low], goal))
    ids, goals = table.item_ids, table.item_goal
    known = {
        (goals[a], ids[a], ids[b]): pair for pair, a, b in zip(at, table.low[at], table.high[at], strict=True)
    }
    rows = []
    for g, a, b, outcome in zip(
        goal, anchors["first_id"], anchors["second_id"], anchors["outcome"], strict=True
    ):
        key, sign = ((g, a, b), 1.0) if a < b else ((g, b, a), -1.0)
        if key in known:
            rows.append((known[key], sign * outcome, g))
    if not rows:
        return empty
    frame = pd.DataFrame(rows, columns=["pair", "outcome", "goal"]).dropna()
    summed = frame.groupby("pair", as_index=False).agg({"outcome": "sum", "goal": "first"})
    return summed.assign(outcome=np.sign(summed["outcome"]))


def _labelled_categories(
    votes: pd.DataFrame, table: VoteTable, marks: pd.DataFrame, options: Options
) -> list[str]:
    """Return the categories with labels enough for weights of their own, unless they are all one."""
    if "category" not in votes:
        return []
    counts = _goal_categories(votes, table).iloc[marks["goal"]].value_counts()
    return sorted(counts.index[counts >= options.category_labels]) if len(counts) > 1 else []


def _category_codes(votes: pd.DataFrame, table: VoteTable, names: list[str]) -> Codes:
    """Return (goals,) 1 + the place in `names`, 0 for other categories."""
    if not names:
        return np.zeros(len(table.goals), dtype=np.int64)
    return np.asarray(
        pd.Index(names).get_indexer(pd.Index(_goal_categories(votes, table))) + 1, dtype=np.int64
    )


def _goal_categories(votes: pd.DataFrame, table: VoteTable) -> pd.Series:
    return votes.drop_duplicates("goal_id").set_index("goal_id")["category"].reindex(table.goals)


def _sampled_goals(table: VoteTable, labelled: pd.Series, fit_votes: int) -> Flags:
    """Return (goals,): those with labels, and evenly spaced others up to about `fit_votes` votes."""
    step = max(1, -(-len(table.outcome) // fit_votes))
    chosen: Flags = np.arange(len(table.goals)) % step == 0
    chosen[labelled.to_numpy()] = True
    return chosen


def _thin(table: VoteTable, goals: Flags) -> VoteTable:
    """Return the table of these goals alone, with the same agents."""
    if goals.all():
        return table
    items = goals[table.item_goal]
    votes, pairs = items[table.first], items[table.low]
    goal_code, item_code, pair_code = (np.cumsum(kept) - 1 for kept in (goals, items, pairs))
    return replace(
        table,
        goals=table.goals[goals],
        item_ids=table.item_ids[items],
        item_goal=goal_code[table.item_goal[items]],
        judge=table.judge[votes],
        first=item_code[table.first[votes]],
        second=item_code[table.second[votes]],
        first_author=table.first_author[votes],
        second_author=table.second_author[votes],
        outcome=table.outcome[votes],
        vote_ids=table.vote_ids[votes],
        low=item_code[table.low[pairs]],
        high=item_code[table.high[pairs]],
        pair=pair_code[table.pair[votes]],
    )
