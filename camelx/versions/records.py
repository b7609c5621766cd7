"""What is shown of a registered version, in plain records."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from camelx.schemas import AdapterVersion, PreferencePair, Record, Role

MAX_SHOWN = 2_000
"""Characters of one side of a pair in a list."""


class HeldOut(Record):
    """Champion against challenger on held-out goals, as the gate saw it."""

    n: int
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    p_value: float


class Version(Record):
    """One registered version."""

    name: str
    version: int
    label: str
    """"name/version", as it is written into interactions."""
    base: str
    """The base model, as the config names it."""
    aliases: tuple[str, ...]
    is_champion: bool
    is_challenger: bool
    cycle_id: str | None
    parent_version: int | None
    """The version whose adapter it continues; None: a new adapter on the base."""
    created_at: datetime | None
    heldout: HeldOut | None
    """None: it was registered without an evaluation."""
    passed_gate: bool | None
    """What the gate said at the end of its cycle; None: nobody asked it."""
    reasons: tuple[str, ...] = ()
    """Of the gate; empty where the cycle is not in this database."""
    metrics: dict[str, float] = Field(default_factory=dict)
    base_sha256: str | None = None
    adapter_sha256: str | None = None
    pairs_sha256: str | None = None
    trace_id: str | None = None

    @classmethod
    def of(cls, stored: AdapterVersion, reasons: tuple[str, ...]) -> Version:
        """Return what is shown of a version of the registry; `reasons` are the gate's."""
        tags, parent = stored.tags, stored.tags.get("parent_version", "").rpartition("/")[2]
        fields = {key: stored.metrics.get(f"heldout_{key}") for key in HeldOut.model_fields}
        is_evaluated = all(value is not None for value in fields.values())
        promoted = tags.get("promoted")
        return cls(
            name=stored.name,
            version=stored.version,
            label=stored.label,
            base=stored.base,
            aliases=stored.aliases,
            is_champion="champion" in stored.aliases,
            is_challenger="challenger" in stored.aliases,
            cycle_id=stored.cycle_id,
            parent_version=int(parent) if parent.isdecimal() else None,
            created_at=stored.created_at,
            heldout=HeldOut.model_validate(fields) if is_evaluated else None,
            passed_gate=None if promoted is None else promoted == "true",
            reasons=reasons,
            metrics=stored.metrics,
            base_sha256=tags.get("base_sha256"),
            adapter_sha256=tags.get("adapter_sha256"),
            pairs_sha256=tags.get("pairs_sha256"),
            trace_id=tags.get("trace_id"),
        )


class CurvePoint(Record):
    """One value of a metric."""

    step: int
    value: float


class PairRow(Record):
    """One preference pair that a version was trained on."""

    id: str
    goal_id: str
    role: Role
    source: Literal["votes", "human", "verifier"]
    weight: float
    chosen: str
    rejected: str
    n_votes: int
    n_annotations: int

    @classmethod
    def of(cls, pair: PreferencePair) -> PairRow:
        """Return what a list shows of a pair."""
        return cls(
            id=pair.id,
            goal_id=pair.goal_id,
            role=pair.role,
            source=pair.source,
            weight=pair.weight,
            chosen=pair.chosen[:MAX_SHOWN],
            rejected=pair.rejected[:MAX_SHOWN],
            n_votes=len(pair.vote_ids),
            n_annotations=len(pair.annotation_ids),
        )


class Lineage(Record):
    """Where a version comes from, down to its pairs."""

    version: Version
    ancestors: tuple[str, ...]
    """The versions that it continues, nearest first, as "name/2"; the last one stands on the base."""
    promoted_at: tuple[datetime, ...]
    """When it was put in use; what was rolled back is not among them."""
    is_cycle_known: bool
    """Whether its cycle is in this database."""
    n_pairs: int
    pairs: tuple[PairRow, ...]
    """One page of them."""
    pairs_note: str | None
    """Why the pairs are not there, or are not those that it was trained on; None: they are."""


class Difference(Record):
    """One thing that two versions have different."""

    what: str
    a: Any
    b: Any


class VersionComparison(Record):
    """Two versions side by side."""

    a: Version
    b: Version
    metrics: tuple[Difference, ...]
    """All metrics, equal ones too."""
    config: tuple[Difference, ...]
    """Values of the two cycles' configs that differ, by dotted key."""
    note: str | None
    """Why configs can't be compared; None: they were."""


class Answer(Record):
    """What one version answered to a goal."""

    label: str
    """"name/version", or "base"."""
    plan: str | None
    """Of its Proposer; None where the workflow has none."""
    text: str
    is_cut: bool
    """Whether the answer was cut at its token limit."""
    seconds: float
    completion_tokens: int
