"""The tables of the annotation queue: who has which item before them, who passed which one by, what came."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from camelx.storage.tables.base import Base, ModelText, id_column

_CYCLE = "cycles.id"


class AnnotationLeaseRow(Base):
    """A `Lease`; its id is what only one person may hold: an item, or one person's repeat of it."""

    __tablename__ = "annotation_leases"
    id: Mapped[str] = id_column(primary=True)
    cycle_id: Mapped[str] = id_column(_CYCLE)
    item_key: Mapped[str]
    annotator: Mapped[str] = mapped_column(ModelText)
    repeat: Mapped[int]
    submission_id: Mapped[str]
    shown_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    __table_args__ = (Index("ix_annotation_leases_cycle_id", "cycle_id"),)


class AnnotationSkipRow(Base):
    """A `Skip`."""

    __tablename__ = "annotation_skips"
    item_key: Mapped[str] = mapped_column(Text, primary_key=True)
    annotator: Mapped[str] = mapped_column(ModelText, primary_key=True)
    cycle_id: Mapped[str] = id_column(_CYCLE)
    created_at: Mapped[datetime]
    __table_args__ = (Index("ix_annotation_skips_cycle_id", "cycle_id"),)


class AnnotationSubmissionRow(Base):
    """That a person's submission of a verdict came; it outlives the verdict, so that it counts once."""

    __tablename__ = "annotation_submissions"
    submission_id: Mapped[str] = mapped_column(Text, primary_key=True)
    annotator: Mapped[str] = mapped_column(ModelText, primary_key=True)
    can_be_undone: Mapped[bool]
    """False: its verdict was changed by an import since."""
