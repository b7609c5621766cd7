"""Annotations to files and back, backups and restores, as a user types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pairs_to_judge import add_pairs_to_judge
from typer.testing import CliRunner

from camelx.annotation import annotation_id
from camelx.cli.app import app
from camelx.config import settings
from camelx.cycles import open_store
from camelx.schemas import Annotation


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def _judged() -> None:
    with open_store() as store:
        add_pairs_to_judge(store)
        pair = store.comparisons("c1")[0]
        ids = (pair.first_id, pair.second_id)
        store.save_annotations(
            [
                Annotation(
                    id=annotation_id(ids, "ada"),
                    goal_id=pair.goal_id,
                    first_id=ids[0],
                    second_id=ids[1],
                    annotator="ada",
                    verdict="tie",
                )
            ]
        )


def camelx(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.usefixtures("_judged")
def test_annotations_go_to_a_file_and_come_back() -> None:
    assert "a.csv  1 annotations" in camelx("export", "annotations", "a.csv").stdout
    looked = camelx("import", "annotations", "a.csv", "--dry-run").stdout
    assert "a.csv:2: unchanged: ada: a tie, on “Goal 4" in looked
    assert "nothing was stored" in looked
    with open_store() as store:
        store.delete_annotations([a.id for a in store.annotations()])
    done = camelx("import", "annotations", "a.csv", "--json")
    assert json.loads(done.stdout) == {"rows": 1, "added": 1, "changed": 0, "unchanged": 0, "refused": 0}


@pytest.mark.usefixtures("_judged")
def test_a_refused_row_is_said_and_with_strict_stops_all() -> None:
    broken = '{"a_id": "x", "b_id": "y", "preferred": "x", "annotator": "ada"}\n'
    camelx("export", "annotations", "a.jsonl")
    Path("a.jsonl").write_text(Path("a.jsonl").read_text() + broken)
    done = camelx("import", "annotations", "a.jsonl")
    assert done.exit_code == 0
    assert "not taken: a.jsonl:2: there is no interaction 'x'" in done.stderr
    assert camelx("import", "annotations", "a.jsonl", "--strict").exit_code == 4
    Path("b.jsonl").write_text(broken)
    nothing = camelx("import", "annotations", "b.jsonl")
    assert nothing.exit_code == 4
    assert "no row was taken, all 1 are refused" in nothing.stderr
    Path("c.csv").write_text("a_id;b_id;preferred;annotator\nx;y;x;ada\n")
    assert "with commas between them" in camelx("import", "annotations", "c.csv").stderr


def test_the_export_of_annotations_names_its_file() -> None:
    assert "name the file to write" in camelx("export", "annotations").stderr
    assert "expected a file ending in" in camelx("export", "annotations", "a.txt").stderr
    assert "--out pairs.jsonl" in camelx("export", "c1", "pairs.jsonl").stderr


@pytest.mark.usefixtures("_judged")
def test_a_database_is_saved_and_restored() -> None:
    saved = camelx("db", "backup", "b.zip")
    assert saved.exit_code == 0
    assert "b.zip  holds" in saved.stdout
    assert "annotations: 1 rows" in saved.stderr
    refused = camelx("db", "restore", "b.zip")
    assert refused.exit_code != 0
    assert "add --replace" in refused.stderr
    with open_store() as store:
        store.delete_annotations([a.id for a in store.annotations()])
    done = json.loads(camelx("db", "restore", "b.zip", "--replace", "--json").stdout)
    assert done["database"] == "sqlite"
    with open_store() as store:
        assert len(store.annotations()) == 1


def test_there_is_nothing_to_save_where_there_is_no_database(tmp_path: Path) -> None:
    done = camelx("db", "backup", "b.zip")
    assert done.exit_code != 0
    assert "nothing to save" in done.stderr
    assert not (tmp_path / "data" / "camelx.db").exists()
