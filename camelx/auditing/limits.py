"""The limits of the config on the panel: beyond one of them nothing is trained on its pairs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from camelx.auditing.intervals import ratio_of_means, unmeasurable
from camelx.auditing.records import Figure, Mean, PanelAudit, ReviewerFigures
from camelx.config.ranking import PanelLimits
from camelx.errors import DataValidationError

LimitName = Literal["max_flip_rate", "max_same_answer", "max_length_growth", "min_margin_ratio"]
State = Literal["passed", "failed", "not measurable"]

REMEDIES: dict[LimitName, str] = {
    "max_flip_rate": "look at the reviewer's replies with `camelx explain`, give it a clearer system "
    "message or a stronger model, or leave it out in agents.yaml",
    "max_same_answer": "look at its raw replies: a reviewer that answers one thing whatever it is shown "
    "reads nothing; mend its model, its max_tokens or its system message, or leave it out in agents.yaml",
    "max_length_growth": "see in the report whether the votes or people prefer the longer text; if only the "
    "votes do, label some pairs of unequal length, or go back with `camelx rollback`",
    "min_margin_ratio": "the reviewers see little difference between the results any more: take harder goals "
    "or raise the temperature of the workers, and see that the results are not all the same text",
}


@dataclass(frozen=True)
class LimitResult:
    """What became of one limit, for one reviewer or one role."""

    limit: LimitName
    state: State
    subject: str
    """"reviewer 'critic'" or "role executor"."""
    got: str
    """In words, with what was counted; or why there is nothing."""
    allowed: float


def check_limits(audit: PanelAudit, limits: PanelLimits, report: Path | None = None) -> None:
    """Stop where a limit is passed; to be called once the report is written.

    Args:
        audit: Of the cycle.
        limits: Of the config.
        report: Where the page lies that shows it all.

    Raises:
        DataValidationError: With the limits' names as `failed_rules`; the message names each limit, what was
            found, what is allowed, the reviewer or role, the remedy and the report.
    """
    failed = exceeded(apply_limits(audit, limits))
    if not failed:
        return
    lines = [
        f"  {name}: {'; '.join(f'{r.subject} {r.got}' for r in results)}; "
        f"allowed {allowed_in_words(results[0])}. What to do: {REMEDIES[name]}"
        for name, results in failed.items()
    ]
    raise DataValidationError(
        f"the reviewers of cycle {audit.cycle.cycle_id} are beyond {len(failed)} of the limits in "
        "ranking.limits, so nothing is trained on their pairs:\n"
        + "\n".join(lines)
        + (f"\nThe whole report: {report}" if report else ""),
        failed_rules=tuple(failed),
        report_path=report,
    )


def exceeded(results: Iterable[LimitResult]) -> dict[LimitName, list[LimitResult]]:
    """Return the failed results by limit."""
    failed: dict[LimitName, list[LimitResult]] = {}
    for result in results:
        if result.state == "failed":
            failed.setdefault(result.limit, []).append(result)
    return failed


def apply_limits(audit: PanelAudit, limits: PanelLimits) -> list[LimitResult]:
    """Return what became of each limit that is set, for each reviewer and role."""
    return [
        *(result for figures in audit.reviewers for result in _reviewer_results(figures, limits)),
        *_changes(audit, limits),
    ]


def _reviewer_results(figures: ReviewerFigures, limits: PanelLimits) -> Iterator[LimitResult]:
    """Yield the limits on one reviewer; n counts votes, and a pair in both orders is two."""
    subject = f"reviewer {figures.judge!r}"
    if limits.max_flip_rate is not None:
        rate = figures.flip_rate
        said = f"changed {_percent(rate)} of its verdicts with the order ({rate.n} pairs judged in both)"
        yield _above("max_flip_rate", subject, rate, 2 * rate.n, said, limits.max_flip_rate, limits.min_votes)
    if limits.max_same_answer is not None:
        same = figures.same_answer
        said = f"answered {same.answer!r} in {_percent(same.share)} of its {same.share.n} readable votes"
        yield _above(
            "max_same_answer",
            subject,
            same.share,
            same.share.n,
            said,
            limits.max_same_answer,
            limits.min_votes,
        )


def _above(
    limit: LimitName, subject: str, figure: Figure, n_votes: int, said: str, allowed: float, least: int
) -> LimitResult:
    if figure.value is None:
        return LimitResult(limit, "not measurable", subject, str(figure.reason), allowed)
    if n_votes < least:
        reason = f"{n_votes} votes tell too little, ranking.limits.min_votes is {least}"
        return LimitResult(limit, "not measurable", subject, reason, allowed)
    return LimitResult(limit, "failed" if figure.value > allowed else "passed", subject, said, allowed)


def _changes(audit: PanelAudit, limits: PanelLimits) -> Iterator[LimitResult]:
    """Yield what became of lengths and weights since the last cycle, by role.

    A change fails where it is beyond the limit and is no chance: its interval leaves 1 out.
    """
    now, before = audit.cycle, audit.earlier[-1] if audit.earlier else None
    if (most := limits.max_length_growth) is not None:
        for role, ratio in _ratios(now.chosen_chars, before.chosen_chars if before else None).items():
            is_beyond = ratio.value is not None and ratio.value > most and _surely(ratio.low, above=1.0)
            yield _change("max_length_growth", role, ratio, is_beyond, most, audit)
    if (least := limits.min_margin_ratio) is not None:
        for role, ratio in _ratios(now.weights, before.weights if before else None).items():
            is_beyond = ratio.value is not None and ratio.value < least and _surely(ratio.high, below=1.0)
            yield _change("min_margin_ratio", role, ratio, is_beyond, least, audit)


def _surely(bound: float | None, *, above: float = -math.inf, below: float = math.inf) -> bool:
    return bound is not None and above < bound < below


def _ratios(now: Mapping[str, Mean], before: Mapping[str, Mean] | None) -> dict[str, Figure]:
    """Return now / before of each role of this cycle."""
    if before is None:
        return {role: unmeasurable("there is no earlier cycle to compare with") for role in now}
    return {
        role: ratio_of_means(mean, before[role])
        if role in before
        else unmeasurable("the last cycle exported no such pairs")
        for role, mean in now.items()
    }


_CHANGES: dict[LimitName, str] = {
    "max_length_growth": "has chosen texts {ratio:.2f} times as long as in cycle {cycle} "
    "(95 % from {low:.2f} to {high:.2f})",
    "min_margin_ratio": "has weights {ratio:.2f} times those of cycle {cycle} "
    "(95 % from {low:.2f} to {high:.2f})",
}


def _change(
    limit: LimitName, role: str, ratio: Figure, is_beyond: bool, allowed: float, audit: PanelAudit
) -> LimitResult:
    subject = f"role {role}"
    if ratio.value is None:
        return LimitResult(limit, "not measurable", subject, str(ratio.reason), allowed)
    said = _CHANGES[limit].format(
        ratio=ratio.value, low=ratio.low, high=ratio.high, cycle=audit.earlier[-1].cycle_id
    )
    return LimitResult(limit, "failed" if is_beyond else "passed", subject, said, allowed)


def allowed_in_words(result: LimitResult) -> str:
    """Return what is allowed, as the result's own figure is written."""
    if result.limit in ("max_flip_rate", "max_same_answer"):
        return f"at most {100 * result.allowed:.4g} %"
    return f"{'at most' if result.limit == 'max_length_growth' else 'at least'} {result.allowed:g} times"


def _percent(figure: Figure) -> str:
    return "nothing" if figure.value is None else f"{100 * figure.value:.3g} %"
