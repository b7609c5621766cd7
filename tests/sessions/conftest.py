from __future__ import annotations

import threading

import pytest

from camelx.agents import SharedEngines
from camelx.sessions import SessionRegistry
from camelx.storage import Store

from .playing import write_configs


@pytest.fixture
def settings(tmp_path):
    return write_configs(tmp_path)


@pytest.fixture
def slow(tmp_path):
    """Agents that speak a word each 20 ms, so that there is time to interject."""
    return write_configs(tmp_path, piece_s=0.1)


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'camelx.db'}") as opened:
        yield opened


@pytest.fixture
def opened(store):
    """Makes registries, and closes them; no thread of a session may be left."""
    made, engines = [], SharedEngines()

    def make(settings, **fields):
        made.append(SessionRegistry(store, settings, engines, **fields))
        return made[-1]

    yield make
    for registry in made:
        registry.close()
    engines.close()
    assert [t.name for t in threading.enumerate() if t.name.startswith(("session-", "live-"))] == []
