"""How the numbers of wanted interactions are found, in the same short time wherever they lie.

What interactions are filtered by is one of a few thousand combinations (`interaction_kinds`): the newest of
each that fits is found by index, and of these the newest make the page. Words have an index of their own,
`interaction_words`. FTS5 keeps it in the order of time and holds the filters as words beside the texts, so
one query does all. PostgreSQL's GIN index knows no order: the newest candidates are looked through first,
which finds common words; rare ones are few enough to sort.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, MetaData, Select, Table, func, select, text
from sqlalchemy.engine import Connection

from camelx.schemas import InteractionFilter
from camelx.storage.placing import Span
from camelx.storage.rows import chunks
from camelx.storage.searching import postgresql_match, sqlite_match
from camelx.storage.tables import InteractionKindRow, InteractionPlaceRow

_KIND_FIELDS = ("cycle_id", "stage", "role", "agent", "model", "status")
_N_KINDS = 20
"""Combinations whose newest rows are read in one statement."""
_N_LOOKED_THROUGH = 2_000
"""Candidates that PostgreSQL looks through for words before it asks the index of words."""

_place, _kind = InteractionPlaceRow, InteractionKindRow
_words = Table("interaction_words", MetaData(), Column("number", BigInteger), Column("kind_id", Integer))
"""As it is in PostgreSQL; in SQLite it has row ids alone."""


def find(connection: Connection, wanted: InteractionFilter, span: Span, limit: int) -> list[int]:
    """Return the numbers inside of the span that come first, in order.

    Raises:
        ConfigError: The text has no word in it.
    """
    if wanted.text is None:
        return _found(connection, wanted, span, limit)
    if connection.dialect.name == "sqlite":
        return _sqlite_words(connection, wanted, wanted.text, span, limit)
    return _postgresql_words(connection, wanted, wanted.text, span, limit)


def count(connection: Connection, wanted: InteractionFilter, span: Span, limit: int) -> int:
    """Return how many there are inside of the span, or `limit` where there are as many or more.

    Raises:
        ConfigError: The text has no word in it.
    """
    if wanted.text is None:
        conditions = (*span.on(_place.number), *_conditions(wanted, _place.kind_id))
        return _counted(connection, select(_place.number).where(*conditions), limit)
    if connection.dialect.name == "sqlite":
        query = text(f"SELECT count(*) FROM ({_MATCHES} LIMIT :limit)")
        return int(
            connection.execute(query, _match(wanted, wanted.text, span) | {"limit": limit}).scalar_one()
        )
    few = _found(connection, wanted, span, _N_LOOKED_THROUGH)
    if len(few) < _N_LOOKED_THROUGH:
        return min(limit, len(_with_words(connection, wanted.text, few)))
    return _counted(connection, _gin_query(connection, wanted, wanted.text, span), limit)


def _counted(connection: Connection, query: Select[Any], limit: int) -> int:
    return int(
        connection.execute(select(func.count()).select_from(query.limit(limit).subquery())).scalar_one()
    )


# Without words


def _found(connection: Connection, wanted: InteractionFilter, span: Span, limit: int) -> list[int]:
    kinds = kinds_query(wanted)
    if wanted.goal_id is None and kinds is not None:
        return _newest_of_kinds(connection, kinds, span, limit)
    # A goal has few rows, and its index is the one to take: "+ 0" hides the other.
    conditions = (*span.on(_place.number), *_conditions(wanted, _place.kind_id + 0))
    query = select(_place.number).where(*conditions).order_by(span.order(_place.number)).limit(limit)
    return list(connection.execute(query).scalars())


def kinds_query(wanted: InteractionFilter) -> Select[tuple[int]] | None:
    """Return the query of the combinations that fit; None: all do."""
    values = ((getattr(_kind, name), getattr(wanted, name)) for name in _KIND_FIELDS)
    conditions = [column == str(value) for column, value in values if value is not None]
    return select(_kind.id).where(*conditions) if conditions else None


def _conditions(wanted: InteractionFilter, kind_id: Any) -> Iterator[ColumnElement[bool]]:
    """Yield what a row of `interaction_places` must meet beside its time."""
    if wanted.goal_id is not None:
        yield _place.goal_id == wanted.goal_id
    if (kinds := kinds_query(wanted)) is not None:
        yield kind_id.in_(kinds)


def _newest_of_kinds(connection: Connection, kinds: Select[tuple[int]], span: Span, limit: int) -> list[int]:
    """Return the first rows of all these combinations.

    Combinations are read by their own first row, and only until none of those left can hold a row that
    belongs to the page.
    """
    edge = func.max if span.newest_first else func.min
    first = select(edge(_place.number)).where(_place.kind_id == _kind.id, *span.on(_place.number))
    heads = kinds.add_columns(first.scalar_subquery().label("head")).subquery()
    query = select(heads.c.id, heads.c.head).where(heads.c.head.is_not(None))
    found: list[int] = []
    ordered = connection.execute(query.order_by(span.order(heads.c.head)).limit(limit)).all()
    for some in chunks(ordered, _N_KINDS):
        if len(found) == limit:
            span = span.up_to(found[-1])
            if not span.holds(some[0].head):
                break
        found = span.first([*found, *_first_rows(connection, [row.id for row in some], span, limit)], limit)
    return found


def _first_rows(connection: Connection, kind_ids: Sequence[int], span: Span, limit: int) -> list[int]:
    """Return the first rows of each combination. As text: SQLAlchemy takes 5 ms for such a union."""
    direction = "DESC" if span.newest_first else "ASC"
    parts = (
        f"SELECT number FROM (SELECT number FROM interaction_places WHERE kind_id = {int(kind_id)} "
        f"AND number >= :at_least AND number < :below ORDER BY number {direction} LIMIT :limit) AS k{kind_id}"
        for kind_id in kind_ids
    )
    bounds = {"at_least": span.at_least, "below": span.below, "limit": limit}
    return list(connection.execute(text(" UNION ALL ".join(parts)), bounds).scalars())


# Words in SQLite

_TAKE_IN = (
    "INSERT INTO interaction_words (rowid, body, facets) "
    "SELECT number, body, facets FROM interaction_words_next",
    "DELETE FROM interaction_words_due",
)


def words_are_due(connection: Connection) -> bool:
    """Whether texts were written whose words are not in the index yet: never so in PostgreSQL."""
    if connection.dialect.name != "sqlite":
        return False
    return bool(connection.execute(text("SELECT EXISTS (SELECT 1 FROM interaction_words_due)")).scalar())


def take_in_words(connection: Connection) -> None:
    """Put the words of what was written last into the index; triggers leave at most 1,000 rows."""
    for statement in _TAKE_IN:
        connection.execute(text(statement))


_MATCHES = (
    "SELECT rowid FROM interaction_words WHERE interaction_words MATCH :match "
    "AND rowid >= :at_least AND rowid < :below"
)


def _sqlite_words(
    connection: Connection, wanted: InteractionFilter, words: str, span: Span, limit: int
) -> list[int]:
    direction = "DESC" if span.newest_first else "ASC"
    query = text(f"{_MATCHES} ORDER BY rowid {direction} LIMIT :limit")
    return list(connection.execute(query, _match(wanted, words, span) | {"limit": limit}).scalars())


def _match(wanted: InteractionFilter, words: str, span: Span) -> dict[str, Any]:
    return {"match": sqlite_match(words, wanted), "at_least": span.at_least, "below": span.below}


# Words in PostgreSQL


def _postgresql_words(
    connection: Connection, wanted: InteractionFilter, words: str, span: Span, limit: int
) -> list[int]:
    candidates = _found(connection, wanted, span, max(limit, _N_LOOKED_THROUGH))
    found = span.first(_with_words(connection, words, candidates), limit)
    if len(found) == limit or len(candidates) < max(limit, _N_LOOKED_THROUGH):
        return found
    query = _gin_query(connection, wanted, words, span)
    # "+ 0": by the order of the primary key it would look through everything.
    return list(connection.execute(query.order_by(span.order(_words.c.number + 0)).limit(limit)).scalars())


def _with_words(connection: Connection, words: str, numbers: Sequence[int]) -> list[int]:
    """Return those of the numbers whose texts hold the words, each looked at by itself."""
    found: list[int] = []
    for some in chunks(numbers):
        query = select(_words.c.number).where(_words.c.number.in_(some))
        # An index can't be asked for what coalesce() returns.
        query = query.where(func.coalesce(postgresql_match(words), False))
        found += connection.execute(query).scalars()
    return found


def _gin_query(connection: Connection, wanted: InteractionFilter, words: str, span: Span) -> Select[Any]:
    """Return the query that asks the index of words, which the planner is kept from passing by."""
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    query = select(_words.c.number).where(postgresql_match(words), *span.on(_words.c.number + 0))
    kinds = kinds_query(wanted)
    if wanted.goal_id is not None:
        of_goal = select(_place.number).where(_place.goal_id == wanted.goal_id)
        query = query.where(_words.c.number.in_(of_goal))
    return query if kinds is None else query.where((_words.c.kind_id + 0).in_(kinds))
