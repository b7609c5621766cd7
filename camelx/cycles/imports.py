"""Goals from a file into this database; and rounds played elsewhere, as a cycle of it.

`import_goals` stores goals, and says where the database has another answer than the file. `import_rounds`
takes a file of goals, outputs, votes and human judgements (docs/importing.md) and makes a stored cycle
whose first stage is complete, because nothing is left to generate. Called by `camelx import`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camelx.config import RunConfig, load_config
from camelx.cycles import open_store
from camelx.cycles.opening import new_cycle
from camelx.cycles.policies import champion_policy
from camelx.errors import ConfigError, DataValidationError
from camelx.evaluation import answer_problem, holdout_hash
from camelx.importing import ImportReport, Rounds, read_goals, read_rounds
from camelx.schemas import CycleStatus, Goal, Holdout, Split, Stage, StageReport
from camelx.storage import PlayedCycle, Store

_N_SHOWN = 10


@dataclass(frozen=True)
class GoalImport:
    """What became of a file's goals."""

    report: ImportReport[Goal]
    goals: tuple[Goal, ...]
    """The file's goals as they are stored now."""
    n_new: int
    n_updated: int
    remarks: tuple[str, ...]
    """Sentences on answers that differ from the stored ones, and on hold-outs that changed."""


def import_goals(
    path: Path, *, heldout_share: float = 0.0, update: bool = False, dry_run: bool = False, **reading: Any
) -> GoalImport:
    """Store the goals of a file that are not there yet, and return what became of them all.

    Args:
        path: A file that `camelx.importing.read_goals` takes.
        heldout_share: Share of the file's goals that goes to the hold-out: those of the lowest addresses, so
            that the same file gives the same hold-out on every machine.
        update: Give a stored goal the file's answer, and its verifier where one is named. It keeps its split.
        dry_run: Store nothing, and return what would become of them.
        **reading: The options of `camelx.importing.read_goals`.

    Raises:
        ConfigError: The file, a preset, a field or a pattern does not exist or can't be used.
        DataValidationError: No row is a whole goal, or with `strict` one is broken.
        StorageError: The database refused.
    """

    def problem(goal: Goal) -> str | None:
        why = answer_problem(goal)
        return why and f"{why}; for answers that are text add --verifier exact"

    report = read_goals(path, problem=problem, **reading)
    if not report.records:
        shown = "".join(f"\n{row}" for row in report.broken[:_N_SHOWN])
        raise DataValidationError(f"{path}: none of its {report.n_rows} rows is a whole goal{shown}")
    goals = _with_holdout(report.records, heldout_share)
    ids = [goal.id for goal in goals]
    with open_store() as store:
        known = _by_id(store.goals(ids=ids))
        n_new = len(goals) - len(known) if dry_run else store.add_goals(goals)
        stored = _by_id(goals) | known if dry_run else _by_id(store.goals(ids=ids))
        others = [goal for goal in report.records if _differs(goal, stored[goal.id])]
        remarks = [_remark(goal, stored[goal.id], report, update) for goal in others]
        if update:
            changed = [_corrected(stored[goal.id], goal) for goal in others]
            remarks += [] if dry_run else _replace_answers(store, changed)
            stored |= {goal.id: goal for goal in changed}
    return GoalImport(report, tuple(stored.values()), n_new, len(others) if update else 0, tuple(remarks))


def _by_id(goals: Sequence[Goal]) -> dict[str, Goal]:
    return {goal.id: goal for goal in goals}


def _with_holdout(goals: Sequence[Goal], share: float) -> list[Goal]:
    held = {goal.id for goal in sorted(goals, key=lambda goal: goal.id)[: round(share * len(goals))]}
    return [goal.model_copy(update={"split": Split.HELDOUT}) if goal.id in held else goal for goal in goals]


def _differs(goal: Goal, stored: Goal) -> bool:
    """Whether the file's goal has another answer than the stored one, or names another verifier."""
    return goal.answer is not None and _corrected(stored, goal) != stored


def _corrected(stored: Goal, goal: Goal) -> Goal:
    fields = {"answer": goal.answer, "verifier": goal.verifier or stored.verifier}
    return stored.model_copy(update=fields)


def _remark(goal: Goal, stored: Goal, report: ImportReport[Goal], update: bool) -> str:
    new = _corrected(stored, goal)
    verifiers = f", verifier {new.verifier} instead of {stored.verifier}" * (new.verifier != stored.verifier)
    return (
        f"{report.places[goal.id]}: stored with the answer {stored.answer!r}, the file has {new.answer!r}"
        f"{verifiers}: {'replaced' if update else 'kept; --update replaces it'}"
    )


def _replace_answers(store: Store, goals: Sequence[Goal]) -> list[str]:
    """Store the goals' answers, freeze hold-outs that have them anew, and return what is to be said of it."""
    ids = {goal.id: goal for goal in goals}
    anew: list[tuple[Holdout, str, int]] = []
    for holdout in store.holdouts():
        if n := len(ids.keys() & set(holdout.goal_ids)):
            members = [ids.get(goal.id, goal) for goal in store.goals(ids=holdout.goal_ids)]
            anew.append((holdout, holdout_hash(members), n))
    changed = [holdout.model_copy(update={"sha256": sha256}) for holdout, sha256, _ in anew]
    store.replace_answers(goals, changed)
    return [
        f"the frozen hold-out {holdout.name} has {n} of these goals and is frozen anew: its hash was "
        f"{holdout.sha256[:12]} and is {sha256[:12]}. Scores of earlier cycles were measured with the old "
        "answers and don't compare with later ones"
        for holdout, sha256, n in anew
    ]


def import_rounds(
    path: Path,
    config_path: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    source: str | None = None,
    strict: bool = False,
) -> tuple[str, Rounds]:
    """Store the rounds of a file as a new cycle, all of them or nothing; return its id and what was read.

    The cycle is "cancelled" until somebody goes on with it, at mutual ranking. Its judges are not asked for
    more: the imported votes are all there are.

    Args:
        path: One goal a line, with outputs, votes and human judgements.
        config_path: The cycle.yaml that the cycle will be ranked, exported and trained with.
        overrides: Values by dotted key that win over it: the cycle keeps the config that it is imported with.
        source: Where the goals came from; the file's name where None.
        strict: Take nothing from a file with a broken row.

    Raises:
        ConfigError: The file or the config is missing or wrong.
        DataValidationError: No row is a whole round, or with `strict` one is broken.
        StorageError: The database refused; then nothing was stored.
    """
    config = load_config(config_path, overrides)
    champion, _ = champion_policy(config)
    with open_store() as store:
        number = store.next_cycle_number()
        rounds = read_rounds(path, f"c{number}", source=source, strict=strict)
        if not rounds.goals:
            shown = "".join(f"\n{row}" for row in rounds.broken[:_N_SHOWN])
            raise DataValidationError(f"{path}: none of its {rounds.n_rows} rows is a whole round{shown}")
        _check_judges_write(config, rounds)
        cycle = new_cycle(number, config, config_path, champion, rounds.goals).model_copy(
            update={"origin": "import", "status": CycleStatus.CANCELLED}
        )
        store.add_played_cycle(
            PlayedCycle(
                cycle,
                rounds.goals,
                rounds.interactions,
                rounds.votes,
                rounds.annotations,
                _report(cycle.id, rounds),
            )
        )
    return cycle.id, rounds


def _check_judges_write(config: RunConfig, rounds: Rounds) -> None:
    """Refuse the ranker peer_rank where a judge wrote none of the outputs: it could not rank the cycle."""
    judges = {vote.judge for vote in rounds.votes if vote.verdict is not None}
    strangers = sorted(judges - {row.agent for row in rounds.interactions})
    if config.ranking.ranker.kind == "peer_rank" and strangers:
        raise ConfigError(
            f"ranking.ranker: peer_rank weighs a judge by its own results, but {', '.join(strangers)} wrote "
            "none of the outputs; import with --set ranking.ranker.kind=reliable_peer_rank"
        )


def _report(cycle_id: str, rounds: Rounds) -> StageReport:
    return StageReport(
        cycle_id=cycle_id,
        stage=Stage.GENERATE,
        status=CycleStatus.COMPLETED,
        counts={
            "goals": len(rounds.goals),
            "proposals": 0,
            "executions": len(rounds.interactions),
            "failed": 0,
            "completion_tokens": 0,
        },
        details={"origin": "import"},
    )
