"""Sessions that Langroid runs: its Task, its ChatAgent, and its MockLM."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from camelx.agents import CUT, Listener
from camelx.errors import AgentError
from camelx.schemas import LIVE_CYCLE, Message, Reply, Role
from camelx.sessions import Approve, Interject, Say, SessionRequest
from camelx.sessions.langroid_backend import LangroidParticipant, _own_vocabulary

from .playing import ANN, hear, kinds, say, write_configs

if not __import__("importlib.util").util.find_spec("langroid"):
    pytest.skip("needs the extra langroid, which has constraints of its own", allow_module_level=True)


def agent(ask=None):
    facts = {"name": "solver", "role": Role.EXECUTOR, "model": "m", "adapter_version": None, "system": "S."}
    return SimpleNamespace(**facts, backend=SimpleNamespace(), ask=ask)


def mock(response_fn):
    with _own_vocabulary():
        from langroid.language_models.mock_lm import MockLM, MockLMConfig
    return MockLM(MockLMConfig(response_fn=response_fn))


async def turn(participant, text, stop=None, pieces=None):
    heard = [] if pieces is None else pieces
    return await participant.say(
        text,
        seed=1,
        stop=stop or asyncio.Event(),
        heard_by=Listener(heard.append, lambda call: None, heard.clear),
    )


async def test_a_mock_model_answers_turn_after_turn_in_one_task():
    participant = LangroidParticipant(agent(), llm=mock(lambda said: f"You said {said}."))
    heard: list[str] = []
    first = await turn(participant, "one", pieces=heard)
    assert (first.text, "".join(heard)) == ("You said one.", "You said one.")
    running = participant._running
    assert (await turn(participant, "two")).text == "You said two."
    assert participant._running is running, "the Task was not begun anew"
    assert [m.content for m in participant.messages("three")] == [
        "S.", "one", "You said one.", "two", "You said two.", "three",
    ]  # fmt: skip
    await participant.aclose()
    assert running.done()


@pytest.mark.parametrize("word", ["q", "bye", "DONE", "quit"])
async def test_words_that_end_a_task_in_langroid_end_nothing_here(word):
    participant = LangroidParticipant(agent(), llm=mock(lambda said: f"You said {said}."))
    await turn(participant, "hello")
    assert (await turn(participant, word)).text == f"You said {word}."
    assert (await turn(participant, "on")).text == "You said on."
    await participant.aclose()


async def test_a_failed_answer_is_not_remembered_and_the_next_one_works():
    async def ask(messages, *, seed):
        if messages[-1].content == "bad":
            raise AgentError("no")
        return Reply(text=f"{len(messages)} messages")

    participant = LangroidParticipant(agent(ask))
    await turn(participant, "good")
    with pytest.raises(AgentError, match="no"):
        await turn(participant, "bad")
    assert (await turn(participant, "again")).text == "4 messages"
    await participant.aclose()


async def test_a_stop_keeps_what_was_said():
    from camelx.agents.streaming import listening

    async def ask(messages, *, seed):
        listening.get().text("So far")
        await asyncio.sleep(60)

    participant, stop = LangroidParticipant(agent(ask)), asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, stop.set)
    reply = await turn(participant, "go", stop)
    assert (reply.text, reply.finish_reason) == ("So far", CUT)
    assert participant.messages("x")[-2].content == "So far"
    await participant.aclose()


async def test_what_was_remembered_is_taken_up_and_can_be_corrected():
    history = [Message(role="user", content="one"), Message(role="assistant", content="wrong")]
    participant = LangroidParticipant(agent(), history, llm=mock(lambda said: "ok"))
    participant.correct("right")
    assert [m.content for m in participant.messages("two")] == ["S.", "one", "right", "two"]
    await turn(participant, "two")
    participant.correct("")
    assert [m.content for m in participant.messages("x")] == ["S.", "one", "right", "x"]
    await participant.aclose()


def test_a_whole_session_on_langroid(tmp_path, opened, store):
    sessions = opened(write_configs(tmp_path, piece_s=0.05))
    i = sessions.create(ANN, SessionRequest(backend="langroid")).id
    sessions.send(ANN, i, Say(text="How much is 2 and 2?"))
    hear(sessions, i, "Plan 1:")
    view = say(sessions, i, Interject(text="Take another way."), "deciding")
    assert kinds(view) == ["human", "proposal", "human", "proposal"]
    view = say(sessions, i, Approve())
    assert view.events[-1].text == "Carried out: the answer is 4."
    assert len(store.interactions(LIVE_CYCLE)) == 3
    sessions.end(ANN, i)
    view = say(sessions, i, Say(text="And 3 and 3?"), "deciding")
    last = max(store.interactions(LIVE_CYCLE), key=lambda row: row.created_at)
    assert len(last.messages) == 6, "its memory was taken up"
