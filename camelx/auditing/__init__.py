"""How far the reviewers of a cycle can be trusted: bias, collapse, calibration, cost.

In: the frame of the cycle's votes, what the ranker made of them, the exported pairs, and the panel.json of
earlier cycles. Out: a `PanelAudit`, the files panel.html and panel.json, and an error where a limit of the
config is passed. Called by the stage export-preference-pairs.

    audit_panel -> write_audit -> check_limits
"""

from camelx.auditing.figures import audit_panel
from camelx.auditing.limits import LimitResult, apply_limits, check_limits
from camelx.auditing.records import PanelAudit
from camelx.auditing.report import AuditFiles, write_audit

__all__ = [
    "AuditFiles",
    "LimitResult",
    "PanelAudit",
    "apply_limits",
    "audit_panel",
    "check_limits",
    "write_audit",
]
