"""Finds the data sets in a folder, and measures every ranker on each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from camelx.errors import ConfigError
from camelx.ranking.benchmark.curve import MAX_VOTES, measure_buying
from camelx.ranking.benchmark.round_figures import Figures, Say, measure_rounds
from camelx.ranking.benchmark.rounds import read_rounds
from camelx.ranking.benchmark.verdict_figures import measure_verdicts
from camelx.ranking.benchmark.verdicts import read_verdicts

_ROUNDS, _VERDICTS = "rounds.jsonl", "verdicts.jsonl"


def _say_nothing(_: str) -> None:
    pass


def benchmark_rankings(
    data_dir: Path, *, draws: int = 100, seeds: int = 5, only: Sequence[str] = (), say: Say = _say_nothing
) -> dict[str, Figures]:
    """Return {data set: {ranker: {accuracy, kappa, ...}}}, ready for JSON.

    Every folder in `data_dir` (or `data_dir` itself) with `rounds.jsonl` or `verdicts.jsonl` is a data set,
    named like the folder; verdicts make one for each prompt and set, "folder/strategy/set".

    Args:
        data_dir: Where the data sets lie.
        draws: Random draws of labelled items in sets of verdicts; 0: none.
        seeds: Runs of the buying curve; 0: none.
        only: Patterns of names such as "llmbar_dev/Vanilla/*"; none: everything.
        say: Called with a line of progress, or on what was left out.

    Raises:
        ConfigError: There is no data set, or none whose name matches.
        DataValidationError: A file breaks its format; the message names file, line and field.
    """
    figures = {
        name: one for path in _files(data_dir) for name, one in _measured(path, draws, seeds, only, say)
    }
    if not figures:
        raise ConfigError(f"no data set in {data_dir} is named like {' or '.join(only)}")
    return figures


def _files(data_dir: Path) -> list[Path]:
    """Return the files of data sets, sorted by folder."""
    folders = [data_dir, *sorted(p for p in data_dir.iterdir() if p.is_dir())] if data_dir.is_dir() else []
    found = [
        folder / name for folder in folders for name in (_ROUNDS, _VERDICTS) if (folder / name).is_file()
    ]
    if not found:
        raise ConfigError(
            f"no benchmark data in {data_dir}: none of its folders holds {_ROUNDS} or {_VERDICTS}; put data "
            "sets such as prd_vicuna80 and llmbar_dev into a folder and name it with --data or "
            "$CAMELX_REAL_DATA (default: ../shared/data)"
        )
    return found


def _measured(
    path: Path, draws: int, seeds: int, only: Sequence[str], say: Say
) -> Iterator[tuple[str, Figures]]:
    """Yield name and figures of each data set in a file."""
    folder = path.parent.resolve().name
    if path.name == _ROUNDS:
        if _is_wanted(folder, only):
            yield folder, _measured_rounds(path, folder, seeds, say)
        return
    if not _may_be_wanted(folder, only):
        return
    sets = [one for one in read_verdicts(path) if _is_wanted(f"{folder}/{one.name}", only)]
    for i, one in enumerate(sets, 1):
        say(f"{folder}/{one.name}: {i} of {len(sets)}")
        yield f"{folder}/{one.name}", measure_verdicts(one, draws)


def _measured_rounds(path: Path, name: str, seeds: int, say: Say) -> Figures:
    say(f"{name}: rankers")
    rounds = read_rounds(path)
    figures = measure_rounds(rounds, lambda text: say(f"{name}: {text}"))
    if seeds and len(rounds.votes) > MAX_VOTES:
        say(f"{name}: no buying curve, {len(rounds.votes):,} votes are more than {MAX_VOTES:,}")
    elif seeds:
        say(f"{name}: buying curve")
        figures["reliable_peer_rank"]["buying_curve"] = measure_buying(rounds, seeds)
    return figures


def _is_wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(fnmatch(name, pattern) for pattern in only)


def _may_be_wanted(folder: str, only: Sequence[str]) -> bool:
    return not only or any(fnmatch(folder, pattern.partition("/")[0]) for pattern in only)
