"""Whether a cycle's interactions and votes were made here or came from a file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `cycles.origin`; cycles that are there were run here."""
    op.add_column("cycles", sa.Column("origin", sa.Text(), nullable=False, server_default="run"))


def downgrade() -> None:
    """Forget where cycles came from."""
    op.drop_column("cycles", "origin")
