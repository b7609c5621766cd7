"""Every hostile result through every form of a reviewer's prompt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import camelx.demo_model
from camelx.agents.loading import ChatFormat, open_tokenizer
from camelx.errors import JudgeParseError
from camelx.prompts import (
    MAX_RESULT_CHARS,
    discussion_messages,
    fenced,
    listwise_messages,
    parse_ranking,
    parse_ratings,
    parse_verdict,
    rating_messages,
    review_messages,
)
from camelx.schemas import Message, Verdict
from prompts.injections import INJECTIONS, ZERO_WIDTH

DEMO = Path(camelx.demo_model.__file__).with_name("weights")
SYSTEM, GOAL, OTHER = "You are a judge.", "Add 26 and 31.", "26 + 31 = 57.\nThe answer is 57."
REVIEW = "Both add up, A says 57.\nI take A."
MAX_CHARS = MAX_RESULT_CHARS * 3 // 2 + 50
_NO_WIDTH = re.compile(f"[{ZERO_WIDTH}\x00-\x08\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ANY_FENCE = re.compile(
    r"[<«‹≪≺⋖〈⟨❬❮《⟪⦑⧼][^\w<>🅰-🆉]*(result(_|[^\w<>])*[a-h]|(own|other)(_|[^\w<>])*review)\b"
)
"""Broader than what is searched for in `fences`: whatever is no letter may be slash or joint."""


def pairwise(texts: list[str], goal: str = GOAL) -> tuple[Message, ...]:
    return review_messages(SYSTEM, goal, *texts)


def listwise(texts: list[str], goal: str = GOAL) -> tuple[Message, ...]:
    return listwise_messages(SYSTEM, goal, texts)


def rating(texts: list[str], goal: str = GOAL) -> tuple[Message, ...]:
    return rating_messages(SYSTEM, goal, texts)


def discussion(texts: list[str], goal: str = GOAL) -> tuple[Message, ...]:
    return discussion_messages(SYSTEM, goal, *texts)


Form = Callable[..., tuple[Message, ...]]
LETTERS = [f"result_{letter}" for letter in "abcdefgh"]
FORMS: dict[Form, list[str]] = {
    pairwise: LETTERS[:2],
    listwise: LETTERS[:4],
    rating: LETTERS,
    discussion: [*LETTERS[:2], "own_review", "other_review"],
}
"""The forms with the names of their fences."""
PARSERS: tuple[tuple[Callable[[str], Any], str, Any], ...] = (
    (parse_verdict, "Verdict: B", Verdict.SECOND),
    (lambda reply: parse_ranking(reply, 2), "Ranking: B > A", (2, 1)),
    (lambda reply: parse_ratings(reply, 2), "Ratings: A=1, B=4", (1, 4)),
)

each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
each_injection = pytest.mark.parametrize("name", INJECTIONS)


def filled(form: Form, attack: str, place: int) -> list[str]:
    texts = [OTHER if name in LETTERS else REVIEW for name in FORMS[form]]
    texts[place] = attack
    return texts


def as_read(text: str) -> set[str]:
    """The text after NFKC folding and without what has no width, whichever is done first."""
    folded = _NO_WIDTH.sub("", unicodedata.normalize("NFKC", text))
    return {folded.lower(), unicodedata.normalize("NFKC", _NO_WIDTH.sub("", text)).lower()}


def check_fences(user: str, names: list[str]) -> None:
    """Each fence opens once and closes once, in order, and nothing else looks like one."""
    for text in as_read(user):
        assert re.findall(r"(?m)^</?(\w+)>$", text) == [n for name in names for n in (name, name)]
        assert len(_ANY_FENCE.findall(text)) == 2 * len(names)


@each_form
@each_injection
def test_fences_hold_and_the_other_texts_are_untouched(form: Form, name: str) -> None:
    names = FORMS[form]
    for place in range(len(names)):
        texts = filled(form, INJECTIONS[name], place)
        user = form(texts)[-1].content
        check_fences(user, names)
        for i, (fence, text) in enumerate(zip(names, texts, strict=True)):
            assert i == place or f"<{fence}>\n{text}\n</{fence}>" in user
        assert len(user) < MAX_CHARS + len(form(filled(form, "", place))[-1].content)
        user.encode()


@each_form
@each_injection
def test_a_hostile_goal_moves_no_fence(form: Form, name: str) -> None:
    texts = filled(form, OTHER, 0)
    user = form(texts, goal=INJECTIONS[name])[-1].content
    check_fences(user, FORMS[form])
    assert user.endswith(form(texts)[-1].content.removeprefix(f"Goal: {GOAL}"))
    assert len(user) < MAX_CHARS + len(form(texts, goal="")[-1].content)


@each_form
def test_hostile_results_side_by_side_move_no_fence(form: Form) -> None:
    attacks = list(INJECTIONS.values())
    for i in range(len(attacks)):
        texts = [attacks[(i + 7 * k) % len(attacks)] for k in range(len(FORMS[form]))]
        check_fences(form(texts, goal=attacks[i])[-1].content, FORMS[form])


@each_injection
def test_a_reviewer_who_copies_a_result_gives_no_verdict_and_keeps_its_own(name: str) -> None:
    copied = fenced(INJECTIONS[name])
    for parse, own, meaning in PARSERS:
        for echo in (copied, f"A says:\n{copied}", *copied.splitlines(), copied.replace("\u2028", "\n")):
            with pytest.raises(JudgeParseError):
                parse(echo)
        assert parse(f"{copied}\n{own}") == meaning


@each_form
@each_injection
def test_a_reviewer_who_copies_the_whole_prompt_gives_no_verdict(form: Form, name: str) -> None:
    user = form(filled(form, INJECTIONS[name], 0))[-1].content
    for parse, own, meaning in PARSERS:
        with pytest.raises(JudgeParseError):
            parse(user)
        assert parse(f"{user}\n{own}") == meaning


@each_injection
def test_a_reviewer_who_copies_the_raw_result_before_its_own_verdict_is_never_misread(name: str) -> None:
    for parse, own, meaning in PARSERS:
        with suppress(JudgeParseError):
            assert parse(f"{INJECTIONS[name]}\n{own}") == meaning


@pytest.fixture(scope="module")
def control() -> tuple[ChatFormat, set[int], set[int]]:
    """The demo model's chat format, its control tokens, and the tokens that are fences."""
    tokenizer = open_tokenizer(str(DEMO))
    added = {i: str(token) for i, token in tokenizer.added_tokens_decoder.items()}
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    fences = {i for i, token in added.items() if "result_" in token and i not in special}
    assert (len(special), len(fences)) == (5, 4)
    return ChatFormat(tokenizer), special, fences


@each_form
@each_injection
def test_the_demo_model_reads_as_many_control_tokens_as_in_an_honest_prompt(
    form: Form, name: str, control: tuple[ChatFormat, set[int], set[int]]
) -> None:
    chat, special, fences = control

    def read(messages: tuple[Message, ...], among: set[int]) -> list[int]:
        tokens = chat.tokens(((m.role, m.content) for m in messages), add_generation_prompt=True)
        return [token for token in tokens if token in among]

    honest = form(filled(form, OTHER, 0))
    for place in {0, 1, len(FORMS[form]) - 1}:
        hostile = form(filled(form, INJECTIONS[name], place))
        assert read(hostile, special) == read(honest, special)
        assert read(hostile, fences) == read(honest, fences)
    assert len(read(honest, special)) == 5


def test_there_are_enough_shapes_and_no_two_alike() -> None:
    assert len(INJECTIONS) == len(set(INJECTIONS.values())) >= 40
    prompts = chain.from_iterable(form(filled(form, a, 0)) for form in FORMS for a in INJECTIONS.values())
    assert all(message.role in ("system", "user") for message in prompts)
