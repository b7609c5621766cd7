"""Tasks of the trainer and the registry. Not retried: training is dear and goes on from its checkpoints."""

from __future__ import annotations

from prefect import task

from camelx import stages
from camelx.orchestration.publishing import published
from camelx.schemas import Stage

train_dpo_adapter = task(published(stages.train_dpo_adapter), name=Stage.TRAIN.value)
evaluate_adapter = task(published(stages.evaluate_adapter), name=Stage.EVALUATE.value)
register_in_mlflow = task(published(stages.register_in_mlflow), name=Stage.REGISTER.value)
