"""A ranked and exported cycle to look back on, and what tests do to it behind camelx's back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from camelx import stages
from camelx.cli.app import app
from camelx.cycles import open_store
from camelx.cycles.opening import open_cycle
from camelx.export import read_pairs
from camelx.schemas import Annotation, PreferencePair, Role, Stage, Verdict, stable_id


def camelx(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def ranked_cycle(config_path: Path, *names: Stage) -> str:
    """A cycle of which these stages have run."""
    cycle_id = open_cycle(str(config_path))
    for name in names:
        stages.BY_NAME[name](cycle_id)
    return cycle_id


def change(root: Path, statement: str, *values: object) -> None:
    """Change the database behind camelx's back."""
    with sqlite3.connect(root / "data" / "camelx.db") as database:
        assert database.execute(statement, values).rowcount == 1


def pairs_of(root: Path, cycle_id: str) -> list[PreferencePair]:
    return read_pairs(root / "data" / cycle_id / "pairs.parquet")


def judge(pairs: Iterable[tuple[str, str]], who: str = "ann", **fields: Any) -> list[Annotation]:
    """Store a person's judgement on each of these pairs of results: the second is better."""
    with open_store() as store:
        rows = store.interactions_by_id(i for pair in pairs for i in pair)
        made = [
            Annotation(
                id=stable_id("annotation", first, second, who),
                goal_id=rows[first].goal_id,
                first_id=first,
                second_id=second,
                annotator=who,
                **{"verdict": Verdict.SECOND, **fields},
            )
            for first, second in pairs
        ]
        store.save_annotations(made)
    return made


def siblings(cycle_id: str) -> list[tuple[str, str]]:
    """One pair of executions of one proposal for each goal, the one that the reviewers prefer first."""
    found: dict[str, tuple[str, str]] = {}
    with open_store() as store:
        rows = {row.id: row for row in store.interactions(cycle_id, Stage.GENERATE, Role.EXECUTOR)}
        for c in store.comparisons(cycle_id):
            if c.role is Role.EXECUTOR and rows[c.first_id].parent_id == rows[c.second_id].parent_id:
                pair = (c.first_id, c.second_id)
                found[c.goal_id] = pair if c.probability > 0.5 else pair[::-1]
    return [found[goal_id] for goal_id in sorted(found)]
