"""The sections of cycle.yaml, and the whole `RunConfig`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from camelx.config.agents import AgentConfig, AgentsConfig
from camelx.config.ranking import RankingConfig
from camelx.config.section import Section
from camelx.errors import ConfigError
from camelx.schemas import Role, VerifierKind


class PolicyConfig(Section):
    """The model that the cycle improves."""

    base: str = "demo"
    """"demo" is the small model that ships with camelx; else a directory or a hub id."""
    name: str = "camelx-policy"
    """Name of the registered model in MLflow."""


class GoalsConfig(Section):
    """What the agents work on."""

    source: Literal["demo", "database"] = "demo"
    """"demo": fresh word problems for each cycle; "database": goals that `camelx import goals` brought."""
    n: int = Field(default=200, gt=0)
    """Goals of one cycle."""
    heldout_n: int = Field(default=300, ge=2)
    """Goals that are only ever evaluated on. Frozen by hash at their first use."""
    mastered_at: float = Field(default=0.9, gt=0, le=1)
    """Curriculum: goals come from the levels up to the first one whose held-out accuracy is below this."""


class GenerationConfig(Section):
    """Goals x agents x samples."""

    concurrency: int = Field(default=512, gt=0)
    """Most model calls under way at once; also used by mutual ranking and evaluation."""
    max_failure_rate: float = Field(default=0.1, ge=0, le=1)
    """The stage fails when a larger share of its calls failed."""


class ExportConfig(Section):
    """Which comparisons become preference pairs."""

    min_weight: float = Field(default=0.3, ge=0, le=1)
    """Least confidence 2p - 1 that chosen beats rejected."""
    max_pairs_per_goal: int = Field(default=2, ge=1)
    """Per goal and role; the surest are kept."""
    max_similarity: float = Field(default=0.98, gt=0, le=1)
    """Texts more alike than this (1 is identical) make no pair."""
    require_both_orders: bool = True
    """Pairs that the agents judged in one order alone are dropped: position may have decided them."""
    review_outcome: Literal["human", "verifier", "both"] = "human"
    """What shows later which review was right, for pairs of role peer_reviewer: people's verdicts on the two
    results, the goal's verifier (this tells the cycle the answers of its training goals), or both."""
    roles: tuple[Role, ...] = (Role.PROPOSER, Role.EXECUTOR)


class ValidationConfig(Section):
    """Bounds of the rules that the pairs file must keep."""

    min_pairs: int = Field(default=16, ge=1)
    max_dropped_share: float = Field(default=0.98, ge=0, le=1)
    """Largest share of the comparisons that may be dropped on export."""
    max_tie_share: float = Field(default=0.95, ge=0, le=1)
    """Largest share of the readable votes that may be ties."""
    max_length_ratio: float = Field(default=8.0, ge=1)
    """Bound of mean chosen length over mean rejected length, and of its inverse."""


class LoraSettings(Section):
    """The adapter's shape."""

    rank: int = Field(default=16, gt=0)
    alpha: int = Field(default=32, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: str | tuple[str, ...] = "all-linear"


class TrainingConfig(Section):
    """DPO with an SFT term, TRL's names where it has one."""

    beta: float = Field(default=0.1, gt=0)
    loss: Literal["sigmoid", "ipo", "hinge", "robust"] = "sigmoid"
    sft_weight: float = Field(default=1.0, ge=0)
    """Weight of the likelihood term on chosen answers, which keeps DPO from collapsing."""
    learning_rate: float = Field(default=5e-4, gt=0)
    epochs: float = Field(default=2.0, gt=0)
    batch_size: int = Field(default=32, gt=0)
    """Pairs per optimiser step."""
    micro_batch_size: int = Field(default=32, gt=0)
    """Pairs per forward pass; must divide batch_size."""
    warmup_share: float = Field(default=0.1, ge=0, le=1)
    max_length: int = Field(default=512, gt=0)
    """Tokens of prompt and answer together."""
    checkpoint_steps: int = Field(default=20, gt=0)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    lora: LoraSettings = LoraSettings()

    @model_validator(mode="after")
    def _batches_fit(self) -> TrainingConfig:
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self


class GateConfig(Section):
    """When the challenger takes over: both bounds must be passed."""

    min_difference: float = 0.0
    """Least difference challenger - champion in held-out score."""
    min_low: float = 0.0
    """Least lower bound of that difference's interval; the bound itself does not pass."""


class EvaluationConfig(Section):
    """Champion against challenger on the frozen hold-out."""

    verifier: VerifierKind = "numeric"
    """For goals with an answer that name no verifier of their own."""
    callable: str | None = None
    """For verifier "callable": "package.module:function", called with (goal, text), returns bool."""
    regex: str | None = None
    """For verifier "regex": the first group of the last match is compared with the answer."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    n_bootstrap: int = Field(default=10_000, ge=100)
    gate: GateConfig = GateConfig()

    @model_validator(mode="after")
    def _verifier_is_complete(self) -> EvaluationConfig:
        if self.verifier in ("callable", "regex") and getattr(self, self.verifier) is None:
            raise ValueError(f"verifier {self.verifier!r} needs evaluation.{self.verifier}")
        return self


class RunConfig(Section):
    """One cycle, whole: cycle.yaml with agents.yaml in its place."""

    seed: int = Field(default=0, ge=0)
    """Added to the cycle's number, it fixes goals, sampling, orders, training and bootstrap."""
    policy: PolicyConfig = PolicyConfig()
    agents: AgentsConfig
    """In the file: the path of agents.yaml, relative to the file."""
    goals: GoalsConfig = GoalsConfig()
    generation: GenerationConfig = GenerationConfig()
    ranking: RankingConfig = RankingConfig()
    export: ExportConfig = ExportConfig()
    validation: ValidationConfig = ValidationConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _money_can_be_spent(self) -> RunConfig:
        buying = self.ranking.buying
        if buying is None or buying.budget.money is None:
            return self
        backends = self.agents.backends
        asked = sorted({agent.backend for agent in self._who_reviews()})
        unpriced = [name for name in asked if backends[name].price is None]
        prices = [price for name in asked if (price := backends[name].price) is not None]
        if unpriced or not any(price.prompt or price.completion for price in prices):
            raise ValueError(
                "ranking.buying.budget.money needs to know what each reviewer costs: "
                f"{', '.join(unpriced or asked)} {'has no price' if unpriced else 'cost nothing'}; give a "
                "backend that costs money `price: {prompt: .., completion: ..}` per million tokens, one that "
                "is free `price: {}`, or bound calls or tokens"
            )
        return self

    @model_validator(mode="after")
    def _reviews_can_be_compared(self) -> RunConfig:
        if Role.PEER_REVIEWER in self.export.roles and self.ranking.reviewers_per_pair < 2:
            raise ValueError(
                "export.roles has peer_reviewer, which needs two reviews of the same pair, got "
                "ranking.reviewers_per_pair 1; set it to 2 or more, or export other roles"
            )
        return self

    def check_judges_write(self) -> None:
        """Refuse a ranker that weighs judges by what they wrote where some of those who review write nothing.

        Only for a cycle that asks its own reviewers: the judges of imported rounds are other ones.

        Raises:
            ConfigError: So it is; every vote would be paid for, and then could not be ranked.
        """
        reviewers = self.agents.with_role(Role.PEER_REVIEWER)
        strangers = [name for agent in reviewers for name in agent.members]
        if self.ranking.ranker.kind == "peer_rank" and strangers:
            raise ConfigError(
                f"ranking.ranker: peer_rank weighs a judge by its own results, but {', '.join(strangers)} "
                "will write none: a PeerReviewer only reviews; set ranking.ranker.kind to "
                "reliable_peer_rank or bradley_terry (peer_rank is for imported rounds)"
            )

    def _who_reviews(self) -> tuple[AgentConfig, ...]:
        if self.ranking.peers_review:
            return self.agents.agents
        return self.agents.with_role(Role.PEER_REVIEWER)
