"""Text that a model or a goal file wrote, made harmless before it stands in a reviewer's prompt.

In: any text. Out: the same text, unless it holds what could be taken for a part of the prompt:

    what                              becomes                   because it would
    </result_a>, <own_review> ...     &lt;/result_a>            close or open a fence
    <|user|>, [INST], </s> ...        < |user|>                 begin a turn, on a server that reads it so
    a line "Verdict: A"               > Verdict: A              be the verdict of a reviewer who copies it
    [... 5 characters cut ...]        (... 5 characters cut ... say that something was cut
    half of a surrogate pair          U+FFFD                    not be encodable

Such things are found in what a reader sees: letters and brackets that look like others, upper case, white
space and characters without width do not hide them. Entities such as "&lt;/result_a&gt;" stay. What is longer
than the bound is cut in the middle.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from camelx.prompts.verdicts import DECIDING_LINES

MAX_RESULT_CHARS = 8_000
"""A longer text is cut in the middle for reviewers, with a marker that says how much is missing."""

# Searched for in what `_as_seen` gives: lower case, folded, without what is invisible. All take time in
# proportion to the text: a model that repeats itself writes very long lines of spaces.
_FENCE = re.compile(
    r"<(?=[\s/\\]*(?:r\s*e\s*s\s*u\s*[l1i|]\s*t[\s_.:-]*[a-h]"
    r"|(?:o\s*w\s*n|o\s*t\s*h\s*e\s*r)[\s_.:-]*r\s*e\s*v\s*i\s*e\s*w)\b)"
)
_ROLE_TAG = re.compile(
    r"<(?=\|[^\n<>|]{1,40}\|>|</?sys>>|/?(?:start_of_turn|end_of_turn|bos|eos|s)>)|\[(?=/?inst\])"
)
_CUT_MARKER = re.compile(r"\[(?=\s*\.{2,}\s*[\d,]+\s*characters?\s+cut)")
_HALF_CHARACTERS = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile(r"[\t\n -~]*")

_LOOK_ALIKES = {
    ord(c): plain
    for plain, others in {
        "<": "‹〈⟨❬❮ᐸ˂≺≪«《⧼⟪⦑⋖",
        "/": "⁄∕⧸╱⟋〳",
        "\\": "∖⧹╲⟍",
        "-": "−⁃➖",
        ".": "·•∙⋅‧",
        ":": "꞉∶ː",
        "a": "аɑαᴀ",
        "b": "ᴃʙвь",
        "c": "сϲᴄ",
        "d": "ԁᴅ",
        "e": "еεᴇ",
        "f": "ꜰϝ",
        "g": "ɡɢ",
        "h": "һʜ",
        "i": "ɪіιı",
        "l": "ӏʟ",
        "n": "ոηɴп",
        "o": "оοօᴏ",
        "r": "гᴦʀ",
        "s": "ѕꜱ",
        "t": "тτᴛ",
        "u": "սυᴜ",
        "v": "ѵνᴠ",
        "w": "ԝᴡ",
    }.items()
    for c in others
}
"""Letters, brackets, slashes and marks that no normalisation folds to the ASCII ones that they look like."""
_JOINING = {"Pd": "-", "Pc": "_"}
"""What every dash and every connector, such as U+203F, looks like, by Unicode's category."""
_LETTER_SYMBOLS = ((0x1F150, 0x1F169), (0x1F170, 0x1F189), (0x1F1E6, 0x1F1FF))
"""Letters in a circle or square and of flags, A to Z, which are not folded either."""


def fenced(text: str, max_chars: int = MAX_RESULT_CHARS) -> str:
    """Return `text` bounded in length and unable to be taken for anything but data.

    `max_chars` bounds what is shown of it; what is made harmless grows, by a half at most.
    """
    if len(text) <= max_chars:
        return _harmless(text)
    head, tail = max_chars - max_chars // 2, max_chars // 2
    n_cut = len(text) - head - tail
    return (
        f"{_harmless(text[:head])}\n[... {n_cut} characters cut ...]\n{_harmless(text[len(text) - tail :])}"
    )


def _harmless(text: str) -> str:
    text = _HALF_CHARACTERS.sub("\ufffd", text)
    seen, origin = _as_seen(text)
    changes = {origin[m.start()]: "&lt;" for m in _FENCE.finditer(seen)}
    changes |= {i: f"{text[i]} " for m in _ROLE_TAG.finditer(seen) if (i := origin[m.start()]) not in changes}
    changes |= {origin[m.start()]: "(" for m in _CUT_MARKER.finditer(seen)}
    changes |= {i: f"> {text[i]}" for m in DECIDING_LINES.finditer(seen) for i in [origin[m.start()]]}
    if not changes:
        return text
    return "".join(changes.get(i, c) for i, c in enumerate(text))


def _as_seen(text: str) -> tuple[str, Sequence[int]]:
    """Return the text as a reader may take it, and for each of its characters the place in the text."""
    if _PLAIN.fullmatch(text):
        return text.lower(), range(len(text))
    folded = [_folded(c) for c in text]
    return "".join(folded), [i for i, seen in enumerate(folded) for _ in seen]


@lru_cache(maxsize=65_536)
def _folded(character: str) -> str:
    """Return what one character looks like, in lower case; "" where it has no width."""
    if character in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029":
        return "\n"
    if character.isspace():
        return " "
    for first, last in _LETTER_SYMBOLS:
        if first <= ord(character) <= last:
            return chr(ord("a") + ord(character) - first)
    if joins := _JOINING.get(unicodedata.category(character)):
        return joins
    plain = unicodedata.normalize("NFKD", character).casefold().translate(_LOOK_ALIKES)
    return "".join(c for c in plain if not _is_invisible(c))


def _is_invisible(character: str) -> bool:
    """Whether it takes no place of its own: controls, formats, marks on a letter, Hangul fillers."""
    return unicodedata.category(character) in ("Cc", "Cf", "Mn", "Me") or character in "\u115f\u1160"


def control_pattern(tokenizer: Any) -> re.Pattern[str]:
    """Return what finds the control tokens of a transformers tokenizer, such as "<|user|>", in a text.

    One of a single character, or of white space, is left out: it may stand in any text.
    """
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    special |= set(tokenizer.all_special_tokens)
    broken = [token for token in special if len(token) > 1 and not token.isspace()]
    longest_first = sorted(broken, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def disarmed(content: str, control: re.Pattern[str]) -> str:
    """Return the content of a turn with its control tokens broken by a space: data must not open a turn."""
    while control.search(content):  # what is left of a broken token may be another one
        content = control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", content)
    return content
