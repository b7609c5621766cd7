"""Which words stand together joins PostgreSQL's index of words.

Without it a phrase of common words that stands nowhere was looked for in every text that has these words.
SQLite's index knows it already.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_INDEX = "ix_interaction_words_words"
_N_BUCKETS = 131_072
"""Pairs of words share these; some texts of another pair are read in vain, instead of a longer index."""
_NEIGHBOURS = f"""
CREATE FUNCTION camelx_neighbours(words tsvector) RETURNS integer[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(hashtext(lexeme || ' ' || next_lexeme) & {_N_BUCKETS - 1}), '{{}}')
  FROM (SELECT lexeme, place, lead(lexeme) OVER in_order AS next_lexeme,
      lead(place) OVER in_order AS next_place
    FROM (SELECT lexeme, unnest(positions) AS place FROM unnest(words)) AS placed
    WINDOW in_order AS (ORDER BY place, lexeme)) AS pairs
  WHERE next_place = place + 1
$$
"""


def upgrade() -> None:
    """Make the index anew with both."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_NEIGHBOURS)
        _make_index("words, camelx_neighbours(words)")


def downgrade() -> None:
    """Make it anew with the words alone."""
    if op.get_bind().dialect.name == "postgresql":
        _make_index("words")
        op.execute("DROP FUNCTION camelx_neighbours(tsvector)")


def _make_index(of: str) -> None:
    op.execute(f"DROP INDEX {_INDEX}")
    op.execute("SET LOCAL maintenance_work_mem = '256MB'")
    op.execute(f"CREATE INDEX {_INDEX} ON interaction_words USING gin ({of})")
