"""Registered versions as people look at them: compared, followed down to single pairs, asked, put in use.

In: the registry, the database, the cycles' pairs files. Out: records without paths. `Versions` belongs to the
app's workspace; the API and the page call it. Promotion and rollback are the registry's own.
"""

from camelx.versions.answering import MAX_GOAL_CHARACTERS
from camelx.versions.records import (
    Answer,
    CurvePoint,
    Difference,
    HeldOut,
    Lineage,
    PairRow,
    Version,
    VersionComparison,
)
from camelx.versions.versions import BASE, Versions

__all__ = [
    "BASE",
    "MAX_GOAL_CHARACTERS",
    "Answer",
    "CurvePoint",
    "Difference",
    "HeldOut",
    "Lineage",
    "PairRow",
    "Version",
    "VersionComparison",
    "Versions",
]
