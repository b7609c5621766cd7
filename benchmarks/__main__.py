"""`make bench` prints every benchmark; `make bench ARGS="startup cycle"` only those named.

Absolute times drift on shared machines: compare the ratios, taken in one run, and note them in
docs/lab-log.md.
"""

import sys
from collections.abc import Callable

from benchmarks import cycle, explorer, generation, people, ranking, rounds, startup, volume

BENCHMARKS: dict[str, Callable[[], None]] = {
    "startup": startup.main,
    "generation": generation.main,
    "rounds": rounds.main,
    "ranking": ranking.main,
    "cycle": cycle.main,
    "seeds": cycle.seeds,
    "explorer": explorer.main,
    "people": people.main,
    "volume": volume.main,
}
BY_DEFAULT = ("startup", "generation", "ranking", "rounds", "cycle")


def main() -> None:
    """Run the benchmarks named on the command line, or all but the long ones."""
    names = sys.argv[1:] or BY_DEFAULT
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"unknown benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        sys.stdout.write(f"\n== {name}: {(BENCHMARKS[name].__doc__ or '').splitlines()[0]}\n")
        sys.stdout.flush()
        BENCHMARKS[name]()


main()
