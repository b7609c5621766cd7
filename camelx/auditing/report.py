"""The audit as a page for people, panel.html, and as panel.json for programs and later cycles."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camelx.auditing.limits import LimitResult, apply_limits
from camelx.auditing.records import PanelAudit
from camelx.config.ranking import PanelLimits
from camelx.errors import DataValidationError, boundary
from camelx.files import replacing


@dataclass(frozen=True)
class AuditFiles:
    """Where the report lies."""

    html: Path
    json: Path


def write_audit(audit: PanelAudit, folder: Path, limits: PanelLimits | None = None) -> AuditFiles:
    """Write panel.html and panel.json into the folder.

    Args:
        audit: What to write.
        folder: Of the cycle.
        limits: Shown with what became of them; None: none are.

    Raises:
        DataValidationError: The folder can't be written.
    """
    files = AuditFiles(folder / "panel.html", folder / "panel.json")
    results: Sequence[LimitResult] = apply_limits(audit, limits) if limits else ()
    with boundary(DataValidationError, f"writing the report on the reviewers to {folder}"):
        # matplotlib costs a second, which only those who write a report pay.
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns of a home without a cache
        from camelx.auditing.page import render_page

        content = json.dumps(audit.as_json(), ensure_ascii=False, indent=1, allow_nan=False)
        with replacing(files.json) as partial:
            partial.write_text(content, "utf-8")
        with replacing(files.html) as partial:
            partial.write_text(render_page(audit, results), "utf-8")
    return files
