"""Which human judgements a stage of a cycle was computed with, as they were then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `used_annotations`; stages that ran before have none, which replay says."""
    op.create_table(
        "used_annotations",
        sa.Column("cycle_id", sa.Text(), sa.ForeignKey("cycles.id"), primary_key=True),
        sa.Column("stage", sa.Text(), primary_key=True),
        sa.Column("annotation_id", sa.Text(), primary_key=True),
        sa.Column("annotation", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("used_annotations")
