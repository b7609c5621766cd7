"""What an audit holds, and so what panel.json holds: the field names here are its keys, and stay.

Where a figure can't be had it is there all the same, with `value` null and the `reason` in words; no number
is ever NaN. Shares lie in 0..1, lengths are in characters, intervals cover 95 %.

    panel.json
    ├── schema_version   1; a change that breaks readers raises it
    ├── headline         one plain sentence: what the ranking rests on
    ├── is_verified      whether people's labels calibrated the reviewers
    ├── conflicts        why the panel's consensus may be wrong, one sentence each
    ├── counts           name: number (votes, readable, counted, own_work, pairs, exported, labelled, ...)
    ├── reviewers        one per reviewer, see `ReviewerFigures`
    ├── agreement        one per two reviewers: one, other, kappa
    ├── length           votes, people, exported: which side the longer text was on
    ├── calibration      verdict, preferred: what was stated against what people said, without their labels
    ├── costs            name: figure (calls, tokens, money, each also _per_pair, saved_calls)
    ├── cycle            what later cycles compare themselves with, see `CycleFigures`
    ├── earlier          the `cycle` of each earlier panel.json, oldest first
    └── left_out         earlier panel.json files that could not be read, and why

    a figure: {"value": 0.31, "low": 0.22, "high": 0.42, "n": 80, "reason": null}
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, model_validator

from camelx.schemas import Record


class Measured(Record):
    """Base of what holds numbers: none of them is NaN or infinite."""

    model_config = ConfigDict(allow_inf_nan=False)


class Figure(Measured):
    """One measured number, or the reason why there is none."""

    value: float | None
    low: float | None = None
    """Bounds of the 95 % interval; None: an interval makes no sense here."""
    high: float | None = None
    n: int = 0
    """What was counted: votes, pairs or labels, as the figure's own description says."""
    reason: str | None = None
    """Why it is not measurable; None: it was measured."""

    @model_validator(mode="after")
    def _is_measured_or_says_why(self) -> Figure:
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"a figure has a value or a reason, got {self.value!r} and {self.reason!r}")
        return self


class Mean(Measured):
    """A mean with what an interval of it needs."""

    n: int
    mean: float
    sd: float
    """Standard deviation with n - 1; 0 where n is 1."""


class LengthPreference(Record):
    """How often the longer of two texts was preferred, of the decided cases."""

    differing: Figure
    """Share for the longer text where the lengths differ by 10 % of the shorter one or more."""
    matched: Figure
    """The baseline: the same where they differ by less, so that length can hardly be seen."""
    difference: Figure
    """The first minus the second."""


class SelfPreference(Record):
    """What a reviewer made of its own work, on pairs that others judged too."""

    own: Figure
    """Mean score of its own work in its own votes: 1 won, 0.5 tie, 0 lost; n pairs."""
    others: Figure
    """The same work on the same pairs in the others' votes."""
    difference: Figure
    """The first minus the second: above 0, it favours itself."""


class SameAnswer(Record):
    """The answer that a reviewer gave most often."""

    answer: Literal["first", "second", "tie"] | None
    """As shown; None: it gave none."""
    share: Figure
    """Of its counted votes."""


class ReviewerFigures(Measured):
    """What the votes show about one reviewer. Votes on its own work count in `self_preference` alone."""

    judge: str
    n_votes: int
    """All votes, unreadable ones and those replaced after a discussion included."""
    n_counted: int
    """Readable votes of the last round on others' work."""
    unreadable: Figure
    """Share of all votes."""
    ties: Figure
    """Share of the counted votes."""
    flip_rate: Figure
    """Of the pairs judged in both orders, the share whose verdict changed with the order; n pairs."""
    first_preference: Figure
    """Of the decided votes, the share for what was shown first; 0.5 is without bias."""
    same_answer: SameAnswer
    self_preference: SelfPreference
    length: LengthPreference
    agreement: Figure
    """Cohen's kappa of its verdicts with the majority of the others; n pairs that others judged too."""
    weight: Figure
    """Share of the panel's weight that the ranker gave it."""
    learned: dict[str, float]
    """Every further column that the ranker gives on its judges, where it has a number."""


class Agreement(Record):
    """Two reviewers beside each other."""

    one: str
    other: str
    kappa: Figure
    """Cohen's kappa of their verdicts, both orders pooled, on the n pairs that both judged."""


class Lengths(Record):
    """Length in votes, in people's labels, and in what is trained on."""

    votes: LengthPreference
    people: LengthPreference
    """People's labels: where they prefer the longer too, length is not the reviewers' bias alone."""
    exported: LengthPreference
    ratio: Figure
    """Geometric mean of chosen length / rejected length over the exported pairs."""
    matched_ratio: Figure
    """The same over those whose lengths differ by less than 10 %."""


class Bin(Measured):
    """Labelled pairs whose stated probabilities lie together."""

    low: float
    high: float
    stated: float
    """Mean of the stated probabilities."""
    met: Figure
    """Share that people bore out, ties half in `preferred`."""


class Curve(Record):
    """Stated probabilities against people's labels."""

    error: Figure
    """Expected calibration error; n labelled pairs."""
    by_chance: Figure
    """The error that as many labels show on average when every stated probability is right."""
    bins: tuple[Bin, ...]


class Calibration(Record):
    """Each labelled pair was predicted without the labels of its goal."""

    verdict: Curve
    """Probability of the likeliest of the three verdicts, in tenths."""
    preferred: Curve
    """Probability that the preferred side wins, ties half, in tenths from one half on."""


class Reliability(Record):
    """One reviewer in one cycle."""

    weight: Figure
    flip_rate: Figure
    agreement: Figure


class CycleFigures(Record):
    """What later cycles compare themselves with."""

    model_config = ConfigDict(extra="ignore")
    """A later version may add to it."""

    cycle_id: str
    reviewers: dict[str, Reliability]
    chosen_chars: dict[str, Mean]
    """Length of the chosen sides, by role."""
    weights: dict[str, Mean]
    """Weight 2p - 1 of the exported pairs that rest on votes, by role."""
    calibration_error: Figure
    """Of the likeliest verdict."""


class PanelAudit(Record):
    """The audit of one cycle's reviewers; see the module for the JSON."""

    schema_version: Literal[1] = 1
    headline: str
    is_verified: bool
    conflicts: tuple[str, ...]
    counts: dict[str, int]
    reviewers: tuple[ReviewerFigures, ...]
    """By name."""
    agreement: tuple[Agreement, ...]
    length: Lengths
    calibration: Calibration
    costs: dict[str, Figure]
    cycle: CycleFigures
    earlier: tuple[CycleFigures, ...]
    left_out: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the content of panel.json."""
        return self.model_dump(mode="json")
