"""What a verdict is kept as: one annotation per pair of the item, at an address of person and pair.

In: what was judged and what was said. Out: annotations, which the export takes over the agents' votes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import uuid4

from pydantic import Field

from camelx.schemas import CONTROL_CHARACTERS, Annotation, Record, Verdict, stable_id, utc_now

HumanVerdict = Verdict | Literal["both_bad"]
VERDICT_WORDS: Mapping[str, str] = {
    Verdict.FIRST: "A is better",
    Verdict.SECOND: "B is better",
    Verdict.TIE: "a tie",
    "both_bad": "both bad",
}
"""How each verdict is called."""
MAX_RATIONALE_CHARS = 4_000
MAX_EDITED_CHARS = 40_000
_MAX_NAME_CHARS = 200


class Opinion(Record):
    """What a person said of one item."""

    verdict: HumanVerdict
    """"first" is the result named first: A, as it was shown."""
    rating: int | None = Field(default=None, ge=1, le=5)
    """How good the better result is, 5 is best."""
    rationale: str | None = Field(default=None, max_length=MAX_RATIONALE_CHARS)
    """Why."""
    edited_text: str | None = Field(default=None, max_length=MAX_EDITED_CHARS)
    """An answer better than the losing side, or than both where neither won; it becomes the chosen side."""
    duration_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Seconds from when the item was shown to the verdict."""


def annotator_mistake(name: str) -> str:
    """Return why this can't be an annotator's name; empty: it can."""
    if 0 < len(name) <= _MAX_NAME_CHARS and name.isprintable() and name.strip() == name:
        return ""
    return (
        f"{name[:80]!r} is no name of a person: expected 1 to {_MAX_NAME_CHARS} visible characters, "
        "none of them a blank at either end"
    )


def annotation_id(
    pair: tuple[str, str], annotator: str, *, repeat: int = 0, adjudicated: bool = False
) -> str:
    """Return the id of what a person says of a pair, whichever way round it was shown.

    A later verdict takes an earlier one's place; a repeat and a settled verdict have places of their own.
    """
    kind = ("adjudicated",) if adjudicated else (repeat,) if repeat else ()
    return stable_id("annotation", *sorted(pair), annotator, *kind)


def annotations_of(
    pairs: Sequence[tuple[str, str]],
    goal_id: str,
    annotator: str,
    opinion: Opinion,
    *,
    submission_id: str | None = None,
    repeat: int = 0,
    adjudicated: bool = False,
) -> tuple[Annotation, ...]:
    """Return the annotations that an opinion on pairs of the same texts makes, one for each."""
    said = cleaned(opinion)
    now = utc_now()
    submission_id = submission_id or uuid4().hex
    return tuple(
        Annotation(
            id=annotation_id(pair, annotator, repeat=repeat, adjudicated=adjudicated),
            goal_id=goal_id,
            first_id=pair[0],
            second_id=pair[1],
            annotator=annotator,
            **dict(said),
            repeat=repeat,
            adjudicated=adjudicated,
            submission_id=submission_id,
            created_at=now,
        )
        for pair in pairs
    )


def cleaned(opinion: Opinion) -> Opinion:
    """Return the opinion with texts that may be trained on; those that hold nothing are None."""
    texts = {"rationale": opinion.rationale, "edited_text": opinion.edited_text}
    kept = {name: CONTROL_CHARACTERS.sub("", text or "").strip() or None for name, text in texts.items()}
    return opinion.model_copy(update=kept)
