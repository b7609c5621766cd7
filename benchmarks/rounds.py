"""Importing, ranking, exporting and validating the 8,000 votes of prd_vicuna80, and the ranking benchmark."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.places import CAMELX, ROOT

FITTING = ("--set", "training.max_length=1024")
"""The answers are longer than those of the demo model, whose context is as long."""


def main() -> None:
    """Import, rank, export and validate 8,000 real votes; then every ranker against people."""
    folder = Path(os.environ.get("CAMELX_REAL_DATA", ROOT.parent / "shared" / "data"))
    path = folder / "prd_vicuna80" / "rounds.jsonl"
    if not path.exists():
        sys.stdout.write(f"skipped: {path} is not there; set CAMELX_REAL_DATA\n")
        return
    with tempfile.TemporaryDirectory() as root:
        environment = os.environ | {"CAMELX_ROOT": root}
        start = time.perf_counter()
        imported = _camelx(environment, "import", "rounds", str(path), *FITTING, "--json")
        sys.stdout.write(f"import           {time.perf_counter() - start:6.1f} s\n")
        code = (
            "import sys; from camelx.runtime.offline import turn_off_telemetry; turn_off_telemetry()\n"
            "from camelx import stages\n"
            "for stage in ('mutual-rank', 'export-preference-pairs', 'validate'):\n"
            "    r = stages.BY_NAME[stage](sys.argv[1])\n"
            "    print(f'{stage:<24}{r.seconds:6.1f} s', dict(r.counts))"
        )
        subprocess.run(
            [sys.executable, "-c", code, imported["cycle_id"]], env=environment, cwd=ROOT, check=True
        )
        sys.stdout.write(
            f"all              {time.perf_counter() - start:6.1f} s, processes and imports included\n"
        )
    subprocess.run(
        [CAMELX, "bench", "ranking"], env=os.environ | {"CAMELX_REAL_DATA": str(folder)}, check=True
    )


def _camelx(environment: dict[str, str], *arguments: str) -> dict[str, str]:
    done = subprocess.run(
        [CAMELX, *arguments], env=environment, cwd=ROOT, check=True, capture_output=True, text=True
    )
    result: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return result
