"""What the app knows of every ranked cycle: what can be judged of it, and who judged what.

In: the database. Out: `Standing`s. What a cycle offers is read once per ranking; who judged what is renewed
every few seconds. That may be late for what another app's people did: it proposes, and the database decides.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from camelx.annotation.candidates import Candidate, CycleIndex, lone_candidate, pair_key, read_index
from camelx.annotation.standing import QueueRules, Standing
from camelx.errors import NotFoundError, OrchestrationError
from camelx.schemas import CycleStatus, RankedCycle, Stage
from camelx.storage import Store

_RANKED_S = 2.0
"""A cycle that was ranked just now is seen after this."""
_STANDING_S = 10.0
"""What another app's people judged changes the order after this."""
_NEVER = -1e9


class Standings:
    """What can be judged, and what was; may be used from many threads.

    Args:
        store: The database.
        rules: How the queue is made up.
    """

    def __init__(self, store: Store, rules: QueueRules) -> None:
        self._store, self._rules = store, rules
        self._ranked: tuple[float, list[RankedCycle]] = (_NEVER, [])
        self._known: dict[str, tuple[float, Standing]] = {}
        self._reading = threading.Lock()

    def ranked_cycles(self) -> list[RankedCycle]:
        """Return the cycles that can be judged, the latest first."""
        at, found = self._ranked
        if not found or time.monotonic() - at > _RANKED_S:
            found = self._store.ranked_cycles()
            self._ranked = (time.monotonic(), found)
        return found

    def index(self, cycle_id: str | None = None) -> CycleIndex:
        """Return what can be judged of the cycle; None: of the latest that was ranked.

        Raises:
            NotFoundError: There is no such cycle, or it has nothing to judge.
            OrchestrationError: No cycle has.
        """
        return self.of(cycle_id).index

    def of(self, cycle_id: str | None = None) -> Standing:
        """Return the standing of the cycle; None: of the latest that was ranked.

        Raises:
            NotFoundError: There is no such cycle, or it has nothing to judge.
            OrchestrationError: No cycle has.
        """
        ranked = self.ranked_cycles()
        if cycle_id is None and not ranked:
            raise OrchestrationError("no cycle has comparisons to judge yet; run `camelx cycle` first")
        cycle = next((one for one in ranked if cycle_id in (None, one.cycle_id)), None)
        if cycle is None:
            raise self._nothing_to_judge(cycle_id or "")
        at, known = self._known.get(cycle.cycle_id, (_NEVER, None))
        is_same = known is not None and known.index.ranking == cycle.ranking
        if known is not None and is_same:
            is_young = time.monotonic() - at <= _STANDING_S
            # One thread reads what is new; the others go on with what is known, which the database corrects.
            if is_young or not self._reading.acquire(blocking=False):
                return known
        else:
            # While one thread reads a new ranking, those who want the latest go on with the one before.
            before = self._latest_known(ranked) if cycle_id is None else None
            if not self._reading.acquire(blocking=before is None) and before is not None:
                return before
        try:
            return self._read_standing(cycle, known.index if known is not None and is_same else None)
        finally:
            self._reading.release()

    def _nothing_to_judge(self, cycle_id: str) -> NotFoundError:
        ranked = self._store.stage_reports(cycle_id).get(Stage.RANK)
        if ranked is not None and ranked.status is CycleStatus.COMPLETED:
            why = "no goal of it has two results that reviewers could compare"
        else:
            why = f"its mutual ranking did not complete; run `camelx cycle --cycle {cycle_id}` first"
        return NotFoundError(f"there is no cycle {cycle_id!r} with comparisons to judge: {why}")

    def _latest_known(self, ranked: Sequence[RankedCycle]) -> Standing | None:
        return next((self._known[one.cycle_id][1] for one in ranked if one.cycle_id in self._known), None)

    def _read_standing(self, cycle: RankedCycle, index: CycleIndex | None) -> Standing:
        begun = time.monotonic()
        known = self._known.get(cycle.cycle_id)
        if known and index is None and known[1].index.ranking == cycle.ranking:
            return known[1]  # another thread has read it while this one waited
        index = index or read_index(self._store, cycle.cycle_id, cycle.number, cycle.ranking)
        given, skips = self._store.given_verdicts(cycle.cycle_id), self._store.skips(cycle.cycle_id)
        standing = Standing(index, given, skips, self._rules)
        self._known[cycle.cycle_id] = (begun, standing)
        return standing

    def forget(self, cycle_id: str) -> None:
        """Read at the next call what was judged of the cycle: something was taken back or changed."""
        if cycle_id in self._known:
            self._known[cycle_id] = (_NEVER, self._known[cycle_id][1])

    def forget_all(self) -> None:
        """Read at the next call what was judged of every cycle: many verdicts came or went at once."""
        for cycle_id in tuple(self._known):
            self.forget(cycle_id)

    def judged(self, candidate: Candidate, annotator: str, repeat: int) -> None:
        """Note that the person judged the item."""
        if candidate.cycle_id in self._known:
            self._known[candidate.cycle_id][1].judge(candidate.key, annotator, repeat)

    def skipped(self, candidate: Candidate, annotator: str) -> None:
        """Note that the person passed the item by."""
        if candidate.cycle_id in self._known:
            self._known[candidate.cycle_id][1].skip(candidate.key, annotator)

    def forget_pair(self, first_id: str, second_id: str) -> None:
        """Read at the next call what was judged of the cycle that the pair belongs to."""
        for cycle_id, (_, standing) in tuple(self._known.items()):
            if pair_key(first_id, second_id) in standing.index.by_pair:
                self.forget(cycle_id)

    def candidate_of(self, first_id: str, second_id: str) -> Candidate:
        """Return the item that a pair belongs to.

        A pair that no ranking compares any more is an item of its own: somebody may have it before them.

        Raises:
            NotFoundError: It is no pair that can be judged.
        """
        key = pair_key(first_id, second_id)
        for _, standing in tuple(self._known.values()):
            if key in standing.index.by_pair:
                return standing.index.by_pair[key]
        alone = lone_candidate(self._store, key)
        if alone is None:
            raise NotFoundError(
                f"{first_id} and {second_id} are no pair that can be judged: that takes two different, "
                "finished answers to the same messages in one cycle"
            )
        if any(one.cycle_id == alone.cycle_id for one in self.ranked_cycles()):
            return self.index(alone.cycle_id).by_pair.get(key, alone)
        return alone
