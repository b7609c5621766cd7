"""`Versions`: everything that a page or a program asks of the registered versions."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property

from camelx.agents import SharedEngines
from camelx.config import PolicyConfig, RunConfig, Settings, load_config, parse_config
from camelx.cycles.comparing import compare
from camelx.cycles.policies import policy_of
from camelx.cycles.summary import summaries_of
from camelx.errors import ConfigError, ConflictError, NotFoundError
from camelx.registry import CHAMPION, Registry
from camelx.schemas import AdapterVersion, Cycle, Stage
from camelx.storage import Store
from camelx.versions.answering import MAX_GOAL_CHARACTERS, Answering
from camelx.versions.pairs import PairsFiles
from camelx.versions.records import (
    Answer,
    CurvePoint,
    Difference,
    Lineage,
    PairRow,
    Version,
    VersionComparison,
)

BASE = "base"
"""Names the base model alone where a version is asked for."""


class Versions:
    """The registered versions of all models; may be used from several threads.

    Every method raises `RegistryError` where MLflow can't be reached.
    """

    def __init__(self, store: Store, settings: Settings, engines: SharedEngines) -> None:
        """Take the database, where versions are found, and where those that are asked are loaded."""
        self._store, self._settings = store, settings
        self._answering = Answering(engines)
        self._changing = threading.Lock()
        self._pairs = PairsFiles(settings)

    def close(self) -> None:
        """End what is under way."""
        self._answering.close()

    @cached_property
    def _registry(self) -> Registry:
        settings = self._settings
        return Registry(settings.resolved_mlflow_uri, settings.mlruns_dir / "artifacts")

    # What there is

    def names(self) -> list[str]:
        """Return the names of the models, that of the project's config first."""
        mine = self._config_name()
        return list(dict.fromkeys([mine, *self._registry.names()]))

    def registered(self, name: str | None = None) -> list[Version]:
        """Return the versions of a model, newest first.

        Args:
            name: The model; None: the first of `names`.
        """
        found = self._registry.versions(name or self._config_name())
        cycles = {cycle.id: cycle for cycle in self._store.cycles()}
        known = [cycles[v.cycle_id] for v in found if v.cycle_id in cycles]
        reasons = self._reasons(known)
        return [Version.of(v, reasons.get(v.label, ())) for v in reversed(found)]

    def get(self, version: int, name: str | None = None) -> Version:
        """Return one version.

        Raises:
            NotFoundError: There is none of this number.
        """
        name = name or self._config_name()
        found = self.registered(name)
        for one in found:
            if one.version == version:
                return one
        there = ", ".join(str(one.version) for one in reversed(found)) or "none; run a cycle first"
        raise NotFoundError(f"model {name!r} has no version {version}; there are {there}")

    def curves(self, version: int, name: str | None = None) -> dict[str, list[CurvePoint]]:
        """Return the curves of the training of a version, by the metric's name.

        Raises:
            NotFoundError: There is no such version.
        """
        one = self.get(version, name)
        curves = self._registry.curves(one.name, one.version)
        return {
            metric: [CurvePoint(step=step, value=value) for step, value in points]
            for metric, points in curves.items()
        }

    def card(self, version: int, name: str | None = None) -> str:
        """Return the model card of a version, in markdown that is not to be trusted.

        Raises:
            NotFoundError: There is no such version.
        """
        one = self.get(version, name)
        return self._registry.card(one.name, one.version)

    def lineage(self, version: int, name: str | None = None, *, offset: int = 0, limit: int = 20) -> Lineage:
        """Return where a version comes from, with one page of the pairs that it was trained on.

        Raises:
            NotFoundError: There is no such version.
        """
        one = self.get(version, name)
        pairs, note = self._pairs.of(one)
        promotions = self._registry.promotions(one.name)
        return Lineage(
            version=one,
            ancestors=self._ancestors(one),
            promoted_at=tuple(at for at, number in promotions if number == one.version),
            is_cycle_known=self._cycle(one) is not None,
            n_pairs=len(pairs),
            pairs=tuple(PairRow.of(pair) for pair in pairs[offset : offset + limit]),
            pairs_note=note,
        )

    def compare(self, a: int, b: int, name: str | None = None) -> VersionComparison:
        """Return two versions side by side.

        Raises:
            NotFoundError: There is no such version.
        """
        ours, theirs = self.get(a, name), self.get(b, name)
        cycles = [self._cycle(one) for one in (ours, theirs)]
        known = [cycle for cycle in cycles if cycle is not None]
        config: tuple[Difference, ...] = ()
        note = None
        if len(known) == 2:
            summaries = summaries_of(self._store, known)
            rows = compare(*summaries).config
            config = tuple(Difference(what=row.what, a=row.a, b=row.b) for row in rows)
        else:
            note = "the configs can't be compared: a cycle of theirs is not in this database"
        metrics = sorted({*ours.metrics, *theirs.metrics})
        return VersionComparison(
            a=ours,
            b=theirs,
            metrics=tuple(
                Difference(what=m, a=ours.metrics.get(m), b=theirs.metrics.get(m)) for m in metrics
            ),
            config=config,
            note=note,
        )

    # Which one is in use

    def promote(self, version: int, name: str | None = None, *, instead_of: int | None = None) -> Version:
        """Put a version in use, whatever the gate said of it.

        Args:
            version: Which.
            name: The model.
            instead_of: The champion that whoever decided saw, 0 for none; None: whichever it is now.

        Raises:
            NotFoundError: There is no such version.
            ConflictError: Another version is the champion by now.
        """
        with self._changing:
            one = self.get(version, name)
            self._check_champion(one.name, instead_of)
            self._registry.promote(one.name, one.version)
        return self.get(version, name)

    def rollback(self, name: str | None = None, *, instead_of: int | None = None) -> Version:
        """Put the champion before this one in use again.

        Raises:
            ConflictError: There is none before it, or another version is the champion by now.
        """
        name = name or self._config_name()
        with self._changing:
            self._check_champion(name, instead_of)
            back = self.before_champion(name)
            if back is None:
                raise ConflictError(f"model {name!r} has no champion before this one to go back to")
            return self.get(self._registry.rollback(name).version, name)

    def before_champion(self, name: str | None = None) -> int | None:
        """Return the version that a rollback would put in use; None: there is none."""
        name = name or self._config_name()
        champion = self._champion(name)
        earlier = [number for _, number in self._registry.promotions(name) if number != champion]
        return earlier[-1] if earlier and champion is not None else None

    # What they say

    def answers(self, goal: str, versions: Sequence[str], name: str | None = None) -> list[Answer]:
        """Return what versions answer to a goal, greedily, side by side.

        Blocks the calling thread; must not be called on an event loop.

        Args:
            goal: What they are to reach.
            versions: Numbers as text, or "base".
            name: The model.

        Raises:
            ConfigError: The goal is empty or too long, or a version is no number.
            NotFoundError: There is no such version.
            AgentError: A model can't be loaded, or no answer came in time.
            ConflictError: Too many others wait.
        """
        goal = goal.strip()
        if not goal:
            raise ConfigError("there is no goal to answer; write one")
        if len(goal) > MAX_GOAL_CHARACTERS:
            raise ConfigError(
                f"a goal has at most {MAX_GOAL_CHARACTERS:,} characters, got {len(goal):,}; shorten it"
            )
        asked = [self._adapter(text, name) for text in versions]
        config = self._config_of(next((one for one in asked if one is not None), None))
        policies = [(one.label if one else BASE, policy_of(config, one)) for one in asked]
        return self._answering.ask(config, policies, goal)

    def _adapter(self, text: str, name: str | None) -> AdapterVersion | None:
        if text == BASE:
            return None
        if not text.isdecimal() or len(text) > 9:
            raise ConfigError(f"a version is a number or {BASE!r}, got {text[:20]!r}")
        one = self.get(int(text), name)
        return self._registry.version(one.name, one.version)

    def _config_of(self, version: AdapterVersion | None) -> RunConfig:
        """Return the config of the version's cycle, else the project's; its base is the version's."""
        cycles = {cycle.id: cycle for cycle in self._store.cycles()}
        cycle = cycles.get(version.cycle_id or "") if version else None
        config = (
            parse_config(cycle.config) if cycle else load_config(self._settings.configs_dir / "cycle.yaml")
        )
        if version is None:
            return config
        return config.model_copy(update={"policy": config.policy.model_copy(update={"base": version.base})})

    def _config_name(self) -> str:
        try:
            return load_config(self._settings.configs_dir / "cycle.yaml").policy.name
        except ConfigError:
            names = self._registry.names()
            return names[0] if names else PolicyConfig().name

    def _check_champion(self, name: str, expected: int | None) -> None:
        champion = self._champion(name)
        if expected is not None and (champion or 0) != expected:
            now = f"{name}/{champion}" if champion else "no version"
            raise ConflictError(
                f"somebody else was faster: {now} is the champion by now; look at the versions again, then "
                "decide"
            )

    def _champion(self, name: str) -> int | None:
        found = [one.version for one in self._registry.versions(name) if CHAMPION in one.aliases]
        return found[0] if found else None

    def _cycle(self, version: Version) -> Cycle | None:
        return next((cycle for cycle in self._store.cycles() if cycle.id == version.cycle_id), None)

    def _ancestors(self, version: Version) -> tuple[str, ...]:
        by_number = {one.version: one for one in self.registered(version.name)}
        found: list[str] = []
        parent = version.parent_version
        while parent is not None and f"{version.name}/{parent}" not in found:
            found.append(f"{version.name}/{parent}")
            parent = by_number[parent].parent_version if parent in by_number else None
        return tuple(found)

    def _reasons(self, cycles: Sequence[Cycle]) -> dict[str, tuple[str, ...]]:
        """Return what the gate said of the version that each cycle registered last, by label."""
        found: dict[str, tuple[str, ...]] = {}
        for cycle in cycles:
            reports = self._store.stage_reports(cycle.id)
            if Stage.REGISTER in reports and Stage.EVALUATE in reports:
                made, judged = reports[Stage.REGISTER].details, reports[Stage.EVALUATE].details
                found[f"{made.get('name')}/{made.get('version')}"] = tuple(judged.get("reasons", ()))
        return found
