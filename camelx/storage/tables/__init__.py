"""The tables, as SQLAlchemy models: one per record, columns named like the record's fields.

Portable by construction: JSON columns, text ids, moments kept in UTC. The migrations build these tables;
a test compares the two.
"""

from camelx.storage.tables.annotation import AnnotationLeaseRow, AnnotationSkipRow
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

__all__ = [
    "AnnotationLeaseRow",
    "AnnotationRow",
    "AnnotationSkipRow",
    "Base",
    "ComparisonRow",
    "CycleEventRow",
    "CycleRow",
    "GoalRow",
    "GoalUseRow",
    "HoldoutRow",
    "InteractionRow",
    "ModelText",
    "RankingRow",
    "StageReportRow",
    "UsedAnnotationRow",
    "UtcMoment",
    "VoteRow",
    "storable",
]
