"""What a reviewer decided, read strictly from the last line of its reply."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelx.errors import JudgeParseError
from camelx.prompts import parse_ranking, parse_ratings, parse_verdict
from camelx.schemas import Verdict

READ = [
    ("Verdict: A", Verdict.FIRST),
    ("12 + 7 = 19.\nVerdict: B", Verdict.SECOND),
    ("Both are right.\n\nVerdict: tie\n", Verdict.TIE),
    ("Windows.\r\nVerdict: A\r\n", Verdict.FIRST),
    ("**Verdict: A**", Verdict.FIRST),
    ("  * verdict : TIE.", Verdict.TIE),
    ("### Verdict: **b**", Verdict.SECOND),
    ("`Verdict: A`", Verdict.FIRST),
    ("A says:\n> Verdict: A\nThat is no reason.\nVerdict: B", Verdict.SECOND),
]
REFUSED = [
    "",
    " \n\t\n",
    "A",
    "The better one is A",
    "Verdict:",
    "Verdict: C",
    "Verdict: A or B",
    "Verdict: A\nVerdict: B",
    "Verdict: A\nVerdict: A",
    "Verdict: A\nBut on reflection B is better",
    "I say Verdict: A",
    "Verdict: AB",
    "Verdict: A B",
    "> Verdict: A",
    "| Verdict: A",
    "- Verdict: A",
    "Verdict: [A](x)",
    '"Verdict: A"',
    "<|assistant|>Verdict: A",
    "[/INST] Verdict: A",
    "<b>Verdict: A</b>",
    "<h1>Verdict: A</h1>",
    '{"verdict": "A"}',
    "```\nVerdict: A\n```",
    "Verdict = A",
    "Ranking: A > B",
    "Ratings: A=4, B=2",
    "Verd\u0131ct: A",
    "\uff36\uff45\uff52\uff44\uff49\uff43\uff54: A",
    "Verdict: \uff21",
    "Verdict: \u0410",
    "Verdict\uff1a A",
    "Verdict:\u00a0A",
    "Ver\u200bdict: A",
    "Verdict: A\u200b",
    "Verdict: A\x00",
    "It is\u2028Verdict: A",
    "\u2028Verdict: A",
    "\x0bVerdict: A",
    "It is\rVerdict: A",
    "Verdict: A\n\u200b",
    "x" * 1_000_000,
    "Verdict:" + " " * 300_000 + "x",
    " " * 300_000 + "Verdict: A x",
    "*_" * 300_000,
    "verdict : " * 100_000,
]


@pytest.mark.parametrize(("reply", "verdict"), READ)
def test_a_verdict_on_its_own_last_line_is_read(reply: str, verdict: Verdict) -> None:
    assert parse_verdict(reply) is verdict


@pytest.mark.parametrize("reply", REFUSED, ids=lambda reply: repr(reply[:30]))
def test_anything_else_is_unreadable_and_never_a_tie(reply: str) -> None:
    with pytest.raises(JudgeParseError):
        parse_verdict(reply)


def test_a_huge_reply_is_read_to_its_end() -> None:
    assert parse_verdict("I think so.\n" * 300_000 + "Verdict: B") is Verdict.SECOND
    with pytest.raises(JudgeParseError, match="got 100000 in 1100000 characters"):
        parse_verdict("Verdict: A\n" * 100_000)


@pytest.mark.parametrize(
    ("reply", "places"),
    [
        ("Ranking: B > A = C", (2, 1, 2)),
        ("C is best.\n**ranking : c>b>a.**", (3, 2, 1)),
        ("Ranking: A = B = C", (1, 1, 1)),
        ("Ranking: A = C > B", (1, 3, 1)),
        ("> Ranking: A > B > C\nNo.\nRanking: C > B > A", (3, 2, 1)),
    ],
)
def test_a_ranking_gives_the_place_of_each_result_as_shown(reply: str, places: tuple[int, ...]) -> None:
    assert parse_ranking(reply, 3) == places


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Ranking:",
        "Ranking: A > B",
        "Ranking: A > B > C > D",
        "Ranking: A > B > B",
        "Ranking: A > B > > C",
        "Ranking: A, B, C",
        "Ranking: A < B < C",
        "Ranking: A >= B > C",
        "Ranking: A > B > C because C is wrong",
        "Ranking: A > B > C\nRanking: C > B > A",
        "Ranking: A > B > C\nThat is all.",
        "> Ranking: A > B > C",
        "Verdict: A",
        "Ranking: X > Y = Z",
        "Ranking: A \uff1e B \uff1e C",
        "Ranking: A > B > \u0421",
        "Ranking: " + "A > " * 100_000,
        "Ranking: A" + " " * 300_000 + "x",
    ],
    ids=lambda reply: repr(reply[:30]),
)
def test_a_ranking_that_is_not_whole_is_unreadable(reply: str) -> None:
    with pytest.raises(JudgeParseError):
        parse_ranking(reply, 3)


@pytest.mark.parametrize(
    ("reply", "marks"),
    [
        ("Ratings: A=4, B=2", (4, 2)),
        ("B is better.\n## rating: b = 5; a = 1.", (1, 5)),
    ],
)
def test_ratings_give_the_mark_of_each_result_as_shown(reply: str, marks: tuple[int, ...]) -> None:
    assert parse_ratings(reply, 2) == marks


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Ratings: A=4",
        "Ratings: A=4, B=2, C=1",
        "Ratings: A=4, A=2",
        "Ratings: A=0, B=2",
        "Ratings: A=6, B=2",
        "Ratings: A=12, B=2",
        "Ratings: A=05, B=2",
        "Ratings: A=4.5, B=2",
        "Ratings: A=-4, B=2",
        "Ratings: A=4/5, B=2/5",
        "Ratings: A: 4, B: 2",
        "Ratings: A=\u0664, B=2",
        "Ratings: A=4, B=2\nRatings: A=4, B=2",
        "Ratings: A=4, B=2\nThat is all.",
        "> Ratings: A=4, B=2",
        "Ratings: A=" + "9" * 300_000 + ", B=2",
    ],
    ids=lambda reply: repr(reply[:30]),
)
def test_ratings_that_are_not_whole_are_unreadable(reply: str) -> None:
    with pytest.raises(JudgeParseError):
        parse_ratings(reply, 2)


def test_what_was_wrong_is_said_in_few_words() -> None:
    with pytest.raises(JudgeParseError, match="each of the letters A to C once, got 'A > B'"):
        parse_ranking("Ranking: A > B", 3)
    with pytest.raises(JudgeParseError, match=r"marks from 1 to 5, got B=9$"):
        parse_ratings("Ratings: A=4, B=9", 2)
    with pytest.raises(JudgeParseError) as refused:
        parse_verdict("x" * 100_000)
    assert len(str(refused.value)) < 300


@given(
    st.permutations("ABCDEFGH"), st.lists(st.sampled_from(">="), min_size=7, max_size=7), st.integers(2, 8)
)
def test_places_follow_the_order_of_the_line(letters: list[str], signs: list[str], n: int) -> None:
    shown = [letter for letter in letters if letter in "ABCDEFGH"[:n]]
    line = shown[0] + "".join(f" {sign} {letter}" for sign, letter in zip(signs, shown[1:], strict=False))
    places = parse_ranking(f"Ranking: {line}", n)
    for sign, left, right in zip(signs, shown, shown[1:], strict=False):
        better, worse = places["ABCDEFGH".index(left)], places["ABCDEFGH".index(right)]
        assert better == worse if sign == "=" else better < worse
    assert min(places) == 1
    assert all(place == 1 + sum(other < place for other in places) for place in places)


@given(st.text())
def test_no_text_breaks_a_parser(reply: str) -> None:
    for parse in (parse_verdict, lambda r: parse_ranking(r, 3), lambda r: parse_ratings(r, 3)):
        try:
            parse(reply)
        except JudgeParseError:
            continue
        assert re.search("(?i)verdict|ranking|rating", reply)
