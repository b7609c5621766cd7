"""Leases on pairs, skips, repeats and the time that a verdict took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_annotations_annotator_created_at": ["annotator", "created_at"],
    "ix_annotations_first_id_second_id": ["first_id", "second_id"],
    "ix_annotations_submission_id": ["submission_id"],
    "ix_annotations_created_at_id": ["created_at", "id"],
}


def upgrade() -> None:
    """Add how verdicts were given, `annotation_leases` and `annotation_skips`; older verdicts count."""
    with op.batch_alter_table("annotations") as table:
        table.add_column(sa.Column("duration_s", sa.Float(53)))
        table.add_column(sa.Column("repeat", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("adjudicated", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("submission_id", sa.Text()))
    for name, columns in _INDEXES.items():
        op.create_index(name, "annotations", columns)
    op.create_table(
        "annotation_leases",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("cycle_id", sa.Text(), sa.ForeignKey("cycles.id"), nullable=False),
        sa.Column("item_key", sa.Text(), nullable=False),
        sa.Column("annotator", sa.Text(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Text(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_annotation_leases_cycle_id", "annotation_leases", ["cycle_id"])
    op.create_table(
        "annotation_skips",
        sa.Column("item_key", sa.Text(), primary_key=True),
        sa.Column("annotator", sa.Text(), primary_key=True),
        sa.Column("cycle_id", sa.Text(), sa.ForeignKey("cycles.id"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_annotation_skips_cycle_id", "annotation_skips", ["cycle_id"])


def downgrade() -> None:
    """Forget them; repeats go, because the older schema would take them for verdicts that count."""
    op.drop_table("annotation_skips")
    op.drop_table("annotation_leases")
    op.execute("DELETE FROM annotations WHERE repeat > 0")
    for name in _INDEXES:
        op.drop_index(name, "annotations")
    with op.batch_alter_table("annotations") as table:
        for name in ("submission_id", "adjudicated", "repeat", "duration_s"):
            table.drop_column(name)
