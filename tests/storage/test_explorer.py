"""The log explorer finds what is wanted, page by page, and keeps up with what is written."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from camelx.errors import ConfigError
from camelx.schemas import Goal, InteractionFilter, InteractionStatus, Role, Split, Stage
from camelx.storage import Store, downgrade, finding
from camelx.storage.connection import WRITES, database_url, open_engine

from .conftest import cycle, execution

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOALS = [Goal.new(f"How much is {i} + {i}?", category="sums") for i in range(4)]
AGENTS = {
    "proposer-1": Role.PROPOSER,
    "executor-1": Role.EXECUTOR,
    "executor-2": Role.EXECUTOR,
    "reviewer": Role.PEER_REVIEWER,
}
FATES = {
    InteractionStatus.OK: {},
    InteractionStatus.ERROR: {"error": "rate limit of the provider", "completion": "", "finish_reason": None},
    InteractionStatus.CUT: {"finish_reason": "length", "completion": "Step 1: take"},
    InteractionStatus.EMPTY: {"completion": " \n\t"},
}


def made():
    """Return 120 interactions of two cycles and four agents, with all that can become of a call."""
    found = []
    for i, (n, agent) in enumerate(itertools.product(range(30), AGENTS)):
        fate = list(FATES.values())[0 if n % 5 else 1 + n // 5 % 3]
        fields = {
            "id": f"i{i:03}",
            "cycle_id": "c1" if n < 15 else "c2",
            "stage": Stage.RANK if agent == "reviewer" else Stage.GENERATE,
            "role": AGENTS[agent],
            "model": "large" if i % 7 == 0 else "small",
            "completion": f"Answer: {i} apples" if i % 2 else f"Answer: {i} pears",
            "created_at": START + timedelta(seconds=i),
        }
        found.append(execution(GOALS[n % 4], agent, **fields | fate))
    return found


@pytest.fixture
def explored(store):
    store.add_goals(GOALS)
    for number in (1, 2):
        store.add_cycle(cycle(number, goal_ids=tuple(goal.id for goal in GOALS)))
    store.save_interactions(made())
    return store


def status(one):
    if one.error:
        return "error"
    if one.finish_reason != "stop":
        return "cut"
    return "ok" if one.completion.strip() else "empty"


def ids(page):
    return [line.id for line in page.items]


def all_pages(store, wanted, limit=7):
    found, cursor = [], None
    while True:
        page = store.interaction_page(wanted, cursor=cursor, limit=limit)
        found += ids(page)
        if (cursor := page.next_cursor) is None:
            return found


FILTERS = [
    ({}, lambda one: True),
    ({"cycle_id": "c1"}, lambda one: one.cycle_id == "c1"),
    ({"goal_id": GOALS[1].id}, lambda one: one.goal_id == GOALS[1].id),
    ({"agent": "executor-2"}, lambda one: one.agent == "executor-2"),
    ({"role": Role.PEER_REVIEWER}, lambda one: one.role is Role.PEER_REVIEWER),
    ({"model": "large"}, lambda one: one.model == "large"),
    *(({"status": s}, lambda one, s=s: status(one) == s) for s in InteractionStatus),
    ({"stage": Stage.RANK}, lambda one: one.stage is Stage.RANK),
    ({"since": START + timedelta(seconds=30)}, lambda one: one.created_at >= START + timedelta(seconds=30)),
    ({"until": START + timedelta(seconds=30)}, lambda one: one.created_at < START + timedelta(seconds=30)),
    ({"text": "apples"}, lambda one: "apples" in one.completion),
    ({"text": "PEARS answer"}, lambda one: "pears" in one.completion),
    ({"text": "goal 3"}, lambda one: one.goal_id == GOALS[3].id or one.completion.startswith("Answer: 3 ")),
    ({"text": '"rate limit"'}, lambda one: one.error is not None),
    ({"text": '"limit rate"'}, lambda one: False),
    ({"text": "nowhere"}, lambda one: False),
    ({"role": Role.PROPOSER, "agent": "reviewer"}, lambda one: False),
    (
        {"role": Role.EXECUTOR, "model": "large", "cycle_id": "c2"},
        lambda one: one.role is Role.EXECUTOR and one.model == "large" and one.cycle_id == "c2",
    ),
    (
        {"goal_id": GOALS[0].id, "status": InteractionStatus.OK},
        lambda one: one.goal_id == GOALS[0].id and status(one) == "ok",
    ),
    (
        {"text": "apples", "agent": "executor-1", "model": "small"},
        lambda one: "apples" in one.completion and one.agent == "executor-1" and one.model == "small",
    ),
    (
        {"text": "pears", "goal_id": GOALS[2].id, "stage": Stage.GENERATE},
        lambda one: "pears" in one.completion and one.goal_id == GOALS[2].id and one.stage is Stage.GENERATE,
    ),
    (
        {"text": "answer", "since": START + timedelta(seconds=10), "until": START + timedelta(seconds=90)},
        lambda one: "Answer" in one.completion and 10 <= (one.created_at - START).seconds < 90,
    ),
]  # fmt: skip


@pytest.mark.parametrize("at_once", [2_000, 5])
def test_every_filter_finds_what_it_says_newest_first(explored, monkeypatch, at_once):
    monkeypatch.setattr(finding, "_N_MATCHES", at_once)
    monkeypatch.setattr(finding, "_N_KINDS", 2)
    for fields, fits in FILTERS:
        wanted = InteractionFilter(**fields)
        expected = [one.id for one in reversed(made()) if fits(one)]
        assert all_pages(explored, wanted) == expected, fields
        assert explored.count_interactions(wanted) == len(expected), fields
        assert [one.id for one in explored.interactions_wanted(wanted)] == expected, fields


def test_a_page_leads_to_the_one_before_it(explored):
    wanted = InteractionFilter(role=Role.EXECUTOR)
    first = explored.interaction_page(wanted, limit=10)
    second = explored.interaction_page(wanted, cursor=first.next_cursor, limit=10)
    third = explored.interaction_page(wanted, cursor=second.next_cursor, limit=10)
    assert first.previous_cursor is None
    assert ids(explored.interaction_page(wanted, cursor=third.previous_cursor, limit=10)) == ids(second)
    back = explored.interaction_page(wanted, cursor=second.previous_cursor, limit=10)
    assert ids(back) == ids(first)
    assert back.previous_cursor is None
    assert ids(explored.interaction_page(wanted, cursor=back.next_cursor, limit=10)) == ids(second)


def test_rows_that_come_in_between_shift_no_page(explored):
    wanted = InteractionFilter(agent="executor-1")
    first = explored.interaction_page(wanted, limit=10)
    newer = execution(GOALS[0], "executor-1", id="new", created_at=START + timedelta(days=1))
    older = execution(GOALS[0], "executor-1", id="old", created_at=START - timedelta(days=1))
    explored.save_interactions([newer, older])
    rest, cursor = [], first.next_cursor
    while cursor:
        page = explored.interaction_page(wanted, cursor=cursor, limit=10)
        rest, cursor = rest + ids(page), page.next_cursor
    expected = [one.id for one in reversed(made()) if one.agent == "executor-1"]
    assert ids(first) + rest == [*expected, "old"]
    second = explored.interaction_page(wanted, cursor=first.next_cursor, limit=10)
    before = explored.interaction_page(wanted, cursor=second.previous_cursor, limit=20)
    assert ids(before) == ["new", *ids(first)]


def test_interactions_of_one_moment_are_all_found_once(explored):
    same = [execution(GOALS[0], "many", id=f"s{i:03}", created_at=START) for i in range(200)]
    explored.save_interactions(same)
    found = all_pages(explored, InteractionFilter(agent="many"), limit=9)
    assert sorted(found) == [one.id for one in same]


@pytest.mark.parametrize(
    "cursor", ["", "x", "AAAA", "ä", "A" * 4_000, "../../etc/passwd", "AAAAAAAAAAAAAAAAAAAAAA"]
)
def test_a_broken_cursor_is_refused(explored, cursor):
    with pytest.raises(ConfigError, match="not one that this list gave out"):
        explored.interaction_page(InteractionFilter(), cursor=cursor)


def test_a_cursor_of_other_filters_is_refused(explored):
    cursor = explored.interaction_page(InteractionFilter(), limit=5).next_cursor
    with pytest.raises(ConfigError, match="for these filters"):
        explored.interaction_page(InteractionFilter(role=Role.PROPOSER), cursor=cursor)


@pytest.mark.parametrize(
    "typed",
    [
        *('"', '""', '"apples', 'apples"', "apples*", "apples AND", "NOT apples", "apples NEAR(pears, 2)"),
        *("body:apples", "facets : x", "^apples", "-apples", "+apples", "(apples", "apples)", "{apples}"),
        *(
            "'apples'",
            "apples; DROP TABLE interactions",
            "apples & | ! <->",
            "apples:*",
            "a:b",
            "\\",
            "%",
            "_",
        ),
        *(
            "a\0b",
            "\ud800",
            "²",
            "ß",
            "苹果",
            "🍎 apples",
            "\u0300",
            "a" * 400,
            "apples\n\t pears",
            "' OR 1=1 --",
        ),
        *("apples <2> pears", "x@y.z/a-b_c", ":words", "%s apples", "apples%(x)s"),
    ],
)
def test_whatever_is_typed_is_words_to_look_for(explored, typed):
    wanted = InteractionFilter.model_construct(**dict(InteractionFilter()) | {"text": typed})
    try:
        found = explored.interaction_page(wanted, limit=100)
        explored.count_interactions(wanted)
    except ConfigError as e:
        assert "has no word or number" in str(e)  # noqa: PT017 (words may be found, too)
        return
    if typed in ('"apples', 'apples"', "apples*", "^apples", "-apples", "(apples", "'apples'", "🍎 apples"):
        assert ids(found) == [one.id for one in reversed(made()) if "apples" in one.completion]


def test_a_text_of_too_many_words_is_refused(explored):
    with pytest.raises(ConfigError, match="20 words, expected at most 16"):
        explored.interaction_page(InteractionFilter(text="w " * 20))


def test_words_are_whole_and_parts_of_marks_are_words(explored):
    special = execution(
        GOALS[0], "executor-1", id="special", completion="See docs/naïve-plan_2.md, Ärger@host."
    )
    explored.save_interactions([special])
    for words in ("naïve", "plan", "2 md", "docs/naïve-plan_2.md", '"plan 2 md"', "host"):
        assert "special" in ids(explored.interaction_page(InteractionFilter(text=words))), words
    assert "special" not in ids(explored.interaction_page(InteractionFilter(text="plans")))


def test_replacing_an_interaction_replaces_what_it_is_found_by(explored):
    old = made()[1]
    explored.save_interactions([old.model_copy(update={"completion": "Answer: a lemon", "model": "other"})])
    explored.save_interactions([old.model_copy(update={"completion": "Answer: a lime", "error": None})])
    find = {what: InteractionFilter(text=what) for what in ("lemon", "lime", "apples")}
    assert ids(explored.interaction_page(find["lemon"])) == []
    assert ids(explored.interaction_page(find["lime"])) == [old.id]
    assert old.id not in ids(explored.interaction_page(find["apples"], limit=100))
    assert ids(explored.interaction_page(InteractionFilter(model="other"))) == []
    assert explored.count_interactions(InteractionFilter()) == len(made())
    failed = old.model_copy(update={"error": "gone", "completion": ""})
    explored.save_interactions([failed])
    wanted = InteractionFilter(status=InteractionStatus.ERROR, text="gone")
    (line,) = explored.interaction_page(wanted).items
    assert (line.id, line.beginning, line.status) == (old.id, "gone", InteractionStatus.ERROR)


def test_saving_the_same_again_changes_nothing(explored):
    before = all_pages(explored, InteractionFilter())
    explored.save_interactions(made())
    assert all_pages(explored, InteractionFilter()) == before
    assert all_pages(explored, InteractionFilter(text="apples")) == [
        one.id for one in reversed(made()) if "apples" in one.completion
    ]


def test_a_deleted_interaction_is_found_no_more(explored, database):
    engine = open_engine(database_url(database)).execution_options(**WRITES)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM interactions WHERE id = 'i001'"))
    engine.dispose()
    for wanted in (
        InteractionFilter(),
        InteractionFilter(text="apples"),
        InteractionFilter(agent="executor-1"),
    ):
        assert "i001" not in all_pages(explored, wanted, limit=50)


def test_a_very_long_text_is_stored_and_its_beginning_searched(explored):
    long = "first " + "word " * 300_000 + "last"
    unlike = " ".join(f"w{i}" for i in range(60_000))
    explored.save_interactions([
        execution(GOALS[0], "executor-1", id="long", completion=long),
        execution(GOALS[0], "executor-1", id="unlike", completion=unlike),
        execution(GOALS[0], "executor-1", id="one", completion="x" * 50_000),
    ])  # fmt: skip
    assert ids(explored.interaction_page(InteractionFilter(text="first"))) == ["long"]
    assert ids(explored.interaction_page(InteractionFilter(text="last"))) == []
    assert explored.interactions_by_id(["long"])["long"].completion == long


def test_the_values_to_choose_from_are_those_that_occur(explored):
    facets = explored.interaction_facets()
    assert facets.cycles == ("c2", "c1")
    assert facets.agents == ("executor-1", "executor-2", "proposer-1", "reviewer")
    assert facets.roles == tuple(Role)
    assert facets.models == ("large", "small")
    assert facets.stages == (Stage.GENERATE, Stage.RANK)
    assert facets.statuses == tuple(InteractionStatus)


def test_more_than_is_counted_is_none(explored, monkeypatch):
    monkeypatch.setattr("camelx.storage.explorer.MAX_COUNTED", 119)
    assert explored.count_interactions(InteractionFilter()) is None
    monkeypatch.setattr("camelx.storage.explorer.MAX_COUNTED", 120)
    assert explored.count_interactions(InteractionFilter()) == 120


def test_what_was_there_before_is_taken_in(explored, database):
    same = [execution(GOALS[0], "many", id=f"s{i}", created_at=START) for i in range(3)]
    explored.save_interactions(same)
    expected = {str(fields): all_pages(explored, InteractionFilter(**fields)) for fields, _ in FILTERS}
    downgrade(database, "0008")
    with Store.open(database) as store:
        for fields, _ in FILTERS:
            found = all_pages(store, InteractionFilter(**fields))
            assert set(found) == set(expected[str(fields)]), fields
            assert len(found) == len(set(found))
        store.save_interactions([execution(GOALS[0], "later", id="later", completion="Answer: a plum")])
        assert ids(store.interaction_page(InteractionFilter(text="plum"))) == ["later"]


def test_goals_are_read_by_page(explored):
    first = explored.goal_page(limit=3)
    second = explored.goal_page(cursor=first.next_cursor, limit=3)
    assert [*first.items, *second.items] == sorted(GOALS, key=lambda goal: goal.id)
    assert second.next_cursor is None
    assert explored.goal_page(containing="IS 2 +").items == (GOALS[2],)
    assert explored.goal_page(containing="%").items == ()
    assert explored.goal_page(split=Split.HELDOUT).items == ()
    with pytest.raises(ConfigError, match="not one that this list gave out"):
        explored.goal_page(cursor=first.next_cursor, containing="other")


def test_words_are_taken_in_by_the_thousand_and_before_each_search(explored):
    many = [
        execution(GOALS[0], "many", id=f"m{i:04}", completion=f"Answer: plum {i}", created_at=START)
        for i in range(2_500)
    ]
    explored.save_interactions(many[:1_200])
    assert explored.count_interactions(InteractionFilter(text="plum")) == 1_200
    for one in many[1_200:1_210]:
        explored.save_interactions([one])
    explored.save_interactions(many[1_210:])
    explored.save_interactions([many[-1].model_copy(update={"completion": "Answer: a quince"})])
    assert explored.count_interactions(InteractionFilter(text="plum")) == 2_499
    assert ids(explored.interaction_page(InteractionFilter(text="quince"))) == ["m2499"]


@pytest.mark.parametrize("at_once", [2_000, 1])
def test_a_phrase_is_words_that_stand_together_in_that_order(explored, monkeypatch, at_once):
    monkeypatch.setattr(finding, "_N_MATCHES", at_once)
    explored.save_interactions(phrases())
    for phrase, expected in PHRASES.items():
        found = all_pages(explored, InteractionFilter(text=phrase), limit=2)
        assert sorted(found) == expected, phrase
        assert explored.count_interactions(InteractionFilter(text=phrase)) == len(expected), phrase


def test_phrases_are_found_in_what_was_there_before_words_had_neighbours(explored, database):
    explored.save_interactions(phrases())
    downgrade(database, "0009")
    with Store.open(database) as store:
        for phrase, expected in PHRASES.items():
            assert sorted(all_pages(store, InteractionFilter(text=phrase))) == expected, phrase


PHRASES = {
    '"red plums"': ["p0", "p3"],
    '"plums hang"': ["p0", "p2", "p3"],
    '"red plums hang"': ["p0"],
    '"hang red"': ["p3"],
    '"high red"': [],
    '"plums plums"': [],
    '"PLUMS Red" high': ["p1"],
    '"hang; high" plums': ["p0", "p1"],
    '"größer als": 5': ["p4"],
}


def phrases():
    texts = (
        "red plums hang high",
        "plums red hang high",
        "red hang plums; high plums hang",
        "high plums hang, red plums fall",
        "5 ist größer als 4, als größer",
    )
    return [execution(GOALS[0], "poet", id=f"p{i}", completion=text) for i, text in enumerate(texts)]
