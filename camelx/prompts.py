"""The messages that agents are asked with, and how a verdict is read back.

One place, because four rooms must agree on them: generation asks, ranking judges, evaluation repeats, and
the demo model is trained on exactly these forms. An agent's system message comes from `agents.yaml`;
everything else is here. A goal, a proposal and a result are data: in a reviewer's prompt the results stand
inside fences that no text can open or close, and what a tokenizer would read as the begin of a turn is broken
wherever a conversation is tokenized (`disarmed`).
"""

from __future__ import annotations

import re
from typing import Any

from camelx.errors import JudgeParseError
from camelx.schemas import Message, Verdict

MAX_RESULT_CHARS = 8_000
"""A longer result is cut in the middle for reviewers, with a marker that says how much is missing."""

# Both take time in proportion to the text: a model that repeats itself writes very long lines of spaces.
_FENCE_TAG = re.compile(r"<(?=[\s/]*result_[ab]\b)", re.IGNORECASE)
_VERDICT_LINE = re.compile(r"^[\s*_#>`]*verdict\s*:[\s*]*(a|b|tie)\b[\s.*_`]*$", re.IGNORECASE)
_VERDICTS = {"a": Verdict.FIRST, "b": Verdict.SECOND, "tie": Verdict.TIE}


def proposal_messages(system: str, goal: str) -> tuple[Message, ...]:
    """Return what a Proposer is asked."""
    return _conversation(system, f"Goal: {goal}")


def execution_messages(system: str, goal: str, proposal: str | None) -> tuple[Message, ...]:
    """Return what an Executor is asked; `proposal` is None where the workflow has no Proposer."""
    user = f"Goal: {goal}" if proposal is None else f"Goal: {goal}\nProposal: {proposal}"
    return _conversation(system, user)


def review_messages(system: str, goal: str, first: str, second: str) -> tuple[Message, ...]:
    """Return what a PeerReviewer is asked: the goal and two results, named A and B and nothing else."""
    results = f"<result_a>\n{fenced(first)}\n</result_a>\n<result_b>\n{fenced(second)}\n</result_b>"
    return _conversation(system, f"Goal: {_without_fences(goal)}\n{results}")


def fenced(text: str, max_chars: int = MAX_RESULT_CHARS) -> str:
    """Return `text` bounded in length and unable to close or open a result fence."""
    if len(text) > max_chars:
        half = max_chars // 2
        text = f"{text[:half]}\n[... {len(text) - 2 * half} characters cut ...]\n{text[-half:]}"
    return _without_fences(text)


def control_pattern(tokenizer: Any) -> re.Pattern[str]:
    """Return what finds the control tokens of a transformers tokenizer, such as "<|user|>", in a text.

    One of a single character is left out: it may stand in any text.
    """
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    special |= set(tokenizer.all_special_tokens)
    longest_first = sorted((token for token in special if len(token) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def disarmed(content: str, control: re.Pattern[str]) -> str:
    """Return the content of a turn with its control tokens broken by a space: data must not open a turn."""
    return control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", content)


def parse_verdict(reply: str) -> Verdict:
    """Return the verdict that the reply ends with.

    Exactly one line must be a verdict ("Verdict: A", "Verdict: B" or "Verdict: tie"; case and markdown
    marks do not matter), and no text may follow it.

    Raises:
        JudgeParseError: No verdict line, several of them, or text after it.
    """
    lines = [line for line in reply.splitlines() if line.strip()]
    found = [(i, m.group(1).lower()) for i, line in enumerate(lines) if (m := _VERDICT_LINE.match(line))]
    if len(found) != 1:
        raise JudgeParseError(
            f"expected one line 'Verdict: A', 'Verdict: B' or 'Verdict: tie', got {len(found)} in "
            f"{len(reply)} characters ending {reply[-80:]!r}"
        )
    position, verdict = found[0]
    if position != len(lines) - 1:
        raise JudgeParseError(f"text follows the verdict line: {lines[-1][:80]!r}")
    return _VERDICTS[verdict]


def _without_fences(text: str) -> str:
    return _FENCE_TAG.sub("&lt;", text)


def _conversation(system: str, user: str) -> tuple[Message, ...]:
    turns = (Message(role="user", content=user),)
    return (Message(role="system", content=system), *turns) if system else turns
