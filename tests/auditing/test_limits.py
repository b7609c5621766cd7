"""Every limit passes on a sound panel and fails on a collapsed one, with a message that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditing.panels import audited, both_orders, exported, votes_frame
from camelx.auditing import apply_limits, check_limits
from camelx.config.ranking import PanelLimits
from camelx.errors import DataValidationError
from camelx.schemas import Role

SOUND = [*both_orders("ann", 15, 1, -1, "g"), *both_orders("ann", 15, -1, 1, "h")]
OFF = dict.fromkeys(("max_flip_rate", "max_same_answer", "max_length_growth", "min_margin_ratio"))


def only(**limits):
    return PanelLimits(**(OFF | limits))


def failure(audit, limits):
    with pytest.raises(DataValidationError) as caught:
        check_limits(audit, limits, Path("data/c2/panel.html"))
    return caught.value


def states(audit, limits):
    return {(r.limit, r.subject): r.state for r in apply_limits(audit, limits)}


def after(before, now):
    first = audited(votes_frame(*SOUND), cycle_id="c1", exported=before)
    return audited(votes_frame(*SOUND), exported=now, earlier=[first.as_json()])


def test_a_sound_panel_passes_all_limits():
    check_limits(after(exported(30), exported(30)), PanelLimits(), Path("panel.html"))


def test_a_reviewer_that_flips_stops_the_cycle():
    flipping = [*both_orders("bob", 20, 1, 1, "g"), *both_orders("bob", 10, 1, -1, "h")]
    error = failure(audited(votes_frame(*SOUND, *flipping)), PanelLimits(max_flip_rate=0.6))
    assert error.failed_rules == ("max_flip_rate",)
    assert error.report_path == Path("data/c2/panel.html")
    for part in (
        "cycle c2",
        "reviewer 'bob' changed 66.7 % of its verdicts with the order (30 pairs",
        "allowed at most 60 %",
        "agents.yaml",
        "data/c2/panel.html",
    ):
        assert part in str(error)
    assert "ann" not in str(error)


def test_a_reviewer_that_always_answers_the_same_stops_the_cycle():
    stuck = votes_frame(*SOUND, *[("bob", f"q{k}/a", f"q{k}/b", -1) for k in range(50)])
    error = failure(audited(stuck), PanelLimits())
    assert error.failed_rules == ("max_same_answer",)
    assert "reviewer 'bob' answered 'second' in 100 % of its 50 readable votes" in str(error)


def test_few_votes_are_no_proof_of_collapse():
    few = votes_frame(*[("bob", f"q{k}/a", f"q{k}/b", 1) for k in range(49)], *both_orders("cat", 10, 1, 1))
    audit = audited(few)
    check_limits(audit, PanelLimits())
    assert set(states(audit, PanelLimits()).values()) == {"not measurable"}


def test_flips_on_few_pairs_are_no_proof_even_among_many_votes():
    rows = [("bob", f"q{k}/a", f"q{k}/b", 1 - 2 * (k % 2)) for k in range(100)]
    check_limits(audited(votes_frame(*rows, *both_orders("bob", 5, 1, 1))), PanelLimits())


def test_growing_texts_stop_the_cycle_by_role_whatever_the_mixture_of_roles():
    short = [*exported(20, "x" * 10), *exported(1, "x" * 500, role=Role.PROPOSER)]
    mixed = [*exported(20, "x" * 10), *exported(90, "x" * 500, role=Role.PROPOSER)]
    grown = [*exported(20, "x" * 16), *exported(1, "x" * 500, role=Role.PROPOSER)]
    check_limits(after(short, mixed), only(max_length_growth=1.5))
    error = failure(after(short, grown), only(max_length_growth=1.5))
    assert error.failed_rules == ("max_length_growth",)
    assert "role executor has chosen texts 1.60 times as long as in cycle c1" in str(error)
    assert "allowed at most 1.5 times" in str(error)


def test_growth_that_chance_explains_does_not_stop_the_cycle():
    scattered = [pair for n in (1, 1, 100) for pair in exported(1, "x" * n)]
    check_limits(after(exported(20, "x" * 10), scattered), only(max_length_growth=1.5))


def test_shrinking_margins_stop_the_cycle():
    error = failure(after(exported(20, weight=0.8), exported(20, weight=0.1)), only(min_margin_ratio=0.25))
    assert error.failed_rules == ("min_margin_ratio",)
    assert "role executor has weights 0.12 times those of cycle c1" in str(error)
    assert "allowed at least 0.25 times" in str(error)
    check_limits(after(exported(20, weight=0.8), exported(20, weight=0.3)), only(min_margin_ratio=0.25))


def test_peoples_weights_say_nothing_of_margins():
    by_people = exported(20, weight=1.0, source="human")
    check_limits(after(by_people, exported(20, weight=0.1)), only(min_margin_ratio=0.25))


def test_the_first_cycle_has_nothing_to_be_compared_with():
    found = apply_limits(audited(votes_frame(*SOUND), exported=exported(9)), only(max_length_growth=1.5))
    assert [(r.state, r.got) for r in found] == [
        ("not measurable", "there is no earlier cycle to compare with")
    ]


def test_the_last_earlier_cycle_is_the_one_that_counts():
    votes = votes_frame(*SOUND)
    one = audited(votes, cycle_id="c0", exported=exported(20, "x" * 5)).as_json()
    two = audited(votes, cycle_id="c1", exported=exported(20, "x" * 10)).as_json()
    check_limits(audited(votes, exported=exported(20, "x" * 14), earlier=[one, two]), PanelLimits())


def test_a_limit_that_is_not_set_is_not_applied():
    broken = votes_frame(*both_orders("bob", 60, 1, 1))
    check_limits(audited(broken), PanelLimits(**OFF))
    assert apply_limits(audited(broken), PanelLimits(**OFF)) == []


def test_all_failures_come_in_one_message():
    error = failure(
        audited(votes_frame(*both_orders("bob", 60, 1, 1), *both_orders("cat", 60, -1, -1))), PanelLimits()
    )
    assert error.failed_rules == ("max_flip_rate", "max_same_answer")
    assert str(error).count("\n  ") == 2
    assert str(error).count("'cat'") == 2
