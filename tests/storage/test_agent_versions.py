"""The history of agents files, in both databases."""

from __future__ import annotations

import threading

import pytest

from camelx.errors import ConflictError, NotFoundError
from camelx.schemas import AgentVersion, utc_now
from camelx.storage import downgrade


def _version(number, text="backends: {}\n", file="agents.yaml", **fields):
    given = {"sha256": "0" * 64, "origin": "saved", "author": "ann", "at": utc_now()}
    return AgentVersion(file=file, number=number, text=text, **(given | fields))


def test_versions_come_back_as_they_were_newest_first_and_by_file(store):
    first, second = _version(1, "a: ü\n", note="first"), _version(2, origin="outside", author="")
    for version in (first, second, _version(1, file="agents-big.yaml")):
        store.add_agent_version(version)
    assert store.agent_versions("agents.yaml") == [second, first]
    assert store.agent_versions("agents.yaml", limit=1) == [second]
    assert store.latest_agent_version("agents.yaml") == second
    assert store.agent_version("agents.yaml", 1) == first
    assert store.latest_agent_version("nothing.yaml") is None


def test_a_version_that_is_not_there_is_answered_with_the_newest(store):
    with pytest.raises(NotFoundError, match=r"no version 3; there are none yet"):
        store.agent_version("agents.yaml", 3)
    store.add_agent_version(_version(1))
    with pytest.raises(NotFoundError, match=r"no version 3; the newest is 1"):
        store.agent_version("agents.yaml", 3)


def test_of_many_who_write_one_number_one_wins(store):
    refused, barrier = [], threading.Barrier(4)

    def write(text):
        barrier.wait()
        try:
            store.add_agent_version(_version(1, text))
        except ConflictError:
            refused.append(text)

    threads = [threading.Thread(target=write, args=(f"{i}: {i}\n",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (kept,) = store.agent_versions("agents.yaml")
    assert len(refused) == 3
    assert kept.text not in refused


def test_a_step_down_forgets_the_history_alone(database):
    from camelx.schemas import Goal
    from camelx.storage import Store

    with Store.open(database) as store:
        store.add_goals([Goal.new("g")])
        store.add_agent_version(_version(1))
    downgrade(database, "0009")
    with Store.open(database) as store:
        assert (len(store.goals()), store.agent_versions("agents.yaml")) == (1, [])
