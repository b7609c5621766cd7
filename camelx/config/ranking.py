"""The section `ranking` of cycle.yaml: how results are compared, and what becomes of the votes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from camelx.config.section import Section
from camelx.schemas import ReviewForm


class WinRateConfig(Section):
    """Share of votes won, ties half, shrunk towards one half."""

    kind: Literal["win_rate"]
    prior_votes: float = Field(default=2.0, ge=0)
    """Votes of strength one half that are added to each result."""


class BradleyTerryConfig(Section):
    """Strengths whose difference is the log odds of winning, with a normal prior."""

    kind: Literal["bradley_terry"] = "bradley_terry"
    prior_scale: float = Field(default=1.5, gt=0)
    """Standard deviation of the prior on a strength, in log odds."""


class PeerRankConfig(Section):
    """Votes weighted by the judge's own win rate (PRD, arXiv 2307.02762).

    Judges must be authors too, so it is for imported rounds: a cycle's PeerReviewers write no results.
    """

    kind: Literal["peer_rank"]
    rounds: int = Field(default=5, ge=1)
    tie_width: float = Field(default=0.01, ge=0)
    """A weighted mean vote this close to 0 is a tie."""


class ReliablePeerRankConfig(Section):
    """Reviewers whose reliability is learned, from each other and from human labels; see docs/ranking.md."""

    kind: Literal["reliable_peer_rank"] = "reliable_peer_rank"
    author_prior: bool = False
    """Learn from the votes how good each author is, and let that speak where votes are few."""
    prior_votes: float = Field(default=10.0, gt=0)
    """Reviewed pairs that the prior on a reviewer is worth."""
    shared: float | None = Field(default=None, ge=0)
    """Variance of the errors that reviewers share, where no labels tell it (a typical difference has 1).
    None: 0.5, and 1.0 with `author_prior`."""
    rounds: int = Field(default=30, ge=1)
    """Rounds of EM."""
    fit_votes: int = Field(default=100_000, ge=1)
    """Votes that the reviewers' parameters are learned from: whole goals, evenly spaced. All are ranked."""
    folds: int = Field(default=5, ge=2)
    """Parts of the labelled goals, each predicted from the others."""
    category_labels: int = Field(default=20, ge=1)
    """Human labels from which on a goal category gets weights of its own."""


RankerConfig = Annotated[
    WinRateConfig | BradleyTerryConfig | PeerRankConfig | ReliablePeerRankConfig, Field(discriminator="kind")
]


class BudgetConfig(Section):
    """The most that may be spent on reviews; None: no bound. The first bound that is met ends the buying."""

    calls_per_goal: int | None = Field(default=None, ge=1)
    calls: int | None = Field(default=None, ge=1)
    """Of the whole cycle, as the two below."""
    tokens: int | None = Field(default=None, ge=1)
    """Prompt and completion tokens together."""
    money: float | None = Field(default=None, gt=0)
    """In the currency of the backends' `price`."""


class BuyingConfig(Section):
    """Votes are asked for one at a time, where they tell most, instead of all that are scheduled."""

    budget: BudgetConfig = BudgetConfig()
    min_gain: float = Field(default=0.002, ge=0)
    """Buying ends where the best vote is expected to put fewer pairs right than this (per unit of price)."""
    complete_orders: bool = True
    """At the end, pairs that lean far enough to be exported get the order that they lack."""


class DiscussionConfig(Section):
    """Reviewers who disagree on a pair see each other's reasons once and vote again (PRD's second half)."""

    max_pairs_per_goal: int = Field(default=1, ge=1)
    min_value: float = Field(default=0.0, ge=0, le=1)
    """Least closeness 1 - |2p - 1| of a pair's probability to one half; pairs with a human label always are
    discussed first."""


class PanelLimits(Section):
    """Beyond these the cycle stops before anything is trained: the reviewers collapsed. None: no limit."""

    max_flip_rate: float | None = Field(default=0.75, ge=0, le=1)
    """Largest share of the pairs judged in both orders whose verdict changed with the order, of any reviewer
    with at least `min_votes` on such pairs."""
    max_same_answer: float | None = Field(default=0.98, ge=0, le=1)
    """Largest share of one answer (A, B or tie as shown) among a reviewer's readable votes."""
    max_length_growth: float | None = Field(default=1.5, gt=1)
    """Largest ratio of mean chosen length to that of the last completed cycle, for each role; it must be more
    than chance, too: its 95 % interval leaves 1 out."""
    min_margin_ratio: float | None = Field(default=0.25, ge=0, le=1)
    """Least ratio of the mean weight of the exported pairs that rest on votes to that of the last completed
    cycle, for each role; it must be more than chance, too."""
    min_votes: int = Field(default=50, ge=1)
    """Readable votes below which a reviewer is not judged by these limits."""


class RankingConfig(Section):
    """How results are compared."""

    comparisons_per_goal: int = Field(default=10, ge=1)
    """Pairs of results that are reviewed for each goal, each in both orders. Lists hold at least as many:
    they connect all results of a goal."""
    reviewers_per_pair: int = Field(default=1, ge=1)
    """Reviewers who see each pair, each in both orders; with `buying` the most who may."""
    peers_review: bool = True
    """Proposers and Executors review too, asked as the first PeerReviewer is; never their own work."""
    form: ReviewForm = "pairwise"
    """How a reviewer is asked: two results side by side, a ranking of several, or marks for several."""
    list_size: int = Field(default=4, ge=2, le=8)
    """Results shown at once in the forms "listwise" and "rating"."""
    buying: BuyingConfig | None = None
    """None: every scheduled vote is asked for. Only for the form "pairwise"."""
    discussion: DiscussionConfig | None = None
    """None: no discussion. Only for the form "pairwise", and with at least 2 `reviewers_per_pair`."""
    max_unreadable_rate: float = Field(default=0.2, ge=0, le=1)
    """The stage fails when a larger share of the verdicts can't be read."""
    limits: PanelLimits = PanelLimits()
    ranker: RankerConfig = ReliablePeerRankConfig()

    @model_validator(mode="after")
    def _form_takes_the_options(self) -> RankingConfig:
        for name in ("buying", "discussion"):
            if self.form != "pairwise" and getattr(self, name) is not None:
                raise ValueError(
                    f"{name} needs form 'pairwise', got form {self.form!r}; remove {name}, or ask in pairs"
                )
        if self.discussion is not None and self.reviewers_per_pair < 2:
            raise ValueError(
                "discussion needs two reviewers who saw the same pair, got reviewers_per_pair 1; set "
                "reviewers_per_pair to 2 or more, or remove discussion"
            )
        return self
