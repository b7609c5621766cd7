"""Live sessions of people with agents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ORIGIN = "origin = 'session'"


def upgrade() -> None:
    """Add sessions and what happened in them."""
    op.create_table(
        "live_sessions",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("has_review", sa.Boolean(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("policy_name", sa.Text(), nullable=False),
        sa.Column("policy_base", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_live_sessions_owner_updated_at", "live_sessions", ["owner", "updated_at"])
    op.create_table(
        "session_events",
        sa.Column("session_id", sa.Text(), sa.ForeignKey("live_sessions.id"), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("hidden", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Forget sessions; their interactions and picks stay, under a cycle that looks like an imported one.

    An earlier version knows no origin "session", and what people picked must not be lost.
    """
    op.drop_table("session_events")
    op.drop_index("ix_live_sessions_owner_updated_at", "live_sessions")
    op.drop_table("live_sessions")
    op.execute(sa.text(f"UPDATE cycles SET origin = 'import' WHERE {_ORIGIN}"))
