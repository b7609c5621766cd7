"""What /api/v1/annotations takes and returns."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from camelx.annotation import MAX_EDITED_CHARS, MAX_RATIONALE_CHARS, HumanVerdict, Offer, Opinion
from camelx.errors import ConfigError
from camelx.schemas import Annotation, Message, Role

TEXT = r"^[^\x00-\x1f]+$"
Id = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=TEXT)]
_FIRST = "5f2b0c9d1e3a4b5c6d7e8f90"
_SECOND = "0a1b2c3d4e5f60718293a4b5"


class PairNamed(BaseModel):
    """Two results, in the order in which they were shown."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"first_id": _FIRST, "second_id": _SECOND}]},
    )

    first_id: Id
    """The result shown as A."""
    second_id: Id
    """The result shown as B."""
    repeat: int = Field(default=0, ge=0, le=1_000)
    """As the item came with; 0 counts."""


class NewVerdict(PairNamed):
    """What somebody says of two results, and of all pairs of the same texts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "first_id": _FIRST,
                    "second_id": _SECOND,
                    "verdict": "first",
                    "rating": 4,
                    "rationale": "A carries the one.",
                    "duration_s": 12.5,
                    "submission_id": "7c9e667974254de0944be07fc1f90ae7",
                }
            ]
        }
    )

    verdict: HumanVerdict
    """"first" (A is better), "second", "tie" or "both_bad"."""
    rating: int | None = Field(default=None, ge=1, le=5)
    """How good the better result is, 5 is best."""
    rationale: str | None = Field(default=None, max_length=MAX_RATIONALE_CHARS)
    """Why."""
    edited_text: str | None = Field(default=None, max_length=MAX_EDITED_CHARS)
    """A better answer; it becomes the chosen side."""
    duration_s: float | None = Field(default=None, ge=0, le=1e6)
    """Seconds from when the item was shown to the verdict."""
    submission_id: Id | None = None
    """As the item came with, or made by the client once per shown item: sent twice it counts once."""

    @property
    def opinion(self) -> Opinion:
        """What was said."""
        return Opinion(**{name: getattr(self, name) for name in Opinion.model_fields})


class VerdictChange(BaseModel):
    """What to change of a verdict; what is not named stays, null takes a rating or a text away."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"minProperties": 1, "examples": [{"verdict": "tie", "rationale": None}]},
    )

    verdict: HumanVerdict | None = None
    rating: int | None = Field(default=None, ge=1, le=5)
    rationale: str | None = Field(default=None, max_length=MAX_RATIONALE_CHARS)
    edited_text: str | None = Field(default=None, max_length=MAX_EDITED_CHARS)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("nothing to change; expected verdict, rating, rationale or edited_text")
        return self

    def applied(self, annotation: Annotation) -> Opinion:
        """Return the opinion of an annotation with what is named changed; a verdict can't be taken away."""
        kept = {name: getattr(annotation, name) for name in Opinion.model_fields}
        changed = self.model_dump(exclude_unset=True)
        if changed.get("verdict", "") is None:
            del changed["verdict"]
        return Opinion(**(kept | changed))


class VerdictSaved(BaseModel):
    """What a verdict made: an annotation for each pair of the same texts."""

    annotations: list[Annotation]
    is_new: bool = Field(description="False: this submission had come before, and nothing changed.")


class Batch(BaseModel):
    """Many verdicts at once."""

    model_config = ConfigDict(extra="forbid")

    verdicts: list[NewVerdict] = Field(min_length=1, max_length=200)


class BatchResult(BaseModel):
    """What became of one verdict of a batch."""

    status: Literal["saved", "known", "refused"] = Field(
        description="known: this submission had come before; refused: see detail."
    )
    annotations: list[Annotation] = []
    detail: str | None = Field(default=None, description="Why it was refused.")


class BatchResults(BaseModel):
    """What became of each verdict, in the order of the batch: each stands for itself."""

    results: list[BatchResult]
    n_saved: int
    n_refused: int


class ItemView(BaseModel):
    """Two results of one goal, blind: nothing tells who wrote them."""

    model_config = ConfigDict(use_attribute_docstrings=True)

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
    """What both executions carry out."""
    messages: list[Message]
    """What both results answer."""
    repeat: int
    """0: the verdict will count. n: the person judged it before; send the number back with the verdict."""
    submission_id: str
    """Send it back with the verdict."""
    shown_at: datetime
    expires_at: datetime
    """Until then nobody else gets the item; asking for the next one again makes it later."""

    @classmethod
    def of(cls, offer: Offer) -> Self:
        """Return what a program sees of an offer."""
        item, lease = offer.item, offer.lease
        first_id, second_id = item.pairs[0]
        return cls(
            first_id=first_id,
            second_id=second_id,
            first=item.first,
            second=item.second,
            goal_id=item.goal_id,
            goal=item.goal,
            category=item.category,
            role=item.role,
            cycle_id=lease.cycle_id,
            proposal=item.proposal,
            messages=list(item.messages),
            repeat=lease.repeat,
            submission_id=lease.submission_id,
            shown_at=lease.shown_at,
            expires_at=lease.expires_at,
        )


class NextItem(BaseModel):
    """What to judge next."""

    item: ItemView | None = Field(description="null: nothing is left for this person.")


class UndoneView(BaseModel):
    """What was taken back."""

    annotations: list[Annotation] = Field(description="Empty where a skip was taken back.")
    item: ItemView | None = Field(description="The item, again; null: somebody else has it now.")


class Reopened(BaseModel):
    """How many skipped items are shown again."""

    n_items: int


class AnnotationPage(BaseModel):
    """Annotations, the newest first."""

    annotations: list[Annotation]
    next_cursor: str | None = Field(description="Ask for what follows with it; null: that was all.")


def cursor_of(annotation: Annotation) -> str:
    """Return the cursor that goes on behind the annotation."""
    return urlsafe_b64encode(f"{annotation.created_at.isoformat()} {annotation.id}".encode()).decode()


def position(cursor: str) -> tuple[datetime, str]:
    """Return the moment and id that a cursor stands for.

    Raises:
        ConfigError: It is none that this path gave.
    """
    try:
        at, _, annotation_id = urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not annotation_id or "\x00" in annotation_id:
            raise ValueError(cursor)
        return moment.astimezone(UTC), annotation_id
    except (ValueError, OverflowError) as e:
        raise ConfigError(f"cursor {cursor!r} is none; send next_cursor of the page before") from e
