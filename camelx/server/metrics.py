"""What Prometheus scrapes: how long requests take, and what cycles, models and people did.

Requests are counted here, each app for itself. All else is read from the database at a scrape, so that it is
right whichever process ran the cycle, and kept for some seconds, so that a scrape costs nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camelx.annotation import Wanted
from camelx.errors import NotFoundError, OrchestrationError, StorageError
from camelx.schemas import CycleFigure, CycleStatus, Stage, StageFigure
from camelx.workspace import Workspace

log = logging.getLogger(__name__)

KEEP_S = 10.0
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)
_UNMATCHED = "unmatched"
_INTERACTIONS = {
    Stage.GENERATE: ("proposals", "executions"),
}
"""What a stage counted that are interactions; others: each call of a model made one."""


class Metrics:
    """The metrics of one app."""

    def __init__(self, workspace: Workspace) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "camelx_http_request_seconds",
            "Time until an answer began, by route and status.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_Database(workspace))

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self.registry)


class Measured:
    """Middleware that takes the time of every request; the outermost, so that nothing is left out."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and take its time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = time.perf_counter() - began
                labels = (_method(scope), _route(scope), str(message["status"]))
                self._metrics.requests.labels(*labels).observe(seconds)
            await send(message)

        await self._app(scope, receive, timed)


def _method(scope: Scope) -> str:
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"


def _route(scope: Scope) -> str:
    """Return the route's template, never the path: what a client may invent must not become a label."""
    return getattr(scope.get("route"), "path", None) or _UNMATCHED


class _Database(Collector):
    """What is read from the database; a scrape that finds it away has the figures of the time before."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._kept: list[Metric] = []
        self._is_up = True
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Return nothing: a database that is slow must not hold up the start."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return the figures, read anew where they are old."""
        yield _gauge("camelx_websocket_subscriptions", "Clients that watch a cycle.",
                     self._workspace.events.n_subscriptions)  # fmt: skip
        with self._lock:
            if time.monotonic() - self._read_at > KEEP_S:
                self._read_again()
            kept, is_up = self._kept, self._is_up
        yield _gauge("camelx_database_up", "1 while the database answers.", is_up)
        yield from kept

    def _read_again(self) -> None:
        try:
            self._kept, self._is_up = list(self._figures()), True
        except StorageError as e:
            log.warning("metrics are those of the scrape before: %s", e)
            self._is_up = False
        self._read_at = time.monotonic()

    def _figures(self) -> Iterator[Metric]:
        store = self._workspace.store
        yield from _of_cycles(store.cycle_figures())
        yield from _of_stages(store.stage_figures())
        yield _counter("camelx_annotations", "Human judgements that count.", store.n_annotations())
        yield _gauge("camelx_annotation_items_open", "Pairs of the latest ranked cycle without a verdict.",
                     self._n_open())  # fmt: skip
        yield _gauge("camelx_annotation_leases", "Pairs that somebody has before them.", store.n_leases())

    def _n_open(self) -> int:
        try:
            standing = self._workspace.queue.standings.of()
        except (NotFoundError, OrchestrationError):
            return 0  # nothing was ranked yet
        return sum(1 for _ in standing.open_for("", Wanted()))


def _of_cycles(figures: Sequence[CycleFigure]) -> Iterator[Metric]:
    cycles = GaugeMetricFamily("camelx_cycles", "Cycles by status.", labels=("status",))
    n = {figure.status: figure.n for figure in figures}
    for status in CycleStatus:
        cycles.add_metric((status.value,), n.get(status, 0))
    yield cycles
    done = next((f for f in figures if f.status is CycleStatus.COMPLETED), None)
    seconds = SummaryMetricFamily("camelx_cycle_seconds", "Wall time of completed cycles.")
    seconds.add_metric((), done.n if done else 0, done.seconds if done else 0.0)
    yield seconds


def _of_stages(figures: Sequence[StageFigure]) -> Iterator[Metric]:
    seconds = SummaryMetricFamily("camelx_stage_seconds", "Wall time of completed stages.", labels=("stage",))
    failed = GaugeMetricFamily("camelx_stages_failed", "Stages that stand failed.", labels=("stage",))
    interactions = _labelled("camelx_interactions", "Answers of agents that were asked for.")
    model = _labelled("camelx_model_seconds", "Time inside forward passes and training steps.")
    tokens = CounterMetricFamily(
        "camelx_tokens", "Tokens of answers; for mutual-rank of prompts and answers.", labels=("stage",)
    )
    for stage in Stage:
        mine = [figure for figure in figures if figure.stage is stage]
        done = [figure for figure in mine if figure.status is CycleStatus.COMPLETED]
        seconds.add_metric((stage.value,), len(done), sum(figure.seconds for figure in done))
        failed.add_metric((stage.value,), sum(figure.status is CycleStatus.FAILED for figure in mine))
        model.add_metric((stage.value,), sum(figure.model_seconds for figure in mine))
        if stage in (Stage.GENERATE, Stage.RANK, Stage.EVALUATE):
            interactions.add_metric((stage.value,), sum(map(_n_interactions, mine)))
            tokens.add_metric((stage.value,), sum(_n_tokens(figure) for figure in mine))
    yield from (seconds, failed, interactions, model, tokens)
    counted: Counter[tuple[Stage, str]] = Counter()
    for figure in figures:
        counted.update({(figure.stage, name): n for name, n in figure.counts.items()})
    for name, what, key in _TOTALS:
        yield _counter(name, what, counted[key])


_TOTALS = (
    ("camelx_votes", "Votes of reviewers.", (Stage.RANK, "votes")),
    ("camelx_votes_unreadable", "Votes that could not be read.", (Stage.RANK, "unreadable")),
    ("camelx_pairs", "Preference pairs that were exported.", (Stage.EXPORT, "pairs")),
    ("camelx_pairs_human", "Pairs of these that rest on people's verdicts.", (Stage.EXPORT, "human")),
    ("camelx_model_calls_failed", "Model calls that brought no answer.", (Stage.GENERATE, "failed")),
    ("camelx_training_steps", "Optimiser steps; their time: camelx_model_seconds.", (Stage.TRAIN, "steps")),
)


def _n_interactions(figure: StageFigure) -> int:
    names = _INTERACTIONS.get(figure.stage)
    return sum(figure.counts.get(name, 0) for name in names) if names else figure.n_model_calls


def _n_tokens(figure: StageFigure) -> int:
    return figure.counts.get("tokens", figure.counts.get("completion_tokens", 0))


def _labelled(name: str, what: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, what, labels=("stage",))


def _counter(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(name, what, value=value)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)
