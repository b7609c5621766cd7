"""Loaded models: those of one cycle's team, and those that all people share who ask an app's models.

A team loads what its agents need and drops it with itself. Live sessions and questions to two versions come
and go in threads of their own; their models stay loaded, in one event loop, so that what several people ask
at once is answered in one batch.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from camelx.agents.policy import PolicyModel
from camelx.config import TransformersBackendConfig
from camelx.errors import AgentError

if TYPE_CHECKING:
    from camelx.agents.engine import Engine

_MAX_LOADED = 4
"""Models that an app keeps in memory: champion, challenger, base and one more."""

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
        self._lock, self._is_closed = threading.Lock(), False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def get(self, config: TransformersBackendConfig, policy: PolicyModel) -> Engine:
        """Return the engine on a model, as `Engines.get` does, one caller at a time."""
        with self._lock:
            if self._is_closed:
                raise AgentError("the app is stopping; no model is loaded any more")
            engine = super().get(config, policy)
            while len(self._loaded) > _MAX_LOADED:
                self._loaded.popitem(last=False)  # a session that uses it keeps it alive
            return engine

    def close(self) -> None:
        """End what is under way, at the next token, and let the models go; who waits is told."""
        with self._lock:
            self._is_closed = True
            loop, self._loop = self._loop, None
            self._loaded.clear()
        if loop is not None and self._thread is not None:
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop in which the models work; it begins with the first of them."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="live-models", daemon=True)
            self._thread.start()
        return self._loop

    def _opened(self, config: TransformersBackendConfig, policy: PolicyModel) -> Engine:
        from camelx.agents.sharing import SharedEngine
        from camelx.agents.transformers_backend import open_engine

        return open_engine(
            policy,
            device=config.device,
            dtype=config.dtype,
            max_batch=config.max_batch,
            make=partial(SharedEngine, self._running_loop()),
        )


async def _cancel_all() -> None:
    """Cancel all other tasks of the running loop, and return once they have ended."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
