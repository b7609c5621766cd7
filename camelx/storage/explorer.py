"""The part of `Store` that looks through all interactions: filters, pages, words, counts, choices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.engine import Connection

from camelx.schemas import (
    Comparison,
    Goal,
    GoalPage,
    Interaction,
    InteractionFacets,
    InteractionFilter,
    InteractionLine,
    InteractionPage,
    InteractionStatus,
    Ranking,
    Role,
    Split,
    Stage,
    Vote,
)
from camelx.storage.cursors import seal, unseal
from camelx.storage.database import Database
from camelx.storage.faults import storage_boundary
from camelx.storage.finding import count, find, take_in_words, words_are_due
from camelx.storage.placing import cursor_of, span_of
from camelx.storage.queries import columns, goal_query
from camelx.storage.rows import records_of
from camelx.storage.tables import (
    ComparisonRow,
    CycleRow,
    GoalRow,
    InteractionKindRow,
    InteractionPlaceRow,
    InteractionRow,
    RankingRow,
    VoteRow,
)

_Choice = TypeVar("_Choice", bound=StrEnum)

MAX_COUNTED = 10_000
"""Beyond this many, matches are not counted."""
_N_BEGINNING = 300
_N_BATCH = 500


class Explorer(Database):
    """Looking through all interactions, newest first; two of the same moment keep their order."""

    def interaction_page(
        self, wanted: InteractionFilter, *, cursor: str | None = None, limit: int = 50
    ) -> InteractionPage:
        """Return the newest interactions that are wanted, or those on one side of another page.

        Rows that are written meanwhile shift nothing: a cursor names a row, not a count.

        Raises:
            ConfigError: The cursor is broken or of other filters, or there is no word in the text.
        """
        span = span_of(wanted, cursor)
        with self._exploring(wanted, "reading interactions") as connection:
            found = find(connection, wanted, span, limit + 1)
            numbers = sorted(found[:limit], reverse=True)
            lines = _lines(connection, numbers)
        has_more = len(found) > limit
        has_older = has_more if span.newest_first else bool(numbers)
        has_newer = cursor is not None and (has_more or span.newest_first)
        return InteractionPage(
            items=tuple(lines),
            next_cursor=cursor_of(wanted, numbers[-1], older=True) if has_older and numbers else None,
            previous_cursor=cursor_of(wanted, numbers[0], older=False) if has_newer and numbers else None,
        )

    def interaction_lines(self, ids: Iterable[str]) -> list[InteractionLine]:
        """Return the lines of the interactions that exist among `ids`, newest first."""
        wanted = InteractionPlaceRow.interaction_id.in_(list(ids))
        numbers = select(InteractionPlaceRow.number).where(wanted)
        with self._exploring(InteractionFilter(), "reading interactions") as connection:
            return _lines(connection, list(connection.execute(numbers).scalars()))

    def count_interactions(self, wanted: InteractionFilter) -> int | None:
        """Return how many interactions are wanted; None: more than `MAX_COUNTED`.

        Raises:
            ConfigError: There is no word in the text.
        """
        with self._exploring(wanted, "counting interactions") as connection:
            n = count(connection, wanted, span_of(wanted), MAX_COUNTED + 1)
        return n if n <= MAX_COUNTED else None

    def interactions_wanted(self, wanted: InteractionFilter) -> Iterator[Interaction]:
        """Yield all interactions that are wanted, newest first, a batch of them in memory at a time.

        Raises:
            ConfigError: There is no word in the text.
        """
        span = span_of(wanted)
        while True:
            with self._exploring(wanted, "reading interactions") as connection:
                numbers = find(connection, wanted, span, _N_BATCH)
                query = _of_numbers(columns(InteractionRow), numbers)
                batch = records_of(Interaction, connection.execute(query))
            yield from batch
            if len(numbers) < _N_BATCH:
                return
            span = span.beyond(numbers[-1])

    def interaction_facets(self) -> InteractionFacets:
        """Return the values that interactions can be filtered by."""
        fields = ("cycle_id", "agent", "role", "model", "stage", "status")
        query = (
            select(*(getattr(InteractionKindRow, name) for name in fields))
            .join(CycleRow, CycleRow.id == InteractionKindRow.cycle_id)
            .order_by(CycleRow.number.desc())
        )
        rows = self._read("reading what interactions can be filtered by", query)
        values = {name: list(dict.fromkeys(row[i] for row in rows)) for i, name in enumerate(fields)}
        return InteractionFacets(
            cycles=tuple(values["cycle_id"]),
            agents=tuple(sorted(values["agent"])),
            roles=_in_order(Role, values["role"]),
            models=tuple(sorted(values["model"])),
            stages=_in_order(Stage, values["stage"]),
            statuses=_in_order(InteractionStatus, values["status"]),
        )

    # Around one goal

    def goal_interactions(self, cycle_id: str, goal_id: str) -> list[Interaction]:
        """Return the interactions of a cycle on a goal, oldest first."""
        query = select(*columns(InteractionRow)).where(*_of_goal(InteractionRow, cycle_id, goal_id))
        query = query.order_by(InteractionRow.created_at, InteractionRow.id)
        return records_of(Interaction, self._read(f"reading goal {goal_id}", query))

    def goal_votes(self, cycle_id: str, goal_id: str) -> list[Vote]:
        """Return the votes of a cycle on a goal, oldest first."""
        query = select(*columns(VoteRow)).where(*_of_goal(VoteRow, cycle_id, goal_id))
        query = query.order_by(VoteRow.created_at, VoteRow.id)
        return records_of(Vote, self._read(f"reading the votes on goal {goal_id}", query))

    def goal_comparisons(self, cycle_id: str, goal_id: str) -> list[Comparison]:
        """Return the comparisons of a cycle on a goal, by ids."""
        query = select(*columns(ComparisonRow)).where(*_of_goal(ComparisonRow, cycle_id, goal_id))
        query = query.order_by(ComparisonRow.first_id, ComparisonRow.second_id)
        return records_of(Comparison, self._read(f"reading the comparisons on goal {goal_id}", query))

    def goal_rankings(self, cycle_id: str, goal_id: str) -> list[Ranking]:
        """Return the rankings of a cycle on a goal, by rank."""
        query = select(*columns(RankingRow)).where(*_of_goal(RankingRow, cycle_id, goal_id))
        query = query.order_by(RankingRow.rank, RankingRow.interaction_id)
        return records_of(Ranking, self._read(f"reading the rankings on goal {goal_id}", query))

    def goal_page(
        self,
        *,
        split: Split | None = None,
        source: str | None = None,
        containing: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> GoalPage:
        """Return the first goals by id that meet the conditions, or those behind another page.

        Args:
            split: Where they belong.
            source: Where they came from.
            containing: What their text holds, whatever its case.
            cursor: Of the page before.
            limit: Most goals to return.

        Raises:
            ConfigError: The cursor is broken or of other filters.
        """
        about = f"goals\0{split}\0{source}\0{containing}"
        query = goal_query(split=split, source=source)
        if containing:
            query = query.where(GoalRow.text.icontains(containing, autoescape=True))
        if cursor is not None:
            query = query.where(GoalRow.id > unseal(cursor, about).decode())
        query = query.order_by(GoalRow.id).limit(limit + 1)
        goals = records_of(Goal, self._read("reading goals", query))
        more = seal(goals[limit - 1].id.encode(), about) if len(goals) > limit else None
        return GoalPage(items=tuple(goals[:limit]), next_cursor=more)

    @contextmanager
    def _exploring(self, wanted: InteractionFilter, what: str) -> Iterator[Connection]:
        """Give a connection that finds what was written before, by its words too."""
        with storage_boundary(self._engine.url, what):
            if wanted.text is not None:
                with self._engine.connect() as connection:
                    is_due = words_are_due(connection)
                if is_due:
                    with self._writing.begin() as connection:
                        take_in_words(connection)
            with self._engine.connect() as connection:
                yield connection


def _lines(connection: Connection, numbers: Sequence[int]) -> list[InteractionLine]:
    said = func.coalesce(InteractionRow.error, InteractionRow.completion)
    names = InteractionLine.model_fields.keys() - {"status", "beginning"}
    wanted = [getattr(InteractionRow, name) for name in sorted(names)]
    beginning = func.substr(said, 1, _N_BEGINNING).label("beginning")
    query = _of_numbers([*wanted, beginning, InteractionKindRow.status], numbers)
    query = query.join(InteractionKindRow, InteractionKindRow.id == InteractionPlaceRow.kind_id)
    return records_of(InteractionLine, connection.execute(query))


def _of_numbers(wanted: Sequence[Any], numbers: Sequence[int]) -> Select[Any]:
    """Return the query of interactions by their numbers, newest first."""
    return (
        select(*wanted)
        .select_from(InteractionPlaceRow)
        .join(InteractionRow, InteractionRow.id == InteractionPlaceRow.interaction_id)
        .where(InteractionPlaceRow.number.in_(numbers))
        .order_by(InteractionPlaceRow.number.desc())
    )


def _of_goal(model: Any, cycle_id: str, goal_id: str) -> tuple[Any, Any]:
    return model.cycle_id == cycle_id, model.goal_id == goal_id


def _in_order(kind: type[_Choice], values: Sequence[str]) -> tuple[_Choice, ...]:
    return tuple(value for value in kind if value.value in values)
