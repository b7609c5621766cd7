"""The part of `Store` that holds what happens in cycles, numbered within each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, insert, select
from sqlalchemy.engine import Row

from camelx.schemas import CycleEvent, EventKind, EventPayload
from camelx.storage.database import Database
from camelx.storage.rows import readable_of
from camelx.storage.tables import CycleEventRow, CycleRow


class Events(Database):
    """What happens in cycles. Numbers have no gaps, and become visible in their order."""

    def add_events(self, cycle_id: str, happened: Sequence[tuple[datetime, EventPayload]]) -> int:
        """Store what happened, in this order behind what is there, and return the number of the last.

        Two writers get numbers of their own: the second waits until the first has committed, so that a
        reader who has seen a number has seen all lower ones.

        Args:
            cycle_id: The cycle, which must be stored.
            happened: Moment and payload of each.

        Raises:
            StorageError: There is no such cycle.
        """
        with self._write(f"saving {len(happened)} events of cycle {cycle_id}") as connection:
            # SQLite has one writer at a time anyhow. Rows that refer to the cycle are not kept waiting.
            mine = select(CycleRow.id).where(CycleRow.id == cycle_id)
            connection.execute(mine.with_for_update(key_share=True))
            last = select(func.max(CycleEventRow.seq)).where(CycleEventRow.cycle_id == cycle_id)
            before = int(connection.scalar(last) or 0)
            if happened:
                rows = [
                    _row(cycle_id, before + i, at, payload) for i, (at, payload) in enumerate(happened, 1)
                ]
                connection.execute(insert(CycleEventRow), rows)
        return before + len(happened)

    def events_after(
        self, cycle_id: str, seq: int = 0, limit: int = 500, *, kinds: Collection[EventKind] | None = None
    ) -> list[CycleEvent]:
        """Return at most `limit` events of a cycle whose number is higher than `seq`, in order.

        One that this version can't read is left out, which its number shows.

        Args:
            cycle_id: The cycle; one that does not exist has none.
            seq: The last number that is known; 0: none.
            limit: Most events to return; what remains comes with the next call.
            kinds: Only these.
        """
        found: list[CycleEvent] = []
        while True:
            query = _of_cycle(cycle_id, kinds).where(CycleEventRow.seq > seq)
            wanted = limit - len(found)
            rows = self._read(
                f"reading the events of cycle {cycle_id}", query.order_by(CycleEventRow.seq).limit(wanted)
            )
            found += readable_of(CycleEvent, rows, _name)
            if len(rows) < wanted or len(found) == limit:
                return found
            seq = rows[-1].seq

    def last_events(
        self, cycle_id: str, limit: int = 100, *, kinds: Collection[EventKind] | None = None
    ) -> list[CycleEvent]:
        """Return the last events of a cycle, oldest first: what a page that is opened late begins with."""
        query = _of_cycle(cycle_id, kinds).order_by(CycleEventRow.seq.desc()).limit(limit)
        rows = self._read(f"reading the events of cycle {cycle_id}", query)
        return readable_of(CycleEvent, reversed(rows), _name)

    def prune_events(self, before: datetime) -> int:
        """Remove events that happened earlier and return how many; each cycle keeps its last one.

        The last one stays so that the numbers of a cycle that goes on never begin again.
        """
        newest = CycleEventRow.__table__.alias("newest")
        last = select(func.max(newest.c.seq)).where(newest.c.cycle_id == CycleEventRow.cycle_id)
        with self._write("removing old events") as connection:
            old = CycleEventRow.at < before
            done = connection.execute(
                delete(CycleEventRow).where(old, CycleEventRow.seq < last.scalar_subquery())
            )
        return int(done.rowcount)


def _of_cycle(cycle_id: str, kinds: Collection[EventKind] | None) -> Select[Any]:
    query = select(CycleEventRow.cycle_id, CycleEventRow.seq, CycleEventRow.at, CycleEventRow.payload)
    query = query.where(CycleEventRow.cycle_id == cycle_id)
    return query if kinds is None else query.where(CycleEventRow.kind.in_(sorted(kinds)))


def _name(row: Row[Any]) -> str:
    return f"event {row.seq} of cycle {row.cycle_id}"


def _row(cycle_id: str, seq: int, at: datetime, payload: EventPayload) -> dict[str, Any]:
    document = payload.model_dump(mode="json")
    return {"cycle_id": cycle_id, "seq": seq, "at": at, "kind": payload.kind, "payload": document}
