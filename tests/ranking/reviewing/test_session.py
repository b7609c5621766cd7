"""Whole sittings: every form, buying, discussion, budgets, resumption; the agents know the answers."""

from __future__ import annotations

from collections import Counter

import pytest

from camelx.config import (
    BudgetConfig,
    BuyingConfig,
    DiscussionConfig,
    PriceConfig,
    RankingConfig,
    ReliablePeerRankConfig,
)
from camelx.errors import AgentError, ConfigError, StorageError
from camelx.ranking import Ballot, hold_reviews, rank_votes, vote_frame
from camelx.ranking.reviewing.session import _Session
from camelx.ranking.reviewing.spending import Purse
from camelx.schemas import Goal, Verdict, Vote

from .panel import Judge, asked, execution, goal, sitting

EASY = [(0, "x", 1.0), (0, "y", 2.0), (0, "z", 3.0), (0, "w", 4.0)]


def results(n_goals=6, qualities=(1.0, 2.0, 3.0, 4.0), **fields):
    return [execution(g, "xyzwvut"[i], q, **fields) for g in range(n_goals) for i, q in enumerate(qualities)]


def all_votes(saved):
    return [vote for said, _ in saved for vote in said]


def ranked(saved, made):
    return rank_votes(vote_frame(all_votes(saved), {r.id: r.agent for r in made}), ReliablePeerRankConfig())


async def review(judges, made, saved, min_weight=0.3, anchors=None, **options):
    settings = {name: options.pop(name) for name in list(options) if name in RankingConfig.model_fields}
    return await hold_reviews(
        sitting(judges, made, saved, **options),
        RankingConfig(**{"comparisons_per_goal": 6, "reviewers_per_pair": 2} | settings),
        min_weight=min_weight,
        anchors=anchors,
    )


def buying(min_gain=0.0, complete_orders=True, **budget):
    return BuyingConfig(budget=BudgetConfig(**budget), min_gain=min_gain, complete_orders=complete_orders)


# Forms


@pytest.mark.parametrize("form", ["pairwise", "listwise", "rating"])
async def test_every_form_finds_the_order_of_quality(form):
    made, saved = results(), []
    spent = await review([Judge("rex"), Judge("sue")], made, saved, form=form)
    items = ranked(saved, made).items.sort_values(["goal_id", "rank"])
    assert [i[-1] for i in items["item_id"]] == list("wzyx") * 6
    assert {vote.form for vote in all_votes(saved)} == {form}
    assert spent.calls == len(saved)


async def test_a_list_takes_one_call_for_the_votes_on_all_of_its_pairs():
    saved, judge = [], Judge("rex")
    spent = await review([judge], results(1), saved, form="listwise", reviewers_per_pair=1)
    assert (asked([judge]), spent.calls, spent.all_calls) == (2, 2, 12)
    (there, first), (back, second) = saved
    assert len(there) == len(back) == 6
    assert {vote.interaction_id for vote in there} == {first.id} != {second.id}
    assert {(v.first_id, v.second_id) for v in there} == {(v.second_id, v.first_id) for v in back}
    assert len({vote.id for vote in there + back}) == 12


@pytest.mark.parametrize("form", ["listwise", "rating"])
async def test_what_lists_save_is_measured_by_the_same_reviews_in_pairs(form):
    made, options = results(2, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)), {"comparisons_per_goal": 10}
    in_lists = await review([Judge("rex"), Judge("sue")], made, [], form=form, **options)
    in_pairs = await review([Judge("rex"), Judge("sue")], made, [], **options)
    assert in_lists.all_calls == in_pairs.all_calls == in_pairs.calls == 2 * 10 * 2 * 2


async def test_an_unreadable_list_is_unreadable_for_each_pair_and_is_not_asked_again():
    saved, judge = [], Judge("rex", mumbles=True)
    await review([judge], results(1), saved, form="rating", reviewers_per_pair=1)
    assert [vote.verdict for vote in all_votes(saved)] == [None] * 12
    assert all("Ratings" in vote.error for vote in all_votes(saved))
    await review([judge], results(1), saved, form="rating", reviewers_per_pair=1)
    assert asked([judge]) == 2


@pytest.mark.parametrize("form", ["pairwise", "listwise", "rating"])
async def test_nobody_is_shown_its_own_work(form):
    made = [
        r for a, names in (("rex", "xy"), ("sue", "zw")) for n in names for r in [execution(0, n, 1.0, a)]
    ]
    judges = [Judge("rex"), Judge("sue"), Judge("tom")]
    buy = buying() if form == "pairwise" else None
    await review(judges, made, [], form=form, buying=buy, reviewers_per_pair=3)
    author = {r.id: r.agent for r in made}
    assert asked(judges) > 0
    assert not [s for judge in judges for shown in judge.seen for s in shown if author[s] == judge.name]


# Buying


async def test_a_pair_that_is_decided_is_left_alone():
    saved, judges = [], [Judge(name) for name in ("rex", "sue", "tom")]
    spent = await review(judges, results(30), saved, reviewers_per_pair=3, buying=buying(0.01))
    assert spent.all_calls == 30 * 6 * 3 * 2
    assert spent.calls == len(saved) == asked(judges)
    assert spent.calls < 0.4 * spent.all_calls
    items = ranked(saved, results(30)).items.sort_values(["goal_id", "rank"])
    assert [i[-1] for i in items["item_id"]] == list("wzyx") * 30


async def test_close_pairs_get_more_votes_than_clear_ones():
    close = [execution(g, n, 1.0 + 0.01 * (n == "x")) for g in range(20) for n in "xy"]
    clear = [execution(g, n, 9.0 * (n == "x")) for g in range(20, 40) for n in "xy"]
    judges, saved = [Judge(name, noise=1.0) for name in ("rex", "sue", "tom")], []
    await review(judges, close + clear, saved, reviewers_per_pair=3, buying=buying(calls=120))
    of_close = sum(int(vote.first_id[1:-1]) < 20 for vote in all_votes(saved))
    assert of_close > 1.15 * (120 - of_close)


async def test_pairs_that_will_be_exported_are_seen_in_both_orders():
    saved, made = [], results(20)
    await review([Judge("rex"), Judge("sue")], made, saved, buying=buying(0.02))
    pairs = ranked(saved, made).pairs
    leaning = pairs[(2 * pairs["probability"] - 1).abs() >= 0.3]
    assert len(leaning) > 20
    assert (leaning["n_orders"] == 2).all()


async def test_without_completion_some_of_them_are_not():
    saved, made = [], results(20)
    await review([Judge("rex"), Judge("sue")], made, saved, buying=buying(0.02, complete_orders=False))
    pairs = ranked(saved, made).pairs
    assert (pairs[(2 * pairs["probability"] - 1).abs() >= 0.3]["n_orders"] == 1).any()


@pytest.mark.parametrize("calls", [1, 7, 50])
@pytest.mark.parametrize("concurrency", [1, 64])
async def test_a_budget_in_calls_is_kept_exactly(calls, concurrency):
    saved, judges = [], [Judge("rex"), Judge("sue")]
    spent = await review(judges, results(), saved, buying=buying(calls=calls), concurrency=concurrency)
    assert asked(judges) == spent.calls == calls


async def test_a_budget_for_each_goal_is_kept():
    saved = []
    await review([Judge("rex"), Judge("sue")], results(), saved, buying=buying(calls_per_goal=5))
    n = Counter(turn.goal_id for _, turn in saved)
    assert set(n.values()) == {5}


@pytest.mark.parametrize(("budget", "calls"), [({"tokens": 1_050}, 10), ({"money": 0.0021}, 21)])
async def test_tokens_and_money_are_not_spent_beyond_the_budget(budget, calls):
    saved, prices = [], dict.fromkeys(("rex", "sue"), PriceConfig(prompt=1.0, completion=1.0))
    spent = await review(
        [Judge("rex"), Judge("sue")], results(), saved, buying=buying(**budget), concurrency=64, prices=prices
    )
    assert (spent.calls, spent.tokens) == (calls, 100 * calls)
    assert spent.money == pytest.approx(calls * 100e-6)


class Rambling(Judge):
    """Says little in its first answer, and much from then on; holds as many calls as are under way."""

    now = most = 0

    async def ask(self, messages, *, seed):
        self.now += 1
        self.most = max(self.most, self.now)
        self.tokens = (10, 1000 if self.prompts else 5)
        try:
            return await super().ask(messages, seed=seed)
        finally:
            self.now -= 1


@pytest.mark.parametrize("concurrency", [1, 8, 32])
@pytest.mark.parametrize("max_tokens", [None, {"rex": 1000}])
@pytest.mark.parametrize("budget", [{"tokens": 20_000}, {"money": 0.02}])
async def test_a_cheap_first_answer_does_not_break_the_budget(concurrency, max_tokens, budget):
    judge = Rambling("rex", delay=0.001)
    spent = await review(
        [judge], results(20), [], buying=buying(**budget), concurrency=concurrency,
        prices={"rex": PriceConfig(prompt=1.0, completion=1.0)}, max_tokens=max_tokens,
    )  # fmt: skip
    assert 17_000 < spent.tokens <= 20_000
    assert (judge.most > 1) == (concurrency > 1 and max_tokens is not None)


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_a_ballot_without_room_waits_for_the_answers_under_way(concurrency):
    judges = [Judge("rex", delay=0.001), Judge("mix", sign=-1.0, delay=0.001)]
    names, made = ("rex", "mix"), results(5)
    one = sitting(judges, made, [], concurrency=concurrency, max_tokens=dict.fromkeys(names, 1000))
    ballots = [
        Ballot(goal(g).id, name, (f"g{g}x", f"g{g}{other}")) for g in range(5) for other in "yzw"
        for name in names
    ]  # fmt: skip
    # Room for three calls at their dearest, and for all of them as they turn out.
    purse = Purse(BudgetConfig(tokens=4_200), one.ledger)
    assert 1_200 < one.most(ballots[0], purse).tokens < 1_300
    votes = await one.collect(ballots, purse)
    assert len(votes) == 30
    assert one.ledger.tokens == 3_000


async def test_a_ballot_for_which_there_never_is_room_is_left_out():
    one = sitting([Judge("rex")], results(1), [], max_tokens={"rex": 500})
    ballots = [Ballot(goal(0).id, "rex", ("g0x", f"g0{other}")) for other in "yzw"]
    assert await one.collect(ballots, Purse(BudgetConfig(tokens=500), one.ledger)) == []
    calls = Purse(BudgetConfig(calls=2), one.ledger)
    assert len(await one.collect(ballots, calls)) == 2


async def test_failed_calls_of_earlier_runs_do_not_count():
    saved, settings = [], RankingConfig(comparisons_per_goal=6, buying=buying(calls=4))
    await hold_reviews(sitting([Judge("rex", fails=True)], results(2), saved), settings)
    again = sitting([Judge("rex", fails=True)], results(2), saved)
    assert (await hold_reviews(again, settings)).calls == 0
    assert again.ledger.failed == 4


def test_votes_keep_round_and_category_while_more_are_bought():
    import pandas as pd

    one = sitting([Judge("rex")], results(1), [])
    one.votes = {
        "v": Vote(id="v", cycle_id="c", goal_id=goal(0).id, judge="rex", first_id="g0x", second_id="g0y",
                  verdict=Verdict.FIRST)
    }  # fmt: skip
    one.goals = {goal(0).id: Goal.new("Goal 0", category="maths")}
    earlier = vote_frame(one.votes.values(), {}).assign(round=1, category="prose", form="pairwise")
    settings = RankingConfig()
    frame = _Session(one, settings, None, pd.concat([earlier, earlier.assign(round=0)]))._frame()
    assert list(frame["round"]) == [0, 1, 0]
    assert list(frame["category"]) == ["maths", "prose", "prose"]
    assert not _Session(one, settings, None, None)._frame()["round"].any()


async def test_a_budget_leaves_room_for_the_second_orders():
    saved, made = [], results(20)
    spent = await review([Judge("rex"), Judge("sue")], made, saved, buying=buying(calls=120))
    pairs = ranked(saved, made).pairs
    assert spent.calls <= 120
    assert (pairs[(2 * pairs["probability"] - 1).abs() >= 0.3]["n_orders"] == 2).all()


async def test_the_cheaper_of_two_equal_reviewers_is_asked_more():
    judges = [Judge("rex"), Judge("sue")]
    prices = {"rex": PriceConfig(prompt=10.0), "sue": PriceConfig(prompt=1.0)}
    await review(judges, results(20), [], buying=buying(calls=200), prices=prices, reviewers_per_pair=1)
    assert len(judges[1].prompts) > 1.5 * len(judges[0].prompts)


async def test_a_reviewer_of_chance_is_asked_less_than_one_who_knows():
    judges = [Judge("coin", leans_to_first=99.0), Judge("rex"), Judge("sue")]
    await review(judges, results(40), [], buying=buying(calls=600), reviewers_per_pair=3)
    assert len(judges[0].prompts) < 0.7 * len(judges[1].prompts)


async def test_a_resumed_purchase_asks_nothing_twice_and_keeps_to_the_same_budget():
    class Full(Exception):
        pass

    saved, judges, made = [], [Judge("rex"), Judge("sue")], results()
    one = sitting(judges, made, saved)
    keep = one.save

    def until_full(votes, turn):
        if len(saved) == 30:
            raise Full
        keep(votes, turn)

    one.save = until_full
    settings = RankingConfig(comparisons_per_goal=6, reviewers_per_pair=2, buying=buying(calls=60))
    with pytest.raises(Full):
        await hold_reviews(one, settings)
    assert len(saved) == 30
    again = [Judge("rex"), Judge("sue")]
    spent = await hold_reviews(sitting(again, made, saved), settings)
    assert spent.calls == 60 == len({turn.id for _, turn in saved}) == len(saved)
    assert asked(again) == 30
    await hold_reviews(sitting(again, made, saved), settings)
    assert asked(again) == 30


async def test_failed_calls_are_counted_and_asked_again_by_the_next_run():
    saved, made = [], results(2)
    broken = sitting([Judge("rex", fails=True)], made, saved)
    settings = RankingConfig(comparisons_per_goal=6, buying=buying(calls=10))
    assert (await hold_reviews(broken, settings)).calls == 0
    assert broken.ledger.failed == 10
    with pytest.raises(AgentError, match="10 of 10 model calls failed"):
        broken.check_failures()
    judge = Judge("rex")
    assert (await hold_reviews(sitting([judge], made, saved), settings)).calls == 10


async def test_many_goals_have_a_vote_under_way_at_once():
    class Counting(Judge):
        now = most = 0

        async def ask(self, messages, *, seed):
            Counting.now += 1
            Counting.most = max(Counting.most, Counting.now)
            try:
                return await super().ask(messages, seed=seed)
            finally:
                Counting.now -= 1

    await review([Counting("rex", delay=0.001)], results(24), [], buying=buying(calls=200), concurrency=16)
    assert Counting.most == 16


async def test_what_saving_raises_ends_the_purchase():
    def full(votes, turn):
        raise StorageError("the disk is full")

    judge = Judge("rex")
    one = sitting([judge], results(), [], concurrency=2)
    one.save = full
    with pytest.raises(StorageError, match="the disk is full"):
        await hold_reviews(one, RankingConfig(buying=buying()))
    assert asked([judge]) <= 2


# Discussion


def at_odds():
    """One goal; rex knows, mix prefers the worse and gives in."""
    return [Judge("rex"), Judge("mix", sign=-1.0, gives_in=True)], results(1, (1.0, 2.0))


async def test_reviewers_who_disagree_vote_again_and_both_votes_are_kept():
    judges, made = at_odds()
    saved = []
    spent = await review(judges, made, saved, discussion=DiscussionConfig())
    votes = all_votes(saved)
    assert Counter(vote.round for vote in votes) == {0: 4, 1: 4}
    assert (spent.calls, asked(judges)) == (8, 8)
    key = lambda v: (v.judge, v.first_id)  # noqa: E731
    before = {key(v): v.verdict for v in votes if not v.round}
    after = {key(v): v.verdict for v in votes if v.round}
    assert all((before[k] != after[k]) == (k[0] == "mix") for k in before)
    assert len({vote.id for vote in votes}) == len({turn.id for _, turn in saved}) == 8


async def test_each_sees_its_own_reply_and_that_of_the_other_in_the_same_order():
    judges, made = at_odds()
    await review(judges, made, [], discussion=DiscussionConfig())
    for judge, other in zip(judges, judges[::-1], strict=True):
        for prompt in judge.prompts[2:]:
            own_part, other_part = prompt.split("<other_review>")
            assert f"I am {judge.name}." in own_part
            assert f"I am {other.name}." in other_part
            assert own_part.count("Verdict: ") >= 1


async def test_a_discussion_is_held_once_and_goes_on_where_it_stopped():
    judges, made = at_odds()
    saved = []
    await review(judges, made, saved, discussion=DiscussionConfig())
    await review(judges, made, saved, discussion=DiscussionConfig())
    assert asked(judges) == 8
    fresh, _ = at_odds()
    await review(fresh, made, saved[:5], discussion=DiscussionConfig())
    assert asked(fresh) == 3


async def test_who_agrees_does_not_discuss():
    judges = [Judge("rex"), Judge("sue")]
    await review(judges, results(3), [], discussion=DiscussionConfig(max_pairs_per_goal=9))
    assert asked(judges) == 3 * 6 * 2 * 2


async def test_pairs_that_people_judged_are_discussed_first():
    import pandas as pd

    judges, _ = at_odds()
    made, saved = results(1), []
    first, second = "g0x", "g0w"
    anchors = pd.DataFrame(
        [(goal(0).id, first, second, -1.0)], columns=["goal_id", "first_id", "second_id", "outcome"]
    )
    await review(judges, made, saved, anchors=anchors, discussion=DiscussionConfig(min_value=1.0))
    again = [vote for vote in all_votes(saved) if vote.round]
    assert {frozenset((v.first_id, v.second_id)) for v in again} == {frozenset((first, second))}


async def test_the_budget_holds_for_discussions_too():
    judges, made = at_odds()
    settings = {"buying": buying(calls=6), "discussion": DiscussionConfig()}
    spent = await review(judges, made, [], **settings)
    assert spent.calls == asked(judges) == 6


def test_lists_are_neither_bought_nor_discussed():
    for name, section in (("buying", BuyingConfig()), ("discussion", DiscussionConfig())):
        with pytest.raises(ValueError, match=f"{name} needs form 'pairwise', got form 'listwise'"):
            RankingConfig(form="listwise", **{name: section})


def test_a_discussion_needs_two_who_saw_the_same_pair():
    with pytest.raises(ValueError, match=r"discussion needs two reviewers.*got reviewers_per_pair 1"):
        RankingConfig(discussion=DiscussionConfig())
    assert RankingConfig(discussion=DiscussionConfig(), reviewers_per_pair=2).discussion


async def test_judges_that_all_wrote_something_of_every_pair_are_an_error():
    for form in ("pairwise", "listwise"):
        with pytest.raises(ConfigError, match="nobody judges its own work"):
            await review([Judge("ann")], results(1), [], form=form)


async def test_ties_are_votes():
    saved = []
    await review([Judge("rex", ties_within=99.0)], results(1), saved, form="listwise", reviewers_per_pair=1)
    assert {vote.verdict for vote in all_votes(saved)} == {Verdict.TIE}
