"""What a validation found: a record, a JSON file for programs and a page for people."""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from camelx.errors import DataValidationError, boundary
from camelx.files import replacing
from camelx.validation.rules import RULES

Severity = Literal["error", "warning"]

N_RULES = 1 + len(RULES)
"""The rules of a cycle's pairs file: the schema's, and those on its rows."""
_JSON_NAME = "validation.json"
_MAX_ROWS = 100
"""Failing rows shown per rule on the page; the JSON has them all."""


@dataclass(frozen=True)
class Failure:
    """One row that broke one rule."""

    rule: str
    row: str
    """The pair's id with its row in the file, counted from 1; or "the file", or a column."""
    what: str
    remedy: str
    severity: Severity = "error"


@dataclass(frozen=True)
class RuleResult:
    """What became of one rule."""

    rule: str
    severity: Severity
    passed: bool
    why: str
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class ValidationReport:
    """What became of all rules, and where the reports lie."""

    path: Path
    """The file that was validated."""
    results: tuple[RuleResult, ...]
    facts: Mapping[str, Any]
    html: Path
    json: Path

    @property
    def passed(self) -> bool:
        """Whether no rule failed; warnings do not count."""
        return not self.failed_rules

    @property
    def failed_rules(self) -> tuple[str, ...]:
        """Ids of the rules of severity error that failed."""
        return tuple(r.rule for r in self.results if not r.passed and r.severity == "error")

    @property
    def looked_at(self) -> str:
        """How many of the rules were looked at: those on what only a cycle knows can't be, on other files."""
        left = N_RULES - len(self.results)
        rest = f"; {left} of the {N_RULES} need what only a cycle's own pairs have" if left else ""
        return f"{len(self.results)} rules looked at{rest}"

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Every failing row of every rule, warnings included."""
        return tuple(failure for result in self.results for failure in result.failures)


def require_valid(report: ValidationReport) -> None:
    """Stop where a rule failed.

    Raises:
        DataValidationError: A rule of severity error failed; the message names rule, row, remedy and report.
    """
    if report.passed:
        return
    errors = [f for f in report.failures if f.severity == "error"]
    first = {failure.rule: failure for failure in reversed(errors)}
    n_rows = {rule: sum(f.rule == rule for f in errors) for rule in report.failed_rules}
    lines = [
        f"  {rule}: {n_rows[rule]} failing, first {first[rule].row}: {first[rule].what}; {first[rule].remedy}"
        for rule in report.failed_rules
    ]
    raise DataValidationError(
        f"{report.path} breaks {len(lines)} of {len(report.results)} rules, so nothing is trained on it:\n"
        + "\n".join(lines)
        + f"\n{report.looked_at}. The whole report: {report.html}",
        failed_rules=report.failed_rules,
        report_path=report.html,
    )


def write_report(
    path: Path, results: Sequence[RuleResult], facts: Mapping[str, Any], folder: Path
) -> ValidationReport:
    """Write validation.json and validation.html into the folder and return the report.

    Raises:
        DataValidationError: The folder can't be written.
    """
    report = ValidationReport(path, tuple(results), facts, folder / "validation.html", folder / _JSON_NAME)
    document = {
        "file": str(path),
        "passed": report.passed,
        "failed_rules": report.failed_rules,
        "facts": facts,
        "results": [dataclasses.asdict(result) for result in results],
    }
    with boundary(DataValidationError, f"writing the validation report to {folder}"):
        with replacing(report.json) as partial:
            partial.write_text(json.dumps(document, ensure_ascii=False, indent=1), "utf-8")
        with replacing(report.html) as partial:
            partial.write_text(render_html(report), "utf-8")
    return report


def render_html(report: ValidationReport) -> str:
    """Return the page: nothing in it is loaded from outside, and every text is escaped."""
    n_warnings = sum(not r.passed and r.severity == "warning" for r in report.results)
    verdict = "All rules hold" if report.passed else f"{len(report.failed_rules)} rules failed"
    if n_warnings:
        verdict += f", {n_warnings} warning" + ("s" if n_warnings > 1 else "")
    failed = [result for result in report.results if not result.passed]
    return _PAGE.format(
        state="passed" if report.passed else "failed",
        verdict=html.escape(verdict),
        path=html.escape(str(report.path)),
        looked_at=html.escape(report.looked_at),
        facts="".join(_row("td", (name, _fact(value))) for name, value in report.facts.items()),
        rules="".join(_rule_row(result) for result in report.results),
        failures="".join(_failed_rule(result) for result in failed),
    )


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {n}" for key, n in value.items()) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _rule_row(result: RuleResult) -> str:
    state = "passed" if result.passed else "warning" if result.severity == "warning" else "failed"
    cells = f"<td>{html.escape(result.rule)}</td><td>{html.escape(result.why)}</td>"
    return f'<tr><td class="{state}">{state}</td>{cells}<td>{len(result.failures)}</td></tr>\n'


def _failed_rule(result: RuleResult) -> str:
    shown = result.failures[:_MAX_ROWS]
    rows = "".join(_row("td", (f.row, f.what)) for f in shown)
    more = len(result.failures) - len(shown)
    rest = f"<p>and {more} more, all of them in {_JSON_NAME}</p>" if more else ""
    remedy = html.escape(result.failures[0].remedy) if result.failures else ""
    return (
        f"<section><h2>{html.escape(result.rule)}</h2><p>{html.escape(result.why)}.</p>"
        f"<p><strong>What to do:</strong> {remedy}.</p>"
        f"<table><thead>{_row('th', ('Row', 'Found'))}</thead><tbody>{rows}</tbody></table>{rest}</section>\n"
    )


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>\n"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Validation: {verdict}</title>
<style>
:root {{ color-scheme: light dark; --back: #fff; --text: #1c1e21; --line: #d5d9de; --soft: #f4f5f7;
  --good: #0a6b2d; --bad: #b3130d; --warn: #8a5300; }}
@media (prefers-color-scheme: dark) {{ :root {{ --back: #14171a; --text: #e6e8ea; --line: #3a4047;
  --soft: #1d2226; --good: #5fd287; --bad: #ff8b80; --warn: #f0b35a; }} }}
body {{ background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }}
h1 span {{ font-weight: 700; }}
table {{ border-collapse: collapse; width: 100%; margin: 1rem 0; display: block; overflow-x: auto; }}
th, td {{ border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }}
th {{ white-space: nowrap; }}
thead {{ background: var(--soft); }}
.passed {{ color: var(--good); }} .failed {{ color: var(--bad); font-weight: 700; }}
.warning {{ color: var(--warn); font-weight: 700; }}
code {{ background: var(--soft); padding: .1rem .3rem; }}
</style>
</head>
<body>
<main>
<h1>Validation: <span class="{state}">{verdict}</span></h1>
<p><code>{path}</code></p>
<p>{looked_at}.</p>
<table><tbody>
{facts}</tbody></table>
{failures}<h2>All rules</h2>
<table><thead><tr><th>State</th><th>Rule</th><th>Why</th><th>Failing</th></tr></thead>
<tbody>
{rules}</tbody></table>
</main>
</body>
</html>
"""
