"""What a person judges next, how it is kept, and what it does to the preference pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from judged_cycle import GOAL, add_ranked_cycle

from camelx.annotation import AnnotationQueue, HumanVerdict, Item, Opinion, Wanted
from camelx.config import ExportConfig, settings
from camelx.cycles import open_store
from camelx.errors import ConflictError, NotFoundError
from camelx.export import ExportResult, select_pairs
from camelx.schemas import Annotation, CycleStatus, Stage, StageReport, Verdict
from camelx.storage import Store


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    settings.cache_clear()
    with open_store() as opened:
        yield opened
    settings.cache_clear()


@pytest.fixture
def store(empty: Store) -> Store:
    add_ranked_cycle()
    return empty


def item_of(store: Store, first: str, second: str, annotator: str = "ann") -> Item:
    return AnnotationQueue(store).offer(first, second, annotator).item


def record(store: Store, item: Item, annotator: str, verdict: HumanVerdict, **said: object) -> None:
    AnnotationQueue(store).judge(*item.pairs[0], annotator, Opinion(verdict=verdict, **said))


def shown_to(store: Store, annotator: str) -> list[Item]:
    """Return all that is left for the person, in order; they skip it all."""
    queue, found = AnnotationQueue(store), []
    while (offer := queue.next_item(annotator)) is not None:
        queue.skip(*offer.item.pairs[0], annotator)
        found.append(offer.item)
    return found


def _ids(items: list[Item]) -> list[set[frozenset[str]]]:
    return [{frozenset(pair) for pair in item.pairs} for item in items]


def _exported(store: Store) -> ExportResult:
    interactions = {row.id: row for row in store.interactions("c1")}
    return select_pairs(
        store.comparisons("c1"),
        store.rankings("c1"),
        interactions,
        store.annotations([GOAL.id]),
        ExportConfig(max_pairs_per_goal=9, min_weight=0.15),
        ranker="r",
        cycle_id="c1",
    )


def _sides(result: ExportResult) -> dict[tuple[str, str], str]:
    return {(pair.chosen_id, pair.rejected_id): pair.source for pair in result.pairs}


def _verdict_for(item: Item, winner_id: str) -> Verdict:
    return Verdict.FIRST if item.pairs[0][0] == winner_id else Verdict.SECOND


def _verdict_against(item: Item, loser_id: str) -> Verdict:
    return Verdict.SECOND if item.pairs[0][0] == loser_id else Verdict.FIRST


def test_a_cycle_with_nothing_to_judge_says_why(store: Store) -> None:
    store.replace_rankings("c1", [], [])
    with pytest.raises(
        NotFoundError, match="its mutual ranking did not complete; run `camelx cycle --cycle c1`"
    ):
        shown_in_c1(store)
    store.save_stage_report(StageReport(cycle_id="c1", stage=Stage.RANK, status=CycleStatus.COMPLETED))
    with pytest.raises(NotFoundError, match="no goal of it has two results"):
        shown_in_c1(store)


def shown_in_c1(store: Store) -> None:
    AnnotationQueue(store).next_item("ann", Wanted("c1"))


def test_the_least_sure_pairs_come_first_and_those_that_make_no_pair_never(store: Store) -> None:
    assert _ids(shown_to(store, "ann")) == [
        {frozenset({"e1", "e3"})},
        {frozenset({"e1", "e2"}), frozenset({"e1", "e4"})},
        {frozenset({"p1", "p2"})},
    ]


def test_the_same_person_sees_the_same_sides_again_and_another_one_others(store: Store) -> None:
    sides = [item_of(store, "e1", "e3").first for _ in range(3)]
    assert len(set(sides)) == 1
    AnnotationQueue(store).put_back("ann")
    others = set()
    for i in range(20):
        others.add(item_of(store, "e1", "e3", f"person-{i}").first)
        AnnotationQueue(store).put_back(f"person-{i}")
    assert len(others) == 2


def test_what_is_put_back_is_free_for_others_at_once(store: Store) -> None:
    item_of(store, "e1", "e3", "ann")
    with pytest.raises(ConflictError):
        item_of(store, "e1", "e3", "bob")
    AnnotationQueue(store).put_back("ann")
    assert item_of(store, "e1", "e3", "bob")


def test_an_item_names_no_author_and_carries_the_texts_of_its_ids(store: Store) -> None:
    texts = {row.id: row.completion for row in store.interactions("c1")}
    for i in range(5):
        for item in shown_to(store, f"person-{i}"):
            assert "author" not in repr([getattr(item, field.name) for field in fields(item)])
            assert {(texts[a], texts[b]) for a, b in item.pairs} == {(item.first, item.second)}
            assert item.proposal == (None if item.role == "proposer" else "Add them.")


def test_an_imported_judgement_counts_as_judged_whichever_way_round(store: Store) -> None:
    store.save_annotations(
        [
            Annotation(
                id="x", goal_id=GOAL.id, first_id="e3", second_id="e1", annotator="ann", verdict=Verdict.TIE
            )
        ]
    )
    assert {frozenset({"e1", "e3"})} not in _ids(shown_to(store, "ann"))


def test_a_second_verdict_takes_the_place_of_the_first(store: Store) -> None:
    item = item_of(store, "e1", "e3")
    record(store, item, "ann", Verdict.FIRST)
    record(store, item, "ann", "both_bad", rating=1, rationale="neither")
    (kept,) = store.annotations()
    assert (kept.verdict, kept.rating, kept.rationale) == ("both_bad", 1, "neither")
    assert (kept.first_id, kept.second_id) == item.pairs[0]


def test_a_verdict_overrides_the_votes_on_every_pair_of_the_same_texts(store: Store) -> None:
    voted = _exported(store)
    assert _sides(voted) == {("e1", "e4"): "votes", ("p1", "p2"): "votes"}
    assert voted.dropped["duplicate"] == 1, "e1 with e2 are the same texts"
    item = item_of(store, "e1", "e2")
    record(store, item, "ann", _verdict_against(item, "e1"))
    result = _exported(store)
    (human,) = (pair for pair in result.pairs if pair.source == "human")
    assert (human.chosen, human.rejected, human.weight) == ("it is 5", "2 and 2 make 4", 1.0)
    assert set(_sides(result).values()) == {"human", "votes"}
    assert [pair.role for pair in result.pairs if pair.source == "votes"] == ["proposer"]


def test_a_tie_takes_back_what_the_votes_said_of_every_pair_of_the_same_texts(store: Store) -> None:
    record(store, item_of(store, "e1", "e2"), "ann", Verdict.TIE)
    result = _exported(store)
    assert _sides(result) == {("p1", "p2"): "votes"}
    assert result.dropped["human_tie"] == 2


def test_a_better_answer_beats_the_loser_or_both(store: Store) -> None:
    item = item_of(store, "e1", "e3")
    record(store, item, "ann", "both_bad", edited_text="Adding 2 to 2 gives 4.")
    human = [pair for pair in _exported(store).pairs if pair.source == "human"]
    assert {(pair.chosen, pair.rejected) for pair in human} == {
        ("Adding 2 to 2 gives 4.", "2 and 2 make 4"),
        ("Adding 2 to 2 gives 4.", "perhaps 6"),
    }
    record(store, item, "ann", _verdict_for(item, "e1"), edited_text="Adding 2 to 2 gives 4.")
    human = [pair for pair in _exported(store).pairs if pair.source == "human"]
    assert [(pair.chosen, pair.rejected) for pair in human] == [("Adding 2 to 2 gives 4.", "perhaps 6")]


def test_proposals_are_overridden_by_a_verdict_on_them_and_not_by_one_on_their_executions(
    store: Store,
) -> None:
    for second in ("e2", "e3"):
        record(store, item_of(store, "e1", second), "ann", Verdict.TIE)
    assert _sides(_exported(store)) == {("p1", "p2"): "votes"}
    proposals = item_of(store, "p1", "p2")
    record(store, proposals, "ann", _verdict_for(proposals, "p2"))
    assert _sides(_exported(store)) == {("p2", "p1"): "human"}


def test_answers_that_were_cut_off_are_not_shown(store: Store) -> None:
    cut = store.interactions_by_id(["e3"])["e3"].model_copy(update={"finish_reason": "length"})
    store.save_interactions([cut])
    assert {frozenset({"e1", "e3"})} not in _ids(shown_to(store, "ann"))
    with pytest.raises(NotFoundError, match="finished answers"):
        item_of(store, "e1", "e3")


def test_two_people_who_disagree_make_no_pair(store: Store) -> None:
    for annotator, winner in (("ann", "e1"), ("bob", "e3")):
        item = item_of(store, "e1", "e3", annotator)
        record(store, item, annotator, _verdict_for(item, winner))
    assert _exported(store).dropped["human_tie"] == 1
