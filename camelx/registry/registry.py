"""`Registry`: everything that camelx asks of MLflow, in camelx's own records.

The champion is MLflow's alias "champion". Its history is a stack kept in tags: each promotion puts the tag
`camelx.promoted.<time in ns>` on its version, a rollback takes the newest away. Concurrent promotions write
different tags, so none is lost, and each sets the alias until it agrees with the newest tag.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camelx.adapters import check_adapter_files, file_sha256
from camelx.errors import RegistryError
from camelx.registry.connection import quoted
from camelx.registry.lineage import MAX_VALUE, card_text, lineage_tags
from camelx.registry.looking import Looking
from camelx.schemas import AdapterVersion

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

CHAMPION = "champion"
CHALLENGER = "challenger"

_ADAPTERS = "adapter"  # folder among a run's artifacts; below it one folder for each adapter, by its hash
_CYCLE_TAG = "cycle_id"
_METRIC_TAG = "metric."
_PROMOTED_TAG = "camelx.promoted."
_PARAMS_PER_CALL = 100  # MLflow's limit
_NOT_IN_A_NAME = re.compile(r"[^/\w.\- :]")
"""What MLflow refuses in a parameter's name: a backend of agents.yaml may be called "gpt@work"."""


class Registry(Looking):
    """Runs and adapter versions in one MLflow tracking and registry server."""

    # --- runs

    @contextmanager
    def run(self, cycle_id: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[str]:
        """Start the cycle's run as `start_run` does, and end it with the block, however the block ends.

        It is Finished, Failed where the block raised, Killed where it was interrupted. The next call opens
        it again, and versions may be registered with it after its end.

        Raises:
            RegistryError: MLflow refused or can't be reached.
        """
        run_id = self.start_run(cycle_id, params, tags)
        try:
            yield run_id
        except BaseException as e:
            try:
                self._end_run(run_id, "FAILED" if isinstance(e, Exception) else "KILLED")
            except RegistryError as also:  # what ended the block says more
                log.warning("%s", also)
            raise
        self._end_run(run_id, "FINISHED")

    def _end_run(self, run_id: str, status: str) -> None:
        with self._calling(f"ending run {run_id}"):
            self._client.set_terminated(run_id, status)

    def start_run(self, cycle_id: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Return the id of the cycle's run: a new one, or the one that an interrupted call left.

        Args:
            cycle_id: The run is found again by it and by `tags`: a cycle that is trained once more on other
                pairs has a run of its own, so that no version loses its pairs and its curves.
            params: The config, one level; a parameter that the run has already stays as it is.
            tags: Lineage, such as trace_id and pairs_sha256.

        Raises:
            RegistryError: MLflow refused or can't be reached.
        """
        from mlflow.entities import Param

        with self._calling(f"starting the run of cycle {cycle_id}"):
            client, experiment = self._client, self._experiment()
            identity = {**tags, _CYCLE_TAG: cycle_id}
            same = " and ".join(f"tags.{key} = '{quoted(value)}'" for key, value in identity.items())
            found = client.search_runs([experiment], same, max_results=1)
            if found:
                run = found[0]
                client.update_run(run.info.run_id, status="RUNNING")
            else:
                run = client.create_run(experiment, tags=identity, run_name=cycle_id)
            named = {_NOT_IN_A_NAME.sub("_", key): str(value)[:MAX_VALUE] for key, value in params.items()}
            new = [Param(key, value) for key, value in named.items() if key not in run.data.params]
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
        """Store the adapter as a new version with alias "challenger"; the same adapter makes one version.

        Args:
            run_id: The cycle's run; where it has a version with these weights already, that one is returned.
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
            stored = {**lineage_tags(adapter_dir), **tags, "base": base}
            version = self._version_with(run_id, name, stored["adapter_sha256"])
            if version is None:
                version = self._create(run_id, name, adapter_dir, stored, metrics, artifacts)
            if version == int(self._all_stored(name)[-1].version):
                self._set_alias(name, CHALLENGER, version)
            return self.version(name, version)

    def _version_with(self, run_id: str, name: str, adapter_sha256: str) -> int | None:
        """Return the run's version of an adapter with these weights; None: there is none yet."""
        found = self._client.search_model_versions(f"name='{quoted(name)}' and run_id='{quoted(run_id)}'")
        same = [int(one.version) for one in found if one.tags.get("adapter_sha256") == adapter_sha256]
        return min(same, default=None)

    def _create(
        self,
        run_id: str,
        name: str,
        adapter_dir: Path,
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        artifacts: Sequence[Path],
    ) -> int:
        """Store the files with the run, then the version; killed in between, the next call does it again."""
        client = self._client
        self.log_metrics(run_id, metrics, step=0)
        for file in artifacts:
            client.log_artifact(run_id, str(file))
        # Named after the weights, so that an adapter trained anew can't replace those of a version.
        folder = f"{_ADAPTERS}/{tags['adapter_sha256'][:12]}"
        client.log_artifacts(run_id, str(adapter_dir), folder)
        self._ensure_model(name)
        stored = {**tags, **{f"{_METRIC_TAG}{key}": repr(float(value)) for key, value in metrics.items()}}
        cycle_id = client.get_run(run_id).data.tags.get(_CYCLE_TAG)
        if cycle_id is not None:
            stored[_CYCLE_TAG] = cycle_id
        made = client.create_model_version(
            name,
            f"runs:/{run_id}/{folder}",
            run_id=run_id,
            tags={key: value[:MAX_VALUE] for key, value in stored.items()},
            description=card_text(adapter_dir),
        )
        return int(made.version)

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
            return self.version(name, self._settled(name))

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
            return self.version(name, self._settled(name))

    def promotions(self, name: str) -> list[tuple[datetime, int]]:
        """Return when which version was promoted, oldest first; what was rolled back is not among them.

        Raises:
            RegistryError: MLflow can't be reached.
        """
        with self._calling(f"reading the promotions of {name!r}"):
            return [(datetime.fromtimestamp(at / 1e9, UTC), version) for at, version in self._stack(name)]

    def _settled(self, name: str) -> int:
        """Set the alias until it agrees with the newest promotion, whatever others do meanwhile."""
        while (newest := self._stack(name)[-1][1]) != self._aliases(name).get(CHAMPION):
            self._set_alias(name, CHAMPION, newest)
        return newest

    def _stack(self, name: str) -> list[tuple[int, int]]:
        """Return (time in ns, version) of every promotion that was not rolled back, oldest first."""
        return sorted(
            (int(tag.removeprefix(_PROMOTED_TAG)), int(stored.version))
            for stored in self._all_stored(name)
            for tag in stored.tags
            if tag.startswith(_PROMOTED_TAG)
        )

    def _record(self, stored: ModelVersion, path: Path, aliases: Mapping[str, int]) -> AdapterVersion:
        tags = dict(stored.tags)
        return AdapterVersion(
            name=stored.name,
            version=int(stored.version),
            path=path,
            base=tags.get("base", "unknown"),
            cycle_id=tags.get(_CYCLE_TAG),
            created_at=datetime.fromtimestamp(stored.creation_timestamp / 1000, UTC),
            aliases=tuple(sorted(a for a, number in aliases.items() if number == int(stored.version))),
            metrics={
                tag.removeprefix(_METRIC_TAG): float(value)
                for tag, value in tags.items()
                if tag.startswith(_METRIC_TAG)
            },
            tags=tags,
        )
