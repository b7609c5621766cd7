"""Unexpected errors to Sentry, where CAMELX_SENTRY_DSN is set: no body, no cookie, no name, no variable."""

from __future__ import annotations

import importlib.util
from typing import Any

from camelx import __version__
from camelx.config import Settings
from camelx.errors import ConfigError
from camelx.runtime.logs import without_secrets


def start_sentry(settings: Settings) -> None:
    """Let Sentry hear of unexpected errors from now on, where it is asked for.

    Raises:
        ConfigError: It is asked for and not installed, or its DSN is none.
    """
    if settings.sentry_dsn is None:
        return
    if importlib.util.find_spec("sentry_sdk") is None:
        raise ConfigError(
            "CAMELX_SENTRY_DSN is set, and sentry-sdk is not there: pip install 'camelx[sentry]'"
        )
    import sentry_sdk

    try:
        sentry_sdk.init(
            dsn=settings.sentry_dsn.get_secret_value(),
            release=f"camelx@{__version__}",
            send_default_pii=False,
            include_local_variables=False,
            max_request_body_size="never",
            traces_sample_rate=0.0,
            before_send=_harmless,
        )
    except sentry_sdk.utils.BadDsn as e:
        raise ConfigError("CAMELX_SENTRY_DSN is no Sentry DSN; expected https://key@host/number") from e


def _harmless(event: Any, _hint: Any) -> Any:
    """Return the event without what names people or opens doors."""
    event.pop("user", None)
    request = event.get("request", {})
    for part in ("cookies", "headers", "data", "env", "query_string"):
        request.pop(part, None)
    return _cleaned(event)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value
