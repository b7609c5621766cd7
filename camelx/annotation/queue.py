"""`AnnotationQueue`: what each person judges next, and what they made of it, for many people at once.

In: the database. Out: `Offer`s, each one person's until its lease expires; annotations that count once. One
per app, kept by the workspace. What a cycle offers is read once per ranking; who judged what is kept in
memory, renewed every few seconds, and only proposes: the database decides who gets an item, in one statement,
so that several apps may serve the same queue. A call is a few indexed statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from camelx.annotation.candidates import Candidate, pair_key
from camelx.annotation.items import Item, make_item
from camelx.annotation.recording import Opinion, annotations_of, cleaned
from camelx.annotation.standing import Choice, QueueRules, Standing, Wanted
from camelx.annotation.standings import Standings
from camelx.errors import ConfigError, ConflictError, NotFoundError, OrchestrationError
from camelx.schemas import Annotation, Lease, Skip, stable_id, utc_now
from camelx.storage import Store


@dataclass(frozen=True)
class Offer:
    """An item that one person has before them."""

    item: Item
    lease: Lease


@dataclass(frozen=True)
class Recorded:
    """What a verdict made."""

    annotations: tuple[Annotation, ...]
    is_new: bool
    """False: the same submission had come before, and nothing changed."""
    says_otherwise: bool = False
    """Whether that submission said something else."""


@dataclass(frozen=True)
class Undone:
    """What was taken back, and the item, which is before the person again unless somebody else has it now."""

    annotations: tuple[Annotation, ...]
    """None where a skip was taken back."""
    offer: Offer | None


class AnnotationQueue:
    """What each person judges next; may be used from many threads.

    Args:
        store: The database.
        rules: How the queue is made up.
    """

    def __init__(self, store: Store, rules: QueueRules | None = None) -> None:
        self._store, self.rules = store, rules or QueueRules()
        self.standings = Standings(store, self.rules)
        """What can be judged, and what was."""

    def read_ahead(self) -> None:
        """Read what the latest ranking offers before somebody asks, who would wait for it."""
        with suppress(OrchestrationError):  # nothing is ranked yet
            self.standings.of()

    # Judging

    def next_item(
        self, annotator: str, wanted: Wanted | None = None, now: datetime | None = None
    ) -> Offer | None:
        """Return what the person judges next; None: nothing of what they want is left for them.

        What they have before them already comes again, sides in the same order, and stays theirs for longer.

        Raises:
            NotFoundError: The cycle has nothing to judge.
            OrchestrationError: No cycle has.
        """
        wanted, now = wanted or Wanted(), now or utc_now()
        standing = self.standings.of(wanted.cycle_id)
        leases = self._store.leases(standing.index.cycle_id, now)
        held = self._held(standing, annotator, wanted, leases, now)
        if held is not None:
            return held
        leased = {lease.item_key for lease in leases if lease.annotator != annotator and not lease.repeat}
        for choice in standing.choices(annotator, wanted, leased):
            lease = self._lease(choice, annotator, now)
            n_judges = self.rules.n_judges(choice.candidate)
            match self._store.take_lease(lease, choice.candidate.pairs[0], n_judges):
                case "taken":
                    return Offer(self._item(choice, annotator), lease)
                case "judged":
                    self.standings.forget(standing.index.cycle_id)
        return None

    def offer(self, first_id: str, second_id: str, annotator: str, now: datetime | None = None) -> Offer:
        """Return the item of this very pair, judged before or not: a verdict replaces an earlier one.

        Raises:
            NotFoundError: It is no pair that can be judged.
            ConflictError: Somebody else has it before them.
        """
        candidate, now = self.standings.candidate_of(first_id, second_id), now or utc_now()
        choice = Choice(candidate)
        leases = self._store.leases(candidate.cycle_id, now)
        own = [lease for lease in leases if lease.annotator == annotator]
        if any(lease.id == candidate.key for lease in own):
            lease = next(lease for lease in own if lease.id == candidate.key)
            return self._renewed(choice, lease, now)
        self._store.drop_leases({lease.id for lease in own}, annotator)
        lease = self._lease(choice, annotator, now)
        if self._store.take_lease(lease, candidate.pairs[0], None) != "taken":
            minutes = self.rules.lease_s / 60
            raise ConflictError(
                f"somebody else has the pair {first_id}, {second_id} before them; it is free again when they "
                f"have judged it, at the latest in {minutes:.0f} minutes"
            )
        return Offer(self._item(choice, annotator), lease)

    def _held(
        self, standing: Standing, annotator: str, wanted: Wanted, leases: Sequence[Lease], now: datetime
    ) -> Offer | None:
        """Return what the person has before them, where it is what they want; else give it back."""
        own = [lease for lease in leases if lease.annotator == annotator]
        for lease in reversed(own):
            candidate = standing.index.by_key.get(lease.item_key)
            is_done = standing.has_judged(lease.item_key, annotator, lease.repeat)
            if candidate is not None and wanted.fits(candidate) and not is_done:
                return self._renewed(Choice(candidate, lease.repeat), lease, now)
        if own:
            self._store.drop_leases({lease.id for lease in own}, annotator)
        return None

    def _renewed(self, choice: Choice, lease: Lease, now: datetime) -> Offer:
        expires_at = now + timedelta(seconds=self.rules.lease_s)
        self._store.renew_lease(lease.id, lease.annotator, expires_at)
        renewed = lease.model_copy(update={"expires_at": expires_at})
        return Offer(self._item(choice, lease.annotator), renewed)

    def _lease(self, choice: Choice, annotator: str, now: datetime) -> Lease:
        candidate = choice.candidate
        return Lease(
            id=_lease_id(candidate.key, annotator, choice.repeat),
            cycle_id=candidate.cycle_id,
            item_key=candidate.key,
            annotator=annotator,
            repeat=choice.repeat,
            submission_id=uuid4().hex,
            shown_at=now,
            expires_at=now + timedelta(seconds=self.rules.lease_s),
        )

    def _item(self, choice: Choice, annotator: str) -> Item:
        candidate = choice.candidate
        results = self._store.interactions_by_id(candidate.pairs[0])
        parents = {row.parent_id for row in results.values() if row.parent_id is not None}
        proposals = self._store.interactions_by_id(parents) if parents else {}
        (goal,) = self._store.goals(ids=[candidate.goal_id])
        pairs = candidate.pairs
        return make_item(candidate.role, pairs, annotator, goal, results, proposals, repeat=choice.repeat)

    def judge(
        self,
        first_id: str,
        second_id: str,
        annotator: str,
        opinion: Opinion,
        *,
        submission_id: str | None = None,
        repeat: int = 0,
    ) -> Recorded:
        """Keep what the person said of a pair, and of all pairs of the same texts.

        Kept whatever became of the lease: an item that was passed on after its time has two verdicts then.

        Args:
            first_id: What "first" means, A as it was shown.
            second_id: What "second" means.
            annotator: Who judged.
            opinion: What they said.
            submission_id: As the item came with; the same one twice counts once. None: this is another one.
            repeat: As the item came with.

        Raises:
            NotFoundError: It is no pair that can be judged.
            ConflictError: The submission id came before, with another pair or with a verdict that was taken
                back or replaced since.
        """
        candidate = self.standings.candidate_of(first_id, second_id)
        pairs = candidate.pairs
        if (first_id, second_id) not in pairs:
            pairs = tuple((second, first) for first, second in pairs)
        annotations = annotations_of(
            pairs, candidate.goal_id, annotator, opinion, submission_id=submission_id, repeat=repeat
        )
        if self._store.give_verdict(annotations, _lease_id(candidate.key, annotator, repeat)):
            self.standings.judged(candidate, annotator, repeat)
            return Recorded(annotations, is_new=True)
        kept = self._store.submission(submission_id or "", annotator)
        _check_same_item(submission_id or "", candidate, kept)
        return Recorded(
            tuple(kept), is_new=False, says_otherwise=_opinion(kept[0]) != _opinion(annotations[0])
        )

    def skip(self, first_id: str, second_id: str, annotator: str, *, repeat: int = 0) -> None:
        """Pass the item of this pair by: it is not shown to the person again, until they undo that.

        Raises:
            NotFoundError: It is no pair that can be judged.
        """
        candidate = self.standings.candidate_of(first_id, second_id)
        skip = Skip(item_key=candidate.key, annotator=annotator, cycle_id=candidate.cycle_id)
        self._store.skip_item(skip, _lease_id(candidate.key, annotator, repeat))
        self.standings.skipped(candidate, annotator)

    def reopen_skipped(self, annotator: str, cycle_id: str | None = None) -> int:
        """Show what the person passed by in the cycle again, and return how many items these are."""
        cycle_id = self.standings.index(cycle_id).cycle_id
        n = self._store.forget_skips(annotator, cycle_id)
        self.standings.forget(cycle_id)
        return n

    def put_back(self, annotator: str, cycle_id: str | None = None) -> None:
        """Let others have what the person has before them in the cycle: they are leaving."""
        cycle_id, now = self.standings.index(cycle_id).cycle_id, utc_now()
        own = {lease.id for lease in self._store.leases(cycle_id, now) if lease.annotator == annotator}
        self._store.drop_leases(own, annotator)

    # Taking back and changing

    def undo(self, annotator: str, now: datetime | None = None) -> Undone:
        """Take back the person's last verdict or skip, and put its item before them again.

        Called again it takes back the one before, and so on; what was imported, settled or given in a session
        stays.

        Raises:
            NotFoundError: There is nothing to undo.
        """
        last, skip = self._store.last_submission(annotator), self._store.last_skip(annotator)
        if skip is not None and (not last or skip.created_at > last[0].created_at):
            self._store.forget_skips(annotator, skip.cycle_id, skip.item_key)
            self.standings.forget(skip.cycle_id)
            candidate = self.standings.index(skip.cycle_id).by_key.get(skip.item_key)
            return Undone((), self._again(candidate, annotator, 0, now))
        if not last:
            raise NotFoundError(f"{annotator} has nothing to undo")
        self.remove(last)
        try:
            candidate = self.standings.candidate_of(last[0].first_id, last[0].second_id)
        except NotFoundError:
            candidate = None
        return Undone(tuple(last), self._again(candidate, annotator, last[0].repeat, now))

    def _again(
        self, candidate: Candidate | None, annotator: str, repeat: int, now: datetime | None
    ) -> Offer | None:
        if candidate is None:
            return None
        choice, now = Choice(candidate, repeat), now or utc_now()
        own = {one.id for one in self._store.leases(candidate.cycle_id, now) if one.annotator == annotator}
        self._store.drop_leases(own, annotator)
        lease = self._lease(choice, annotator, now)
        if self._store.take_lease(lease, candidate.pairs[0], None) == "taken":
            return Offer(self._item(choice, annotator), lease)
        return None

    def annotation(self, annotation_id: str) -> Annotation:
        """Return one annotation.

        Raises:
            NotFoundError: There is none of that id.
        """
        found = self._store.annotation(annotation_id)
        if found is None:
            raise NotFoundError(f"there is no annotation {annotation_id!r}")
        return found

    def verdict_of(self, annotation: Annotation) -> list[Annotation]:
        """Return all annotations that the same verdict made: one per pair of the same texts."""
        if annotation.submission_id is None:
            return [annotation]
        return self._store.submission(annotation.submission_id, annotation.annotator)

    def change(self, annotation: Annotation, opinion: Opinion) -> list[Annotation]:
        """Say something else of what was judged, on all pairs of the same texts; the moment stays.

        Raises:
            ConfigError: The verdict of a pair of other texts is meant.
        """
        said = dict(cleaned(opinion))
        changed = [one.model_copy(update=said) for one in self.verdict_of(annotation)]
        if not changed:
            raise ConfigError(f"annotation {annotation.id} was taken back in between")
        self._store.save_annotations(changed)
        self.standings.forget_pair(annotation.first_id, annotation.second_id)
        return changed

    def remove(self, annotations: Sequence[Annotation]) -> None:
        """Take annotations back: their item is open again."""
        self._store.delete_annotations(one.id for one in annotations)
        for one in annotations:
            self.standings.forget_pair(one.first_id, one.second_id)


def _check_same_item(submission_id: str, candidate: Candidate, before: Sequence[Annotation]) -> None:
    if not before:
        raise ConflictError(
            f"submission id {submission_id!r} came before, and its verdict was taken back or replaced since; "
            "to judge again, ask for the item: it comes with another id"
        )
    if not {pair_key(a.first_id, a.second_id) for a in before} & {
        pair_key(*pair) for pair in candidate.pairs
    }:
        raise ConflictError(
            f"submission id {submission_id!r} came with the pair {before[0].first_id}, "
            f"{before[0].second_id} before; send the one that this item came with, or none"
        )


def _opinion(said: Annotation) -> tuple[object, ...]:
    return said.verdict, said.rating, said.rationale, said.edited_text


def _lease_id(key: str, annotator: str, repeat: int) -> str:
    """Return what only one person may hold: the item, or this person's repeat of it."""
    return stable_id("repeat", key, annotator, repeat) if repeat else key
