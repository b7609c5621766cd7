"""Starts, stops and continues cycles on behalf of people and programs, and notices those that ended unseen.

A cycle that is started gets its record first, with the status "queued", and is then launched: by a worker of
the Prefect server where one is online, else in a process of its own on this machine. That process outlives
the app; the `Launch` kept with the cycle says what to stop. Called by the server and the pages; imports
Prefect only once it is needed.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from camelx.config import OverrideName, Settings, check_overrides, chosen_config, config_names
from camelx.cycles.holding import as_it_stands
from camelx.cycles.notifying import close_and_tell
from camelx.cycles.opening import check_options, queue_cycle
from camelx.errors import CamelxError, ConfigError, ConflictError, NotFoundError, OrchestrationError
from camelx.orchestration.detached import end, interrupt, last_lines, start_detached
from camelx.orchestration.server import answers, api_url, foreign_home
from camelx.runtime.processes import began_at, is_alive
from camelx.schemas import Cycle, CycleStatus, Launch, utc_now
from camelx.storage import Store

log = logging.getLogger(__name__)

_ASK_AGAIN_AFTER = timedelta(seconds=60)
"""A second Ctrl-C would cut short what the first one began: to close the cycle."""
_LAUNCHED_WITHIN = timedelta(seconds=60)
_SETTLE_EVERY_S = 5.0


class CycleControl:
    """Starts, stops and continues cycles; may be used from several threads."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._settled_at = float("-inf")
        self._settling = threading.Lock()

    def configs(self) -> list[str]:
        """Return the names of the config files that a cycle can be started with."""
        return config_names(self._settings.configs_dir)

    def check(
        self,
        config: str,
        overrides: Mapping[str, Any] | None = None,
        named: OverrideName = OverrideName.OPTION,
    ) -> None:
        """Check what a cycle would be started with; `named` is how a message calls an override.

        Raises:
            ConfigError: There is no such config, or it or an override is wrong or may not be changed so.
        """
        check_overrides(chosen_config(self._settings.configs_dir, config), overrides or {}, named)

    def start(
        self,
        config: str,
        overrides: Mapping[str, Any] | None = None,
        *,
        by: str,
        trace_id: str | None = None,
        named: OverrideName = OverrideName.OPTION,
    ) -> Cycle:
        """Queue a new cycle, launch it, and return its record.

        Args:
            config: The name of a file in the project's configs/.
            overrides: Values by dotted key that win over the file.
            by: Who asks.
            trace_id: Of the request; the cycle's interactions carry it. None: a new one.
            named: How a message calls an override.

        Raises:
            ConfigError: The config or an override is wrong.
            ConflictError: Another cycle is queued or runs.
            OrchestrationError: Nothing could be started to run it.
        """
        self.check(config, overrides, named)
        self.settle(now=True)
        cycle = queue_cycle(
            self._store,
            chosen_config(self._settings.configs_dir, config),
            overrides=overrides,
            requested_by=by,
            trace_id=trace_id,
            ended=self._ended(),
        )
        self._launch(cycle.id)
        return cycle

    def resume(self, cycle_id: str, from_stage: str | None = None, *, by: str) -> Cycle:
        """Queue a cycle that ended, to go on where it stopped, launch it, and return its record.

        One that is queued already stays so: asking twice starts it once.

        Args:
            cycle_id: The cycle.
            from_stage: Run this stage and all later ones again; None: what is left.
            by: Who asks.

        Raises:
            NotFoundError: There is no such cycle.
            ConfigError: There is no such stage.
            ConflictError: It runs, has nothing left to do, or another cycle is queued or runs.
            OrchestrationError: Nothing could be started to run it.
        """
        check_options(None, cycle_id, False, from_stage)
        self.settle(now=True)
        cycle = self.cycle(cycle_id)
        if cycle.status is CycleStatus.QUEUED:
            return cycle
        if cycle.status is CycleStatus.COMPLETED and from_stage is None:
            raise ConflictError(f"cycle {cycle_id} has completed; name the stage from which to run it again")
        self._store.queue_again(cycle_id, requested_by=by, ended=self._ended())
        self._launch(cycle_id, from_stage)
        return self._store.cycle(cycle_id)

    def cancel(self, cycle_id: str) -> Cycle:
        """Stop a cycle, and return its record: a queued one is cancelled at once, a running one soon.

        Asking twice stops it once; one that was cancelled stays so.

        Raises:
            NotFoundError: There is no such cycle.
            ConflictError: It does not run, or runs where it can't be reached from here.
            OrchestrationError: The Prefect server that runs it does not answer.
        """
        self.settle(now=True)
        cycle, launch = self.cycle(cycle_id), self._store.launch(cycle_id)
        if cycle.status is CycleStatus.CANCELLED:
            return cycle
        if cycle.status is CycleStatus.QUEUED:
            self._drop(cycle_id, launch)
        elif cycle.status is CycleStatus.RUNNING:
            self._stop(cycle_id, launch)
        else:
            raise ConflictError(f"cycle {cycle_id} has {cycle.status}; there is nothing to cancel")
        return self.cycle(cycle_id)

    def cycle(self, cycle_id: str) -> Cycle:
        """Return a cycle as it stands.

        Raises:
            NotFoundError: There is no such cycle.
        """
        try:
            return as_it_stands(self._store.cycle(cycle_id))
        except ConfigError as e:
            raise NotFoundError(str(e)) from e

    def launch(self, cycle_id: str) -> Launch | None:
        """Return how a cycle was started last; None: nobody kept it."""
        return self._store.launch(cycle_id)

    def run_url(self, launch: Launch | None) -> str | None:
        """Return where the Prefect UI shows a cycle's run; None: no server is known to have it."""
        if launch is None or launch.flow_run_id is None:
            return None
        ui = self._settings.prefect_ui_url or _named_server().removesuffix("/api")
        return f"{ui.rstrip('/')}/runs/flow-run/{launch.flow_run_id}" if ui else None

    def settle(self, *, now: bool = False) -> None:
        """Close cycles whose process or run ended without a word, and tell of them.

        It costs one query where nothing is queued or runs.

        Args:
            now: True: look, even if somebody did within the last seconds.
        """
        with self._settling:
            if not now and time.monotonic() - self._settled_at < _SETTLE_EVERY_S:
                return
            self._settled_at = time.monotonic()
        for cycle in self._store.active_cycles():
            launch = self._store.launch(cycle.id)
            reason = self._why_over(cycle, launch)
            if reason is not None:
                is_asked = launch is not None and launch.cancel_asked_at is not None
                status = CycleStatus.CANCELLED if is_asked else CycleStatus.FAILED
                error = "cancelled on request" if is_asked else reason
                close_and_tell(cycle.id, status=status, error=error, was=[cycle.status], waits=False)

    def stop_all(self, within_s: float = 30.0) -> list[str]:
        """Stop the cycles that run in processes of this machine, wait until they are closed, return them."""
        mine = [cycle.id for cycle in self._store.active_cycles() if self._is_here(cycle.id)]
        for cycle_id in mine:
            try:
                self.cancel(cycle_id)
            except CamelxError as e:  # it ended just now, or is out of reach; the others are to be stopped
                log.warning("cycle %s is not stopped: %s", cycle_id, e)
        deadline = time.monotonic() + within_s
        while any(self._is_here(cycle_id) for cycle_id in mine) and time.monotonic() < deadline:
            time.sleep(0.1)
        return mine

    def _launch(self, cycle_id: str, from_stage: str | None = None) -> None:
        """Start what will run a queued cycle; where nothing can be started the cycle has failed."""
        try:
            if not self._launch_on_worker(cycle_id, from_stage):
                options = ("--from", from_stage) if from_stage else ()
                popen = start_detached(self._settings, cycle_id, *options)
                began = began_at(popen.pid)
                self._note(cycle_id, host=socket.gethostname(), pid=popen.pid, process_began=began)
        except OSError as e:
            reason = f"no process could be started for it: {e}"
            close_and_tell(
                cycle_id, status=CycleStatus.FAILED, error=reason, was=[CycleStatus.QUEUED], waits=False
            )
            raise OrchestrationError(f"cycle {cycle_id}: {reason}") from e

    def _launch_on_worker(self, cycle_id: str, from_stage: str | None) -> bool:
        url = self._prefect()
        if url is None:
            return False
        from camelx.orchestration.deployments import has_worker, start_run

        parameters = {"cycle_id": cycle_id, "from_stage": from_stage, "queued_only": True}
        try:
            if not has_worker(url):
                return False
            self._note(cycle_id, flow_run_id=start_run(url, f"cycle {cycle_id}", parameters))
        except OrchestrationError as e:
            log.warning("cycle %s gets a process of its own: %s", cycle_id, e)
            return False
        return True

    def _note(self, cycle_id: str, **fields: Any) -> None:
        self._store.note_launch(cycle_id, **fields)

    def _drop(self, cycle_id: str, launch: Launch | None) -> None:
        """Cancel a cycle before it begins."""
        end_of = {"status": CycleStatus.CANCELLED, "error": "cancelled before it began"}
        was_queued = close_and_tell(cycle_id, was=[CycleStatus.QUEUED], waits=False, **end_of)
        if not was_queued:  # it began in between
            self._stop(cycle_id, self._store.launch(cycle_id))
        elif launch is not None and launch.flow_run_id is not None and (url := self._prefect()):
            from camelx.orchestration.deployments import cancel_run

            cancel_run(url, launch.flow_run_id)
        elif launch is not None and launch.pid is not None and self._is_here(cycle_id):
            end(launch.pid)

    def _stop(self, cycle_id: str, launch: Launch | None) -> None:
        """Ask what runs a cycle to stop; it closes the cycle itself."""
        if launch is None:
            raise ConflictError(f"cycle {cycle_id} runs in a process that left no number; stop it there")
        now = utc_now()
        if not self._store.ask_to_cancel(cycle_id, at=now, again_before=now - _ASK_AGAIN_AFTER):
            return
        try:
            self._reach(cycle_id, launch)
        except CamelxError:
            self._note(cycle_id, cancel_asked_at=None)  # nobody was told: it may be asked again at once
            raise

    def _reach(self, cycle_id: str, launch: Launch) -> None:
        """Tell what runs the cycle that it is to stop."""
        url = self._prefect() if launch.flow_run_id else None
        if url is not None and launch.flow_run_id is not None:
            from camelx.orchestration.deployments import cancel_run, is_deployed

            if is_deployed(url, launch.flow_run_id):
                cancel_run(url, launch.flow_run_id)
                return
        if launch.pid is not None and self._is_here(cycle_id):
            interrupt(launch.pid)
            return
        raise ConflictError(
            f"cycle {cycle_id} runs on {launch.host} in process {launch.pid}, which can't be reached from "
            "here; stop it there"
        )

    def _why_over(self, cycle: Cycle, launch: Launch | None) -> str | None:
        """Return why an active cycle is over, where nobody recorded it; None: it is not, or elsewhere."""
        if cycle.status is CycleStatus.RUNNING:
            is_ours = launch is not None and launch.host == socket.gethostname()
            return as_it_stands(cycle).error if is_ours else None
        if launch is not None and launch.pid is not None:
            if launch.host != socket.gethostname() or is_alive(launch.pid, launch.process_began):
                return None
            said = "; ".join(last_lines(self._settings, cycle.id)) or "no word"
            return f"its process ended before the cycle began: {said}"
        if launch is not None and launch.flow_run_id is not None:
            return self._how_run_ended(launch.flow_run_id)
        since = launch.requested_at if launch else cycle.started_at
        return "it was never launched" if utc_now() - since > _LAUNCHED_WITHIN else None

    def _how_run_ended(self, flow_run_id: str) -> str | None:
        if (url := self._prefect()) is None:
            return None
        from camelx.orchestration.deployments import how_it_ended

        try:
            ended = how_it_ended(url, flow_run_id)
        except OrchestrationError as e:
            log.warning("whether run %s waits still is not known: %s", flow_run_id, e)
            return None
        return f"its run ended before the cycle began: {ended}" if ended else None

    def _ended(self) -> list[str]:
        """Return the cycles that are marked running though their process is gone."""
        active = self._store.active_cycles()
        over = (CycleStatus.CANCELLED, CycleStatus.FAILED)
        return [cycle.id for cycle in active if as_it_stands(cycle).status in over]

    def _is_here(self, cycle_id: str) -> bool:
        """Whether a process of this machine runs the cycle, or is about to."""
        launch = self._store.launch(cycle_id)
        if launch is None or launch.pid is None or launch.host != socket.gethostname():
            return False
        return is_alive(launch.pid, launch.process_began)

    def _prefect(self) -> str | None:
        """Return the API of the Prefect server that runs this project's cycles; None: none answers."""
        named = _named_server()
        url = named or api_url(self._settings.prefect_port)
        if not answers(url):
            return None
        return url if named or not foreign_home(url, self._settings) else None


def _named_server() -> str:
    return os.environ.get("PREFECT_API_URL", "")
