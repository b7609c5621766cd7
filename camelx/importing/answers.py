"""The expected answer of a goal, from whatever a data set holds: a number, or text with the answer in it."""

from __future__ import annotations

import re
from decimal import Decimal

from camelx.importing.report import BrokenRowError, clean_text
from camelx.schemas import VerifierKind

_NUMBER = re.compile(r"[-+]?\$?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?|[-+]?\$?\.\d+")


def expected_answer(
    value: object, pattern: re.Pattern[str] | None, verifier: VerifierKind | None
) -> str | None:
    """Return the answer as the verifiers compare it; None where the row has none and needs none.

    A number loses its thousands commas, its currency sign and a fraction of zeros: "1,080" is "1080" and
    51.0 is "51". Text stays text, and stays as it is for the verifiers "exact", "regex" and "callable".

    Args:
        value: What the data set has: a number or text.
        pattern: Where the answer stands in the text: the first group of the last match, or all of it.
        verifier: How the answer will be compared; None: not known yet.

    Raises:
        BrokenRowError: No match, an answer of another type, or none (or no number) where the verifier
            needs one.
    """
    if value is None or value == "":
        if verifier is not None:
            raise BrokenRowError(f"answer is empty, but the verifier {verifier!r} needs one")
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise BrokenRowError(f"answer is {type(value).__name__}, expected a number or text")
    text = clean_text(value, "answer") if isinstance(value, str) else _written_out(value)
    text = _matched(text, pattern) if pattern else text.strip()
    if not text:
        raise BrokenRowError("answer is empty")
    if verifier not in (None, "numeric"):
        return text
    number = plain_number(text)
    if number is None and verifier == "numeric":
        raise BrokenRowError(f"answer {text[:80]!r} is not a number, which the verifier 'numeric' needs")
    return text if number is None else number


def plain_number(text: str) -> str | None:
    """Return the number without commas, sign of currency, plus sign and zeros behind the point.

    None if the text is not a number and nothing else.
    """
    text = text.strip().replace("\u2212", "-")
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text.replace(",", "").replace("$", ""))
    written = f"{number:f}"
    written = written.rstrip("0").rstrip(".") if "." in written else written
    return "0" if number == 0 else written


def _written_out(value: float | Decimal) -> str:
    """Return a number in digits, without an exponent."""
    number = Decimal(str(value))
    if not number.is_finite():
        raise BrokenRowError(f"answer is {value}, expected a finite number")
    return f"{number:f}"


def _matched(text: str, pattern: re.Pattern[str]) -> str:
    found = list(pattern.finditer(text))
    if not found:
        raise BrokenRowError(f"answer has no match for the pattern {pattern.pattern}; it ends {text[-40:]!r}")
    return (found[-1].group(1 if pattern.groups else 0) or "").strip()
