"""Which submissions of verdicts have come: each counts once, also after its verdict was taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `annotation_submissions`, with those whose verdicts are there: imported ones look the same."""
    op.create_table(
        "annotation_submissions",
        sa.Column("submission_id", sa.Text(), primary_key=True),
        sa.Column("annotator", sa.Text(), primary_key=True),
        sa.Column("can_be_undone", sa.Boolean(), nullable=False),
    )
    op.execute(
        "INSERT INTO annotation_submissions (submission_id, annotator, can_be_undone) "
        "SELECT DISTINCT submission_id, annotator, TRUE FROM annotations "
        "WHERE submission_id IS NOT NULL AND NOT adjudicated"
    )


def downgrade() -> None:
    """Forget them; verdicts stay as they are."""
    op.drop_table("annotation_submissions")
