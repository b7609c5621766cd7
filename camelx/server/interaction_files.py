"""Interactions as a file that is sent while it is written: JSONL, CSV, parquet.

In: interactions, one after the other. Out: bytes, a few hundred rows in memory at a time however many there
are. Called by the API.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from camelx.annotation.exchange import ExchangeFormat, defused
from camelx.schemas import Interaction

COLUMNS = tuple(Interaction.model_fields)
"""Of CSV and parquet, where messages and tool calls are JSON."""
_N_TOGETHER = 500
_N_GROUP = 5_000  # rows of parquet at once


def interaction_file(interactions: Iterable[Interaction], format: ExchangeFormat) -> Iterator[bytes]:
    """Yield the file piece by piece."""
    match format:
        case ExchangeFormat.JSONL:
            return _jsonl(interactions)
        case ExchangeFormat.CSV:
            return _csv(interactions)
        case ExchangeFormat.PARQUET:
            return _parquet(interactions)


def _jsonl(interactions: Iterable[Interaction]) -> Iterator[bytes]:
    for some in _together(interactions, _N_TOGETHER):
        yield "".join(f"{one.model_dump_json()}\n" for one in some).encode()


def _csv(interactions: Iterable[Interaction]) -> Iterator[bytes]:
    written = io.StringIO()
    writer = csv.DictWriter(written, COLUMNS)
    writer.writeheader()
    for some in _together(interactions, _N_TOGETHER):
        writer.writerows({name: _cell(value) for name, value in _flat(one).items()} for one in some)
        yield _taken(written).encode()
    yield _taken(written).encode()


def _taken(written: io.StringIO) -> str:
    """Return what was written, and forget it."""
    text = written.getvalue()
    written.seek(0)
    written.truncate()
    return text


def _cell(value: Any) -> Any:
    return defused(value) if isinstance(value, str) else value


def _parquet(interactions: Iterable[Interaction]) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[str, Any] = {
        "sample": pa.int32(),
        "prompt_tokens": pa.int32(),
        "completion_tokens": pa.int32(),
        "latency_s": pa.float64(),
        "seed": pa.int64(),
        "created_at": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    written = _Drain()
    with pq.ParquetWriter(written, schema, compression="zstd") as writer:
        for some in _together(interactions, _N_GROUP):
            rows = [_flat(one) | {"created_at": one.created_at} for one in some]
            writer.write_table(pa.Table.from_pylist(rows, schema))
            yield written.taken()
    yield written.taken()


class _Drain(io.RawIOBase):
    """A file that gives away what was written to it: parquet is written from front to end."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._n = 0

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def write(self, piece: Any) -> int:
        """Take the bytes."""
        self._pieces.append(bytes(piece))
        self._n += len(piece)
        return len(piece)

    def tell(self) -> int:
        """Return how many bytes were written since the beginning."""
        return self._n

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _flat(one: Interaction) -> dict[str, Any]:
    row = one.model_dump(mode="json")
    nested = {name: json.dumps(row[name], ensure_ascii=False) for name in ("messages", "tool_calls")}
    return row | nested


def _together(interactions: Iterable[Interaction], n: int) -> Iterator[Sequence[Interaction]]:
    remaining = iter(interactions)
    while some := list(islice(remaining, n)):
        yield some
