"""The rows of a file, whatever its format, one at a time; a row that can't be read is one of them too.

Lines of JSONL and CSV are streamed. A .json file is one document and is read whole.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from camelx.errors import ConfigError
from camelx.importing.report import BrokenRow, Place

Row = tuple[Place, dict[str, Any]]

_MAX_CSV_FIELD = 2**24  # characters; the csv module's own limit is 131,072
_SURROGATES = ("\ud800", "\udfff")


def read_rows(path: Path) -> Iterator[Row | BrokenRow]:
    """Yield the rows of a .jsonl, .json, .csv or .parquet file, or of a `datasets` directory.

    Raises:
        ConfigError: There is no such file, it can't be opened, or its format is none of these.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist; expected a file {', '.join(_READERS)}, or a directory")
    reader = _read_dataset if path.is_dir() else _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(
            f"{path}: files ending {path.suffix!r} can't be read; expected {', '.join(_READERS)} or a "
            "`datasets` directory"
        )
    try:
        yield from reader(path)
    except OSError as e:
        raise ConfigError(f"{path} can't be read: {e}") from e


def _read_jsonl(path: Path) -> Iterator[Row | BrokenRow]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            place = Place(path, number)
            if number == 1 and (problem := _foreign_encoding(line)):
                yield BrokenRow(place, problem)
                return
            if line := line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip():
                yield _json_row(place, line)


def _json_row(place: Place, line: bytes) -> Row | BrokenRow:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as e:
        return BrokenRow(place, f"not UTF-8: byte {e.object[e.start]:#04x} at position {e.start}")
    except json.JSONDecodeError as e:
        return BrokenRow(place, f"not JSON: {e.msg} at column {e.colno}, of {len(line)} bytes in all")
    except (ValueError, RecursionError) as e:
        return BrokenRow(place, f"not JSON that can be read: {e}")
    return _object_row(place, row)


def _object_row(place: Place, row: object) -> Row | BrokenRow:
    if not isinstance(row, dict):
        return BrokenRow(place, f"expected an object with named fields, got {type(row).__name__}")
    return place, row


def _foreign_encoding(start: bytes) -> str | None:
    """Return what is wrong with a file that starts so, if it is in UTF-16 or UTF-32."""
    marked = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    return "the file is in UTF-16 or UTF-32; save it as UTF-8" if marked else None


def _read_json(path: Path) -> Iterator[Row | BrokenRow]:
    content = path.read_bytes()
    if problem := _foreign_encoding(content):
        yield BrokenRow(Place(path, 1), problem)
        return
    try:
        rows = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        yield BrokenRow(Place(path, line), f"not UTF-8: byte {content[e.start]:#04x}")
    except json.JSONDecodeError as e:
        yield BrokenRow(Place(path, e.lineno), f"not JSON: {e.msg} at column {e.colno}; none of it was read")
    except (ValueError, RecursionError) as e:
        yield BrokenRow(Place(path, 1), f"not JSON that can be read: {e}")
    else:
        if not isinstance(rows, list):
            raise ConfigError(f"{path}: expected a list of objects, got {type(rows).__name__}")
        for number, row in enumerate(rows, start=1):
            yield _object_row(Place(path, number, "row"), row)


def _read_csv(path: Path) -> Iterator[Row | BrokenRow]:
    """Yield the rows by the line on which each starts; a bad byte spoils its own row only."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        previous_limit = csv.field_size_limit(_MAX_CSV_FIELD)
        try:
            yield from _csv_rows(path, csv.reader(lines, strict=True))
        finally:
            csv.field_size_limit(previous_limit)


def _csv_rows(path: Path, reader: Any) -> Iterator[Row | BrokenRow]:
    header: list[str] | None = None
    while True:
        place = Place(path, reader.line_num + 1)
        try:
            fields = next(reader)
        except StopIteration:
            if header is None:
                yield BrokenRow(place, "the file is empty; expected a header")
            return
        except csv.Error as e:
            yield BrokenRow(place, f"not CSV: {e}")
            continue
        if header is None:
            if any(map(_has_bad_bytes, fields)):
                yield BrokenRow(place, "the header is not UTF-8; save the file as UTF-8")
                return
            header = fields
        elif fields:
            yield _csv_row(place, header, fields)


def _csv_row(place: Place, header: list[str], fields: list[str]) -> Row | BrokenRow:
    if len(fields) != len(header):
        return BrokenRow(place, f"has {len(fields)} fields, the header has {len(header)}")
    if bad := [name for name, field in zip(header, fields, strict=True) if _has_bad_bytes(field)]:
        return BrokenRow(place, f"not UTF-8: field {bad[0]!r}")
    return place, dict(zip(header, fields, strict=True))


def _has_bad_bytes(field: str) -> bool:
    low, high = _SURROGATES
    return not field.isascii() and any(low <= character <= high for character in field)


def _read_parquet(path: Path) -> Iterator[Row | BrokenRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=1_000):
            for i in range(len(batch)):
                number += 1
                yield _arrow_row(Place(path, number, "row"), batch.slice(i, 1))
    except pa.ArrowException as e:
        yield BrokenRow(Place(path, number + 1, "row"), f"not parquet from here on: {e}")


def _arrow_row(place: Place, one: Any) -> Row | BrokenRow:
    try:
        return place, one.to_pylist()[0]
    except UnicodeDecodeError as e:
        return BrokenRow(place, f"not UTF-8: byte {e.object[e.start]:#04x}")


def _read_dataset(path: Path) -> Iterator[Row | BrokenRow]:
    from datasets import DatasetDict, load_from_disk

    try:
        dataset = load_from_disk(str(path))
    except (FileNotFoundError, ValueError) as e:
        raise ConfigError(f"{path} is no directory that `datasets` saved: {e}") from e
    if isinstance(dataset, DatasetDict):
        raise ConfigError(
            f"{path} holds several splits; name one of its folders: "
            f"{', '.join(str(path / name) for name in dataset)}"
        )
    for number, row in enumerate(dataset, start=1):
        yield _object_row(Place(path, number, "row"), row)


_READERS: dict[str, Callable[[Path], Iterator[Row | BrokenRow]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
