"""How the threads of the numerical libraries wait for each other, set before any of them is imported.

Called first thing by the command line and the flows, as `camelx.runtime.offline` is.
"""

from __future__ import annotations

import os

_SPINS = "2000"
"""Turns that GNU OpenMP, which PyTorch's CPU builds use, waits before it sleeps; its default is millions."""


def let_waiting_threads_sleep() -> None:
    """Let OpenMP's threads soon sleep at a barrier instead of spinning, unless the user has said otherwise.

    Small models meet thousands of barriers a second. A spinning thread holds the core that the one it waits
    for needs, so that any other process on the machine makes the model several times slower; a short wait
    keeps most of the speed of an idle machine (docs/lab-log.md has the figures).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
