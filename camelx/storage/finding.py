"""How the numbers of wanted interactions are found, in the same short time wherever they lie.

What interactions are filtered by is one of a few thousand combinations (`interaction_kinds`): the newest of
each that fits is found by index, and of these the newest make the page. Words have an index of their own,
`interaction_words`, in which the filters stand as words beside the texts. FTS5 keeps it in the order of time,
so one query does all. PostgreSQL's GIN index knows no order: it is asked cycle by cycle, and for words that
seldom meet once for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, MetaData, Select, Table, func, select, text
from sqlalchemy.engine import Connection, Row

from camelx.schemas import InteractionFilter
from camelx.storage.placing import Span
from camelx.storage.rows import chunks
from camelx.storage.searching import is_one_word, postgresql_facet, postgresql_match, sqlite_match
from camelx.storage.tables import InteractionKindRow, InteractionPlaceRow

_KIND_FIELDS = ("cycle_id", "stage", "role", "agent", "model", "status")
_N_KINDS = 20
"""Combinations whose newest rows are read in one statement."""
_N_CYCLES = 2
"""Cycles that PostgreSQL's index of words is asked for at first."""
_N_CYCLES_AT_MOST = 16
_WORK_MEM_MB = 32
"""Of a search in PostgreSQL: enough to note half a million rows one by one."""
_N_MATCHES = 2_000
"""More matches than these are not read to be sorted, if there are fewer in fewer cycles."""

_place, _kind = InteractionPlaceRow, InteractionKindRow
_words = Table("interaction_words", MetaData(), Column("number", BigInteger))
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
    return _postgresql_count(connection, wanted, wanted.text, span, limit)


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
    conditions = _kind_conditions(wanted)
    return select(_kind.id).where(*conditions) if conditions else None


def _kind_conditions(wanted: InteractionFilter) -> list[ColumnElement[bool]]:
    values = ((getattr(_kind, name), getattr(wanted, name)) for name in _KIND_FIELDS)
    return [column == str(value) for column, value in values if value is not None]


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
    """Return the first rows that hold the words, cycle by cycle in the order of their own first rows.

    Where few rows match, the next search takes in four times as many cycles, and where many do, a quarter:
    the index leaps over cycles that lack a word, but what it finds has to be gathered and read. It can't leap
    where several words stand in every cycle and never meet: where the first cycles do not fill the page, all
    are asked at once, in case few rows match.
    """
    _ask_the_index(connection)
    match, found = postgresql_match(words, wanted), list[int]()
    cycles, n = _cycles(connection, wanted, span), _N_CYCLES
    widest, most = max(_N_CYCLES_AT_MOST, len(cycles) // 8), max(limit, _N_MATCHES)
    is_settled = is_one_word(words)
    while cycles:
        some, is_one = cycles[:n], n == 1 or len(cycles) == 1
        if len(found) == limit:
            span = span.up_to(found[-1])
            if not span.holds(some[0].head):
                break
        if n > _N_CYCLES and not is_settled:
            if (every := _if_few(connection, match, span, most)) is not None:
                return span.first(every, limit)
            is_settled = True
        query = _gin_query(match, span, [row.cycle_id for row in some])
        sorted_by_it = query.order_by(span.order(_words.c.number + 0)).limit(limit)
        numbers = connection.execute(sorted_by_it if is_one else query.limit(most + 1)).scalars().all()
        if len(numbers) > most and not is_one:
            n = max(1, n // 4)
            continue
        found = span.first([*found, *numbers], limit)
        cycles, n = cycles[n:], n if len(numbers) > most // 4 else min(widest, 4 * n)
    return found


def _postgresql_count(
    connection: Connection, wanted: InteractionFilter, words: str, span: Span, limit: int
) -> int:
    _ask_the_index(connection)
    match, counted, is_settled = postgresql_match(words, wanted), 0, is_one_word(words)
    cycles, n = _cycles(connection, wanted, span), _N_CYCLES
    widest = max(_N_CYCLES_AT_MOST, len(cycles) // 8)
    while cycles and counted < limit:
        if n > _N_CYCLES and not is_settled and counted <= _N_MATCHES:
            if (every := _if_few(connection, match, span, _N_MATCHES)) is not None:
                return min(limit, len(every))
            is_settled = True
        some, cycles = cycles[:n], cycles[n:]
        query = _gin_query(match, span, [row.cycle_id for row in some])
        counted += _counted(connection, query, limit - counted)
        n = min(widest, 4 * n)
    return counted


def _if_few(connection: Connection, match: ColumnElement[bool], span: Span, most: int) -> list[int] | None:
    """Return all numbers inside of the span that match, or None where more than `most` do, in it or outside.

    The index would have to read what is outside only to leave it out.
    """
    numbers = connection.execute(_gin_query(match).limit(most + 1)).scalars().all()
    return [number for number in numbers if span.holds(number)] if len(numbers) <= most else None


def _ask_the_index(connection: Connection) -> None:
    """Let the rest of this transaction ask the index, and note each row that it finds, not whole pages."""
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    connection.execute(text(f"SET LOCAL work_mem = '{_WORK_MEM_MB}MB'"))


def _cycles(connection: Connection, wanted: InteractionFilter, span: Span) -> Sequence[Row[Any]]:
    """Return the cycles with rows of such a kind inside of the span, by the first of these rows."""
    edge = func.max if span.newest_first else func.min
    first = select(edge(_place.number)).where(_place.kind_id == _kind.id, *span.on(_place.number))
    heads = select(_kind.cycle_id, first.scalar_subquery().label("head")).where(*_kind_conditions(wanted))
    rows = heads.subquery()
    head = edge(rows.c.head)
    query = select(rows.c.cycle_id, head.label("head")).where(rows.c.head.is_not(None))
    return connection.execute(query.group_by(rows.c.cycle_id).order_by(span.order(head))).all()


def _gin_query(
    match: ColumnElement[bool], span: Span | None = None, cycle_ids: Sequence[str] = ()
) -> Select[Any]:
    """Return the query that asks the index of words; "+ 0" hides the primary key from the planner."""
    # The cycles go first: the index begins where they do.
    in_cycles = [postgresql_facet("cycle_id", cycle_ids)] if cycle_ids else []
    in_span = span.on(_words.c.number + 0) if span else ()
    return select(_words.c.number).where(*in_cycles, match, *in_span)
