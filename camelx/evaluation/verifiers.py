r"""Whether an answer is right: exact, numeric, by a regular expression, or by a user's own function.

The numeric one reads the last number of a text:

    "The answer is 57."          57         "#### 1,234"       1234
    "so $-3.50 in all"           -3.5       "51.0"             51, which equals 51.0
    "He has 5-2 = 3 (60%)"       60         "no number here"   None, never right
"""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from camelx.config import EvaluationConfig
from camelx.errors import ConfigError, EvaluationError, boundary
from camelx.schemas import Goal, VerifierKind

Verifier = Callable[[Goal, str], bool]

_N_SHOWN = 10

_NUMBER = re.compile(
    r"""(?P<sign>(?<![\w.)\]%])[-−])?    # no sign after a number, a word or a bracket: "5-2", "day-3"
    [$€£¥]?(?P<inner>(?<=[$€£¥])[-−])?   # "-$5" and "$-5"
    (?<!\w)(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\d)\.\d+)
    (?P<exponent>[eE][-+]?\d{1,3}\b)?""",
    re.VERBOSE,
)


def last_number(text: str) -> Decimal | None:
    """Return the last number of the text, after its last "####" where it has one; None: there is none."""
    numbers = list(_NUMBER.finditer(text.rpartition("####")[2]))
    if not numbers:
        return None
    found = numbers[-1]
    sign = "-" if found["sign"] or found["inner"] else ""
    return Decimal(sign + found["digits"].replace(",", "") + (found["exponent"] or ""))


def make_verifier(settings: EvaluationConfig) -> Verifier:
    """Return the function that says whether a text answers a goal rightly.

    It compares as the goal's own verifier says, else as `settings.verifier` does.

    Raises:
        ConfigError: `settings.callable` can't be imported, or `settings.regex` is no regular expression.
            The returned function raises EvaluationError: the goal has no answer, its answer is no number
            for the numeric verifier, its verifier is not configured, or the user's callable failed.
    """
    by_kind: dict[str, Callable[[Goal, str, str], bool]] = {"exact": _is_exact, "numeric": _is_equal_number}
    if settings.regex is not None:
        by_kind["regex"] = _regex_verifier(settings.regex)
    if settings.callable is not None:
        by_kind["callable"] = _callable_verifier(settings.callable)

    def verify(goal: Goal, text: str) -> bool:
        kind = goal.verifier or settings.verifier
        if goal.answer is None:
            raise EvaluationError(
                f"goal {goal.id} has no expected answer: only reviewers can compare answers"
            )
        if kind not in by_kind:
            raise EvaluationError(
                f"goal {goal.id} asks for verifier {kind!r}, but evaluation.{kind} is not set"
            )
        return by_kind[kind](goal, goal.answer, text)

    return verify


def answer_problem(goal: Goal, default: VerifierKind = "numeric") -> str | None:
    """Return why the goal's answer can't be compared with anything; None: it can, or there is none.

    Args:
        goal: The goal.
        default: How it is compared where it names no verifier of its own.
    """
    kind = goal.verifier or default
    if goal.answer is None or kind != "numeric" or last_number(goal.answer) is not None:
        return None
    return f"expected answer {goal.answer[:80]!r} holds no number, which the verifier 'numeric' needs"


def check_answers(goals: Iterable[Goal], settings: EvaluationConfig) -> None:
    """Check that every expected answer can be compared, before anything is paid for.

    Raises:
        EvaluationError: Some can't be; the message names the goals by their texts and says how to mend them.
    """
    problems = []
    for goal in goals:
        kind = goal.verifier or settings.verifier
        problem = answer_problem(goal, settings.verifier)
        if goal.answer is not None and kind in ("regex", "callable") and getattr(settings, kind) is None:
            problem = f"asks for verifier {kind!r}, but evaluation.{kind} is not set"
        if problem:
            problems.append(f"  {goal.text[:80]!r}: {problem}")
    if problems:
        more = f"\n  ... and {len(problems) - _N_SHOWN} more" if len(problems) > _N_SHOWN else ""
        raise EvaluationError(
            f"{len(problems)} held-out goals have an answer that can't be compared:\n"
            + "\n".join(problems[:_N_SHOWN])
            + more
            + "\nCorrect the file and import it again with `camelx import goals FILE --update`; for answers "
            "that are text add --verifier exact"
        )


def _is_exact(goal: Goal, answer: str, text: str) -> bool:
    return _normalised(text) == _normalised(answer)


def _normalised(text: str) -> str:
    """Return the text without differences of case, white space and Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()


def _is_equal_number(goal: Goal, answer: str, text: str) -> bool:
    expected = last_number(answer)
    if expected is None:
        raise EvaluationError(
            f"goal {goal.text[:80]!r}: expected answer {answer!r} holds no number; use verifier exact"
        )
    return last_number(text) == expected


def _regex_verifier(pattern: str) -> Callable[[Goal, str, str], bool]:
    try:
        compiled = re.compile(pattern)
    except re.error as e:
        raise ConfigError(f"evaluation.regex {pattern!r} is no regular expression: {e}") from e

    def verify(goal: Goal, answer: str, text: str) -> bool:
        matches = list(compiled.finditer(text))
        if not matches:
            return False
        found = matches[-1].group(1 if compiled.groups else 0)
        return found is not None and _normalised(found) == _normalised(answer)

    return verify


def _callable_verifier(name: str) -> Callable[[Goal, str, str], bool]:
    function = _imported(name)

    def verify(goal: Goal, answer: str, text: str) -> bool:
        with boundary(EvaluationError, f"verifier {name} on goal {goal.id}"):
            verdict = function(goal, text)
        if not isinstance(verdict, bool | np.bool_):
            raise EvaluationError(
                f"verifier {name} on goal {goal.id} returned {type(verdict).__name__}, expected bool"
            )
        return bool(verdict)

    return verify


def _imported(name: str) -> Callable[[Goal, str], Any]:
    """Return the function of "package.module:function"."""
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ConfigError(f"evaluation.callable {name!r}: expected 'package.module:function'")
    with boundary(ConfigError, f"importing evaluation.callable {name!r}"):
        function = getattr(importlib.import_module(module), attribute)
    if not callable(function):
        raise ConfigError(f"evaluation.callable {name!r} is a {type(function).__name__}, expected a function")
    return function  # type: ignore[no-any-return]
