"""The gate: a pure function of a measured difference and two bounds."""

from __future__ import annotations

from dataclasses import dataclass

from camelx.config import GateConfig
from camelx.evaluation.statistics import Difference


@dataclass(frozen=True)
class Decision:
    """Whether the challenger takes over, and why or why not."""

    promoted: bool
    reasons: tuple[str, ...]
    """One sentence for each bound, with what was measured and what was asked."""


def decide(difference: Difference, gate: GateConfig) -> Decision:
    """Return the decision: the difference must reach its bound and the interval must lie above its own."""
    reaches = difference.difference >= gate.min_difference
    is_sure = difference.low > gate.min_low
    return Decision(
        promoted=reaches and is_sure,
        reasons=(
            f"difference {_points(difference.difference)} is {'at least' if reaches else 'less than'} "
            f"gate.min_difference, {_points(gate.min_difference)} points",
            f"lower bound {_points(difference.low)} is {'above' if is_sure else 'not above'} "
            f"gate.min_low, {_points(gate.min_low)} points",
        ),
    )


def _points(share: float) -> str:
    """Return a difference of two shares in percentage points, as the rest of a cycle's page gives it."""
    return f"{100 * share:+.2f}"
