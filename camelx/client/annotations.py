"""Calls on annotations: what to judge next, and what people said."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from camelx.client.calls import Call, Page, View, change, get, given, post
from camelx.schemas import Annotation, Message, Role

HumanVerdict = Literal["first", "second", "tie", "both_bad"]


class Item(View):
    """Two results of one goal to be judged, blind."""

    first_id: str
    """The result shown as A."""
    second_id: str
    first: str
    """Text of A."""
    second: str
    goal_id: str
    goal: str
    category: str
    role: Role
    cycle_id: str
    proposal: str | None
    messages: list[Message]
    repeat: int
    """0: the verdict will count."""
    submission_id: str
    """Makes the verdict count once, however often it is sent."""
    shown_at: datetime
    expires_at: datetime
    """Until then nobody else gets the item."""


class NextItem(View):
    """What to judge next."""

    item: Item | None
    """None: nothing is left for this person."""


class Saved(View):
    """What a verdict made: an annotation for each pair of the same texts."""

    annotations: list[Annotation]
    is_new: bool
    """False: it had come before, and nothing changed."""


class BatchResult(View):
    """What became of one verdict of a batch."""

    status: Literal["saved", "known", "refused"]
    annotations: list[Annotation]
    detail: str | None
    """Why it was refused."""


class BatchResults(View):
    """What became of each verdict, in the order of the batch."""

    results: list[BatchResult]
    n_saved: int
    n_refused: int


class Undone(View):
    """What was taken back."""

    annotations: list[Annotation]
    item: Item | None


def every(
    *,
    cycle_id: str | None = None,
    annotator: str | None = None,
    goal_id: str | None = None,
    limit: int = 50,
) -> Call[Page[Annotation]]:
    """Return the annotations that meet all conditions, newest first, in pages of `limit`."""
    query = {"cycle_id": cycle_id, "annotator": annotator, "goal_id": goal_id, "limit": limit}
    return get(Page[Annotation], "annotations", **query)


def one(annotation_id: str) -> Call[Annotation]:
    """Return one annotation."""
    return get(Annotation, "annotations", annotation_id)


def next_item(
    *, cycle_id: str | None = None, role: Role | None = None, category: str | None = None
) -> Call[NextItem]:
    """Return what to judge next; asked again, the same."""
    return get(NextItem, "annotations", "next", cycle_id=cycle_id, role=role, category=category)


def judge(item: Item, verdict: HumanVerdict, **opinion: Any) -> Call[Saved]:
    """Say which of an item's results is better.

    Args:
        item: What `next_item` gave.
        verdict: What is said of the two.
        opinion: rating (1 to 5), rationale, edited_text, duration_s.
    """
    return post(Saved, "annotations", body=verdict_on(item, verdict, **opinion))


def verdict_on(item: Item, verdict: HumanVerdict, **opinion: Any) -> dict[str, Any]:
    """Return a verdict as `judge` sends one, for `judge_many`."""
    shown = item.model_dump(include={"first_id", "second_id", "repeat", "submission_id"})
    return shown | {"verdict": verdict} | given(**opinion)


def judge_many(verdicts: Iterable[dict[str, Any]]) -> Call[BatchResults]:
    """Say many things at once; a verdict that is refused stops no other."""
    return post(BatchResults, "annotations", "batch", body={"verdicts": list(verdicts)})


def skip(item: Item) -> Call[None]:
    """Pass an item by."""
    return post(
        None, "annotations", "skip", body=item.model_dump(include={"first_id", "second_id", "repeat"})
    )


def undo() -> Call[Undone]:
    """Take back one's last verdict or skip."""
    return post(Undone, "annotations", "undo")


def update(annotation_id: str, **changes: Any) -> Call[Annotation]:
    """Change verdict, rating, rationale or edited_text; None takes one of the last three away."""
    return change("PATCH", Annotation, "annotations", annotation_id, body=changes)


def delete(annotation_id: str) -> Call[None]:
    """Take a verdict back."""
    return change("DELETE", None, "annotations", annotation_id)
