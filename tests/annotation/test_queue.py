"""What each person judges next: the order, leases, repeats, overlap, and verdicts that count once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from pairs_to_judge import add_pairs_to_judge

from camelx.annotation import (
    AnnotationQueue,
    Offer,
    Opinion,
    QueueRules,
    Recorded,
    Wanted,
    agents_said,
    progress_of,
)
from camelx.annotation import standings as standings_module
from camelx.annotation.candidates import doubt, pair_key
from camelx.errors import ConflictError, NotFoundError, OrchestrationError
from camelx.schemas import Annotation, Role, Verdict, utc_now
from camelx.storage import Store, downgrade

ALONE = QueueRules(repeat_share=0, overlap_share=0)


@pytest.fixture
def queue(judged: Store) -> AnnotationQueue:
    return AnnotationQueue(judged, ALONE)


def give(queue: AnnotationQueue, offer: Offer, verdict: str = "first", **said: object) -> Recorded:
    first, second = offer.item.pairs[0]
    return queue.judge(
        first,
        second,
        offer.lease.annotator,
        Opinion(verdict=verdict, **said),
        submission_id=offer.lease.submission_id,
        repeat=offer.lease.repeat,
    )


def next_offer(queue: AnnotationQueue, annotator: str, **kwargs: object) -> Offer:
    offer = queue.next_item(annotator, **kwargs)
    assert offer is not None
    return offer


def judge_all(queue: AnnotationQueue, annotator: str) -> list[Offer]:
    """Judge until nothing is left and return what was shown."""
    shown = []
    while (offer := queue.next_item(annotator)) is not None:
        give(queue, offer)
        shown.append(offer)
        assert len(shown) < 500
    return shown


def on_threads(n: int, work: Callable[[int], object]) -> list[object]:
    """Run the work on n threads that begin together."""
    gate = threading.Barrier(n)

    def begin(i: int) -> object:
        gate.wait()
        return work(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(begin, range(n)))


# The order


def test_doubt_grows_with_an_even_ranking_and_with_divided_reviewers() -> None:
    assert doubt(0.5, [1.0, -1.0]) == 2.0
    assert doubt(0.9, [1.0, 1.0]) == pytest.approx(0.2)
    assert doubt(0.5, []) == 1.0
    assert doubt(0.7, [1.0, -1.0]) > doubt(0.7, [1.0, 1.0]) > doubt(0.8, [1.0, 1.0])


def test_what_the_agents_are_least_sure_of_comes_first(queue: AnnotationQueue) -> None:
    shown = judge_all(queue, "ann")
    assert len(shown) == 18
    by_key = queue.standings.index().by_key
    doubts = [by_key[offer.lease.item_key].doubt for offer in shown]
    assert doubts[0] == max(doubts)
    assert doubts[-1] == min(doubts)


def test_a_category_without_anchors_comes_before_one_that_has_them(judged: Store) -> None:
    sums = [c for c in AnnotationQueue(judged, ALONE).standings.index().candidates if c.category == "sums"]
    queue = AnnotationQueue(judged, ALONE)
    for candidate in sums:
        queue.judge(*candidate.pairs[0], "zoe", Opinion(verdict="first"))
    both = QueueRules(repeat_share=0, overlap_share=1.0, anchors=9)
    shown = judge_all(AnnotationQueue(judged, both), "ann")
    categories = [offer.item.category for offer in shown]
    assert categories[:6].count("words") > categories[:6].count("sums")


def test_the_latest_ranked_cycle_is_judged_unless_another_is_wanted(judged: Store) -> None:
    add_pairs_to_judge(judged, 2, cycle_id="c2", number=2)
    queue = AnnotationQueue(judged, ALONE)
    assert next_offer(queue, "ann").lease.cycle_id == "c2"
    assert next_offer(queue, "ann", wanted=Wanted("c1")).lease.cycle_id == "c1"
    with pytest.raises(NotFoundError, match="no cycle 'c9'"):
        queue.next_item("ann", Wanted("c9"))


def test_only_what_is_wanted_is_shown(queue: AnnotationQueue) -> None:
    first = next_offer(queue, "ann", wanted=Wanted(category="words"))
    assert first.item.category == "words"
    other = next_offer(queue, "ann", wanted=Wanted(category="sums"))
    assert other.item.category == "sums"
    assert queue.next_item("ann", Wanted(role=Role.PROPOSER)) is None


def test_without_a_ranked_cycle_it_says_what_to_do(database: str) -> None:
    with Store.open(database) as store, pytest.raises(OrchestrationError, match="run `camelx cycle` first"):
        AnnotationQueue(store).next_item("ann")


def test_a_cycle_that_is_ranked_anew_is_read_anew(judged: Store, queue: AnnotationQueue) -> None:
    assert len(queue.standings.index().candidates) == 18
    kept = judged.comparisons("c1")[:4]
    judged.replace_rankings("c1", [], kept)
    report = judged.stage_reports("c1")
    judged.save_stage_report(next(iter(report.values())).model_copy(update={"seconds": 99.0}))
    assert len(AnnotationQueue(judged, ALONE).standings.index().candidates) == 4
    queue.standings._ranked = (-1e9, [])
    assert len(queue.standings.index().candidates) == 4


# Leases


def test_what_was_read_ahead_is_not_read_by_who_asks(judged: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = AnnotationQueue(judged, ALONE)
    queue.read_ahead()
    monkeypatch.delattr(standings_module, "read_index")
    assert next_offer(queue, "ann")


def test_reading_ahead_where_nothing_is_ranked_does_no_harm(database: str) -> None:
    with Store.open(database) as store:
        queue = AnnotationQueue(store, ALONE)
        queue.read_ahead()
        add_pairs_to_judge(store)
        assert next_offer(queue, "ann"), "what is ranked later is found"


def test_while_one_reads_a_new_ranking_others_go_on_with_the_one_before(
    judged: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pairs_to_judge(judged, 2, cycle_id="c2", number=2)
    standings = AnnotationQueue(judged, ALONE).standings
    monkeypatch.setattr("camelx.annotation.standings._RANKED_S", 0)
    assert standings.of().index.cycle_id == "c2"
    add_pairs_to_judge(judged, 2, cycle_id="c3", number=3)
    is_reading, go_on = threading.Event(), threading.Event()
    read_index = standings_module.read_index

    def slow_read(*arguments: object) -> object:
        is_reading.set()
        assert go_on.wait(60)
        return read_index(*arguments)

    monkeypatch.setattr(standings_module, "read_index", slow_read)
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(standings.of)
        assert is_reading.wait(60)
        assert standings.of().index.cycle_id == "c2"
        go_on.set()
        assert reader.result().index.cycle_id == "c3"
    assert standings.of().index.cycle_id == "c3"


def test_a_reload_shows_the_same_item_with_the_same_sides(queue: AnnotationQueue) -> None:
    before, after = next_offer(queue, "ann"), next_offer(queue, "ann")
    assert after.item == before.item
    assert after.lease.submission_id == before.lease.submission_id
    assert after.lease.shown_at == before.lease.shown_at


def test_a_reload_makes_the_lease_last_longer(judged: Store, queue: AnnotationQueue) -> None:
    now = utc_now()
    first = next_offer(queue, "ann", now=now)
    later = now + timedelta(seconds=500)
    assert next_offer(queue, "ann", now=later).lease.expires_at == later + timedelta(seconds=600)
    held = judged.leases("c1", now + timedelta(seconds=900))
    assert [lease.item_key for lease in held] == [first.lease.item_key]


def test_an_item_that_was_left_is_free_for_somebody_else_after_its_time(queue: AnnotationQueue) -> None:
    now = utc_now()
    left = next_offer(queue, "ann", now=now)
    assert next_offer(queue, "bob", now=now).lease.item_key != left.lease.item_key
    late = now + timedelta(seconds=601)
    assert next_offer(queue, "cat", now=late).lease.item_key == left.lease.item_key


def test_a_verdict_that_comes_after_the_lease_went_to_somebody_else_is_kept(
    judged: Store, queue: AnnotationQueue
) -> None:
    now = utc_now()
    slow = next_offer(queue, "ann", now=now)
    other = next_offer(queue, "bob", now=now + timedelta(seconds=601))
    assert other.lease.item_key == slow.lease.item_key
    give(queue, slow)
    give(queue, other)
    assert {a.annotator for a in judged.annotations()} == {"ann", "bob"}


def test_fifty_people_at_once_never_get_the_same_item(database: str) -> None:
    with Store.open(database) as store:
        add_pairs_to_judge(store, 20)
        queues = [AnnotationQueue(store, ALONE) for _ in range(2)]
        shown = on_threads(50, lambda i: queues[i % 2].next_item(f"p{i}"))
        keys = [offer.lease.item_key for offer in shown if isinstance(offer, Offer)]
        assert len(set(keys)) == len(keys) == 50
        assert len(store.leases("c1", utc_now())) == 50


def test_fifty_people_judge_everything_exactly_once(database: str) -> None:
    with Store.open(database) as store:
        add_pairs_to_judge(store, 40)
        queues = [AnnotationQueue(store, ALONE) for _ in range(2)]
        shown = on_threads(50, lambda i: judge_all(queues[i % 2], f"p{i}"))
        keys = Counter(offer.lease.item_key for offers in shown for offer in offers)
        assert set(keys.values()) == {1}
        assert len(keys) == 120
        pairs = Counter(pair_key(a.first_id, a.second_id) for a in store.annotations())
        assert len(pairs) == 120
        assert set(pairs.values()) == {1}


def test_one_person_on_many_pages_gets_one_item(queue: AnnotationQueue) -> None:
    shown = on_threads(8, lambda _: next_offer(queue, "ann").lease.item_key)
    assert len(set(shown)) == 1


# Overlap and repeats


def test_a_share_of_the_items_is_judged_by_as_many_people_as_wanted(database: str) -> None:
    rules = QueueRules(repeat_share=0, overlap_share=0.2, overlap_n=3)
    with Store.open(database) as store:
        add_pairs_to_judge(store, 40)
        queue = AnnotationQueue(store, rules)
        for person in ("ann", "bob", "cat", "dan"):
            judge_all(queue, person)
        judges: dict[tuple[str, str], set[str]] = {}
        for a in store.annotations():
            judges.setdefault(pair_key(a.first_id, a.second_id), set()).add(a.annotator)
    sizes = Counter(map(len, judges.values()))
    assert set(sizes) == {1, 3}
    assert 0.1 < sizes[3] / 120 < 0.3


def test_a_repeat_comes_after_the_gap_counts_for_nothing_and_comes_once(judged: Store) -> None:
    queue = AnnotationQueue(judged, QueueRules(repeat_share=0.5, repeat_gap=4, overlap_share=0))
    shown = judge_all(queue, "ann")
    places = {(offer.lease.item_key, offer.lease.repeat): i for i, offer in enumerate(shown)}
    repeats = [(key, i) for (key, n), i in places.items() if n]
    assert repeats
    assert all(i - places[key, 0] > 4 for key, i in repeats)
    assert len(places) == len(shown)
    assert len(judged.annotations()) == len(shown)
    assert {a.repeat for a in judged.annotations_up_to(1)} == {0}
    assert len(judged.annotations_up_to(1)) == 18


def test_a_repeat_is_its_own_and_leaves_the_first_verdict_alone(judged: Store) -> None:
    queue = AnnotationQueue(judged, QueueRules(repeat_share=0.5, repeat_gap=1, overlap_share=0))
    while (offer := next_offer(queue, "ann")).lease.repeat == 0:
        give(queue, offer, "first")
    give(queue, offer, "tie")
    said = [
        a for a in judged.annotations() if pair_key(a.first_id, a.second_id) == pair_key(*offer.item.pairs[0])
    ]
    assert {(a.repeat, a.verdict) for a in said} == {(0, "first"), (1, "tie")}


def test_identical_texts_are_judged_once_and_count_for_every_pair(judged: Store) -> None:
    rows = judged.interactions("c1", role=Role.EXECUTOR)
    goal_id = rows[0].goal_id
    first, second, third = (row for row in rows if row.goal_id == goal_id)
    judged.save_interactions([third.model_copy(update={"completion": second.completion})])
    queue = AnnotationQueue(judged, ALONE)
    offer = queue.offer(first.id, second.id, "ann")
    assert len(offer.item.pairs) == 2
    recorded = give(queue, offer, "second" if offer.item.pairs[0][0] == first.id else "first")
    winners = {a.first_id if a.verdict == Verdict.FIRST else a.second_id for a in recorded.annotations}
    assert winners == {second.id, third.id}


# Verdicts


def test_a_double_click_counts_once_and_its_first_counts(judged: Store, queue: AnnotationQueue) -> None:
    offer = next_offer(queue, "ann")
    saved = on_threads(6, lambda i: give(queue, offer, "first" if i % 2 else "second"))
    assert sum(one.is_new for one in saved if isinstance(one, Recorded)) == 1
    (kept,) = judged.annotations()
    counted = next(one for one in saved if isinstance(one, Recorded) and one.is_new)
    assert counted.annotations == (kept,)
    assert give(queue, offer, "tie").annotations == (kept,)


def test_another_verdict_on_the_same_pair_replaces_the_first(judged: Store, queue: AnnotationQueue) -> None:
    offer = next_offer(queue, "ann")
    give(queue, offer)
    pair = offer.item.pairs[0]
    again = queue.offer(*pair, "ann")
    give(queue, again, "both_bad", rating=2)
    (kept,) = judged.annotations()
    assert (kept.verdict, kept.rating) == ("both_bad", 2)


def test_texts_are_cleaned_before_they_are_kept(queue: AnnotationQueue) -> None:
    said = {"edited_text": " bet\x00ter\u202e ", "rationale": "\x1b", "duration_s": 3.5}
    (kept,) = give(queue, next_offer(queue, "ann"), **said).annotations
    assert (kept.edited_text, kept.rationale, kept.duration_s) == ("better", None, 3.5)


def test_a_pair_that_no_ranking_compares_any_more_can_still_be_judged(
    judged: Store, queue: AnnotationQueue
) -> None:
    offer = next_offer(queue, "ann")
    judged.replace_rankings("c1", [], judged.comparisons("c1")[-1:])
    fresh = AnnotationQueue(judged, ALONE)
    assert give(fresh, offer).is_new
    assert len(judged.annotations()) == 1


def test_what_is_no_pair_is_refused(judged: Store, queue: AnnotationQueue) -> None:
    one = judged.interactions("c1", role=Role.EXECUTOR)[0]
    for other in ("nobody", one.id, one.parent_id):
        with pytest.raises(NotFoundError, match="no pair that can be judged"):
            queue.judge(one.id, str(other), "ann", Opinion(verdict="tie"))


def test_a_pair_that_somebody_has_before_them_is_not_opened_by_its_link(queue: AnnotationQueue) -> None:
    pair = next_offer(queue, "ann").item.pairs[0]
    with pytest.raises(ConflictError, match="at the latest in 10 minutes"):
        queue.offer(*pair, "bob")
    assert queue.offer(*pair, "ann").lease.annotator == "ann"


def test_what_an_admin_settled_is_closed_for_everybody(judged: Store, queue: AnnotationQueue) -> None:
    offer = next_offer(queue, "ann")
    (said,) = give(queue, offer).annotations
    judged.save_annotations(
        [said.model_copy(update={"id": "settled", "annotator": "root", "adjudicated": True})]
    )
    everybody = QueueRules(repeat_share=0, overlap_share=1.0)
    keys = {shown.lease.item_key for shown in judge_all(AnnotationQueue(judged, everybody), "bob")}
    assert len(keys) == 17
    assert offer.lease.item_key not in keys


def test_a_verdict_that_comes_again_after_its_undo_counts_no_more(
    judged: Store, queue: AnnotationQueue
) -> None:
    offer = next_offer(queue, "ann")
    give(queue, offer)
    again = queue.undo("ann").offer
    with pytest.raises(ConflictError, match="was taken back or replaced since"):
        give(queue, offer)
    assert judged.annotations() == []
    assert again is not None
    assert give(queue, again, "tie").is_new, "the item comes back with another submission id"
    with pytest.raises(ConflictError, match="was taken back or replaced since"):
        give(queue, offer)
    assert [a.verdict for a in judged.annotations()] == ["tie"]


def test_a_verdict_that_comes_again_after_another_replaced_it_replaces_nothing(
    judged: Store, queue: AnnotationQueue
) -> None:
    offer = next_offer(queue, "ann")
    give(queue, offer)
    give(queue, queue.offer(*offer.item.pairs[0], "ann"), "both_bad")
    with pytest.raises(ConflictError, match="was taken back or replaced since"):
        give(queue, offer)
    assert [a.verdict for a in judged.annotations()] == ["both_bad"]


def test_verdicts_of_an_earlier_schema_count_once_and_can_be_undone(judged: Store, database: str) -> None:
    queue = AnnotationQueue(judged, ALONE)
    first, second = (give(queue, next_offer(queue, "ann")) for _ in range(2))
    settled = {"id": "settled", "adjudicated": True, "submission_id": "s"}
    judged.save_annotations([second.annotations[0].model_copy(update=settled)])
    downgrade(database, "0012")
    with Store.open(database) as store:
        said = first.annotations[0]
        kept = AnnotationQueue(store, ALONE).judge(
            said.first_id, said.second_id, "ann", Opinion(verdict="tie"), submission_id=said.submission_id
        )
        assert (kept.is_new, kept.annotations) == (False, first.annotations)
        AnnotationQueue(store, ALONE).undo("ann")
        AnnotationQueue(store, ALONE).undo("ann")
        assert [a.id for a in store.annotations()] == ["settled"]


def test_undo_takes_back_what_was_given_on_an_item_and_nothing_imported(
    judged: Store, queue: AnnotationQueue
) -> None:
    (first,) = give(queue, next_offer(queue, "ann")).annotations
    (second,) = give(queue, next_offer(queue, "ann")).annotations
    queue.remove([second])
    foreign = second.model_copy(update={"id": "f", "submission_id": "s", "created_at": utc_now()})
    judged.change_annotations([second, foreign])
    assert queue.undo("ann").annotations == (first,)
    with pytest.raises(NotFoundError, match="nothing to undo"):
        queue.undo("ann")
    assert {a.id for a in judged.annotations()} == {second.id, "f"}


# Skips and undo


def test_a_skipped_item_does_not_come_back_until_it_is_wanted(queue: AnnotationQueue) -> None:
    offer = next_offer(queue, "ann")
    queue.skip(*offer.item.pairs[0], "ann")
    queue.skip(*offer.item.pairs[0], "ann")
    assert offer.lease.item_key not in {shown.lease.item_key for shown in judge_all(queue, "ann")}
    assert queue.reopen_skipped("ann") == 1
    assert next_offer(queue, "ann").lease.item_key == offer.lease.item_key


def test_a_skipped_item_is_open_for_others_at_once(queue: AnnotationQueue) -> None:
    offer = next_offer(queue, "ann")
    queue.skip(*offer.item.pairs[0], "ann")
    assert next_offer(queue, "bob").lease.item_key == offer.lease.item_key


def test_undo_takes_back_the_last_ones_in_order(judged: Store, queue: AnnotationQueue) -> None:
    first = next_offer(queue, "ann")
    give(queue, first)
    second = next_offer(queue, "ann")
    queue.skip(*second.item.pairs[0], "ann")
    third = next_offer(queue, "ann")
    give(queue, third)
    for expected in (third, second, first):
        undone = queue.undo("ann")
        assert undone.offer is not None
        assert undone.offer.item == expected.item
        assert next_offer(queue, "ann").lease.submission_id == undone.offer.lease.submission_id
    assert judged.annotations() == []
    with pytest.raises(NotFoundError, match="nothing to undo"):
        queue.undo("ann")


def test_undo_leaves_what_others_said_and_what_was_imported(judged: Store, queue: AnnotationQueue) -> None:
    (bobs,) = give(queue, next_offer(queue, "bob")).annotations
    imported = bobs.model_copy(update={"id": "i", "annotator": "ann", "submission_id": None})
    judged.save_annotations([imported])
    give(queue, next_offer(queue, "ann"))
    queue.undo("ann")
    assert {a.id for a in judged.annotations()} == {bobs.id, "i"}


def test_a_changed_verdict_keeps_its_moment_and_a_removed_one_opens_the_item(
    judged: Store, queue: AnnotationQueue
) -> None:
    offer = next_offer(queue, "ann")
    (said,) = give(queue, offer).annotations
    (changed,) = queue.change(said, Opinion(verdict="tie", rating=1))
    assert (changed.created_at, changed.verdict) == (said.created_at, "tie")
    assert queue.annotation(said.id) == changed
    queue.remove(queue.verdict_of(changed))
    assert next_offer(queue, "ann").lease.item_key == offer.lease.item_key


# What is said about it


def test_progress_counts_today_streak_and_what_is_left(judged: Store, queue: AnnotationQueue) -> None:
    for _ in range(4):
        give(queue, next_offer(queue, "ann"), duration_s=10)
    (last,) = give(queue, next_offer(queue, "ann"), duration_s=30).annotations
    yesterday = last.model_copy(update={"created_at": last.created_at - timedelta(days=1)})
    judged.save_annotations([yesterday])
    found = progress_of(judged, queue, "ann", now=last.created_at)
    assert (found.n_today, found.n_total, found.streak_days) == (4, 5, 2)
    assert (found.n_open, found.median_s, found.left_s) == (13, 10, 130)
    assert progress_of(judged, queue, "bob").left_s is None


def test_an_item_that_was_left_open_says_nothing_of_the_time_left(
    judged: Store, queue: AnnotationQueue
) -> None:
    for seconds in (3_600, 7_200, 600, 10, 10, 10, 10):
        give(queue, next_offer(queue, "ann"), duration_s=seconds)
    assert progress_of(judged, queue, "ann").left_s is None, "four verdicts tell too little"
    give(queue, next_offer(queue, "ann"), duration_s=14)
    found = progress_of(judged, queue, "ann")
    assert (found.n_open, found.median_s, found.left_s) == (10, 10, 100)


def test_a_verdict_on_several_pairs_of_the_same_texts_is_one_of_the_last(judged: Store) -> None:
    queue = AnnotationQueue(judged, ALONE)
    for seconds in (8, 9, 10, 20):
        give(queue, next_offer(queue, "ann"), duration_s=seconds)
    (said,) = give(queue, next_offer(queue, "ann"), duration_s=30).annotations
    first, second = judged.comparisons("c1")[-1].first_id, judged.comparisons("c1")[-1].second_id
    twin = said.model_copy(update={"id": "twin", "first_id": first, "second_id": second})
    judged.save_annotations([twin])
    assert judged.last_durations("ann", 50, below=600) == [30, 20, 10, 9, 8]


def test_what_the_agents_said_is_seen_from_the_sides_as_shown(judged: Store, queue: AnnotationQueue) -> None:
    (compared,) = (c for c in judged.comparisons("c1")[:1])
    there = agents_said(judged, compared.first_id, compared.second_id)
    back = agents_said(judged, compared.second_id, compared.first_id)
    assert there.probability == compared.probability == pytest.approx(1 - back.probability)
    assert (there.first_author, there.second_author) == (back.second_author, back.first_author)
    assert len(there.votes) == 4
    swap = {"first": "second", "second": "first", "tie": "tie"}
    assert Counter((v.reviewer, swap[v.prefers], swap[v.shown_first]) for v in there.votes) == Counter(
        (v.reviewer, v.prefers, v.shown_first) for v in back.votes
    )


def test_every_annotation_of_a_verdict_says_how_it_was_given(queue: AnnotationQueue) -> None:
    offer = next_offer(queue, "ann")
    (said,) = give(queue, offer).annotations
    assert isinstance(said, Annotation)
    assert (said.submission_id, said.repeat, said.adjudicated) == (offer.lease.submission_id, 0, False)
