"""Annotations to files and back: JSONL, CSV and parquet, one annotation a row.

In: annotations, or a file of them. Out: a file, or what each of its rows would change, and, unless that was
only asked, the changed database. A row names what was preferred by its interaction's id, so that it does not
matter which of the two was shown first. Called by `camelx export annotations`, `camelx import annotations`,
the Agreement page and the API.

    goal_id, a_id, b_id, preferred (a_id, b_id, "tie" or "both_bad"), annotator, rating, rationale,
    edited_text, duration_s, repeat, adjudicated, submission_id, created_at
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from camelx.errors import ConfigError
from camelx.files import replacing
from camelx.schemas import Annotation, Verdict


class ExchangeFormat(StrEnum):
    """File formats of annotations, each also the suffix of its files."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


COLUMNS = (
    "goal_id", "a_id", "b_id", "preferred", "annotator", "rating", "rationale", "edited_text", "duration_s",
    "repeat", "adjudicated", "submission_id", "created_at",
)  # fmt: skip
_FORMULA = re.compile(r"'*(?:[\t\r\n]|\s*[=+\-@＝＋－＠])")
"""What a spreadsheet may take for a formula, with quotes before it or without."""
_BATCH = 1_000  # rows of parquet at once


def write_annotations(annotations: Iterable[Annotation], path: Path, format: ExchangeFormat) -> int:
    """Write the annotations to the file and return how many there are; it is there only when it is whole."""
    rows = map(row_of_annotation, annotations)
    with replacing(path) as partial:
        match format:
            case ExchangeFormat.JSONL:
                return _write_jsonl(partial, rows)
            case ExchangeFormat.CSV:
                return _write_csv(partial, rows)
            case ExchangeFormat.PARQUET:
                return _write_parquet(partial, rows)


def format_of(path: Path, named: ExchangeFormat | None = None) -> ExchangeFormat:
    """Return the format that is named, or that the file's suffix says.

    Raises:
        ConfigError: Neither tells, or they contradict each other.
    """
    suffix = path.suffix.lower().removeprefix(".")
    by_suffix = ExchangeFormat(suffix) if suffix in tuple(ExchangeFormat) else None
    if named is not None and by_suffix not in (None, named):
        raise ConfigError(
            f"format {named} and file {path} contradict each other; drop one, or rename the file"
        )
    found = named or by_suffix
    if found is None:
        raise ConfigError(f"{path}: expected a file ending in .{', .'.join(ExchangeFormat)}")
    return found


def row_of_annotation(annotation: Annotation) -> dict[str, Any]:
    """Return the annotation as a row: plain values by column."""
    preferred = {Verdict.FIRST: annotation.first_id, Verdict.SECOND: annotation.second_id}
    verdict: Verdict | Literal["both_bad"] = annotation.verdict
    return {
        "goal_id": annotation.goal_id,
        "a_id": annotation.first_id,
        "b_id": annotation.second_id,
        "preferred": str(verdict) if verdict in ("tie", "both_bad") else preferred[Verdict(verdict)],
        "annotator": annotation.annotator,
        "rating": annotation.rating,
        "rationale": annotation.rationale,
        "edited_text": annotation.edited_text,
        "duration_s": annotation.duration_s,
        "repeat": annotation.repeat,
        "adjudicated": annotation.adjudicated,
        "submission_id": annotation.submission_id,
        "created_at": annotation.created_at.isoformat(),
    }


def defused(text: str) -> str:
    """Return the text with a quote before it where a spreadsheet would run it as a formula.

    Examples:
        >>> defused("=1+1"), restored(defused("=1+1")), defused("'tis"), restored(defused("'=1"))
        ("'=1+1", '=1+1', "'tis", "'=1")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def restored(text: str) -> str:
    """Return the text without the quote that `defused` put before it."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _write_jsonl(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    n = 0
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            n += 1
    return n


def _write_csv(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    n = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _csv_cell(value) for name, value in row.items()})
            n += 1
    return n


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return defused(value) if isinstance(value, str) else value


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = {name: pa.string() for name in COLUMNS}
    kinds = texts | {
        "rating": pa.int8(),
        "duration_s": pa.float64(),
        "repeat": pa.int32(),
        "adjudicated": pa.bool_(),
        "created_at": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(name, kinds[name]) for name in COLUMNS])
    n = 0
    with pq.ParquetWriter(path, schema) as writer:
        for batch in _batches(rows):
            with_moments = [row | {"created_at": datetime.fromisoformat(row["created_at"])} for row in batch]
            writer.write_table(pa.Table.from_pylist(with_moments, schema))
            n += len(batch)
    return n


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
