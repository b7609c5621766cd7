"""Agreement: values worked out by hand, textbook examples, and what can't be measured says so."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from camelx.annotation.agreement import disagreements, label_of, pooled_votes, report_of
from camelx.annotation.measures import cohen_kappa, fleiss_kappa, krippendorff_alpha, percent_agreement
from camelx.schemas import Annotation, TimedVote, Verdict, stable_id

START = datetime(2026, 1, 5, tzinfo=UTC)
REAL_DATA = Path(os.environ.get("CAMELX_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
REAL = REAL_DATA / "prd_vicuna80" / "rounds.jsonl"

pytestmark = pytest.mark.usefixtures("no_warnings")


def said(annotator, pair, verdict, minute=0, **fields):
    """An annotation on pair ("a", "b"): "a" or "b" preferred, "tie" or "both_bad"."""
    first, second = pair
    verdicts = {first: Verdict.FIRST, second: Verdict.SECOND, "tie": Verdict.TIE}
    return Annotation(
        id=stable_id(annotator, *sorted(pair), minute, fields.get("repeat", 0)),
        goal_id="g",
        first_id=first,
        second_id=second,
        annotator=annotator,
        verdict=verdicts.get(verdict, "both_bad"),
        created_at=START + timedelta(minutes=minute),
        **fields,
    )


def pair(n):
    return (f"{n}a", f"{n}b")


# The measures


def test_cohens_kappa_is_the_textbooks():
    """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: agreed 0.7, by chance 0.5, so 0.4."""
    pairs = [[0, 0]] * 20 + [[0, 1]] * 5 + [[1, 0]] * 10 + [[1, 1]] * 15
    found = cohen_kappa(pairs, 2)
    assert found.value == pytest.approx(0.4)
    assert found.low < 0.4 < found.high
    assert found.n == 50


def test_fleiss_kappa_is_the_textbooks():
    """Fleiss 1971 as Wikipedia works it: 10 items, 14 raters, 5 categories: 0.210."""
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    items = [[label for label, n in enumerate(row) for _ in range(n)] for row in table]
    found = fleiss_kappa(items, 5)
    assert found.value == pytest.approx(0.2099, abs=1e-4)
    assert found.low < found.value < found.high


def test_krippendorffs_alpha_is_krippendorffs():
    """His example of 4 observers and 12 units: nominal 0.743, ordinal 0.815."""
    observers = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    items = [[int(row[unit]) - 1 for row in observers if row[unit] != "."] for unit in range(12)]
    assert krippendorff_alpha(items, 5).value == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(items, 5, is_ordinal=True).value == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(items, 5).n == 11, "the last unit has one observer"


@pytest.mark.parametrize("seed", range(5))
def test_the_libraries_values_are_what_is_resampled(seed, monkeypatch):
    """With one resample that takes every item once, the interval is the library's value itself."""
    from camelx.annotation import measures

    class Once:
        def multinomial(self, n, shares, size):
            return np.ones((size, n))

    monkeypatch.setattr(measures.np.random, "default_rng", lambda seed: Once())
    rng = np.random.RandomState(seed)
    items = [list(rng.randint(0, 4, size=k)) for k in rng.randint(1, 5, size=80)]
    pairs = [list(rng.randint(0, 4, size=2 * k)) for k in rng.randint(1, 4, size=60)]
    for found in (
        cohen_kappa(pairs, 4),
        fleiss_kappa(items, 4),
        krippendorff_alpha(items, 4),
        krippendorff_alpha(items, 4, is_ordinal=True),
        percent_agreement(pairs),
    ):
        assert found.low == pytest.approx(found.value)
        assert found.high == pytest.approx(found.value)


def test_the_same_items_give_the_same_interval():
    rng = np.random.RandomState(0)
    pairs = [list(rng.randint(0, 3, size=2)) for _ in range(40)]
    assert cohen_kappa(pairs, 3) == cohen_kappa(pairs, 3)


def test_an_interval_covers_the_true_value_about_as_often_as_it_says():
    rng = np.random.RandomState(1)
    hits = 0
    for _ in range(100):
        truth = rng.randint(0, 3, size=60)
        slips = rng.rand(60) < 0.4
        other = np.where(slips, rng.randint(0, 3, size=60), truth)
        found = cohen_kappa([[int(a), int(b)] for a, b in zip(truth, other, strict=True)], 3)
        hits += found.low <= 0.6 <= found.high  # 0.4 are drawn anew, by chance
    assert hits >= 88


@pytest.mark.parametrize("measure", [cohen_kappa, fleiss_kappa, krippendorff_alpha])
def test_the_same_label_throughout_is_not_measurable(measure):
    found = measure([[1, 1]] * 9, 3)
    assert found.value is None
    assert "chance explains all" in found.reason


@pytest.mark.parametrize("measure", [cohen_kappa, fleiss_kappa, krippendorff_alpha])
def test_no_items_are_not_measurable(measure):
    assert measure([], 3).reason == "nobody else judged the same items"


def test_a_single_item_has_no_interval():
    found = krippendorff_alpha([[0, 1]], 2)
    assert (found.low, found.high) == (None, None)


def test_full_agreement_on_few_items_is_not_sure_of_itself():
    few, many = cohen_kappa([[0, 0], [1, 1], [2, 2]], 3), cohen_kappa([[0, 0], [1, 1], [2, 2]] * 50, 3)
    assert few.value == many.value == 1.0
    assert few.low < 0.1
    assert many.low > 0.9
    assert percent_agreement([[0, 1]]).high == pytest.approx(0.975)


# The report


def test_people_are_compared_with_each_other_as_worked_out_by_hand():
    """Ada and Ben differ on 1 of 4; Chloe judged one pair alone."""
    annotations = [
        said("ada", pair(1), "1a"),
        said("ben", ("1b", "1a"), "1a"),  # shown the other way round
        said("ada", pair(2), "2b"),
        said("ben", pair(2), "2b"),
        said("ada", pair(3), "tie"),
        said("ben", pair(3), "tie"),
        said("ada", pair(4), "both_bad"),
        said("ben", pair(4), "4a"),
        said("chloe", pair(5), "5a"),
    ]
    report = report_of(annotations, [])
    assert (report.n_items, report.n_shared) == (5, 4)
    (ada, ben, chloe) = report.people
    assert ada.percent.value == 0.75
    # By chance: first 1/4 x 2/4, second 1/4 x 1/4, tie 1/4 x 1/4, both bad 1/4 x 0 = 1/4.
    assert ada.kappa.value == pytest.approx((0.75 - 0.25) / 0.75)
    assert ada.kappa.value == pytest.approx(ben.kappa.value)
    assert (ada.ties.value, ada.both_bad.value) == (0.25, 0.25)
    assert chloe.kappa.reason == "nobody else judged the same items"
    beside = {(b.one, b.other): b for b in report.matrix}
    assert beside["ada", "ben"].percent.value == 0.75
    assert beside["ada", "chloe"].kappa.value is None
    assert [(d.first_id, d.verdicts) for d in report.disagreements] == [
        ("4a", {"ada": "both_bad", "ben": "first"})
    ]


def test_one_person_alone_has_speed_and_shares_but_no_agreement():
    report = report_of([said("ada", pair(n), "tie", duration_s=4.0 + n) for n in range(3)], [])
    (ada,) = report.people
    assert ada.seconds.value == 5.0
    assert ada.ties.value == 1.0
    for figure in (ada.percent, ada.kappa, report.together.fleiss, report.together.alpha):
        assert figure.value is None
        assert figure.reason == "nobody else judged the same items"
    assert ada.self_kappa.reason == "no pair was shown to them a second time"


def test_nothing_gives_an_empty_report():
    report = report_of([], [])
    assert (report.people, report.matrix, report.reviewers, report.disagreements) == ((), (), (), ())


def test_repeats_tell_self_agreement_and_nothing_else():
    annotations = [said("ada", pair(n), f"{n}a") for n in range(4)]
    annotations += [said("ada", pair(n), f"{n}a" if n else "tie", 60, repeat=1) for n in range(4)]
    annotations += [said("ben", pair(n), f"{n}a") for n in range(4)]
    report = report_of(annotations, [])
    assert report.people[0].self_percent.value == 0.75
    assert report.people[0].n_repeats == 4
    assert report.people[0].n_judged == 4
    assert report.people[0].percent.value == 1.0
    assert report.disagreements == ()


def test_an_item_of_several_pairs_with_the_same_texts_counts_once():
    annotations = [
        said(name, pair(n), f"{n}a", submission_id=f"{name}-s") for name in ("ada", "ben") for n in range(5)
    ]
    report = report_of(annotations, [])
    assert report.n_items == 1
    assert report.people[0].n_judged == 1


def test_the_last_word_on_a_pair_counts():
    report = report_of(
        [said("ada", pair(1), "1a", 0), said("ada", pair(1), "1b", 5), said("ben", pair(1), "1b")], []
    )
    assert report.people[0].percent.value == 1.0


def test_ratings_agree_in_their_order():
    annotations = [
        said(name, pair(n), "tie", rating=rating)
        for n, ratings in enumerate([(1, 1), (2, 2), (4, 5), (5, 5)])
        for name, rating in zip(("ada", "ben"), ratings, strict=True)
    ]
    found = report_of(annotations, []).together
    assert found.rating_alpha.value > 0.8
    assert found.alpha.reason.startswith("everybody said the same")


def test_the_most_divided_pairs_come_first_and_settled_ones_last():
    annotations = [
        *(said(name, pair(1), v) for name, v in (("ada", "1a"), ("ben", "1a"), ("chloe", "1b"))),
        *(said(name, pair(2), v) for name, v in (("ada", "2a"), ("ben", "tie"), ("chloe", "2b"))),
        *(said(name, pair(3), v) for name, v in (("ada", "3a"), ("ben", "3b"))),
        said("boss", pair(3), "3b", 9, adjudicated=True),
    ]
    found = disagreements(annotations)
    assert [(d.first_id, round(d.division, 2), d.settled) for d in found] == [
        ("2a", 1.0, None),
        ("1a", 0.67, None),
        ("3a", 1.0, "second"),
    ]
    assert found[2].settled_by == "boss"
    assert "boss" not in [person.name for person in report_of(annotations, []).people]


# Reviewers


def vote(first, second, verdict, judge="r", round=0, latency_s=2.0):
    return TimedVote(
        judge=judge, first_id=first, second_id=second, verdict=verdict, round=round, latency_s=latency_s
    )


def test_both_orders_of_a_pair_are_one_verdict_and_the_last_round_counts():
    votes = [
        vote("1a", "1b", Verdict.FIRST), vote("1b", "1a", Verdict.SECOND),  # both say 1a
        vote("2a", "2b", Verdict.FIRST), vote("2b", "2a", Verdict.FIRST),  # whatever is first
        vote("3a", "3b", Verdict.FIRST), vote("3a", "3b", Verdict.SECOND, round=1),
        vote("4a", "4b", None),
        vote("5b", "5a", Verdict.FIRST), vote("5a", "5b", Verdict.TIE),
    ]  # fmt: skip
    assert pooled_votes(votes) == {("1a", "1b"): 0, ("2a", "2b"): 1, ("3a", "3b"): 2, ("5a", "5b"): 2}


def test_reviewers_are_compared_with_what_people_settled():
    annotations = [
        said("ada", pair(1), "1a"),
        said("ada", pair(2), "2b"),
        said("ada", pair(3), "3a"), said("boss", pair(3), "tie", adjudicated=True),
        said("ada", pair(4), "both_bad"),
        said("ada", pair(5), "5a"), said("ben", pair(5), "5b"),
    ]  # fmt: skip
    votes = [vote(*pair(n), Verdict.FIRST) for n in range(1, 6)]
    (r,) = report_of(annotations, votes).reviewers
    assert r.n_judged == 5
    # Pair 1 right, 2 wrong, 3 settled as a tie; 4 is both bad and 5 is open.
    assert (r.percent.value, r.percent.n) == (pytest.approx(1 / 3), 3)
    assert r.seconds.value == 2.0
    assert r.ties.value == 0.0


def test_votes_made_elsewhere_have_no_time():
    (r,) = report_of([said("ada", pair(1), "1a")], [vote(*pair(1), Verdict.FIRST, latency_s=None)]).reviewers
    assert r.seconds.value is None


@pytest.mark.skipif(not REAL.is_file(), reason=f"no real data at {REAL_DATA}; set CAMELX_REAL_DATA")
def test_real_verdicts_of_people_agree_as_far_as_the_library_says():
    """One to several people on pairs of outputs for 80 questions."""
    import krippendorff

    annotations, codes = [], []
    for line in REAL.read_text("utf-8").splitlines():
        row = json.loads(line)
        for judged in row["human"]:
            ids = (f"{row['goal_id']}-{judged['a']}", f"{row['goal_id']}-{judged['b']}")
            these = [
                said(f"human-{i}", ids, {1: ids[0], -1: ids[1], 0: "tie"}[v])
                for i, v in enumerate(judged["votes"])
            ]
            annotations += these
            codes.append([("first", "tie", "second").index(label_of(a)) for a in these])
    table = np.full((len(codes), max(map(len, codes))), np.nan)
    for i, row in enumerate(codes):
        table[i, : len(row)] = row
    found = report_of(annotations, []).together
    assert found.alpha.n == sum(len(row) > 1 for row in codes) > 100
    for figure, level in ((found.alpha, "nominal"), (found.ordinal_alpha, "ordinal")):
        assert figure.value == pytest.approx(krippendorff.alpha(table.T, level_of_measurement=level))
        assert figure.low < figure.value < figure.high
        assert 0.1 < figure.value < 0.9
    assert report_of(annotations, []).n_disputed == sum(len(set(row)) > 1 for row in codes)
