"""The rules: one file that keeps them all, and one broken row for each."""

from __future__ import annotations

import html
import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from camelx.config import ValidationConfig
from camelx.errors import DataValidationError
from camelx.export import PAIRS_SCHEMA, write_pairs
from camelx.schemas import Message, PreferencePair, Role, stable_id
from camelx.validation import RULES, require_valid, validate_file, validate_pairs

REAL_DATA = Path(os.environ.get("CAMELX_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
HELDOUT = "How many apples does Ann have after she ate two of nine?"


def pair(i=0, **fields):
    known = {
        "prompt": (
            Message(role="system", content="Solve."),
            Message(role="user", content=f"Goal: add {i} and 2"),
        ),
        "chosen": f"the answer is {i + 2}",
        "rejected": f"I guess {i + 5}",
        "weight": 0.8,
        "margin": 1.5,
        "source": "votes",
        "vote_ids": ("v1", "v2"),
        "annotation_ids": (),
        "goal_id": f"g{i}",
    }
    known |= {"role": Role.EXECUTOR, "ranker": "r"}
    return PreferencePair(id=f"p{i}", cycle_id="c", chosen_id="x", rejected_id="y", **known | fields)


def count_tokens(messages):
    return sum(len(m.content.split()) for m in messages)


def check(pairs, folder, *, parquet=None, min_pairs=1, tie_share=0.2, dropped=None, **settings):
    return validate_pairs(
        parquet or write_pairs(pairs, folder).parquet,
        settings=ValidationConfig(min_pairs=min_pairs, **settings),
        context_tokens=50,
        count_tokens=count_tokens,
        heldout_texts=[HELDOUT],
        known_ids={"x", "y", "v1", "v2", "a1"},
        dropped=dropped or {"tie": 3},
        n_comparisons=10,
        tie_share=tie_share,
        report_dir=folder / "report",
    )


def test_good_pairs_pass_every_rule(tmp_path):
    report = check([pair(i) for i in range(5)], tmp_path)
    assert report.passed
    assert [r.rule for r in report.results] == ["schema", *(rule.id for rule in RULES)]
    require_valid(report)
    assert json.loads(report.json.read_text("utf-8"))["passed"] is True


BROKEN = {
    "complete": {"goal_id": ""},
    "chosen_differs": {"rejected": "the answer is 2 "},
    "roles_alternate": {"prompt": (Message(role="user", content="a"), Message(role="user", content="b"))},
    "no_control_characters": {"chosen": "the answer\x07 is 2"},
    "no_mojibake": {"chosen": "the answer \x94 is 2"},
    "fits_context": {"rejected": "word " * 60},
    "weight_in_range": {"weight": 0.0},
    "margin_in_range": {"margin": 1e9},
    "margin_agrees": {"margin": -0.5},
    "unique_pairs": {"prompt": pair(1).prompt, "chosen": pair(1).rejected, "rejected": pair(1).chosen},
    "no_heldout_leak": {"prompt": (Message(role="user", content=f"Goal:  {HELDOUT}"),)},
    "provenance_resolves": {"vote_ids": ("v1", "v9")},
    "no_prefix": {"rejected": "the answer is"},
}


@pytest.mark.parametrize("rule", BROKEN)
def test_one_broken_row_fails_its_rule_and_no_other_and_is_named_with_its_remedy(rule, tmp_path):
    good = [pair(i) for i in range(1, 9)]
    report = check([*good, pair(0, **BROKEN[rule])], tmp_path)
    assert {f.rule for f in report.failures} == {rule}
    failure = report.failures[0]
    assert failure.row == "p0 (row 9)"
    assert failure.remedy == next(r.remedy for r in RULES if r.id == rule)
    is_warning = failure.severity == "warning"
    assert report.passed == is_warning
    if not is_warning:
        with pytest.raises(DataValidationError, match=rf"{rule}: 1 failing, first p0 \(row 9\)") as caught:
            require_valid(report)
        assert caught.value.failed_rules == (rule,)
        assert caught.value.report_path == report.html


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        ("not_empty", {"min_pairs": 6}),
        ("dropped_share", {"dropped": {"tie": 9}, "max_dropped_share": 0.8}),
        ("tie_share", {"tie_share": 0.99}),
        ("length_balance", {"max_length_ratio": 1.1}),
    ],
)
def test_rules_on_the_whole_file_fail_beyond_their_bounds(rule, given, tmp_path):
    assert check([pair(i) for i in range(5)], tmp_path, **given).failed_rules == (rule,)


@pytest.mark.parametrize(
    ("rule", "fields", "said"),
    [
        ("complete", BROKEN["complete"], "missing or empty: goal_id"),
        ("chosen_differs", BROKEN["chosen_differs"], "chosen and rejected are the same text"),
        ("roles_alternate", BROKEN["roles_alternate"], "prompt > chosen | rejected are: user user > assist"),
        ("fits_context", BROKEN["fits_context"], "tokens, expected 1 to 50"),
        ("margin_in_range", BROKEN["margin_in_range"], "the margin is 1e+09, expected -100 to 100"),
    ],
)
def test_a_failure_says_what_was_expected(rule, fields, said, tmp_path):
    failures = check([pair(1), pair(0, **fields)], tmp_path).failures
    assert said in next(failure.what for failure in failures if failure.rule == rule)


def test_too_few_pairs_are_counted_against_how_many_are_needed(tmp_path):
    (failure,) = check([pair()], tmp_path, min_pairs=16).failures
    assert failure.what == "1 rows, expected at least 16"


def test_a_report_says_how_many_of_the_rules_were_looked_at(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}))
    report = validate_file(path)
    n_left = len(RULES) + 1 - len(report.results)
    assert n_left > 5
    assert report.looked_at.startswith(f"{len(report.results)} rules looked at; {n_left} of the 19 need")
    assert report.looked_at in html.unescape(report.html.read_text("utf-8"))
    assert check([pair()], tmp_path).looked_at == "19 rules looked at"


def test_without_knowledge_of_what_was_dropped_the_rules_on_shares_are_left_out(tmp_path):
    report = validate_pairs(
        write_pairs([pair()], tmp_path).parquet,
        settings=ValidationConfig(min_pairs=1),
        context_tokens=50,
        count_tokens=count_tokens,
        heldout_texts=[],
        known_ids={"x", "y", "v1", "v2"},
        report_dir=tmp_path,
    )
    assert report.passed
    assert {rule.id for rule in RULES} - {r.rule for r in report.results} == {"dropped_share", "tie_share"}


def test_an_id_that_occurs_twice_fails(tmp_path):
    twice = [pair(1), pair(2).model_copy(update={"id": "p1"})]
    assert check(twice, tmp_path).failed_rules == ("unique_ids",)


def test_a_goal_of_the_hold_out_is_known_by_its_id_too(tmp_path):
    leak = pair(0, goal_id=stable_id("goal", HELDOUT))
    assert check([leak], tmp_path).failed_rules == ("no_heldout_leak",)


def test_a_human_pair_may_contradict_the_ranking_but_needs_its_annotation(tmp_path):
    human = {"source": "human", "margin": -1.0}
    assert check([pair(0, annotation_ids=("a1",), **human)], tmp_path).passed
    assert check([pair(0, **human)], tmp_path).failed_rules == ("provenance_resolves",)


def test_a_pair_of_reviews_needs_the_votes_behind_it_and_no_margin(tmp_path):
    review = {"role": Role.PEER_REVIEWER, "source": "verifier", "margin": 0.0, "ranker": None}
    assert check([pair(0, **review)], tmp_path).passed
    assert check([pair(0, **review | {"vote_ids": ()})], tmp_path).failed_rules == ("provenance_resolves",)


def test_an_empty_file_fails_only_for_being_empty(tmp_path):
    assert check([], tmp_path).failed_rules == ("not_empty",)


def test_missing_and_mistyped_columns_are_named(tmp_path):
    table = pq.read_table(write_pairs([pair()], tmp_path).parquet)
    weight = pa.array(["0.8"])
    table = table.drop_columns(["margin"]).set_column(
        table.schema.get_field_index("weight"), "weight", weight
    )
    pq.write_table(table, tmp_path / "odd.parquet")
    report = check([], tmp_path, parquet=tmp_path / "odd.parquet")
    assert report.failed_rules == ("schema",)
    assert [f.row for f in report.failures] == ["column weight", "column margin"]


def test_a_file_that_is_no_parquet_is_an_error_that_names_it(tmp_path):
    (tmp_path / "pairs.parquet").write_text("no")
    with pytest.raises(DataValidationError, match=r"reading the pairs file .*pairs\.parquet"):
        check([], tmp_path, parquet=tmp_path / "pairs.parquet")


def test_nulls_are_reported_and_do_not_break_the_run(tmp_path):
    rows = pq.read_table(write_pairs([pair()], tmp_path).parquet).to_pylist()
    rows[0] |= {"chosen": None, "weight": None, "prompt": None, "vote_ids": None}
    pq.write_table(pa.Table.from_pylist(rows, schema=PAIRS_SCHEMA), tmp_path / "nulls.parquet")
    failed = check([], tmp_path, parquet=tmp_path / "nulls.parquet").failed_rules
    assert {"complete", "roles_alternate", "weight_in_range", "provenance_resolves"} <= set(failed)


def test_the_page_loads_nothing_from_outside_and_escapes_what_it_shows(tmp_path):
    evil = pair(0, vote_ids=("v1", "<script>alert(1)</script>"))
    page = check([evil], tmp_path).html.read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not any(mark in page for mark in ("http:", "https:", "src=", "@import", "<link"))
    assert "prefers-color-scheme: dark" in page
    assert "What to do" in page


def test_trl_forms_are_read_alike(tmp_path):
    turn = {"role": "user", "content": "hi"}
    answers = [{"role": "assistant", "content": t} for t in ("yes", "no")]
    rows = [
        {"prompt": "hi", "chosen": "yes", "rejected": "no"},
        {"prompt": [turn], "chosen": [answers[0]], "rejected": [answers[1]]},
        {"chosen": [turn, answers[0]], "rejected": [turn, answers[1]]},
        {
            "conversations": [{"from": "human", "value": "hi"}],
            "chosen": {"from": "gpt", "value": "yes"},
            "rejected": {"from": "gpt", "value": "no"},
        },
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    report = validate_file(path)
    said = "the same prompt and answers as row 1"
    assert [(f.rule, f.what) for f in report.failures] == [("unique_pairs", said)] * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"prompt": "a", "chosen": "b", "rejected": "c"}\n{"a"', r"rows\.jsonl:2: not valid JSON"),
        (
            '{"prompt": "a", "chosen": "b"}',
            r"row 1: expected chosen, rejected and prompt .* got prompt, chosen",
        ),
        ('{"prompt": 3, "chosen": "b", "rejected": "c"}', r"row 1: expected a text or turns, got int"),
    ],
)
def test_broken_rows_are_named_by_file_and_row(text, message, tmp_path):
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(DataValidationError, match=message):
        validate_file(tmp_path / "rows.jsonl")


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real data at {REAL_DATA}; set CAMELX_REAL_DATA")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dpo_en_demo", {"unique_pairs": 5, "no_control_characters": 2, "no_mojibake": 1}),
        ("dpo_zh_demo", {"unique_pairs": 11, "no_control_characters": 10, "no_prefix": 1}),
    ],
)
def test_the_dirty_rows_of_real_files_are_found(name, expected, tmp_path):
    report = validate_file(REAL_DATA / "dirty_pairs" / f"{name}.json", report_dir=tmp_path)
    assert Counter(f.rule for f in report.failures) == expected
