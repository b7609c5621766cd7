"""Many verdicts at once: what an admin takes back, or gives to the person who judged under a wrong name.

In: annotations. Out: a changed database, all or nothing. A verdict on several pairs of the same texts stays
whole. The caller asks first, and notes it in the audit trail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from camelx.annotation.queue import AnnotationQueue
from camelx.annotation.recording import annotation_id, annotator_mistake
from camelx.errors import ConfigError, NotFoundError
from camelx.schemas import Annotation, AnnotationFilter, Record
from camelx.storage import Store

OneVerdict = tuple[Annotation, ...]
"""The annotations of one verdict."""


class Reassignment(Record):
    """What becomes of verdicts that get another person's name."""

    annotator: str
    """Whose they are from now on."""
    moved: tuple[Annotation, ...]
    """As they were before."""
    left: tuple[Annotation, ...]
    """Of pairs that the person judged already, or that two of these are on: they stay as they are."""


def meant(store: Store, wanted: AnnotationFilter) -> list[Annotation]:
    """Return the annotations that are meant, by moment and id.

    Raises:
        NotFoundError: There is none.
    """
    found = store.annotations_meant(wanted)
    if not found:
        asked = wanted.model_dump(mode="json", exclude_none=True)
        raise NotFoundError(
            "there is no annotation with " + ", ".join(f"{name} {value}" for name, value in asked.items())
        )
    return found


def as_verdicts(annotations: Iterable[Annotation]) -> list[OneVerdict]:
    """Return the annotations by verdict, in their order: one on several pairs of the same texts is one."""
    found: dict[tuple[str, str], list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        found[_verdict(annotation)].append(annotation)
    return [tuple(one) for one in found.values()]


def whole(store: Store, annotations: Iterable[Annotation]) -> list[Annotation]:
    """Return the annotations with all others of the same verdicts, by goal and moment."""
    meant = {_verdict(a): a.goal_id for a in annotations}
    return [a for a in store.annotations(sorted(set(meant.values()))) if _verdict(a) in meant]


def withdraw(queue: AnnotationQueue, store: Store, annotations: Sequence[Annotation]) -> None:
    """Take back these annotations, all or none; their items are open again.

    What a stage was computed with is kept beside that stage.
    """
    store.change_annotations((), [a.id for a in annotations])
    queue.standings.forget_all()


def reassignment(store: Store, annotations: Iterable[Annotation], annotator: str) -> Reassignment:
    """Return what would become of these verdicts, and of what belongs to them, as another person's.

    Those that are this person's already are none of them.

    Raises:
        ConfigError: The name is none that a person can have.
    """
    if mistake := annotator_mistake(annotator):
        raise ConfigError(mistake)
    chosen = [a for a in whole(store, annotations) if a.annotator != annotator]
    there = store.annotations(sorted({a.goal_id for a in chosen}))
    taken = {_place(a) for a in there if a.annotator == annotator}
    moved: list[Annotation] = []
    left: list[Annotation] = []
    for given in as_verdicts(chosen):
        places = {_place(a) for a in given}
        (left if places & taken else moved).extend(given)
        taken |= places
    return Reassignment(annotator=annotator, moved=tuple(moved), left=tuple(left))


def reassign(queue: AnnotationQueue, store: Store, planned: Reassignment) -> None:
    """Give the verdicts that are to move to the other person; those that are left are left.

    Raises:
        ConflictError: Somebody judged in between; nothing was changed.
    """
    store.rename_annotations({a.id: _id_as(planned.annotator, a) for a in planned.moved}, planned.annotator)
    queue.standings.forget_all()


def _id_as(annotator: str, a: Annotation) -> str:
    return annotation_id((a.first_id, a.second_id), annotator, repeat=a.repeat, adjudicated=a.adjudicated)


def _verdict(a: Annotation) -> tuple[str, str]:
    return a.annotator, a.submission_id or a.id


def _place(a: Annotation) -> tuple[frozenset[str], int, bool]:
    """Return what a person has one annotation of."""
    return frozenset((a.first_id, a.second_id)), a.repeat, a.adjudicated
