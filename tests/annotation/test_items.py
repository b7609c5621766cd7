"""What a person judges next, how it is kept, and what it does to the preference pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from judged_cycle import GOAL, add_ranked_cycle

from camelx.annotation import Item, next_items, ranked_cycle, record, undo
from camelx.config import ExportConfig, settings
from camelx.cycles import open_store
from camelx.errors import ConfigError, OrchestrationError
from camelx.export import ExportResult, select_pairs
from camelx.schemas import Annotation, Cycle, CycleStatus, Stage, StageReport, Verdict
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


def test_a_ranking_that_had_nothing_to_compare_is_not_called_incomplete(store: Store) -> None:
    store.replace_rankings("c1", [], [])
    with pytest.raises(OrchestrationError, match="its mutual ranking did not complete"):
        ranked_cycle(store, "c1")
    store.save_stage_report(StageReport(cycle_id="c1", stage=Stage.RANK, status=CycleStatus.COMPLETED))
    with pytest.raises(OrchestrationError, match="no goal of it has two results"):
        ranked_cycle(store, "c1")


def test_the_least_sure_pairs_come_first_and_those_that_make_no_pair_never(store: Store) -> None:
    assert _ids(next_items(store, "c1", "ann")) == [
        {frozenset({"e1", "e3"})},
        {frozenset({"e1", "e2"}), frozenset({"e1", "e4"})},
        {frozenset({"p1", "p2"})},
    ]


def test_the_same_person_sees_the_same_sides_again_and_another_one_others(store: Store) -> None:
    def shown(annotator: str) -> list[str]:
        return [item.first for item in next_items(store, "c1", annotator)]

    assert shown("ann") == shown("ann")
    assert len({tuple(shown(f"person-{i}")) for i in range(20)}) > 2


def test_an_item_names_no_author_and_carries_the_texts_of_its_ids(store: Store) -> None:
    texts = {row.id: row.completion for row in store.interactions("c1")}
    for i in range(5):
        for item in next_items(store, "c1", f"person-{i}"):
            assert "author" not in repr([getattr(item, field.name) for field in fields(item)])
            assert {(texts[a], texts[b]) for a, b in item.pairs} == {(item.first, item.second)}
            assert item.proposal == (None if item.role == "proposer" else "Add them.")


def test_what_was_judged_is_not_shown_again_to_that_person(store: Store) -> None:
    item = next_items(store, "c1", "ann")[1]
    saved = record(store, item, "ann", Verdict.TIE, rating=2)
    assert item not in next_items(store, "c1", "ann")
    assert len(next_items(store, "c1", "bob")) == 3
    undo(store, saved)
    assert item in next_items(store, "c1", "ann")
    assert store.annotations() == []


def test_an_imported_judgement_counts_as_judged_whichever_way_round(store: Store) -> None:
    store.save_annotations(
        [
            Annotation(
                id="x", goal_id=GOAL.id, first_id="e3", second_id="e1", annotator="ann", verdict=Verdict.TIE
            )
        ]
    )
    assert {frozenset({"e1", "e3"})} not in _ids(next_items(store, "c1", "ann"))


def test_a_second_verdict_takes_the_place_of_the_first(store: Store) -> None:
    item = next_items(store, "c1", "ann")[0]
    record(store, item, "ann", Verdict.FIRST)
    record(store, item, "ann", "both_bad", rating=1, rationale="neither")
    (kept,) = store.annotations()
    assert (kept.verdict, kept.rating, kept.rationale) == ("both_bad", 1, "neither")
    assert (kept.first_id, kept.second_id) == item.pairs[0]


def test_a_verdict_overrides_the_votes_on_every_pair_of_the_same_texts(store: Store) -> None:
    voted = _exported(store)
    assert _sides(voted) == {("e1", "e4"): "votes", ("p1", "p2"): "votes"}
    assert voted.dropped["duplicate"] == 1, "e1 with e2 are the same texts"
    item = next_items(store, "c1", "ann")[1]
    record(store, item, "ann", _verdict_against(item, "e1"))
    result = _exported(store)
    (human,) = (pair for pair in result.pairs if pair.source == "human")
    assert (human.chosen, human.rejected, human.weight) == ("it is 5", "2 and 2 make 4", 1.0)
    assert set(_sides(result).values()) == {"human", "votes"}
    assert [pair.role for pair in result.pairs if pair.source == "votes"] == ["proposer"]


def test_a_tie_takes_back_what_the_votes_said_of_every_pair_of_the_same_texts(store: Store) -> None:
    record(store, next_items(store, "c1", "ann")[1], "ann", Verdict.TIE)
    result = _exported(store)
    assert _sides(result) == {("p1", "p2"): "votes"}
    assert result.dropped["human_tie"] == 2


def test_a_better_answer_beats_the_loser_or_both(store: Store) -> None:
    item = next_items(store, "c1", "ann")[0]
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
    items = next_items(store, "c1", "ann")
    for item in items[:2]:
        record(store, item, "ann", Verdict.TIE)
    assert _sides(_exported(store)) == {("p1", "p2"): "votes"}
    record(store, items[2], "ann", _verdict_for(items[2], "p2"))
    assert _sides(_exported(store)) == {("p2", "p1"): "human"}


def test_answers_that_were_cut_off_are_not_shown(store: Store) -> None:
    cut = store.interactions_by_id(["e3"])["e3"].model_copy(update={"finish_reason": "length"})
    store.save_interactions([cut])
    assert {frozenset({"e1", "e3"})} not in _ids(next_items(store, "c1", "ann"))


def test_two_people_who_disagree_make_no_pair(store: Store) -> None:
    for annotator, winner in (("ann", "e1"), ("bob", "e3")):
        item = next_items(store, "c1", annotator)[0]
        record(store, item, annotator, _verdict_for(item, winner))
    assert _exported(store).dropped["human_tie"] == 1


def test_the_latest_cycle_with_comparisons_is_judged(store: Store) -> None:
    store.add_cycle(Cycle(id="c2", number=2, config={}, trace_id="t"))
    assert ranked_cycle(store).id == "c1"
    with pytest.raises(OrchestrationError, match="run `camelx cycle --cycle c2` first"):
        ranked_cycle(store, "c2")
    with pytest.raises(ConfigError, match="no cycle 'c9'"):
        ranked_cycle(store, "c9")


def test_without_any_comparison_it_says_what_to_do(empty: Store) -> None:
    with pytest.raises(OrchestrationError, match="run `camelx cycle` first"):
        ranked_cycle(empty)
