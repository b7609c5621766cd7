"""What the votes show about each reviewer: position, self, agreement with the others."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from camelx.auditing.intervals import Floats, difference, kappa, share, unmeasurable
from camelx.auditing.lengths import preference
from camelx.auditing.records import Agreement, Figure, ReviewerFigures, SameAnswer, SelfPreference
from camelx.auditing.votes import AuditedVotes

_ANSWERS: tuple[tuple[float, Literal["first", "second", "tie"]], ...] = (
    (1.0, "first"),
    (-1.0, "second"),
    (0.0, "tie"),
)
_NO_VOTE = "it gave no readable vote on others' work"


def reviewer_figures(votes: AuditedVotes, longer: Floats, judges: pd.DataFrame) -> list[ReviewerFigures]:
    """Return the figures of each reviewer, by name.

    Args:
        votes: All votes.
        longer: (pairs,) how much longer the lesser id's text is, see `lengths.length_ratios`.
        judges: What the ranker says of them: judge, weight, and further columns.
    """
    records: list[dict[Any, Any]] = judges.to_dict("records") if "judge" in judges else []
    learned = {str(row["judge"]): row for row in records}
    rest = _rest_of_panel(votes.cells)
    return [
        _figures(votes, j, longer, rest[votes.cells["judge"].to_numpy() == j], learned.get(name, {}))
        for j, name in enumerate(votes.judges)
    ]


def agreement_matrix(votes: AuditedVotes) -> list[Agreement]:
    """Return kappa of each two reviewers on the pairs that both judged."""
    verdicts = np.full((len(votes.judges), len(votes.pairs)), np.nan)
    verdicts[votes.cells["judge"], votes.cells["pair"]] = votes.cells["verdict"]
    found = []
    for i, one in enumerate(votes.judges):
        for j in range(i + 1, len(votes.judges)):
            both = ~np.isnan(verdicts[i]) & ~np.isnan(verdicts[j])
            figure = kappa(verdicts[i, both], verdicts[j, both], "there is no pair that both judged")
            found.append(Agreement(one=one, other=votes.judges[j], kappa=figure))
    return found


def _figures(
    votes: AuditedVotes, judge: int, longer: Floats, rest: Floats, learned: dict[str, Any]
) -> ReviewerFigures:
    counted = votes.counted[votes.counted["judge"] == judge]
    cells = votes.cells[votes.cells["judge"] == judge]
    outcome = counted["outcome"].to_numpy(dtype=float)
    n, n_ties = len(outcome), int((outcome == 0).sum())
    both = cells[cells["n_orders"] == 2]
    has_company = ~np.isnan(rest)
    n_votes, n_unreadable = int(votes.n_votes[judge]), int(votes.n_unreadable[judge])
    return ReviewerFigures(
        judge=votes.judges[judge],
        n_votes=n_votes,
        n_counted=n,
        unreadable=share(n_unreadable, n_votes, "it gave no vote"),
        ties=share(n_ties, n, _NO_VOTE),
        flip_rate=share(
            int((~both["is_same"]).sum()), len(both), "it judged no pair of others' work in both orders"
        ),
        first_preference=share(
            int((outcome == 1).sum()), n - n_ties, "it gave nothing but ties" if n else _NO_VOTE
        ),
        same_answer=_same_answer(outcome),
        self_preference=_self_preference(votes, judge),
        length=preference(
            longer[counted["pair"].to_numpy(dtype=np.int64)], counted["low_outcome"].to_numpy(float)
        ),
        agreement=kappa(
            cells["verdict"].to_numpy(dtype=float)[has_company],
            rest[has_company],
            "no other reviewer judged the same pairs" if n else _NO_VOTE,
        ),
        weight=_weight(learned),
        learned=_numbers(learned),
    )


def _same_answer(outcome: Floats) -> SameAnswer:
    counts = [(int((outcome == value).sum()), answer) for value, answer in _ANSWERS]
    most, answer = max(counts, key=lambda item: item[0])
    return SameAnswer(answer=answer if most else None, share=share(most, len(outcome), _NO_VOTE))


def _rest_of_panel(cells: pd.DataFrame) -> Floats:
    """Return for each cell the majority verdict of the others on its pair; NaN: nobody else judged it.

    A reviewer speaks with the mean of its orders, so one that flips has half a voice.
    """
    by_pair = cells.groupby("pair")["mean"]
    rest = by_pair.transform("sum").to_numpy(dtype=float) - cells["mean"].to_numpy(dtype=float)
    is_alone = by_pair.transform("size").to_numpy() < 2
    return np.where(is_alone, np.nan, np.sign(np.round(rest, 9)))


def _self_preference(votes: AuditedVotes, judge: int) -> SelfPreference:
    """Return the score of the reviewer's own work, by itself and by the others, on the same pairs."""
    own = votes.own[votes.own["judge"] == judge]
    if not len(own):
        reason = "no vote on its own work against another's was asked for or imported"
        return SelfPreference(
            own=unmeasurable(reason), others=unmeasurable(reason), difference=unmeasurable(reason)
        )
    seen = own.assign(mine=np.where(own["is_low_own"], 1.0, -1.0) * own["low_outcome"]).groupby("pair")
    by_self = pd.DataFrame({"mine": seen["mine"].mean(), "is_low_own": seen["is_low_own"].first()})
    others = votes.cells.groupby("pair")["mean"].mean()
    shared = by_self.join(others, how="inner")
    theirs = np.where(shared["is_low_own"], 1.0, -1.0) * shared["mean"].to_numpy(dtype=float)
    reason = "no other reviewer judged the pairs with its own work"
    mine = share(float(((1 + shared["mine"]) / 2).sum()), len(shared), reason)
    others_say = share(float(((1 + theirs) / 2).sum()), len(shared), reason)
    return SelfPreference(own=mine, others=others_say, difference=difference(mine, others_say))


def _weight(learned: dict[str, Any]) -> Figure:
    weight = _numbers(learned, keep=("weight",)).get("weight")
    if weight is None:
        return unmeasurable("the ranker gave it no weight")
    return Figure(value=weight)


_KNOWN = frozenset(
    (
        "judge",
        "weight",
        "n_votes",
        "n_unreadable",
        "n_own",
        "tie_share",
        "first_share",
        "consistency",
        "agreement",
        "agreement_stderr",
    )
)


def _numbers(learned: dict[str, Any], keep: tuple[str, ...] = ()) -> dict[str, float]:
    """Return the finite numbers that the ranker gives beyond what the audit counts itself."""
    return {
        str(name): float(value)
        for name, value in learned.items()
        if isinstance(value, int | float | np.number)
        and np.isfinite(value)
        and (name in keep if keep else name not in _KNOWN)
    }
