"""Whether the texts of two interactions can make a preference pair at all."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence

from camelx.config import ExportConfig
from camelx.schemas import CONTROL_CHARACTERS, Interaction, Message

_WORD = re.compile(r"\w+|[^\w\s]")

Fits = Callable[[Sequence[Message]], bool]
"""Whether a prompt with one answer fits the model's context."""


class DroppedError(Exception):
    """What was considered makes no pair, for the reason named."""


def check_texts(
    winner: Interaction,
    loser: Interaction,
    settings: ExportConfig,
    fits: Fits | None,
    *,
    edited: str | None = None,
) -> None:
    """Check that what the winner said, or the edited text in its place, can be trained on against the loser.

    Raises:
        DroppedError: different_prompt, unfinished, control_characters, identical, near_identical (by words)
            or too_long.
    """
    chosen, rejected = winner.completion if edited is None else edited, loser.completion
    if winner.prompt_key != loser.prompt_key:
        raise DroppedError("different_prompt")
    if not loser.is_finished or (edited is None and not winner.is_finished):
        raise DroppedError("unfinished")
    texts = (chosen, rejected, *(m.content for m in loser.messages))
    if any(CONTROL_CHARACTERS.search(text) for text in texts):
        raise DroppedError("control_characters")
    if chosen.strip() == rejected.strip():
        raise DroppedError("identical")
    if _is_more_alike(chosen, rejected, settings.max_similarity):
        raise DroppedError("near_identical")
    sides = (Message(role="assistant", content=text) for text in (chosen, rejected))
    if fits and not all(fits((*loser.messages, side)) for side in sides):
        raise DroppedError("too_long")


def _is_more_alike(a: str, b: str, limit: float) -> bool:
    """Whether the share of words in common, in order, exceeds the limit (1: the same words).

    By words and not by characters, because one wrong digit in a worked solution is a real difference. Two
    upper bounds settle nearly all pairs without the slow comparison.
    """
    words_a, words_b = _WORD.findall(a), _WORD.findall(b)
    if limit >= 1.0:
        return False
    matcher = difflib.SequenceMatcher(None, words_a, words_b, autojunk=False)
    return matcher.real_quick_ratio() > limit and matcher.quick_ratio() > limit and matcher.ratio() > limit
