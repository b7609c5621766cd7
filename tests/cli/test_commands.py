"""The command line as a user meets it, each command in this process against a folder of its own."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from camelx.cli.app import app
from camelx.cli.models import _row
from camelx.config import settings
from camelx.schemas import AdapterVersion, Stage

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


def test_a_database_that_holds_rows_goes_down_only_when_told_that_they_may_be_lost(tmp_path: Path) -> None:
    goals = tmp_path / "goals.jsonl"
    goals.write_text('{"text": "How much is 2 and 2?"}\n', "utf-8")
    assert camelx("import", "goals", str(goals)).exit_code == 0
    refused = camelx("db", "downgrade", "base")
    assert refused.exit_code == 8
    assert "holds 1 rows" in refused.stderr
    assert "revision 00" in camelx("db", "current").stdout
    assert "none: empty database" in camelx("db", "downgrade", "base", "--lose").stdout


def test_lists_that_are_empty_say_so_and_make_nothing(tmp_path: Path) -> None:
    assert "nothing yet" in camelx("cycles").stdout
    assert json.loads(camelx("cycles", "--json").stdout) == []
    assert "nothing yet" in camelx("models", "--config", CONFIG).stdout
    done = camelx("show", "c1")
    assert done.exit_code == 2
    assert "CAMELX_ROOT" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--resume", "--goals", "60"), "drop goals.n"),
        (("--cycle", "c1", "--from", "trian"), "stages are generate-interactions"),
        (("--from", "validate"), "needs --cycle ID"),
        (("--cycle", "c9"), "no cycle 'c9'"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_server_starts(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from camelx.cli import cycle

    _add_cycles(1)
    monkeypatch.setattr(cycle, "_run", lambda parameters: pytest.fail("a server was started"))
    done = camelx("cycle", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_model_server_that_is_away_is_named_before_a_server_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from camelx.cli import cycle

    (tmp_path / "agents.yaml").write_text(
        "backends:\n"
        "  away: {kind: openai, url: 'http://127.0.0.1:9/v1', model: m}\n"
        "agents:\n"
        "  - {name: executor, role: executor, backend: away, system: Work., count: 2}\n"
        "  - {name: reviewer, role: peer_reviewer, backend: away, system: Judge.}\n"
    )
    (tmp_path / "cycle.yaml").write_text("agents: agents.yaml\npolicy: {base: demo}\n")
    monkeypatch.setattr(cycle, "_run", lambda parameters: pytest.fail("a server was started"))
    done = camelx("cycle", "--config", str(tmp_path / "cycle.yaml"))
    assert done.exit_code == 3, done.output
    assert "127.0.0.1:9" in done.stderr


def test_a_cycle_whose_process_is_gone_is_not_shown_as_running(tmp_path: Path) -> None:
    from filelock import FileLock

    _add_cycles(2)
    for name in ("c1", "c2"):
        (tmp_path / "data" / name).mkdir()
        (tmp_path / "data" / name / ".lock").touch()
    with FileLock(tmp_path / "data" / "c2" / ".lock"):
        shown = {one["cycle_id"]: one["status"] for one in json.loads(camelx("cycles", "--json").stdout)}
    assert shown == {"c1": "cancelled", "c2": "running"}


def test_the_help_of_cycle_names_the_stages() -> None:
    text = " ".join(camelx("cycle", "--help").stdout.replace("│", " ").split())
    assert all(stage in text.replace("- ", "-") for stage in Stage)
    assert "may be repeated" in text


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
    from camelx.cli import cycle
    from camelx.runtime import progress

    def interrupted(parameters: Any) -> None:
        progress.report(progress.Progress("c1", "open-cycle", 1, 1))
        raise KeyboardInterrupt

    _add_cycles(1)
    monkeypatch.setattr(cycle, "_run", interrupted)
    done = camelx("cycle", "--config", CONFIG, "--json")
    assert done.exit_code == 130
    assert json.loads(done.stdout.splitlines()[-1])["cycle_id"] == "c1"
    assert "camelx cycle --resume" in done.stderr


def test_an_unknown_cycle_is_a_wrong_option() -> None:
    _add_cycles(1)
    done = camelx("show", "c99")
    assert done.exit_code == 2
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
    assert counts["heldout"] == 20
    assert f"{path}:41" in done.stderr
    assert json.loads(camelx(*arguments, "--json").stdout)["new"] == 0
    assert camelx(*arguments, "--strict").exit_code == 4


def test_an_answer_is_corrected_by_importing_the_file_again(tmp_path: Path) -> None:
    path = tmp_path / "goals.csv"
    path.write_text("question,answer\nWhat is 2 + 2?,5\nName a number.,seven\n")
    done = camelx("import", "goals", str(path))
    assert done.exit_code == 0
    assert f"{path}:3: expected answer 'seven' holds no number" in done.stderr
    assert "camelx cycle --set goals.source=database" in done.stdout
    path.write_text("question,answer\nWhat is 2 + 2?,4\n")
    done = camelx("import", "goals", str(path))
    assert f"{path}:2: stored with the answer '5'" in done.stderr
    assert "kept; --update replaces it" in done.stderr
    assert json.loads(camelx("import", "goals", str(path), "--update", "--json").stdout)["updated"] == 1
    assert json.loads(camelx("import", "goals", str(path), "--update", "--json").stdout)["updated"] == 0


def test_a_file_of_which_no_row_is_taken_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "goals.csv"
    path.write_text("question,answer\nName a number.,seven\n")
    done = camelx("import", "goals", str(path))
    assert done.exit_code == 4
    assert f"{path}:2: expected answer 'seven'" in done.stderr
    assert camelx("import", "goals", str(path), "--verifier", "exact").exit_code == 0


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
    assert findings["folders"]["state"] == "ok"
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


def test_an_export_whose_suffix_says_another_format_is_refused() -> None:
    done = camelx("export", "c1", "--out", "p.parquet", "--format", "jsonl")
    assert done.exit_code == 2
    assert "contradict each other" in done.stderr


def test_the_suffix_decides_the_format_of_an_export(tmp_path: Path) -> None:
    from camelx.cycles import open_store
    from camelx.export import is_pairs_file, write_pairs
    from camelx.schemas import Cycle, CycleStatus, StageReport

    files = write_pairs([], tmp_path / "made")
    paths = {"parquet": str(files.parquet), "jsonl": str(files.jsonl)}
    with open_store() as store:
        store.add_cycle(Cycle(id="c1", number=1, config={}, trace_id="t"))
        report = StageReport(cycle_id="c1", stage=Stage.EXPORT, status=CycleStatus.COMPLETED, details=paths)
        store.save_stage_report(report.model_copy(update={"counts": {"pairs": 0}}))
    assert camelx("export", "c1", "--out", "p.parquet").exit_code == 0
    assert is_pairs_file(tmp_path / "p.parquet")
    assert camelx("export", "c1", "--out", "p.jsonl").exit_code == 0
    assert (tmp_path / "p.jsonl").read_bytes() == b""
    assert "pairs.jsonl" in camelx("export", "c1").stdout


def test_a_version_is_listed_with_its_date_and_its_gain_in_points() -> None:
    made = datetime(2026, 1, 2, 3, 4).astimezone()
    metrics = {"heldout_challenger": 0.9, "heldout_difference": 0.4033}
    version = AdapterVersion(
        name="tiny", version=3, path=Path("somewhere"), base="demo", created_at=made, metrics=metrics
    )
    assert _row(version) == ("tiny/3", "", None, "2026-01-02 03:04", "90.0%", "+40.3")
