"""Preference pairs as files: parquet for camelx, and JSONL in TRL's conversational format for everybody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from camelx.errors import DataValidationError, boundary
from camelx.files import replacing
from camelx.schemas import Message, PreferencePair

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

PAIRS_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("cycle_id", pa.string()),
        ("goal_id", pa.string()),
        ("role", pa.string()),
        ("prompt", _MESSAGES),
        ("chosen", _MESSAGES),
        ("rejected", _MESSAGES),
        ("weight", pa.float64()),
        ("margin", pa.float64()),
        ("source", pa.string()),
        ("chosen_id", pa.string()),
        ("rejected_id", pa.string()),
        ("vote_ids", pa.list_(pa.string())),
        ("annotation_ids", pa.list_(pa.string())),
        ("ranker", pa.string()),
    ]
)
"""Columns of pairs.parquet; the JSONL has the same keys. `chosen` and `rejected` are one assistant turn."""


@dataclass(frozen=True)
class PairsFiles:
    """Where the pairs were written."""

    parquet: Path
    jsonl: Path
    sha256: str
    """SHA-256 of the JSONL file: of the content alone, whatever library wrote the parquet."""


def write_pairs(pairs: Sequence[PreferencePair], folder: Path) -> PairsFiles:
    """Write pairs.jsonl and, last, pairs.parquet; equal pairs give equal bytes.

    Each file is renamed into place when it is whole, so a file that exists is complete.

    Raises:
        DataValidationError: The folder can't be written, for instance because the disk is full.
    """
    rows = [_row(pair) for pair in pairs]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    parquet, jsonl = folder / "pairs.parquet", folder / "pairs.jsonl"
    with boundary(DataValidationError, f"writing {len(rows)} pairs to {folder}"):
        with replacing(jsonl) as partial:
            partial.write_bytes(content)
        with replacing(parquet) as partial:
            pq.write_table(pa.Table.from_pylist(rows, schema=PAIRS_SCHEMA), partial, compression="zstd")
    return PairsFiles(parquet, jsonl, hashlib.sha256(content).hexdigest())


def is_pairs_file(path: Path) -> bool:
    """Whether the file is a parquet file with ids of votes: what `write_pairs` wrote, edited or not.

    Raises:
        DataValidationError: It is named as a parquet file and is none.
    """
    if path.suffix != ".parquet":
        return False
    with boundary(DataValidationError, f"reading the columns of {path}"):
        return {"chosen_id", "vote_ids"} <= set(pq.read_schema(path).names)


def stored_pairs(cycle_dir: Path, goal_id: str | None = None) -> list[PreferencePair]:
    """Return the pairs that a cycle has exported, in the order of its file; none where it has not yet.

    Args:
        cycle_dir: The cycle's folder.
        goal_id: Only those on this goal.

    Raises:
        DataValidationError: The file is not parquet, or does not have the columns.
    """
    path = cycle_dir / "pairs.parquet"
    return read_pairs(path, goal_id) if path.is_file() else []


def read_pairs(parquet: Path, goal_id: str | None = None) -> list[PreferencePair]:
    """Return the pairs of a pairs.parquet, or only those on one goal.

    Raises:
        DataValidationError: The file is missing, is not parquet, or does not have the columns.
    """
    with boundary(DataValidationError, f"reading pairs from {parquet}"):
        table = pq.read_table(parquet, filters=[("goal_id", "=", goal_id)] if goal_id is not None else None)
        if missing := [name for name in PAIRS_SCHEMA.names if name not in table.column_names]:
            raise DataValidationError(f"{parquet} is no pairs file: it lacks {', '.join(missing)}")
        return [_pair(row) for row in table.select(PAIRS_SCHEMA.names).to_pylist()]


def _row(pair: PreferencePair) -> dict[str, Any]:
    answers = {key: [{"role": "assistant", "content": getattr(pair, key)}] for key in ("chosen", "rejected")}
    row = pair.model_dump(mode="json") | answers
    return {name: row[name] for name in PAIRS_SCHEMA.names}


def _pair(row: dict[str, Any]) -> PreferencePair:
    answers = {key: row[key][0]["content"] for key in ("chosen", "rejected")}
    prompt = tuple(Message(**turn) for turn in row["prompt"])
    return PreferencePair.model_validate(row | answers | {"prompt": prompt})
