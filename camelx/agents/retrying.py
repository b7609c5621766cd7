"""Which failures of a model server are worth another call, and how long to wait before it."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from camelx.config import RetryConfig

NO_RETRY = RetryConfig(attempts=1)

_LONGEST_RETRY_AFTER_S = 300.0
"""A server that asks for more is not waited for: the item is asked again when the cycle is resumed."""
_RETRIED_STATUS = frozenset({408, 425, 429})
_RETRIED_NAMES = frozenset({"APIConnectionError", "APITimeoutError", "TransportError"})
"""Connection errors of the provider SDKs and of httpx, by name: none of them is imported for this."""


def retrying(config: RetryConfig) -> AsyncRetrying:
    """Return the policy of one ask: exponential backoff with jitter, a server's Retry-After respected."""
    backoff = wait_random_exponential(multiplier=config.first_wait_s, max=config.longest_wait_s)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = retry_after_s(error) if error else None
        return backoff(state) if asked is None else max(asked, 0.0)

    def is_worth_it(error: BaseException) -> bool:
        return is_retryable(error) and (retry_after_s(error) or 0.0) <= _LONGEST_RETRY_AFTER_S

    return AsyncRetrying(
        stop=stop_after_attempt(config.attempts),
        wait=wait,
        retry=retry_if_exception(is_worth_it),
        reraise=True,
    )


def is_retryable(error: BaseException) -> bool:
    """Return whether the same call may succeed later: a timeout, a lost connection, 429 or 5xx."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in _RETRIED_STATUS or status >= 500
    names = {c.__name__ for c in type(error).__mro__}
    return isinstance(error, (TimeoutError, ConnectionError)) or bool(names & _RETRIED_NAMES)


def retry_after_s(error: BaseException) -> float | None:
    """Return the seconds that the server's Retry-After header asks for; None: it says nothing readable."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    value = headers.get("retry-after") if headers else None
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return None
