"""The part of `Registry` that only looks: curves of training, model cards, which models there are."""

from __future__ import annotations

from camelx.registry.connection import Connection

MAX_POINTS = 2_000
"""Points of one curve that are handed out; of more every n-th."""


class Looking(Connection):
    """What MLflow knows of runs and models, in plain values."""

    def names(self) -> list[str]:
        """Return the names of all registered models.

        Raises:
            RegistryError: MLflow can't be reached.
        """
        with self._calling("listing the models"):
            if self._is_empty:
                return []
            found, token = [], None
            while True:
                page = self._client.search_registered_models(page_token=token)
                found += [str(model.name) for model in page]
                token = page.token or None
                if token is None:
                    return sorted(found)

    def curves(self, name: str, version: int) -> dict[str, list[tuple[int, float]]]:
        """Return the curves of the run that made a version, as (step, value), by the metric's name.

        Raises:
            RegistryError: There is no such version, or MLflow can't be reached.
        """
        with self._calling(f"reading the curves of {name}/{version}"):
            run_id = self._stored(name, version).run_id
            if not run_id:
                return {}
            metrics = sorted(self._client.get_run(run_id).data.metrics)
            curves = {metric: self._history(run_id, metric) for metric in metrics}
            return {metric: points for metric, points in curves.items() if len(points) > 1}

    def card(self, name: str, version: int) -> str:
        """Return the model card of a version, in markdown; empty where it has none.

        Raises:
            RegistryError: There is no such version, or MLflow can't be reached.
        """
        with self._calling(f"reading the card of {name}/{version}"):
            return str(self._stored(name, version).description or "")

    def _history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Return one value a step, the last that was logged: a resumed run logs some steps again."""
        by_step: dict[int, tuple[int, float]] = {}
        for point in self._client.get_metric_history(run_id, metric):
            if point.step not in by_step or point.timestamp >= by_step[point.step][0]:
                by_step[int(point.step)] = (point.timestamp, float(point.value))
        points = [(step, value) for step, (_, value) in sorted(by_step.items())]
        every = -(-len(points) // MAX_POINTS) or 1
        return points[::every]
