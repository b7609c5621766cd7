"""Many verdicts at once: found by what is meant, given to another person, nothing lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pairs_to_judge import add_pairs_to_judge

from camelx.annotation import AnnotationQueue, Opinion, QueueRules, annotation_id, batches
from camelx.errors import ConfigError, ConflictError, NotFoundError
from camelx.schemas import Annotation, AnnotationFilter, Verdict
from camelx.storage import Store

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def said(store: Store, n: int, annotator: str, verdict: object = Verdict.TIE, **fields: object) -> Annotation:
    """Store what somebody says of the n-th pair, n minutes after the start."""
    compared = store.comparisons("c1")[n]
    pair = (compared.first_id, compared.second_id)
    kinds = {name: fields[name] for name in ("repeat", "adjudicated") if name in fields}
    one = Annotation(
        id=annotation_id(pair, annotator, **kinds),
        goal_id=compared.goal_id,
        first_id=pair[0],
        second_id=pair[1],
        annotator=annotator,
        verdict=verdict,
        created_at=START + timedelta(minutes=n),
        **fields,
    )
    store.save_annotations([one])
    return one


@pytest.fixture
def queue(judged: Store) -> AnnotationQueue:
    return AnnotationQueue(judged, QueueRules(repeat_share=0, overlap_share=0))


def reassign(
    queue: AnnotationQueue, store: Store, some: list[Annotation], annotator: str
) -> batches.Reassignment:
    planned = batches.reassignment(store, some, annotator)
    batches.reassign(queue, store, planned)
    return planned


def who_said(store: Store) -> set[tuple[str, str, str]]:
    return {(a.annotator, a.first_id, str(a.verdict)) for a in store.annotations()}


def test_those_are_found_that_meet_every_condition(judged: Store) -> None:
    add_pairs_to_judge(judged, 2, cycle_id="c2", number=2)
    first, second, third = (said(judged, n, "ada") for n in range(3))
    bens = said(judged, 0, "ben", "both_bad")

    def found(**conditions: object) -> list[Annotation]:
        return judged.annotations_meant(AnnotationFilter(**conditions))

    assert found(annotator="ada", cycle_id="c1") == [first, second, third]
    assert found(verdict="both_bad") == [bens]
    assert found(annotator="ada", since=second.created_at, until=third.created_at) == [second]
    assert found(cycle_id="c2") == []


def test_a_wrong_name_is_put_right_and_what_was_judged_already_is_named_and_left(
    judged: Store, queue: AnnotationQueue
) -> None:
    wrong = [said(judged, n, "bne", Verdict.FIRST, rationale=f"why {n}") for n in range(3)]
    own = said(judged, 1, "ben", Verdict.SECOND)
    planned = batches.reassignment(judged, wrong, "ben")
    assert {a.annotator for a in judged.annotations()} == {"bne", "ben"}, "a plan changes nothing"
    assert ([a.id for a in planned.left], len(planned.moved)) == ([wrong[1].id], 2)
    batches.reassign(queue, judged, planned)
    now = {a.id: a for a in judged.annotations()}
    assert now[own.id] == own
    assert now[wrong[1].id] == wrong[1]
    moved = now[annotation_id((wrong[0].first_id, wrong[0].second_id), "ben")]
    assert moved == wrong[0].model_copy(update={"id": moved.id, "annotator": "ben"})
    assert len(now) == 4


@pytest.mark.parametrize("name", ["", " ", " ben", "ben ", "be\nn", "be\u202en", "b" * 201])
def test_a_name_that_looks_like_another_is_refused(judged: Store, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a person"):
        batches.reassignment(judged, [said(judged, 0, "bne")], name)


def test_of_two_people_who_become_one_the_earlier_verdict_is_taken(
    judged: Store, queue: AnnotationQueue
) -> None:
    late, early = said(judged, 0, "a"), said(judged, 0, "b", "both_bad")
    judged.save_annotations([late.model_copy(update={"created_at": START + timedelta(days=1)})])
    done = reassign(queue, judged, [late, early], "ann")
    assert [a.annotator for a in done.left] == ["a"]
    assert who_said(judged) == {("a", late.first_id, "tie"), ("ann", early.first_id, "both_bad")}


def test_a_verdict_on_several_pairs_moves_whole_or_stays_whole(judged: Store, queue: AnnotationQueue) -> None:
    twins = [said(judged, n, "bne", submission_id="s") for n in range(2)]
    own = said(judged, 1, "ben")
    assert reassign(queue, judged, twins[:1], "ben").left == tuple(
        sorted(twins, key=lambda a: (a.goal_id, a.created_at))
    )
    batches.withdraw(queue, judged, [own])
    assert len(reassign(queue, judged, twins[:1], "ben").moved) == 2
    assert {a.annotator for a in judged.annotations()} == {"ben"}


def test_repeats_and_settled_verdicts_have_places_of_their_own(judged: Store, queue: AnnotationQueue) -> None:
    said(judged, 0, "ben")
    other = [said(judged, 0, "bne", repeat=1), said(judged, 0, "bne", adjudicated=True)]
    assert len(reassign(queue, judged, other, "ben").moved) == 2
    assert sorted((a.annotator, a.repeat, a.adjudicated) for a in judged.annotations()) == [
        ("ben", 0, False),
        ("ben", 0, True),
        ("ben", 1, False),
    ]


def test_what_was_judged_in_between_is_not_written_over(judged: Store, queue: AnnotationQueue) -> None:
    wrong = [said(judged, n, "bne") for n in range(2)]
    planned = batches.reassignment(judged, wrong, "ben")
    said(judged, 1, "ben", "both_bad")
    before = judged.annotations()
    with pytest.raises(ConflictError, match="in between"):
        batches.reassign(queue, judged, planned)
    with pytest.raises(ConflictError, match="in between"):
        judged.rename_annotations({wrong[0].id: "new", "gone": "newer"}, "ben")
    assert judged.annotations() == before


def test_what_is_said_anew_in_between_is_what_the_other_person_gets(
    judged: Store, queue: AnnotationQueue
) -> None:
    planned = batches.reassignment(judged, [said(judged, 0, "bne")], "ben")
    said(judged, 0, "bne", "both_bad", rationale="neither adds up")
    batches.reassign(queue, judged, planned)
    assert [(a.annotator, str(a.verdict), a.rationale) for a in judged.annotations()] == [
        ("ben", "both_bad", "neither adds up")
    ]


def test_a_name_that_was_put_right_opens_the_item_for_nobody_and_is_not_undone(
    judged: Store, queue: AnnotationQueue
) -> None:
    offer = queue.next_item("bne")
    assert offer is not None
    lease = offer.lease
    queue.judge(*offer.item.pairs[0], "bne", Opinion(verdict="tie"), submission_id=lease.submission_id)
    reassign(queue, judged, judged.annotations(), "ben")
    for person in ("ben", "bne"):
        with pytest.raises(NotFoundError, match="nothing to undo"):
            queue.undo(person)
    with pytest.raises(ConflictError, match="taken back or replaced"):
        queue.judge(*offer.item.pairs[0], "bne", Opinion(verdict="tie"), submission_id=lease.submission_id)
    assert queue.next_item("ben") is not None
    assert {a.annotator for a in judged.annotations()} == {"ben"}
