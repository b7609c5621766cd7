"""Whole cycles on the embedded default, as `make cycle` runs them, in a folder of their own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.places import ROOT


def main() -> None:
    """One first cycle: where the time goes, what the hold-out says."""
    with tempfile.TemporaryDirectory() as root:
        _show(_cycle(root, seed=0))


def seeds(n_seeds: int = 3, n_cycles: int = 3) -> None:
    """Three cycles with each of three seeds: held-out accuracy of champion and challenger, promotions."""
    for seed in range(n_seeds):
        with tempfile.TemporaryDirectory() as root:
            for number in range(1, n_cycles + 1):
                done = _cycle(root, seed)
                h = done["heldout"]
                sys.stdout.write(
                    f"seed {seed} cycle {number}: {h['champion']:.1%} -> {h['challenger']:.1%} "
                    f"({100 * h['low']:+.1f} to {100 * h['high']:+.1f}), "
                    f"{'promoted' if done['promoted'] else 'not promoted'}, {done['n_pairs']} pairs, "
                    f"{done['seconds']:.0f} s\n"
                )
                sys.stdout.flush()


def _cycle(root: str, seed: int) -> dict[str, Any]:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "camelx"), "cycle", "--json", "--seed", str(seed)],
        env=os.environ | {"CAMELX_ROOT": root},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _show(done: dict[str, Any]) -> None:
    for stage in done["stages"]:
        share = stage["seconds"] / done["seconds"]
        sys.stdout.write(
            f"{stage['name']:<26}{stage['seconds']:7.1f} s {share:5.0%}, "
            f"model {stage['model_seconds']:6.1f} s\n"
        )
    rest = done["seconds"] - sum(stage["seconds"] for stage in done["stages"])
    sys.stdout.write(f"{'start, Prefect, end':<26}{rest:7.1f} s {rest / done['seconds']:5.0%}\n")
    sys.stdout.write(
        f"{'all':<26}{done['seconds']:7.1f} s, overhead {done['overhead_share']:.0%}, "
        f"peak {done['peak_rss_mb']:,.0f} MiB\n{json.dumps(done['heldout'])}\n"
    )
