"""Tasks that ask models: tried again while a server is away, they go on with the answers still missing."""

from __future__ import annotations

from prefect import task
from prefect.tasks import exponential_backoff

from camelx import stages
from camelx.orchestration.publishing import is_retryable, published
from camelx.schemas import Stage

generate_interactions = task(
    published(stages.generate_interactions),
    name=Stage.GENERATE.value,
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=10),
    retry_jitter_factor=0.5,
    retry_condition_fn=is_retryable,
)
mutual_rank = task(
    published(stages.mutual_rank),
    name=Stage.RANK.value,
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=10),
    retry_jitter_factor=0.5,
    retry_condition_fn=is_retryable,
)
