"""What the votes, and human labels where there are any, show about each reviewer.

In: a `VoteTable`, the fitted reviewers, the labels. Out: one row per judge, and the conflicts of the panel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from camelx.ranking.reliable.anchors import Anchored, Labels
from camelx.ranking.reliable.model import Opinions, Reviewers
from camelx.ranking.votes import Codes, Floats, weighted_counts

_Z = 1.96
_CONFLICT_COLUMNS = ("judge", "consistency", "consistency_stderr", "agreement", "agreement_stderr")


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance per reviewer, (r,) each; NaN where nothing was compared."""

    observed: Floats
    kappa: Floats
    stderr: Floats
    n: Floats


def judge_records(
    opinions: Opinions, reviewers: Reviewers, labels: Labels | None = None, anchored: Anchored | None = None
) -> pd.DataFrame:
    """Return one row per judge.

    judge, n_votes, tie_share, first_share (of decided votes), first_bias, self_bias (mean vote, from -1 to 1,
    for the first position and for its own work), flip_rate, consistency (kappa of its verdicts in the two
    orders), agreement (kappa with the majority of the others), discrimination, weight (share, both orders, by
    agreement alone). With labels also n_labels, human_before and human_after with _low and _high: the share
    of labels that its verdicts meet as they are, and with the sign that other goals' labels give them.
    """
    table = opinions.table
    judges = table.judges
    n_all = opinions.n_reviewers
    n = np.bincount(opinions.reviewer, minlength=n_all)
    n_tie = np.bincount(opinions.reviewer[table.outcome == 0], minlength=n_all)
    n_first = np.bincount(opinions.reviewer[table.outcome == 1], minlength=n_all)
    swap, others = swap_consistency(opinions), peer_agreement(opinions)
    weight = reviewers.weight(np.arange(n_all), np.full(n_all, 2.0)) * (n > 0)
    frame = pd.DataFrame(
        {
            "judge": table.agents,
            "n_votes": n,
            "tie_share": _ratio(n_tie, n),
            "first_share": _ratio(n_first, n - n_tie),
            "first_bias": reviewers.first_bias,
            "self_bias": reviewers.self_bias,
            "flip_rate": 1.0 - swap.observed,
            "consistency": swap.kappa,
            "consistency_stderr": swap.stderr,
            "agreement": others.kappa,
            "agreement_stderr": others.stderr,
            "discrimination": reviewers.discrimination,
            "weight": weight / max(float(np.abs(weight).sum()), 1e-9),
        }
    )
    if labels is not None and anchored is not None:
        frame = frame.assign(**_human_columns(opinions, labels, anchored))
    return frame.iloc[judges].reset_index(drop=True)


def conflicts(records: pd.DataFrame) -> list[str]:
    """Return why the consensus of this panel may not be trusted, in words; nothing here needs labels.

    A reviewer who says the same in both orders has an opinion. If that is not the others' opinion, one side
    is wrong, and votes alone can't tell which.
    """
    found = []
    columns = (records[name].to_numpy() for name in _CONFLICT_COLUMNS)
    for judge, own, own_stderr, shared, shared_stderr in zip(*columns, strict=True):
        if own - _Z * own_stderr > 0.2 and shared + _Z * shared_stderr < 0.6 * own:
            found.append(
                f"{judge} repeats its verdicts under swap (kappa {own:.2f}) but agrees with the others only "
                f"at kappa {shared:.2f}: either it or the rest of the panel is wrong"
            )
    return found


def swap_consistency(opinions: Opinions) -> Kappa:
    """Return how far reviewers repeat their verdict when the order is swapped."""
    table, c = opinions.table, len(opinions.n_votes)
    low_first = table.is_low_first
    sums = [weighted_counts(opinions.cell[at], table.low_outcome[at], c) for at in (low_first, ~low_first)]
    counts = [np.bincount(opinions.cell[at], minlength=c) for at in (low_first, ~low_first)]
    both = (counts[0] > 0) & (counts[1] > 0)
    return _kappa(
        opinions.cell_reviewer[both], np.sign(sums[0][both]), np.sign(sums[1][both]), opinions.n_reviewers
    )


def peer_agreement(opinions: Opinions) -> Kappa:
    """Return how far reviewers agree with the unweighted majority of the others on the same pair."""
    k = len(opinions.table.low)
    total = weighted_counts(opinions.cell_pair, opinions.outcome, k)[opinions.cell_pair]
    company = np.bincount(opinions.cell_pair, minlength=k)[opinions.cell_pair] > 1
    rest = np.round(total - opinions.outcome, 9)
    return _kappa(
        opinions.cell_reviewer[company],
        np.sign(opinions.outcome[company]),
        np.sign(rest[company]),
        opinions.n_reviewers,
    )


def _kappa(reviewer: Codes, one: Floats, other: Floats, n_reviewers: int) -> Kappa:
    """Return Cohen's kappa of two verdicts (-1, 0, 1) per reviewer, with its large-sample standard error."""
    shares = [
        np.stack([np.bincount(reviewer[v == c], minlength=n_reviewers) for c in (-1, 0, 1)])
        for v in (one, other)
    ]
    n = np.bincount(reviewer, minlength=n_reviewers).astype(float)
    observed = _ratio(np.bincount(reviewer[one == other], minlength=n_reviewers), n)
    chance = _ratio((shares[0] * shares[1]).sum(axis=0), n**2)
    spread = np.sqrt(np.maximum(observed * (1.0 - observed), 0.25 / (n + 1.0)) / np.maximum(n, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return Kappa(observed, (observed - chance) / (1.0 - chance), spread / (1.0 - chance), n)


def _human_columns(opinions: Opinions, labels: Labels, anchored: Anchored) -> dict[str, Floats]:
    """Return agreement with the labels per agent, before and after, with 95 % intervals."""
    n_agents = opinions.n_reviewers
    row = np.full(len(opinions.table.low), -1)
    row[labels.pair] = np.arange(len(labels.pair))
    at = row[opinions.cell_pair]
    judge, verdict, at = opinions.cell_reviewer[at >= 0], np.sign(opinions.outcome[at >= 0]), at[at >= 0]
    category = labels.category[labels.goal[at]]
    turned = verdict * np.sign(anchored.held_out_weights[at, judge + n_agents * category])
    columns: dict[str, Floats] = {"n_labels": np.bincount(judge, minlength=n_agents).astype(float)}
    for name, value in (("human_before", verdict), ("human_after", turned)):
        met = 1.0 - np.abs(value - labels.outcome[at]) / 2.0
        cells = np.array(
            [agreement_interval(met[judge == j], labels.goal[at][judge == j]) for j in range(n_agents)]
        )
        columns |= {name: cells[:, 0], f"{name}_low": cells[:, 1], f"{name}_high": cells[:, 2]}
    return columns


def agreement_interval(met: Floats, goal: Codes) -> tuple[float, float, float]:
    """Return the mean and its 95 % Wilson interval, labels of one goal counting as a cluster."""
    n = len(met)
    if n == 0:
        return float("nan"), 0.0, 1.0
    share = float(met.mean())
    clusters = np.unique(goal, return_inverse=True)[1].reshape(-1)
    variance = float((np.bincount(clusters, met - share) ** 2).sum()) / n**2
    effective = min(float(n), share * (1.0 - share) / variance) if variance > 0 else float(n)
    centre = (share + _Z**2 / (2 * effective)) / (1 + _Z**2 / effective)
    half = (
        _Z * np.sqrt(share * (1 - share) / effective + _Z**2 / (4 * effective**2)) / (1 + _Z**2 / effective)
    )
    return share, centre - half, centre + half


def _ratio(part: Floats | Codes, whole: Floats | Codes) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=np.asarray(whole) > 0)
    return ratio
