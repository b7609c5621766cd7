"""From what is stored of a cycle to its rankings and preference pairs, without asking a model.

In: the database, a cycle, its config. Out: records and frames that depend on nothing else, so that the same
rows give the same bytes. The stages mutual-rank and export-preference-pairs compute here what they save,
`camelx.lineage.replaying` computes it once more and compares.

People's judgements calibrate the reviewers and make pairs; which of them count, `verdicts` knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camelx import auditing, evaluation, export, ranking
from camelx.agents import context_length, token_counter
from camelx.config import ReliablePeerRankConfig, RunConfig
from camelx.cycles import CycleContext
from camelx.cycles.policies import resolve_base
from camelx.cycles.verdicts import People, line_before, people_of
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
    utc_now,
)
from camelx.storage import Store

if TYPE_CHECKING:
    import pandas as pd


PANEL_JSON = "panel.json"
"""The audit in a cycle's folder, which later cycles compare themselves with."""


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


def _earlier_audits(context: CycleContext) -> list[dict[str, Any]]:
    """Return panel.json of the completed cycles before this one in its line, oldest first."""
    audits = []
    for cycle in line_before(context.store, context.cycle):
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
