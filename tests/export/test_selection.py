"""Which comparisons become pairs, and why the others do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from camelx.config import ExportConfig
from camelx.errors import DataValidationError
from camelx.export import select_pairs
from camelx.schemas import Annotation, Comparison, Interaction, Message, Ranking, Role, Stage, Verdict

PROMPT = (Message(role="system", content="Solve."), Message(role="user", content="Goal: add 2 and 2"))
TEXTS = {"a": "two and two make four", "b": "it is five", "c": "one guesses six", "d": "perhaps seven"}


def interaction(i, text=None, **fields):
    known = {"messages": PROMPT, "finish_reason": "stop", "role": Role.EXECUTOR} | fields
    return Interaction(
        id=i,
        cycle_id="c1",
        stage=Stage.GENERATE,
        goal_id="g",
        agent="ann",
        model="m",
        completion=TEXTS[i] if text is None else text,
        **known,
    )


INTERACTIONS = {i: interaction(i) for i in TEXTS}


def comparison(first, second, probability, **fields):
    known = {"n_votes": 2, "n_orders": 2, "vote_ids": (f"v-{first}{second}",), "role": Role.EXECUTOR} | fields
    return Comparison(
        cycle_id="c1", goal_id="g", first_id=first, second_id=second, probability=probability, **known
    )


def annotation(verdict, *, first="a", second="b", annotator="eve", minutes=0, text=None):
    return Annotation(
        id=f"{annotator}-{first}{second}-{minutes}",
        goal_id="g",
        first_id=first,
        second_id=second,
        annotator=annotator,
        verdict=verdict,
        edited_text=text,
        created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes),
    )


def select(comparisons=(), annotations=(), *, interactions=INTERACTIONS, scores=None, fits=None, **settings):
    rankings = [
        Ranking(
            cycle_id="c1", goal_id="g", interaction_id=i, ranker="r", score=s, stderr=1, rank=1, n_votes=2
        )
        for i, s in (scores or {"a": 2.0, "b": 1.0, "c": 0.0, "d": -1.0}).items()
    ]
    result = select_pairs(
        comparisons,
        rankings,
        interactions,
        annotations,
        ExportConfig(**settings),
        ranker="r",
        cycle_id="c1",
        fits=fits,
    )
    assert result.n_comparisons + result.n_human_only == result.n_kept + sum(result.dropped.values())
    return result


def test_a_sure_comparison_becomes_a_pair_with_weight_margin_and_votes():
    (pair,) = select([comparison("a", "b", 0.9)]).pairs
    assert (pair.chosen, pair.rejected, pair.prompt) == (TEXTS["a"], TEXTS["b"], PROMPT)
    assert pair.weight == pytest.approx(0.8)
    assert (pair.margin, pair.source, pair.ranker, pair.vote_ids) == (1.0, "votes", "r", ("v-ab",))


def test_a_low_probability_turns_the_pair_round():
    (pair,) = select([comparison("a", "b", 0.1)], scores={"a": 0.0, "b": 2.0}).pairs
    assert (pair.chosen_id, pair.rejected_id, pair.margin) == ("b", "a", 2.0)


@pytest.mark.parametrize(
    ("reason", "given", "settings", "changed"),
    [
        ("role_not_exported", {}, {"roles": (Role.PROPOSER,)}, {}),
        ("one_order", {"n_orders": 1}, {}, {}),
        ("tie", {"probability": 0.6}, {}, {}),
        ("tie", {"probability": 0.5}, {"min_weight": 0.0}, {}),
        ("contradiction", {"probability": 0.1}, {}, {}),
        ("different_prompt", {}, {}, {"messages": PROMPT[1:]}),
        ("unfinished", {}, {}, {"finish_reason": "length"}),
        ("unfinished", {}, {}, {"text": " "}),
        ("control_characters", {}, {}, {"text": "it is\u200b five"}),
        ("identical", {}, {}, {"text": f" {TEXTS['a']}\n"}),
        ("near_identical", {}, {"max_similarity": 0.7}, {"text": "two and two make five"}),
    ],
)
def test_every_reason_is_counted(reason, given, settings, changed):
    interactions = INTERACTIONS | {"b": interaction("b", **changed)}
    given = {"probability": 0.9} | given
    result = select([comparison("a", "b", **given)], interactions=interactions, **settings)
    assert (result.pairs, result.dropped) == ([], {reason: 1})


def test_votes_in_one_order_make_a_pair_where_both_are_not_required():
    (pair,) = select([comparison("a", "b", 0.9, n_orders=1)], require_both_orders=False).pairs
    assert pair.chosen_id == "a"


def test_people_s_word_on_a_pair_needs_no_second_order():
    (pair,) = select([comparison("a", "b", 0.9, n_orders=1)], [annotation(Verdict.FIRST)]).pairs
    assert pair.source == "human"


def test_one_wrong_word_in_five_is_a_real_difference_by_default():
    interactions = INTERACTIONS | {"b": interaction("b", "two and two make five")}
    assert len(select([comparison("a", "b", 0.9)], interactions=interactions).pairs) == 1


def test_what_does_not_fit_the_context_is_dropped():
    result = select([comparison("a", "b", 0.9)], fits=lambda turns: len(turns[-1].content) < 12)
    assert result.dropped == {"too_long": 1}


def test_the_surest_pairs_of_a_goal_are_kept():
    made = [comparison("a", "b", 0.8), comparison("a", "c", 0.99), comparison("a", "d", 0.9)]
    result = select(made)
    assert [p.rejected_id for p in result.pairs] == ["c", "d"]
    assert result.dropped == {"over_quota": 1}


def test_the_same_texts_make_one_pair():
    interactions = INTERACTIONS | {"c": interaction("c", TEXTS["b"])}
    result = select([comparison("a", "b", 0.9), comparison("a", "c", 0.95)], interactions=interactions)
    assert [p.rejected_id for p in result.pairs] == ["c"]
    assert result.dropped == {"duplicate": 1}


def test_people_override_the_votes_on_the_same_pair_shown_either_way_round():
    shown_round = annotation(Verdict.FIRST, first="b", second="a")
    (pair,) = select([comparison("a", "b", 0.99)], [shown_round]).pairs
    assert (pair.chosen_id, pair.source, pair.weight, pair.margin) == ("b", "human", 1.0, -1.0)
    assert (pair.vote_ids, pair.annotation_ids) == (("v-ab",), ("eve-ba-0",))


def test_people_s_pairs_need_no_votes_and_no_quota():
    many = [comparison("a", "c", 0.99), comparison("a", "d", 0.99)]
    result = select(many, [annotation(Verdict.FIRST)], max_pairs_per_goal=1)
    assert [(p.rejected_id, p.margin, p.ranker) for p in result.pairs] == [("b", 0.0, None)]
    assert (result.n_comparisons, result.n_human_only) == (2, 1)
    assert result.dropped == {"over_quota": 2}


def test_the_majority_of_annotators_decides_and_a_draw_is_a_tie():
    votes = [annotation(v, annotator=n) for n, v in (("x", Verdict.FIRST), ("y", Verdict.SECOND))]
    assert select([comparison("a", "b", 0.9)], votes).dropped == {"human_tie": 1}
    third = annotation(Verdict.SECOND, annotator="z")
    (pair,) = select([comparison("a", "b", 0.9)], [*votes, third]).pairs
    assert (pair.chosen_id, len(pair.annotation_ids)) == ("b", 3)


def test_an_annotator_s_last_word_counts():
    words = [annotation(Verdict.SECOND, minutes=5), annotation(Verdict.FIRST, minutes=1)]
    assert [p.chosen_id for p in select([], words).pairs] == ["b"]


@pytest.mark.parametrize(("verdict", "reason"), [("both_bad", "both_bad"), (Verdict.TIE, "human_tie")])
def test_people_who_prefer_neither_drop_the_pair(verdict, reason):
    assert select([comparison("a", "b", 0.9)], [annotation(verdict)]).dropped == {reason: 1}


def test_an_edited_text_becomes_chosen_against_the_rejected_one():
    (pair,) = select([], [annotation(Verdict.FIRST, text="2 + 2 = 4")]).pairs
    assert (pair.chosen, pair.rejected, pair.chosen_id) == ("2 + 2 = 4", TEXTS["b"], "a")


def test_an_edited_text_beats_both_where_both_were_bad():
    result = select([comparison("a", "b", 0.9)], [annotation("both_bad", text="2 + 2 = 4")])
    assert {(p.chosen, p.rejected) for p in result.pairs} == {("2 + 2 = 4", TEXTS[i]) for i in "ab"}
    assert result.n_kept == 1
    assert len({p.id for p in result.pairs}) == 2


def test_annotations_on_results_of_elsewhere_are_left_alone():
    result = select([], [annotation(Verdict.FIRST, second="unknown")])
    assert (result.pairs, result.n_human_only) == ([], 0)


def test_a_comparison_of_something_unknown_is_an_error():
    with pytest.raises(DataValidationError, match="name 1 interactions that are not stored"):
        select([comparison("a", "zz", 0.9)])


def test_nothing_gives_nothing():
    assert (select().pairs, select().dropped) == ([], {})


def test_the_order_of_the_input_does_not_matter():
    made = [comparison("a", "b", 0.9), comparison("a", "c", 0.9), comparison("b", "d", 0.9)]
    assert select(made) == select(made[::-1])
