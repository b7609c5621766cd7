"""Logs of the server: one line of JSON a record on stdout, with the trace id, and never a secret.

Everything that logs through Python's own logging (camelx, uvicorn, Prefect) comes here. Called by `camelx
serve`; commands write for people instead.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any, TextIO

from camelx.runtime.tracing import current_trace_id

if TYPE_CHECKING:
    from loguru import Message

HIDDEN = "[hidden]"
_NAMED = (
    r"pass(?:word|wd|phrase)?|secret(?:[_-]?key)?|[a-z_-]{0,40}token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|(?:set-)?cookie|dsn|credentials?|camelx_session|signature"
)
# What repeats at the beginning of a pattern is bounded: whoever sends a long path must not hold up the app.
_SECRETS = (
    (re.compile(r"(?i)\b(authorization\b[\"']?\s*[:=]\s*[\"']?)[^\"',;\r\n]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\bcamelx_[A-Za-z0-9_-]{20,}"), HIDDEN),
    (re.compile(r"\beyJ[\w-]{5,500}\.[\w-]{5,4000}\.[\w-]*"), HIDDEN),
    (re.compile(r"\b(?:sk|pk|hf|ghp|gho|glpat|xox[abp])[-_][A-Za-z0-9_-]{12,}"), HIDDEN),
    (re.compile(r"\$argon2[a-z]*\$[^\s\"']+"), HIDDEN),
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), rf"\1:{HIDDEN}@"),
    # A line of cookies to its end; any other named secret up to its quote or the next separator.
    (re.compile(r"(?i)\b((?:set-)?cookie[\"']?\s*:\s*[\"']?)[^\"'\r\n]+"), rf"\1{HIDDEN}"),
    (
        re.compile(rf"(?i)\b((?:{_NAMED})[\"']?\s*[:=]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&\"'}})\]]+)"),
        rf"\1{HIDDEN}",
    ),
)
_SECRET_VARIABLES = re.compile(r"(?i)(?:KEY|TOKEN|SECRET|PASSWORD|DSN)$")
_SHORTEST = 8


def without_secrets(text: str) -> str:
    """Return the text with what looks like a password, token, cookie or key hidden.

    The values of environment variables that are named like secrets are hidden wherever they stand.
    """
    for value in _environment_secrets():
        text = text.replace(value, HIDDEN)
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def _environment_secrets() -> list[str]:
    found = (value for name, value in os.environ.items() if _SECRET_VARIABLES.search(name))
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)


def log_json(level: str, stream: TextIO | None = None) -> None:
    """Write all records of this level and above as lines of JSON; may be called again.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        stream: Where to; None: stdout.
    """
    from loguru import logger

    out = sys.stdout if stream is None else stream

    def write(message: Message) -> None:
        out.write(_line(message.record) + "\n")
        out.flush()

    logger.remove()
    logger.add(write, level=level, format="{message}", backtrace=False, diagnose=False, catch=True)
    root = logging.getLogger()
    root.handlers = [_ToLoguru()]
    root.setLevel(level)
    _take_over()


def _take_over() -> None:
    """Let loggers that libraries gave a stream of their own hand their records up instead."""
    for name in [n for n in logging.root.manager.loggerDict if not n.startswith("loguru")]:
        known = logging.getLogger(name)
        own = [h for h in known.handlers if isinstance(h, logging.StreamHandler)]
        for handler in own:
            known.removeHandler(handler)
        if own or name.startswith("uvicorn"):
            known.propagate = True
    # Each of these says what the line of the request says already, or nothing that helps.
    for name in ("uvicorn.access", "httpx", "httpcore", "alembic", "matplotlib", "asyncio", "multipart"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _ToLoguru(logging.Handler):
    """Hands records of Python's logging to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        from loguru import logger

        known = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
        level = record.levelname if record.levelname in known else record.levelno
        bound = logger.bind(module=record.name, trace_id=getattr(record, "trace_id", None))
        bound.opt(exception=record.exc_info).log(level, "{}", record.getMessage())


def _line(record: Any) -> str:
    """Return a record as one line of JSON; control characters in it are escaped by JSON itself."""
    extra = record["extra"]
    line = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": without_secrets(record["message"]),
        "trace_id": extra.get("trace_id") or current_trace_id(),
        "module": extra.get("module") or record["name"],
    }
    if record["exception"] is not None:
        raised = record["exception"]
        told = traceback.format_exception(raised.type, raised.value, raised.traceback)
        line["exception"] = without_secrets("".join(told))
    return json.dumps(line)
