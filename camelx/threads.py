"""How the threads of the numerical libraries wait for each other, set before any of them is imported.

Called first thing by the command line and the flows, as `camelx.offline` is.
"""

from __future__ import annotations

import os


def let_waiting_threads_sleep() -> None:
    """Let OpenMP's threads sleep at a barrier instead of spinning, unless the user has said otherwise.

    Small models meet thousands of barriers a second. A spinning thread holds the core that the one it waits
    for needs, so that any other process on the machine makes the model several times slower
    (docs/benchmarks.md has figures); on an idle machine sleeping costs nothing measurable.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
