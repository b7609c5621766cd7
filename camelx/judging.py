"""From what is stored of a cycle to its rankings and preference pairs, without asking a model.

In: the database, a cycle, its config. Out: records and frames that depend on nothing else, so that the same
rows give the same bytes. The stages mutual-rank and export-preference-pairs compute here what they save,
`camelx.replaying` computes it once more and compares.

People's judgements calibrate the reviewers: those on the cycle's own pairs, and those on pairs of earlier
cycles on which a reviewer of the same name voted. They can be changed or taken back at any time, so a stage
keeps a copy of those that it used (`Store.use_annotations`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camelx import auditing, evaluation, export, ranking
from camelx.agents import context_length, token_counter
from camelx.config import ReliablePeerRankConfig, RunConfig, parse_config
from camelx.cycles import CycleContext
from camelx.export.judgements import settle
from camelx.policies import resolve_base
from camelx.schemas import (
    Annotation,
    Comparison,
    Cycle,
    CycleStatus,
    Message,
    PreferencePair,
    Ranking,
    Role,
    Stage,
    StageReport,
    Vote,
    content_hash,
    utc_now,
)
from camelx.storage import Store

if TYPE_CHECKING:
    import pandas as pd


PANEL_JSON = "panel.json"
"""The audit in a cycle's folder, which later cycles compare themselves with."""


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


@dataclass(frozen=True)
class Ranked:
    """What the votes of a cycle, and people, say of its results."""

    votes: pd.DataFrame
    """The cycle's own, as `Store.vote_table` gives them."""
    people: People
    as_of: datetime
    """What people, and reviewers of earlier cycles, said later is not in it."""
    frames: ranking.RankedVotes
    """Items and pairs of this cycle alone. The counts of `judges` hold `people.earlier_votes` too, and
    `panel.held_out` all annotated pairs."""
    rankings: list[Ranking]
    comparisons: list[Comparison]


def rank_cycle(
    store: Store,
    cycle: Cycle,
    config: RunConfig,
    *,
    votes: pd.DataFrame | None = None,
    annotations: Sequence[Annotation] | None = None,
    as_of: datetime | None = None,
) -> Ranked:
    """Return what the votes of the stage mutual-rank say, by the config's ranker.

    Args:
        store: The database.
        cycle: The cycle; its interactions and votes are stored.
        config: Names the ranker.
        votes: Take this frame (`Store.vote_table`) instead of the stored votes.
        annotations: Take these instead of all that are there now.
        as_of: The moment of an earlier ranking that is repeated; None: now.

    Raises:
        DataValidationError: The frame holds no valid votes.
        ConfigError: The ranker can't work on these judges.
    """
    as_of = as_of or utc_now()
    votes = store.vote_table(cycle.id) if votes is None else votes
    people = people_of(store, cycle, set(votes["judge"]), annotations=annotations, until=as_of)
    frames = _ranked_votes(votes, people, config)
    work = {row.id: row for row in store.interactions(cycle.id, stage=Stage.GENERATE) if row.error is None}
    rankings, comparisons = ranking.credit_roles(frames, work, cycle.id, config.ranking.ranker.kind)
    return Ranked(votes, people, as_of, frames, rankings, comparisons)


def people_of(
    store: Store,
    cycle: Cycle,
    judges: Collection[str],
    *,
    annotations: Sequence[Annotation] | None = None,
    until: datetime | None = None,
) -> People:
    """Return what people said of the cycle's pairs, and of earlier ones that these judges voted on.

    Args:
        store: The database.
        cycle: The cycle.
        judges: Names of its reviewers; a reviewer of the same name in an earlier cycle is the same one.
        annotations: Take these instead of all that are there now.
        until: Leave out votes of earlier cycles that came later.
    """
    if annotations is None:
        annotations = store.annotations_up_to(cycle.number)
    judgements = settle(annotations)
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


def pairs_of_cycle(
    store: Store,
    cycle: Cycle,
    config: RunConfig,
    rankings: Iterable[Ranking],
    comparisons: Iterable[Comparison],
    annotations: Sequence[Annotation],
    *,
    votes: Sequence[Vote] | None = None,
) -> export.ExportResult:
    """Return the preference pairs of all roles, by the config's thresholds.

    Args:
        store: The database.
        cycle: The cycle; its interactions are stored.
        config: Section `export`; and where roles or lengths ask for it, the verifier and the policy's base.
        rankings: Of the cycle.
        comparisons: Of the cycle.
        annotations: People's judgements on its results, and on those of earlier cycles.
        votes: Take these instead of the stored votes of mutual-rank.

    Raises:
        DataValidationError: A comparison names a result that is not stored.
    """
    results = {row.id: row for row in store.interactions(cycle.id, stage=Stage.GENERATE)}
    results |= store.interactions_by_id(i for a in annotations for i in (a.first_id, a.second_id))
    fits = _length_check(config)
    pairs = export.select_pairs(
        comparisons,
        rankings,
        results,
        annotations,
        config.export,
        ranker=config.ranking.ranker.kind,
        cycle_id=cycle.id,
        fits=fits,
    )
    if Role.PEER_REVIEWER not in config.export.roles:
        return pairs
    turns = {row.id: row for row in store.interactions(cycle.id, stage=Stage.RANK)}
    by_people = config.export.review_outcome == "human"
    reviews = export.select_review_pairs(
        store.votes(cycle.id, stage=Stage.RANK) if votes is None else votes,
        results | turns,
        {goal.id: goal for goal in store.goals(ids=cycle.goal_ids)},
        annotations,
        config.export,
        cycle_id=cycle.id,
        verify=None if by_people else evaluation.make_verifier(config.evaluation),
        fits=fits,
    )
    return export.merge_results(pairs, reviews)


def audit_reviewers(context: CycleContext, exported: Sequence[PreferencePair]) -> auditing.AuditFiles:
    """Write the audit of the cycle's reviewers, and return its files.

    Raises:
        DataValidationError: A limit of `ranking.limits` is passed. Imported votes have none: their judges
            were chosen elsewhere, and the ranker weighs them.
    """
    store, cycle, report = context.store, context.cycle, context.report(Stage.RANK)
    ranked = rank_cycle_again(store, cycle, context.config, report)
    results = store.interactions(cycle.id, stage=Stage.GENERATE)
    audit = auditing.audit_panel(
        cycle_id=cycle.id,
        votes=ranked.votes,
        texts={row.id: row.completion for row in results},
        items=ranked.frames.items,
        pairs=ranked.frames.pairs,
        judges=ranked.frames.judges,
        panel_verified=ranked.frames.panel.is_verified,
        conflicts=ranked.frames.panel.conflicts,
        held_out=ranked.frames.panel.held_out,
        anchors=ranked.people.anchors,
        exported=exported,
        earlier=_earlier_audits(context),
        costs={what: n for what, n in report.details.get("spent", {}).items() if n},
    )
    limits = context.config.ranking.limits if cycle.origin == "run" else None
    files = auditing.write_audit(audit, context.folder, limits)
    if limits is not None:
        auditing.check_limits(audit, limits, files.html)
    return files


def rank_cycle_again(
    store: Store, cycle: Cycle, config: RunConfig, report: StageReport, votes: pd.DataFrame | None = None
) -> Ranked:
    """Return what the stage mutual-rank computed, whatever people have said since.

    Args:
        store: The database.
        cycle: The cycle.
        config: Its config, or one with another ranker.
        report: Of the stage; one that was written before annotations were kept used none.
        votes: Take this frame instead of the stored votes.
    """
    used = report.details.get("annotations", {})
    as_of = datetime.fromisoformat(used["as_of"]) if used else None
    annotations = store.used_annotations(cycle.id, Stage.RANK)
    return rank_cycle(store, cycle, config, votes=votes, annotations=annotations, as_of=as_of)


def annotations_to_learn(store: Store, cycle: Cycle) -> list[Annotation]:
    """Return what people said by now that the cycle's pairs are made with, by goal and moment.

    That is all they said of its own results, and what they said of the results of earlier cycles of its line
    that no promoted version has learned yet: a verdict that comes after its cycle feeds the next one.
    """
    line = {cycle.id, *(earlier.id for earlier in _line_before(store, cycle))}
    found = store.annotations_up_to(cycle.number)
    cycle_of = {i: row.cycle_id for i, row in store.interactions_by_id(a.first_id for a in found).items()}
    learned = _learned(store, line - {cycle.id})
    of_line = [a for a in found if cycle_of[a.first_id] in line]
    return [a for a in of_line if cycle_of[a.first_id] == cycle.id or learned.get(a.id) != a]


def _learned(store: Store, cycle_ids: Iterable[str]) -> dict[str, Annotation]:
    """Return, by id, the annotations behind the pairs of those cycles whose version was promoted."""
    learned: dict[str, Annotation] = {}
    for cycle_id in sorted(cycle_ids):
        report = store.stage_reports(cycle_id).get(Stage.REGISTER)
        if report is not None and report.details.get("promoted"):
            learned |= {a.id: a for a in store.used_annotations(cycle_id, Stage.EXPORT)}
    return learned


def _line_before(store: Store, cycle: Cycle) -> list[Cycle]:
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
    return content_hash(sorted(a.model_dump_json() for a in annotations))


def panel_details(frames: ranking.RankedVotes) -> dict[str, Any]:
    """Return what a stage's report says of the reviewers, ready for JSON."""
    panel = frames.panel
    agreement = panel.agreement.rename_axis("weights").reset_index()
    return {
        "panel": {
            "verified": panel.is_verified,
            "n_labelled": len(panel.held_out),
            "conflicts": list(panel.conflicts),
        },
        "judges": records_of_frame(frames.judges),
        "agreement": records_of_frame(agreement),
        "label_weights": records_of_frame(panel.weights),
    }


def records_of_frame(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as JSON takes them: plain numbers, and null for what is not a number."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def token_limit(config: RunConfig) -> tuple[Callable[[Sequence[Message]], int], int]:
    """Return how the policy counts tokens, and the most that one side of a pair may have."""
    base = resolve_base(config.policy.base)
    return token_counter(base), min(context_length(base), config.training.max_length)


def _ranked_votes(votes: pd.DataFrame, people: People, config: RunConfig) -> ranking.RankedVotes:
    """Return the frames of the ranker; what people said is for the one that learns from it."""
    import pandas as pd

    ranker = config.ranking.ranker
    if not isinstance(ranker, ReliablePeerRankConfig) or people.anchors.empty:
        return ranking.rank_votes(votes, ranker)
    together = votes
    if len(people.earlier_votes):
        together = pd.concat([votes, people.earlier_votes], ignore_index=True)
    frames = ranking.rank_votes(together, ranker, anchors=people.anchors)
    here = set(votes["goal_id"])
    return replace(
        frames,
        items=frames.items[frames.items["goal_id"].isin(here)].reset_index(drop=True),
        pairs=frames.pairs[frames.pairs["goal_id"].isin(here)].reset_index(drop=True),
    )


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


def _earlier_audits(context: CycleContext) -> list[dict[str, Any]]:
    """Return panel.json of the completed cycles before this one in its line, oldest first."""
    audits = []
    for cycle in _line_before(context.store, context.cycle):
        path = context.settings.cycle_dir(cycle.id) / PANEL_JSON
        if cycle.status is CycleStatus.COMPLETED and path.is_file():
            audits.append(_audit_in(path))
    return audits


def _audit_in(path: Path) -> dict[str, Any]:
    """Return the content of a panel.json; a broken one is empty, which the audit that reads it says."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _length_check(config: RunConfig) -> Callable[[Sequence[Message]], bool]:
    count_tokens, most_tokens = token_limit(config)
    return lambda messages: count_tokens(messages) <= most_tokens


def _goal_name(goal_id: str, cycle_id: str, cycle: Cycle) -> str:
    return goal_id if cycle_id == cycle.id else f"{cycle_id}/{goal_id}"


def _outcome(pair: tuple[str, str], winner: str | None) -> float:
    return 0.0 if winner is None else 1.0 if winner == pair[0] else -1.0


def _pair(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a < b else (b, a)


def _frame(rows: Sequence[tuple[Any, ...]], *columns: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns)).astype({"outcome": float})
