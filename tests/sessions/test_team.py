"""A person, a Proposer and an Executor: propose, decide, carry out, interject, stop."""

from __future__ import annotations

import pytest

from camelx.errors import ConflictError
from camelx.schemas import LIVE_CYCLE, SESSION_SOURCE, Role, Verdict
from camelx.sessions import Approve, Edit, Interject, Pick, Redirect, Say, SessionRequest, Stop

from .playing import ANN, hear, kinds, say, wait_for

GOAL = Say(text="How much is 2 and 2?")


def test_a_goal_is_proposed_approved_and_carried_out(settings, opened, store):
    sessions = opened(settings)
    i = sessions.create(ANN, SessionRequest()).id
    view = say(sessions, i, GOAL, "deciding")
    assert (view.events[-1].kind, view.events[-1].text[:6]) == ("proposal", "Plan 1")
    view = say(sessions, i, Approve())
    assert kinds(view) == ["human", "proposal", "human", "turn"]
    assert view.events[-1].text == "Carried out: the answer is 4."
    assert view.session.title == GOAL.text
    proposal, execution = sorted(store.interactions(LIVE_CYCLE), key=lambda row: row.created_at)
    assert (proposal.role, execution.role, execution.parent_id) == (Role.PROPOSER, Role.EXECUTOR, proposal.id)
    assert proposal.trace_id == i
    assert [m.content for m in execution.messages] == [
        "You are the executor.",
        f"Goal: {GOAL.text}\nProposal: {proposal.completion}",
    ]
    (goal,) = store.goals()
    assert (goal.text, goal.source, proposal.goal_id) == (GOAL.text, SESSION_SOURCE, goal.id)


def test_a_redirected_proposer_remembers_what_it_had_proposed(settings, opened, store):
    sessions = opened(settings)
    i = sessions.create(ANN, SessionRequest()).id
    say(sessions, i, GOAL, "deciding")
    view = say(sessions, i, Redirect(text="Take another way."), "deciding")
    assert view.events[-1].text == "Plan 2: count on fingers."
    last = max(store.interactions(LIVE_CYCLE), key=lambda row: row.created_at)
    assert [m.content[:12] for m in last.messages] == [
        "You are the ",
        "Goal: How mu",
        "Plan 1: add ",
        "Take another",
    ]


def test_an_edited_proposal_is_carried_out_and_is_a_judgement_on_the_proposers(settings, opened, store):
    sessions = opened(settings)
    i = sessions.create(ANN, SessionRequest()).id
    say(sessions, i, GOAL, "deciding")
    view = say(sessions, i, Edit(text="Add the units."))
    assert kinds(view) == ["human", "proposal", "edit", "turn"]
    rows = {row.agent: row for row in store.interactions(LIVE_CYCLE)}
    mine, theirs, done = rows["human:ann"], rows["proposer"], rows["executor"]
    assert (mine.completion, mine.messages, mine.role) == ("Add the units.", theirs.messages, theirs.role)
    assert done.parent_id == mine.id
    assert done.messages[-1].content.endswith("Proposal: Add the units.")
    (said,) = store.annotations()
    assert (said.first_id, said.second_id, said.verdict) == (mine.id, theirs.id, Verdict.FIRST)
    say(sessions, i, Say(text="And 3 and 3?"), "deciding")
    last = max(store.interactions(LIVE_CYCLE), key=lambda row: row.created_at)
    assert last.messages[2].content == "Add the units.", "the better version is its own now"


def test_a_reviewer_comments_where_one_was_asked_for(settings, opened):
    sessions = opened(settings)
    i = sessions.create(ANN, SessionRequest(has_review=True)).id
    say(sessions, i, GOAL, "deciding")
    view = say(sessions, i, Approve())
    assert view.events[-1].kind == "comment"
    assert view.events[-1].text == "The result is right; say why."


def test_an_interjection_stops_the_answer_and_is_heard_next(slow, opened, store):
    sessions = opened(slow)
    i = sessions.create(ANN, SessionRequest()).id
    sessions.send(ANN, i, GOAL)
    hear(sessions, i, "Plan 1:")
    view = say(sessions, i, Interject(text="No, take another way."), "deciding")
    assert kinds(view) == ["human", "proposal", "human", "proposal"]
    cut, whole = view.events[1], view.events[3]
    assert cut.data["finish_reason"] == "cancelled"
    assert cut.text.startswith("Plan 1:")
    assert not cut.text.endswith("care.")
    assert whole.text == "Plan 2: count on fingers."
    rows = sorted(store.interactions(LIVE_CYCLE), key=lambda row: row.created_at)
    assert not rows[0].is_finished, "what was cut is never trained on"
    assert rows[1].messages[2].content == cut.text, "and the Proposer remembers that it was cut there"


@pytest.mark.parametrize("mode", ["team", "talk"])
def test_words_that_come_before_the_first_answer_begins_are_heard_with_what_they_are_about(
    mode, slow, opened, store
):
    sessions = opened(slow)
    i = sessions.create(ANN, SessionRequest(mode=mode)).id
    sessions.send(ANN, i, GOAL)  # the agents are still being made: nobody has taken it up
    sessions.send(ANN, i, Interject(text="No, take another way."))
    sessions.send(ANN, i, Interject(text="And be quick."))
    view = wait_for(sessions, i, "deciding", "listening")
    assert kinds(view)[2:] == ["human", "proposal" if mode == "team" else "turn"]
    assert view.events[2].text == "No, take another way.\n\nAnd be quick."
    assert view.events[3].text == "Plan 2: count on fingers."
    last = max(store.interactions(LIVE_CYCLE), key=lambda row: row.created_at)
    assert last.messages[-1].content == f"Goal: {GOAL.text}\n\nNo, take another way.\n\nAnd be quick."


def test_words_that_come_as_an_answer_ends_are_not_lost(settings, opened, store, monkeypatch):
    sessions = opened(settings)
    i = sessions.create(ANN, SessionRequest(mode="talk")).id
    save = store.append_session_events

    def interject_while_it_is_stored(events, **fields):
        save(events, **fields)
        if events[0].kind == "turn" and events[0].seq == 2:
            sessions.send(ANN, i, Interject(text="No, take another way."))

    monkeypatch.setattr(store, "append_session_events", interject_while_it_is_stored)
    view = say(sessions, i, GOAL)
    assert [event.text for event in view.events[2:]] == ["No, take another way.", "Plan 2: count on fingers."]


def test_a_stopped_answer_is_kept_and_the_session_goes_on(slow, opened):
    sessions = opened(slow)
    i = sessions.create(ANN, SessionRequest(mode="talk")).id
    sessions.send(ANN, i, GOAL)
    hear(sessions, i, "Plan 1:")
    view = say(sessions, i, Stop())
    assert view.events[-1].data["finish_reason"] == "cancelled"
    assert view.under_way == {}
    view = say(sessions, i, Say(text="Say it in French."))
    assert view.events[-1].text == "La réponse est quatre."


def test_in_a_talk_the_memory_grows_and_is_not_made_anew(settings, opened, store):
    sessions = opened(settings)
    i = sessions.create(ANN, SessionRequest(mode="talk")).id
    for n, text in enumerate(["How much is 2 and 2?", "Say it in French.", "Again, in French."]):
        say(sessions, i, Say(text=text))
        last = max(store.interactions(LIVE_CYCLE), key=lambda row: row.created_at)
        assert len(last.messages) == 2 + 2 * n
    agent = sessions._running[i]._conversation._cast["executor"]._chat
    assert len(agent.memory.retrieve()) == 7, "one ChatAgent of CAMEL's for the whole session"


def test_what_does_not_fit_the_moment_is_refused_with_what_would(slow, opened):
    sessions = opened(slow)
    i = sessions.create(ANN, SessionRequest()).id
    for sent in (Approve(), Redirect(text="x"), Pick(verdict="a")):
        with pytest.raises(ConflictError, match="waits for a message"):
            sessions.send(ANN, i, sent)
    sessions.send(ANN, i, GOAL)
    with pytest.raises(ConflictError, match="interject"):
        sessions.send(ANN, i, GOAL)
    wait_for(sessions, i, "deciding")
    sessions.send(ANN, i, Approve())
    with pytest.raises(ConflictError, match="answering"):
        sessions.send(ANN, i, Approve())
    wait_for(sessions, i, "listening")


def test_a_failed_answer_is_shown_and_not_remembered(tmp_path, opened, store):
    from .playing import write_configs

    settings = write_configs(tmp_path)
    (tmp_path / "configs" / "script.jsonl").write_text('{"match": "good", "reply": "fine"}')
    sessions = opened(settings)
    i = sessions.create(ANN, SessionRequest(mode="talk")).id
    view = say(sessions, i, Say(text="bad"))
    assert kinds(view) == ["human", "error"]
    assert "no rule" in view.events[-1].text
    view = say(sessions, i, Say(text="good"))
    assert view.events[-1].text == "fine"
    rows = sorted(store.interactions(LIVE_CYCLE), key=lambda row: row.created_at)
    assert [bool(row.error) for row in rows] == [True, False]
    assert len(rows[1].messages) == 2


def test_an_edit_of_the_last_answer_corrects_what_is_remembered(settings, opened, store):
    sessions = opened(settings)
    i = sessions.create(ANN, SessionRequest(mode="talk")).id
    say(sessions, i, GOAL)
    view = say(sessions, i, Edit(text="It is 4."))
    assert kinds(view) == ["human", "turn", "edit"]
    say(sessions, i, Say(text="Say it in French."))
    last = max(store.interactions(LIVE_CYCLE), key=lambda row: row.created_at)
    assert last.messages[2].content == "It is 4."
    assert len(store.annotations()) == 1
