"""The part of `Store` that says how much there is, without reading large tables, and whether it answers."""

from __future__ import annotations

from sqlalchemy import func, select

from camelx.errors import StorageError
from camelx.schemas import CycleFigure, StageFigure, utc_now
from camelx.storage.database import Database
from camelx.storage.faults import storage_boundary
from camelx.storage.rows import records_of
from camelx.storage.schema import head_revision, read_revision
from camelx.storage.tables import AnnotationLeaseRow, AnnotationRow, CycleRow, StageReportRow


class Figures(Database):
    """How much there is. What stages counted stands in their reports, seven a cycle."""

    def cycle_figures(self) -> list[CycleFigure]:
        """Return how many cycles there are of each status, and their seconds."""
        query = select(CycleRow.status, func.count().label("n"), func.sum(CycleRow.seconds).label("seconds"))
        rows = self._read("counting cycles", query.group_by(CycleRow.status).order_by(CycleRow.status))
        return records_of(CycleFigure, rows)

    def stage_figures(self) -> list[StageFigure]:
        """Return what every stage report counts, its details left out."""
        query = select(
            StageReportRow.stage,
            StageReportRow.status,
            StageReportRow.seconds,
            StageReportRow.model_seconds,
            StageReportRow.n_model_calls,
            StageReportRow.counts,
        )
        return records_of(StageFigure, self._read("reading what stages counted", query))

    def n_annotations(self) -> int:
        """Return how many human judgements there are."""
        return int(self._read("counting annotations", select(func.count(AnnotationRow.id)))[0][0])

    def n_leases(self) -> int:
        """Return how many items somebody has before them."""
        query = select(func.count(AnnotationLeaseRow.id)).where(AnnotationLeaseRow.expires_at > utc_now())
        return int(self._read("counting leases", query)[0][0])

    def check_answers(self) -> str:
        """Return what the database is and the revision of its schema.

        Raises:
            StorageError: It does not answer, or is of another schema.
        """
        with storage_boundary(self._engine.url, "asking it"), self._engine.connect() as connection:
            revision = read_revision(connection)
        if revision != head_revision():
            raise StorageError(
                f"{self._where} has schema revision {revision}, this camelx needs {head_revision()}"
            )
        return f"{self._engine.url.get_backend_name()}, schema revision {revision}"
