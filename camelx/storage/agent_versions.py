"""The part of `Store` that holds the history of agents files."""

from __future__ import annotations

from sqlalchemy import select

from camelx.errors import ConflictError, NotFoundError
from camelx.schemas import AgentVersion
from camelx.storage.database import Database
from camelx.storage.queries import columns
from camelx.storage.rows import insert_new, records_of, row_of
from camelx.storage.tables import AgentVersionRow


class AgentVersions(Database):
    """Which texts an agents file has had, by record."""

    def add_agent_version(self, version: AgentVersion) -> None:
        """Store a new version; of two with one number the first is kept.

        Raises:
            ConflictError: There is a version with this number: somebody else was faster.
        """
        with self._write(f"saving version {version.number} of {version.file}") as connection:
            added = connection.execute(insert_new(AgentVersionRow), row_of(version))
            if added.rowcount == 0:
                raise ConflictError(
                    f"{version.file} has a version {version.number} already: somebody else saved in "
                    "between; load the file again and repeat the change"
                )

    def agent_versions(self, file: str, *, limit: int = 200) -> list[AgentVersion]:
        """Return the newest versions of a file, newest first."""
        query = select(*columns(AgentVersionRow)).where(AgentVersionRow.file == file)
        query = query.order_by(AgentVersionRow.number.desc()).limit(limit)
        return records_of(AgentVersion, self._read(f"reading the versions of {file}", query))

    def latest_agent_version(self, file: str) -> AgentVersion | None:
        """Return the newest version of a file; None: there is none yet."""
        return next(iter(self.agent_versions(file, limit=1)), None)

    def agent_version(self, file: str, number: int) -> AgentVersion:
        """Return one version.

        Raises:
            NotFoundError: There is none with this number.
        """
        query = select(*columns(AgentVersionRow)).where(
            AgentVersionRow.file == file, AgentVersionRow.number == number
        )
        found = records_of(AgentVersion, self._read(f"reading version {number} of {file}", query))
        if not found:
            latest = self.latest_agent_version(file)
            known = f"the newest is {latest.number}" if latest else "there are none yet"
            raise NotFoundError(f"{file} has no version {number}; {known}")
        return found[0]
