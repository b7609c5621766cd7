"""Which app has a live session open."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; a session that an app of an earlier version has open has no row in it."""
    op.create_table(
        "session_holds",
        sa.Column("session_id", sa.Text(), sa.ForeignKey("live_sessions.id"), primary_key=True),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_began", sa.Float(53)),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drop the table; apps of earlier versions hold nothing.

    They look for the two answers of a pair in the log, so that one that is held back from it can't be picked
    from any more; the conversation goes on.
    """
    op.execute(
        "UPDATE live_sessions SET phase = 'listening' WHERE phase = 'picking' AND id IN "
        "(SELECT session_id FROM session_events WHERE CAST(hidden AS TEXT) LIKE '%\"held_back\"%')"
    )
    op.drop_table("session_holds")
