"""The page on the reviewers of a cycle. Importing this module imports matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

from camelx.auditing import plots
from camelx.auditing.cycle_sections import (
    calibration_section,
    cost_section,
    length_section,
    limits_section,
)
from camelx.auditing.limits import LimitResult, exceeded
from camelx.auditing.pieces import listed
from camelx.auditing.records import PanelAudit
from camelx.auditing.reviewer_sections import (
    agreement_section,
    answers_section,
    position_section,
    reliability_section,
    self_preference_section,
)
from camelx.pages import page, table, tag

_NOTE = (
    "Intervals in brackets cover 95 %. Votes of reviewers on their own work count nowhere but under self "
    "preference. Of a vote that was given again after a discussion, the later one counts."
)


def render_page(audit: PanelAudit, limits: Sequence[LimitResult] = ()) -> str:
    """Return the page: nothing in it is loaded from outside, and every text is escaped."""
    n_limits = len(exceeded(limits))
    state = "failed" if n_limits else "passed" if audit.is_verified else "warning"
    verdict = f"{n_limits} limit{'s' if n_limits > 1 else ''} exceeded" if n_limits else ""
    verdict = verdict or ("calibrated by people" if audit.is_verified else "not verified by people")
    title = f"Reviewers of cycle {audit.cycle.cycle_id}"
    parts = [
        tag("h1", f"{title}: ", tag("span", verdict, css=state)),
        tag("p", tag("strong", audit.headline)),
        listed("What speaks against the panel's consensus", audit.conflicts),
        tag("p", _NOTE),
        table((), [(name.replace("_", " "), f"{n:,}") for name, n in audit.counts.items()]),
        limits_section(limits),
        position_section(audit.reviewers),
        answers_section(audit.reviewers),
        self_preference_section(audit.reviewers),
        length_section(audit),
        agreement_section(audit),
        reliability_section(audit),
        calibration_section(audit),
        cost_section(audit),
        listed("Reports of earlier cycles that could not be read", audit.left_out),
    ]
    return page(title, "\n".join(parts), plots.STYLE)
