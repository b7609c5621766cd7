"""Rules of the house that a linter does not know."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path
    for room in ("camelx", "flows", "tasks")
    for path in (ROOT / room).rglob("*.py")
    if path.stat().st_size
)
OWNERS = {
    "camel": "camelx/agents",
    "great_expectations": "camelx/validation",
    "mlflow": "camelx/registry",
    "peft": ("camelx/training", "camelx/agents"),
    "prefect": ("camelx/orchestration", "flows", "tasks"),
    "sqlalchemy": "camelx/storage",
    "trl": "camelx/training",
    "alembic": "camelx/storage",
}
HEAVY = (
    "torch",
    "transformers",
    "gradio",
    "mlflow",
    "great_expectations",
    "camel",
    "prefect",
    "datasets",
    "trl",
)


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def _is_type_checking_only(path: Path, library: str) -> bool:
    tree = ast.parse(path.read_text("utf-8"))
    guarded = [n for n in tree.body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    inside = {id(n) for block in guarded for n in ast.walk(block)}
    return all(
        id(node) in inside
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == library)
        or (isinstance(node, ast.Import) and any(a.name.split(".")[0] == library for a in node.names))
    )


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_imported_in_its_room_alone(library: str) -> None:
    owners = OWNERS[library]
    owners = (owners,) if isinstance(owners, str) else owners
    strangers = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if library in _imports(path)
        and not str(path.relative_to(ROOT)).startswith(owners)
        and not _is_type_checking_only(path, library)
    ]
    assert strangers == []


@pytest.mark.parametrize("module", ["camelx", "camelx.config", "camelx.schemas", "camelx.cli"])
def test_importing_it_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert loaded.stdout.split() == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None
    ]
    assert silent == []


def test_no_module_is_a_drawer_for_everything() -> None:
    names = {path.stem for path in SOURCES}
    assert not names & {"utils", "util", "helpers", "common", "misc"}


def test_broad_excepts_stand_in_the_boundary_alone() -> None:
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and not any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
    ]
    assert [place for place in broad if not place.startswith("camelx/errors.py")] == []
