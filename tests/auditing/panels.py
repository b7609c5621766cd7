"""Small panels to audit: votes written as rows, and an audit with everything else empty."""

from __future__ import annotations

from typing import Any

import pandas as pd

from camelx.auditing import PanelAudit, audit_panel
from camelx.schemas import PreferencePair, Role

NOTHING = pd.DataFrame()


def votes_frame(*rows, authors=None):
    """Rows are (judge, first, second, outcome) or (..., round); a result is named goal/name."""
    authors = authors or {}
    known = [
        {
            "goal_id": first.split("/")[0],
            "judge": judge,
            "first_id": first,
            "second_id": second,
            "first_author": authors.get(first),
            "second_author": authors.get(second),
            "outcome": float("nan") if outcome is None else float(outcome),
            "vote_id": f"v{k}",
            "category": "general",
            "round": rest[0] if rest else 0,
            "form": "pairwise",
        }
        for k, (judge, first, second, outcome, *rest) in enumerate(rows)
    ]
    columns = (
        "goal_id judge first_id second_id first_author second_author outcome vote_id category round form"
    )
    return pd.DataFrame(known, columns=columns.split()).astype({"outcome": float})


def both_orders(judge, n, first_says, second_says, goal="g"):
    """Return n pairs judged in both orders: what is said of (a, b), and what of (b, a)."""
    return [
        row
        for k in range(n)
        for row in (
            (judge, f"{goal}{k}/a", f"{goal}{k}/b", first_says),
            (judge, f"{goal}{k}/b", f"{goal}{k}/a", second_says),
        )
    ]


def exported(n, chosen="y" * 20, rejected="z" * 10, weight=0.5, role=Role.EXECUTOR, source="votes"):
    return [
        PreferencePair(
            id=f"p{k}",
            cycle_id="c",
            goal_id=f"g{k}",
            role=role,
            prompt=(),
            chosen=chosen,
            rejected=rejected,
            weight=weight,
            margin=1.0,
            source=source,
            chosen_id=f"g{k}/a",
            rejected_id=f"g{k}/b",
        )
        for k in range(n)
    ]


def audited(votes=None, **given) -> PanelAudit:
    fields: dict[str, Any] = {
        "cycle_id": "c2",
        "texts": {},
        "items": NOTHING,
        "pairs": NOTHING,
        "judges": NOTHING,
        "panel_verified": False,
        "conflicts": (),
        "held_out": NOTHING,
        "anchors": NOTHING,
        "exported": (),
        "earlier": (),
        "costs": {},
    }
    return audit_panel(votes=votes_frame() if votes is None else votes, **(fields | given))


def reviewer(audit, judge):
    return next(r for r in audit.reviewers if r.judge == judge)
