"""Demo data, exports, migrations, backups and restores of a million interactions, in SQLite and PostgreSQL.

VOLUME_ROWS sets another number of rows, VOLUME_DATABASES ("sqlite postgresql") leaves one out, VOLUME_FOLDER
names a folder that is kept and used again: a database that is there already is taken as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from benchmarks import places
from camelx.storage import database_revision

N_ROWS = int(os.environ.get("VOLUME_ROWS", "1000000"))
DATABASES = os.environ.get("VOLUME_DATABASES", "sqlite postgresql").split()
BEFORE = "0008"
"""The revision before the explorer's tables."""
_LOOK_EVERY_S = 0.1


def main() -> None:
    """What a million interactions take: to make, to send as a file, to migrate, to save and to bring back."""
    with places.folder("VOLUME_FOLDER") as folder:
        if "sqlite" in DATABASES:
            _measure("SQLite", folder / "sqlite", f"sqlite:///{folder / 'sqlite' / 'camelx.db'}")
        if "postgresql" in DATABASES:
            with places.postgresql(folder / "pg") as url:
                _measure("PostgreSQL", folder / "postgresql", url)


def _measure(name: str, root: Path, url: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    _say(f"\n{name:80}{'seconds':>10}{'CPU s':>10}{'peak MiB':>10}")
    if database_revision(url) is None:
        _command(root, url, "demo-data", "--interactions", str(N_ROWS))
    _exports(root, url)
    saved = root / "saved.zip"
    saved.unlink(missing_ok=True)
    _command(root, url, "db", "backup", str(saved))
    _say(f"    {saved.stat().st_size / 2**20:,.0f} MiB")
    _command(root, url, "db", "restore", "--replace", str(saved))
    _command(root, url, "db", "downgrade", "--lose", BEFORE)
    _command(root, url, "db", "upgrade")


def _command(root: Path, url: str, *arguments: str) -> None:
    """Run the command and print its time, its processor time (without PostgreSQL's) and its peak memory."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [places.CAMELX, *arguments], env=_environment(root, url), stdout=subprocess.DEVNULL
    )
    command, peak = psutil.Process(process.pid), 0.0
    # Not the peak that the system counts: in it is what this process held when it was forked.
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        peak = max(peak, command.memory_info().rss / 2**20)
        time.sleep(_LOOK_EVERY_S)
    _, status, used = ended
    if status:
        sys.exit(f"camelx {' '.join(arguments)} ended with {status}")
    shown = [Path(one).name if one.startswith("/") else one for one in arguments]
    cpu = used.ru_utime + used.ru_stime
    _row(f"camelx {' '.join(shown)}", time.perf_counter() - began, cpu, peak)


def _exports(root: Path, url: str) -> None:
    """Fetch all interactions from a server of their own and print what that took, the server's memory too."""
    for kind in ("jsonl", "csv", "parquet"):
        with places.app(_environment(root, url), "--no-pages") as (process, address):
            server = psutil.Process(process.pid)
            idle, used = server.memory_info().rss / 2**20, sum(server.cpu_times()[:2])
            began, n_bytes, first, peak = time.perf_counter(), 0, 0.0, 0.0
            asked = f"{address}/api/v1/interactions/export?format={kind}"
            looked = 0.0
            with httpx.stream("GET", asked, timeout=None) as answer:
                answer.raise_for_status()
                for piece in answer.iter_bytes():
                    now = time.perf_counter()
                    first, n_bytes = first or now - began, n_bytes + len(piece)
                    if now - looked > _LOOK_EVERY_S:
                        looked, peak = now, max(peak, server.memory_info().rss / 2**20)
            what = (
                f"export, {kind}: {n_bytes / 2**20:,.0f} MiB, begins after {first:.2f} s, idle {idle:.0f} MiB"
            )
            cpu = sum(server.cpu_times()[:2]) - used
            _row(what, time.perf_counter() - began, cpu, peak)


def _environment(root: Path, url: str) -> dict[str, str]:
    return {**os.environ, "CAMELX_ROOT": str(root), "CAMELX_DATABASE_URL": url, "CAMELX_PROJECT": str(root)}


def _row(what: str, seconds: float, cpu: float, mib: float) -> None:
    _say(f"{what:80}{seconds:10.1f}{cpu:10.1f}{mib:10,.0f}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
