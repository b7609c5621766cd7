"""Pairs of reviews: one that the later outcome bears out over one that it does not."""

from __future__ import annotations

import pytest

from camelx.config import ExportConfig
from camelx.errors import DataValidationError
from camelx.export import merge_results, select_review_pairs
from camelx.prompts import review_messages
from camelx.schemas import Annotation, Goal, Interaction, Role, Stage, Verdict, Vote

GOAL = Goal.new("Add 2 and 2.", answer="4")
RESULTS = {"a": "2 + 2 = 4", "b": "2 + 2 = 5", "c": "It is 4.", "d": "It is 7."}
WORDS = {
    Verdict.FIRST: "A is better.\nVerdict: A",
    Verdict.SECOND: "B it must be.\nVerdict: B",
    Verdict.TIE: "As good.\nVerdict: tie",
    None: "I can't say which",
}


def interaction(i, text, role, messages=(), finish_reason="stop"):
    return Interaction(
        id=i,
        cycle_id="c1",
        stage=Stage.GENERATE if role is Role.EXECUTOR else Stage.RANK,
        goal_id=GOAL.id,
        agent="x",
        role=role,
        model="m",
        messages=messages,
        completion=text,
        finish_reason=finish_reason,
    )


def review(judge, verdict, first="a", second="b", text=None, finish_reason="stop"):
    """A vote and the turn behind it."""
    shown = review_messages("Judge.", GOAL.text, RESULTS[first], RESULTS[second])
    said = f"{judge}: {WORDS[verdict]}" if text is None else text
    turn = interaction(f"t-{judge}-{first}{second}", said, Role.PEER_REVIEWER, shown, finish_reason)
    vote = Vote(
        id=f"v-{judge}-{first}{second}",
        cycle_id="c1",
        goal_id=GOAL.id,
        judge=judge,
        first_id=first,
        second_id=second,
        verdict=verdict,
        interaction_id=turn.id,
    )
    return vote, turn


def said(verdict, *, first="a", second="b", annotator="eve"):
    return Annotation(
        id=f"{annotator}-{first}{second}",
        goal_id=GOAL.id,
        first_id=first,
        second_id=second,
        annotator=annotator,
        verdict=verdict,
    )


def select(reviews, annotations=(), *, goals=None, verify=None, fits=None, **settings):
    interactions = {i: interaction(i, text, Role.EXECUTOR) for i, text in RESULTS.items()}
    interactions |= {turn.id: turn for _, turn in reviews}
    result = select_review_pairs(
        [vote for vote, _ in reviews],
        interactions,
        {GOAL.id: GOAL} if goals is None else goals,
        annotations,
        ExportConfig(**({"roles": (Role.PEER_REVIEWER,)} | settings)),
        cycle_id="c1",
        verify=verify,
        fits=fits,
    )
    assert result.n_comparisons == result.n_kept + sum(result.dropped.values())
    return result


def is_four(goal, text):
    return goal.answer in text


RIGHT, WRONG = review("rex", Verdict.FIRST), review("sue", Verdict.SECOND)


def test_the_review_that_people_bear_out_is_chosen_over_the_one_that_they_do_not():
    (pair,) = select([WRONG, RIGHT], [said(Verdict.FIRST)]).pairs
    assert pair.prompt == RIGHT[1].messages == WRONG[1].messages
    assert (pair.chosen, pair.rejected) == (RIGHT[1].completion, WRONG[1].completion)
    assert (pair.chosen_id, pair.rejected_id) == ("t-rex-ab", "t-sue-ab")
    assert (pair.role, pair.source, pair.ranker) == (Role.PEER_REVIEWER, "human", None)
    assert (pair.weight, pair.margin) == (1.0, 0.0)
    assert (pair.vote_ids, pair.annotation_ids) == (("v-rex-ab", "v-sue-ab"), ("eve-ab",))


def test_people_may_have_seen_the_results_the_other_way_round():
    (pair,) = select([RIGHT, WRONG], [said(Verdict.FIRST, first="b", second="a")]).pairs
    assert pair.chosen_id == "t-sue-ab"


def test_reviews_are_exported_only_where_their_role_is():
    assert select([RIGHT, WRONG], [said(Verdict.FIRST)], roles=(Role.EXECUTOR,)) == merge_results()


@pytest.mark.parametrize("verdict", [Verdict.TIE, None])
def test_a_tie_and_an_unreadable_review_are_wrong_about_a_decided_pair(verdict):
    (pair,) = select([RIGHT, review("sue", verdict)], [said(Verdict.FIRST)]).pairs
    assert pair.rejected_id == "t-sue-ab"


def test_a_tie_is_right_where_people_call_the_results_equal():
    (pair,) = select([RIGHT, review("sue", Verdict.TIE)], [said(Verdict.TIE)]).pairs
    assert (pair.chosen_id, pair.rejected_id) == ("t-sue-ab", "t-rex-ab")


def test_unreadable_reviews_alone_make_no_pair():
    assert select([review("rex", None), review("sue", None)], [said(Verdict.FIRST)]).n_comparisons == 0


@pytest.mark.parametrize(("text", "finish_reason"), [(" ", "stop"), ("On and on", "length")])
def test_an_empty_or_unfinished_review_is_not_even_rejected(text, finish_reason):
    broken = review("sue", None, text=text, finish_reason=finish_reason)
    result = select([RIGHT, broken], [said(Verdict.FIRST)])
    assert (result.pairs, result.dropped) == ([], {"unfinished": 1})


def test_results_that_are_both_bad_tell_nothing_of_their_reviews():
    assert select([RIGHT, WRONG], [said("both_bad")]).n_comparisons == 0


def test_annotators_who_disagree_weigh_less_and_those_who_draw_nothing():
    three = [said(Verdict.FIRST, annotator=n) for n in "xyz"]
    (pair,) = select([RIGHT, WRONG], [*three, said(Verdict.SECOND, annotator="w")]).pairs
    assert pair.weight == pytest.approx(0.5)
    assert len(pair.annotation_ids) == 4
    assert select([RIGHT, WRONG], [three[0], said(Verdict.SECOND, annotator="w")]).pairs == []


def test_reviews_of_the_two_orders_have_different_prompts_and_make_no_pair():
    assert select([RIGHT, review("sue", Verdict.FIRST, "b", "a")], [said(Verdict.FIRST)]).n_comparisons == 0


def test_the_verifier_tells_the_outcome_only_where_it_may():
    assert select([RIGHT, WRONG], verify=is_four).pairs == []
    (pair,) = select([RIGHT, WRONG], verify=is_four, review_outcome="verifier").pairs
    assert (pair.chosen_id, pair.source, pair.annotation_ids) == ("t-rex-ab", "verifier", ())
    assert pair.vote_ids == ("v-rex-ab", "v-sue-ab")


def test_a_tie_is_right_where_both_results_are_and_nothing_is_known_where_neither_is():
    about_right = [review("rex", Verdict.TIE, "a", "c"), review("sue", Verdict.FIRST, "a", "c")]
    (pair,) = select(about_right, verify=is_four, review_outcome="both").pairs
    assert pair.chosen_id == "t-rex-ac"
    about_wrong = [review("rex", Verdict.TIE, "b", "d"), review("sue", Verdict.FIRST, "b", "d")]
    assert select(about_wrong, verify=is_four, review_outcome="both").n_comparisons == 0


def test_people_are_believed_before_the_verifier():
    annotations = [said(Verdict.SECOND)]
    (pair,) = select([RIGHT, WRONG], annotations, verify=is_four, review_outcome="both").pairs
    assert (pair.chosen_id, pair.source) == ("t-sue-ab", "human")
    (pair,) = select([RIGHT, WRONG], annotations, verify=is_four, review_outcome="verifier").pairs
    assert (pair.chosen_id, pair.source) == ("t-rex-ab", "verifier")


def test_a_goal_without_an_answer_has_no_verified_outcome():
    goals = {GOAL.id: GOAL.model_copy(update={"answer": None})}
    for known in (goals, {}):
        assert select([RIGHT, WRONG], goals=known, verify=is_four, review_outcome="both").pairs == []


def test_asking_for_a_verifier_without_one_is_an_error():
    with pytest.raises(DataValidationError, match="review_outcome is 'both', which needs a verifier"):
        select([RIGHT, WRONG], review_outcome="both")


def test_imported_votes_without_a_turn_and_votes_on_results_of_elsewhere_are_left_alone():
    imported = RIGHT[0].model_copy(update={"interaction_id": None}), RIGHT[1]
    elsewhere = RIGHT[0].model_copy(update={"first_id": "zz"}), RIGHT[1]
    for odd in (imported, elsewhere):
        assert select([odd, WRONG], [said(Verdict.FIRST)]).n_comparisons == 0


def test_the_quota_takes_one_pair_of_each_prompt_before_a_second_one_of_any():
    many = [review(f"r{i}", Verdict.FIRST) for i in range(3)] + [WRONG]
    swapped = [review("rex", Verdict.SECOND, "b", "a"), review("sue", Verdict.FIRST, "b", "a")]
    result = select([*many, *swapped], [said(Verdict.FIRST)], max_pairs_per_goal=2)
    assert {p.rejected_id for p in result.pairs} == {"t-sue-ab", "t-sue-ba"}
    assert result.dropped == {"over_quota": 2}


def test_equal_and_nearly_equal_reviews_make_no_pair_and_the_same_texts_only_one():
    same = review("sue", Verdict.SECOND, text=RIGHT[1].completion)
    assert select([RIGHT, same], [said(Verdict.FIRST)]).dropped == {"identical": 1}
    close = select([RIGHT, WRONG], [said(Verdict.FIRST)], max_similarity=0.1)
    assert close.dropped == {"near_identical": 1}
    twice = review("tom", Verdict.SECOND, text=WRONG[1].completion)
    assert select([RIGHT, WRONG, twice], [said(Verdict.FIRST)]).dropped == {"duplicate": 1}
    assert select([RIGHT, WRONG], [said(Verdict.FIRST)], fits=lambda _: False).dropped == {"too_long": 1}


def test_a_review_of_several_results_is_right_where_all_its_votes_on_known_pairs_are():
    def ranked(judge, *verdicts):
        (_, turn), pairs = review(judge, Verdict.FIRST), (("a", "b"), ("a", "d"), ("b", "d"))
        return [
            (
                review(judge, verdict, *pair)[0].model_copy(
                    update={"interaction_id": turn.id, "form": "listwise"}
                ),
                turn,
            )
            for verdict, pair in zip(verdicts, pairs, strict=True)
        ]

    people = [said(Verdict.FIRST), said(Verdict.FIRST, second="d")]
    good = ranked("rex", Verdict.FIRST, Verdict.FIRST, Verdict.SECOND)
    half = ranked("sue", Verdict.FIRST, Verdict.TIE, Verdict.FIRST)
    (pair,) = select([*good, *half], people).pairs
    assert (pair.chosen_id, pair.rejected_id) == ("t-rex-ab", "t-sue-ab")
    assert pair.vote_ids == ("v-rex-ab", "v-rex-ad", "v-sue-ab", "v-sue-ad")
    assert pair.annotation_ids == ("eve-ab", "eve-ad")


def test_the_order_of_the_input_does_not_matter():
    reviews = [RIGHT, WRONG, review("tom", Verdict.TIE), review("ann", Verdict.FIRST)]
    assert select(reviews, [said(Verdict.FIRST)]) == select(reviews[::-1], [said(Verdict.FIRST)])


def test_results_of_several_selections_are_merged_with_their_counts():
    one = select([RIGHT, WRONG], [said(Verdict.FIRST)])
    two = select([RIGHT, review("sue", None, text=" ")], [said(Verdict.FIRST)])
    merged = merge_results(one, two, one)
    assert (len(merged.pairs), merged.n_kept, merged.n_comparisons) == (2, 2, 3)
    assert merged.dropped == {"unfinished": 1}
