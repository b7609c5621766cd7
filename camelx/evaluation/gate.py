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
            f"difference {difference.difference:+.4f} is {'at least' if reaches else 'less than'} "
            f"min_difference {gate.min_difference:g}",
            f"lower bound {difference.low:+.4f} is {'above' if is_sure else 'not above'} "
            f"min_low {gate.min_low:g}",
        ),
    )
