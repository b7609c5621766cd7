"""Rounds played elsewhere become a cycle of this database, to rank, export and train on.

A file of goals, outputs, votes and human judgements goes in (docs/importing.md); a stored cycle comes out
whose first stage is complete, because nothing is left to generate. Called by `camelx import rounds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camelx.config import load_config
from camelx.cycles import new_cycle, open_store
from camelx.errors import DataValidationError
from camelx.importing import Rounds, read_rounds
from camelx.policies import champion_policy
from camelx.schemas import CycleStatus, Stage, StageReport

_N_SHOWN = 10


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
        cycle = new_cycle(number, config, config_path, champion, rounds.goals).model_copy(
            update={"origin": "import", "status": CycleStatus.CANCELLED}
        )
        store.add_played_cycle(
            cycle,
            rounds.goals,
            rounds.interactions,
            rounds.votes,
            rounds.annotations,
            _report(cycle.id, rounds),
        )
    return cycle.id, rounds


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
