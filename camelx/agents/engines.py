"""Loaded models: those of one cycle's team, and those that all live sessions of an app share.

A team loads what its agents need and drops it with itself. Live sessions come and go in threads of their own;
their models stay loaded, in one event loop, so that what several people ask at once is answered in one batch.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from camelx.agents.policy import PolicyModel
from camelx.config import TransformersBackendConfig

if TYPE_CHECKING:
    from camelx.agents.engine import Engine

_MAX_LOADED = 4
"""Models that live sessions keep in memory: champion, challenger, base and one more."""

_Key = tuple[PolicyModel, str, str, int]


class Engines:
    """The models of one team, each loaded once."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[_Key, Engine] = OrderedDict()

    @property
    def seconds(self) -> float:
        """Seconds inside generate calls."""
        return sum(engine.seconds for engine in self._loaded.values())

    def get(self, config: TransformersBackendConfig, policy: PolicyModel) -> Engine:
        """Return the engine on a model, which is loaded where it is not yet.

        Raises:
            ConfigError: The base's directory is missing or holds no model.
            AgentError: The files can't be loaded, or hold pickles.
        """
        key = (policy, config.device, config.dtype, config.max_batch)
        if key not in self._loaded:
            self._loaded[key] = self._opened(config, policy)
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _opened(self, config: TransformersBackendConfig, policy: PolicyModel) -> Engine:
        from camelx.agents.transformers_backend import open_engine

        return open_engine(policy, device=config.device, dtype=config.dtype, max_batch=config.max_batch)


class SharedEngines(Engines):
    """Models for many event loops in many threads; those that were not asked for longest are let go."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="live-models", daemon=True)
        self._thread.start()

    def get(self, config: TransformersBackendConfig, policy: PolicyModel) -> Engine:
        """Return the engine on a model, as `Engines.get` does, one caller at a time."""
        with self._lock:
            engine = super().get(config, policy)
            while len(self._loaded) > _MAX_LOADED:
                self._loaded.popitem(last=False)  # a session that uses it keeps it alive
            return engine

    def close(self) -> None:
        """End the event loop; what is under way is not answered any more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        self._loaded.clear()

    def _opened(self, config: TransformersBackendConfig, policy: PolicyModel) -> Engine:
        from camelx.agents.sharing import SharedEngine
        from camelx.agents.transformers_backend import open_engine

        return open_engine(
            policy,
            device=config.device,
            dtype=config.dtype,
            max_batch=config.max_batch,
            make=partial(SharedEngine, self._loop),
        )
