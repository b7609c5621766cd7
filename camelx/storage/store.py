"""`Store`: everything that camelx asks of its database, in records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, null, or_, select, update

from camelx.errors import ConfigError
from camelx.schemas import (
    SESSION_SOURCE,
    Cycle,
    Goal,
    Holdout,
    Interaction,
    Role,
    Split,
    Stage,
    StageReport,
    utc_now,
)
from camelx.storage.accounts import Accounts
from camelx.storage.agent_versions import AgentVersions
from camelx.storage.agreement import Agreement
from camelx.storage.annotating import Annotating
from camelx.storage.events import Events
from camelx.storage.explorer import Explorer
from camelx.storage.figures import Figures
from camelx.storage.judgements import Judgements
from camelx.storage.launches import Launches
from camelx.storage.played import PlayedCycles, uses_of
from camelx.storage.queries import columns, cycle_query, goal_query
from camelx.storage.rows import records_of, row_of
from camelx.storage.session_holds import SessionHolds
from camelx.storage.sessions import LiveSessions
from camelx.storage.tables import (
    CycleRow,
    GoalRow,
    GoalUseRow,
    HoldoutRow,
    InteractionRow,
    StageReportRow,
)


class Store(
    Accounts,
    Judgements,
    Events,
    Figures,
    AgentVersions,
    Launches,
    Annotating,
    LiveSessions,
    SessionHolds,
    PlayedCycles,
    Explorer,
    Agreement,
):
    """What is stored, by record. Lists come in an order that depends on their content alone."""

    # Goals

    def add_goals(self, goals: Iterable[Goal]) -> int:
        """Store the goals that are not there yet and return how many these were.

        A goal that is there stays as it is: importing it again can't move it out of the hold-out.
        """
        rows = [row_of(goal) for goal in goals]
        with self._write(f"saving {len(rows)} goals") as connection:
            before = connection.scalar(select(func.count()).select_from(GoalRow))
            self._insert_new(connection, GoalRow, rows)
            after = connection.scalar(select(func.count()).select_from(GoalRow))
        return int(after or 0) - int(before or 0)

    def replace_answers(self, goals: Iterable[Goal], holdouts: Iterable[Holdout]) -> None:
        """Give stored goals the answer and verifier of `goals`, and hold-outs their hash, all or nothing.

        All else stays: a goal keeps its split, a hold-out its goals.
        """
        with self._write("replacing the answers of goals") as connection:
            for goal in goals:
                row = update(GoalRow).where(GoalRow.id == goal.id)
                connection.execute(row.values(answer=goal.answer, verifier=goal.verifier))
            for holdout in holdouts:
                frozen = update(HoldoutRow).where(HoldoutRow.name == holdout.name)
                connection.execute(frozen.values(sha256=holdout.sha256))

    def goals(
        self,
        *,
        split: Split | None = None,
        ids: Sequence[str] | None = None,
        source: str | None = None,
    ) -> list[Goal]:
        """Return the goals that meet all conditions, in the order of `ids` where given, else by id."""
        query = goal_query(split=split, source=source)
        if ids is None:
            return records_of(Goal, self._read("reading goals", query.order_by(GoalRow.id)))
        found = self._by_ids(Goal, query, GoalRow.id, ids)
        by_id = {goal.id: goal for goal in found}
        return [by_id[goal_id] for goal_id in dict.fromkeys(ids) if goal_id in by_id]

    def goals_for_cycle(
        self,
        n: int,
        *,
        split: Split = Split.TRAIN,
        levels: Collection[int] | None = None,
        source: str | None = None,
        not_source: str | None = None,
    ) -> list[Goal]:
        """Return at most `n` goals, those that the fewest cycles have worked on first, then by id.

        Args:
            n: How many.
            split: Where they belong.
            levels: Levels that they may have; a goal of unknown level may always be taken.
            source: Where they came from.
            not_source: Where they did not come from, such as "demo".
        """
        uses = (
            select(GoalUseRow.goal_id, func.count().label("n")).group_by(GoalUseRow.goal_id).subquery("uses")
        )
        query = goal_query(split=split, source=source).outerjoin(uses, uses.c.goal_id == GoalRow.id)
        if levels is not None:
            query = query.where(or_(GoalRow.level.in_(sorted(levels)), GoalRow.level.is_(null())))
        if not_source is not None:
            query = query.where(GoalRow.source != not_source)
        query = query.where(GoalRow.source != SESSION_SOURCE)  # what people typed is not drawn
        query = query.order_by(func.coalesce(uses.c.n, 0), GoalRow.id).limit(n)
        return records_of(Goal, self._read("choosing goals", query))

    # Cycles and their stages

    def next_cycle_number(self) -> int:
        """Return 1 more than the highest number of a cycle."""
        return int(self._read("numbering a cycle", select(func.max(CycleRow.number)))[0][0] or 0) + 1

    def add_cycle(self, cycle: Cycle) -> None:
        """Store a new cycle; its goals, which must be stored, count as used once more.

        Raises:
            StorageError: There is a cycle with this id or number.
        """
        with self._write(f"adding cycle {cycle.id}") as connection:
            connection.execute(insert(CycleRow), row_of(cycle))
            self._insert_new(connection, GoalUseRow, uses_of(cycle))

    def cycle(self, cycle_id: str) -> Cycle:
        """Return one cycle.

        Raises:
            ConfigError: There is none with this id.
        """
        found = self._read(
            f"reading cycle {cycle_id}", select(*columns(CycleRow)).where(CycleRow.id == cycle_id)
        )
        if not found:
            latest = self.latest_cycle()
            known = f"the latest is {latest.id!r}" if latest else "there are none yet"
            raise ConfigError(f"{self._where} has no cycle {cycle_id!r}; {known}")
        return records_of(Cycle, found)[0]

    def latest_cycle(self) -> Cycle | None:
        """Return the cycle with the highest number."""
        query = cycle_query().order_by(CycleRow.number.desc()).limit(1)
        return next(iter(records_of(Cycle, self._read("reading the latest cycle", query))), None)

    def cycles(self) -> list[Cycle]:
        """Return all cycles, by number; what live sessions belong to is none."""
        query = cycle_query().order_by(CycleRow.number)
        return records_of(Cycle, self._read("reading cycles", query))

    def update_cycle(self, cycle_id: str, **fields: Any) -> Cycle:
        """Change fields of a cycle and return it as it is now.

        Raises:
            ConfigError: There is no such cycle.
            ValidationError: A field does not exist or its value is wrong.
        """
        cycle = Cycle.model_validate(dict(self.cycle(cycle_id)) | fields)
        changed = {name: value for name, value in row_of(cycle).items() if name in fields}
        with self._write(f"updating cycle {cycle_id}") as connection:
            if changed:
                connection.execute(update(CycleRow).where(CycleRow.id == cycle_id).values(**changed))
            self._insert_new(connection, GoalUseRow, uses_of(cycle) if "goal_ids" in fields else ())
        return cycle

    def save_stage_report(self, report: StageReport) -> None:
        """Store or replace the report of a cycle's stage."""
        self._save(f"saving the report of stage {report.stage.value}", StageReportRow, [report])

    def stage_reports(self, cycle_id: str) -> dict[Stage, StageReport]:
        """Return the reports of the cycle's stages that have one, in the order of the stages."""
        query = select(*columns(StageReportRow)).where(StageReportRow.cycle_id == cycle_id)
        found = records_of(StageReport, self._read(f"reading the stages of cycle {cycle_id}", query))
        by_stage = {report.stage: report for report in found}
        return {stage: by_stage[stage] for stage in Stage if stage in by_stage}

    def forget_stage_reports(self, cycle_id: str, stages: Iterable[Stage]) -> None:
        """Remove the reports of these stages, so that they are run again."""
        names = [stage.value for stage in stages]
        with self._write(f"forgetting stages of cycle {cycle_id}") as connection:
            mine = StageReportRow.cycle_id == cycle_id
            connection.execute(delete(StageReportRow).where(mine, StageReportRow.stage.in_(names)))

    # Interactions

    def save_interactions(self, interactions: Iterable[Interaction]) -> None:
        """Store or replace interactions; a parent may stand behind its children."""
        self._save("saving interactions", InteractionRow, interactions)

    def interactions(
        self,
        cycle_id: str,
        stage: Stage | None = None,
        role: Role | None = None,
        goal_id: str | None = None,
    ) -> list[Interaction]:
        """Return the interactions of a cycle, those with an error too, by id."""
        query = select(*columns(InteractionRow)).where(InteractionRow.cycle_id == cycle_id)
        query = query if stage is None else query.where(InteractionRow.stage == stage.value)
        query = query if role is None else query.where(InteractionRow.role == role.value)
        query = query if goal_id is None else query.where(InteractionRow.goal_id == goal_id)
        rows = self._read(f"reading the interactions of cycle {cycle_id}", query.order_by(InteractionRow.id))
        return records_of(Interaction, rows)

    def interactions_by_id(self, ids: Iterable[str]) -> dict[str, Interaction]:
        """Return the interactions that exist among `ids`, of any cycle."""
        query = select(*columns(InteractionRow))
        return {found.id: found for found in self._by_ids(Interaction, query, InteractionRow.id, ids)}

    def answers_of(
        self, model: str, adapter_version: str | None, *, stage: Stage, goal_ids: Iterable[str]
    ) -> list[Interaction]:
        """Return what one policy answered to goals in any cycle's `stage`: no reviews, no failures.

        The caller compares messages and seeds where these matter. Oldest first for each goal.
        """
        query = select(*columns(InteractionRow)).where(
            InteractionRow.model == model,
            InteractionRow.adapter_version.is_(null())
            if adapter_version is None
            else InteractionRow.adapter_version == adapter_version,
            InteractionRow.stage == stage.value,
            InteractionRow.role != Role.PEER_REVIEWER.value,
            InteractionRow.error.is_(null()),
        )
        query = query.order_by(InteractionRow.goal_id, InteractionRow.created_at, InteractionRow.id)
        return self._by_ids(Interaction, query, InteractionRow.goal_id, goal_ids)

    # The hold-out

    def freeze_holdout(self, holdout: Holdout) -> None:
        """Store a hold-out; where one of its name is frozen already, that one stays."""
        with self._write(f"freezing hold-out {holdout.name}") as connection:
            self._insert_new(connection, HoldoutRow, [{**row_of(holdout), "created_at": utc_now()}])

    def holdout(self, name: str) -> Holdout | None:
        """Return the hold-out of that name; None: none was frozen yet."""
        query = select(HoldoutRow.name, HoldoutRow.sha256, HoldoutRow.goal_ids).where(HoldoutRow.name == name)
        return next(iter(records_of(Holdout, self._read(f"reading hold-out {name}", query))), None)

    def holdouts(self) -> list[Holdout]:
        """Return every frozen hold-out, by name."""
        query = select(HoldoutRow.name, HoldoutRow.sha256, HoldoutRow.goal_ids).order_by(HoldoutRow.name)
        return records_of(Holdout, self._read("reading the hold-outs", query))
