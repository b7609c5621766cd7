"""How a reviewer was asked, and whether it had discussed the pair before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `votes.form` and `votes.round`; votes that are there came from pairs shown once."""
    op.add_column("votes", sa.Column("form", sa.Text(), nullable=False, server_default="pairwise"))
    op.add_column("votes", sa.Column("round", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Remove the votes that only these columns tell from one on a pair alone; the reviewers' turns stay."""
    op.execute("DELETE FROM votes WHERE round > 0 OR form <> 'pairwise'")
    with op.batch_alter_table("votes") as votes:
        votes.drop_column("round")
        votes.drop_column("form")
