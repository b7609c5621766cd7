"""The history of agents files."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from camelx.storage.tables.base import Base, ModelText


class AgentVersionRow(Base):
    """An `AgentVersion`."""

    __tablename__ = "agent_versions"
    file: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str]
    text: Mapped[str] = mapped_column(ModelText)
    origin: Mapped[str]
    author: Mapped[str] = mapped_column(ModelText)
    note: Mapped[str] = mapped_column(ModelText)
    at: Mapped[datetime]
