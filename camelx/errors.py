"""Every error camelx raises on purpose, and the one place where foreign exceptions are converted.

    CamelxError
    ├── ConfigError            a wrong config, option or environment; shown without a traceback
    ├── AgentError             a model backend failed (.agent, .retryable)
    ├── JudgeParseError        a reviewer's reply holds no verdict; recorded on the vote
    ├── DataValidationError    a dataset broke a rule (.failed_rules, .report_path)
    ├── TrainingError          the trainer failed or its input is unusable
    ├── EvaluationError        the hold-out changed, or an evaluation can't be computed
    ├── RegistryError          the model registry refused, or an adapter directory is unsafe
    ├── StorageError           the database is unreachable, full, or of another schema
    ├── OrchestrationError     a cycle can't be started, resumed or stopped
    ├── AccessError            nobody is signed in, or their role does not allow it (.is_unknown)
    ├── NotFoundError          there is nothing of that id
    ├── ConflictError          somebody else changed it, holds it, or it is in another state
    └── ApiError, UnreachableError    the server refused, or can't be reached: camelx.client raises them

A message says what, got, expected, where and what to do. Each class carries the exit code that the
command line ends with (``exit_code``); `docs/cli.md` lists them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class CamelxError(Exception):
    """Base of every error that camelx raises on purpose."""

    exit_code = 1


class ConfigError(CamelxError):
    """A config file, an option or an environment variable is missing or wrong."""

    exit_code = 2


class AgentError(CamelxError):
    """A model backend failed. `retryable` is true where the same call may succeed later."""

    exit_code = 3

    def __init__(self, message: str, *, agent: str | None = None, retryable: bool = False) -> None:
        super().__init__(message)
        self.agent = agent
        self.retryable = retryable


class JudgeParseError(CamelxError):
    """A reviewer's reply holds no readable verdict. Never a tie, never a zero."""

    exit_code = 3


class DataValidationError(CamelxError):
    """A dataset broke at least one rule; nothing is trained on it."""

    exit_code = 4

    def __init__(
        self, message: str, *, failed_rules: Sequence[str] = (), report_path: Path | None = None
    ) -> None:
        super().__init__(message)
        self.failed_rules = tuple(failed_rules)
        self.report_path = report_path


class TrainingError(CamelxError):
    """The trainer failed, or what it was given can't be trained on."""

    exit_code = 5


class EvaluationError(CamelxError):
    """The hold-out is not the frozen one, or a comparison can't be computed."""

    exit_code = 6


class RegistryError(CamelxError):
    """The model registry refused, or an adapter directory holds something unsafe."""

    exit_code = 7


class StorageError(CamelxError):
    """The database can't be reached, is full, or has another schema."""

    exit_code = 8


class OrchestrationError(CamelxError):
    """A cycle can't be started, resumed or stopped."""

    exit_code = 9


class AccessError(CamelxError):
    """Nobody is signed in (`is_unknown`), or their role does not allow what they asked for."""

    exit_code = 12

    def __init__(self, message: str, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.is_unknown = is_unknown


class NotFoundError(CamelxError):
    """There is nothing of that id."""

    exit_code = 2


class ConflictError(CamelxError):
    """Somebody else changed it in between, holds it, or it is in a state that does not allow this."""

    exit_code = 11


@contextmanager
def boundary(error: type[CamelxError], what: str) -> Iterator[None]:
    """Convert any foreign exception inside the block into `error`, with the original as its cause.

    Args:
        error: The class to raise; it must take a single message.
        what: What was being done, such as "reply of agent 'critic'".

    Raises:
        CamelxError: `error`, from the exception met. A CamelxError passes through unchanged.
    """
    try:
        yield
    except CamelxError:
        raise
    except Exception as e:
        detail = str(e).strip() or "no message"
        raise error(f"{what} failed: {type(e).__name__}: {detail}") from e
