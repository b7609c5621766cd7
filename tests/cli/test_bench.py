"""`camelx bench ranking` on tiny data sets: tables for people, JSON for scripts, progress apart."""

from __future__ import annotations

import json

import pytest
from ranking.benchmark.sets import two_rounds, two_verdicts, verdict, write_lines
from typer.testing import CliRunner

from camelx.cli.app import app


@pytest.fixture
def folder(tmp_path):
    write_lines(tmp_path / "talks" / "rounds.jsonl", two_rounds())
    write_lines(tmp_path / "bars" / "verdicts.jsonl", two_verdicts())
    return tmp_path


def bench(*arguments):
    return CliRunner().invoke(app, ["bench", "ranking", "--seeds", "0", *map(str, arguments)])


def test_each_data_set_has_a_table_with_the_floors_apart(folder):
    done = bench("--data", folder)
    assert done.exit_code == 0
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0].startswith("talks: 4 ordered pairs")
    floors = lines[lines.index("") + 1 :]
    assert any(line.startswith("reliable_peer_rank ") for line in lines[: lines.index("")])
    assert [line.split()[0] for line in floors[:3]] == [
        "floor:longer_answer",
        "floor:best_single_judge",
        "floor:author_prior",
    ]
    assert "0.500 ±0.000" in floors[1]
    assert any(line.startswith("p/s") for line in floors)


def test_json_stands_alone_on_stdout_and_progress_on_stderr(folder):
    done = bench("--data", folder, "--json")
    figures = json.loads(done.stdout)
    assert list(figures) == ["bars/p/s", "talks"]
    assert figures["talks"]["pooled_majority"]["accuracy"] == 0.5
    assert "talks: rankers" in done.stderr


def test_one_data_set_can_be_chosen(folder):
    assert list(json.loads(bench("--data", folder, "--only", "bars/*", "--json").stdout)) == ["bars/p/s"]


def test_names_from_the_files_can_not_steer_the_terminal(folder):
    """The one judge that is at odds with all others has a space and an escape in its name."""
    rows = []
    for item in range(60):
        label = 1 + item % 2
        wrong = str(label if item % 10 == 0 else 3 - label)
        rows += [verdict(item, judge, label, wrong, wrong) for judge in ("w1", "w2", "w3")]
        rows.append(verdict(item, "my \x1b[31mjudge", label, str(label), str(label)))
    for row in rows:
        row["set"] = "s\x1b[2J"
    write_lines(folder / "bars" / "verdicts.jsonl", rows)
    rounds = two_rounds()
    for goal in rounds:
        for vote in goal["votes"]:
            vote["judge"] = "\x1b]0;title\x07" + vote["judge"]
    (folder / "talks").rename(folder / "tal\x1b[31mks")
    write_lines(folder / "tal\x1b[31mks" / "rounds.jsonl", rounds)
    done = bench("--data", folder, "--draws", "0")
    assert done.exit_code == 0
    assert "\x1b" not in done.output
    assert "\x07" not in done.output
    assert "tal\\u{1b}[31mks: 4 ordered pairs" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("p/s"))
    assert row.rstrip().endswith("my \\u{1b}[31mjudge")


def test_a_wrong_file_is_named_without_a_traceback(folder):
    rounds = two_rounds()
    rounds[1]["votes"][0]["raw"] = 9
    write_lines(folder / "talks" / "rounds.jsonl", rounds)
    done = bench("--data", folder)
    assert done.exit_code == 4
    assert "rounds.jsonl:2: votes[0].raw is 9" in done.stderr
    assert "Traceback" not in done.output


def test_missing_data_are_answered_with_where_they_belong(tmp_path):
    done = bench("--data", tmp_path / "nowhere")
    assert done.exit_code == 2
    assert "CAMELX_REAL_DATA" in done.stderr
