"""Who has judged and skipped what of a cycle, and what comes next for somebody.

In: a `CycleIndex`, what the database says was given. Out: candidates for one person, the most telling first.
Knows no database: what it offers is checked there again when the lease is taken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from camelx.annotation.candidates import Candidate, CycleIndex, drawn, pair_key
from camelx.config import Settings
from camelx.schemas import Given, Role, Skip, Verdict


@dataclass(frozen=True)
class QueueRules:
    """How the queue is made up; the defaults are those of the settings."""

    lease_s: float = 600
    """Seconds for which an item is one person's."""
    repeat_share: float = 0.05
    """Share of a person's items that they judged before."""
    repeat_gap: int = 20
    """Verdicts of the person between an item and its repeat."""
    overlap_share: float = 0.1
    """Share of all items that `overlap_n` people judge."""
    overlap_n: int = 2
    """How many people judge an item of that share."""
    anchors: int = 20
    """Decided verdicts that a category should have."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the rules that the settings name."""
        return cls(
            lease_s=settings.annotation_lease_s,
            repeat_share=settings.annotation_repeat_share,
            repeat_gap=settings.annotation_repeat_gap,
            overlap_share=settings.annotation_overlap_share,
            overlap_n=settings.annotation_overlap_n,
            anchors=settings.annotation_anchors,
        )

    def n_judges(self, candidate: Candidate) -> int:
        """Return how many people are wanted for the item."""
        return self.overlap_n if candidate.overlap_draw < self.overlap_share else 1


@dataclass(frozen=True)
class Wanted:
    """What a person wants to judge; None: anything."""

    cycle_id: str | None = None
    """None: the latest ranked cycle."""
    role: Role | None = None
    category: str | None = None

    def fits(self, candidate: Candidate) -> bool:
        """Return whether the item is of that kind."""
        return self.role in (None, candidate.role) and self.category in (None, candidate.category)


@dataclass(frozen=True)
class Choice:
    """An item for one person."""

    candidate: Candidate
    repeat: int = 0


class Standing:
    """What was judged and skipped of one cycle, as far as this app knows.

    The order: the score of an item is `Candidate.doubt` (0 to 2) plus the share of wanted anchors that its
    category lacks (0 to 1). So what the agents are least sure of comes first, and among equally doubtful
    items those of a category whose reviewers nobody has checked yet.
    """

    def __init__(
        self, index: CycleIndex, given: Iterable[Given], skips: Iterable[Skip], rules: QueueRules
    ) -> None:
        self.index, self._rules = index, rules
        self._judges: dict[str, set[str]] = defaultdict(set)
        self._settled: set[str] = set()
        self._looks: dict[str, list[tuple[str, int]]] = defaultdict(list)
        """Items and repeats that each person judged, in order."""
        self._repeated: set[tuple[str, str]] = set()
        self._skipped: dict[str, set[str]] = defaultdict(set)
        self._seen: set[tuple[str, str, int]] = set()
        decided: Counter[str] = Counter()
        for one in given:
            candidate = index.by_pair.get(pair_key(one.first_id, one.second_id))
            if candidate is not None and self._note(
                candidate.key, one.annotator, one.repeat, one.adjudicated
            ):
                decided[candidate.category] += one.verdict in (Verdict.FIRST, Verdict.SECOND)
        for skip in skips:
            self.skip(skip.item_key, skip.annotator)
        self._order = sorted(index.candidates, key=lambda c: (-self._score(c, decided), c.key))

    def _score(self, candidate: Candidate, decided: Counter[str]) -> float:
        wanted = self._rules.anchors
        lacks = max(0.0, 1 - decided[candidate.category] / wanted) if wanted else 0.0
        return candidate.doubt + lacks

    def judge(self, key: str, annotator: str, repeat: int) -> None:
        """Note that the person judged the item."""
        self._note(key, annotator, repeat, adjudicated=False)

    def skip(self, key: str, annotator: str) -> None:
        """Note that the person passed the item by."""
        self._skipped[annotator].add(key)

    def _note(self, key: str, annotator: str, repeat: int, adjudicated: bool) -> bool:
        """Return whether this is the item's first mention by the person: pairs of the same texts are one."""
        if adjudicated:
            self._settled.add(key)
            return False
        if (key, annotator, repeat) in self._seen:
            return False
        self._seen.add((key, annotator, repeat))
        self._looks[annotator].append((key, repeat))
        if repeat:
            self._repeated.add((annotator, key))
            return False
        self._judges[key].add(annotator)
        return True

    def has_judged(self, key: str, annotator: str, repeat: int = 0) -> bool:
        """Return whether the person judged the item, or gave that repeat of it."""
        return (key, annotator, repeat) in self._seen

    def n_skipped(self, annotator: str) -> int:
        """Return how many items the person passed by and has not judged."""
        return sum(not self.has_judged(key, annotator) for key in tuple(self._skipped.get(annotator, ())))

    def choices(self, annotator: str, wanted: Wanted, leased: Collection[str]) -> Iterator[Choice]:
        """Yield what the person may judge now, the most telling first; where a repeat is due, that one.

        Args:
            annotator: The person.
            wanted: What they want to judge.
            leased: Keys of the items that others have before them.
        """
        repeat = self._due_repeat(annotator, wanted)
        if repeat is not None:
            yield repeat
        yield from (Choice(c) for c in self.open_for(annotator, wanted) if c.key not in leased)

    def open_for(self, annotator: str, wanted: Wanted) -> Iterator[Candidate]:
        """Yield what is left for the person, the most telling first, whoever has it before them now."""
        skipped = self._skipped.get(annotator, ())
        for candidate in self._order:
            key = candidate.key
            judges = self._judges.get(key, ())
            if annotator in judges or key in skipped or key in self._settled:
                continue
            if len(judges) < self._rules.n_judges(candidate) and wanted.fits(candidate):
                yield candidate

    def _due_repeat(self, annotator: str, wanted: Wanted) -> Choice | None:
        """Return a repeat for the share of the person's items that the settings name.

        Which of their items, counted, are repeats is drawn by hash, so a reload changes nothing.
        """
        looks = self._looks.get(annotator, [])
        draw = drawn("repeat", annotator, self.index.cycle_id, len(looks))
        if draw >= self._rules.repeat_share:
            return None
        skipped = self._skipped.get(annotator, ())
        old = [
            key
            for key, repeat in looks[: max(0, len(looks) - self._rules.repeat_gap)]
            if not repeat and (annotator, key) not in self._repeated and key not in skipped
        ]
        fitting = [self.index.by_key[key] for key in old if wanted.fits(self.index.by_key[key])]
        if not fitting:
            return None
        return Choice(min(fitting, key=lambda c: drawn("which", annotator, c.key)), repeat=1)
