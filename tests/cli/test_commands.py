"""The command line as a user meets it, each command in this process against a folder of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from camelx.cli.app import app
from camelx.config import settings
from camelx.schemas import Stage

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / "configs" / "cycle.yaml")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    monkeypatch.delenv("CAMELX_TRACEBACK", raising=False)
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield
    settings.cache_clear()


def camelx(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_every_command_has_a_help() -> None:
    def names(command: Any, path: tuple[str, ...]) -> Any:
        for name, sub in getattr(command, "commands", {}).items():
            yield (*path, name)
            yield from names(sub, (*path, name))

    found = list(names(get_command(app), ()))
    assert ("import", "rounds") in found
    for path in found:
        assert camelx(*path, "--help").exit_code == 0, path


def test_an_unknown_option_is_a_usage_error() -> None:
    assert camelx("cycle", "--no-such-option").exit_code == 2


def test_a_missing_config_is_named_without_a_traceback() -> None:
    done = camelx("cycle", "--config", "nowhere.yaml")
    assert done.exit_code == 2
    assert "nowhere.yaml does not exist" in done.stderr
    assert "Traceback" not in done.output


def test_a_misspelt_override_is_answered_with_the_nearest_key() -> None:
    done = camelx("cycle", "--config", CONFIG, "--set", "goals.m=3")
    assert done.exit_code == 2
    assert "unknown key" in done.stderr


def test_an_override_without_a_value_says_what_was_expected() -> None:
    done = camelx("cycle", "--config", CONFIG, "--set", "goals.n")
    assert done.exit_code == 2
    assert "expected KEY=VALUE" in done.stderr


def test_the_database_goes_up_and_down(tmp_path: Path) -> None:
    assert "none: empty database" in camelx("db", "current").stdout
    assert "empty" not in camelx("db", "upgrade").stdout
    assert "none: empty database" in camelx("db", "downgrade", "base").stdout
    assert (tmp_path / "data" / "camelx.db").exists()


def test_lists_that_are_empty_say_so() -> None:
    assert "nothing yet" in camelx("cycles").stdout
    assert json.loads(camelx("cycles", "--json").stdout) == []


def _add_cycles(n: int) -> None:
    from camelx.cycles import open_store
    from camelx.schemas import Cycle

    with open_store() as store:
        for i in range(1, n + 1):
            store.add_cycle(Cycle(id=f"c{i}", number=i, config={}, trace_id="t"))


def test_the_newest_cycle_is_listed_first() -> None:
    _add_cycles(3)
    assert [cycle["cycle_id"] for cycle in json.loads(camelx("cycles", "--json").stdout)] == [
        "c3",
        "c2",
        "c1",
    ]


def test_a_cycle_that_is_interrupted_prints_its_json_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from camelx import progress
    from camelx.cli import cycle

    def interrupted(parameters: Any) -> None:
        progress.report(progress.Progress("c1", "open-cycle", 1, 1))
        raise KeyboardInterrupt

    _add_cycles(1)
    monkeypatch.setattr(cycle, "_run", interrupted)
    done = camelx("cycle", "--config", CONFIG, "--json")
    assert done.exit_code == 130
    assert json.loads(done.stdout.splitlines()[-1])["cycle_id"] == "c1"
    assert "camelx cycle --resume" in done.stderr


def test_an_unknown_cycle_is_a_storage_error() -> None:
    done = camelx("show", "c99")
    assert done.exit_code == 8
    assert "c99" in done.stderr


def test_goals_come_in_and_broken_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "goals.jsonl"
    rows = [json.dumps({"text": f"What is {i} + {i}?", "answer": str(2 * i)}) for i in range(40)]
    path.write_text("\n".join([*rows, "{broken"]) + "\n")
    arguments = (
        "import",
        "goals",
        str(path),
        "--heldout-share",
        "0.5",
        "--field",
        "text=text",
        "--field",
        "answer=answer",
    )
    done = camelx(*arguments, "--json")
    assert done.exit_code == 0, done.output
    counts = json.loads(done.stdout)
    assert (counts["goals"], counts["new"], counts["with_answer"], counts["broken"]) == (40, 40, 40, 1)
    assert 5 < counts["heldout"] < 35
    assert f"{path}:41" in done.stderr
    assert json.loads(camelx(*arguments, "--json").stdout)["new"] == 0
    assert camelx(*arguments, "--strict").exit_code == 4


def test_a_field_without_a_column_says_what_was_expected(tmp_path: Path) -> None:
    done = camelx("import", "goals", str(tmp_path / "x.jsonl"), "--field", "text")
    assert done.exit_code == 2
    assert "expected GOAL_FIELD=COLUMN" in done.stderr


def test_rounds_played_elsewhere_become_a_cycle_with_nothing_left_to_generate(tmp_path: Path) -> None:
    data = Path(os.environ.get("CAMELX_REAL_DATA", ROOT.parent / "shared" / "data"))
    found = sorted(data.glob("**/prd_vicuna80*/**/*.jsonl")) + sorted(data.glob("**/prd_vicuna80*.jsonl"))
    if not found:
        pytest.skip(f"no prd_vicuna80 in {data}")
    done = camelx("import", "rounds", str(found[0]), "--config", CONFIG, "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert (facts["goals"], facts["votes"]) == (80, 8_000)
    shown = json.loads(camelx("show", facts["cycle_id"], "--json").stdout)
    assert [stage["name"] for stage in shown["stages"]] == [Stage.GENERATE]


def test_a_pairs_file_that_is_not_there_is_named() -> None:
    done = camelx("validate", "none.parquet", "--config", CONFIG)
    assert done.exit_code == 2
    assert "none.parquet does not exist" in done.stderr


def test_pairs_made_elsewhere_are_checked_by_their_texts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}
    path.write_text(json.dumps(row))
    done = camelx("validate", str(path), "--config", CONFIG)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "rows-validation" / "validation.html").exists()
    path.write_text(json.dumps(row | {"rejected": "4"}))
    done = camelx("validate", str(path), "--config", CONFIG)
    assert done.exit_code == 4
    assert "chosen_differs" in done.stderr


def test_the_doctor_reports_as_json_what_it_found() -> None:
    findings = {
        f["what"]: f for f in json.loads(camelx("doctor", "--config", "nowhere.yaml", "--json").stdout)
    }
    assert findings["torch"]["state"] == "ok"
    assert findings["config"]["state"] == "wrong"
    assert "nowhere.yaml" in findings["config"]["detail"]
    assert camelx("doctor", "--config", "nowhere.yaml").exit_code == 1


def test_an_unexpected_error_is_short_and_leaves_its_traceback_in_a_file(tmp_path: Path) -> None:
    code = (
        "import camelx.cli.app, camelx.storage as s\n"
        "def broken(url): raise ZeroDivisionError('surprise')\n"
        "s.database_revision = broken\n"
        "import sys; sys.argv = ['camelx', 'db', 'current']\n"
        "from camelx.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert "unexpected ZeroDivisionError: surprise" in done.stderr
    assert "Traceback" not in done.stderr
    (path,) = (tmp_path / "data" / "logs").iterdir()
    assert "Traceback" in path.read_text()
