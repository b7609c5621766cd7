"""What people said of two results, settled to one judgement per pair."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from camelx.schemas import Annotation, Verdict

PairKey = tuple[str, str]
"""The ids of two results, the lesser one first."""


@dataclass(frozen=True)
class Judgement:
    """The annotators' majority on one pair, or what an admin settled."""

    goal_id: str
    winner: str | None
    """Interaction preferred; None: nobody's, see `outcome`."""
    outcome: Literal["decided", "human_tie", "both_bad"]
    edited_text: str | None
    """The last better answer written by an annotator of the majority."""
    agreement: float
    """Share of the annotators who said so; of a draw, of those who said tie."""
    annotation_ids: tuple[str, ...]


def settle(annotations: Iterable[Annotation]) -> dict[PairKey, Judgement]:
    """Return one judgement per annotated pair.

    An annotator's last word on a pair counts; a repeat, by which they are compared with themselves, does not.
    The verdict with the most annotators wins; where two verdicts have as many, the pair is a tie. The last
    adjudicated verdict overrides them all.
    """
    last: dict[PairKey, dict[str, Annotation]] = defaultdict(dict)
    settled: dict[PairKey, Annotation] = {}
    for a in sorted(annotations, key=lambda a: (a.created_at, a.id)):
        key = _key(a.first_id, a.second_id)
        if a.adjudicated:
            settled[key] = a
        elif not a.repeat:
            last[key][a.annotator] = a
    voices = {key: list(by_annotator.values()) for key, by_annotator in last.items()}
    voices |= {key: [a] for key, a in settled.items()}
    return {key: _majority(those) for key, those in voices.items()}


def _majority(annotations: Sequence[Annotation]) -> Judgement:
    counts = Counter(_choice(a) for a in annotations)
    (choice, n), *others = counts.most_common()
    if others and others[0][1] == n:
        choice = Verdict.TIE
    agreeing = [a for a in annotations if _choice(a) == choice]
    edits = [a.edited_text for a in agreeing if a.edited_text and a.edited_text.strip()]
    return Judgement(
        goal_id=annotations[0].goal_id,
        winner=choice if choice not in (Verdict.TIE, "both_bad") else None,
        outcome=_OUTCOMES.get(choice, "decided"),
        edited_text=edits[-1] if edits else None,
        agreement=len(agreeing) / len(annotations),
        annotation_ids=tuple(sorted(a.id for a in annotations)),
    )


_OUTCOMES: Mapping[str, Literal["human_tie", "both_bad"]] = {
    Verdict.TIE: "human_tie",
    "both_bad": "both_bad",
}


def _choice(a: Annotation) -> str:
    """Return the preferred interaction's id, "tie" or "both_bad", whichever way round the pair was shown."""
    match a.verdict:
        case Verdict.FIRST:
            return a.first_id
        case Verdict.SECOND:
            return a.second_id
        case _:
            return a.verdict


def _key(a: str, b: str) -> PairKey:
    return (a, b) if a < b else (b, a)
