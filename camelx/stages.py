"""The stages of a cycle, in order, each: load from the database, call a room, save.

Every function takes a cycle's id and returns its report; a completed stage returns the stored one. Nothing
here knows Prefect, SQL or a model library. Called by the tasks, or directly by a program.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from camelx import evaluation, export, ranking, validation
from camelx.adapters import file_sha256
from camelx.agents import PolicyModel
from camelx.cycles import CycleContext, Outcome, judging, recorded, verdicts
from camelx.cycles.asking import (
    Reviewed,
    ask_judges,
    ask_policy,
    ask_reviewers,
    ask_workers,
    starting_policy,
)
from camelx.cycles.policies import open_registry
from camelx.errors import DataValidationError
from camelx.files import replacing
from camelx.registry import Registry
from camelx.schemas import Role, Split, Stage, TrainingStep, Verdict, utc_now


@recorded(Stage.GENERATE)
def generate_interactions(context: CycleContext) -> Outcome:
    """Let Proposers and Executors work on the cycle's goals."""
    goals = context.store.goals(ids=context.cycle.goal_ids)
    answered = ask_workers(context, goals)
    return Outcome(
        counts={
            "goals": len(goals),
            "proposals": sum(row.role is Role.PROPOSER for row in answered.rows),
            "executions": sum(row.role is Role.EXECUTOR for row in answered.rows),
            "failed": sum(row.error is not None for row in answered.rows),
            "completion_tokens": sum(row.completion_tokens for row in answered.rows),
        },
        model_seconds=answered.model_seconds,
        n_model_calls=sum(row.error is None for row in answered.rows),
    )


@recorded(Stage.RANK)
def mutual_rank(context: CycleContext) -> Outcome:
    """Let reviewers compare results, and turn their votes, calibrated by people's, into rankings."""
    store, cycle, config = context.store, context.cycle, context.config
    context.report(Stage.GENERATE)
    # Votes made elsewhere are all there is: their judges can't be asked for more.
    asked = _ask_reviewers(context) if cycle.origin == "run" else None
    votes = store.votes(cycle.id, stage=Stage.RANK)
    if asked is not None:
        ranking.check_unreadable(votes, config.ranking.max_unreadable_rate)
    ranked = judging.rank_cycle(store, cycle, config)
    store.use_annotations(cycle.id, Stage.RANK, ranked.people.annotations)
    store.replace_rankings(cycle.id, ranked.rankings, ranked.comparisons)
    return Outcome(
        counts={
            "votes": len(votes),
            "ties": sum(vote.verdict is Verdict.TIE for vote in votes),
            "unreadable": sum(vote.verdict is None for vote in votes),
            "after_discussion": sum(vote.round > 0 for vote in votes),
            "comparisons": len(ranked.comparisons),
            "tokens": asked.spent.tokens if asked else 0,
        },
        details={
            "ranker": config.ranking.ranker.kind,
            **judging.panel_details(ranked.frames),
            "spent": asdict(asked.spent) if asked else {},
            "annotations": verdicts.annotations_used(ranked.people.annotations, ranked.as_of),
        },
        model_seconds=asked.model_seconds if asked else 0.0,
        n_model_calls=len({vote.interaction_id for vote in votes if vote.interaction_id}),
    )


@recorded(Stage.EXPORT)
def export_preference_pairs(context: CycleContext) -> Outcome:
    """Make preference pairs of rankings and human annotations, write the files, and audit the reviewers."""
    store, cycle = context.store, context.cycle
    context.report(Stage.RANK)
    as_of, annotations = utc_now(), verdicts.annotations_to_learn(store, cycle)
    store.use_annotations(cycle.id, Stage.EXPORT, annotations)
    result = judging.pairs_of_cycle(
        store, cycle, context.config, store.rankings(cycle.id), store.comparisons(cycle.id), annotations
    )
    files = export.write_pairs(result.pairs, context.folder)
    report = judging.audit_reviewers(context, result.pairs)
    return Outcome(
        counts={
            "pairs": len(result.pairs),
            "comparisons": result.n_comparisons + result.n_human_only,
            "human": sum(pair.source == "human" for pair in result.pairs),
            **{f"{role}_pairs": sum(pair.role is role for pair in result.pairs) for role in Role},
        },
        details={
            "dropped": dict(result.dropped),
            "parquet": str(files.parquet),
            "jsonl": str(files.jsonl),
            "jsonl_sha256": files.sha256,
            "parquet_sha256": file_sha256(files.parquet),
            "annotations": verdicts.annotations_used(annotations, as_of),
            "panel_html": str(report.html),
            "panel_json": str(report.json),
        },
    )


@recorded(Stage.VALIDATE)
def validate(context: CycleContext) -> Outcome:
    """Check the pairs file against every rule; a broken one stops the cycle before training."""
    store, cycle, exported = context.store, context.cycle, context.report(Stage.EXPORT)
    count_tokens, most_tokens = judging.token_limit(context.config)
    ranked = context.report(Stage.RANK).counts
    readable = ranked["votes"] - ranked["unreadable"]
    report = validation.validate_pairs(
        context.folder / "pairs.parquet",
        settings=context.config.validation,
        context_tokens=most_tokens,
        count_tokens=count_tokens,
        heldout_texts={goal.text for goal in store.goals(split=Split.HELDOUT)},
        known_ids=store.provenance_ids(cycle.id),
        dropped=exported.details["dropped"],
        n_comparisons=exported.counts["comparisons"],
        tie_share=ranked["ties"] / readable if readable else 0.0,
        report_dir=context.folder,
    )
    validation.require_valid(report)
    return Outcome(
        counts={"rules": len(report.results), "warnings": len(report.failures)},
        details={"html": str(report.html), "json": str(report.json)},
    )


@recorded(Stage.TRAIN)
def train_dpo_adapter(context: CycleContext) -> Outcome:
    """Train the challenger's adapter from the champion's, logging to MLflow as it goes."""
    from camelx.training import train_dpo

    cycle, config, parent = context.cycle, context.config, starting_policy(context)
    registry, pairs = open_registry(), _readable_pairs(context)
    tags = _lineage(context) | {"pairs_sha256": file_sha256(pairs)}
    with registry.run(cycle.id, params=_flat(cycle.config), tags=tags) as run_id:
        registry.log_dataset(run_id, pairs)
        result = train_dpo(
            pairs,
            context.adapter_dir,
            base=parent.base,
            parent_adapter=parent.adapter,
            settings=config.training,
            seed=context.seed,
            on_metrics=lambda step, metrics: _show_step(context, registry, run_id, step, metrics),
            manifest={"config": cycle.config, "base_name": config.policy.base, **_lineage(context)},
        )
    return Outcome(
        counts={"steps": result.steps},
        details={
            "run_id": run_id,
            "adapter": str(result.adapter),
            "metrics": result.metrics,
            "history": result.history,
        },
        model_seconds=result.model_seconds,
    )


@recorded(Stage.EVALUATE)
def evaluate_adapter(context: CycleContext) -> Outcome:
    """Let champion and challenger answer the hold-out, compare them, and let the gate decide."""
    config = context.config
    goals = context.heldout_goals()
    challenger = PolicyModel(base=starting_policy(context).base, adapter=context.adapter_dir)
    old = ask_policy(context, "champion", starting_policy(context), goals)
    new = ask_policy(context, "challenger", challenger, goals)
    judged = [i for i, goal in enumerate(goals) if goal.answer is None]
    votes, judge_seconds = ask_judges(context, [old.rows[i] for i in judged], [new.rows[i] for i in judged])
    scores = evaluation.score(goals, old.rows, new.rows, votes, config.evaluation)
    difference = evaluation.paired_difference(
        scores.champion,
        scores.challenger,
        confidence=config.evaluation.confidence,
        n_bootstrap=config.evaluation.n_bootstrap,
        seed=context.seed,
    )
    decision = evaluation.decide(difference, config.evaluation.gate)
    details: dict[str, Any] = {
        "difference": difference.as_dict(),
        "promoted": decision.promoted,
        "reasons": list(decision.reasons),
        "n_unscored": len(scores.unscored),
        "levels": scores.by_level("challenger" if decision.promoted else "champion"),
        "champion_levels": scores.by_level("champion"),
        "challenger_levels": scores.by_level("challenger"),
    }
    path = context.folder / "evaluation.json"
    with replacing(path) as partial:
        partial.write_text(json.dumps(details | {"goals": scores.rows()}, indent=1), "utf-8")
    return Outcome(
        counts={
            "goals": len(goals),
            "votes": len(votes),
            "completion_tokens": sum(row.completion_tokens for row in (*old.rows, *new.rows)),
        },
        details=details | {"json": str(path)},
        model_seconds=old.model_seconds + new.model_seconds + judge_seconds,
        n_model_calls=old.n_calls + new.n_calls + len(votes),
    )


@recorded(Stage.REGISTER)
def register_in_mlflow(context: CycleContext) -> Outcome:
    """Register the challenger with its lineage, and move the champion's alias if the gate said so."""
    trained, evaluated = context.report(Stage.TRAIN), context.report(Stage.EVALUATE)
    name, registry = context.config.policy.name, open_registry()
    difference = evaluated.details["difference"]
    version = registry.register(
        trained.details["run_id"],
        name,
        context.adapter_dir,
        base=context.config.policy.base,
        metrics={f"heldout_{key}": float(value) for key, value in difference.items()},
        tags=_lineage(context) | {"promoted": str(evaluated.details["promoted"]).lower()},
        artifacts=[
            path
            for path in sorted(context.folder.iterdir())
            if path.suffix in (".parquet", ".jsonl", ".html", ".json")
        ],
    )
    champion = registry.champion(name)
    in_use, compared_with = champion.version if champion else None, context.cycle.parent_version
    # Who is compared with one champion need not be better than another that took over meanwhile.
    is_promoted = evaluated.details["promoted"] and in_use in (compared_with, version.version)
    if is_promoted:
        version = registry.promote(name, version.version)
        in_use = version.version
    return Outcome(
        details={
            "name": name,
            "version": version.version,
            "aliases": sorted(version.aliases),
            "promoted": is_promoted,
            "compared_with": compared_with,
            "in_use": in_use,
            "run_id": trained.details["run_id"],
        }
    )


def _show_step(
    context: CycleContext, registry: Registry, run_id: str, step: int, metrics: dict[str, float]
) -> None:
    """Send what a training step gave, under TRL's names, to MLflow and to whoever watches."""
    registry.log_metrics(run_id, metrics, step)
    context.tell(
        TrainingStep(
            step=step,
            loss=metrics.get("loss"),
            reward_margin=metrics.get("rewards/margins"),
            accuracy=metrics.get("rewards/accuracies"),
            learning_rate=metrics.get("learning_rate"),
        )
    )


def _readable_pairs(context: CycleContext) -> Path:
    """Return the cycle's pairs file once it is seen to be whole.

    Raises:
        DataValidationError: It is gone or broken.
    """
    pairs = context.folder / "pairs.parquet"
    try:
        export.read_pairs(pairs)
    except DataValidationError as e:
        raise DataValidationError(
            f"{e}; make it anew with `camelx cycle --cycle {context.cycle.id} --from {Stage.EXPORT}`"
        ) from e
    return pairs


def _ask_reviewers(context: CycleContext) -> Reviewed:
    """Have the cycle's results reviewed by reviewers whom people's earlier judgements calibrate."""
    store, cycle = context.store, context.cycle
    work = {row.id: row for row in store.interactions(cycle.id, stage=Stage.GENERATE) if row.error is None}
    names = {name for agent in context.config.agents.agents for name in agent.members}
    people = verdicts.people_of(store, cycle, names)
    return ask_reviewers(context, work, anchors=people.anchors, earlier=people.earlier_votes)


def _lineage(context: CycleContext) -> dict[str, str]:
    """Return what the version, its run and its manifest say of the cycle that they come from."""
    cycle, parent_version = context.cycle, context.cycle.parent_version
    return {
        "cycle_id": cycle.id,
        "trace_id": cycle.trace_id,
        "parent_version": "base" if parent_version is None else str(parent_version),
    }


def _flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested sections as one level with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


BY_NAME = {
    Stage.GENERATE: generate_interactions,
    Stage.RANK: mutual_rank,
    Stage.EXPORT: export_preference_pairs,
    Stage.VALIDATE: validate,
    Stage.TRAIN: train_dpo_adapter,
    Stage.EVALUATE: evaluate_adapter,
    Stage.REGISTER: register_in_mlflow,
}
"""The stages by their names, in order."""
