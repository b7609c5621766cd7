"""`camelx annotate`: a person judges pairs, one at a time, blind.

The pairs come from the queue of the Annotate page, so nobody judges what somebody else has before them. On a
terminal one key press is one step; from a pipe one line is. Every verdict is saved at once, so that leaving
in any way loses none.
"""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camelx.cli.cycle import Json
from camelx.cli.output import print_json, print_steps, program
from camelx.errors import ConfigError, NotFoundError
from camelx.schemas import CONTROL_CHARACTERS, Stage, Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from camelx.annotation import AnnotationQueue, HumanVerdict, Item, Offer

_VERDICTS: dict[str, HumanVerdict] = {
    "a": Verdict.FIRST,
    "b": Verdict.SECOND,
    "t": Verdict.TIE,
    "x": "both_bad",
}
_KEYS = (
    (
        ("a", "A is better"),
        ("b", "B is better"),
        ("t", "tie"),
        ("x", "both bad"),
        ("s", "skip"),
        ("u", "undo"),
    ),
    (("e", "write a better one"), ("r", "rate 1 to 5"), ("m", "more or less text"), ("q", "quit")),
)


def annotate(
    cycle_id: Annotated[
        str | None,
        typer.Option("--cycle", metavar="ID", help="Cycle to judge; default: the latest with comparisons."),
    ] = None,
    annotator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who judges; default: your user name.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Most pairs in this sitting.")] = 20,
    as_json: Json = False,
) -> None:
    """Judge pairs of results yourself: your verdict overrides the agents'."""
    from rich.console import Console
    from rich.text import Text

    from camelx.annotation import AnnotationQueue, QueueRules, Wanted, progress_of
    from camelx.config import settings
    from camelx.cycles import open_store

    name = _annotator(annotator)
    console = Console(stderr=as_json, highlight=False)
    with open_store() as store:
        queue = AnnotationQueue(store, QueueRules.of(settings()))
        cycle_id = queue.standings.index(cycle_id).cycle_id
        before = progress_of(store, queue, name, Wanted(cycle_id))
        if not before.n_open and before.n_skipped:
            queue.reopen_skipped(name, cycle_id)
            before = progress_of(store, queue, name, Wanted(cycle_id))
        sitting = Sitting(queue, cycle_id, name, console, n_pairs=min(n, before.n_open))
        sitting.hold()
        left = progress_of(store, queue, name, Wanted(cycle_id)).n_open
    if as_json:
        counts = {"annotated": sitting.n_judged, "skipped": sitting.n_skipped, "left": left}
        print_json({"cycle_id": cycle_id, "annotator": name} | counts)
        return
    done = f"{sitting.n_judged:,} judged, {sitting.n_skipped:,} skipped, {left:,} left"
    none = f"nothing is left for {name}; every pair that a verdict can decide was judged"
    console.print(Text(f"Cycle {cycle_id}: {done if before.n_open else none}", style="bold"))
    print_steps(_next_steps(cycle_id, left + sitting.n_skipped, program()), console)


def _next_steps(cycle_id: str, left: int, camelx: str) -> list[tuple[str, str]]:
    more = [(f"{camelx} annotate --cycle {cycle_id}", "judge more")] if left else []
    again = f"{camelx} cycle --cycle {cycle_id} --from {Stage.EXPORT}"
    return [*more, (again, "make its pairs anew with your verdicts, and train on them")]


class Sitting:
    """One person before one queue: what was done so far, and what is begun on the pair that is shown.

    Args:
        queue: Where the pairs come from.
        cycle_id: Whose pairs.
        annotator: The person.
        console: Where pairs are shown.
        n_pairs: Most pairs that are shown.
    """

    def __init__(
        self, queue: AnnotationQueue, cycle_id: str, annotator: str, console: Console, *, n_pairs: int
    ) -> None:
        from camelx.annotation import Wanted

        self._queue, self._wanted = queue, Wanted(cycle_id)
        self._annotator, self._console, self._n_pairs = annotator, console, n_pairs
        self._done: list[bool] = []
        """Of each pair so far whether it was judged; else it was skipped."""
        self._offer: Offer | None = None
        self._turn_to_next("")

    @property
    def n_judged(self) -> int:
        """Pairs with a verdict."""
        return sum(self._done)

    @property
    def n_skipped(self) -> int:
        """Pairs without one that were passed by."""
        return len(self._done) - self.n_judged

    def hold(self) -> None:
        """Show pairs and take keys until none is left or the person quits; Ctrl-C quits too."""
        try:
            while (self._offer or self._done) and (key := self._next_key()) != "q":
                self._take(key)
        except KeyboardInterrupt:
            pass
        finally:
            self._queue.put_back(self._annotator, self._wanted.cycle_id)

    def _next_key(self) -> str:
        """Return what is done with the pair that is shown; after the last one only undo goes on."""
        if self._offer is not None:
            self._draw(self._offer.item)
            return _read_key()
        key = self._ask(
            "That was the last pair of this sitting. Press u to take it back, another key to end."
        )
        return "u" if key == "u" else "q"

    def _turn_to_next(self, note: str) -> None:
        offer = None
        if len(self._done) < self._n_pairs:
            offer = self._queue.next_item(self._annotator, self._wanted)
        self._turn_to(offer, note)

    def _turn_to(self, offer: Offer | None, note: str) -> None:
        self._offer, self._note, self._shown_at = offer, note, time.monotonic()
        self._rating: int | None = None
        self._edited: str | None = None
        self._is_whole = False

    def _take(self, key: str) -> None:
        from camelx.cli.pair_page import shown

        self._note = ""
        if key == "u":
            self._undo()
        elif self._offer is None:
            return
        elif key in _VERDICTS:
            self._judge(self._offer, _VERDICTS[key])
        elif key == "s":
            self._skip(self._offer)
        elif key == "e":
            self._edit(self._offer.item)
        elif key == "r":
            self._rate()
        elif key == "m":
            self._turn_over(self._offer.item)
        else:
            self._note = f"{shown(key)!r} is no key here"

    def _judge(self, offer: Offer, verdict: HumanVerdict) -> None:
        from camelx.annotation import VERDICT_WORDS, Opinion

        opinion = Opinion(
            verdict=verdict,
            rating=self._rating,
            edited_text=self._edited,
            duration_s=time.monotonic() - self._shown_at,
        )
        lease = offer.lease
        self._queue.judge(
            *offer.item.pairs[0],
            self._annotator,
            opinion,
            submission_id=lease.submission_id,
            repeat=lease.repeat,
        )
        self._done.append(True)
        self._turn_to_next(f"pair {len(self._done)} saved: {VERDICT_WORDS[verdict]}")

    def _skip(self, offer: Offer) -> None:
        self._queue.skip(*offer.item.pairs[0], self._annotator, repeat=offer.lease.repeat)
        self._done.append(False)
        self._turn_to_next(f"pair {len(self._done)} skipped")

    def _undo(self) -> None:
        if not self._done:
            self._note = "nothing to undo in this sitting"
            return
        self._done.pop()
        try:
            undone = self._queue.undo(self._annotator)
        except NotFoundError:
            self._note = "it was taken back elsewhere already"
            return
        note = f"pair {len(self._done) + 1} undone"
        if undone.offer is None:
            self._turn_to_next(f"{note}; somebody else has it before them now")
        else:
            self._turn_to(undone.offer, f"{note}: judge it again")

    def _rate(self) -> None:
        key = self._ask("How good is the better one, 1 to 5?")
        if key in ("1", "2", "3", "4", "5"):
            self._rating = int(key)
        else:
            self._note = "no rating: that is 1 to 5"

    def _turn_over(self, item: Item) -> None:
        """Show all of the pair, or again as much as fits."""
        from camelx.cli.pair_page import is_folded

        if not self._is_whole and not is_folded(item, self._console):
            self._note = "that is all of it"
        else:
            self._is_whole = not self._is_whole

    def _edit(self, item: Item) -> None:
        from camelx.annotation import MAX_EDITED_CHARS

        starts = {"a": item.first, "b": item.second, "n": ""}
        key = self._ask("Write a better answer. Start from a, b, or n for nothing?")
        if key not in starts:
            self._note = "nothing edited: that is a, b or n"
            return
        if not sys.stdin.isatty() and _own_editor() is None:
            self._note = "nothing edited: here is no terminal for an editor, and EDITOR names no other one"
            return
        start = _trainable(starts[key])
        try:
            written = _trainable(_edited(start, stdout=2 if self._console.stderr else None))
        except (OSError, ValueError, subprocess.CalledProcessError) as e:
            self._note = f"nothing edited: {e}; set EDITOR to one that works"
            return
        if written in ("", start):
            self._note = "nothing edited: the text is empty or unchanged"
        elif len(written) > MAX_EDITED_CHARS:
            self._note = (
                f"nothing edited: the text has {len(written):,} characters, at most {MAX_EDITED_CHARS:,} are "
                "kept"
            )
        else:
            self._edited = written

    def _ask(self, question: str) -> str:
        from rich.text import Text

        self._console.print(Text(question, style="bold"))
        return _read_key()

    def _draw(self, item: Item) -> None:
        from rich.text import Text

        from camelx.cli.pair_page import pair_page

        if self._console.is_terminal:
            self._console.clear()
        what = f"Pair {len(self._done) + 1} of {self._n_pairs}: two {_WORK[item.role]}"
        where = f"  cycle {self._wanted.cycle_id}, {self.n_judged} judged"
        self._console.print(Text.assemble((what, "bold"), (where, "dim")))
        self._console.print(pair_page(item, self._console, is_whole=self._is_whole))
        begun = [f"rating {self._rating}"] if self._rating else []
        begun += (
            ["your answer: a or b puts it in the winner's place, t or x above both"] if self._edited else []
        )
        if begun:
            self._console.print(Text(f"With the verdict: {'; '.join(begun)}", style="green"))
        if self._note:
            self._console.print(Text(self._note, style="green"))
        for keys in _KEYS:
            self._console.print(
                Text("   ").join(Text.assemble((key, "bold"), f" {does}") for key, does in keys)
            )


_WORK = {"proposer": "proposals", "executor": "executions"}


def _read_key() -> str:
    """Return the next key press, or the next line that is not empty where input is no terminal."""
    if sys.stdin.isatty():
        try:
            # What a terminal sends for an arrow stays whole, so that no part of it passes for a key.
            pressed = str(typer.getchar())
        except EOFError:
            return "q"
        return pressed if pressed.startswith("\x1b") else pressed[:1].lower()
    while line := str(sys.stdin.readline()):
        if key := line.strip().lower():
            return key
    return "q"


def _edited(text: str, *, stdout: int | None) -> str:
    """Return what the person's editor leaves of the text; it writes to file descriptor `stdout`."""
    editor = _own_editor() or "vi"
    # The lines of a pipe are keys for camelx: an editor must not eat them.
    stdin = None if sys.stdin.isatty() else subprocess.DEVNULL
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.txt"
        path.write_text(text, "utf-8")
        subprocess.run([*shlex.split(editor), str(path)], check=True, stdin=stdin, stdout=stdout)
        return path.read_text("utf-8")


def _own_editor() -> str | None:
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or None


def _trainable(text: str) -> str:
    """Return the text without what an editor's screen or a preference pair must not hold."""
    from camelx.cli.pair_page import is_harmless

    kept = "".join(c for c in text if c == "\t" or is_harmless(c))
    return CONTROL_CHARACTERS.sub("", kept).strip()


def _annotator(name: str | None) -> str:
    from camelx.annotation import annotator_mistake

    try:
        found = (getpass.getuser() if name is None else name).strip()
    except (KeyError, OSError):
        found = ""
    if mistake := annotator_mistake(found):
        raise ConfigError(f"{mistake}; give one with --annotator NAME")
    return found
