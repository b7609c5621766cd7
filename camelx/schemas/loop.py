"""What the loop works with: goals, interactions, votes, rankings, pairs, adapters, cycles.

Rooms take and return these; the database stores them; the files hold them.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from camelx.schemas.base import Record, stable_id, utc_now


class Role(StrEnum):
    """What an agent does in the workflow."""

    PROPOSER = "proposer"
    EXECUTOR = "executor"
    PEER_REVIEWER = "peer_reviewer"


class Split(StrEnum):
    """Which goals may be trained on."""

    TRAIN = "train"
    HELDOUT = "heldout"


class Verdict(StrEnum):
    """What a reviewer said of two results, in the order in which they were shown."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"


class Stage(StrEnum):
    """The stages of a cycle, in order."""

    GENERATE = "generate-interactions"
    RANK = "mutual-rank"
    EXPORT = "export-preference-pairs"
    VALIDATE = "validate"
    TRAIN = "train-dpo-adapter"
    EVALUATE = "evaluate-adapter"
    REGISTER = "register-in-mlflow"


class CycleStatus(StrEnum):
    """How far a cycle, or one of its stages, got."""

    QUEUED = "queued"
    """Asked for, not begun: no model was asked yet, or it is to be gone on with."""
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ReviewForm = Literal["pairwise", "listwise", "rating"]
"""How a reviewer was asked; a ranking or marks of several results become one vote per pair of them."""

VerifierKind = Literal["exact", "numeric", "regex", "callable"]


class Holdout(Record):
    """The goals that a line of adapters is evaluated on, frozen at their first use."""

    name: str
    sha256: str
    """Hash of the goals' texts, answers and verifiers: what is evaluated on must still have it."""
    goal_ids: tuple[str, ...]


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Goal(Record):
    """Something the agents work on."""

    id: str
    """Content address of the text: `Goal.new` makes it."""
    text: str
    answer: str | None = None
    """The expected answer, for goals a verifier can score; None for goals that only judges can compare."""
    verifier: VerifierKind | None = None
    """How `answer` is compared; None: as the config's `evaluation.verifier` says."""
    category: str = "general"
    level: int | None = None
    """Difficulty, 1 is easiest; None where unknown. The curriculum reads it."""
    split: Split = Split.TRAIN
    source: str = "unknown"
    """Where the goal came from: a file name or "demo"."""

    @classmethod
    def new(cls, text: str, **fields: Any) -> Goal:
        """Make a goal whose id is the address of its text, white space at the ends ignored."""
        return cls(id=stable_id("goal", text.strip()), text=text.strip(), **fields)


class ToolCall(Record):
    """One tool that a model called on its way to an answer."""

    name: str
    arguments: str
    """As JSON; a very long text is cut."""
    result: str
    """What the model was told, a failure included; a very long text is cut."""


class Interaction(Record):
    """One model call of one agent: what it was asked, what it answered, what that cost."""

    id: str
    cycle_id: str
    stage: Stage
    goal_id: str
    agent: str
    role: Role
    parent_id: str | None = None
    """The proposal that an execution carries out."""
    sample: int = 0
    model: str
    adapter_version: str | None = None
    """Version of the adapter that answered, as "name/3"; None: the base model alone."""
    messages: tuple[Message, ...] = ()
    completion: str = ""
    finish_reason: str | None = None
    """"stop" is a whole answer; "length" was cut at the token limit; "tool_calls" called tools to the end."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Tools called before the answer, in order; tokens and latency include them."""
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    latency_s: float = Field(default=0.0, ge=0)
    seed: int | None = None
    error: str | None = None
    """Why there is no answer; None: there is one."""
    trace_id: str | None = None
    created_at: datetime = Field(default_factory=utc_now)

    @property
    def is_finished(self) -> bool:
        """Whether the answer is there and was not cut off."""
        return self.error is None and self.finish_reason in (None, "stop") and bool(self.completion.strip())

    @property
    def prompt_key(self) -> str:
        """Address of the messages: two interactions with equal keys answered the same prompt."""
        return stable_id("prompt", *(f"{m.role}\x1e{m.content}" for m in self.messages))

    def answered(self, reply: Reply) -> Interaction:
        """Return what was asked with its answer, which came now."""
        said = {name: value for name, value in reply if name != "text"}
        return self.model_copy(update={"completion": reply.text, "created_at": utc_now(), **said})

    def failed(self, why: Exception) -> Interaction:
        """Return what was asked with the reason why there is no answer."""
        return self.model_copy(update={"error": str(why), "created_at": utc_now()})


class Reply(Record):
    """What one model call gave."""

    text: str
    finish_reason: str | None = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_s: float = 0.0
    """From the request to the whole answer, waiting in a batch included."""
    seed: int | None = None
    """The seed that was used; None where the backend takes none."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Tools called before the answer, in order."""


class Vote(Record):
    """One reviewer's verdict on two results shown in one order."""

    id: str
    cycle_id: str
    goal_id: str
    judge: str
    first_id: str
    """Interaction shown first (as A)."""
    second_id: str
    """Interaction shown second (as B)."""
    verdict: Verdict | None
    """None: unreadable, see `error`."""
    error: str | None = None
    form: ReviewForm = "pairwise"
    round: int = Field(default=0, ge=0)
    """1: given again after a discussion. Of a judge's votes on one order of a pair the last round counts."""
    interaction_id: str | None = None
    """The reviewer's own turn, with its prompt and raw reply; None for imported votes."""
    created_at: datetime = Field(default_factory=utc_now)


class Comparison(Record):
    """How sure the votes make us that one result beats another: what a preference pair is made from."""

    cycle_id: str
    goal_id: str
    role: Role
    """Whose work is compared: executions directly, proposals through their executions."""
    first_id: str
    """The lesser of the two ids, so that each pair of results has one row."""
    second_id: str
    probability: float = Field(ge=0, le=1)
    """Probability that `first_id` beats `second_id`, ties counted half."""
    n_votes: int = Field(ge=0)
    """Readable votes on this very pair (for proposals: on pairs of their executions)."""
    n_orders: int = Field(ge=0, le=2)
    """Orders in which the pair was judged: 2 means that both were."""
    vote_ids: tuple[str, ...] = ()


class Ranking(Record):
    """The place of one result among the results of its goal."""

    cycle_id: str
    goal_id: str
    interaction_id: str
    ranker: str
    score: float
    """Strength on the ranker's own scale; higher is better."""
    stderr: float
    """Standard error of `score`, on the same scale."""
    rank: int = Field(ge=1)
    """1 is best; equal scores share a rank."""
    n_votes: float = Field(ge=0)
    """Readable votes that counted for this result."""


class Annotation(Record):
    """One human judgement on two results."""

    id: str
    goal_id: str
    first_id: str
    second_id: str
    annotator: str
    verdict: Verdict | Literal["both_bad"]
    rating: int | None = Field(default=None, ge=1, le=5)
    rationale: str | None = None
    edited_text: str | None = None
    """A better answer written by the annotator; it becomes the chosen side."""
    duration_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Seconds from when the pair was shown to the verdict; None where nobody measured."""
    repeat: int = Field(default=0, ge=0, le=1_000)
    """0: the verdict that counts. n: the same person's n-th later look at the pair, shown again to see
    whether they agree with themselves; it counts for no cycle."""
    adjudicated: bool = False
    """An admin's settled verdict: it overrides what everybody else said of the pair."""
    submission_id: str | None = None
    """Made once per shown item, the same on all pairs that were judged with it: sent twice, it counts once.
    None where the verdict was not given on an item, such as an imported one."""
    created_at: datetime = Field(default_factory=utc_now)


class PreferencePair(Record):
    """Two answers to the same messages, one preferred, with what that rests on."""

    id: str
    cycle_id: str
    goal_id: str
    role: Role
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    weight: float
    """Confidence in (0, 1]: 2p - 1 for the probability p that chosen beats rejected."""
    margin: float
    """Difference of the two ranking scores; 0 where only people judged."""
    source: Literal["votes", "human", "verifier"]
    """What the preference rests on; "verifier": a review whose verdict the goal's answer bears out."""
    chosen_id: str
    """Interaction behind `chosen`; for an edited text the interaction that was edited."""
    rejected_id: str
    vote_ids: tuple[str, ...] = ()
    annotation_ids: tuple[str, ...] = ()
    ranker: str | None = None


class AdapterVersion(Record):
    """One registered version of the policy."""

    name: str
    version: int
    path: Path
    """Directory with the adapter's files."""
    base: str
    """The base model: a path, a hub id, or "demo"."""
    cycle_id: str | None = None
    created_at: datetime | None = None
    aliases: tuple[str, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """The version as it is written into interactions: "name/3"."""
        return f"{self.name}/{self.version}"


class StageReport(Record):
    """What one stage did, small enough to pass between processes."""

    cycle_id: str
    stage: Stage
    status: CycleStatus = CycleStatus.RUNNING
    started_at: datetime = Field(default_factory=utc_now)
    seconds: float = 0.0
    """Wall time, summed over resumptions."""
    model_seconds: float = 0.0
    """Of these, seconds inside forward passes of a model or training steps."""
    n_model_calls: int = 0
    counts: dict[str, int] = Field(default_factory=dict)
    """What the stage counted, such as {"interactions": 1600}."""
    details: dict[str, Any] = Field(default_factory=dict)
    """JSON-ready facts for the summary: paths, metrics, a decision."""
    error: str | None = None


class Cycle(Record):
    """One run of the loop."""

    id: str
    number: int
    origin: Literal["run", "import", "session"] = "run"
    """"import": interactions and votes were made elsewhere, so no model is asked for them again; "session":
    no cycle that runs, but what the interactions of all live sessions belong to."""
    status: CycleStatus = CycleStatus.RUNNING
    config: dict[str, Any]
    """The whole RunConfig as JSON: a resumed cycle reads this, not the file."""
    config_path: str | None = None
    parent_version: int | None = None
    """Registry version of the champion at the start; None: the base model."""
    trace_id: str
    goal_ids: tuple[str, ...] = ()
    started_at: datetime = Field(default_factory=utc_now)
    finished_at: datetime | None = None
    seconds: float = 0.0
    """Wall time from the command's start to its end, summed over resumptions."""
    peak_rss_mb: float = 0.0
    error: str | None = None

    @model_validator(mode="after")
    def _ends_after_start(self) -> Cycle:
        if self.finished_at is not None and self.finished_at < self.started_at:
            raise ValueError(
                f"cycle {self.id} ends at {self.finished_at}, before its start at {self.started_at}"
            )
        return self
