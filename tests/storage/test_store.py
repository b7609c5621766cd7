"""Records go in and the same records come out, on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from camelx.errors import ConfigError, StorageError
from camelx.schemas import (
    Annotation,
    Comparison,
    CycleStatus,
    Goal,
    Holdout,
    InteractionFilter,
    Ranking,
    Role,
    Split,
    Stage,
    StageReport,
    ToolCall,
    Verdict,
)
from camelx.storage import PlayedCycle, Store

from .conftest import cycle, execution, turn


def test_goals_come_back_equal_and_are_stored_once(store):
    goals = [Goal.new("Wie viel?\n½ × 3", answer="1.5", verifier="numeric", level=2), Goal.new("Second")]
    assert store.add_goals(goals) == 2
    assert store.add_goals([*goals, Goal.new("Third")]) == 1
    assert store.goals(ids=[goals[1].id, goals[0].id, "missing"]) == [goals[1], goals[0]]
    assert len(store.goals()) == 3


def test_a_goal_that_is_imported_again_stays_in_the_holdout(store):
    store.add_goals([Goal.new("Same", split=Split.HELDOUT)])
    assert store.add_goals([Goal.new("Same", split=Split.TRAIN)]) == 0
    assert [goal.split for goal in store.goals()] == [Split.HELDOUT]


def test_goals_are_filtered_by_split_level_and_source(store):
    store.add_goals(Goal.new(f"g{i}", level=i, source="a" if i % 2 else "b") for i in range(1, 5))
    store.add_goals([Goal.new("unknown level"), Goal.new("held", split=Split.HELDOUT, level=1)])
    assert {goal.text for goal in store.goals(split=Split.HELDOUT)} == {"held"}
    assert {goal.text for goal in store.goals(source="a")} == {"g1", "g3"}
    chosen = store.goals_for_cycle(9, levels=[1, 4])
    assert {goal.text for goal in chosen} == {"g1", "g4", "unknown level"}
    assert {goal.text for goal in store.goals_for_cycle(9, levels=[1, 4], not_source="a")} == {
        "g4",
        "unknown level",
    }


def test_a_cycle_takes_the_goals_that_were_used_least(store):
    store.add_goals(Goal.new(f"g{i}") for i in range(6))
    first = store.goals_for_cycle(4)
    store.add_cycle(cycle(1, goal_ids=tuple(goal.id for goal in first)))
    second = store.goals_for_cycle(4)
    unused = {goal.id for goal in store.goals()} - {goal.id for goal in first}
    assert {goal.id for goal in second[:2]} == unused
    assert [goal.id for goal in second] == [goal.id for goal in store.goals_for_cycle(4)]


def test_goals_named_by_an_update_count_as_used_too(store):
    store.add_goals(Goal.new(f"g{i}") for i in range(2))
    store.add_cycle(cycle(1))
    used = store.goals_for_cycle(1)[0]
    store.update_cycle("c1", goal_ids=(used.id,))
    assert store.goals_for_cycle(1)[0] != used


def test_a_cycle_comes_back_equal_and_is_updated(store):
    new = cycle(
        1, origin="import", parent_version=3, started_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    )
    store.add_cycle(new)
    assert store.cycle("c1") == new
    finished = datetime(2026, 1, 2, 5, 4, tzinfo=timezone(timedelta(hours=1)))
    changed = store.update_cycle("c1", status=CycleStatus.COMPLETED, finished_at=finished, seconds=60.5)
    assert store.cycle("c1") == changed
    assert store.cycle("c1").finished_at.utcoffset() == timedelta(0)


def test_first_cycles_are_stored_all_or_none_and_found_like_others(store):
    goals = [Goal.new(f"goal {i}") for i in range(3)]
    played = [
        PlayedCycle(
            cycle(n, goal_ids=tuple(goal.id for goal in goals)),
            goals,
            [execution(goal, f"writer-{n}", cycle_id=f"c{n}", completion=f"plum {n}") for goal in goals],
            (),
            (),
            StageReport(cycle_id=f"c{n}", stage=Stage.GENERATE, status=CycleStatus.COMPLETED),
        )
        for n in (1, 2)
    ]

    def broken():
        yield played[0]
        raise ConfigError("no more of them")

    with pytest.raises(ConfigError):
        store.add_first_cycles(broken())
    assert (store.cycles(), store.goals(), store.interactions("c1")) == ([], [], [])
    store.add_first_cycles(played)
    assert [one.id for one in store.cycles()] == ["c1", "c2"]
    assert store.count_interactions(InteractionFilter(text="plum")) == 6
    assert store.count_interactions(InteractionFilter(agent="writer-2", text='"plum 2"')) == 3
    store.save_interactions([execution(goals[0], "late", completion="plum 2, late")])
    assert store.count_interactions(InteractionFilter(text='"plum 2"')) == 4
    with pytest.raises(StorageError):
        store.add_first_cycles([played[0]._replace(cycle=cycle(3))])
    assert store.count_interactions(InteractionFilter(text="plum")) == 7


def test_a_cycle_played_elsewhere_is_stored_whole_or_not_at_all(store):
    goal = Goal.new("g")
    first, second = execution(goal, "a"), execution(goal, "b")
    vote, _ = turn(first, second, Verdict.FIRST)
    vote = vote.model_copy(update={"interaction_id": None})
    report = StageReport(cycle_id="c1", stage=Stage.GENERATE, status=CycleStatus.COMPLETED)
    new = cycle(1, origin="import", goal_ids=(goal.id,))
    with pytest.raises(StorageError, match="refers to a missing row"):
        store.add_played_cycle(PlayedCycle(new, [goal], [first], [vote], [], report))
    assert (store.cycles(), store.goals()) == ([], [])
    store.add_played_cycle(PlayedCycle(new, [goal], [first, second], [vote], [], report))
    assert store.cycles() == [new]
    assert {row.id for row in store.interactions("c1")} == {first.id, second.id}
    assert store.votes("c1") == [vote]
    assert store.stage_reports("c1") == {Stage.GENERATE: report}


def test_a_cycle_that_would_end_before_its_start_is_not_saved(store):
    store.add_cycle(cycle(1))
    with pytest.raises(ValidationError, match="before its start"):
        store.update_cycle("c1", finished_at=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(ValidationError, match="colour"):
        store.update_cycle("c1", colour="red")
    assert store.cycle("c1").finished_at is None


def test_cycles_are_numbered(store):
    assert (store.next_cycle_number(), store.latest_cycle()) == (1, None)
    store.add_cycle(cycle(1, status=CycleStatus.COMPLETED))
    store.add_cycle(cycle(2))
    assert store.next_cycle_number() == 3
    assert store.latest_cycle().id == "c2"
    assert [found.id for found in store.cycles()] == ["c1", "c2"]


def test_a_second_cycle_of_the_same_number_is_refused(store):
    store.add_cycle(cycle(1))
    with pytest.raises(StorageError, match="adding cycle other failed: a row was refused"):
        store.add_cycle(cycle(1).model_copy(update={"id": "other"}))


def test_an_unknown_cycle_is_named_with_the_latest_one(store):
    with pytest.raises(ConfigError, match="no cycle 'c9'; there are none yet"):
        store.cycle("c9")
    store.add_cycle(cycle(4))
    with pytest.raises(ConfigError, match="the latest is 'c4'"):
        store.update_cycle("c9", seconds=1.0)


def test_stage_reports_are_replaced_and_come_in_the_order_of_the_stages(store):
    store.add_cycle(cycle(1))
    store.save_stage_report(StageReport(cycle_id="c1", stage=Stage.RANK, counts={"votes": 4}))
    store.save_stage_report(StageReport(cycle_id="c1", stage=Stage.GENERATE))
    done = StageReport(
        cycle_id="c1", stage=Stage.RANK, status=CycleStatus.COMPLETED, details={"loss": [math.nan, 0.5]}
    )
    store.save_stage_report(done)
    reports = store.stage_reports("c1")
    assert list(reports) == [Stage.GENERATE, Stage.RANK]
    assert reports[Stage.RANK] == done.model_copy(update={"details": {"loss": [None, 0.5]}})


def test_forgotten_stages_have_no_report_any_more(store):
    store.add_cycle(cycle(1))
    for stage in (Stage.GENERATE, Stage.RANK, Stage.EXPORT):
        store.save_stage_report(StageReport(cycle_id="c1", stage=stage))
    store.forget_stage_reports("c1", [Stage.RANK, Stage.EXPORT, Stage.TRAIN])
    assert list(store.stage_reports("c1")) == [Stage.GENERATE]


def test_interactions_come_back_equal_and_a_repeat_replaces_the_failure(filled):
    goal = filled.goals()[0]
    failed = execution(goal, "executor-3", completion="", error="timeout", finish_reason=None)
    filled.save_interactions([failed])
    answered = failed.model_copy(update={"completion": "¿Qué? 日本 🎈", "error": None})
    filled.save_interactions([answered])
    assert filled.interactions_by_id([failed.id, "missing"]) == {failed.id: answered}
    assert len(filled.interactions("c1", Stage.GENERATE)) == 5


def test_interactions_are_filtered_by_cycle_stage_and_role(filled):
    assert len(filled.interactions("c1")) == 6
    assert len(filled.interactions("c1", Stage.GENERATE, Role.EXECUTOR)) == 4
    assert {i.role for i in filled.interactions("c1", Stage.RANK)} == {Role.PEER_REVIEWER}
    assert filled.interactions("c1", role=Role.PROPOSER) == []
    assert filled.interactions("c2") == []
    goal_id = filled.goals()[0].id
    assert {i.goal_id for i in filled.interactions("c1", goal_id=goal_id)} == {goal_id}


def test_a_child_may_be_saved_before_its_parent_but_not_without(filled):
    goal = filled.goals()[0]
    parent = execution(goal, "proposer", role=Role.PROPOSER)
    child = execution(goal, "executor-9", parent_id=parent.id)
    with pytest.raises(StorageError, match="refers to a missing row"):
        filled.save_interactions([child])
    filled.save_interactions([child, parent])
    assert filled.interactions_by_id([child.id])[child.id].parent_id == parent.id


def test_text_that_no_database_can_store_is_replaced_not_lost(filled):
    goal = filled.goals()[0]
    filled.save_interactions([execution(goal, "odd", completion="a\0b\ud800c 🎈", error="é\0")])
    (odd,) = [i for i in filled.interactions("c1") if i.agent == "odd"]
    assert odd.completion == "a\ufffdb\ufffdc 🎈"
    assert odd.error == "é\ufffd"


def test_names_and_messages_are_stored_like_the_texts_beside_them(filled):
    text, kept = "a\0b\ud800c 🎈\\u0000", "a\ufffdb\ufffdc 🎈\\u0000"
    goal = Goal.new("g", category=text, source=text)
    filled.add_goals([goal])
    asked = ({"role": "user", "content": text},)
    call = ToolCall(name="t", arguments="{}", result=text)
    written = {"agent": text, "model": text, "completion": text, "tool_calls": (call,)}
    first = execution(goal, "odd", messages=asked).model_copy(update=written)
    second = execution(goal, "other")
    vote, turned = turn(first, second, Verdict.FIRST)
    filled.save_interactions([first, second])
    filled.save_turn([vote.model_copy(update={"judge": text})], turned)
    note = Annotation(
        id="a",
        goal_id=goal.id,
        first_id=first.id,
        second_id=second.id,
        annotator=text,
        verdict="both_bad",
        rationale=text,
    )
    filled.save_annotations([note])
    filled.use_annotations("c1", Stage.RANK, [note])
    (stored,) = filled.goals(ids=[goal.id])
    found = filled.interactions_by_id([first.id])[first.id]
    (said,) = filled.annotations([goal.id])
    assert (stored.category, stored.source) == (kept, kept)
    assert (found.agent, found.model, found.messages[0].content) == (kept, kept, kept)
    assert (found.completion, found.tool_calls[0].result) == (kept, kept)
    assert kept in {row.judge for row in filled.votes("c1")}
    assert (said.annotator, said.rationale) == (kept, kept)
    assert filled.used_annotations("c1", Stage.RANK) == [said]


def test_many_ids_are_asked_for_in_several_statements(filled):
    known = [i.id for i in filled.interactions("c1")]
    assert set(filled.interactions_by_id([*(str(i) for i in range(33_000)), *known])) == set(known)


def test_earlier_answers_of_a_policy_are_found_in_any_cycle(filled):
    goals = filled.goals()
    filled.add_cycle(cycle(2))
    kept = execution(goals[0], "policy", stage=Stage.EVALUATE, adapter_version="p/1")
    others = [
        execution(goals[0], "other model", stage=Stage.EVALUATE, adapter_version="p/1", model="m"),
        execution(goals[0], "older adapter", stage=Stage.EVALUATE, adapter_version="p/0"),
        execution(goals[0], "base", stage=Stage.EVALUATE),
        execution(goals[0], "failed", stage=Stage.EVALUATE, adapter_version="p/1", error="e"),
        execution(goals[1], "other goal", stage=Stage.EVALUATE, adapter_version="p/1", cycle_id="c2"),
        execution(goals[0], "review", stage=Stage.EVALUATE, adapter_version="p/1", role=Role.PEER_REVIEWER),
    ]
    filled.save_interactions([kept, *others])
    found = filled.answers_of("demo", "p/1", stage=Stage.EVALUATE, goal_ids=[goals[0].id])
    assert found == [kept]
    base = filled.answers_of("demo", None, stage=Stage.EVALUATE, goal_ids=[goal.id for goal in goals])
    assert [answer.agent for answer in base] == ["base"]
    both = filled.answers_of("demo", "p/1", stage=Stage.EVALUATE, goal_ids=[goal.id for goal in goals])
    assert {answer.agent for answer in both} == {"policy", "other goal"}


def test_votes_come_back_equal_and_belong_to_the_stage_of_the_reviewers_turn(filled):
    first, second = filled.interactions("c1", Stage.GENERATE)[:2]
    later, asked = turn(first, second, Verdict.TIE, stage=Stage.EVALUATE)
    filled.save_turn([later], asked)
    imported = later.model_copy(update={"id": "imported", "interaction_id": None})
    filled.save_votes([imported])
    assert filled.votes("c1", Stage.EVALUATE) == [later]
    assert imported in filled.votes("c1", Stage.RANK)
    assert len(filled.votes("c1", Stage.RANK)) == 3
    assert len(filled.votes("c1")) == 4


def test_a_turn_is_saved_whole_or_not_at_all(filled):
    first, second = filled.interactions("c1", Stage.GENERATE)[:2]
    vote, asked = turn(first, second, Verdict.TIE, stage=Stage.EVALUATE)
    with pytest.raises(StorageError, match="refers to a missing row"):
        filled.save_turn([vote, vote.model_copy(update={"id": "v", "second_id": "missing"})], asked)
    assert filled.interactions_by_id([asked.id]) == {}
    assert vote not in filled.votes("c1")


def test_one_turn_may_hold_several_votes_or_none(filled):
    first, second, third = filled.interactions("c1", Stage.GENERATE)[:3]
    vote, asked = turn(first, second, Verdict.TIE, stage=Stage.EVALUATE)
    filled.save_turn([], asked.model_copy(update={"error": "timeout"}))
    assert filled.votes("c1", Stage.EVALUATE) == []
    votes = [
        vote.model_copy(update={"id": f"v{i}", "second_id": other.id, "form": "listwise", "round": i})
        for i, other in enumerate((second, third))
    ]
    filled.save_turn(votes, asked)
    assert filled.votes("c1", Stage.EVALUATE) == votes
    assert filled.interactions_by_id([asked.id])[asked.id].error is None


def test_the_vote_table_names_authors_and_keeps_unreadable_apart_from_ties(filled):
    table = filled.vote_table("c1")
    assert list(table.columns) == [
        "goal_id", "judge", "first_id", "second_id", "first_author", "second_author", "outcome", "vote_id",
        "category", "round", "form",
    ]  # fmt: skip
    assert set(table["category"]) == {"general"}
    assert set(zip(table["round"], table["form"], strict=True)) == {(0, "pairwise")}
    by_first = table.set_index("first_author")
    assert by_first.loc["executor-1", "outcome"] == 1.0
    assert math.isnan(by_first.loc["executor-2", "outcome"])
    assert by_first.loc["executor-1", "second_author"] == "executor-2"
    assert table.vote_id.tolist() == [vote.id for vote in filled.votes("c1")]


def test_the_vote_table_of_a_cycle_without_votes_is_empty_with_its_columns(store):
    table = store.vote_table("c1")
    assert len(table) == 0
    assert table.outcome.dtype == float


def test_votes_of_other_cycles_are_found_by_the_results_that_they_are_on(filled):
    first, second, third = filled.interactions("c1", Stage.GENERATE)[:3]
    both = sorted(
        vote.id
        for vote in filled.votes("c1")
        if {vote.first_id, vote.second_id} <= {first.id, second.id, third.id}
    )
    found = filled.vote_table_on([first.id, second.id, third.id], ["c1", "c9"])
    assert found["vote_id"].tolist() == both
    assert set(found["cycle_id"]) <= {"c1"}
    assert len(filled.vote_table_on([first.id], ["c1"])) == 0
    assert len(filled.vote_table_on([first.id, second.id, third.id], ["c9"])) == 0
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert len(filled.vote_table_on([first.id, second.id, third.id], ["c1"], until=long_ago)) == 0


def test_rankings_and_comparisons_are_replaced_together(filled):
    first, second = sorted(i.id for i in filled.interactions("c1", Stage.GENERATE)[:2])
    goal_id = filled.interactions_by_id([first])[first].goal_id
    rankings = [
        Ranking(cycle_id="c1", goal_id=goal_id, interaction_id=item, ranker="bt", score=0.5, stderr=0.1,
                rank=rank, n_votes=2.0)
        for rank, item in enumerate((first, second), start=1)
    ]  # fmt: skip
    comparison = Comparison(
        cycle_id="c1", goal_id=goal_id, role=Role.EXECUTOR, first_id=first, second_id=second,
        probability=0.7310585786300049, n_votes=2, n_orders=2, vote_ids=("v1", "v2"),
    )  # fmt: skip
    filled.replace_rankings("c1", rankings, [comparison])
    assert filled.rankings("c1") == rankings
    assert filled.comparisons("c1") == [comparison]
    filled.replace_rankings("c1", rankings[:1], [])
    assert filled.rankings("c1") == rankings[:1]
    assert filled.comparisons("c1") == []


def test_annotations_come_back_equal_by_goal(filled):
    first, second = (i for i in filled.interactions("c1", Stage.GENERATE, Role.EXECUTOR)[:2])
    naive = datetime(2026, 1, 2, 3, 4, 5)
    saved = Annotation(
        id="a1", goal_id=first.goal_id, first_id=first.id, second_id=second.id, annotator="ann",
        verdict="both_bad", rating=2, rationale="neither\nworks", edited_text="42", created_at=naive,
    )  # fmt: skip
    filled.save_annotations([saved])
    expected = saved.model_copy(update={"created_at": naive.replace(tzinfo=UTC)})
    assert filled.annotations() == [expected]
    assert filled.annotations([first.goal_id]) == [expected]
    assert filled.annotations(["other"]) == []


def annotation(first, second, **fields):
    known = {"id": f"on {first.id}", "annotator": "ann", "verdict": Verdict.FIRST}
    return Annotation(goal_id=first.goal_id, first_id=first.id, second_id=second.id, **(known | fields))


def test_annotations_up_to_a_cycle_are_those_on_two_results_of_one_cycle(filled):
    goal = filled.goals()[0]
    for number in (2, 3):
        filled.add_cycle(cycle(number))
    sides = {
        number: [execution(goal, name, cycle_id=f"c{number}") for name in ("a", "b")] for number in (2, 3)
    }
    held = [execution(goal, name, cycle_id="c2", stage=Stage.EVALUATE) for name in ("a", "b")]
    filled.save_interactions([*sides[2], *sides[3], *held])
    own, later = annotation(*sides[2]), annotation(*sides[3])
    filled.save_annotations(
        [own, later, annotation(sides[2][1], sides[3][1], id="across"), annotation(*held, id="held out")]
    )
    assert filled.annotations_up_to(1) == []
    assert filled.annotations_up_to(2) == [own]
    assert filled.annotations_up_to(3) == sorted([own, later], key=lambda a: a.created_at)


def test_what_a_stage_used_stays_as_it_was(filled):
    first, second = filled.interactions("c1", Stage.GENERATE, Role.EXECUTOR)[:2]
    used = annotation(first, second, rationale="because", edited_text="42", rating=4)
    filled.save_annotations([used])
    filled.use_annotations("c1", Stage.RANK, [used])
    filled.save_annotations([used.model_copy(update={"verdict": Verdict.TIE})])
    assert filled.used_annotations("c1", Stage.RANK) == [used]
    assert filled.used_annotations("c1", Stage.EXPORT) == []
    filled.use_annotations("c1", Stage.RANK, [])
    assert filled.used_annotations("c1", Stage.RANK) == []


def test_a_holdout_keeps_the_hash_of_its_first_use(store):
    first = Holdout(name="demo", sha256="a" * 64, goal_ids=("g2", "g1"))
    store.freeze_holdout(first)
    store.freeze_holdout(Holdout(name="demo", sha256="b" * 64, goal_ids=("g3",)))
    assert store.holdout("demo") == first
    assert store.holdout("third") is None


def test_provenance_is_made_of_the_cycles_rows_and_of_annotations(filled):
    rows, votes = filled.interactions("c1"), filled.votes("c1")
    filled.save_annotations(
        [
            Annotation(
                id="a1",
                goal_id=rows[0].goal_id,
                first_id=rows[0].id,
                second_id=rows[1].id,
                annotator="ann",
                verdict=Verdict.TIE,
            )
        ]
    )
    assert filled.provenance_ids("c1") == {row.id for row in [*rows, *votes]} | {"a1"}
    assert filled.provenance_ids("c2") == {"a1"}
    taken_back = annotation(rows[0], rows[1], id="a2")
    filled.use_annotations("c1", Stage.EXPORT, [taken_back])
    assert filled.provenance_ids("c1") >= {"a1", "a2"}


def test_nothing_saved_is_nothing_changed(filled):
    filled.save_interactions([])
    filled.save_votes([])
    filled.replace_rankings("c1", [], [])
    assert filled.add_goals([]) == 0
    assert len(filled.interactions("c1")) == 6


def test_what_one_process_saved_another_reads(database, filled):
    with Store.open(database, upgrade=False) as other:
        assert other.interactions("c1") == filled.interactions("c1")
        assert other.votes("c1") == filled.votes("c1")
