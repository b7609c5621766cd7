"""The registry of adapters, in MLflow: runs with their curves, versions with their lineage, the champion.

A trained adapter directory goes in; an `AdapterVersion` with a local path comes out. The training,
evaluation and registration stages call it, so do `camelx promote` and `camelx rollback`. It is the only
room that imports mlflow.

The champion is MLflow's alias "champion". Its history is a stack kept in tags: each promotion puts the tag
`camelx.promoted.<time in ns>` on its version, a rollback takes the newest away. Concurrent promotions write
different tags, so none is lost, and each sets the alias until it agrees with the newest tag.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from camelx.adapters import MANIFEST, MODEL_CARD, check_adapter_files, file_sha256, read_manifest
from camelx.errors import RegistryError, boundary
from camelx.schemas import AdapterVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

CHAMPION = "champion"
CHALLENGER = "challenger"

_EXPERIMENT = "camelx"
_ADAPTER = "adapter"  # folder of the adapter among a run's artifacts
_CYCLE_TAG = "cycle_id"
_METRIC_TAG = "metric."
_PROMOTED_TAG = "camelx.promoted."
_LINEAGE = ("base", "base_sha256", "parent_version", "pairs_sha256", "adapter_sha256", "camelx_version")
_MAX_VALUE = 5_000  # characters of a parameter, tag or description that every MLflow database takes
_PARAMS_PER_CALL = 100  # MLflow's limit
_CONNECT_TIMEOUT_S = 5.0


class Registry:
    """Runs and adapter versions in one MLflow tracking and registry server.

    Args:
        tracking_uri: "sqlite:///<absolute path>", or the URL of an MLflow server.
        artifacts_dir: Where artifacts lie with a local database; copies of remote adapters lie there too.
    """

    def __init__(self, tracking_uri: str, artifacts_dir: Path) -> None:
        self.tracking_uri = tracking_uri
        self.artifacts_dir = artifacts_dir.resolve()

    @cached_property
    def _client(self) -> MlflowClient:
        """The connection, made at the first use; a new SQLite database takes some seconds."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
        self._check_reachable()
        from mlflow import MlflowClient

        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        return MlflowClient(self.tracking_uri, registry_uri=self.tracking_uri)

    @property
    def _is_server(self) -> bool:
        return urlsplit(self.tracking_uri).scheme in ("http", "https")

    def _check_reachable(self) -> None:
        """Fail at once where MLflow would try for minutes, and make the folder of a local database."""
        parts = urlsplit(self.tracking_uri)
        if parts.scheme == "sqlite":
            with boundary(RegistryError, f"making the folder of {self.tracking_uri}"):
                Path(unquote(parts.path[1:])).parent.mkdir(parents=True, exist_ok=True)
        if not self._is_server:
            return
        address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        try:
            socket.create_connection(address, timeout=_CONNECT_TIMEOUT_S).close()
        except OSError as e:
            raise RegistryError(
                f"MLflow server {self.tracking_uri} does not answer: {e}; start it, or unset "
                "CAMELX_MLFLOW_URI to use the local database"
            ) from e

    # --- runs

    def start_run(self, cycle_id: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Return the id of the cycle's run: a new one, or the one that an interrupted call left.

        Args:
            cycle_id: The run is found again by it.
            params: The config, one level; a parameter that the run has already stays as it is.
            tags: Lineage, such as trace_id.

        Raises:
            RegistryError: MLflow refused or can't be reached.
        """
        from mlflow.entities import Param

        with self._calling(f"starting the run of cycle {cycle_id}"):
            client, experiment = self._client, self._experiment()
            found = client.search_runs(
                [experiment], f"tags.{_CYCLE_TAG} = '{_quoted(cycle_id)}'", max_results=1
            )
            if found:
                run = found[0]
                client.update_run(run.info.run_id, status="RUNNING")
            else:
                run = client.create_run(experiment, tags={**tags, _CYCLE_TAG: cycle_id}, run_name=cycle_id)
            new = [Param(k, str(v)[:_MAX_VALUE]) for k, v in params.items() if k not in run.data.params]
            for start in range(0, len(new), _PARAMS_PER_CALL):
                client.log_batch(run.info.run_id, params=new[start : start + _PARAMS_PER_CALL])
            return str(run.info.run_id)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int) -> None:
        """Add one point to the run's curves.

        Raises:
            RegistryError: MLflow refused or can't be reached.
        """
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        with self._calling(f"logging metrics of run {run_id}"):
            self._client.log_batch(
                run_id, [Metric(name, value, now, step) for name, value in metrics.items()]
            )

    def log_dataset(self, run_id: str, parquet: Path) -> None:
        """Name the pairs file as the run's training data, and store it with the run.

        Raises:
            RegistryError: The file can't be read, or MLflow refused or can't be reached.
        """
        import mlflow.data
        import pandas as pd
        from mlflow.entities import DatasetInput, InputTag

        with self._calling(f"logging data set {parquet}"):
            self._client.log_artifact(run_id, str(parquet))
            dataset = mlflow.data.from_pandas(
                pd.read_parquet(parquet),
                source=str(parquet),
                name="preference-pairs",
                digest=file_sha256(parquet)[:36],
            )
            tags = [InputTag("mlflow.data.context", "training")]
            self._client.log_inputs(run_id, [DatasetInput(dataset._to_mlflow_entity(), tags)])

    # --- versions

    def register(
        self,
        run_id: str,
        name: str,
        adapter_dir: Path,
        base: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        artifacts: Sequence[Path],
    ) -> AdapterVersion:
        """Store the adapter as a new version with alias "challenger"; one run makes one version.

        Args:
            run_id: The cycle's run; where it has a version already, that one is returned.
            name: Name of the registered model.
            adapter_dir: What training wrote. Its README.md becomes the version's description, and its
                manifest's lineage becomes tags.
            base: Base model as the config names it.
            metrics: Held-out results; stored on the run and on the version.
            tags: Further lineage; these win over the manifest's.
            artifacts: Files to store with the run: pairs, reports.

        Raises:
            RegistryError: The directory holds a pickle or is not whole, or MLflow refused.
        """
        check_adapter_files(adapter_dir)
        with self._calling(f"registering {adapter_dir} as {name!r}"):
            client = self._client
            found = client.search_model_versions(f"name='{_quoted(name)}' and run_id='{_quoted(run_id)}'")
            if not found:
                self.log_metrics(run_id, metrics, step=0)
                for file in artifacts:
                    client.log_artifact(run_id, str(file))
                client.log_artifacts(run_id, str(adapter_dir), _ADAPTER)
                self._ensure_model(name)
                stored = {**_lineage(adapter_dir), **tags, "base": base}
                stored |= {f"{_METRIC_TAG}{key}": repr(float(value)) for key, value in metrics.items()}
                cycle_id = client.get_run(run_id).data.tags.get(_CYCLE_TAG)
                if cycle_id is not None:
                    stored[_CYCLE_TAG] = cycle_id
                found = [
                    client.create_model_version(
                        name,
                        f"runs:/{run_id}/{_ADAPTER}",
                        run_id=run_id,
                        tags={key: value[:_MAX_VALUE] for key, value in stored.items()},
                        description=_card(adapter_dir),
                    )
                ]
            version = int(found[0].version)
            if version == int(self._all_stored(name)[-1].version):
                self._set_alias(name, CHALLENGER, version)
            client.set_terminated(run_id)
            return self.version(name, version)

    def champion(self, name: str) -> AdapterVersion | None:
        """Return the version in use; None where nothing was promoted yet.

        Raises:
            RegistryError: MLflow can't be reached, or the adapter's files are unsafe or gone.
        """
        with self._calling(f"looking up the champion of {name!r}"):
            number = self._aliases(name).get(CHAMPION)
            return None if number is None else self.version(name, number)

    def version(self, name: str, version: int) -> AdapterVersion:
        """Return one version with its files on this machine, fetched where they lie elsewhere.

        Raises:
            RegistryError: There is no such version, or its files are unsafe or gone.
        """
        with self._calling(f"looking up {name}/{version}"):
            stored = self._stored(name, version)
            path = self._local_path(stored)
            if path is None:
                path = self._fetched(stored)
            check_adapter_files(path)
            return self._record(stored, path, self._aliases(name))

    def versions(self, name: str) -> list[AdapterVersion]:
        """Return all versions, oldest first; the path of a remote one is where `version` would put it.

        Raises:
            RegistryError: MLflow can't be reached.
        """
        with self._calling(f"listing the versions of {name!r}"):
            aliases = self._aliases(name)
            return [
                self._record(stored, self._local_path(stored) or self._copy_path(stored), aliases)
                for stored in self._all_stored(name)
            ]

    # --- the champion

    def promote(self, name: str, version: int) -> AdapterVersion:
        """Make a version the champion; of concurrent promotions the last one wins.

        Raises:
            RegistryError: There is no such version, or its files are unsafe or gone.
        """
        self.version(name, version)
        with self._calling(f"promoting {name}/{version}"):
            client, stack = self._client, self._stack(name)
            # The alias first: killed in between, a rollback still finds the champion before on top.
            self._set_alias(name, CHAMPION, version)
            if not stack or stack[-1][1] != version:
                stamp = max(time.time_ns(), stack[-1][0] + 1 if stack else 0)
                client.set_model_version_tag(name, str(version), f"{_PROMOTED_TAG}{stamp}", "true")
            while (newest := self._stack(name)[-1][1]) != self._aliases(name).get(CHAMPION):
                self._set_alias(name, CHAMPION, newest)
            return self.version(name, newest)

    def rollback(self, name: str) -> AdapterVersion:
        """Make the champion before this one the champion again; repeated, it goes further back.

        Raises:
            RegistryError: There is no champion, or none before it.
        """
        with self._calling(f"rolling back {name!r}"):
            current = self._aliases(name).get(CHAMPION)
            stack = self._stack(name)
            dropped = []
            while stack and stack[-1][1] == current:
                dropped.append(stack.pop())
            if current is None or not stack:
                now = "no champion" if current is None else f"champion {name}/{current} and none before it"
                raise RegistryError(f"model {name!r} has {now}: there is nothing to roll back to")
            target = self.version(name, stack[-1][1])
            # The tags first: killed in between, the next rollback ends at the same version.
            for stamp, version in dropped:
                self._client.delete_model_version_tag(name, str(version), f"{_PROMOTED_TAG}{stamp}")
            self._set_alias(name, CHAMPION, target.version)
            return self.version(name, target.version)

    def _stack(self, name: str) -> list[tuple[int, int]]:
        """Return (time in ns, version) of every promotion that was not rolled back, oldest first."""
        return sorted(
            (int(tag.removeprefix(_PROMOTED_TAG)), int(stored.version))
            for stored in self._all_stored(name)
            for tag in stored.tags
            if tag.startswith(_PROMOTED_TAG)
        )

    # --- MLflow's own objects

    @contextmanager
    def _calling(self, what: str) -> Iterator[None]:
        with boundary(RegistryError, f"{what} in {self.tracking_uri}"):
            yield

    def _experiment(self) -> str:
        """Return the experiment's id; made at the first use, with an absolute place for a local one."""
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(_EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        location = None if self._is_server else self.artifacts_dir.as_uri()
        try:
            return str(self._client.create_experiment(_EXPERIMENT, artifact_location=location))
        except MlflowException as e:
            if e.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._experiment()  # another process made it in between

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as e:
            if e.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _model(self, name: str) -> RegisteredModel | None:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_registered_model(name)
        except MlflowException as e:
            if e.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def _aliases(self, name: str) -> dict[str, int]:
        model = self._model(name)
        return {} if model is None else {alias: int(number) for alias, number in model.aliases.items()}

    def _set_alias(self, name: str, alias: str, version: int) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.set_registered_model_alias(name, alias, str(version))
        except MlflowException:  # another process made the alias in between: now it is there to be moved
            self._client.set_registered_model_alias(name, alias, str(version))

    def _all_stored(self, name: str) -> list[ModelVersion]:
        """Return MLflow's records of all versions, oldest first."""
        found: list[ModelVersion] = []
        token: str | None = ""
        while token is not None:
            page = self._client.search_model_versions(f"name='{_quoted(name)}'", page_token=token or None)
            found += page
            token = page.token or None
        return sorted(found, key=lambda stored: int(stored.version))

    def _stored(self, name: str, version: int) -> ModelVersion:
        stored = self._all_stored(name)
        for one in stored:
            if int(one.version) == version:
                return one
        there = ", ".join(str(one.version) for one in stored) or "none"
        raise RegistryError(
            f"model {name!r} has no version {version} in {self.tracking_uri}; existing versions: {there}"
        )

    def _record(self, stored: ModelVersion, path: Path, aliases: Mapping[str, int]) -> AdapterVersion:
        tags = dict(stored.tags)
        return AdapterVersion(
            name=stored.name,
            version=int(stored.version),
            path=path,
            base=tags.get("base", "unknown"),
            cycle_id=tags.get(_CYCLE_TAG),
            aliases=tuple(sorted(a for a, number in aliases.items() if number == int(stored.version))),
            metrics={
                tag.removeprefix(_METRIC_TAG): float(value)
                for tag, value in tags.items()
                if tag.startswith(_METRIC_TAG)
            },
            tags=tags,
        )

    def _artifact_uri(self, stored: ModelVersion) -> str:
        """Return where the version's files lie, "runs:/" resolved."""
        prefix = f"runs:/{stored.run_id}/"
        source = str(stored.source)
        if not stored.run_id or not source.startswith(prefix):
            return source
        return f"{self._client.get_run(stored.run_id).info.artifact_uri}/{source.removeprefix(prefix)}"

    def _local_path(self, stored: ModelVersion) -> Path | None:
        """Return the directory of a version whose files lie on this machine; None for a remote one."""
        parts = urlsplit(self._artifact_uri(stored))
        return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None

    def _copy_path(self, stored: ModelVersion) -> Path:
        return self.artifacts_dir / "copies" / str(stored.name) / str(stored.version)

    def _fetched(self, stored: ModelVersion) -> Path:
        """Return the local copy of a remote version, fetched once and renamed into place last."""
        path = self._copy_path(stored)
        if not path.is_dir():
            partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            folder = self._client.download_artifacts(stored.run_id, _ADAPTER, str(partial))
            check_adapter_files(Path(folder))
            Path(folder).rename(path)
            shutil.rmtree(partial, ignore_errors=True)
        return path


def _lineage(adapter_dir: Path) -> dict[str, str]:
    """Return the manifest's lineage as tags; empty where another program made the adapter."""
    manifest = read_manifest(adapter_dir)
    tags = {key: str(manifest[key]) for key in _LINEAGE if manifest.get(key) is not None}
    if manifest:
        tags["manifest_sha256"] = file_sha256(adapter_dir / MANIFEST)
    return tags


def _card(adapter_dir: Path) -> str | None:
    """Return the model card without its YAML head, as the version's description."""
    file = adapter_dir / MODEL_CARD
    if not file.is_file():
        return None
    text = file.read_text("utf-8")
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2]
    return text.strip()[:_MAX_VALUE]


def _quoted(value: str) -> str:
    """Return the value for a filter of MLflow's, which knows no escape for a quote.

    Raises:
        RegistryError: It holds a quote.
    """
    if "'" in value:
        raise RegistryError(f"{value!r} holds a quote, which MLflow can't search for; use another name")
    return value
