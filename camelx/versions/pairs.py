"""The pairs that a version was trained on, from the file of its cycle."""

from __future__ import annotations

import threading
from pathlib import Path

from camelx.adapters import file_sha256
from camelx.config import Settings
from camelx.errors import DataValidationError
from camelx.schemas import PreferencePair
from camelx.versions.records import Version


class PairsFiles:
    """Reads pairs files; the last one stays in memory, because people page through it."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._last: tuple[tuple[Path, int], list[PreferencePair], str] | None = None

    def of(self, version: Version) -> tuple[list[PreferencePair], str | None]:
        """Return the pairs of the version's cycle, and why these are not those that it was trained on."""
        if version.cycle_id is None:
            return [], "no cycle of camelx made this version"
        path = self._settings.cycle_dir(version.cycle_id) / "pairs.parquet"
        is_inside = path.resolve().parent.parent == self._settings.data_dir.resolve()
        if not is_inside or not path.is_file():
            return [], f"the pairs file of cycle {version.cycle_id} is not on this machine"
        try:
            pairs, sha256 = self._read(path)
        except DataValidationError as e:
            return [], str(e)
        if version.pairs_sha256 not in (None, sha256):
            return pairs, "the pairs were made anew since: this version was trained on earlier ones"
        return pairs, None

    def _read(self, path: Path) -> tuple[list[PreferencePair], str]:
        from camelx.export import read_pairs

        key = (path, path.stat().st_mtime_ns)
        with self._lock:
            if self._last is None or self._last[0] != key:
                self._last = (key, read_pairs(path), file_sha256(path))
            return self._last[1:]
