"""The goals of a cycle: those it works on, and the frozen hold-out that it is evaluated on.

A config and the database go in, goals come out. Called where a cycle is opened and where it is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from camelx.config import RunConfig, parse_config
from camelx.errors import ConfigError
from camelx.schemas import CycleStatus, Goal, Holdout, Split, Stage
from camelx.storage import Store

MIN_HELDOUT = 30
"""Held-out goals below which an evaluation decides next to nothing: the interval spans half the scale."""


def size_notes(asked: Mapping[str, Any], *, n: int | None = None, heldout_n: int | None = None) -> list[str]:
    """Return what is to be said of sets that are smaller than asked for, or too small to decide anything.

    Args:
        asked: The goals section of the config.
        n: Goals that the cycle works on; None: nothing is to be said of them.
        heldout_n: Goals of the hold-out; None: nothing is to be said of them.
    """
    notes = []
    if n is not None and n < asked["n"]:
        notes.append(f"{n:,} of the {asked['n']:,} goals asked for: of the open levels there are no more")
    if heldout_n is not None and heldout_n < asked["heldout_n"]:
        notes.append(
            f"{heldout_n:,} of the {asked['heldout_n']:,} held-out goals asked for; to evaluate on more, "
            "import them and set goals.heldout_n to how many there are then: a frozen hold-out does not grow"
        )
    if heldout_n is not None and heldout_n < MIN_HELDOUT:
        notes.append(
            f"{heldout_n} held-out goals are too few to decide anything: the gate will hardly promote, and "
            f"a difference of 0 says little; have at least {MIN_HELDOUT}, better 200"
        )
    return notes


def frozen_holdout(store: Store, config: RunConfig) -> list[Goal]:
    """Return the goals that every cycle of this source is evaluated on; the first call freezes them.

    Raises:
        ConfigError: There are none to freeze.
        EvaluationError: They changed since, or an answer can't be compared.
    """
    from camelx.evaluation import check_answers, check_holdout, holdout_hash

    name = f"{config.goals.source}-{config.goals.heldout_n}"
    if store.holdout(name) is None:
        goals = _heldout_candidates(store, config)
        check_answers(goals, config.evaluation)
        ids = tuple(goal.id for goal in goals)
        store.freeze_holdout(Holdout(name=name, sha256=holdout_hash(goals), goal_ids=ids))
    holdout = store.holdout(name)
    assert holdout is not None
    goals = store.goals(ids=holdout.goal_ids)
    check_holdout(goals, holdout.sha256)
    check_answers(goals, config.evaluation)
    return goals


def _heldout_candidates(store: Store, config: RunConfig) -> list[Goal]:
    if config.goals.source == "demo":
        from camelx.demo_model.problems import demo_goals

        goals = demo_goals(config.goals.heldout_n, seed=0, split=Split.HELDOUT)
        store.add_goals(goals)
        return goals
    goals = [goal for goal in store.goals(split=Split.HELDOUT) if goal.source != "demo"]
    if len(goals) < 2:
        raise ConfigError(
            f"the hold-out has {len(goals)} goals, expected at least 2: import some with "
            "`camelx import goals FILE --split heldout`, or part of a file with --heldout-share 0.2"
        )
    return goals[: config.goals.heldout_n]


def choose_goals(store: Store, config: RunConfig, seed: int) -> list[Goal]:
    """Return the goals of a new cycle: fresh problems, or those that the fewest cycles have worked on.

    Raises:
        ConfigError: The database holds none.
        EvaluationError: The hold-out changed since it was frozen, or one of its answers can't be compared.
    """
    levels = _open_levels(store, config)
    heldout = frozen_holdout(store, config)
    if config.goals.source == "demo":
        from camelx.demo_model.problems import GOAL_LEVELS, demo_goals

        texts = {goal.text for goal in heldout}
        goals = demo_goals(
            config.goals.n, seed=seed, levels=levels or GOAL_LEVELS, split=Split.TRAIN, exclude=texts
        )
        store.add_goals(goals)
        return goals
    goals = store.goals_for_cycle(config.goals.n, levels=levels, not_source="demo")
    if not goals:
        raise ConfigError(
            "the database holds no goals to train on; import some with `camelx import goals FILE`, "
            "or set goals.source to demo"
        )
    return goals


def _open_levels(store: Store, config: RunConfig) -> list[int] | None:
    """Return the levels that goals may come from; None: all, as nothing is known yet or all are mastered."""
    for cycle in reversed(store.cycles()):
        known = parse_config(cycle.config)
        if (known.goals.source, known.policy) != (config.goals.source, config.policy):
            continue
        report = store.stage_reports(cycle.id).get(Stage.EVALUATE)
        if report is None or report.status is not CycleStatus.COMPLETED:
            continue
        accuracy = {int(level): score for level, score in report.details.get("levels", {}).items()}
        below = [level for level, score in accuracy.items() if score < config.goals.mastered_at]
        return [level for level in sorted(accuracy) if level <= min(below)] if below else None
    return None
