"""Annotations to files and back: nothing is lost, nothing hostile runs, every row is accounted for."""

from __future__ import annotations

import csv
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs_to_judge import add_pairs_to_judge

from camelx.annotation import AnnotationQueue, Opinion, QueueRules, annotation_id, batches
from camelx.annotation.agreement import settled_version
from camelx.annotation.exchange import (
    COLUMNS,
    ExchangeFormat,
    defused,
    format_of,
    restored,
    row_of_annotation,
    write_annotations,
)
from camelx.annotation.importing import import_annotations
from camelx.annotation.settling import settle_pair, unsettle_pair
from camelx.errors import ConfigError, ConflictError, DataValidationError, NotFoundError
from camelx.export.judgements import settle
from camelx.schemas import Annotation, AnnotationFilter, Verdict

HOSTILE = (
    "=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r\n=1", "'=1", "''=1", "'tis", "'", "＝1",
    " =1", 'He said "no", twice;\nthen left', "<script>alert(1)</script>", "\u2028", "naïve 😀 שלום",
)  # fmt: skip
FORMATS = tuple(ExchangeFormat)


@pytest.fixture
def judged(store):
    """A store with four annotations on a ranked cycle: of all kinds, with hostile texts."""
    add_pairs_to_judge(store)
    a, b, c, d = store.comparisons("c1")[:4]
    kept = [
        annotation(a, Verdict.FIRST, rating=5, rationale=HOSTILE[0], edited_text=HOSTILE[12]),
        annotation(b, Verdict.TIE, annotator="=ben", duration_s=3.25, submission_id="s1"),
        annotation(c, "both_bad", repeat=1),
        annotation(d, Verdict.SECOND, annotator="root", adjudicated=True, rationale="x" * 4_000),
    ]
    store.save_annotations(kept)
    return store


def annotation(comparison, verdict, annotator="ada", **fields):
    pair = (comparison.first_id, comparison.second_id)
    kinds = {name: fields[name] for name in ("repeat", "adjudicated") if name in fields}
    return Annotation(
        id=annotation_id(pair, annotator, **kinds),
        goal_id=comparison.goal_id,
        first_id=pair[0],
        second_id=pair[1],
        annotator=annotator,
        verdict=verdict,
        created_at=datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
        **fields,
    )


def written(store, path: Path) -> Path:
    write_annotations(store.annotations_on(), path, format_of(path))
    return path


def rows_file(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def row(store, n=0, **changes):
    pair = store.comparisons("c1")[n]
    return {
        "a_id": pair.first_id,
        "b_id": pair.second_id,
        "preferred": pair.first_id,
        "annotator": "ada",
    } | changes


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_exported_comes_back_as_it_was(judged, format, tmp_path):
    before = judged.annotations_on()
    path = written(judged, tmp_path / f"a.{format}")
    done = import_annotations(judged, path)
    assert done.counts == {"added": 0, "changed": 0, "unchanged": 4, "refused": 0}
    judged.delete_annotations(a.id for a in before)
    assert import_annotations(judged, path).counts["added"] == 4
    assert judged.annotations_on() == before


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_without_annotations_is_whole_too(store, format, tmp_path):
    path = written(store, tmp_path / f"a.{format}")
    assert import_annotations(store, path).rows == ()


def test_verdicts_name_results_so_the_shown_order_does_not_matter(judged, tmp_path):
    first = judged.annotations_on()[0]
    path = written(judged, tmp_path / "a.jsonl")
    swapped = []
    for line in path.read_text("utf-8").splitlines():
        one = json.loads(line)
        swapped.append(one | {"a_id": one["b_id"], "b_id": one["a_id"]})
    done = import_annotations(judged, rows_file(path, *swapped))
    assert done.counts["unchanged"] == 4
    assert judged.annotation(first.id) == first


def test_a_dry_run_says_what_would_happen_and_stores_nothing(judged, tmp_path):
    before = judged.annotations_on()
    path = rows_file(
        tmp_path / "a.jsonl",
        row(judged, 0, preferred="tie"),
        row(judged, 5),
        row(judged, 6, a_id="nobody"),
    )
    done = import_annotations(judged, path, dry_run=True)
    assert [one.outcome for one in done.rows] == ["changed", "added", "refused"]
    assert [one.place for one in done.rows] == [f"{path}:{n}" for n in (1, 2, 3)]
    goals = [f"on “{judged.goals(ids=[judged.comparisons('c1')[n].goal_id])[0].text}”" for n in (0, 5)]
    changed, added, refused = done.rows
    assert changed.what == f"ada: a tie instead of A is better, {goals[0]}"
    assert added.what == f"ada: A is better, {goals[1]}"
    assert (added.a_id, added.b_id) == (row(judged, 5)["a_id"], row(judged, 5)["b_id"])
    assert (refused.a_id, refused.b_id) == (None, None)
    assert judged.annotations_on() == before
    import_annotations(judged, path)
    assert len(judged.annotations_on()) == len(before) + 1


def other_pair(store, *, is_of_the_same_goal):
    """The number of a comparison of other texts than the first one's."""
    first, *others = store.comparisons("c1")
    texts = {i: one.completion for i, one in store.interactions_by_id(_results(store)).items()}
    for n, one in enumerate(others, 1):
        is_other = {texts[one.first_id], texts[one.second_id]} != {
            texts[first.first_id],
            texts[first.second_id],
        }
        if is_other and (one.goal_id == first.goal_id) is is_of_the_same_goal:
            return n
    raise AssertionError("no such pair")


def _results(store):
    return {i for one in store.comparisons("c1") for i in (one.first_id, one.second_id)}


@pytest.mark.parametrize("is_of_the_same_goal", [True, False])
@pytest.mark.parametrize("is_stored_before", [True, False])
def test_a_submission_is_of_one_item(store, tmp_path, is_of_the_same_goal, is_stored_before):
    add_pairs_to_judge(store)
    n = other_pair(store, is_of_the_same_goal=is_of_the_same_goal)
    one, another = (row(store, n, submission_id="s1") for n in (0, n))
    path, rows = tmp_path / "a.jsonl", [one, another, another | {"annotator": "ben"}]
    if is_stored_before:
        assert import_annotations(store, rows_file(path, one)).counts["added"] == 1
    done = import_annotations(store, rows_file(path, *rows))
    first = "unchanged" if is_stored_before else "added"
    assert [row.outcome for row in done.rows] == [first, "refused", "added"]
    assert f"'s1' is of another item, '{one['a_id']}' against" in done.rows[1].what
    assert f"({'stored before' if is_stored_before else f'{path}:1'})" in done.rows[1].what


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_what_a_row_leaves_out_stays_as_it_is_stored(judged, format, tmp_path):
    before = judged.annotations_on()
    path = tmp_path / f"a.{format}"
    kept = ("a_id", "b_id", "preferred", "annotator", "repeat", "adjudicated")
    lines = [{name: row_of_annotation(a)[name] for name in kept} for a in before]
    if format == "jsonl":
        rows_file(path, *lines)
    else:
        with path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, (*kept, "submission_id", "created_at"))
            writer.writeheader()
            writer.writerows({name: defused(str(value)) for name, value in line.items()} for line in lines)
    assert import_annotations(judged, path).counts["unchanged"] == len(before)
    assert judged.annotations_on() == before


def test_what_a_row_says_empty_is_taken_away_and_named(judged, tmp_path):
    first = next(a for a in judged.annotations_on() if a.rating)
    line = row_of_annotation(first) | {"rationale": None, "rating": 1}
    done = import_annotations(judged, rows_file(tmp_path / "a.jsonl", line))
    assert "another rating, rationale" in done.rows[0].what
    after = judged.annotation(first.id)
    assert (after.rating, after.rationale, after.edited_text) == (1, None, first.edited_text)


def test_an_empty_csv_and_missing_columns_are_named(store, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("")
    assert import_annotations(store, path).rows[0].what == "the file is empty; expected a header"
    path.write_text("a_id,annotator\nx,ada\n")
    assert import_annotations(store, path).rows[0].what.startswith("b_id, preferred: missing or empty")
    with pytest.raises(ConfigError, match="does not exist"):
        import_annotations(store, tmp_path / "no.csv")


def test_an_empty_submission_is_none(store, tmp_path):
    add_pairs_to_judge(store)
    path = rows_file(tmp_path / "a.jsonl", *(row(store, n, submission_id="") for n in range(3)))
    assert import_annotations(store, path).counts["added"] == 3
    assert {a.submission_id for a in store.annotations_on()} == {None}


REFUSED = {
    "an unknown interaction": ({"b_id": "nobody"}, "there is no interaction 'nobody'"),
    "a verdict that is none": ({"preferred": "a"}, "expected a_id's or b_id's value"),
    "an empty annotator": ({"annotator": " "}, "annotator is empty"),
    "a name that is too long": ({"annotator": "x" * 201}, "expected 1 to 200"),
    "a rating of 6": ({"rating": 6}, "rating is 6: Input should be less than or equal to 5"),
    "a huge field": ({"rationale": "x" * 5_000_000}, "at most 4000 characters"),
    "a moment that is none": ({"created_at": "yesterday"}, "expected a moment"),
    "a number as text": ({"edited_text": 5}, "edited_text is 5: Input should be a valid string"),
    "an unknown column": ({"verdict": "tie"}, "unknown column 'verdict'"),
    "another goal": ({"goal_id": "g9"}, "goal_id is 'g9'"),
    "a control character": ({"annotator": "a\x1b[31m"}, "control character"),
    "a character that turns the direction": ({"annotator": "a\u202eb"}, "is no name of a person"),
    "a moment before all": ({"created_at": "0001-01-01T00:00:00+23:59"}, "expected a moment"),
    "a negative time": ({"duration_s": -1}, "duration_s"),
    "an endless time": ({"duration_s": float("inf")}, "duration_s is inf: Input should be a finite number"),
    "a repeat that no database holds": ({"repeat": 10**30}, ": Input should be less than or equal to 1000"),
    "nested": ({"annotator": ["ada"]}, "annotator is list"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_row_that_is_wrong_is_refused_by_its_line(judged, what, tmp_path):
    changes, why = REFUSED[what]
    path = rows_file(tmp_path / "a.jsonl", row(judged, 5), row(judged, 6, **changes))
    done = import_annotations(judged, path)
    assert done.counts == {"added": 1, "changed": 0, "unchanged": 0, "refused": 1}
    assert done.refused[0].place == f"{path}:2"
    assert why in done.refused[0].what
    assert len(done.refused[0].what) < 500


def test_the_same_verdict_twice_in_a_file_is_refused_the_second_time(judged, tmp_path):
    one = row(judged, 5)
    path = rows_file(tmp_path / "a.jsonl", one, one | {"a_id": one["b_id"], "b_id": one["a_id"]})
    (refused,) = import_annotations(judged, path).refused
    assert f"the same pair as {path}:1" in refused.what


def test_results_of_two_goals_are_no_pair(judged, tmp_path):
    other = next(c for c in judged.comparisons("c1") if c.goal_id != judged.comparisons("c1")[0].goal_id)
    path = rows_file(tmp_path / "a.jsonl", row(judged, 0, b_id=other.second_id))
    assert "answers goal" in import_annotations(judged, path).refused[0].what


def test_strict_takes_all_or_nothing(judged, tmp_path):
    before = judged.annotations_on()
    path = rows_file(tmp_path / "a.jsonl", row(judged, 5), row(judged, 6, preferred="x"))
    with pytest.raises(DataValidationError, match=r"1 of 2 rows are refused and nothing was imported"):
        import_annotations(judged, path, strict=True)
    assert judged.annotations_on() == before
    assert len(import_annotations(judged, path, strict=True, dry_run=True).refused) == 1


def test_a_broken_line_spoils_itself_alone(judged, tmp_path):
    path = rows_file(tmp_path / "a.jsonl", row(judged, 5))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b'{"a_id": \n\xff\xfe\n[]\n')
    done = import_annotations(judged, path)
    assert done.counts == {"added": 1, "changed": 0, "unchanged": 0, "refused": 3}


def test_a_file_in_another_encoding_is_said(judged, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(row(judged, 5)).encode("utf-16"))
    assert "UTF-16" in import_annotations(judged, path).refused[0].what
    path = tmp_path / "a.csv"
    path.write_bytes("a_id,b_id,preferred,annotator\nx,y,x,Jos\xe9\n".encode("latin-1"))
    assert "not UTF-8" in import_annotations(judged, path).refused[0].what


def test_files_that_are_no_annotations_are_refused(store, tmp_path):
    for name in ("a.txt", "a.json", "a"):
        (tmp_path / name).write_text("{}")
        with pytest.raises(ConfigError, match=r"expected a file ending in .jsonl, .csv, .parquet"):
            import_annotations(store, tmp_path / name)
    with pytest.raises(ConfigError, match="does not exist"):
        import_annotations(store, tmp_path / "nowhere.csv")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    assert "not parquet" in import_annotations(store, tmp_path / "a.parquet").refused[0].what
    with pytest.raises(ConfigError, match="contradict"):
        format_of(tmp_path / "a.csv", ExchangeFormat.JSONL)


def test_no_cell_of_a_csv_begins_like_a_formula(judged, tmp_path):
    path = written(judged, tmp_path / "a.csv")
    with path.open(newline="", encoding="utf-8") as lines:
        cells = [cell for line in csv.reader(lines) for cell in line]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\n＝＋－＠")]
    assert "'=ben" in cells


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_comes_back_from_csv_as_it_was(text):
    assert restored(defused(text)) == text
    assert defused(text).lstrip()[:1] not in tuple("=+-@")


@given(st.text())
def test_any_text_comes_back(text):
    assert restored(defused(text)) == text


def test_a_csv_written_by_hand_needs_four_columns(judged, tmp_path):
    pair = judged.comparisons("c1")[5]
    path = tmp_path / "a.csv"
    path.write_text(
        f"annotator,preferred,a_id,b_id,rating,adjudicated\n"
        f"'tis me,{pair.second_id},{pair.first_id},{pair.second_id},,\n"
        f"ben,tie,{pair.first_id},{pair.second_id},five,\n"
        f"ben,tie,{pair.first_id},{pair.second_id},5,perhaps\n"
    )
    done = import_annotations(judged, path)
    assert [one.outcome for one in done.rows] == ["added", "refused", "refused"]
    mine = [a for a in judged.annotations_on() if a.annotator == "'tis me"]
    assert [(a.verdict, a.rating, a.adjudicated) for a in mine] == [(Verdict.SECOND, None, False)]


def test_a_row_without_a_moment_keeps_the_stored_one(judged, tmp_path):
    old = judged.annotations([judged.comparisons("c1")[0].goal_id])[0]
    bare = {name: value for name, value in row_of_annotation(old).items() if name != "created_at"}
    path = rows_file(tmp_path / "a.jsonl", bare)
    assert import_annotations(judged, path).counts["unchanged"] == 1


def test_every_column_is_written(judged):
    assert tuple(row_of_annotation(judged.annotations_on()[0])) == COLUMNS


# Settling and taking back


def test_a_settled_verdict_overrides_people_and_can_be_taken_back(store):
    add_pairs_to_judge(store)
    queue, pair = AnnotationQueue(store), store.comparisons("c1")[0]
    both = (pair.first_id, pair.second_id)
    store.save_annotations([annotation(pair, Verdict.FIRST), annotation(pair, Verdict.FIRST, "ben")])
    settle_pair(queue, store, both, pair.second_id, "root", rationale="worked out")
    assert settle(store.annotations_on())[both].winner == pair.second_id
    settle_pair(queue, store, both, "tie", "other-admin")
    assert settle(store.annotations_on())[both].outcome == "human_tie"
    assert sum(a.adjudicated for a in store.annotations_on()) == 1, "the later one takes its place"
    unsettle_pair(queue, store, both)
    assert settle(store.annotations_on())[both].winner == pair.first_id
    with pytest.raises(NotFoundError, match="nothing was settled"):
        unsettle_pair(queue, store, both)


def test_of_admins_who_settle_at_once_one_is_told(store):
    add_pairs_to_judge(store)
    queue, pair = AnnotationQueue(store), store.comparisons("c1")[0]
    both, barrier = (pair.first_id, pair.second_id), threading.Barrier(8)

    def settled_by(name):
        barrier.wait(60)
        try:
            settle_pair(queue, store, both, "tie", name, instead_of="")
        except ConflictError as e:
            return str(e)
        return ""

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(settled_by, [f"admin-{n}" for n in range(8)]))
    (settled,) = (a for a in store.annotations_on() if a.adjudicated)
    assert said.count("") == 1
    assert sum(f"{settled.annotator} has settled" in one for one in said) == 7


def test_of_several_settled_verdicts_of_a_pair_the_last_one_is_what_was_seen(store):
    """As an import makes them."""
    add_pairs_to_judge(store)
    queue, pair = AnnotationQueue(store), store.comparisons("c1")[0]
    first, last = (
        annotation(pair, Verdict.TIE, name).model_copy(update={"adjudicated": True})
        for name in ("ada", "ben")
    )
    last = last.model_copy(update={"created_at": first.created_at + timedelta(days=1)})
    store.save_annotations([last, first])
    settle_pair(
        queue, store, (pair.first_id, pair.second_id), "tie", "root", instead_of=settled_version(last)
    )
    assert [a.annotator for a in store.annotations_on() if a.adjudicated] == ["root"]


def test_only_one_of_the_two_a_tie_or_both_bad_can_be_settled(store):
    add_pairs_to_judge(store)
    pair = store.comparisons("c1")[0]
    with pytest.raises(ConfigError, match="expected"):
        settle_pair(AnnotationQueue(store), store, (pair.first_id, pair.second_id), "third", "root")
    with pytest.raises(NotFoundError):
        settle_pair(AnnotationQueue(store), store, ("x", "y"), "tie", "root")


def test_all_of_a_person_can_be_withdrawn_in_one_cycle_or_everywhere(judged):
    add_pairs_to_judge(judged, cycle_id="c2", number=2)
    judged.save_annotations([annotation(judged.comparisons("c2")[0], Verdict.TIE)])
    queue, adas = AnnotationQueue(judged), AnnotationFilter(annotator="ada")
    in_c2 = batches.meant(judged, adas.model_copy(update={"cycle_id": "c2"}))
    batches.withdraw(queue, judged, in_c2)
    assert len(in_c2) == 1
    batches.withdraw(queue, judged, batches.meant(judged, adas))
    assert {a.annotator for a in judged.annotations_on()} == {"=ben", "root"}
    with pytest.raises(NotFoundError, match="no annotation with annotator ada"):
        batches.meant(judged, adas)


def test_what_was_withdrawn_can_be_judged_again(store):
    add_pairs_to_judge(store)
    queue = AnnotationQueue(store, QueueRules(repeat_share=0, overlap_share=0))
    offer = queue.next_item("ada")
    queue.judge(*offer.item.pairs[0], "ada", Opinion(verdict="tie"))
    assert queue.next_item("ada").lease.item_key != offer.lease.item_key
    batches.withdraw(queue, store, store.annotations_on())
    assert queue.next_item("ben").lease.item_key == offer.lease.item_key
