"""Pairs as files: the golden rows, round trips, and what other libraries make of them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from camelx.errors import DataValidationError
from camelx.export import is_pairs_file, read_pairs, stored_pairs, write_pairs
from camelx.schemas import Message, PreferencePair, Role

GOLDEN = Path(__file__).with_name("golden.jsonl")

PAIRS = [
    PreferencePair(
        id=f"p{i}",
        cycle_id="c1",
        goal_id=f"g{i}",
        role=(Role.EXECUTOR, Role.PROPOSER)[i % 2],
        prompt=(
            Message(role="system", content="Solve."),
            Message(role="user", content=f"Goal: naïve № {i}\nline"),
        ),
        chosen=f'good "{i}"',
        rejected=f"bad {i}",
        weight=0.5 + i / 8,
        margin=float(i),
        source="human" if i == 2 else "votes",
        chosen_id=f"x{i}",
        rejected_id=f"y{i}",
        vote_ids=() if i == 2 else (f"v{i}", f"w{i}"),
        annotation_ids=("n1",) if i == 2 else (),
        ranker=None if i == 2 else "bradley_terry",
    )
    for i in range(3)
]


def test_three_pairs_give_the_golden_lines(tmp_path):
    files = write_pairs(PAIRS, tmp_path)
    assert files.jsonl.read_text("utf-8") == GOLDEN.read_text("utf-8")


def test_what_was_written_is_read_back(tmp_path):
    assert read_pairs(write_pairs(PAIRS, tmp_path).parquet) == PAIRS


def test_the_pairs_of_a_cycle_are_read_from_its_folder_all_or_those_on_one_goal(tmp_path: Path) -> None:
    assert stored_pairs(tmp_path) == []
    write_pairs(PAIRS, tmp_path)
    goal_id = PAIRS[0].goal_id
    assert stored_pairs(tmp_path) == PAIRS
    assert stored_pairs(tmp_path, goal_id) == [pair for pair in PAIRS if pair.goal_id == goal_id]
    assert stored_pairs(tmp_path, "another") == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pairs.jsonl", "pairs.parquet"]


def test_equal_pairs_give_equal_bytes_and_other_pairs_another_hash(tmp_path):
    one, two = write_pairs(PAIRS, tmp_path / "1"), write_pairs(PAIRS, tmp_path / "2")
    assert one.parquet.read_bytes() == two.parquet.read_bytes()
    assert one.sha256 == two.sha256 != write_pairs(PAIRS[:2], tmp_path / "3").sha256


def test_no_pairs_give_files_with_the_same_columns(tmp_path):
    files = write_pairs([], tmp_path)
    assert read_pairs(files.parquet) == []
    assert files.jsonl.read_bytes() == b""
    assert pq.read_schema(files.parquet) == pq.read_schema(write_pairs(PAIRS, tmp_path / "full").parquet)


def test_datasets_reads_both_files_alike(tmp_path):
    datasets = pytest.importorskip("datasets")
    files = write_pairs(PAIRS, tmp_path)
    rows = [
        datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
        for kind, path in (("parquet", files.parquet), ("json", files.jsonl))
    ]
    golden = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]
    assert rows[0].to_list() == rows[1].to_list() == golden


def test_a_pairs_file_is_known_by_its_columns(tmp_path):
    files = write_pairs(PAIRS, tmp_path)
    assert is_pairs_file(files.parquet)
    assert not is_pairs_file(files.jsonl)
    pq.write_table(pa.table({"prompt": ["x"], "chosen": ["y"], "rejected": ["z"]}), tmp_path / "trl.parquet")
    assert not is_pairs_file(tmp_path / "trl.parquet")


def test_another_parquet_file_is_refused_with_what_it_lacks(tmp_path):
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "other.parquet")
    with pytest.raises(DataValidationError, match="lacks cycle_id, goal_id"):
        read_pairs(tmp_path / "other.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"no")
    with pytest.raises(DataValidationError, match=r"reading pairs from .*broken"):
        read_pairs(tmp_path / "broken.parquet")
