"""The rules, one entry each: what must hold, why, and what to do where it does not.

`columns` names what the rule looks at, in a frame made by `camelx.validation.frames`: the table "pairs"
has one row per pair, "export" one row for the whole file. A rule is skipped where its columns are not
known, so the same rules serve files that were made elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from camelx.config import ValidationConfig


@dataclass(frozen=True)
class Bounds:
    """Limits that depend on the run."""

    settings: ValidationConfig
    context_tokens: int = 0


@dataclass(frozen=True)
class Rule:
    """One thing that must hold of a pairs file."""

    id: str
    expectation: str
    """Class name in great_expectations.expectations."""
    columns: tuple[str, ...]
    why: str
    remedy: str
    found: str = "{column} is {value}"
    """What a failing row is said to have: {value} and {column}, and the expectation's own arguments."""
    options: Mapping[str, Any] | Callable[[Bounds], dict[str, Any]] = field(default_factory=dict)
    table: Literal["pairs", "export"] = "pairs"
    severity: Literal["error", "warning"] = "error"
    """A warning is reported and does not stop the cycle."""

    def resolved_options(self, bounds: Bounds) -> dict[str, Any]:
        """Return the expectation's arguments for this run, its column included."""
        options = self.options(bounds) if callable(self.options) else dict(self.options)
        return options | ({"column": self.columns[0]} if self.columns else {})

    def found_in(self, value: str, bounds: Bounds) -> str:
        """Return what is said of a row, or file, with this value."""
        options = self.resolved_options(bounds)
        limits = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in options.items()}
        return self.found.format(value=value, **limits)


SCHEMA_RULE = Rule(
    id="schema",
    expectation="parquet schema",
    columns=(),
    why="the trainer reads columns by name and type",
    remedy="write the file with camelx export, or rename and cast the columns named",
)
"""Checked on the file's own schema, before its rows are read."""

_EMPTY: dict[str, Any] = {"value_set": [""]}

RULES: tuple[Rule, ...] = (
    Rule(
        id="not_empty",
        expectation="ExpectTableRowCountToBeBetween",
        columns=(),
        why="a handful of pairs moves an adapter at random",
        remedy="see the reasons of the dropped comparisons; add goals, samples or reviewers, or lower "
        "export.min_weight or validation.min_pairs",
        found="{value} rows, expected at least {min_value}",
        options=lambda b: {"min_value": b.settings.min_pairs},
    ),
    Rule(
        id="complete",
        expectation="ExpectColumnValuesToBeInSet",
        columns=("missing",),
        why="a pair without an id, a prompt or an answer can't be trained on or traced",
        remedy="fill or remove the fields named",
        found="missing or empty: {value}",
        options=_EMPTY,
    ),
    Rule(
        id="chosen_differs",
        expectation="ExpectColumnValuesToBeInSet",
        columns=("differs",),
        why="equal answers have no gradient: the loss stays at 0.693 without a word",
        remedy="remove the row; check that the export was not edited by hand",
        found="chosen and rejected are the same text",
        options={"value_set": [True]},
    ),
    Rule(
        id="roles_alternate",
        expectation="ExpectColumnValuesToMatchRegex",
        columns=("turns",),
        why="chat templates refuse, or garble, conversations whose turns do not alternate",
        remedy="a prompt is an optional system turn, then user and assistant in turn, a user turn last; an "
        "answer is one assistant turn",
        found="the turns of prompt > chosen | rejected are: {value}",
        options={"regex": r"^(?:system )?(?:user assistant )*user > assistant \| assistant$"},
    ),
    Rule(
        id="no_control_characters",
        expectation="ExpectColumnValuesToBeInSet",
        columns=("control_characters",),
        why="control, zero-width and replacement characters are invisible to people and learned by models",
        remedy="clean the text where it comes from, or remove the row",
        found="a text holds {value}",
        options=_EMPTY,
    ),
    Rule(
        id="no_mojibake",
        expectation="ExpectColumnValuesToBeInSet",
        columns=("c1_characters",),
        why="characters U+0080 to U+009F nearly always are UTF-8 that was read as another encoding",
        remedy="decode the source as UTF-8",
        found="a text holds {value}",
        options=_EMPTY,
        severity="warning",
    ),
    Rule(
        id="fits_context",
        expectation="ExpectColumnValuesToBeBetween",
        columns=("tokens",),
        why="the trainer cuts or drops what is longer than the model's context, without a word",
        remedy="shorten the prompt, lower max_tokens of the agents, or raise training.max_length",
        found="{value} tokens, expected {min_value} to {max_value}",
        options=lambda b: {"min_value": 1, "max_value": b.context_tokens},
    ),
    Rule(
        id="weight_in_range",
        expectation="ExpectColumnValuesToBeBetween",
        columns=("weight",),
        why="a weight is the confidence 2p - 1: in (0, 1]",
        remedy="export again; a weight of 0 is a tie and makes no pair",
        found="the weight is {value}, expected above 0 and at most 1",
        options={"min_value": 0.0, "max_value": 1.0, "strict_min": True},
    ),
    Rule(
        id="margin_in_range",
        expectation="ExpectColumnValuesToBeBetween",
        columns=("margin",),
        why="scores are log odds or shares, so a difference beyond 100 is a broken ranking",
        remedy="rank again; see the ranker's settings",
        found="the margin is {value}, expected {min_value} to {max_value}",
        options={"min_value": -100.0, "max_value": 100.0},
    ),
    Rule(
        id="margin_agrees",
        expectation="ExpectColumnValuesToBeBetween",
        columns=("voted_margin",),
        why="where votes alone decide, the chosen side must also rank higher",
        remedy="export again: such pairs are dropped as contradictions",
        found="the margin is {value}, expected 0 or more",
        options={"min_value": 0.0},
    ),
    Rule(
        id="unique_pairs",
        expectation="ExpectColumnValuesToBeInSet",
        columns=("repeats",),
        why="a pair that occurs twice counts twice, and one that occurs both ways round cancels itself",
        remedy="keep one row of each prompt and two answers",
        found="the same prompt and answers as {value}",
        options=_EMPTY,
    ),
    Rule(
        id="unique_ids",
        expectation="ExpectColumnValuesToBeUnique",
        columns=("id",),
        why="lineage is looked up by the pair's id",
        remedy="export again",
        found="the id {value} occurs more than once",
    ),
    Rule(
        id="no_heldout_leak",
        expectation="ExpectColumnValuesToBeInSet",
        columns=("heldout",),
        why="what was trained on can't prove anything when it is evaluated on",
        remedy="remove the pairs of these goals, and import them as held-out goals only",
        found="held out is: {value}",
        options=_EMPTY,
    ),
    Rule(
        id="provenance_resolves",
        expectation="ExpectColumnValuesToBeInSet",
        columns=("unresolved",),
        why="every pair must trace back to the stored interactions, votes and annotations behind it",
        remedy="export from the database that holds the cycle; do not delete its rows",
        found="can't be traced: {value}",
        options=_EMPTY,
    ),
    Rule(
        id="no_prefix",
        expectation="ExpectColumnValuesToBeInSet",
        columns=("is_prefix",),
        why="an answer that begins with the whole other one usually means that one of them was cut off",
        remedy="check that the shorter answer is finished",
        found="one answer begins with the whole other one",
        options={"value_set": [False]},
        severity="warning",
    ),
    Rule(
        id="dropped_share",
        expectation="ExpectColumnValuesToBeBetween",
        columns=("dropped_share",),
        table="export",
        why="when nearly every comparison is dropped, the judges do not tell good from bad",
        remedy="see the reasons; mostly ties: better judges or more reviewers_per_pair; mostly unfinished: "
        "raise max_tokens",
        found="the share of dropped comparisons is {value}, expected at most {max_value}",
        options=lambda b: {"min_value": 0.0, "max_value": b.settings.max_dropped_share},
    ),
    Rule(
        id="tie_share",
        expectation="ExpectColumnValuesToBeBetween",
        columns=("tie_share",),
        table="export",
        why="a judge that always says tie says nothing",
        remedy="sharpen the peer_reviewer's system message, or use another judge",
        found="the share of ties among readable votes is {value}, expected at most {max_value}",
        options=lambda b: {"min_value": 0.0, "max_value": b.settings.max_tie_share},
    ),
    Rule(
        id="length_balance",
        expectation="ExpectColumnValuesToBeBetween",
        columns=("length_ratio",),
        table="export",
        why="where chosen answers are much longer or shorter than rejected ones, the model learns length",
        remedy="look at the pairs; ask reviewers to ignore length, or raise validation.max_length_ratio",
        found="chosen answers are {value} times as long as rejected, expected {min_value} to {max_value}",
        options=lambda b: {
            "min_value": 1.0 / b.settings.max_length_ratio,
            "max_value": b.settings.max_length_ratio,
        },
    ),
)
