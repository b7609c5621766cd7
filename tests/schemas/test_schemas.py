from datetime import timedelta

import pytest
from pydantic import ValidationError

from camelx.schemas import (
    CONTROL_CHARACTERS,
    Cycle,
    Goal,
    Interaction,
    Message,
    Role,
    Stage,
    content_hash,
    stable_id,
    utc_now,
)


def test_an_id_depends_on_its_parts_and_on_where_they_end() -> None:
    assert stable_id("a", 1) == stable_id("a", "1")
    assert stable_id("ab", "c") != stable_id("a", "bc")
    assert len(stable_id("x")) == 24


def test_a_goal_is_addressed_by_its_text() -> None:
    assert Goal.new(" Add. ").id == Goal.new("Add.").id
    assert Goal.new("Add.").text == "Add."
    assert Goal.new("Add.").id != Goal.new("Add!").id


def _interaction(**fields: object) -> Interaction:
    known = {
        "id": "i",
        "cycle_id": "c1",
        "stage": Stage.GENERATE,
        "goal_id": "g",
        "agent": "a",
        "role": Role.EXECUTOR,
        "model": "m",
    }
    return Interaction.model_validate(known | fields)


@pytest.mark.parametrize(
    ("fields", "is_finished"),
    [
        ({"completion": "57", "finish_reason": "stop"}, True),
        ({"completion": "57"}, True),
        ({"completion": "57", "finish_reason": "length"}, False),
        ({"completion": "  "}, False),
        ({"completion": "57", "error": "timeout"}, False),
    ],
)
def test_only_a_whole_answer_is_finished(fields: dict[str, object], is_finished: bool) -> None:
    assert _interaction(**fields).is_finished is is_finished


def test_prompts_are_equal_only_when_every_turn_is() -> None:
    one = _interaction(messages=(Message(role="user", content="ab"),))
    assert one.prompt_key == _interaction(id="j", messages=(Message(role="user", content="ab"),)).prompt_key
    assert one.prompt_key != _interaction(messages=(Message(role="system", content="ab"),)).prompt_key


def test_records_refuse_unknown_fields_and_changes() -> None:
    with pytest.raises(ValidationError):
        _interaction(latency=3)
    with pytest.raises(ValidationError):
        _interaction().agent = "b"  # type: ignore[misc]


def test_a_cycle_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValidationError, match="before its start"):
        Cycle(id="c", number=1, config={}, trace_id="t", finished_at=utc_now() - timedelta(hours=1))


def test_tabs_and_line_ends_may_stand() -> None:
    assert CONTROL_CHARACTERS.search("a\tb\r\n") is None


@pytest.mark.parametrize("character", "\x00\x1b\u200b\u200c\u200d\u200e\u200f\u202e\u2060\ufeff\ufffd")
def test_characters_that_hide_or_turn_text_are_found(character: str) -> None:
    assert CONTROL_CHARACTERS.search(f"a{character}b")


def test_a_content_hash_depends_on_order_and_boundaries() -> None:
    assert content_hash(["a", "b"]) != content_hash(["b", "a"])
    assert content_hash(["ab"]) != content_hash(["a", "b"])
