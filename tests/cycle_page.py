"""A cycle's page as one text."""

from __future__ import annotations

from camelx.cycles.summary import CycleSummary


def page_of(summary: CycleSummary) -> str:
    """Return the rows of the page, one a line, without what a renderer adds."""
    return "\n".join(f"{what}: {value}" for _, rows in summary.sections() for what, value in rows)
