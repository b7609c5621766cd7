"""50 annotators and 200 watchers on one app while a cycle runs: latencies, lost and doubled verdicts.

Everything is real: the app is `camelx serve` in a process of its own, the cycle is `camelx cycle` in another,
and both share the machine and the database with the load. Annotators think for some seconds and send every
tenth verdict twice; watchers follow the cycle and are cut off once. Traffic goes to this machine alone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks import places
from benchmarks.places import CAMELX, ROOT

N_ANNOTATORS, N_WATCHERS = 50, 200
SECONDS = float(os.environ.get("CAMELX_BENCH_SECONDS", "90"))
COMING_S = 10.0
"""Everybody has come after so long: where all connect in one instant, who asks then waits for that."""
THINK_S = 5.0
"""Mean time between an item and the verdict on it; people take longer."""


@dataclass
class Load:
    """What the annotators and the watchers saw."""

    calls: dict[str, list[float]] = field(default_factory=lambda: {"next": [], "verdict": []})
    statuses: Counter[str] = field(default_factory=Counter)
    verdicts: list[tuple[str, frozenset[str], int]] = field(default_factory=list)
    """Annotator, pair and repeat of every verdict that was accepted as new."""
    seen: list[list[int]] = field(default_factory=list)
    """Sequence numbers that each watcher received."""
    n_dropped: int = 0


def main() -> None:
    """50 annotators and 200 WebSocket clients during a cycle, on PostgreSQL and on SQLite."""
    for kind in ("postgresql", "sqlite"):
        with tempfile.TemporaryDirectory() as made, database(kind, Path(made)) as url:
            environment = os.environ | {
                "CAMELX_ROOT": made,
                "CAMELX_DATABASE_URL": url,
                "CAMELX_SIGN_IN": "on",
                "OMP_NUM_THREADS": "1",
            }
            run([CAMELX, "cycle"], environment)  # what the annotators judge
            tokens = make_people(environment)
            with places.app(environment) as (_, url_of_app), cycle(environment) as cycle_id:
                load = asyncio.run(apply(url_of_app, cycle_id, tokens))
            show(kind, load, stored_verdicts(url))


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'camelx.db'}"
        return
    with places.postgresql(folder / "pg") as url:
        yield url


def run(command: list[str], environment: dict[str, str], given: str | None = None) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(command, env=environment, cwd=ROOT, input=given, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


def make_people(environment: dict[str, str]) -> list[str]:
    """Add the annotators and return a token of each."""
    code = (
        "from camelx.config import settings\n"
        "from camelx.access import LOCAL, Access\n"
        "from camelx.cycles import open_store\n"
        "from camelx.schemas import AccessRole\n"
        "with open_store() as store:\n"
        "    access = Access(store, settings())\n"
        "    access.add_user('boss', AccessRole.ADMIN, 'a long enough password', by=LOCAL)\n"
        f"    for n in range({N_ANNOTATORS}):\n"
        "        user = access.add_user(f'person-{n}', AccessRole.ANNOTATOR, 'a long password', by=LOCAL)\n"
        "        print(access.make_token(user.name, 'load', None, None, by=LOCAL)[1])\n"
    )
    return run([sys.executable, "-c", code], environment).split()


@contextmanager
def cycle(environment: dict[str, str]) -> Iterator[str]:
    """Run a cycle beside the block and give its id."""
    known = {c["cycle_id"] for c in json.loads(run([CAMELX, "cycles", "--json"], environment))}
    process = subprocess.Popen(
        [CAMELX, "cycle"],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while not (new := _cycle_ids(environment) - known):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the cycle did not start")
            time.sleep(1)
        yield new.pop()
    finally:
        process.terminate()
        process.wait()


def _cycle_ids(environment: dict[str, str]) -> set[str]:
    return {c["cycle_id"] for c in json.loads(run([CAMELX, "cycles", "--json"], environment))}


async def apply(url: str, cycle_id: str, tokens: list[str]) -> Load:
    """Let all people in for `SECONDS` and return what they saw."""
    load, end = Load(), time.monotonic() + SECONDS
    limits = httpx.Limits(max_connections=N_ANNOTATORS, max_keepalive_connections=N_ANNOTATORS)
    async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits) as client:
        people = [annotate(client, token, n, load, end) for n, token in enumerate(tokens)]
        watchers = [watch(url, cycle_id, tokens[n % len(tokens)], load, end) for n in range(N_WATCHERS)]
        await asyncio.gather(*people, *watchers)
    return load


async def annotate(client: httpx.AsyncClient, token: str, number: int, load: Load, end: float) -> None:
    """Judge one pair after the other, thinking in between."""
    chance = random.Random(number)
    headers = {"Authorization": f"Bearer {token}"}
    await asyncio.sleep(chance.uniform(0, COMING_S))
    while time.monotonic() < end:
        item = (await timed(client, load, "next", "GET", headers, None)).get("item")
        if item is None:
            return
        await asyncio.sleep(chance.expovariate(1 / THINK_S))
        names = ("first_id", "second_id", "repeat", "submission_id")
        said = {name: item[name] for name in names} | {"verdict": chance.choice(["first", "second", "tie"])}
        for _ in range(2 if chance.random() < 0.1 else 1):
            saved = await timed(client, load, "verdict", "POST", headers, said)
            if saved.get("is_new"):
                first = saved["annotations"][0]
                pair = frozenset((first["first_id"], first["second_id"]))
                load.verdicts.append((f"person-{number}", pair, item["repeat"]))


async def timed(
    client: httpx.AsyncClient,
    load: Load,
    what: str,
    method: str,
    headers: dict[str, str],
    body: dict[str, Any] | None,
) -> dict[str, Any]:
    """Make a call, note how long it took, and return its answer."""
    path = "/api/v1/annotations/next" if what == "next" else "/api/v1/annotations"
    start = time.perf_counter()
    answer = await client.request(method, path, headers=headers, json=body)
    load.calls[what].append(time.perf_counter() - start)
    load.statuses[f"{what} {answer.status_code}"] += 1
    result: dict[str, Any] = answer.json() if answer.status_code < 300 else {}
    return result


async def watch(url: str, cycle_id: str, token: str, load: Load, end: float) -> None:
    """Follow the cycle, cut off once in the middle, and keep every number that comes."""
    numbers: list[int] = []
    load.seen.append(numbers)
    cut = time.monotonic() + random.Random(token).uniform(0.3, 0.7) * (end - time.monotonic())
    await asyncio.sleep(random.random() * COMING_S)
    for until in (cut, end):
        address = (
            f"{url.replace('http', 'ws')}/api/v1/ws/cycles/{cycle_id}?after={numbers[-1] if numbers else 0}"
        )
        with suppress(ConnectionClosed, TimeoutError):
            async with connect(address, additional_headers={"Authorization": f"Bearer {token}"}) as websocket:
                while (left := until - time.monotonic()) > 0:
                    message = json.loads(await asyncio.wait_for(websocket.recv(), left))
                    if "event" in message:
                        numbers.append(message["event"]["seq"])
                    load.n_dropped += message.get("n_dropped", 0)


def stored_verdicts(url: str) -> list[tuple[str, frozenset[str], int]]:
    """Return what the database holds of the people of this benchmark."""
    from camelx.storage import Store

    with Store.open(url) as store:
        goals = {goal.id for goal in store.goals()}
        found = [a for a in store.annotations(goals) if a.annotator.startswith("person-")]
    return [(a.annotator, frozenset((a.first_id, a.second_id)), a.repeat) for a in found]


def show(kind: str, load: Load, stored: list[tuple[str, frozenset[str], int]]) -> None:
    """Print the figures."""
    sys.stdout.write(f"\n{kind}: {N_ANNOTATORS} annotators, {N_WATCHERS} watchers, {SECONDS:.0f} s\n")
    for what, seconds in load.calls.items():
        cuts = statistics.quantiles(seconds, n=100)
        sys.stdout.write(
            f"{what:<8}{len(seconds):6,} calls  p50 {1e3 * cuts[49]:6.0f} ms  p95 {1e3 * cuts[94]:6.0f} ms  "
            f"p99 {1e3 * cuts[98]:6.0f} ms\n"
        )
    kept, doubled = set(stored), len(stored) - len(set(stored))
    lost = [verdict for verdict in load.verdicts if verdict not in kept]
    twice = len(load.verdicts) - len(set(load.verdicts))
    gaps = sum(b != a + 1 for numbers in load.seen for a, b in itertools.pairwise(numbers))
    sys.stdout.write(
        f"verdicts {len(load.verdicts):,} new, {len(lost)} lost, {doubled} doubled in the database, {twice} "
        f"counted twice; answers {dict(load.statuses)}\n"
        f"events   {sum(map(len, load.seen)):,} received by {sum(map(bool, load.seen))} watchers, "
        f"{gaps} gaps, {load.n_dropped} dropped for slow ones\n"
    )
    sys.stdout.flush()
