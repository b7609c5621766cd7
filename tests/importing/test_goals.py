"""Goals from every format, answers right, broken rows named by file and line."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from camelx.errors import ConfigError, DataValidationError
from camelx.importing import read_goals
from camelx.importing.answers import plain_number
from camelx.importing.goals import join_texts
from camelx.schemas import Split

ROWS = [
    {"question": "How many?", "answer": "Work.\n#### 1,080"},
    {"question": "How much?", "answer": "More work.\n#### -5"},
]


@pytest.fixture
def written(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def _jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def _whys(report):
    return [(row.place.number, row.why) for row in report.broken]


def test_every_format_gives_the_same_goals(tmp_path, written):
    from datasets import Dataset

    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "g.parquet")
    with (tmp_path / "g.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["question", "answer"])
        writer.writeheader()
        writer.writerows(ROWS)
    paths = [
        written("g.jsonl", _jsonl(ROWS)),
        written("g.json", json.dumps(ROWS)),
        tmp_path / "g.csv",
        tmp_path / "g.parquet",
        tmp_path / "saved",
    ]
    for path in paths:
        report = read_goals(path, strict=True)
        found = [(goal.text, goal.answer, goal.verifier, goal.source) for goal in report.records]
        assert found == [
            ("How many?", "1080", "numeric", path.name),
            ("How much?", "-5", "numeric", path.name),
        ]


def test_columns_are_mapped_nested_and_joined(written):
    path = written("g.jsonl", _jsonl([{"in": {"q": " Solve it "}, "a.b": 7, "body": "It costs 3"}]))
    (goal,) = read_goals(path, fields={"text": "body+in.q", "answer": "a.b"}, split=Split.HELDOUT).records
    assert (goal.text, goal.answer, goal.split) == ("It costs 3. Solve it", "7", Split.HELDOUT)


def test_options_win_over_a_preset(written):
    path = written("g.jsonl", _jsonl([{"question": "Q", "answer": "so <b>1.50</b>", "kind": "x"}]))
    (goal,) = read_goals(
        path, preset="gsm8k", fields={"category": "kind"}, answer_pattern="<b>(.*)</b>", verifier="exact",
        source="mine",
    ).records  # fmt: skip
    assert (goal.answer, goal.category, goal.verifier, goal.source) == ("1.50", "x", "exact", "mine")


def test_goals_in_camelx_own_fields_need_only_a_text(written):
    path = written("g.jsonl", _jsonl([{"text": "a"}, {"text": "b", "answer": "yes", "level": 2}]))
    first, second = read_goals(path).records
    assert (first.answer, first.level, first.category) == (None, None, "general")
    assert (second.answer, second.level) == ("yes", 2)


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        (["It is 3.", "How much?"], "It is 3. How much?"),
        (["It is 3", "How much?"], "It is 3. How much?"),
        (["He left. If it is 3", "How much is it?"], "He left. If it is 3, how much is it?"),
        (["If it is 3", "Paco pays what?"], "If it is 3, Paco pays what?"),
        (["", "How much?"], "How much?"),
        (["", " "], ""),
    ],
)
def test_texts_are_joined_as_a_person_would(parts, joined):
    assert join_texts(parts) == joined


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,080", "1080"), ("-5", "-5"), ("51.0", "51"), ("0.50", "0.5"), ("$1,234,567.10", "1234567.1"),
        ("\u22123", "-3"), ("+7", "7"), ("-0.0", "0"), (".5", "0.5"), ("100", "100"), ("12,34", None),
        ("1/2", None), ("five", None), ("1e3", None), ("", None),
    ],
)  # fmt: skip
def test_numbers_are_written_plainly(text, number):
    assert plain_number(text) == number


def test_a_bad_line_is_named_and_the_good_ones_are_kept(written):
    lines = [
        b'\xef\xbb\xbf{"text": "first"}',
        b"",
        b"[1, 2]",
        b'{"text": "caf\xe9"}',
        b'{"text": "a\\u0000b"}',
        b'{"text": "half \\ud800"}',
        b'{"text": "   "}',
        b'{"text": 7}',
        b'{"other": "x"}',
        b'{"text": "inf", "answer": Infinity}',
        b'{"text": "list", "answer": [1]}',
        b'{"text": "level", "level": "hard"}',
        b'{"text": "last good"}',
        b"[" * 100_000,
        b'{"text": "cut o',
    ]
    report = read_goals(written("g.jsonl", b"\n".join(lines)))
    assert [goal.text for goal in report.records] == ["first", "last good"]
    assert report.n_rows == 14
    broken = dict(_whys(report))
    expected = {
        3: "expected an object with named fields, got list",
        4: "not UTF-8: byte 0xe9",
        5: "text has the control character U+0000 at position 1",
        6: "text has the control character U+D800",
        7: "text is empty",
        8: "text is int, expected text",
        9: "no column 'text'; it has other",
        10: "expected a finite number",
        11: "answer is list",
        12: "level is 'hard', expected a whole number",
        14: "not JSON",
        15: "not JSON: Unterminated string",
    }
    assert list(broken) == list(expected)
    for line, why in expected.items():
        assert why in broken[line]
    assert str(report.broken[0]).endswith("g.jsonl:3: expected an object with named fields, got list")


def test_strict_takes_nothing_and_names_the_broken_rows(written):
    path = written("g.jsonl", '{"text": "good"}\n{"text": ""}\nnonsense\n')
    with pytest.raises(DataValidationError) as caught:
        read_goals(path, strict=True)
    assert "2 of 3 rows are broken and nothing was imported" in str(caught.value)
    assert f"{path}:2: text is empty" in str(caught.value)


def test_equal_goals_are_merged_and_another_answer_is_an_error(written):
    rows = [
        {"text": "Q"},
        {"text": " Q ", "answer": 4.0},
        {"text": "Q", "answer": "4"},
        {"text": "Q", "answer": 5},
    ]
    report = read_goals(written("g.jsonl", _jsonl(rows)))
    assert [goal.answer for goal in report.records] == ["4"]
    assert [(d.place.number, d.first.number) for d in report.duplicates] == [(2, 1), (3, 1)]
    assert [number for number, _ in _whys(report)] == [4]
    assert "with the answer '5' instead of '4'" in report.broken[0].why


def test_an_answer_that_the_verifier_cannot_use_is_an_error(written):
    rows = [{"question": "a", "answer": "no marker"}, {"question": "b", "answer": "#### many"}]
    rows += [{"question": "c", "answer": ""}, {"question": "d"}, {"question": "e", "answer": "####"}]
    whys = [why for _, why in _whys(read_goals(written("g.jsonl", _jsonl(rows)), preset="gsm8k"))]
    empty = "answer is empty"
    expected = ["no match for", "'many' is not a number", empty, "no column 'answer'", empty]
    for why, said in zip(whys, expected, strict=True):
        assert said in why


def test_a_missing_pattern_is_shown_as_it_is_written(written):
    path = written("g.jsonl", _jsonl([{"question": "a", "answer": "no marker"}]))
    ((_, why),) = _whys(read_goals(path, preset="gsm8k"))
    assert r"no match for the pattern ####\s*(.*?)\s*$; it ends 'no marker'" in why


def test_columns_question_and_answer_are_a_layout_without_the_marks_of_gsm8k_too(written):
    (goal,) = read_goals(written("g.csv", "question,answer\nHow many?,7\n")).records
    assert (goal.text, goal.answer, goal.verifier) == ("How many?", "7", None)


def test_a_caller_may_refuse_a_goal_and_its_row_is_named(written):
    path = written("g.jsonl", _jsonl([{"text": "a", "answer": "4"}, {"text": "b", "answer": "abc"}]))
    report = read_goals(path, problem=lambda goal: "no good" if goal.answer == "abc" else None)
    assert ([goal.text for goal in report.records], _whys(report)) == (["a"], [(2, "no good")])
    assert [str(place) for place in report.places.values()] == [f"{path}:1"]


def test_a_csv_row_with_a_fault_spoils_itself_only(written):
    content = (
        b'\xef\xbb\xbftext,answer\n"two\nlines",1\nshort\nlong,1,2\ncaf\xe9,3\n\ngood,4\n"never closed,5\n'
    )
    report = read_goals(written("g.csv", content))
    assert [(goal.text, goal.answer) for goal in report.records] == [("two\nlines", "1"), ("good", "4")]
    assert _whys(report) == [
        (4, "has 1 fields, the header has 2"),
        (5, "has 3 fields, the header has 2"),
        (6, "not UTF-8: field 'text'"),
        (9, "not CSV: unexpected end of data"),
    ]


def test_a_csv_header_in_another_encoding_is_named(written):
    assert _whys(read_goals(written("g.csv", b"t\xe9xt\na\n"))) == [
        (1, "the header is not UTF-8; save the file as UTF-8")
    ]


@pytest.mark.parametrize("name", ["g.jsonl", "g.json"])
def test_a_file_in_utf_16_is_named_once(written, name):
    report = read_goals(written(name, '[{"text": "a"}]\n'.encode("utf-16")))
    assert _whys(report) == [(1, "the file is in UTF-16 or UTF-32; save it as UTF-8")]


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b'[{"text": "a"},\n{"text"', 2, "not JSON"),
        (b'[\n"\xff"]', 2, "not UTF-8"),
        (b"[" * 10**5, 1, "not JSON"),
    ],
)
def test_a_json_file_that_cannot_be_read_is_named_by_line(written, content, line, said):
    ((number, why),) = _whys(read_goals(written("g.json", content)))
    assert number == line
    assert said in why


def test_a_parquet_row_with_bad_bytes_spoils_itself_only(tmp_path, written):
    texts = pa.array([b"good", b"caf\xe9"]).cast(pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": texts}), tmp_path / "g.parquet")
    report = read_goals(tmp_path / "g.parquet")
    assert [goal.text for goal in report.records] == ["good"]
    assert str(report.broken[0]).endswith("g.parquet row 2: not UTF-8: byte 0xe9")
    report = read_goals(written("bad.parquet", b"PAR1 nothing else"))
    assert "not parquet from here on" in report.broken[0].why


@pytest.mark.parametrize(
    ("name", "content", "options", "said"),
    [
        ("g.xml", "", {}, "files ending '.xml' can't be read"),
        ("g.json", '{"a": 1}', {}, "expected a list of objects, got dict"),
        ("g.jsonl", '{"prompt": "x"}', {}, "its columns are prompt, which is no known layout"),
        ("g.jsonl", '{"a": 1}', {"preset": "gsm9k"}, "no preset 'gsm9k'; did you mean 'gsm8k'"),
        ("g.jsonl", '{"a": 1}', {"fields": {"txet": "a"}}, "no field 'txet'; did you mean 'text'"),
        ("g.jsonl", '{"a": 1}', {"fields": {"answer": "a"}}, "no column is named for the goal's text"),
        ("g.jsonl", '{"a": 1}', {"fields": {"text": "a"}, "answer_pattern": "("}, "no regular expression"),
    ],
)
def test_what_cannot_be_read_at_all_is_a_config_error(written, name, content, options, said):
    with pytest.raises(ConfigError) as caught:
        read_goals(written(name, content), **options)
    assert said in str(caught.value)


def test_a_missing_file_and_a_directory_without_a_data_set_are_named(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        read_goals(tmp_path / "missing.jsonl")
    with pytest.raises(ConfigError, match="no directory that `datasets` saved"):
        read_goals(tmp_path)


def test_of_several_splits_one_must_be_named(tmp_path):
    from datasets import Dataset, DatasetDict

    one = Dataset.from_list([{"text": "a"}])
    DatasetDict({"train": one, "test": one}).save_to_disk(str(tmp_path / "both"))
    with pytest.raises(ConfigError, match="several splits; name one of its folders"):
        read_goals(tmp_path / "both")
    assert len(read_goals(tmp_path / "both" / "train").records) == 1


def test_an_empty_file_has_no_goals(written):
    report = read_goals(written("g.jsonl", ""))
    assert (report.records, report.broken, report.n_rows) == ((), (), 0)
