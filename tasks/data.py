"""Tasks on local data. They are deterministic: what failed once fails again, so nothing is retried."""

from __future__ import annotations

from prefect import task

from camelx import stages
from camelx.cycles import notifying, opening
from camelx.orchestration.publishing import closing, opened, published
from camelx.schemas import Stage

open_cycle = task(opened(opening.open_cycle), name="open-cycle")
export_preference_pairs = task(published(stages.export_preference_pairs), name=Stage.EXPORT.value)
validate = task(published(stages.validate), name=Stage.VALIDATE.value)
close_cycle = closing(notifying.close_and_tell)
