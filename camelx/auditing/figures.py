"""Every figure of the audit, computed from frames and records alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import ValidationError

from camelx.auditing.calibration import calibrate
from camelx.auditing.intervals import unmeasurable
from camelx.auditing.lengths import chosen_chars, length_figures, length_ratios, vote_weights
from camelx.auditing.records import (
    CycleFigures,
    Figure,
    PanelAudit,
    Reliability,
    ReviewerFigures,
)
from camelx.auditing.reviewers import agreement_matrix, reviewer_figures
from camelx.auditing.votes import COLUMNS, PAIR_KEYS, AuditedVotes, audited_votes, lesser_first
from camelx.errors import DataValidationError
from camelx.schemas import PreferencePair

_COSTS = {
    "calls": "no call was counted",
    "tokens": "no tokens were counted",
    "money": "no backend of a reviewer has a price",
}
_NOT_ASKED = "no call of a reviewer was counted; votes that were made elsewhere cost none"


def audit_panel(
    *,
    cycle_id: str,
    votes: pd.DataFrame,
    texts: Mapping[str, str],
    items: pd.DataFrame,
    pairs: pd.DataFrame,
    judges: pd.DataFrame,
    panel_verified: bool,
    conflicts: Sequence[str],
    held_out: pd.DataFrame,
    anchors: pd.DataFrame,
    exported: Sequence[PreferencePair],
    earlier: Sequence[Mapping[str, Any]],
    costs: Mapping[str, float],
) -> PanelAudit:
    """Return the audit of one cycle's reviewers.

    Args:
        cycle_id: Of the cycle.
        votes: The vote frame, unreadable votes and those on own work included; `round` where there was a
            discussion, `form` where votes were asked for in several.
        texts: Text by item; the length of an item without one is unknown.
        items: The ranked items, one row each.
        pairs: The reviewed pairs, with n_orders.
        judges: The ranker's row per judge: judge, weight, and what else it learned.
        panel_verified: Whether people's labels calibrated the reviewers.
        conflicts: Why the consensus may be wrong.
        held_out: Labelled pairs predicted without their goal's labels, see `calibration.calibrate`.
        anchors: People's labels: goal_id, first_id, second_id, outcome.
        exported: The pairs that are trained on.
        earlier: Contents of panel.json of earlier cycles, oldest first.
        costs: calls, tokens, money, and all_calls: what all scheduled pairs in both orders would have cost.
            What is not there, or 0, is not measurable.

    Raises:
        DataValidationError: The votes lack a column.
    """
    if missing := [column for column in COLUMNS if column not in votes]:
        raise DataValidationError(
            f"the votes of cycle {cycle_id} lack the columns {', '.join(missing)}; "
            "`camelx.ranking.vote_frame` makes them all"
        )
    counted = audited_votes(votes)
    longer = length_ratios(counted.pairs, texts)
    reviewers = reviewer_figures(counted, longer, judges)
    calibration = calibrate(held_out)
    n_labelled = len(lesser_first(anchors).drop_duplicates(PAIR_KEYS)) if len(anchors) else 0
    past, left_out = _earlier(earlier, cycle_id)
    return PanelAudit(
        headline=_headline(panel_verified, n_labelled, len(conflicts), len(counted.counted)),
        is_verified=panel_verified,
        conflicts=tuple(conflicts),
        counts=_counts(votes, counted, items, pairs, n_labelled, exported),
        reviewers=tuple(reviewers),
        agreement=tuple(agreement_matrix(counted)),
        length=length_figures(counted, longer, anchors, texts, exported),
        calibration=calibration,
        costs=_costs(costs, len(exported)),
        cycle=CycleFigures(
            cycle_id=cycle_id,
            reviewers={r.judge: _reliability(r) for r in reviewers},
            chosen_chars=chosen_chars(exported),
            weights=vote_weights(exported),
            calibration_error=calibration.verdict.error,
        ),
        earlier=tuple(past),
        left_out=tuple(left_out),
    )


def _headline(is_verified: bool, n_labels: int, n_conflicts: int, n_counted: int) -> str:
    """Return what the ranking rests on, in one plain sentence, and whether the panel is at odds."""
    people = f"People judged {n_labels} pair{'s' if n_labels > 1 else ''}"
    if not n_counted:
        said = "No reviewer's vote counts here: nothing could be learned about the reviewers."
    elif is_verified:
        said = f"{people}, and the reviewers were calibrated on them before their votes were counted."
    elif n_labels:
        said = f"{people}, but the ranker did not use them: agreement was taken for quality."
    else:
        said = "No human has judged any pair: agreement was taken for quality."
    if n_conflicts and not is_verified:
        said += " The reviewers contradict each other, and votes alone can't tell who is right."
    return said


def _counts(
    votes: pd.DataFrame,
    counted: AuditedVotes,
    items: pd.DataFrame,
    pairs: pd.DataFrame,
    n_labelled: int,
    exported: Sequence[PreferencePair],
) -> dict[str, int]:
    counts = {
        "reviewers": len(counted.judges),
        "votes": len(votes),
        "readable": int(votes["outcome"].notna().sum()),
        "counted": len(counted.counted),
        "own_work": counted.n_own,
        "results": len(items),
        "pairs": len(pairs),
        "pairs_in_both_orders": int((pairs["n_orders"] == 2).sum()) if "n_orders" in pairs else 0,
        "labelled": n_labelled,
        "exported": len(exported),
    }
    if "round" in votes and (votes["round"] > 0).any():
        counts["after_discussion"] = int((votes["round"] > 0).sum())
    if "form" in votes:
        forms = votes["form"].value_counts().sort_index()
        counts |= {f"votes_{form}": int(n) for form, n in forms.items()}
    return counts


def _costs(costs: Mapping[str, float], n_exported: int) -> dict[str, Figure]:
    """Return the totals, each also per exported pair, and the share of calls that was saved."""
    spent = {name: float(n) for name, n in costs.items() if math.isfinite(n) and n > 0}
    found: dict[str, Figure] = {}
    for name, reason in _COSTS.items():
        if "calls" not in spent:
            found[name] = unmeasurable(_NOT_ASKED)
        else:
            found[name] = Figure(value=spent[name]) if name in spent else unmeasurable(reason)
        found[f"{name}_per_pair"] = _per_pair(found[name], n_exported)
    found["saved_calls"] = _saved(spent)
    return found


def _per_pair(total: Figure, n_exported: int) -> Figure:
    if total.value is None:
        return total
    if not n_exported:
        return unmeasurable("no pair was exported")
    return Figure(value=total.value / n_exported, n=n_exported)


def _saved(spent: Mapping[str, float]) -> Figure:
    """Return 1 - calls / all_calls; below 0 where a discussion cost more than was saved."""
    if "calls" not in spent:
        return unmeasurable(_NOT_ASKED)
    if "all_calls" not in spent:
        return unmeasurable("what all pairs in both orders would have cost was not given")
    return Figure(value=1.0 - spent["calls"] / spent["all_calls"], n=int(spent["all_calls"]))


def _reliability(figures: ReviewerFigures) -> Reliability:
    return Reliability(weight=figures.weight, flip_rate=figures.flip_rate, agreement=figures.agreement)


def _earlier(documents: Sequence[Mapping[str, Any]], cycle_id: str) -> tuple[list[CycleFigures], list[str]]:
    """Return what earlier cycles left behind, and why the rest of them is left out."""
    found, left_out = [], []
    for place, document in enumerate(documents, 1):
        try:
            past = CycleFigures.model_validate(document.get("cycle"))
        except ValidationError as e:
            problem = e.errors()[0]
            where = ".".join(map(str, ("cycle", *problem["loc"])))
            left_out.append(f"panel.json {place} of {len(documents)}, at {where}: {problem['msg']}")
            continue
        if past.cycle_id != cycle_id:
            found.append(past)
    return found, left_out
