"""How long a user waits for an import and for help, beside a bare interpreter."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import camelx": [sys.executable, "-c", "import camelx"],
    "import camelx.config": [sys.executable, "-c", "import camelx.config"],
    "camelx --help": [str(Path(sys.executable).parent / "camelx"), "--help"],
}


def main(n: int = 7) -> None:
    """Median wall time of starting Python, importing camelx and asking for help."""
    for name, command in COMMANDS.items():
        times = []
        for _ in range(n):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        sys.stdout.write(f"{name:<22}{statistics.median(times):7.3f} s\n")
