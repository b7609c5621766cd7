"""Validate the pairs of a cycle, or any file of preference pairs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from camelx.config import ValidationConfig
from camelx.errors import DataValidationError, boundary
from camelx.schemas import Message
from camelx.validation.foreign import read_rows
from camelx.validation.frames import Known, export_frame, pair_frame, text_frame
from camelx.validation.report import Failure, RuleResult, ValidationReport, write_report
from camelx.validation.rules import RULES, SCHEMA_RULE, Bounds
from camelx.validation.suite import check_rules

_TEXT = ("string",)
_TURNS = tuple(f"list<{name}: struct<role: string, content: string>>" for name in ("element", "item"))
_IDS = tuple(f"list<{name}: string>" for name in ("element", "item"))
_COLUMNS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("id", "cycle_id", "goal_id", "role", "source", "chosen_id", "rejected_id"), _TEXT),
    **dict.fromkeys(("prompt", "chosen", "rejected"), _TURNS),
    **dict.fromkeys(("weight", "margin"), ("double",)),
    **dict.fromkeys(("vote_ids", "annotation_ids"), _IDS),
    "ranker": _TEXT,
}
"""Columns that a pairs file must have, with their types as pyarrow writes them."""


def validate_pairs(
    parquet: Path,
    *,
    settings: ValidationConfig,
    context_tokens: int,
    count_tokens: Callable[[Sequence[Message]], int],
    heldout_texts: Collection[str],
    known_ids: Collection[str],
    report_dir: Path,
    dropped: Mapping[str, int] | None = None,
    n_comparisons: int = 0,
    tie_share: float = 0.0,
) -> ValidationReport:
    """Return the report on a cycle's pairs file, written as HTML and JSON too. A failed rule raises nothing.

    Args:
        parquet: The pairs file.
        settings: Bounds of the rules.
        context_tokens: Most tokens of a prompt with one answer.
        count_tokens: Tokens of a conversation, as the trainer counts them.
        heldout_texts: Goals that must not occur in the pairs.
        known_ids: Interactions, votes and annotations in the database.
        report_dir: Where validation.html and validation.json go.
        dropped: Comparisons that made no pair, by reason; None: unknown, as the two below, and the rules
            on shares are left out.
        n_comparisons: Comparisons and annotated pairs that were considered.
        tie_share: Share of ties among the readable votes.

    Raises:
        DataValidationError: The file is missing or is not parquet, or the rules could not be evaluated.
    """
    with boundary(DataValidationError, f"reading the pairs file {parquet}"):
        table = pq.read_table(parquet)
    facts: dict[str, Any] = {"pairs": table.num_rows}
    shares: dict[str, float] = {}
    if dropped is not None:
        facts |= {"comparisons": n_comparisons, "dropped": dict(dropped)}
        dropped_share = sum(dropped.values()) / n_comparisons if n_comparisons else 0.0
        shares = {"dropped_share": dropped_share, "tie_share": tie_share}
    schema = _schema_result(table.schema)
    if not schema.passed:
        return write_report(parquet, [schema], facts, report_dir)
    pairs = pair_frame(table.to_pylist(), Known(count_tokens, heldout_texts, known_ids))
    export = export_frame(pairs, **shares)
    results = check_rules(RULES, {"pairs": pairs, "export": export}, Bounds(settings, context_tokens))
    facts |= shares | _facts(pairs, export)
    return write_report(parquet, [schema, *results], facts, report_dir)


def validate_file(
    path: Path, *, settings: ValidationConfig | None = None, report_dir: Path | None = None
) -> ValidationReport:
    """Return the report on any file of preference pairs: JSONL, JSON or parquet.

    TRL's conversational and plain forms and the ShareGPT form (`conversations`, `chosen`, `rejected`) are
    read. Only the rules that need nothing but the texts are checked; one row is enough to be not empty.

    Args:
        path: The file.
        settings: Bounds; None: the defaults with `min_pairs` 1.
        report_dir: Where the reports go; None: beside the file, in a folder named after it.

    Raises:
        DataValidationError: The file can't be read, or a row is in none of these forms (file and row named).
    """
    settings = settings or ValidationConfig(min_pairs=1)
    pairs = text_frame(read_rows(path))
    export = export_frame(pairs)
    results = check_rules(RULES, {"pairs": pairs, "export": export}, Bounds(settings))
    facts = {"pairs": len(pairs)} | _facts(pairs, export)
    return write_report(path, results, facts, report_dir or path.with_name(f"{path.stem}-validation"))


def _facts(pairs: pd.DataFrame, export: pd.DataFrame) -> dict[str, Any]:
    n = max(1, len(pairs))
    return {
        "mean_chosen_chars": round(float(pairs["chosen_chars"].sum()) / n, 1),
        "mean_rejected_chars": round(float(pairs["rejected_chars"].sum()) / n, 1),
        "length_ratio": round(float(export["length_ratio"].iloc[0]), 4),
    }


def _schema_result(schema: pa.Schema) -> RuleResult:
    """Return the result of the schema rule: every column there, with its type."""
    problems = []
    for name, types in _COLUMNS.items():
        got = str(schema.field(name).type) if name in schema.names else None
        if got is None:
            problems.append((name, f"the column is missing, expected {types[0]}"))
        elif got.replace("large_", "").replace(" not null", "") not in types:
            problems.append((name, f"type {got}, expected {types[0]}"))
    rule = SCHEMA_RULE
    failures = tuple(
        Failure(rule.id, f"column {n}", what, rule.remedy, rule.severity) for n, what in problems
    )
    return RuleResult(rule.id, rule.severity, not failures, rule.why, failures)
