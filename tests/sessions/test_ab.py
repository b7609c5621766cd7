"""Two answer the same messages, nobody knows who is who, and the pick feeds the next cycle's pairs."""

from __future__ import annotations

import pytest

from camelx.config import parse_config
from camelx.cycles.judging import pairs_of_cycle
from camelx.cycles.policies import resolve_base
from camelx.cycles.verdicts import annotations_to_learn
from camelx.errors import StorageError
from camelx.schemas import LIVE_CYCLE, Cycle, Goal, InteractionFilter, Split, Stage, Verdict
from camelx.sessions import Pick, Say, SessionRequest, Stop
from camelx.sessions.holding_back import held_back

from .playing import ANN, hear, kinds, say, wait_for

AB = SessionRequest(mode="ab", versions=("executor", "second"))
FIRST = Say(text="How much is 2 and 2?")


@pytest.fixture
def pair(settings, opened, store):
    """A session that waits for a pick, and what the two said: A's and B's interaction."""
    sessions = opened(settings)
    i = sessions.create(ANN, AB).id
    view = say(sessions, i, FIRST, "picking")
    rows = {row.completion: row for row in undecided(store, i)}
    a, b = (rows[event.text] for event in sorted(view.events[1:3], key=lambda e: e.speaker))
    return sessions, i, a, b


def undecided(store, session_id):
    """The two answers to pick from, which no log has yet."""
    return list(held_back(store.session_events(session_id)).values())


def cycle_of(session, number=1, **policy):
    config = dict(session.config)
    config["policy"] = {**config["policy"], **policy}
    return Cycle(id=f"c{number}", number=number, config=config, trace_id="t")


def test_both_answer_the_same_messages_under_names_that_tell_nothing(pair):
    sessions, i, a, b = pair
    view = sessions.view(ANN, i)
    assert kinds(view) == ["human", "turn", "turn", "ab_pair"]
    assert a.prompt_key == b.prompt_key
    assert {event.speaker for event in view.events[1:3]} == {"A", "B"}
    told = str([(event.speaker, event.data) for event in view.events])
    assert "executor'" not in told.replace("'role': 'executor'", "")
    assert "second" not in told


def test_the_order_is_drawn_for_each_message(settings, opened):
    sessions = opened(settings)
    i = sessions.create(ANN, AB).id
    places = set()
    for n in range(24):
        say(sessions, i, Say(text=f"Question {n}"), "picking")
        view = say(sessions, i, Pick(verdict="a"))
        places.add(view.events[-2].hidden["last"]["place"])
        if len(places) == 2:
            break
    assert len(places) == 2, "A was always the same"


@pytest.mark.parametrize(
    ("verdict", "kept"),
    [("a", Verdict.FIRST), ("b", Verdict.SECOND), ("tie", Verdict.TIE), ("both_bad",) * 2],
)
def test_a_pick_is_kept_tells_who_was_who_and_both_remember_the_same(pair, store, verdict, kept):
    sessions, i, a, b = pair
    view = say(sessions, i, Pick(verdict=verdict, rationale="because", rating=4))
    (said,) = store.annotations()
    assert (said.first_id, said.second_id, said.verdict) == (a.id, b.id, kept)
    assert (said.annotator, said.rationale, said.rating) == ("ann", "because", 4)
    assert view.events[-1].data["verdict"] == verdict
    assert [view.events[-1].data[side] for side in "ab"] == [f"{row.agent} (scripted)" for row in (a, b)]
    say(sessions, i, Say(text="And in French?"), "picking")
    rows = undecided(store, i)
    assert rows[0].prompt_key == rows[1].prompt_key, "the next answers can be compared too"
    remembered = [m.content for m in rows[0].messages if m.role == "assistant"]
    agreed = {"a": [a.completion], "b": [b.completion], "tie": [a.completion], "both_bad": []}
    assert remembered == agreed[verdict]


def test_a_better_answer_is_what_both_remember(pair, store):
    sessions, i, _, _ = pair
    say(sessions, i, Pick(verdict="both_bad", edited_text="Four."))
    say(sessions, i, Say(text="And in French?"), "picking")
    last = undecided(store, i)[-1]
    assert [m.content for m in last.messages][2] == "Four."
    assert store.annotations()[0].edited_text == "Four."


def test_words_instead_of_a_pick_go_on_from_a(pair, store):
    sessions, i, a, _ = pair
    view = say(sessions, i, Say(text="And in French?"), "picking")
    assert "nothing was picked" in view.events[4].text
    rows = undecided(store, i)
    assert rows[0].prompt_key == rows[1].prompt_key
    assert rows[0].messages[2].content == a.completion
    assert store.annotations() == []


def test_two_that_are_stopped_leave_nothing_to_pick_and_go_on_alike(slow, opened, store):
    sessions = opened(slow)
    i = sessions.create(ANN, AB).id
    sessions.send(ANN, i, FIRST)
    hear(sessions, i, "Plan 1:")
    view = say(sessions, i, Stop())
    assert "nothing to pick" in view.events[-1].text
    assert len(logged(store)) == 2
    say(sessions, i, Say(text="And in French?"), "picking")
    rows = undecided(store, i)
    assert rows[0].prompt_key == rows[1].prompt_key


def logged(store):
    """What anybody may read of live sessions: pages, files and goals are all made of these rows."""
    rows = store.interactions(LIVE_CYCLE)
    lines = store.interaction_page(InteractionFilter(cycle_id=LIVE_CYCLE)).items
    assert {line.id for line in lines} == {row.id for row in rows}
    assert {row.id for row in store.interactions_wanted(InteractionFilter())} == {row.id for row in rows}
    return {row.id: row.agent for row in rows}


def test_who_answered_is_in_no_log_until_the_pick(pair, store):
    sessions, i, a, b = pair
    assert logged(store) == {}
    assert store.interactions_by_id([a.id, b.id]) == {}
    assert store.goals()[0].text == FIRST.text
    say(sessions, i, Pick(verdict="a"))
    assert logged(store) == {a.id: a.agent, b.id: b.agent}
    assert {a.agent, b.agent} == {"executor", "second"}
    assert store.interactions_by_id([a.id])[a.id] == a
    assert undecided(store, i) == []


def test_a_pair_that_nobody_picked_from_goes_into_the_log_with_the_next_words(pair, store):
    sessions, i, a, b = pair
    say(sessions, i, Say(text="And in French?"), "picking")
    assert set(logged(store)) == {a.id, b.id}


def test_a_pair_of_a_deleted_session_goes_into_the_log(pair, store):
    sessions, i, a, b = pair
    sessions.delete(ANN, i)
    assert set(logged(store)) == {a.id, b.id}


def test_a_pair_that_a_killed_app_left_unfinished_goes_into_the_log_and_both_forget_it(
    pair, settings, opened, store
):
    sessions, i, a, b = pair
    say(sessions, i, Pick(verdict="a"))
    say(sessions, i, Say(text="And in French?"), "picking")
    sessions.close()
    one = undecided(store, i)[0]
    with store._writing.begin() as connection:  # as if the app had been killed after the first answer
        last = store.last_session_event(i)
        connection.exec_driver_sql(f"DELETE FROM session_events WHERE seq >= {last - 1}")
        connection.exec_driver_sql("UPDATE live_sessions SET phase = 'busy', status = 'active'")
    again = opened(settings)
    again.reopen(ANN, i)
    wait_for(again, i, "listening")
    say(again, i, Say(text="And in Dutch?"), "picking")
    assert set(logged(store)) == {a.id, b.id, one.id}
    first, second = undecided(store, i)
    assert first.prompt_key == second.prompt_key
    assert [m.content for m in first.messages][1:] == [f"Goal: {FIRST.text}", a.completion, "And in Dutch?"]


def test_a_pair_whose_second_answer_could_not_be_stored_is_forgotten_by_both(
    settings, opened, store, monkeypatch
):
    sessions = opened(settings)
    i = sessions.create(ANN, AB).id
    save, answers = store.append_session_events, []

    def fails_once(events, **fields):
        if events[0].kind == "turn":
            answers.append(events[0])
            if len(answers) == 2:
                raise StorageError("the disk is full")
        save(events, **fields)

    monkeypatch.setattr(store, "append_session_events", fails_once)
    sessions.send(ANN, i, FIRST)
    view = wait_for(sessions, i, "listening")
    assert (kinds(view), view.session.status) == (["human", "turn"], "ended")
    assert [(s.status, s.phase) for s in sessions.sessions(ANN)] == [("ended", "listening")]
    view = say(sessions, i, Say(text="And in French?"), "picking")
    assert "send your words again" in view.events[2].text
    first, second = undecided(store, i)
    assert first.prompt_key == second.prompt_key
    assert [m.role for m in first.messages] == ["system", "user"]


def test_a_pick_makes_a_pair_of_the_next_cycle_of_the_same_policy(pair, store):
    sessions, i, a, b = pair
    say(sessions, i, Pick(verdict="b"))
    (said,) = store.annotations()
    cycle = cycle_of(store.live_session(i))
    store.add_cycle(cycle)
    learned = annotations_to_learn(store, cycle)
    assert learned == [said]
    config = parse_config(cycle.config)
    (made,) = pairs_of_cycle(store, cycle, config, (), (), learned).pairs
    assert (made.chosen, made.rejected, made.source) == (b.completion, a.completion, "human")
    assert (made.prompt, made.annotation_ids, made.cycle_id) == (a.messages, (said.id,), "c1")
    store.use_annotations("c1", Stage.EXPORT, learned)
    assert {made.chosen_id, made.rejected_id, said.id} <= store.provenance_ids("c1")
    assert resolve_base(config.policy.base)


def test_a_deleted_sessions_pick_still_counts_and_another_policys_does_not(pair, store):
    sessions, i, _, _ = pair
    say(sessions, i, Pick(verdict="a"))
    session = store.live_session(i)
    sessions.delete(ANN, i)
    assert len(annotations_to_learn(store, cycle_of(session))) == 1
    assert annotations_to_learn(store, cycle_of(session, name="another")) == []


def test_nothing_is_learned_where_a_held_out_goal_was_typed(pair, store):
    sessions, i, _, _ = pair
    say(sessions, i, Pick(verdict="a"))
    assert len(annotations_to_learn(store, cycle_of(store.live_session(i)))) == 1
    store.add_goals([Goal.new(FIRST.text, split=Split.HELDOUT, answer="4")])
    assert annotations_to_learn(store, cycle_of(store.live_session(i))) == []


def test_nothing_is_learned_where_a_held_out_goal_is_in_the_better_answer(pair, store):
    sessions, i, _, _ = pair
    goal = "Ada has 17 pears and gives three of them away every day. How many are left after four days?"
    say(sessions, i, Pick(verdict="a", edited_text=f"4. And now: {goal}"))
    assert len(annotations_to_learn(store, cycle_of(store.live_session(i)))) == 1
    store.add_goals([Goal.new(goal, split=Split.HELDOUT, answer="5")])
    assert annotations_to_learn(store, cycle_of(store.live_session(i))) == []


def test_an_edited_proposal_is_a_pair_of_the_proposers(settings, opened, store):
    from camelx.sessions import Edit

    sessions = opened(settings)
    i = sessions.create(ANN, SessionRequest()).id
    say(sessions, i, FIRST, "deciding")
    say(sessions, i, Edit(text="Add the units of both numbers."))
    cycle = cycle_of(store.live_session(i))
    learned = annotations_to_learn(store, cycle)
    (made,) = pairs_of_cycle(store, cycle, parse_config(cycle.config), (), (), learned).pairs
    assert (made.role, made.chosen) == ("proposer", "Add the units of both numbers.")
    assert made.rejected.startswith("Plan 1")


def test_a_session_left_before_the_pick_is_picked_from_when_it_is_reopened(pair, settings, opened, store):
    sessions, i, a, _ = pair
    sessions.close()
    again = opened(settings)
    view = wait_for(again, i, "picking")
    assert not view.is_running
    say(again, i, Pick(verdict="a"))
    say(again, i, Say(text="And in French?"), "picking")
    rows = undecided(store, i)
    assert rows[0].prompt_key == rows[1].prompt_key
    assert [m.content for m in rows[0].messages][1:3] == [f"Goal: {FIRST.text}", a.completion]
