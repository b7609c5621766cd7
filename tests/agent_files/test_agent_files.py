"""Agents files: one change of the form changes nothing else, nothing is lost when two people save."""

from __future__ import annotations

import difflib
import itertools
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelx import agent_files
from camelx.agent_files import AgentFiles, EditConflictError
from camelx.agent_files.editing import with_item, with_value, without
from camelx.config import Settings, agents_mistakes, load_config, masked, parse_agents, plain_document
from camelx.errors import AccessError, ConfigError, NotFoundError
from camelx.storage import Store

SHIPPED = (Path(__file__).parents[2] / "configs" / "agents.yaml").read_text("utf-8")
HAND_WRITTEN = """\
# Ours, laid out by hand.
"agents":
-   {name: writer, role: executor, backend: "main", system: 'It''s yours.'}   # one line
- # the judge
  name:   judge      # name
  role: peer_reviewer
  backend: main
  tools:
  - MathToolkit      # counts
  - SearchToolkit
  system: |
    Judge: A or B?
      # no comment, but text

    End.


backends:   {main: {kind: openai, model: m, url: "http://h/v1"}}  # the end
# really
"""


def changed(before, after):
    """Return the lines that went and those that came."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return [x[2:] for x in lines if x[0] == "-"], [x[2:] for x in lines if x[0] == "+"]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "agents.yaml").write_text(SHIPPED)
    with Store.open(f"sqlite:///{tmp_path / 'data' / 'camelx.db'}") as store:
        yield AgentFiles(store, Settings(root=tmp_path, project=tmp_path))


def path_of(tmp_path, name="agents.yaml"):
    return tmp_path / "configs" / name


# The form, byte for byte


@pytest.mark.parametrize(
    ("field", "value", "gone", "come"),
    [
        (
            "count",
            10,
            "    count: 2                      # proposer-1 and proposer-2",
            "    count: 10                     # proposer-1 and proposer-2",
        ),
        (
            "temperature",
            0.75,
            "    sampling: {temperature: 1.0, top_p: 1.0, max_tokens: 48}",
            "    sampling: {temperature: 0.75, top_p: 1.0, max_tokens: 48}",
        ),
        (
            "system",
            "Plan: briefly.",
            "      You are the proposer. Write a short plan that reaches the goal.",
            "      Plan: briefly.",
        ),
        ("name", "planner", "  - name: proposer", "  - name: planner"),
    ],
)
def test_a_field_of_the_form_changes_its_own_line_and_no_other_byte(field, value, gone, come):
    after = agent_files.set_agent_field(SHIPPED, 0, field, value)
    assert after == SHIPPED.replace(gone, come, 1)
    assert agent_files.agent_field(parse_agents(after).model_dump(mode="json")["agents"][0], field) == value


def test_a_default_that_is_not_written_stays_unwritten_and_another_value_goes_to_its_place():
    assert agent_files.set_agent_field(SHIPPED, 2, "samples", 1) == SHIPPED
    _, came = changed(SHIPPED, after := agent_files.set_agent_field(SHIPPED, 2, "samples", 3))
    assert came == ["    samples: 3"]
    assert after.index("samples: 3") < after.index("sampling: {temperature: 0.3")


def test_an_agent_that_is_added_and_removed_leaves_the_file_as_it_was():
    added = agent_files.add_agent(SHIPPED, "critic", "peer_reviewer")
    gone, came = changed(SHIPPED, added)
    assert gone == []
    assert came[1] == "  - name: critic"
    assert parse_agents(added).agents[3].system.startswith("You are a peer reviewer.")
    assert agent_files.remove_agent(added, 3) == SHIPPED


def test_removing_an_agent_takes_its_own_lines_alone():
    for index, name in enumerate(("proposer", "executor", "reviewer")):
        gone, came = changed(SHIPPED, agent_files.remove_agent(SHIPPED, index))
        assert came == []
        assert gone[0 if gone[0] else 1] == f"  - name: {name}"
        assert "# Who takes part" in agent_files.remove_agent(SHIPPED, index)


def test_a_backend_comes_goes_and_is_renamed_where_agents_name_it_too():
    added = agent_files.add_backend(SHIPPED, "server", "openai")
    assert changed(SHIPPED, added) == (
        [],
        ["  server:", "    kind: openai", "    model: my-model", "    url: http://localhost:8000/v1"],
    )
    assert "  # server:\n  #   kind: openai                # vLLM" in added
    assert agent_files.remove_backend(added, "server") == SHIPPED
    renamed = agent_files.rename_backend(SHIPPED, "policy", "main")
    assert {agent.backend for agent in parse_agents(renamed).agents} == {"main"}
    assert len(changed(SHIPPED, renamed)[0]) == 4
    with pytest.raises(ConfigError, match="used by proposer, executor, reviewer"):
        agent_files.remove_backend(SHIPPED, "policy")


def test_a_backends_field_is_set_and_taken_away_again():
    server = agent_files.add_backend(SHIPPED, "server", "openai")
    keyed = agent_files.set_backend_field(server, "server", "api_key_env", "OUR_KEY")
    assert changed(server, keyed) == ([], ["    api_key_env: OUR_KEY"])
    assert agent_files.set_backend_field(keyed, "server", "api_key_env", None) == server


def test_a_hand_made_layout_keeps_its_quotes_flow_blocks_and_comments():
    system = agent_files.set_agent_field(HAND_WRITTEN, 0, "system", "It's ours.")
    assert system == HAND_WRITTEN.replace("'It''s yours.'}   #", "'It''s ours.'}    #")
    backend = with_value(HAND_WRITTEN, ("agents", 0, "backend"), "ma#in")
    assert backend == HAND_WRITTEN.replace('backend: "main"', 'backend: "ma#in"')
    block = agent_files.set_agent_field(HAND_WRITTEN, 1, "system", "Judge.\n\nA: or B\n")
    assert block == HAND_WRITTEN.replace(
        "    Judge: A or B?\n      # no comment, but text\n\n    End.\n", "    Judge.\n\n    A: or B\n"
    )
    assert agent_files.remove_agent(HAND_WRITTEN, 0) == HAND_WRITTEN.replace(
        HAND_WRITTEN.splitlines()[2] + "\n", ""
    )
    assert '{main: {kind: openai, model: m, url: "http://h/v1", timeout_s: 5.0}}  # the end' in (
        agent_files.set_backend_field(HAND_WRITTEN, "main", "timeout_s", 5.0)
    )


def test_line_ends_of_another_system_stay():
    windows = SHIPPED.replace("\n", "\r\n")
    after = agent_files.add_agent(agent_files.set_agent_field(windows, 0, "count", 3), "more")
    assert "\n" not in after.replace("\r\n", "")
    assert parse_agents(after).agents[0].count == 3


def test_what_an_anchor_shares_is_not_changed_behind_its_back():
    text = "backends: {m: {kind: scripted}}\nagents:\n- &one {name: a, count: 2}\n- *one\n"
    with pytest.raises(ConfigError, match="edit the text"):
        with_value(text, ("agents", 0, "count"), 3)


@pytest.mark.parametrize("text", [SHIPPED, HAND_WRITTEN], ids=["shipped", "by hand"])
@settings(max_examples=25, deadline=None)
@given(value=st.text(max_size=120), index=st.integers(0, 1))
def test_any_text_can_be_written_and_is_read_back(text, value, index):
    # What no YAML can hold is refused; everything else comes back as it was given.
    try:
        after = agent_files.set_agent_field(text, index, "system", value)
    except ConfigError:
        assert any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or ord(c) > 0xD7FF for c in value)
        return
    before, read = plain_document(text), plain_document(after)
    assert read["agents"][index].pop("system") == value
    before["agents"][index].pop("system")
    assert read == before
    lines, written = text.splitlines(), set(after.splitlines())
    assert all(line in written for line in lines if line.lstrip().startswith("#") and "text" not in line)


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(("add", "remove", "set")), st.integers(0, 4)), max_size=8))
def test_any_row_of_changes_keeps_every_comment_that_stands_outside_of_agents(steps):
    text, names = SHIPPED, itertools.count()
    for step, index in steps:
        n = len(plain_document(text)["agents"])
        if step == "add":
            text = agent_files.add_agent(text, f"extra{next(names)}", "executor")
        elif step == "remove" and n > 1:
            text = agent_files.remove_agent(text, index % n)
        else:
            text = agent_files.set_agent_field(text, index % n, "count", index + 1)
    head = SHIPPED[: SHIPPED.index("agents:\n")]
    assert text.startswith(head)
    assert agent_files.read_form(text) is not None


def test_the_last_entry_is_not_removed_and_a_name_is_not_taken_twice():
    one = "backends: {m: {kind: scripted}}\nagents:\n  - name: a\n"
    with pytest.raises(ConfigError, match="the only one"):
        without(one, ("agents", 0))
    with pytest.raises(ConfigError, match="called 'a' already"):
        agent_files.add_agent(one, "a")
    with pytest.raises(ConfigError, match="no list with entries"):
        with_item("agents: []\n", ("agents",), {"name": "a"})


# Mistakes and secrets


def test_all_mistakes_come_with_line_and_nearest_name():
    wrong = SHIPPED.replace("backend: policy", "backend: polcy").replace("count: 2   ", "count: two")
    found = [(mistake.line, mistake.key) for mistake in agents_mistakes(wrong)]
    assert found == [(22, "agents.0.count")]
    found = agents_mistakes(SHIPPED.replace("backend: policy", "backend: polcy"))
    assert [(m.line, m.key) for m in found] == [
        (21, "agents.0.backend"),
        (30, "agents.1.backend"),
        (40, "agents.2.backend"),
    ]
    assert "did you mean 'policy'" in found[0].message


@pytest.mark.parametrize(
    "line",
    [
        "    api_key: abc",
        "    api_key_env: sk-proj-abcdefghijklmnop",
        "    url: http://ann:pa55word@host/v1",
        "    # OPENAI_API_KEY=abcdef",
        "    # was hf_abcdefghijklmnopqrst",
        "    token: abcdef",
    ],
)
def test_a_key_that_was_pasted_in_is_refused_and_not_repeated(files, line):
    text = SHIPPED.replace("    max_batch: 128 ", f"{line}\n    max_batch: 128 ")
    with pytest.raises(ConfigError) as raised:
        files.save(text, based_on=files.read().etag, author="ann")
    assert "environment variable" in str(raised.value)
    assert not any(part in str(raised.value) for part in ("abc", "pa55"))
    assert not any("abc" in str(mistake) or "pa55" in str(mistake) for mistake in agents_mistakes(text))
    assert "abc" not in masked(text)


def test_the_names_of_variables_and_limits_are_no_secrets():
    assert masked(SHIPPED) == SHIPPED
    for template in agent_files.templates():
        assert masked(template.text) == template.text


def test_a_key_that_stands_in_the_file_is_neither_shown_nor_kept(files, tmp_path):
    path_of(tmp_path).write_text(SHIPPED + "# sk-abcdefghijklmnopqrst\n")
    assert "sk-abc" not in files.read().text
    assert "sk-abc" not in files.versions()[0].text
    assert len(files.versions()) == 1
    clean = files.save(files.read().text, based_on=files.read().etag, author="ann")
    assert "sk-abc" not in path_of(tmp_path).read_text()
    assert clean.version.number == 2


def test_a_variable_of_the_app_itself_is_sent_to_no_server(files):
    text = agent_files.add_backend(SHIPPED, "server", "openai")
    text = agent_files.set_backend_field(text, "server", "api_key_env", "CAMELX_SECRET_KEY")
    with pytest.raises(ConfigError, match="CAMELX_SECRET_KEY belongs to the app itself"):
        files.save(text, based_on=files.read().etag, author="ann")


def test_code_is_added_by_an_admin_alone_and_may_stay_then(files):
    text = next(t.text for t in agent_files.templates() if t.name == "tools")
    text = text.replace("[MathToolkit]", "[os:system]")
    etag = files.read().etag
    with pytest.raises(AccessError, match=r"os:system: .* admin"):
        files.save(text, based_on=etag, author="olga", may_name_code=False)
    saved = files.save(text, based_on=etag, author="ada")
    more = agent_files.set_agent_field(text, 0, "samples", 4)
    assert files.save(more, based_on=saved.etag, author="olga", may_name_code=False).version.number == 3


@pytest.mark.parametrize(
    "text", ["", "[[" * 3000, "a: \x00", "a: \ud800", "agents: 3\n", "- 1", "%X", "a: &a [*a]"]
)
def test_no_text_breaks_the_check_and_none_of_these_is_saved(files, tmp_path, text):
    assert agents_mistakes(text)
    with pytest.raises(ConfigError):
        files.save(text, based_on=files.read().etag, author="ann")
    assert path_of(tmp_path).read_text() == SHIPPED


@pytest.mark.parametrize("opened", ["[", "{a: ", '["]", ', "[[], "])
def test_brackets_that_are_open_by_the_hundred_are_refused_before_they_are_read(opened):
    (mistake,) = agents_mistakes(f"agents: {opened * 3_000}")
    assert "more than 100 brackets" in mistake.message


def test_brackets_within_a_text_or_closed_again_are_not_open():
    lists = "".join(f"l{i}: [1]\n" for i in range(300))
    found = agents_mistakes(f"{lists}text: '{'[' * 300}'\n")
    assert found
    assert not any("brackets" in mistake.message for mistake in found)


def test_aliases_that_write_out_to_billions_are_refused_at_once():
    rows = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "aliases" in agents_mistakes("\n".join(["a0: &a0 [x]", *rows]))[0].message


# Files and their history


def test_what_is_saved_is_what_a_cycle_reads_and_every_state_is_kept(files, tmp_path):
    path_of(tmp_path, "cycle.yaml").write_text("agents: agents.yaml\n")
    path_of(tmp_path).chmod(0o640)
    first = files.read()
    assert (first.text, first.version.number, first.version.origin) == (SHIPPED, 1, "outside")
    text = agent_files.set_agent_field(first.text, 0, "count", 5)
    saved = files.save(text, based_on=first.etag, author="ann", note="more plans")
    assert path_of(tmp_path).read_text() == text
    assert path_of(tmp_path).stat().st_mode & 0o777 == 0o640
    assert load_config(path_of(tmp_path, "cycle.yaml")).agents.agents[0].count == 5
    newest, oldest = files.versions()
    assert (newest.number, newest.author, newest.note, newest.text) == (2, "ann", "more plans", text)
    assert oldest.text == SHIPPED
    assert files.read().etag == saved.etag
    assert files.save(text, based_on=saved.etag, author="bob").version.number == 2


def test_an_edit_from_outside_is_noticed_and_kept_and_what_was_based_on_before_conflicts(files, tmp_path):
    before = files.read()
    outside = SHIPPED.replace("count: 2  ", "count: 7  ")
    path_of(tmp_path).write_text(outside)
    mine = agent_files.set_agent_field(before.text, 0, "samples", 9)
    with pytest.raises(EditConflictError, match=r"edited outside.*Nothing was written") as raised:
        files.save(mine, based_on=before.etag, author="ann")
    assert path_of(tmp_path).read_text() == outside
    assert (raised.value.yours, raised.value.current.text) == (mine, outside)
    assert "-    count: 7" in raised.value.diff
    assert "+    samples: 9" in raised.value.diff
    assert [v.note for v in files.versions()] == ["edited outside", "found as it is"]


def test_of_two_people_who_save_at_once_one_wins_and_the_other_loses_nothing(files, tmp_path):
    base = files.read()
    texts = [agent_files.set_agent_field(base.text, 0, "count", 3 + i) for i in range(6)]
    barrier, won, lost = threading.Barrier(len(texts)), [], []

    def save(text):
        barrier.wait()
        try:
            won.append(files.save(text, based_on=base.etag, author="x"))
        except EditConflictError as e:
            lost.append(e)

    threads = [threading.Thread(target=save, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert sorted([won[0].text, *(e.yours for e in lost)]) == sorted(texts)
    assert {e.current.text for e in lost} == {won[0].text} == {path_of(tmp_path).read_text()}
    assert [v.number for v in files.versions()] == [2, 1]


def test_a_version_is_restored_as_a_new_one(files, tmp_path):
    first = files.read()
    second = files.save(agent_files.remove_agent(first.text, 0), based_on=first.etag, author="ann")
    with pytest.raises(EditConflictError):
        files.restore(1, based_on=first.etag, author="bob")
    third = files.restore(1, based_on=second.etag, author="bob")
    assert path_of(tmp_path).read_text() == SHIPPED
    assert (third.version.number, third.version.origin, third.version.note) == (
        3,
        "restored",
        "version 1 restored",
    )


def test_where_there_is_no_file_one_begins_with_a_template(files, tmp_path):
    path_of(tmp_path).unlink()
    empty = files.read()
    assert (empty.text, empty.version, empty.etag) == ("", None, agent_files.NO_FILE)
    text = agent_files.template("solo").text
    assert files.save(text, based_on=empty.etag, author="ann").version.number == 1
    with pytest.raises(EditConflictError):
        files.save(SHIPPED, based_on=agent_files.NO_FILE, author="bob")


@pytest.mark.parametrize(
    "name",
    [
        "../agents.yaml",
        "/etc/passwd",
        "cycle.yaml",
        "sub/agents.yaml",
        "..",
        ".agents.yaml",
        "link.yaml",
        "x.yaml",
        "agents.yaml\0",
        "a" * 300 + ".yaml",
        "",
        "notes.txt",
    ],
)
def test_no_name_leaves_the_configs_folder_or_names_another_kind_of_file(files, tmp_path, name):
    (tmp_path / "secret.yaml").write_text(SHIPPED)
    path_of(tmp_path, "cycle.yaml").write_text("agents: agents.yaml  # a file\n")
    path_of(tmp_path, "notes.txt").write_text(SHIPPED)
    path_of(tmp_path, "link.yaml").symlink_to(tmp_path / "secret.yaml")
    for ask in (
        lambda: files.read(name),
        lambda: files.save(SHIPPED, based_on=agent_files.NO_FILE, author="x", file=name),
        lambda: files.versions(name),
        lambda: files.version(1, name),
    ):
        with pytest.raises(NotFoundError, match="no agents file"):
            ask()
    assert files.names() == ["agents.yaml"]


def test_further_agents_files_of_the_folder_have_a_history_of_their_own(files, tmp_path):
    path_of(tmp_path, "agents-big.yaml").write_text(SHIPPED)
    assert files.names() == ["agents.yaml", "agents-big.yaml"]
    big = files.read("agents-big.yaml")
    files.save(agent_files.remove_agent(SHIPPED, 0), based_on=big.etag, author="ann", file="agents-big.yaml")
    assert [len(files.versions(name)) for name in files.names()] == [1, 2]
    assert path_of(tmp_path).read_text() == SHIPPED


def test_a_file_with_windows_line_ends_keeps_them_when_a_browser_saves_it(files, tmp_path):
    path_of(tmp_path).write_bytes(SHIPPED.replace("\n", "\r\n").encode())
    base = files.read()
    after = agent_files.set_agent_field(SHIPPED, 0, "count", 4)  # as the browser's editor sends it
    files.save(after, based_on=base.etag, author="ann")
    assert path_of(tmp_path).read_bytes() == after.replace("\n", "\r\n").encode()


# Templates


@pytest.mark.parametrize("template", agent_files.templates(), ids=lambda t: t.name)
def test_a_template_is_a_whole_workflow_that_the_form_can_change(template):
    config = parse_agents(template.text)
    assert config.agents
    assert template.title
    assert len(template.about) > 40
    for index in range(len(config.agents)):
        after = agent_files.set_agent_field(template.text, index, "temperature", 0.123)
        assert parse_agents(after).agents[index].sampling.temperature == 0.123


def test_the_templates_are_those_that_the_docs_name():
    assert [t.name for t in agent_files.templates()] == ["debate", "solo", "tools", "two-reviewers"]
    with pytest.raises(NotFoundError, match="there are debate, solo"):
        agent_files.template("../solo")
