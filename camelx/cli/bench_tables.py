"""The tables of ``camelx bench ranking``: one for each data set, floors apart, intervals as ±.

Sets of verdicts come in many strategies; they share a table, a row for each, with the rankers as columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from camelx.cli.output import print_line, print_table, visible

Figures = Mapping[str, Mapping[str, Any]]

_SHOWN = {
    "accuracy": "accuracy",
    "decided_accuracy": "decided pairs",
    "precision_at_50": "surest half",
}
_RANKERS = ("majority", "reliable_peer_rank", "reliable_peer_rank:20_labels")


def print_ranking_figures(figures: Mapping[str, Figures]) -> None:
    """Write the tables, and how to read them."""
    many: dict[str, dict[str, Figures]] = defaultdict(dict)
    for name, table in figures.items():
        if "/" in name:
            folder, _, part = name.partition("/")
            many[folder][part] = table
        else:
            _print_rounds(name, table)
    for name, parts in many.items():
        _print_verdicts(name, parts)
    print_line(
        "± is half of a 95 % bootstrap interval over goals (with 20 labels: over the draws). ECE: expected"
    )
    print_line("calibration error. --json has all figures.")


def _print_rounds(name: str, table: Figures) -> None:
    n = next(iter(table.values()))["n"]
    print_line(f"{visible(name)}: {n:,} ordered pairs against people, three classes")
    kinds: tuple[Callable[[str], bool], ...] = (
        lambda ranker: not ranker.startswith(("floor:", "judge:")),
        lambda ranker: ranker.startswith("floor:"),
    )
    rows: list[list[str]] = []
    for is_shown in kinds:
        shown = sorted(filter(is_shown, table), key=lambda ranker: -table[ranker]["accuracy"])
        rows += [[""] * (len(_SHOWN) + 3)] if rows and shown else []
        rows += [_row(ranker, table[ranker]) for ranker in shown]
    print_table(("ranker", _SHOWN["accuracy"], "kappa", *list(_SHOWN.values())[1:], "ECE"), rows)
    if curve := table.get("reliable_peer_rank", {}).get("buying_curve"):
        print_line("\nreliable_peer_rank, by the share of the votes")
        print_table(
            ("share", "bought", "random order"),
            [
                (f"{float(share):.0%}", _spread(at, "bought"), _spread(at, "random"))
                for share, at in curve.items()
            ],
        )
    print_line()


def _row(ranker: str, figures: Mapping[str, Any]) -> list[str]:
    first, *others = (_figure(figures, name) for name in _SHOWN)
    label = f"{ranker} ({figures['judge']})" if "judge" in figures else ranker
    error = figures.get("ece", figures.get("ece_pair"))
    return [
        visible(label),
        first,
        f"{figures['kappa']:.3f}",
        *others,
        "" if error is None else f"{error:.3f}",
    ]


def _print_verdicts(name: str, parts: Mapping[str, Figures]) -> None:
    print_line(f"{visible(name)}: accuracy against the label, a tie counting half")
    columns = [column for column in _RANKERS if any(column in table for table in parts.values())]
    heads = [column.replace("reliable_peer_rank:20", "with 20").replace("20_", "20 ") for column in columns]
    print_table(
        ("strategy/set", "n", *heads, "floor: best judge", "floor: longer", "reviewers in conflict"),
        [_part_row(part, table, columns) for part, table in parts.items()],
    )
    print_line()


def _part_row(part: str, table: Figures, columns: list[str]) -> list[str]:
    best = table["floor:best_single_judge"]
    return [
        visible(part),
        str(table["majority"]["n"]),
        *(_figure(table.get(column, {}), "accuracy") for column in columns),
        f"{best['accuracy']:.3f} {visible(best['judge'])}",
        _figure(table.get("floor:longer_answer", {}), "accuracy"),
        ", ".join(map(visible, table["reliable_peer_rank"]["in_conflict"])),
    ]


def _figure(figures: Mapping[str, Any], name: str) -> str:
    """Return "0.698 ± .042", or nothing where the figure is not defined."""
    if figures.get(name) is None:
        return ""
    half = (figures[f"{name}_high"] - figures[f"{name}_low"]) / 2.0
    return f"{figures[name]:.3f} ±{half:.3f}"


def _spread(at: Mapping[str, float], name: str) -> str:
    return f"{at[name]:.4f} (sd {at[f'{name}_sd']:.4f})"
