"""The tools that a model called on its way to an answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `interactions.tool_calls`; agents called none before."""
    kind = sa.JSON().with_variant(JSONB(), "postgresql")
    op.add_column("interactions", sa.Column("tool_calls", kind, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Forget what was called."""
    op.drop_column("interactions", "tool_calls")
