"""Places, kinds and words of interactions, by which a million of them are filtered, paged and searched.

Triggers keep them, so that every way of writing an interaction does; what is there already is taken in.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from camelx.errors import StorageError

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_KIND = ("cycle_id", "stage", "role", "agent", "model")
_N_SEARCHED = 100_000
"""Characters of an interaction that are searched: PostgreSQL takes 1 MiB of distinct words."""
_N_TOGETHER = 1_000
_BLANKS = "' ' || {char}(9) || {char}(10) || {char}(13)"
_PUNCTUATION = """!"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~"""
"""As SQL writes it. PostgreSQL's parser would make one word of "a/b" and of "x@y.z"."""
_POSTGRESQL_MOMENT = "(floor(extract(epoch FROM x.created_at) * 1000000))::bigint"
_WORDS, _DUE = "interaction_words", "interaction_words_due"
_TAKE_IN_WORDS = (
    f"INSERT INTO {_WORDS} (rowid, body, facets) SELECT number, body, facets FROM {_WORDS}_next",
    f"DELETE FROM {_DUE}",
)
"""In SQLite."""


def upgrade() -> None:
    """Make the tables, take in what is there, and let triggers do it from now on."""
    _create_tables()
    statements = _postgresql() if op.get_bind().dialect.name == "postgresql" else _sqlite()
    for statement in statements:
        _run(statement)


def downgrade() -> None:
    """Forget them; the interactions stay."""
    if op.get_bind().dialect.name == "postgresql":
        _run("DROP TRIGGER interactions_explored ON interactions")
        _run("DROP FUNCTION camelx_place_interaction()")
        _run("DROP FUNCTION camelx_words(interactions)")
    else:
        for event in ("insert", "update", "delete", "words"):
            _run(f"DROP TRIGGER interactions_explored_{event}")
        _run("DROP VIEW interaction_words_next")
        _run("DROP TABLE interaction_words_due")
    _run("DROP TABLE interaction_words")
    op.drop_table("interaction_places")
    op.drop_table("interaction_kinds")


def _create_tables() -> None:
    op.create_table(
        "interaction_kinds",
        sa.Column("id", sa.Integer(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in (*_KIND, "status")),
        sa.UniqueConstraint(*_KIND, "status", name="uq_interaction_kinds_all"),
    )
    op.create_table(
        "interaction_places",
        # Exactly "INTEGER PRIMARY KEY" is what makes it the row itself in SQLite.
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("interaction_id", sa.Text(), nullable=False),
        sa.Column("kind_id", sa.Integer(), nullable=False),
        sa.Column("goal_id", sa.Text(), nullable=False),
        sa.UniqueConstraint("interaction_id", name="uq_interaction_places_interaction_id"),
    )
    op.create_index("ix_interaction_places_kind_id_number", "interaction_places", ["kind_id", "number"])
    op.create_index("ix_interaction_places_goal_id_number", "interaction_places", ["goal_id", "number"])


def _run(statement: str) -> None:
    """Run it as it stands: text() would take ":name" for a parameter, psycopg takes "%" for one."""
    connection = op.get_bind()
    is_postgresql = connection.dialect.name == "postgresql"
    connection.exec_driver_sql(statement.replace("%", "%%") if is_postgresql else statement)


def _status(row: str, blanks: str) -> str:
    return (
        f"CASE WHEN {row}.error IS NOT NULL THEN 'error' WHEN {row}.finish_reason <> 'stop' THEN 'cut' "
        f"WHEN trim({row}.completion, {blanks}) = '' THEN 'empty' ELSE 'ok' END"
    )


def _same_kind(kind: str, row: str, status: str) -> str:
    return " AND ".join([*(f"{kind}.{name} = {row}.{name}" for name in _KIND), f"{kind}.status = {status}"])


def take_in(dialect: str) -> list[str]:
    """Return the statements that place what is stored and find its words; nothing may be placed yet."""
    if dialect == "postgresql":
        return [
            *_place_all(_status("x", _BLANKS.format(char="chr")), _POSTGRESQL_MOMENT),
            "INSERT INTO interaction_words SELECT p.number, camelx_words(x) "
            "FROM interaction_places p JOIN interactions x ON x.id = p.interaction_id ORDER BY p.number",
        ]
    return [
        *_place_all(_sqlite_status("x"), _sqlite_moment("x")),
        f"INSERT INTO {_DUE} SELECT number FROM interaction_places",
        *_TAKE_IN_WORDS,
    ]


def _place_all(row_status: str, moment: str) -> list[str]:
    """Return the statements that place what is stored: by moment, each number higher than the one before."""
    columns = ", ".join(_KIND)
    return [
        f"INSERT INTO interaction_kinds ({columns}, status) "
        f"SELECT DISTINCT {columns}, {row_status} FROM interactions x",
        # The highest (moment - position) so far, plus the position: the moment, or the next free number.
        "INSERT INTO interaction_places (number, interaction_id, kind_id, goal_id) "
        "SELECT position + max(moment - position) OVER (ORDER BY position), id, kind_id, goal_id FROM ("
        "SELECT moment, row_number() OVER (ORDER BY moment, id) AS position, id, kind_id, goal_id FROM ("
        f"SELECT {moment} AS moment, x.id, k.id AS kind_id, x.goal_id FROM interactions x "
        f"JOIN interaction_kinds k ON {_same_kind('k', 'x', row_status)}) AS placed) AS numbered",
    ]


# SQLite


def _sqlite() -> list[str]:
    if not op.get_bind().exec_driver_sql("SELECT sqlite_compileoption_used('ENABLE_FTS5')").scalar():
        raise StorageError(
            "this Python's SQLite was built without FTS5, which the search in interactions needs; "
            "use another build of Python, or PostgreSQL"
        )
    words, places, due = _WORDS, "interaction_places", _DUE
    forget = (
        f"INSERT INTO {words} ({words}, rowid, body, facets) SELECT 'delete', number, {_body('old')}, "
        f"{_facets('old')} FROM {places} p WHERE interaction_id = old.id "
        f"AND NOT EXISTS (SELECT 1 FROM {due} d WHERE d.number = p.number); "
        f"DELETE FROM {due} WHERE number = (SELECT number FROM {places} WHERE interaction_id = old.id); "
        f"DELETE FROM {places} WHERE interaction_id = old.id;"
    )
    changed = " OR ".join(
        f"old.{name} IS NOT new.{name}"
        for name in (*_KIND, "goal_id", "messages", "completion", "finish_reason", "error", "created_at")
    )
    take_in_words = f"{'; '.join(_TAKE_IN_WORDS)};"
    on = "ON interactions"
    return [
        # Without content: the words alone, since the texts stand in `interactions`.
        f"CREATE VIRTUAL TABLE {words} USING fts5(body, facets, content='', columnsize=0, "
        "tokenize='unicode61 remove_diacritics 0')",
        # Row by row, the index would be merged all the time: words of some rows are taken in together.
        f"CREATE TABLE {due} (number INTEGER PRIMARY KEY)",
        f"CREATE VIEW {words}_next AS SELECT p.number, {_body('x')} AS body, {_facets('x')} AS facets "
        f"FROM {due} d JOIN {places} p ON p.number = d.number JOIN interactions x ON x.id = p.interaction_id",
        *take_in("sqlite"),
        f"CREATE TRIGGER interactions_explored_insert AFTER INSERT {on} BEGIN {_sqlite_place()} END",
        f"CREATE TRIGGER interactions_explored_update AFTER UPDATE {on} WHEN {changed} "
        f"BEGIN {forget} {_sqlite_place()} END",
        f"CREATE TRIGGER interactions_explored_delete AFTER DELETE {on} BEGIN {forget} END",
        f"CREATE TRIGGER interactions_explored_words AFTER INSERT {on} "
        f"WHEN new.rowid % {_N_TOGETHER} = 0 BEGIN {take_in_words} END",
    ]


def _sqlite_place() -> str:
    columns = ", ".join(_KIND)
    status = _sqlite_status("new")
    kind = f"SELECT k.id FROM interaction_kinds k WHERE {_same_kind('k', 'new', status)}"
    return (
        f"INSERT INTO interaction_kinds ({columns}, status) "
        f"SELECT {', '.join(f'new.{name}' for name in _KIND)}, {status} WHERE NOT EXISTS ({kind}); "
        "INSERT INTO interaction_places (number, interaction_id, kind_id, goal_id) "
        f"SELECT {_sqlite_number()}, new.id, ({kind}), new.goal_id; "
        "INSERT INTO interaction_words_due "
        "SELECT number FROM interaction_places WHERE interaction_id = new.id;"
    )


def _sqlite_number() -> str:
    """Return the moment, or the number behind the last one of the next ms, s, 17 min, 12 days."""
    m = _sqlite_moment("new")
    free = f"(SELECT {m} WHERE NOT EXISTS (SELECT 1 FROM interaction_places WHERE number = {m}))"
    behind = (
        f"(SELECT nullif(max(number) + 1, {m} + {width}) FROM interaction_places "
        f"WHERE number >= {m} AND number < {m} + {width})"
        for width in (10**3, 10**6, 10**9, 10**12)
    )
    return f"coalesce({free}, {', '.join(behind)})"


def _sqlite_moment(row: str) -> str:
    return (
        f"(CAST(strftime('%s', {row}.created_at) AS INTEGER) * 1000000 "
        f"+ CAST(substr({row}.created_at || '000000', 21, 6) AS INTEGER))"
    )


def _sqlite_status(row: str) -> str:
    return _status(row, _BLANKS.format(char="char"))


def _body(row: str) -> str:
    said = f"(SELECT group_concat(json_extract(value, '$.content'), char(10)) FROM json_each({row}.messages))"
    return (
        f"substr(coalesce({said}, '') || char(10) || {row}.completion || char(10) "
        f"|| coalesce({row}.error, ''), 1, {_N_SEARCHED})"
    )


def _facets(row: str) -> str:
    """Return what a row is filtered by as words, so that filters and texts meet inside the index."""
    marked = {"c": "cycle_id", "t": "stage", "r": "role", "a": "agent", "m": "model", "g": "goal_id"}
    words = [f"'{mark}' || hex({row}.{name})" for mark, name in marked.items()]
    return " || ' ' || ".join([*words, f"'s' || hex({_sqlite_status(row)})"])


# PostgreSQL


def _postgresql() -> list[str]:
    return [
        _WORDS_FUNCTION,
        "CREATE TABLE interaction_words (number bigint NOT NULL, words tsvector NOT NULL)",
        *take_in("postgresql"),
        "ALTER TABLE interaction_words ADD CONSTRAINT interaction_words_pkey PRIMARY KEY (number)",
        "SET LOCAL maintenance_work_mem = '256MB'",
        "CREATE INDEX ix_interaction_words_words ON interaction_words USING gin (words)",
        _PLACE_FUNCTION.format(
            status=_status("NEW", _BLANKS.format(char="chr")),
            moment=_POSTGRESQL_MOMENT.replace("x.", "NEW."),
            columns=", ".join(_KIND),
            values=", ".join(f"NEW.{name}" for name in _KIND),
            same=" AND ".join(f"k.{name} = NEW.{name}" for name in _KIND),
        ),
        "CREATE TRIGGER interactions_explored AFTER INSERT OR UPDATE OR DELETE ON interactions "
        "FOR EACH ROW EXECUTE FUNCTION camelx_place_interaction()",
    ]


_WORDS_FUNCTION = f"""
CREATE FUNCTION camelx_words(x interactions) RETURNS tsvector LANGUAGE sql IMMUTABLE AS $$
  SELECT to_tsvector('simple', translate(left(concat_ws(' ',
      (SELECT string_agg(turn->>'content', ' ') FROM json_array_elements(x.messages) AS turn),
      x.completion, x.error), {_N_SEARCHED}), '{_PUNCTUATION}', repeat(' ', 32)))
    || array_to_tsvector(ARRAY[
      '=c' || md5(x.cycle_id), '=t' || md5(x.stage), '=r' || md5(x.role), '=a' || md5(x.agent),
      '=m' || md5(x.model), '=g' || md5(x.goal_id),
      '=s' || md5({_status("x", _BLANKS.format(char="chr"))})])
$$
"""
"""What a row is filtered by stands beside its words, marked as no text can be: "=" is punctuation."""

_PLACE_FUNCTION = """
CREATE FUNCTION camelx_place_interaction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  moment bigint; place bigint; kind integer; became text; tries integer := 0;
BEGIN
  IF TG_OP = 'UPDATE' AND (OLD.id, OLD.cycle_id, OLD.stage, OLD.role, OLD.agent, OLD.model, OLD.goal_id,
      OLD.messages::text, OLD.completion, OLD.finish_reason, OLD.error, OLD.created_at)
      IS NOT DISTINCT FROM (NEW.id, NEW.cycle_id, NEW.stage, NEW.role, NEW.agent, NEW.model, NEW.goal_id,
      NEW.messages::text, NEW.completion, NEW.finish_reason, NEW.error, NEW.created_at) THEN
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM interaction_places WHERE interaction_id = OLD.id RETURNING number INTO place;
    DELETE FROM interaction_words WHERE number = place;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  became := {status};
  SELECT k.id INTO kind FROM interaction_kinds k WHERE {same} AND k.status = became;
  IF kind IS NULL THEN
    INSERT INTO interaction_kinds ({columns}, status) VALUES ({values}, became) ON CONFLICT DO NOTHING;
    SELECT k.id INTO kind FROM interaction_kinds k WHERE {same} AND k.status = became;
  END IF;
  moment := {moment};
  place := moment;
  LOOP
    INSERT INTO interaction_places (number, interaction_id, kind_id, goal_id)
      VALUES (place, NEW.id, kind, NEW.goal_id) ON CONFLICT (number) DO NOTHING;
    EXIT WHEN FOUND;
    -- Another one of the same microsecond: somewhere behind it, the farther the more often that is taken.
    tries := least(tries + 1, 20);
    place := moment + 1 + floor(random() * 4 ^ tries)::bigint;
  END LOOP;
  INSERT INTO interaction_words (number, words) VALUES (place, camelx_words(NEW));
  RETURN NULL;
END
$$
"""
