"""`camelx import`, `camelx export`, `camelx validate`: what comes in from files and what goes out to them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camelx.cli.cycle import Json, Set
from camelx.cli.failures import say
from camelx.cli.output import print_json, print_line, visible
from camelx.errors import ConfigError, DataValidationError
from camelx.files import replacing
from camelx.schemas import Split

if TYPE_CHECKING:
    from camelx.validation import ValidationReport

import_app = typer.Typer(
    help="Bring goals, rounds played elsewhere, or annotations into the database.", no_args_is_help=True
)

Source = Annotated[str | None, typer.Option(help="Name of where it comes from; default: the file's.")]
Strict = Annotated[bool, typer.Option("--strict", help="Take nothing from a file with a broken row.")]
Config = Annotated[Path, typer.Option(help="A cycle.yaml.")]
_CONFIG = Path("configs/cycle.yaml")


class Format(StrEnum):
    """File formats of preference pairs."""

    JSONL = "jsonl"
    PARQUET = "parquet"


@import_app.command("goals")
def import_goals(
    path: Annotated[Path, typer.Argument(help="JSONL, JSON, CSV, parquet, or a `datasets` directory.")],
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field", metavar="GOAL_FIELD=COLUMN", help="Such as text=question or text=Body+Question."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="A known layout, such as gsm8k.")] = None,
    split: Annotated[Split, typer.Option(help="Where the goals belong.")] = Split.TRAIN,
    heldout_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the file's goals that goes to the hold-out.")
    ] = 0.0,
    source: Source = None,
    verifier: Annotated[str | None, typer.Option(help="exact, numeric, regex or callable.")] = None,
    answer_pattern: Annotated[
        str | None, typer.Option(help="Regular expression; the first group of its last match is the answer.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Give goals that are stored already the file's answer.")
    ] = False,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Import goals, with their answers where they have any."""
    from camelx.cycles.imports import import_goals as import_file

    done = import_file(
        path,
        heldout_share=heldout_share,
        update=update,
        fields=_fields(field or []),
        preset=preset,
        split=split,
        source=source,
        verifier=_verifier(verifier),
        answer_pattern=answer_pattern,
        strict=strict,
    )
    _warn_of(done.report.broken)
    for remark in done.remarks:
        say(remark)
    counts = {
        "rows": done.report.n_rows,
        "goals": len(done.goals),
        "new": done.n_new,
        "updated": done.n_updated,
        "heldout": sum(goal.split is Split.HELDOUT for goal in done.goals),
        "with_answer": sum(goal.answer is not None for goal in done.goals),
        "broken": len(done.report.broken),
        "duplicates": len(done.report.duplicates),
    }
    _print_counts(counts, as_json)
    if not as_json:
        print_line("work on the imported goals with `camelx cycle --set goals.source=database`")


@import_app.command("rounds")
def import_rounds(
    path: Annotated[Path, typer.Argument(help="One goal a line, with outputs and votes; docs/importing.md.")],
    config: Config = _CONFIG,
    set_: Set = None,
    source: Source = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Import goals, outputs and votes made elsewhere, as a cycle to rank, export and train on."""
    from camelx.config import parsed_overrides
    from camelx.cycles.imports import import_rounds as import_as_cycle

    cycle_id, rounds = import_as_cycle(
        path, config, overrides=parsed_overrides(set_), source=source, strict=strict
    )
    _warn_of(rounds.broken)
    counts = {
        "rows": rounds.n_rows,
        "goals": len(rounds.goals),
        "interactions": len(rounds.interactions),
        "votes": len(rounds.votes),
        "annotations": len(rounds.annotations),
        "broken": len(rounds.broken),
    }
    if as_json:
        print_json({"cycle_id": cycle_id} | counts)
        return
    _print_counts(counts, as_json=False)
    print_line(f"cycle {cycle_id}; go on with `camelx cycle --cycle {cycle_id}`")


def export(
    cycle_id: Annotated[str, typer.Argument(metavar="CYCLE", help='A cycle; or "annotations", see FILE.')],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="With annotations: a .jsonl, .csv or .parquet to write."),
    ] = None,
    format: Annotated[
        Format | None, typer.Option("--format", help="Default: as the suffix of --out says, else jsonl.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: only say where the file is.")
    ] = None,
) -> None:
    """Write a cycle's preference pairs in TRL's conversational format, or all annotations to FILE."""
    if cycle_id == "annotations":
        _export_annotations(file, format, out)
        return
    if file is not None:
        raise ConfigError(f"{file}: the file of a cycle's pairs is named with --out {file}")
    from camelx.stages import export_preference_pairs

    wanted = _format(format, out)
    report = export_preference_pairs(cycle_id)
    path = Path(report.details[wanted.value])
    if out is not None:
        with replacing(out) as partial:
            shutil.copyfile(path, partial)
        path = out
    print_line(f"{path}  {report.counts['pairs']:,} pairs")


def _export_annotations(file: Path | None, format: Format | None, out: Path | None) -> None:
    from camelx.annotation.exchange import ExchangeFormat, format_of, write_annotations
    from camelx.cycles import open_store

    path = file or out
    if path is None:
        raise ConfigError("name the file to write: `camelx export annotations FILE`")
    wanted = format_of(path, ExchangeFormat(format.value) if format else None)
    with open_store() as store:
        n = write_annotations(store.annotations_on(), path, wanted)
    print_line(f"{path}  {n:,} annotations")


@import_app.command("annotations")
def import_annotations(
    path: Annotated[
        Path, typer.Argument(help="JSONL, CSV or parquet, as `camelx export annotations` writes.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say, row by row, what would be added or changed.")
    ] = False,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Import people's verdicts; one that is stored already is replaced."""
    from camelx.annotation.importing import import_annotations as import_file
    from camelx.cycles import open_store

    with open_store() as store:
        done = import_file(store, path, dry_run=dry_run, strict=strict)
    if dry_run and not as_json:
        for row in done.rows:
            print_line(visible(f"{row.place}: {row.outcome}: {row.what}"))
    else:
        _warn_of([f"{row.place}: {row.what}" for row in done.refused])
    counts = {str(outcome): n for outcome, n in done.counts.items()}
    _print_counts({"rows": len(done.rows)} | counts, as_json)
    if done.rows and len(done.refused) == len(done.rows):
        raise DataValidationError(f"{path}: no row was taken, all {len(done.rows):,} are refused")
    if dry_run and not as_json:
        print_line("nothing was stored; leave out --dry-run to import")


def _format(format: Format | None, out: Path | None) -> Format:
    """Return the format asked for by name or by the file's suffix; they must not contradict each other."""
    suffix = out.suffix.lower().removeprefix(".") if out is not None else ""
    named = Format(suffix) if suffix in tuple(Format) else None
    if format is not None and named is not None and format is not named:
        raise ConfigError(
            f"--format {format} and --out {out} contradict each other; drop one, or rename the file"
        )
    return format or named or Format.JSONL


def validate(
    what: Annotated[
        str,
        typer.Argument(metavar="FILE_OR_CYCLE", help="A file of preference pairs, or a cycle's id."),
    ],
    config: Config = _CONFIG,
) -> None:
    """Check preference pairs against the rules. Exit code 4 where one is broken."""
    from camelx.validation import require_valid

    path = Path(what)
    if path.suffix or path.is_file():
        report = _checked_file(path, config)
        require_valid(report)
        print_line(f"all kept: {report.looked_at}; report: {report.html}")
    else:
        from camelx import stages

        done = stages.validate(what)
        print_line(f"all {done.counts['rules']} rules kept; report: {done.details['html']}")


def _checked_file(path: Path, config: Path) -> ValidationReport:
    """Return the report on a file: against every rule if camelx wrote it, else against those on texts."""
    from camelx.export import is_pairs_file
    from camelx.validation import validate_file

    if not path.is_file():
        raise ConfigError(f"pairs file {path} does not exist")
    return _checked_export(path, config) if is_pairs_file(path) else validate_file(path)


def _checked_export(path: Path, config_path: Path) -> ValidationReport:
    from camelx.agents import context_length, token_counter
    from camelx.config import load_config
    from camelx.cycles import open_store
    from camelx.cycles.policies import resolve_base
    from camelx.export import read_pairs
    from camelx.validation import validate_pairs

    config = load_config(config_path)
    base = resolve_base(config.policy.base)
    with open_store() as store:
        cycle_ids = {pair.cycle_id for pair in read_pairs(path)}
        known_ids = {one for cycle_id in cycle_ids for one in store.provenance_ids(cycle_id)}
        heldout_texts = {goal.text for goal in store.goals(split=Split.HELDOUT)}
    return validate_pairs(
        path,
        settings=config.validation,
        context_tokens=min(context_length(base), config.training.max_length),
        count_tokens=token_counter(base),
        heldout_texts=heldout_texts,
        known_ids=known_ids,
        # Not beside the file: there lies the report of its cycle.
        report_dir=path.with_name(f"{path.stem}-validation"),
    )


def _fields(pairs: list[str]) -> dict[str, str] | None:
    fields = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not equals:
            raise ConfigError(f"--field {pair!r}: expected GOAL_FIELD=COLUMN, such as text=question")
        fields[name] = column
    return fields or None


def _verifier(name: str | None) -> Any:
    from typing import get_args

    from camelx.schemas import VerifierKind

    if name is not None and name not in get_args(VerifierKind):
        raise ConfigError(f"--verifier {name!r}; valid are {', '.join(get_args(VerifierKind))}")
    return name


def _warn_of(broken: Sequence[object]) -> None:
    for row in broken:
        say(f"not taken: {row}")


def _print_counts(counts: dict[str, int], as_json: bool) -> None:
    if as_json:
        print_json(counts)
    else:
        print_line(", ".join(f"{what.replace('_', ' ')} {n:,}" for what, n in counts.items()))
