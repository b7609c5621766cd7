"""Rank results by the votes of reviewers whose reliability is learned, with human labels as anchors.

In: the votes as a table and, where there are any, human labels on some of the pairs. Out: `Strengths`: a
probability for each outcome of each pair, a score per result, what was learned of each reviewer, and the
`Panel`. No answer is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from camelx.config import ReliablePeerRankConfig
from camelx.ranking.panel import Panel
from camelx.ranking.reliable.anchors import Anchored, anchor
from camelx.ranking.reliable.labels import Labels, category_codes, chosen_goals, find_labels
from camelx.ranking.reliable.model import (
    Link,
    Opinions,
    Reviewers,
    believe,
    believed_by_people,
    expected_link,
    fit_reviewers,
    pool_opinions,
    shared_errors,
)
from camelx.ranking.reliable.records import agreement_interval, human_columns, learned_columns
from camelx.ranking.reliable.scenarios import Scenario, forecast
from camelx.ranking.strengths import Strengths
from camelx.ranking.votes import Floats, VoteTable


@dataclass(frozen=True)
class FittedPanel:
    """What the votes, and the labels where there are any, taught about the reviewers."""

    reviewers: Reviewers
    """Those whose opinions count; with `categories` (1 + categories) x agents, the agents innermost."""
    scenarios: tuple[Scenario, ...]
    """How human verdicts may follow; one where no labels tell it."""
    opinions: Opinions
    """What the reviewers were learned from."""
    free: Reviewers
    """As agreement alone has them, (agents,)."""
    labels: Labels
    anchored: Anchored | None
    """None: too few decided labels are on reviewed pairs, see `Labels.can_teach`."""

    @property
    def link(self) -> Link:
        """That of the most probable scenario."""
        return max(self.scenarios, key=lambda scenario: scenario.share).link

    @property
    def categories(self) -> tuple[str, ...]:
        """Those with reviewers of their own."""
        return self.labels.names


def reliable_peer_rank(
    table: VoteTable, config: ReliablePeerRankConfig, anchors: pd.DataFrame | None = None
) -> Strengths:
    """Return scores and calibrated probabilities.

    A score is in standard deviations of a typical difference. Where authors are unknown neither
    self-preference nor an author's level is learned.

    Args:
        table: The votes.
        config: The settings.
        anchors: Human labels: goal_id, first_id, second_id, outcome (1, 0, -1). Those on pairs without votes
            are left out; those on goals of the past count as much as any.

    Raises:
        DataValidationError: `anchors` are no labels.
    """
    panel = fit_panel(table, config, anchors)
    n_agents, n = len(table.agents), len(panel.reviewers.sigma)
    category = category_codes(table, panel.categories)[table.item_goal[table.first]]
    opinions = pool_opinions(table, table.judge + n_agents * category, n, config)
    expected = forecast(opinions, panel.reviewers, panel.scenarios)
    learned, weight = learned_columns(opinions, panel.reviewers, panel.link)
    if len(panel.labels.pair):
        learned = learned.join(human_columns(panel.opinions, panel.labels, panel.anchored))
    return Strengths(
        score=expected.score,
        stderr=expected.stderr,
        probability=expected.chances[:, 0] + expected.chances[:, 1] / 2.0,
        judge_weight=weight,
        p_tie=expected.chances[:, 1],
        learned=learned,
        panel=_met_by_people(panel, config) if len(panel.labels.pair) else None,
    )


def fit_panel(
    table: VoteTable, config: ReliablePeerRankConfig, anchors: pd.DataFrame | None = None
) -> FittedPanel:
    """Return the reviewers, learned from the votes of some goals and from all labels.

    Raises:
        DataValidationError: `anchors` are no labels.
    """
    found = find_labels(table, anchors, config.category_labels)
    sample = table.restricted(chosen_goals(table, found, config.fit_votes))
    labels = find_labels(sample, anchors, config.category_labels)
    opinions = pool_opinions(sample, sample.judge, len(sample.agents), config)
    free = fit_reviewers(opinions, config)
    if not labels.can_teach:
        link = expected_link(opinions, free, believe(opinions, free))
        alone = (Scenario(1.0, shared_errors(config), 1.0, link),)
        return FittedPanel(believed_by_people(free, config), alone, opinions, free, labels, None)
    anchored = anchor(sample, free, labels, config)
    return FittedPanel(anchored.reviewers, anchored.scenarios, opinions, free, labels, anchored)


def _met_by_people(panel: FittedPanel, config: ReliablePeerRankConfig) -> Panel:
    """Return what the labels show of the panel as a whole; too few of them show it and teach nothing."""
    table, labels, anchored = panel.opinions.table, panel.labels, panel.anchored
    unaided = believe(panel.opinions, believed_by_people(panel.free, config), shared_errors(config))
    chances = panel.link.probabilities(unaided.difference[labels.pair], unaided.variance[labels.pair])
    if anchored is not None:
        chances = anchored.held_out
    before, after = unaided.difference[labels.pair], chances[:, 0] - chances[:, 2]
    met = [1.0 - np.abs(np.sign(v) - labels.outcome) / 2.0 for v in (before, after)]
    agreement = pd.DataFrame(
        [agreement_interval(share, labels.goal) for share in met],
        index=["before", "after"],
        columns=["agreement", "low", "high"],
    )
    return Panel(
        is_verified=anchored is not None,
        agreement=agreement.assign(n=len(labels.pair)),
        weights=Panel().weights if anchored is None else _weights(table, labels, anchored.weights),
        held_out=_held_out(table, labels, chances),
    )


def _weights(table: VoteTable, labels: Labels, weights: Floats) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "judge": np.tile(table.agents, len(labels.names) + 1),
            "category": np.repeat(np.array(["", *labels.names], dtype=object), len(table.agents)),
            "weight": weights,
        }
    )
    return frame[frame["judge"].isin(table.agents[table.judges])].reset_index(drop=True)


def _held_out(table: VoteTable, labels: Labels, chances: Floats) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "goal_id": table.goals[labels.goal],
            "first_id": table.item_ids[table.low[labels.pair]],
            "second_id": table.item_ids[table.high[labels.pair]],
            "outcome": labels.outcome,
            "p_first": chances[:, 0],
            "p_tie": chances[:, 1],
            "p_second": chances[:, 2],
        }
    )
