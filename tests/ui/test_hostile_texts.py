"""Script, markdown, HTML and terminal escapes in every field: nothing of it runs or becomes an element."""

from __future__ import annotations

import pytest
from live_server import live_server
from sessions.playing import write_configs
from storage.conftest import cycle, execution, turn

from camelx.access import LOCAL
from camelx.schemas import (
    AgentVersion,
    Annotation,
    Comparison,
    CycleStatus,
    Goal,
    LiveSession,
    LogLine,
    SessionEvent,
    Verdict,
    stable_id,
    utc_now,
)
from camelx.server import create_app
from camelx.workspace import Workspace

LOOKS = (
    "/", "/agreement", "/agreement?cycle=c1", "/cycles", "/cycles?cycle=c1", "/interactions",
    "/interactions?cycle=c1&goal={goal}", "/interactions?thread={goal}&cycle=c1", "/agents", "/models",
    "/chat", "/chat?session=s1",
)  # fmt: skip
MARKS = {"/interactions": "completion 1", "/cycles?cycle=c1": "cycle error", "/chat?session=s1": "turn"}
"""What a page shows once it has loaded: it is not looked at before."""
SHOWN = "mark => document.body.innerText.includes(mark)"
INJECTED = (
    ".hostile, [onerror], [onload], [onclick^=pwned], img[src^='http://evil'], iframe, "
    "a[href^='javascript:'], a[href*='evil.example'], [style*='evil.example'], form[action*='evil']"
)


def hostile(field):
    """A text that tries everything, and names the field it stands in."""
    return (
        f"{field} \"'></span></textarea></script></template><b class=hostile>bold</b>"
        f"<script>pwned('{field}')</script><img src=x onerror=\"pwned('{field}')\">"
        f"<svg onload=pwned('{field}')></svg><iframe srcdoc='<script>parent.pwned(1)</script>'></iframe>"
        f"<form action=http://evil.example><a href='javascript:pwned(1)'>x</a></form>"
        "\n\n# heading [link](javascript:pwned(1)) ![image](http://evil.example/x.png)"
        " $$\\href{javascript:1}{x}$$\n"
        "&lt;script&gt;pwned(1)&lt;/script&gt; {{constructor.constructor('pwned(1)')()}} ${pwned(1)}\n"
        "\x1b[31mred\x1b]8;;http://evil.example\x07link\x1b]8;;\x07 \u202eturned\u2066 \x00 <!-- "
    )


@pytest.fixture
def workspace(tmp_path):
    with Workspace.open(write_configs(tmp_path)) as opened:
        fill(opened.store)
        yield opened


def fill(store):
    goal = Goal.new(hostile("goal"), answer=hostile("answer"), level=1).model_copy(
        update={"category": hostile("category"), "source": hostile("source")}
    )
    store.add_goals([goal])
    played = cycle(1, goal_ids=(goal.id,)).model_copy(
        update={"status": CycleStatus.FAILED, "error": hostile("cycle error")}
    )
    store.add_cycle(played)
    first, second = (
        execution(
            goal,
            hostile(f"agent {i}"),
            model=hostile("model"),
            completion=hostile(f"completion {i}"),
            messages=({"role": "user", "content": hostile("message")},),
            tool_calls=({"name": hostile("tool"), "arguments": hostile("in"), "result": hostile("out")},),
        )
        for i in (1, 2)
    )
    failed = execution(goal, "failing", completion="", error=hostile("error"), finish_reason=None)
    vote, asked = turn(first, second, Verdict.FIRST)
    asked = asked.model_copy(update={"completion": hostile("review"), "agent": hostile("judge")})
    store.save_interactions([first, second, failed])
    store.save_turn(
        [vote.model_copy(update={"judge": hostile("judge"), "error": hostile("vote error")})], asked
    )
    store.replace_rankings(
        "c1",
        [],
        [
            Comparison(
                cycle_id="c1", goal_id=goal.id, role=first.role, first_id=first.id, second_id=second.id,
                probability=0.5, n_votes=1, n_orders=1, vote_ids=(vote.id,),
            )
        ],
    )  # fmt: skip
    store.save_annotations(
        [
            Annotation(
                id=stable_id("annotation", who), goal_id=goal.id, first_id=first.id, second_id=second.id,
                annotator=hostile(who), verdict=verdict, rationale=hostile("rationale"),
                edited_text=hostile("edited"),
            )
            for who, verdict in (("one", Verdict.FIRST), ("two", Verdict.SECOND))
        ]
    )  # fmt: skip
    store.add_events(
        "c1", [(utc_now(), LogLine(level="ERROR", message=hostile("log"), logger=hostile("at")))]
    )
    store.add_agent_version(
        AgentVersion(
            file="agents.yaml", number=1, sha256="0" * 64, text=hostile("yaml"), origin="saved",
            author=hostile("author"), note=hostile("note"),
        )
    )  # fmt: skip
    store.add_live_session(
        LiveSession(
            id="s1", owner=LOCAL.name, title=hostile("title"), policy_name="p", policy_base="b", config={},
            status="ended", versions=(hostile("version"),),
        )
    )  # fmt: skip
    kinds = ("human", "turn", "proposal", "comment", "tool_call", "edit", "status", "error")
    store.append_session_events(
        [
            SessionEvent(session_id="s1", seq=i, kind=k, speaker=hostile("speaker"), text=hostile(k))
            for i, k in enumerate(kinds, 1)
        ],
        phase="listening",
    )


def test_no_hostile_text_runs_or_becomes_an_element(workspace, browser):
    goal = workspace.store.goals()[0].id
    wrong = []
    with live_server(create_app(workspace), lifespan="on") as server:
        # Without the policy: what is looked at is the escaping alone.
        context = browser.new_context(bypass_csp=True)
        context.add_init_script("window.pwned = (where) => { window.ran = (window.ran || '') + where + ' ' }")
        page = context.new_page()
        page.on("dialog", lambda dialog: (wrong.append(f"dialog on {page.url}"), dialog.dismiss()))
        page.on("request", lambda asked: "evil" in asked.url and wrong.append(f"asked for {asked.url}"))
        for look in LOOKS:
            page.goto(server.url + look.format(goal=goal))
            page.wait_for_selector(".gradio-container", timeout=60_000)
            page.wait_for_timeout(3_000)
            page.wait_for_function(SHOWN, arg=MARKS.get(look, ""), timeout=60_000)
            ran = page.evaluate("window.ran")
            found = page.locator(INJECTED).evaluate_all("all => all.map(e => e.outerHTML.slice(0, 200))")
            wrong += [f"{look}: {ran} ran"] if ran else []
            wrong += [f"{look}: {element}" for element in found]
    assert wrong == []
