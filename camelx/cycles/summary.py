"""One page on a cycle, from its stage reports: for the terminal and as one line of JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from camelx.config import settings, without_password
from camelx.cycles import open_store
from camelx.cycles.goal_sets import size_notes
from camelx.cycles.holding import as_it_stands
from camelx.schemas import Cycle, CycleStatus, Stage, StageReport
from camelx.storage import Store

_CONFIG = "configs/cycle.yaml"


class CycleSummary(BaseModel):
    """What a cycle did. The fields of `as_json` are a promise to scripts; see docs/cli.md."""

    cycle: Cycle
    reports: dict[Stage, StageReport]

    def as_json(self) -> dict[str, Any]:
        """Return the object that `camelx cycle --json` prints as its last line."""
        registered = self._details(Stage.REGISTER)
        return {
            "cycle_id": self.cycle.id,
            "status": str(self.cycle.status),
            "error": self.cycle.error,
            "seconds": round(self.seconds, 3),
            "peak_rss_mb": round(self.cycle.peak_rss_mb, 1),
            "overhead_share": round(self.overhead_share, 4),
            "stages": [
                {
                    "name": str(stage),
                    "status": str(report.status),
                    "seconds": round(report.seconds, 3),
                    "model_seconds": round(report.model_seconds, 3),
                }
                for stage, report in self.reports.items()
            ],
            "n_goals": self._count(Stage.GENERATE, "goals"),
            "n_interactions": self._count(Stage.GENERATE, "proposals")
            + self._count(Stage.GENERATE, "executions"),
            "n_votes": self._count(Stage.RANK, "votes"),
            "n_model_calls": sum(report.n_model_calls for report in self.reports.values()),
            "n_pairs": self._count(Stage.EXPORT, "pairs"),
            "dropped": self._details(Stage.EXPORT).get("dropped", {}),
            "heldout": self.heldout,
            "promoted": bool(registered.get("promoted", False)),
            "mlflow": {"name": registered.get("name"), "version": registered.get("version")},
            "panel": self._details(Stage.RANK).get("panel"),
            "reviews": self._details(Stage.RANK).get("spent"),
        }

    @property
    def heldout(self) -> dict[str, float] | None:
        """Champion against challenger: n_goals, champion, challenger, difference, low, high, p_value."""
        difference = self._details(Stage.EVALUATE).get("difference")
        if difference is None:
            return None
        return {"n_goals": difference["n"]} | {k: v for k, v in difference.items() if k != "n"}

    @property
    def seconds(self) -> float:
        """Wall time of all runs; never less than the stages', whose clocks a killed process leaves behind."""
        return max(self.cycle.seconds, sum(report.seconds for report in self.reports.values()))

    @property
    def overhead_share(self) -> float:
        """Share of the wall time that was neither a forward pass nor a training step."""
        model_seconds = sum(report.model_seconds for report in self.reports.values())
        return max(0.0, 1 - model_seconds / self.seconds) if self.seconds else 0.0

    def sections(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return the page as titled lists of (what, value), ready for any renderer."""
        return [
            ("Stopped", self._stopped_rows()),
            ("Work", self._work_rows()),
            ("Pairs", self._pair_rows()),
            ("Training", self._training_rows()),
            ("Held-out goals", self._heldout_rows()),
            ("Registry", self._registry_rows()),
            ("Time", self._time_rows()),
        ]

    def _stopped_rows(self) -> list[tuple[str, str]]:
        """Return the stages that did not complete, each with the reason."""
        stopped = (CycleStatus.FAILED, CycleStatus.CANCELLED)
        return [
            (str(stage), f"{report.status}: {' '.join((report.error or 'no reason given').split())}")
            for stage, report in self.reports.items()
            if report.status in stopped
        ]

    def _work_rows(self) -> list[tuple[str, str]]:
        generated, ranked = self.reports.get(Stage.GENERATE), self.reports.get(Stage.RANK)
        rows = []
        if generated and generated.counts:
            c = generated.counts
            rows.append(("goals", f"{c.get('goals', 0):,}"))
            if self.cycle.origin == "run":
                rows += self._size_rows(n=len(self.cycle.goal_ids))
            rows.append(
                (
                    "interactions",
                    f"{c.get('proposals', 0):,} proposals, {c.get('executions', 0):,} executions, "
                    f"{c.get('failed', 0):,} failed",
                )
            )
        if ranked and ranked.counts:
            c = ranked.counts
            rows.append(
                (
                    "votes",
                    f"{c.get('votes', 0):,}: {c.get('ties', 0):,} ties, "
                    f"{c.get('unreadable', 0):,} unreadable",
                )
            )
            rows += [("reviews", said) for said in [_spent(ranked.details.get("spent"))] if said]
            panel = _panel(ranked.details.get("panel"), n_votes=c.get("votes", 0))
            rows += [("reviewers", panel)] if panel else []
        return rows

    def _size_rows(self, **sizes: int) -> list[tuple[str, str]]:
        """Return what is to be said of goals that are fewer than the config asks for, or too few."""
        asked = self.cycle.config.get("goals")
        return [("note", said) for said in size_notes(asked, **sizes)] if asked else []

    def _pair_rows(self) -> list[tuple[str, str]]:
        exported, checked = self.reports.get(Stage.EXPORT), self.reports.get(Stage.VALIDATE)
        rows = []
        if exported and exported.details:
            c = exported.counts
            rows.append(
                (
                    "kept",
                    f"{c['pairs']:,} of {c['comparisons']:,} comparisons: {c['proposer_pairs']:,} of "
                    f"Proposers, {c['executor_pairs']:,} of Executors, {c['peer_reviewer_pairs']:,} of "
                    f"PeerReviewers, {c['human']:,} judged by people",
                )
            )
            dropped = {k: n for k, n in exported.details["dropped"].items() if n}
            rows.append(("dropped", ", ".join(f"{n:,} {why}" for why, n in dropped.items()) or "none"))
        if checked and checked.counts:
            rows.append(("validation", f"all {checked.counts['rules']} rules kept"))
        return rows

    def _training_rows(self) -> list[tuple[str, str]]:
        trained = self._details(Stage.TRAIN)
        curves = {
            what: [step[key] for step in trained.get("history", []) if step.get(key) is not None]
            for what, key in (("loss", "loss"), ("reward margin", "rewards/margins"))
        }  # a figure that was not finite is stored as null
        rows = [(what, _curve(values)) for what, values in curves.items() if values]
        return [*rows, ("steps", f"{self._count(Stage.TRAIN, 'steps')}")] if rows else []

    def _heldout_rows(self) -> list[tuple[str, str]]:
        h, evaluated = self.heldout, self._details(Stage.EVALUATE)
        if h is None:
            return []
        levels = [
            f"level {level} {evaluated['champion_levels'][level]:.0%} → {score:.0%}"
            for level, score in evaluated["challenger_levels"].items()
        ]
        decision = "passed" if evaluated["promoted"] else "not passed"
        return [
            ("goals", f"{h['n_goals']:,} that were never trained on" + _unscored(evaluated)),
            *self._size_rows(heldout_n=self._count(Stage.EVALUATE, "goals")),
            ("champion", f"{h['champion']:.1%}"),
            ("challenger", f"{h['challenger']:.1%}"),
            (
                "difference",
                f"{100 * h['difference']:+.1f} points, interval {100 * h['low']:+.1f} to "
                f"{100 * h['high']:+.1f}",
            ),
            *([("by level", ", ".join(levels))] if levels else []),
            ("gate", f"{decision}: {'; '.join(evaluated['reasons'])}"),
        ]

    def _registry_rows(self) -> list[tuple[str, str]]:
        registered, s = self._details(Stage.REGISTER), settings()
        files = [
            ("pairs", self._details(Stage.EXPORT).get("parquet")),
            ("reviewers' report", self._details(Stage.EXPORT).get("panel_html")),
            ("validation report", self._details(Stage.VALIDATE).get("html")),
            ("adapter", self._details(Stage.TRAIN).get("adapter")),
            ("evaluation", self._details(Stage.EVALUATE).get("json")),
            ("database", without_password(s.resolved_database_url) if self.reports else None),
        ]
        rows = [(what, path) for what, path in files if path]
        if registered:
            aliases = ", ".join(registered["aliases"]) or "no alias"
            version = f"models:/{registered['name']}/{registered['version']} ({aliases})"
            rows = [("version", version), ("put in use", self._put_in_use(registered)), *rows]
        return rows

    def _put_in_use(self, registered: dict[str, Any]) -> str:
        """Return whether the version became the champion; what passed the gate need not have."""
        if registered["promoted"]:
            return "yes"
        if not self._details(Stage.EVALUATE).get("promoted"):
            return "no: it did not pass the gate"
        compared, in_use = (_version(registered.get(key)) for key in ("compared_with", "in_use"))
        said = (
            f"it was compared with {compared}, and {in_use} was in use by then"
            if "in_use" in registered
            else ("another version was in use by then than the one that it was compared with")
        )
        return f"no: {said}; `camelx promote {registered['version']}` would put it in that one's place"

    def _time_rows(self) -> list[tuple[str, str]]:
        stages = [
            (
                str(stage),
                f"{report.seconds:.1f} s"
                + (f", model {report.model_seconds:.1f} s" if report.model_seconds else ""),
            )
            for stage, report in self.reports.items()
        ]
        if not self.seconds:
            return stages
        what = "whole cycle" if self.cycle.status is CycleStatus.COMPLETED else "so far"
        rows = [*stages, (what, f"{self.seconds:.1f} s, overhead {self.overhead_share:.0%}")]
        peak = self.cycle.peak_rss_mb
        return [*rows, ("peak memory", f"{peak:,.0f} MiB")] if peak else rows

    def _details(self, stage: Stage) -> dict[str, Any]:
        return self.reports[stage].details if stage in self.reports else {}

    def _count(self, stage: Stage, key: str) -> int:
        return self.reports[stage].counts.get(key, 0) if stage in self.reports else 0


def cycle_summary(cycle_id: str) -> CycleSummary:
    """Return the summary of a cycle, whatever state it is in.

    Raises:
        ConfigError: There is no such cycle.
    """
    with open_store() as store:
        return summaries_of(store, [store.cycle(cycle_id)])[0]


def summaries_of(store: Store, cycles: Sequence[Cycle]) -> list[CycleSummary]:
    """Return the summaries of cycles, in their order."""
    reports = store.reports_of(cycle.id for cycle in cycles)
    return [CycleSummary(cycle=as_it_stands(cycle), reports=reports[cycle.id]) for cycle in cycles]


def next_steps(summary: CycleSummary, *, camelx: str = "camelx") -> list[tuple[str, str]]:
    """Return what a user can do now: what to type or open, and what for.

    Args:
        summary: Of the cycle.
        camelx: How the command is called on this machine.
    """
    cycle, registered = summary.cycle, summary.reports.get(Stage.REGISTER)
    show = (f"{camelx} show {cycle.id}", "this page again")
    anew = _new_cycle(cycle, camelx)
    if cycle.status is not CycleStatus.COMPLETED:
        return [*_ways_on(summary, camelx), show]
    promoted = registered is not None and registered.details.get("promoted", False)
    start = "the promoted adapter" if promoted else "the version in use, as before"
    return [
        (f"{camelx} annotate --cycle {cycle.id}", "judge its pairs: your verdicts override the agents'"),
        (anew, f"the next cycle, from {start}"),
        (f"{camelx} up", "the app, the Prefect UI, the MLflow UI and the schedule, with addresses"),
        show,
        ("configs/agents.yaml", "your own agents, models and servers"),
        (cycle.config_path or _CONFIG, "sizes, ranker, thresholds, training, gate"),
    ]


def _ways_on(summary: CycleSummary, camelx: str) -> list[tuple[str, str]]:
    """Return what can be done with a cycle that did not complete; one that failed keeps its config."""
    cycle = summary.cycle
    go_on, anew = f"{camelx} cycle --cycle {cycle.id}", _new_cycle(cycle, camelx)
    config = cycle.config_path or _CONFIG
    checked = summary.reports.get(Stage.VALIDATE)
    if checked is not None and checked.status is CycleStatus.FAILED:
        # The same pairs would break the same rules.
        return [
            (f"{camelx} annotate --cycle {cycle.id}", "judge pairs yourself, then"),
            (f"{go_on} --from {Stage.EXPORT}", "make its pairs anew with your verdicts"),
            (anew, f"or a new cycle, after a change of {config}: this one keeps its config"),
        ]
    if cycle.status is CycleStatus.FAILED:
        return [
            (go_on, "go on with it where it stopped, once the cause is gone"),
            (anew, f"or a new cycle, after a change of {config}: this one keeps its config"),
        ]
    return [(go_on, "go on with it where it stopped")]


def _new_cycle(cycle: Cycle, camelx: str) -> str:
    """Return the command for a new cycle on goals of the same source."""
    path, source = cycle.config_path or _CONFIG, cycle.config.get("goals", {}).get("source", "demo")
    config = f" --config {shlex.quote(path)}" if path != _CONFIG else ""
    return f"{camelx} cycle{config}" + (f" --set goals.source={source}" if source != "demo" else "")


def _version(number: int | None) -> str:
    return "the base" if number is None else f"version {number}"


def _panel(panel: dict[str, Any] | None, *, n_votes: int) -> str | None:
    """Return one sentence on what the ranking rests on."""
    if not panel:
        return None
    if not n_votes:
        return "nobody compared anything: there is no vote to rest a ranking on"
    n = len(panel["conflicts"])
    said = (
        f"calibrated with {panel['n_labelled']:,} pairs that people judged"
        if panel["verified"]
        else "not checked against human labels: their agreement is taken for quality"
    )
    return said + (f"; {n} conflict{'s' if n > 1 else ''}: {panel['conflicts'][0]}" if n else "")


def _spent(spent: dict[str, Any] | None) -> str | None:
    """Return what reviews cost, and what asking for every pair in both orders would have."""
    if not spent:
        return None
    said = f"{spent['calls']:,} calls, {spent['tokens']:,} tokens"
    said += f", {spent['money']:.4g} in money" if spent["money"] else ""
    saved = spent["all_calls"] - spent["calls"]
    if saved <= 0:
        return said
    return f"{said}; {saved:,} of {spent['all_calls']:,} calls saved ({saved / spent['all_calls']:.0%})"


def _unscored(evaluated: dict[str, Any]) -> str:
    n = evaluated.get("n_unscored", 0)
    return f"; {n:,} more could not be scored" if n else ""


def _curve(values: list[float]) -> str:
    """Return first, middle and last value with a bar for each of at most 24 steps."""
    picked = [
        values[i * (len(values) - 1) // min(23, max(1, len(values) - 1))] for i in range(min(24, len(values)))
    ]
    low, span = min(picked), (max(picked) - min(picked)) or 1.0
    bars = "".join("▁▂▃▄▅▆▇█"[round(7 * (value - low) / span)] for value in picked)
    return f"{values[0]:.3f} {bars} {values[-1]:.3f}"
