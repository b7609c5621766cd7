"""The tables, as SQLAlchemy models: one per record, columns named like the record's fields.

Portable by construction: JSON columns, text ids, moments kept in UTC. The migrations build these tables;
a test compares the two.
"""

from camelx.storage.tables.accounts import ApiTokenRow, AuditEntryRow, KeptAnswerRow, UserRow
from camelx.storage.tables.agent_versions import AgentVersionRow
from camelx.storage.tables.annotation import AnnotationLeaseRow, AnnotationSkipRow, AnnotationSubmissionRow
from camelx.storage.tables.base import Base, ModelText, UtcMoment, storable
from camelx.storage.tables.cycles import (
    AnnotationRow,
    ComparisonRow,
    CycleRow,
    GoalRow,
    GoalUseRow,
    HoldoutRow,
    InteractionRow,
    RankingRow,
    StageReportRow,
    UsedAnnotationRow,
    VoteRow,
)
from camelx.storage.tables.events import CycleEventRow
from camelx.storage.tables.explorer import InteractionKindRow, InteractionPlaceRow
from camelx.storage.tables.launches import LaunchRow
from camelx.storage.tables.sessions import LiveSessionRow, SessionEventRow, SessionHoldRow

__all__ = [
    "AgentVersionRow",
    "AnnotationLeaseRow",
    "AnnotationRow",
    "AnnotationSkipRow",
    "AnnotationSubmissionRow",
    "ApiTokenRow",
    "AuditEntryRow",
    "Base",
    "ComparisonRow",
    "CycleEventRow",
    "CycleRow",
    "GoalRow",
    "GoalUseRow",
    "HoldoutRow",
    "InteractionKindRow",
    "InteractionPlaceRow",
    "InteractionRow",
    "KeptAnswerRow",
    "LaunchRow",
    "LiveSessionRow",
    "ModelText",
    "RankingRow",
    "SessionEventRow",
    "SessionHoldRow",
    "StageReportRow",
    "UsedAnnotationRow",
    "UserRow",
    "UtcMoment",
    "VoteRow",
    "storable",
]
