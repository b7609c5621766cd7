"""Preference pairs that were made elsewhere, read into one form: prompt, chosen, rejected as turns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from camelx.errors import DataValidationError, boundary

_ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}

Turn = dict[str, str]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of the file, each with prompt, chosen and rejected as lists of turns.

    Raises:
        DataValidationError: The file can't be read, or a row has no preference pair; the row is named.
    """
    with boundary(DataValidationError, f"reading {path}"):
        rows = _load(path)
    return [_normalised(row, f"{path}, row {i}") for i, row in enumerate(rows, start=1)]


def _load(path: Path) -> list[Any]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    text = path.read_text("utf-8-sig")
    if not text.lstrip().startswith("["):
        return [_line(line, i, path) for i, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return list(json.loads(text))


def _line(line: str, number: int, path: Path) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as e:
        raise DataValidationError(f"{path}:{number}: not valid JSON: {e.msg} at column {e.colno}") from e


def _normalised(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, Mapping) or not {"chosen", "rejected"} <= row.keys():
        got = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
        raise DataValidationError(
            f"{where}: expected chosen, rejected and prompt (or conversations), got {got or 'nothing'}"
        )
    chosen, rejected = (_turns(row[key], "assistant", where) for key in ("chosen", "rejected"))
    prompt = _turns(next((row[k] for k in ("prompt", "conversations") if row.get(k)), None), "user", where)
    if not prompt:  # TRL's implicit prompt: the turns that both answers begin with
        n = next((i for i, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), 0)
        prompt, chosen, rejected = chosen[:n], chosen[n:], rejected[n:]
    identity = {"id": str(row["id"])} if row.get("id") else {}
    return {**identity, "prompt": prompt, "chosen": chosen, "rejected": rejected}


def _turns(value: Any, role: str, where: str) -> list[Turn]:
    """Return the turns of a text, of one turn, or of a list of turns, in TRL's or ShareGPT's names."""
    if value is None:
        return []
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(turn, Mapping) for turn in value):
        raise DataValidationError(f"{where}: expected a text or turns, got {type(value).__name__}")
    return [_turn(turn) for turn in value]


def _turn(turn: Mapping[str, Any]) -> Turn:
    role = str(turn.get("role") or turn.get("from") or "")
    content = turn.get("content") if "content" in turn else turn.get("value")
    return {"role": _ROLES.get(role, role), "content": "" if content is None else str(content)}
