"""The tables by which a million interactions are filtered and paged; triggers on `interactions` fill them.

Nothing here is known of an interaction that `interactions` does not say: whoever writes one need not know of
these tables. Beside them stands `interaction_words`, the index of words: FTS5 in SQLite, a `tsvector` with a
GIN index in PostgreSQL, and so in no model. Migration 0009 makes all of it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from camelx.storage.tables.base import Base, ModelText, id_column


class InteractionKindRow(Base):
    """One combination of what interactions are filtered by; a cycle has some twenty."""

    __tablename__ = "interaction_kinds"
    id: Mapped[int] = mapped_column(primary_key=True)
    cycle_id: Mapped[str]
    stage: Mapped[str]
    role: Mapped[str]
    agent: Mapped[str] = mapped_column(ModelText)
    model: Mapped[str] = mapped_column(ModelText)
    status: Mapped[str]
    __table_args__ = (
        UniqueConstraint(
            "cycle_id", "stage", "role", "agent", "model", "status", name="uq_interaction_kinds_all"
        ),
    )


class InteractionPlaceRow(Base):
    """The place of one interaction in time.

    Its number is its moment in microseconds since 1970, or the next free one: a total order, and the row id
    of its words.
    """

    __tablename__ = "interaction_places"
    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False
    )
    interaction_id: Mapped[str] = id_column()
    kind_id: Mapped[int]
    goal_id: Mapped[str] = id_column()
    __table_args__ = (
        UniqueConstraint("interaction_id", name="uq_interaction_places_interaction_id"),
        Index("ix_interaction_places_kind_id_number", "kind_id", "number"),
        Index("ix_interaction_places_goal_id_number", "goal_id", "number"),
    )
