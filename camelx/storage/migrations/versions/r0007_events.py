"""What happens in a cycle, numbered, for whoever watches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `cycle_events`; cycles that ran before have none."""
    op.create_table(
        "cycle_events",
        sa.Column("cycle_id", sa.Text(), sa.ForeignKey("cycles.id"), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
    )
    op.create_index("ix_cycle_events_at", "cycle_events", ["at"])


def downgrade() -> None:
    """Forget them: cycles keep their reports."""
    op.drop_table("cycle_events")
