"""What people said that counts for a cycle: whose reviewers it calibrates, and what its pairs are made with.

In: the database, a cycle. Out: records and frames for `judging`. People's judgements calibrate the
reviewers: those on the cycle's own pairs, and those on pairs of earlier cycles on which a reviewer of the
same name voted. They can be changed or taken back at any time, so a stage keeps a copy of those that it
used (`Store.use_annotations`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from camelx.config import parse_config
from camelx.export.judgements import Judgement, settle
from camelx.schemas import LIVE_CYCLE, Annotation, Cycle, Interaction, Split, Stage, content_hash
from camelx.storage import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class People:
    """What people said that tells how far a cycle's reviewers can be trusted."""

    annotations: tuple[Annotation, ...]
    """All that went in, by goal and moment."""
    anchors: pd.DataFrame
    """One row per annotated pair: goal_id, first_id, second_id, outcome (1, -1, or 0 where neither won)."""
    earlier_votes: pd.DataFrame
    """What these reviewers voted on annotated pairs of earlier cycles; columns of `Store.vote_table`. Here
    and in `anchors` an earlier cycle's goal is called "<cycle>/<goal>", so that it is none of this one's."""


def people_of(
    store: Store,
    cycle: Cycle,
    judges: Collection[str],
    *,
    annotations: Sequence[Annotation] | None = None,
    until: datetime | None = None,
) -> People:
    """Return what people said of the cycle's pairs, and of earlier ones that these judges voted on.

    A pair counts where most of its annotators prefer one result, or most of them call it a tie. That both are
    bad says nothing of which is better, and people who are divided leave it open.

    Args:
        store: The database.
        cycle: The cycle.
        judges: Names of its reviewers; a reviewer of the same name in an earlier cycle is the same one.
        annotations: Take these instead of all that are there now.
        until: Leave out votes of earlier cycles that came later.
    """
    if annotations is None:
        annotations = store.annotations_up_to(cycle.number)
    judgements = {pair: j for pair, j in settle(annotations).items() if _is_label(j)}
    results = store.interactions_by_id(one for pair in judgements for one in pair)
    cycle_of = {pair: results[pair[0]].cycle_id for pair in judgements}
    votes = _earlier_votes(store, cycle, judges, cycle_of, until)
    voted_on = set(map(_pair, votes["first_id"], votes["second_id"]))
    used = {pair for pair in judgements if cycle_of[pair] == cycle.id or pair in voted_on}
    anchors = [
        (_goal_name(j.goal_id, cycle_of[pair], cycle), *pair, _outcome(pair, j.winner))
        for pair, j in judgements.items()
        if pair in used
    ]
    return People(
        tuple(a for a in annotations if _pair(a.first_id, a.second_id) in used),
        _frame(anchors, "goal_id", "first_id", "second_id", "outcome"),
        votes,
    )


def annotations_to_learn(store: Store, cycle: Cycle) -> list[Annotation]:
    """Return what people said by now that the cycle's pairs are made with, by goal and moment.

    That is all they said of its own results, and what they said of the results of earlier cycles of its line
    that the version it starts from has not learned: a verdict that comes after its cycle feeds the next one,
    and what a version learned that was rolled back is learned again. Picks and edits of live sessions with
    the same policy belong to its line.
    """
    line = {cycle.id, *(earlier.id for earlier in line_before(store, cycle))}
    found = store.annotations_up_to(cycle.number)
    results = store.interactions_by_id(i for a in found for i in (a.first_id, a.second_id))
    live = _live_to_learn(store, cycle, found, results)
    learned = _learned(store, cycle)
    of_line = [a for a in found if results[a.first_id].cycle_id in line or a.id in live]
    return [a for a in of_line if results[a.first_id].cycle_id == cycle.id or learned.get(a.id) != a]


def _live_to_learn(
    store: Store, cycle: Cycle, annotations: Iterable[Annotation], results: Mapping[str, Interaction]
) -> set[str]:
    """Return which annotations are on live sessions with the cycle's policy and may be learned, by id.

    People type what they like: where a held-out goal is in it, nothing is learned from it.
    """
    from camelx.validation.frames import HeldOut

    live = [a for a in annotations if results[a.first_id].cycle_id == LIVE_CYCLE]
    said = {i: results[i] for a in live for i in (a.first_id, a.second_id)}
    if not said:
        return set()
    policy = parse_config(cycle.config).policy
    sessions = store.live_sessions_by_id({row.trace_id for row in said.values() if row.trace_id})
    held_out = HeldOut([goal.text for goal in store.goals(split=Split.HELDOUT)])
    may = {
        row.id
        for row in said.values()
        if (session := sessions.get(row.trace_id or "")) is not None
        and (session.policy_name, session.policy_base) == (policy.name, policy.base)
        and not held_out.found_among([*(m.content for m in row.messages), row.completion])
    }
    return {
        a.id
        for a in live
        if {a.first_id, a.second_id} <= may and not held_out.found_among([a.edited_text or ""])
    }


def line_before(store: Store, cycle: Cycle) -> list[Cycle]:
    """Return the earlier cycles of the same policy with goals of the same source, oldest first."""
    known = parse_config(cycle.config)
    line = (cycle.origin, known.goals.source, known.policy)
    before = []
    for other in store.cycles():
        config = parse_config(other.config)
        if other.number < cycle.number and (other.origin, config.goals.source, config.policy) == line:
            before.append(other)
    return before


def annotations_used(annotations: Collection[Annotation], as_of: datetime) -> dict[str, Any]:
    """Return what a stage's report says of the annotations that it used; the database keeps them whole."""
    return {
        "n": len(annotations),
        "as_of": as_of.isoformat(),
        "sha256": annotations_sha256(annotations),
    }


def annotations_sha256(annotations: Iterable[Annotation]) -> str:
    """Return the hash of the judgements, whatever their order."""
    return content_hash(sorted(map(_judgement, annotations)))


def _judgement(annotation: Annotation) -> str:
    """Return what was judged as JSON, as it was written before annotations knew how they were given.

    So a report of those days keeps its hash.
    """
    unsaid = {"duration_s", "repeat", "submission_id"}
    return annotation.model_dump_json(exclude=unsaid if annotation.adjudicated else unsaid | {"adjudicated"})


def _learned(store: Store, cycle: Cycle) -> dict[str, Annotation]:
    """Return, by id, the annotations behind the pairs of the version that the cycle starts from.

    A version continues the one before it, so all cycles are walked whose versions led to this one.
    """
    learned: dict[str, Annotation] = {}
    name, version = parse_config(cycle.config).policy.name, cycle.parent_version
    for earlier in sorted(store.cycles(), key=lambda c: -c.number):
        if version is None or earlier.number >= cycle.number:
            continue
        report = store.stage_reports(earlier.id).get(Stage.REGISTER)
        made = report.details if report else {}
        if (made.get("name"), made.get("version")) == (name, version):
            learned = {a.id: a for a in store.used_annotations(earlier.id, Stage.EXPORT)} | learned
            version = earlier.parent_version
    return learned


def _is_label(judgement: Judgement) -> bool:
    return judgement.outcome != "both_bad" and judgement.agreement > 0.5


def _earlier_votes(
    store: Store,
    cycle: Cycle,
    judges: Collection[str],
    cycle_of: Mapping[tuple[str, str], str],
    until: datetime | None,
) -> pd.DataFrame:
    """Return what the judges voted on these pairs in other cycles, goals named after their cycle."""
    import numpy as np

    earlier = {pair: cycle_id for pair, cycle_id in cycle_of.items() if cycle_id != cycle.id}
    votes = store.vote_table_on((one for p in earlier for one in p), set(earlier.values()), until=until)
    rows = zip(votes["judge"], votes["first_id"], votes["second_id"], strict=True)
    is_wanted = np.array([judge in judges and _pair(a, b) in earlier for judge, a, b in rows], dtype=bool)
    votes = votes[is_wanted]
    return votes.assign(goal_id=votes["cycle_id"] + "/" + votes["goal_id"]).drop(columns="cycle_id")


def _goal_name(goal_id: str, cycle_id: str, cycle: Cycle) -> str:
    return goal_id if cycle_id == cycle.id else f"{cycle_id}/{goal_id}"


def _outcome(pair: tuple[str, str], winner: str | None) -> float:
    return 0.0 if winner is None else 1.0 if winner == pair[0] else -1.0


def _pair(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a < b else (b, a)


def _frame(rows: Sequence[tuple[Any, ...]], *columns: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns)).astype({"outcome": float})
