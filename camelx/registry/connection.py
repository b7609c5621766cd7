"""The MLflow server or database that `Registry` stands on, in MLflow's own objects; and adapters' files."""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from camelx.adapters import check_adapter_files
from camelx.config import is_missing, without_password
from camelx.errors import RegistryError, boundary

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

_EXPERIMENT = "camelx"
_CONNECT_TIMEOUT_S = 5.0


class Connection:
    """One MLflow tracking and registry server.

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

        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        return MlflowClient(self.tracking_uri, registry_uri=self.tracking_uri)

    @property
    def _where(self) -> str:
        """The URI for messages, which reach logs and pages."""
        return without_password(self.tracking_uri)

    @property
    def _is_server(self) -> bool:
        return urlsplit(self.tracking_uri).scheme in ("http", "https")

    @property
    def _is_empty(self) -> bool:
        """Whether there is no database yet: looking makes none."""
        return is_missing(self.tracking_uri)

    def _check_reachable(self) -> None:
        """Fail at once where MLflow would try for minutes, and make the folder of a local database."""
        parts = urlsplit(self.tracking_uri)
        if parts.scheme == "sqlite":
            with boundary(RegistryError, f"making the folder of {self._where}"):
                Path(unquote(parts.path[1:])).parent.mkdir(parents=True, exist_ok=True)
        if not self._is_server:
            return
        address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        try:
            socket.create_connection(address, timeout=_CONNECT_TIMEOUT_S).close()
        except OSError as e:
            raise RegistryError(
                f"MLflow server {self._where} does not answer: {e}; start it, or unset "
                "CAMELX_MLFLOW_URI to use the local database"
            ) from e

    @contextmanager
    def _calling(self, what: str) -> Iterator[None]:
        with boundary(RegistryError, f"{what} in {self._where}"):
            yield

    # --- MLflow's own objects

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

        if is_missing(self.tracking_uri):  # looking makes no database
            return None
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
        if is_missing(self.tracking_uri):
            return []
        found: list[ModelVersion] = []
        token: str | None = ""
        while token is not None:
            page = self._client.search_model_versions(f"name='{quoted(name)}'", page_token=token or None)
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
            f"model {name!r} has no version {version} in {self._where}; existing versions: {there}"
        )

    # --- where the files of a version lie

    def _folder(self, stored: ModelVersion) -> str | None:
        """Return the version's folder among its run's artifacts; None where another program stored it."""
        prefix = f"runs:/{stored.run_id}/"
        source = str(stored.source)
        return source.removeprefix(prefix) if stored.run_id and source.startswith(prefix) else None

    def _local_path(self, stored: ModelVersion) -> Path | None:
        """Return the directory of a version whose files lie on this machine; None for a remote one."""
        uri, folder = str(stored.source), self._folder(stored)
        if folder is not None:
            uri = f"{self._client.get_run(stored.run_id).info.artifact_uri}/{folder}"
        parts = urlsplit(uri)
        return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None

    def _copy_path(self, stored: ModelVersion) -> Path:
        return self.artifacts_dir / "copies" / str(stored.name) / str(stored.version)

    def _fetched(self, stored: ModelVersion) -> Path:
        """Return the local copy of a remote version, fetched once and renamed into place last.

        Raises:
            RegistryError: It is not among the artifacts of a run, or its files are unsafe.
        """
        path, folder = self._copy_path(stored), self._folder(stored)
        if path.is_dir():
            return path
        if folder is None:
            raise RegistryError(
                f"{stored.name}/{stored.version} lies at {stored.source}, which camelx does not fetch; "
                "register a version with `camelx cycle`"
            )
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            fetched = Path(self._client.download_artifacts(stored.run_id, folder, str(partial)))
            check_adapter_files(fetched)
            fetched.rename(path)
        except OSError:
            if not path.is_dir():  # else another process was first
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return path


def quoted(value: str) -> str:
    """Return the value for a filter of MLflow's, which knows no escape for a quote.

    Raises:
        RegistryError: It holds a quote.
    """
    if "'" in value:
        raise RegistryError(f"{value!r} holds a quote, which MLflow can't search for; use another name")
    return value
