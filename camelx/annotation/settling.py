"""Settling what people disagree on: what admins do.

In: a pair, what holds of it from now on. Out: adjudicated annotations, which override what everybody else
said of the pair; nothing that people said is lost. The caller notes it in the audit trail.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from camelx.annotation.agreement import PairKey, label_of, settled_version
from camelx.annotation.queue import AnnotationQueue
from camelx.annotation.recording import VERDICT_WORDS, HumanVerdict, Opinion, annotations_of
from camelx.errors import ConfigError, ConflictError, NotFoundError
from camelx.schemas import Annotation, Verdict
from camelx.storage import Store


def settle_pair(
    queue: AnnotationQueue,
    store: Store,
    pair: PairKey,
    preferred: str,
    admin: str,
    *,
    rationale: str | None = None,
    edited_text: str | None = None,
    instead_of: str | None = None,
) -> tuple[Annotation, ...]:
    """Give the verdict that holds of the pair, and of all pairs of the same texts, from now on.

    Args:
        queue: Knows which pairs have the same texts, and is told.
        store: The database.
        pair: Ids of the two results.
        preferred: The id of the better one, "tie" or "both_bad".
        admin: Who settles it; an earlier settled verdict is replaced.
        rationale: Why.
        edited_text: An answer better than the losing side, or than both.
        instead_of: The `settled_version` that the admin saw; None: whatever is settled by now.

    Raises:
        ConfigError: `preferred` is none of these.
        ConflictError: Something else is settled by now.
        NotFoundError: It is no pair that can be judged.
    """
    if preferred not in (*pair, "tie", "both_bad"):
        raise ConfigError(f"preferred is {preferred!r}, expected {pair[0]}, {pair[1]}, 'tie' or 'both_bad'")
    candidate = queue.standings.candidate_of(*pair)
    asked = next((one for one in candidate.pairs if set(one) == set(pair)), pair)
    verdict: HumanVerdict
    if preferred in asked:
        verdict = Verdict.FIRST if preferred == asked[0] else Verdict.SECOND
    else:
        verdict = Verdict.TIE if preferred == "tie" else "both_bad"
    opinion = Opinion(verdict=verdict, rationale=rationale, edited_text=edited_text)
    settled = annotations_of(candidate.pairs, candidate.goal_id, admin, opinion, adjudicated=True)
    store.replace_settled(
        candidate.goal_id, candidate.pairs, settled, lambda now: _check_as_seen(now, pair, instead_of)
    )
    queue.standings.forget_pair(*pair)
    return settled


def unsettle_pair(
    queue: AnnotationQueue, store: Store, pair: PairKey, *, instead_of: str | None = None
) -> list[Annotation]:
    """Take back what was settled of the pair, and return it: what people said counts again.

    Args:
        queue: Knows which pairs have the same texts, and is told.
        store: The database.
        pair: Ids of the two results.
        instead_of: The `settled_version` that the admin saw; None: whatever is settled by now.

    Raises:
        ConflictError: Something else is settled by now.
        NotFoundError: Nothing was settled of it.
    """
    candidate = queue.standings.candidate_of(*pair)

    def check(now: Sequence[Annotation]) -> None:
        if not now:
            raise NotFoundError(f"nothing was settled of {pair[0]} and {pair[1]}")
        _check_as_seen(now, pair, instead_of)

    gone = store.replace_settled(candidate.goal_id, candidate.pairs, (), check)
    queue.standings.forget_pair(*pair)
    return gone


def settled_of(settled: Iterable[Annotation], pair: PairKey) -> Annotation | None:
    """Return what was settled last of this very pair, among what was of all pairs of the same texts."""
    of_it = (a for a in settled if {a.first_id, a.second_id} == set(pair))
    return max(of_it, key=lambda a: (a.created_at, a.id), default=None)


def _check_as_seen(settled: Sequence[Annotation], pair: PairKey, seen: str | None) -> None:
    now = settled_of(settled, pair)
    if seen is None or seen == settled_version(now):
        return
    if now is None:
        raise ConflictError("what was settled of this pair has been taken back since; look at it again")
    words = VERDICT_WORDS[label_of(now)]
    raise ConflictError(f"{now.annotator} has settled this pair since: {words}; look at it again")
