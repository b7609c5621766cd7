"""Flows are straight lines of task calls, tasks are one line each: logic belongs to the rooms."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOWS = sorted(path for path in (ROOT / "flows").glob("*.py") if path.name != "__init__.py")
TASKS = sorted(path for path in (ROOT / "tasks").glob("*.py") if path.name != "__init__.py")
WRAPPERS = ("published", "opened")


def _flow_functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text("utf-8"))
    return [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(d).split("(")[0] == "flow" for d in node.decorator_list)
    ]


def _is_task_call(node: ast.expr | None) -> bool:
    """Whether it is `file.task(...)` with plain arguments."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and all(isinstance(argument, ast.Name) for argument in node.args)
        and all(isinstance(keyword.value, ast.Name) for keyword in node.keywords)
    )


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.name)
def test_a_flow_is_a_straight_line_of_task_calls_that_returns_its_last_result(path: Path) -> None:
    flows = _flow_functions(path)
    assert flows
    for flow in flows:
        docstring, *lines, last = flow.body
        assert isinstance(docstring, ast.Expr)
        assert isinstance(docstring.value, ast.Constant)
        for line in lines:
            assert isinstance(line, (ast.Assign, ast.Expr)), ast.unparse(line)
            assert _is_task_call(line.value), ast.unparse(line)
        assert isinstance(last, ast.Return)
        assert _is_task_call(last.value), ast.unparse(last)


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.name)
def test_a_flow_file_holds_flows_and_imports_alone(path: Path) -> None:
    flows = [flow.name for flow in _flow_functions(path)]
    others = [
        ast.unparse(node)
        for node in ast.parse(path.read_text("utf-8")).body[1:]
        if not isinstance(node, (ast.Import, ast.ImportFrom)) and getattr(node, "name", None) not in flows
    ]
    assert others == []


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
def test_a_task_is_one_line_with_a_policy(path: Path) -> None:
    for node in ast.parse(path.read_text("utf-8")).body[1:]:
        if isinstance(node, ast.ImportFrom):
            continue
        assert isinstance(node, ast.Assign), ast.unparse(node)
        made = ast.unparse(node.value)
        wraps = any(made.startswith(f"task({wrapper}(") for wrapper in WRAPPERS)
        assert wraps or made.startswith("closing("), made
