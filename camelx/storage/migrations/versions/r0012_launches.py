"""Who started a cycle, and what runs it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; cycles of earlier versions have no row in it."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "launches",
        sa.Column("cycle_id", sa.Text(), sa.ForeignKey("cycles.id"), primary_key=True),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", moment, nullable=False),
        sa.Column("host", sa.Text()),
        sa.Column("pid", sa.Integer()),
        sa.Column("process_began", sa.Float(53)),
        sa.Column("flow_run_id", sa.Text()),
        sa.Column("cancel_asked_at", moment),
    )


def downgrade() -> None:
    """Cancel what is queued, which an earlier version knows nothing of, and drop the table."""
    op.execute("UPDATE cycles SET status = 'cancelled' WHERE status = 'queued'")
    op.drop_table("launches")
