"""`camelx annotate`, driven by lines of a pipe and by the keys of a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judged_cycle import add_ranked_cycle
from rich.console import Console
from typer.testing import CliRunner

from camelx.annotation import AnnotationQueue
from camelx.cli.app import app
from camelx.cli.pair_page import marked, pair_page, shown
from camelx.config import settings
from camelx.cycles import open_store
from camelx.errors import OrchestrationError
from camelx.schemas import Annotation, Cycle, Verdict


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def annotate(keys: str, *arguments: str) -> Any:
    """Run the command with one key a line."""
    return CliRunner().invoke(app, ["annotate", *arguments], input="\n".join(keys))


def _saved() -> list[Annotation]:
    with open_store() as store:
        return store.annotations()


def _editor(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    script = folder / "editor.py"
    script.write_text(f"import pathlib, sys\np = pathlib.Path(sys.argv[1])\n{code}\n")
    monkeypatch.setenv("EDITOR", f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}")


def test_without_comparisons_it_says_what_to_do_first() -> None:
    done = annotate("a")
    assert done.exit_code == OrchestrationError.exit_code
    assert "run `camelx cycle` first" in done.stderr
    with open_store() as store:
        store.add_cycle(Cycle(id="c1", number=1, config={}, trace_id="t"))
    assert "run `camelx cycle --cycle c1` first" in annotate("a", "--cycle", "c1").stderr


def test_verdicts_are_saved_under_the_annotators_name() -> None:
    add_ranked_cycle()
    done = annotate("axt", "--annotator", "ann")
    assert done.exit_code == 0
    assert "3 judged, 0 skipped, 0 left" in done.stdout
    saved = _saved()
    assert {a.annotator for a in saved} == {"ann"}
    by_ids = {frozenset((a.first_id, a.second_id)): a.verdict for a in saved}
    assert by_ids == {
        frozenset(("e1", "e3")): Verdict.FIRST,
        frozenset(("e1", "e2")): "both_bad",
        frozenset(("e1", "e4")): "both_bad",
        frozenset(("p1", "p2")): Verdict.TIE,
    }


def test_a_names_the_result_that_was_shown_as_a() -> None:
    add_ranked_cycle()
    page = annotate("aq", "--annotator", "ann").stdout
    line = next(line for line in page.splitlines() if "2 and 2 make 4" in line and "perhaps 6" in line)
    left_id = "e1" if line.index("2 and 2 make 4") < line.index("perhaps 6") else "e3"
    (saved,) = _saved()
    assert (saved.first_id, saved.verdict) == (left_id, Verdict.FIRST)


def test_what_somebody_else_has_before_them_is_not_shown_and_what_is_left_is_put_back() -> None:
    add_ranked_cycle()
    with open_store() as store:
        queue = AnnotationQueue(store)
        held = queue.next_item("bob")
        assert held is not None
        done = annotate("aaa", "--annotator", "ann", "--json")
        assert json.loads(done.stdout)["annotated"] == 2
        assert frozenset(held.item.pairs[0]) not in {frozenset((a.first_id, a.second_id)) for a in _saved()}
        queue.put_back("bob")
        annotate("q", "--annotator", "ann")
        again = queue.next_item("cid")
        assert again is not None
        assert again.item.pairs[0] in {held.item.pairs[0], held.item.pairs[0][::-1]}


def test_what_others_have_judged_is_not_asked_again() -> None:
    add_ranked_cycle()
    annotate("aaa", "--annotator", "ann")
    assert "nothing is left for bob" in annotate("a", "--annotator", "bob").stdout


def test_a_skipped_pair_comes_again_once_nothing_else_is_left() -> None:
    add_ranked_cycle()
    annotate("saq", "--annotator", "ann")
    assert json.loads(annotate("a", "--annotator", "ann", "--json").stdout)["left"] == 0
    again = json.loads(annotate("a", "--annotator", "ann", "--json").stdout)
    assert (again["annotated"], again["left"]) == (1, 0)
    assert len({frozenset((a.first_id, a.second_id)) for a in _saved()}) == 4


def test_a_verdict_is_kept_with_how_long_it_took() -> None:
    add_ranked_cycle()
    annotate("aq", "--annotator", "ann")
    (saved,) = _saved()
    assert saved.duration_s is not None
    assert 0 <= saved.duration_s < 60


def test_json_is_the_only_thing_on_stdout() -> None:
    add_ranked_cycle()
    done = annotate("asq", "--annotator", "ann", "--json")
    expected = {"cycle_id": "c1", "annotator": "ann", "annotated": 1, "skipped": 1, "left": 1}
    assert json.loads(done.stdout) == expected
    assert "How much is 2 and 2?" in done.stderr


def test_at_most_n_pairs_are_shown_and_the_end_of_the_input_quits() -> None:
    add_ranked_cycle()
    assert json.loads(annotate("aaaa", "--n", "2", "--json").stdout)["annotated"] == 2
    assert json.loads(annotate("", "--json").stdout)["annotated"] == 0


def test_a_person_with_nothing_left_is_told_what_comes_next() -> None:
    add_ranked_cycle()
    annotate("aaa", "--annotator", "ann")
    done = annotate("a", "--annotator", "ann")
    assert "nothing is left for ann" in done.stdout
    assert "camelx cycle --cycle c1 --from export-preference-pairs" in done.stdout


def test_undo_takes_back_verdicts_and_skips_in_turn() -> None:
    add_ranked_cycle()
    done = annotate("uasuu", "--annotator", "ann")
    assert "nothing to undo" in done.stdout
    assert "undone" in done.stdout
    assert _saved() == []
    assert json.loads(annotate("bsub", "--annotator", "ann", "--json").stdout)["annotated"] == 2


def test_what_an_admin_took_back_meanwhile_is_not_undone_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_ranked_cycle()
    withdraw = "with open_store() as store: store.delete_annotations(a.id for a in store.annotations())"
    _editor(root, monkeypatch, f"from camelx.cycles import open_store\n{withdraw}")
    page = annotate("aenuq", "--annotator", "ann").stdout
    assert "taken back elsewhere already" in page
    assert _saved() == []


def test_the_last_verdict_can_be_taken_back_too() -> None:
    add_ranked_cycle()
    done = annotate("aaaubz", "--annotator", "ann")
    assert "That was the last pair" in done.stdout
    assert "3 judged" in done.stdout
    assert sorted(a.verdict for a in _saved()) == ["first", "first", "first", "second"]


def test_a_rating_goes_with_the_next_verdict_and_with_no_other() -> None:
    add_ranked_cycle()
    done = annotate("r7r4asb", "--annotator", "ann")
    assert "no rating" in done.stdout
    assert "With the verdict: rating 4" in done.stdout
    assert sorted(str(a.rating) for a in _saved()) == ["4", "None"]


def test_a_better_answer_is_written_in_the_editor(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_ranked_cycle(e1="2 and 2\x1b[31m make 4", e3="2 and 2 make 4, perhaps")
    _editor(root, monkeypatch, "assert '\\x1b' not in p.read_text()\np.write_text(p.read_text() + ' = 4\\n')")
    annotate("eaxq", "--annotator", "ann")
    (saved,) = _saved()
    assert saved.verdict == "both_bad"
    assert saved.edited_text in ("2 and 2[31m make 4 = 4", "2 and 2 make 4, perhaps = 4")


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("pass", "empty or unchanged"),
        ("p.write_text('')", "empty or unchanged"),
        ("p.write_text('x' * 40_001)", "at most 40,000"),
        ("sys.exit(3)", "EDITOR"),
    ],
)
def test_an_editor_that_leaves_no_answer_adds_none(
    root: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    add_ranked_cycle()
    _editor(root, monkeypatch, code)
    done = annotate("eatq", "--annotator", "ann")
    assert why in done.stdout
    assert [a.edited_text for a in _saved()] == [None]


def test_a_missing_editor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    add_ranked_cycle()
    monkeypatch.setenv("EDITOR", "no-such-editor")
    assert "no-such-editor" in annotate("enq").stdout


def test_without_a_terminal_no_editor_is_opened_that_nobody_named(monkeypatch: pytest.MonkeyPatch) -> None:
    add_ranked_cycle()
    monkeypatch.delenv("EDITOR", raising=False)
    assert "here is no terminal for an editor" in annotate("eaq", "--annotator", "ann").stdout
    assert _saved() == []


def test_what_was_saved_names_its_pair_and_not_the_one_below_which_it_stands() -> None:
    add_ranked_cycle()
    page = annotate("asuq", "--annotator", "ann").stdout
    for said in ("pair 1 saved: A is better", "pair 2 skipped", "pair 2 undone"):
        assert said in page


def test_more_of_a_text_that_is_shown_whole_is_said_to_be_none() -> None:
    add_ranked_cycle()
    assert "that is all of it" in annotate("mq", "--annotator", "ann").stdout


def test_keys_that_mean_nothing_change_nothing() -> None:
    add_ranked_cycle()
    done = annotate("zezq", "--annotator", "ann")
    assert "'z' is no key here" in done.stdout
    assert "that is a, b or n" in done.stdout
    assert _saved() == []


def test_an_annotator_without_a_name_is_a_config_error() -> None:
    add_ranked_cycle()
    done = annotate("a", "--annotator", " ")
    assert done.exit_code == 2
    assert "--annotator NAME" in done.stderr


def test_no_author_is_named_and_markup_is_shown_as_it_is() -> None:
    add_ranked_cycle(e1="[bold]4[/bold] [/nothing] :smile:")
    page = annotate("sss").stdout
    assert "[bold]4[/bold] [/nothing] :smile:" in page
    assert "author-of" not in page


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31mred\r4\x08 \u202eback\u2028line \udcff"


def test_what_a_terminal_would_obey_is_spelt_out() -> None:
    spelt = shown(f"a\tb\r\n{HOSTILE}")
    assert spelt.startswith("a   b\n<U+001B>]0;owned<U+0007><U+001B>[2J<U+009B>31mred<U+000D>4<U+0008>")
    assert spelt.endswith("<U+202E>back<U+2028>line <U+DCFF>")
    assert shown("می‌روم 👩‍🚀 12\u00a0000") == "می‌روم 👩‍🚀 12\u00a0000"


def test_no_escape_of_an_agent_reaches_the_terminal() -> None:
    add_ranked_cycle(e1=HOSTILE.replace("\udcff", ""))
    page = annotate("msss").stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", page)
    assert "<U+001B>]0;owned" in page


def _page(width: int, height: int, *, is_whole: bool = False, **texts: str) -> str:
    add_ranked_cycle(**texts)
    console = Console(width=width, height=height, force_terminal=False)
    with open_store() as store, console.capture() as captured:
        offer = AnnotationQueue(store).next_item("ann")
        assert offer is not None
        console.print(pair_page(offer.item, console, is_whole=is_whole))
    return captured.get()


def test_results_stand_side_by_side_where_there_is_room() -> None:
    page = _page(120, 40)
    assert any("─ A ─" in line and "─ B ─" in line for line in page.splitlines())
    assert max(map(len, page.splitlines())) == 120


def test_results_stand_one_under_the_other_on_a_narrow_terminal() -> None:
    page = _page(40, 40)
    assert not any("─ A ─" in line and "─ B ─" in line for line in page.splitlines())
    assert max(map(len, page.splitlines())) == 40


def test_a_long_result_is_folded_to_the_screen_round_its_differences() -> None:
    long = "\n".join(f"step {i}" for i in range(200))
    page = _page(120, 30, e1=long, e3=long.replace("step 150\n", "stop 150\n"))
    assert len(page.splitlines()) <= 30
    for kept in ("step 0 ", "step 150 ", "stop 150 ", "step 199 ", " lines; m shows more"):
        assert kept in page


def test_differences_that_do_not_fit_are_counted() -> None:
    long = "\n".join(f"step {i} adds two" for i in range(200))
    page = _page(120, 30, e1=long, e3=long.replace("two", "three"))
    assert len(page.splitlines()) <= 30
    assert re.search(r"1\d\d lines, 1\d\d with differences; m shows more", page)


def test_a_whole_page_leaves_nothing_out() -> None:
    long = "\n".join(f"step {i}." for i in range(200))
    page = _page(80, 30, is_whole=True, e1=long)
    assert all(f"step {i}." in page for i in range(200))


def test_the_words_that_differ_are_marked_and_no_others() -> None:
    first, second = marked("6 + 17 = 23. The answer is 23.", "6 + 17 = 24. The answer is 24.")
    assert [first.plain[span.start : span.end] for span in first.spans] == ["23", "23"]
    assert [second.plain[span.start : span.end] for span in second.spans] == ["24", "24"]


def test_texts_with_nothing_in_common_are_not_marked_all_over() -> None:
    assert not any(text.spans for text in marked("one two three", "4 5 6"))


def test_long_texts_are_compared_by_line() -> None:
    lines = [f"line {i} of a long answer" for i in range(400)]
    first, _ = marked("\n".join(lines), "\n".join([*lines[:200], "another line", *lines[201:]]))
    assert [first.plain[span.start : span.end] for span in first.spans] == [lines[200]]
    assert not any(text.spans for text in marked("x\n" * 5_000, "y\n" * 5_000))


def test_a_terminal_takes_single_keys_and_ctrl_c_loses_nothing(root: Path) -> None:
    add_ranked_cycle()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from camelx.cli import main; main()", "annotate", "--annotator", "ann"]
    running = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    for key, answer in ((b"a", b"saved"), (b"\x1b[A", b"no key here"), (b"\x03", b"and train on them")):
        _wait_for_raw_mode(ours)
        os.write(ours, key)
        seen = _read_until(ours, answer)
    assert running.wait(60) == 0
    os.close(ours)
    assert b"1 judged, 0 skipped, 2 left" in seen
    assert len(_saved()) == 1


def _wait_for_raw_mode(fd: int) -> None:
    """Wait until the program reads keys: what was typed before is thrown away."""
    for _ in range(6_000):
        if not termios.tcgetattr(fd)[3] & termios.ICANON:
            return
        time.sleep(0.01)
    raise AssertionError("the program never asked for a key")


def _read_until(fd: int, awaited: bytes) -> bytes:
    seen = b""
    while awaited not in seen:
        assert select.select([fd], [], [], 60)[0], f"waited for {awaited!r} after {seen!r}"
        with contextlib.suppress(OSError):
            seen += os.read(fd, 65_536)
    return seen
