"""The log explorer with a million interactions, in SQLite and PostgreSQL.

EXPLORER_ROWS sets another number of rows, EXPLORER_FOLDER a folder whose databases are kept and used again.
"""

from __future__ import annotations

import os
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from benchmarks import places
from camelx.schemas import Cycle, Goal, Interaction, InteractionFilter, Message, Role, Stage, stable_id
from camelx.storage import Store, database_revision, upgrade
from camelx.storage.connection import WRITES, database_url, open_engine
from camelx.storage.rows import insert_new, row_of, upsert
from camelx.storage.tables import CycleRow, GoalRow, InteractionRow

N_ROWS = int(os.environ.get("EXPLORER_ROWS", "1000000"))
PER_CYCLE = 7_000
BEFORE = "0008"
"""The revision before the explorer's tables."""
N_RUNS = 15
START = datetime(2026, 1, 1, tzinfo=UTC)

_STEPS = (
    (Stage.GENERATE, Role.PROPOSER, "proposer-{}"),
    (Stage.GENERATE, Role.EXECUTOR, "executor-{}"),
    (Stage.GENERATE, Role.EXECUTOR, "executor-{}"),
    (Stage.RANK, Role.PEER_REVIEWER, "executor-{}"),
    (Stage.RANK, Role.PEER_REVIEWER, "proposer-{}"),
    (Stage.RANK, Role.PEER_REVIEWER, "reviewer-{}"),
    (Stage.RANK, Role.PEER_REVIEWER, "reviewer-{}"),
    (Stage.EVALUATE, Role.EXECUTOR, "champion-{cycle}"),
    (Stage.EVALUATE, Role.EXECUTOR, "challenger-{cycle}"),
)


def main() -> None:
    """The log explorer with a million interactions: pages, counts, choices, and what writing costs."""
    with places.folder("EXPLORER_FOLDER") as folder:
        path = folder / "camelx.db"
        _measure("SQLite", f"sqlite:///{path}", lambda: _sqlite_bytes(path))
        with places.postgresql(folder / "pg") as url:
            _measure("PostgreSQL", url, lambda: _postgresql_bytes(url))


def _measure(name: str, url: str, size: Callable[[], int]) -> None:
    _say(f"\n{name}, {N_ROWS:,} interactions of {-(-N_ROWS // PER_CYCLE)} cycles")
    if database_revision(url) is None:
        _build(url, size)
    with Store.open(url) as store:
        _say(f"{'':46}{'first page':>16}{'from the middle':>18}{'count':>16}")
        _say(f"{'':46}" + f"{'p50':>8}{'p95':>8}" * 3 + "   ms")
        for what, wanted in _filters(store):
            _measure_filter(store, what, wanted)
        _row("choices of the filters", [_times(store.interaction_facets)])


def _measure_filter(store: Store, what: str, wanted: InteractionFilter) -> None:
    middle = store.interaction_page(InteractionFilter(until=_moment(N_ROWS // 2)), limit=1).items[0]
    older = wanted.model_copy(update={"until": min(wanted.until or middle.created_at, middle.created_at)})
    n = len(store.interaction_page(wanted).items)
    found = store.count_interactions(wanted)
    _row(
        f"{what} ({n} on the page, {'> 10,000' if found is None else format(found, ',')} in all)",
        [
            _times(lambda: store.interaction_page(wanted)),
            _times(lambda: store.interaction_page(older)),
            _times(lambda: store.count_interactions(wanted)),
        ],
    )


def _filters(store: Store) -> Iterator[tuple[str, InteractionFilter]]:
    """Yield what is measured: every filter alone, and combinations that match much and meet in little."""
    middle, newest = f"c{max(1, N_ROWS // PER_CYCLE // 2)}", f"c{N_ROWS // PER_CYCLE}"
    between = {"since": _moment(N_ROWS // 4), "until": _moment(N_ROWS // 2)}
    goal = store.goals()[0].id
    cases: dict[str, dict[str, Any]] = {
        "no filter": {},
        "cycle": {"cycle_id": middle},
        "goal": {"goal_id": goal},
        "agent": {"agent": "reviewer-1"},
        "agent of one cycle": {"agent": f"champion-{middle}"},
        "role": {"role": "proposer"},
        "model, of all": {"model": "demo"},
        "model, of 3 rows": {"model": "rare"},
        "status error": {"status": "error"},
        "status ok": {"status": "ok"},
        "stage": {"stage": "mutual-rank"},
        "time": between,
        "text, 0 hits": {"text": "absentword"},
        "text, 5 hits": {"text": "needleword"},
        "text, half of all": {"text": "halfword"},
        "text, the oldest 40 %": {"text": "oldword"},
        "text, all": {"text": "goal"},
        "text, two that never meet": {"text": "evenword oddword"},
        "text, a phrase": {"text": '"halfword goal"'},
        "text, a phrase that is nowhere": {"text": '"goal halfword"'},
        "role, model of 3 rows": {"role": "proposer", "model": "rare"},
        "role, agent that never has it": {"role": "proposer", "agent": "reviewer-1"},
        "agent, status error": {"agent": "reviewer-1", "status": "error"},
        "role, stage, model, status": {
            "role": "executor", "stage": "generate-interactions", "model": "demo", "status": "ok"},
        "goal, agent, status": {"goal_id": goal, "agent": "executor-1", "status": "cut"},
        "text of half, model of 3 rows": {"text": "halfword", "model": "rare"},
        "text of half, status error": {"text": "halfword", "status": "error"},
        "text of the oldest 40 %, role": {"text": "oldword", "role": "proposer"},
        "text of the oldest 40 %, the newest cycle": {"text": "oldword", "cycle_id": newest},
        "text of half, goal": {"text": "halfword", "goal_id": goal},
        "text of 5, role": {"text": "needleword", "role": "proposer"},
        "text of half, time": {"text": "halfword", **between},
        "text of the oldest 40 %, later time": {"text": "oldword", "since": _moment(N_ROWS // 2)},
    }  # fmt: skip
    for what, fields in cases.items():
        yield what, InteractionFilter(**fields)


# Rows


def _build(url: str, size: Callable[[], int]) -> None:
    upgrade(url, BEFORE)
    engine = open_engine(database_url(url)).execution_options(**WRITES)
    goals = [Goal.new(f"Goal number {i}") for i in range(5_000)]
    with engine.begin() as connection:
        connection.execute(insert_new(GoalRow), [row_of(goal) for goal in goals])
        cycles = [
            Cycle(id=f"c{i + 1}", number=i + 1, config={}, trace_id="t", started_at=START)
            for i in range(-(-N_ROWS // PER_CYCLE) + 3)
        ]
        connection.execute(insert_new(CycleRow), [row_of(cycle) for cycle in cycles])
    rows = (row_of(one) for one in _interactions(goals))
    _say(f"rows by 5,000, without the tables: {_write(engine, islice(rows, N_ROWS), 5_000):,.0f} rows/s")
    with_one = _write(engine, islice(rows, 2_000), 1)
    without = size()
    began = time.perf_counter()
    upgrade(url)
    _say(f"upgrade of {N_ROWS:,} rows: {time.perf_counter() - began:.0f} s")
    _say(f"size: {without / 2**20:,.0f} MiB before, {size() / 2**20:,.0f} MiB after")
    after_one = _write(engine, islice(rows, 2_000), 1)
    _say(f"one row a transaction: {with_one:,.0f} rows/s before, {after_one:,.0f} after")
    _say(f"rows by 64, with the tables: {_write(engine, islice(rows, 7_000), 64):,.0f} rows/s")
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _write(engine: Engine, rows: Iterator[dict[str, Any]], size: int) -> float:
    """Store the rows, `size` a transaction, and return how many went in a second, their making left out."""
    n, seconds = 0, 0.0
    while some := list(islice(rows, size)):
        began = time.perf_counter()
        with engine.begin() as connection:
            connection.execute(upsert(InteractionRow), some)
        seconds += time.perf_counter() - began
        n += len(some)
    return n / seconds


def _interactions(goals: list[Goal]) -> Iterator[Interaction]:
    draw = random.Random(0)
    words = [
        f"{stem}{i}"
        for i in range(2_000)
        for stem in ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu")
    ]
    weights = [1 / (i + 10) for i in range(len(words))]
    pool = draw.choices(words, weights, k=2_000_000)
    needles = {(2 * k + 1) * N_ROWS // 10 for k in range(5)}
    rare = {N_ROWS // 7 // 9 * 9 + 9 * k for k in range(3)}
    n = 0
    while True:
        cycle = n // PER_CYCLE + 1
        stage, role, agent = _STEPS[n % len(_STEPS)]
        at = draw.randrange(len(pool) - 80)
        marks = ["evenword" if n % 2 else "oddword"]
        marks += ["halfword"] if draw.random() < 0.5 else []
        marks += ["oldword"] if n < 0.4 * N_ROWS else []
        marks += ["needleword"] if n in needles else []
        prompt = f"{' '.join(marks)} goal: {' '.join(pool[at : at + 45])}"
        fate = draw.random()
        yield Interaction(
            id=stable_id("bench", n),
            cycle_id=f"c{cycle}",
            stage=stage,
            goal_id=goals[draw.randrange(len(goals))].id,
            agent=agent.format(draw.randint(1, 2), cycle=f"c{cycle}"),
            role=role,
            model="rare" if n in rare else "demo",
            messages=(
                Message(role="system", content=f"You are the {role}. Do your work."),
                Message(role="user", content=prompt),
            ),
            completion="" if fate < 0.006 else f"Answer: {' '.join(pool[at + 45 : at + 70])} {n}",
            finish_reason="length" if fate > 0.98 else "stop",
            error="timed out" if fate < 0.004 else None,
            prompt_tokens=120,
            completion_tokens=40,
            latency_s=0.3,
            seed=n,
            created_at=_moment(n),
        )
        n += 1


def _moment(n: int) -> datetime:
    """Return when row `n` was made: a cycle each six hours, a row each 14 ms of it."""
    return START + timedelta(hours=6 * (n // PER_CYCLE), milliseconds=14 * (n % PER_CYCLE))


# Figures


def _times(call: Callable[[], object]) -> tuple[float, float]:
    """Return median and 95th percentile in milliseconds."""
    taken = []
    for _ in range(N_RUNS):
        began = time.perf_counter()
        call()
        taken.append(1_000 * (time.perf_counter() - began))
    return statistics.median(taken), sorted(taken)[int(0.95 * (N_RUNS - 1))]


def _row(what: str, figures: list[tuple[float, float]]) -> None:
    _say(f"{what:70}" + "".join(f"{p50:8.1f}{p95:8.1f}" for p50, p95 in figures))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _sqlite_bytes(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:  # what is still beside the file is written into it
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def _postgresql_bytes(url: str) -> int:
    engine = open_engine(database_url(url))
    with engine.connect() as connection:
        n = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar()
    engine.dispose()
    return int(n or 0)
