"""What people said of one cycle's results calibrates the reviewers of the next, without a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from charmed_cycle import GOALS, RELIABLE, RIGHT, WRONG, config, play, result, votes_on

from camelx.config import (
    BradleyTerryConfig,
)
from camelx.cycles.judging import pairs_of_cycle, panel_details, rank_cycle
from camelx.cycles.verdicts import annotations_to_learn, annotations_used, people_of
from camelx.schemas import (
    Annotation,
    Cycle,
    CycleStatus,
    Goal,
    Stage,
    StageReport,
    Verdict,
    stable_id,
    utc_now,
)
from camelx.storage import Store


def label(cycle_id: str, goal: Goal, verdict: Verdict | str = Verdict.FIRST, who: str = "ann") -> Annotation:
    return Annotation(
        id=stable_id("annotation", cycle_id, goal.id, who),
        goal_id=goal.id,
        first_id=result(cycle_id, goal, "able").id,
        second_id=result(cycle_id, goal, "idle").id,
        annotator=who,
        verdict=verdict,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'camelx.db'}") as opened:
        opened.add_goals(GOALS)
        yield opened


def test_labels_of_an_earlier_cycle_turn_a_wrong_majority_and_flip_its_pairs(store: Store) -> None:
    # The same goals once more: the earlier cycle's must not mix with these.
    play(store, 1, GOALS)
    cycle = play(store, 2, GOALS[:10])
    before = rank_cycle(store, cycle, RELIABLE)
    assert not before.frames.panel.is_verified
    assert all(c.probability < 0.5 for c in _able_first(before.comparisons, cycle)), (
        "the majority says the worse is better"
    )

    store.save_annotations(label("c1", goal) for goal in GOALS)
    after = rank_cycle(store, cycle, RELIABLE)
    assert after.frames.panel.is_verified
    assert all(c.probability > 0.5 for c in _able_first(after.comparisons, cycle))
    weights = after.frames.judges.set_index("judge")["weight"]
    assert weights[RIGHT] > 0
    assert max(weights[name] for name in WRONG) < weights[RIGHT]

    here = {goal.id for goal in GOALS[:10]}
    assert {row.goal_id for row in after.rankings} == here
    assert set(after.frames.items["goal_id"]) == set(after.frames.pairs["goal_id"]) == here
    assert set(after.frames.judges["judge"]) == {*WRONG, RIGHT}
    assert len(after.votes) == 10 * 6
    assert len(after.people.earlier_votes) == 30 * 6
    assert len(after.people.anchors) == 30


def _able_first(comparisons: Sequence[object], cycle: Cycle) -> list:
    """The comparisons, seen from the better result."""
    able = {result(cycle.id, goal, "able").id for goal in GOALS}
    return [
        c if c.first_id in able else c.model_copy(update={"probability": 1 - c.probability})
        for c in comparisons
    ]


def test_labels_of_the_cycle_itself_count_too_and_keep_their_goals(store: Store) -> None:
    cycle = play(store, 1, GOALS)
    store.save_annotations(label("c1", goal) for goal in GOALS[:25])
    ranked = rank_cycle(store, cycle, RELIABLE)
    assert ranked.frames.panel.is_verified
    assert set(ranked.people.anchors["goal_id"]) == {goal.id for goal in GOALS[:25]}
    assert ranked.people.earlier_votes.empty
    assert all(c.probability > 0.5 for c in _able_first(ranked.comparisons, cycle))


def test_labels_of_later_cycles_and_of_strangers_teach_nothing(store: Store) -> None:
    cycle = play(store, 1, GOALS[:5])
    play(store, 2, GOALS[:5])
    store.save_annotations(label("c2", goal) for goal in GOALS[:5])
    assert people_of(store, cycle, {*WRONG, RIGHT}).annotations == ()
    later = Cycle(id="c3", number=3, config={}, trace_id="t")
    assert people_of(store, later, {"stranger"}).annotations == ()
    people = people_of(store, later, {RIGHT})
    assert set(people.earlier_votes["judge"]) == {RIGHT}
    assert set(people.anchors["goal_id"]) == {f"c2/{goal.id}" for goal in GOALS[:5]}


def test_a_ranking_is_repeated_as_of_its_moment(store: Store) -> None:
    play(store, 1, GOALS)
    cycle = play(store, 2, GOALS[:10])
    store.save_annotations(label("c1", goal) for goal in GOALS)
    first = rank_cycle(store, cycle, RELIABLE)
    used = annotations_used(first.people.annotations, first.as_of)

    opposite = (label("c1", goal, Verdict.SECOND) for goal in GOALS)
    store.save_annotations(opposite)
    better, worse = result("c1", GOALS[0], "able"), result("c1", GOALS[0], "idle")
    late = [v.model_copy(update={"id": f"late {v.id}", "round": 1}) for v in votes_on("c1", worse, better)]
    assert min(v.created_at for v in late) > first.as_of
    store.save_votes(late)

    again = rank_cycle(store, cycle, RELIABLE, annotations=first.people.annotations, as_of=first.as_of)
    assert (again.rankings, again.comparisons) == (first.rankings, first.comparisons)
    assert annotations_used(again.people.annotations, again.as_of) == used
    now = rank_cycle(store, cycle, RELIABLE)
    assert now.comparisons != first.comparisons
    assert annotations_used(now.people.annotations, utc_now())["sha256"] != used["sha256"]


def test_people_who_disagree_or_find_both_bad_anchor_nothing_and_a_tie_is_one(store: Store) -> None:
    cycle = play(store, 1, GOALS[:5])
    store.save_annotations(
        [
            label("c1", GOALS[0], Verdict.FIRST),
            label("c1", GOALS[0], Verdict.SECOND, who="bob"),
            label("c1", GOALS[1], "both_bad"),
            label("c1", GOALS[2], Verdict.SECOND),
            label("c1", GOALS[3], Verdict.TIE),
            label("c1", GOALS[4], Verdict.TIE),
            label("c1", GOALS[4], Verdict.FIRST, who="bob"),
        ]
    )
    people = people_of(store, cycle, {RIGHT})
    anchors = people.anchors.set_index("goal_id")
    assert set(anchors.index) == {GOALS[2].id, GOALS[3].id}
    assert {a.goal_id for a in people.annotations} == set(anchors.index)
    assert anchors.loc[GOALS[3].id, "outcome"] == 0.0
    row = anchors.loc[GOALS[2].id]
    idle_first = row["first_id"] == result("c1", GOALS[2], "idle").id
    assert row["outcome"] == (1.0 if idle_first else -1.0)


def test_a_ranker_that_takes_no_labels_says_so(store: Store) -> None:
    cycle = play(store, 1, GOALS)
    store.save_annotations(label("c1", goal) for goal in GOALS)
    ranked = rank_cycle(store, cycle, config(BradleyTerryConfig()))
    assert not ranked.frames.panel.is_verified
    assert len(ranked.people.annotations) == 30, "they are kept, for a replay with another ranker"


def test_what_a_report_says_of_the_panel_is_json(store: Store) -> None:
    import json

    cycle = play(store, 1, GOALS)
    store.save_annotations(label("c1", goal) for goal in GOALS[:25])
    details = panel_details(rank_cycle(store, cycle, RELIABLE).frames)
    assert json.loads(json.dumps(details, allow_nan=False)) == details
    assert details["panel"]["verified"] is True
    assert details["panel"]["n_labelled"] == 25
    assert [row["weights"] for row in details["agreement"]] == ["before", "after"]
    after = details["agreement"][1]
    assert after["low"] <= after["agreement"] <= after["high"]
    assert {row["judge"] for row in details["label_weights"]} == {*WRONG, RIGHT}


def test_the_annotations_that_a_cycle_learns_leave_out_those_of_later_cycles(store: Store) -> None:
    cycle, _ = play(store, 1, GOALS[:2]), play(store, 2, GOALS[:2])
    mine = label("c1", GOALS[0])
    store.save_annotations([mine, label("c2", GOALS[0])])
    assert annotations_to_learn(store, cycle) == [mine]


def test_a_verdict_that_came_after_its_cycle_makes_a_pair_of_the_next_one(store: Store) -> None:
    play(store, 1, GOALS[:2])
    late = label("c1", GOALS[0])
    store.save_annotations([late])
    second = play(store, 2, GOALS[2:4])
    learned = annotations_to_learn(store, second)
    assert learned == [late]
    with_human = pairs_of_cycle(store, second, RELIABLE, (), (), learned).pairs
    (pair,) = with_human
    assert (pair.source, pair.chosen, pair.rejected) == ("human", "able says", "idle says")
    assert (pair.cycle_id, pair.annotation_ids) == ("c2", (late.id,))
    store.use_annotations("c2", Stage.EXPORT, learned)
    assert {pair.chosen_id, pair.rejected_id, late.id} <= store.provenance_ids("c2")


def register(store: Store, cycle: Cycle, version: int) -> None:
    store.save_stage_report(
        StageReport(
            cycle_id=cycle.id,
            stage=Stage.REGISTER,
            status=CycleStatus.COMPLETED,
            details={"name": RELIABLE.policy.name, "version": version, "promoted": True},
        )
    )


@pytest.mark.parametrize("is_promoted", [True, False])
def test_a_verdict_is_learned_anew_until_a_version_that_learned_it_is_promoted(
    store: Store, is_promoted: bool
) -> None:
    first = play(store, 1, GOALS[:2])
    said = label("c1", GOALS[0])
    store.save_annotations([said])
    store.use_annotations("c1", Stage.EXPORT, [said])
    register(store, first, 1)
    second = play(store, 2, GOALS[2:4], parent_version=1 if is_promoted else None)
    assert annotations_to_learn(store, second) == ([] if is_promoted else [said])
    changed = said.model_copy(update={"verdict": Verdict.SECOND})
    store.save_annotations([changed])
    assert annotations_to_learn(store, second) == [changed]


def test_a_verdict_is_learned_again_after_the_version_that_learned_it_was_rolled_back(store: Store) -> None:
    early, late = label("c1", GOALS[0]), label("c1", GOALS[1])
    cycles = [play(store, 1, GOALS[:2]), play(store, 2, GOALS[2:4], parent_version=1)]
    store.save_annotations([early, late])
    for number, (cycle, used) in enumerate(zip(cycles, ([early], [late]), strict=True), 1):
        store.use_annotations(cycle.id, Stage.EXPORT, used)
        register(store, cycle, number)
    going_on = play(store, 3, GOALS[4:6], parent_version=2)
    assert annotations_to_learn(store, going_on) == [], "both are in version 2, one by the version before it"
    rolled_back = play(store, 4, GOALS[6:8], parent_version=1)
    assert annotations_to_learn(store, rolled_back) == [late]
    anew = play(store, 5, GOALS[8:10])
    assert set(annotations_to_learn(store, anew)) == {early, late}


def test_verdicts_on_another_policys_results_are_not_learned(store: Store) -> None:
    play(store, 1, GOALS[:2])
    store.save_annotations([label("c1", GOALS[0])])
    other = play(store, 2, GOALS[2:4], policy={"base": "demo", "name": "another"})
    assert annotations_to_learn(store, other) == []
