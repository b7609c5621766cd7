"""The hold-out's hash: frozen at its first use, compared at every later one."""

from __future__ import annotations

from collections.abc import Collection

from camelx.errors import EvaluationError
from camelx.schemas import Goal, content_hash


def holdout_hash(goals: Collection[Goal]) -> str:
    """Return the SHA-256 of the goals' texts, answers and verifiers, whatever their order."""
    return content_hash(
        "\x1f".join((goal.id, goal.text, goal.answer or "", goal.verifier or ""))
        for goal in sorted(goals, key=lambda goal: goal.id)
    )


def check_holdout(goals: Collection[Goal], frozen_hash: str) -> None:
    """Check that the goals are those that were frozen.

    Raises:
        EvaluationError: A goal was added, removed or changed since.
    """
    found = holdout_hash(goals)
    if found != frozen_hash:
        raise EvaluationError(
            f"the hold-out is not the one that was frozen: SHA-256 {found[:12]} of {len(goals)} goals, "
            f"expected {frozen_hash[:12]}. Its goals or goals.heldout_n changed, so scores would not compare "
            "with earlier cycles; restore them, or start a new database"
        )
