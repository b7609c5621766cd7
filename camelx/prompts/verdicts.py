"""What a reviewer decided, read from the one line that its reply must end with.

In: the raw reply. Out: a verdict, places or marks. There is one such line and no text after it, or the reply
is unreadable; nothing is guessed. A line that begins with ">" is a quotation and never counts: `fences` shows
such a line of a result as one, so a reviewer who copies a result can't copy a decision. Only plain ASCII
counts, and the time taken is in proportion to the reply. Called where votes are made and where they are
replayed.
"""

from __future__ import annotations

import re

from camelx.errors import JudgeParseError
from camelx.schemas import Verdict

_BEGIN, _END = r"[ \t*_#`]*", r"[ \t.*_`]*\r?"
_AFTER_NAME = r"[ \t]*:[ \t*]*"
_FLAGS = re.IGNORECASE | re.ASCII
_VERDICT = rf"{_BEGIN}verdict{_AFTER_NAME}(a|b|tie){_END}"
_RANKING = rf"{_BEGIN}ranking{_AFTER_NAME}([a-h](?:[ \t]*[>=][ \t]*[a-h])*){_END}"
_RATINGS = (
    rf"{_BEGIN}ratings?{_AFTER_NAME}([a-h][ \t]*=[ \t]*\d+(?:[ \t]*[,;][ \t]*[a-h][ \t]*=[ \t]*\d+)*){_END}"
)
_VERDICT_LINE, _RANKING_LINE, _RATINGS_LINE = (
    re.compile(line, _FLAGS) for line in (_VERDICT, _RANKING, _RATINGS)
)
_MARK = re.compile(r"([a-h])[ \t]*=[ \t]*(\d+)", _FLAGS)

DECIDING_LINES = re.compile(rf"^(?:{_VERDICT}|{_RANKING}|{_RATINGS})$", _FLAGS | re.MULTILINE)
"""Every line that one of the parsers would read."""

_VERDICTS = {"a": Verdict.FIRST, "b": Verdict.SECOND, "tie": Verdict.TIE}
_MARKS = ("1", "2", "3", "4", "5")


def parse_verdict(reply: str) -> Verdict:
    """Return the verdict that the reply ends with.

    Exactly one line must be a verdict ("Verdict: A", "Verdict: B" or "Verdict: tie"; case, emphasis and
    heading marks do not matter), and no text may follow it.

    Raises:
        JudgeParseError: No verdict line, several of them, or text after it.
    """
    return _VERDICTS[_last_line(reply, _VERDICT_LINE, "'Verdict: A', 'Verdict: B' or 'Verdict: tie'")]


def parse_ranking(reply: str, n: int) -> tuple[int, ...]:
    """Return the place of each of the `n` results in the order shown; 1 is best and equal ones share a place.

    The reply must end with one line such as "Ranking: B > A = C", which gives (2, 1, 2).

    Raises:
        JudgeParseError: No such line, several, text after it, or not every letter once.
    """
    said = _last_line(reply, _RANKING_LINE, "'Ranking: X > Y = Z' with a letter for each result")
    _check_letters(re.findall("[a-h]", said), n, said)
    places: dict[str, int] = {}
    for group in said.split(">"):
        letters = re.findall("[a-h]", group)
        places |= dict.fromkeys(letters, len(places) + 1)
    return tuple(places[letter] for letter in sorted(places))


def parse_ratings(reply: str, n: int) -> tuple[int, ...]:
    """Return the mark from 1 to 5 of each of the `n` results in the order shown.

    The reply must end with one line such as "Ratings: A=4, B=2".

    Raises:
        JudgeParseError: No such line, several, text after it, not every letter once, or another mark.
    """
    said = _last_line(reply, _RATINGS_LINE, "'Ratings: A=mark, B=mark' with a letter for each result")
    marks = _MARK.findall(said)
    _check_letters([letter for letter, _ in marks], n, said)
    if wrong := [f"{letter.upper()}={mark[:20]}" for letter, mark in marks if mark not in _MARKS]:
        raise JudgeParseError(f"expected marks from 1 to 5, got {', '.join(wrong)}")
    return tuple(int(mark) for _, mark in sorted(marks))


def _last_line(reply: str, line: re.Pattern[str], expected: str) -> str:
    """Return in lower case what the reply's one deciding line says, which must be the last."""
    lines = [text for text in reply.split("\n") if text.strip()]
    found = [match[1].lower() for text in lines if (match := line.fullmatch(text))]
    if len(found) != 1:
        raise JudgeParseError(
            f"expected one line {expected}, got {len(found)} in {len(reply)} characters "
            f"ending {reply[-80:]!r}"
        )
    if not line.fullmatch(lines[-1]):
        raise JudgeParseError(f"text follows the line that decides: {lines[-1][:80]!r}")
    return found[0]


def _check_letters(letters: list[str], n: int, said: str) -> None:
    expected = "abcdefgh"[:n]
    if "".join(sorted(letters)) != expected:
        raise JudgeParseError(
            f"expected each of the letters A to {expected[-1].upper()} once, got {said[:80].upper()!r}"
        )
