"""The Great Expectations run: rules and frames in, one result per rule out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from camelx.errors import DataValidationError, boundary
from camelx.validation.report import Failure, RuleResult
from camelx.validation.rules import Bounds, Rule

_MAX_VALUE_CHARS = 200


def check_rules(
    rules: Sequence[Rule], frames: Mapping[str, pd.DataFrame], bounds: Bounds
) -> list[RuleResult]:
    """Return one result per rule, in order; a rule whose columns the frames lack is left out.

    Raises:
        DataValidationError: Great Expectations could not evaluate a rule.
    """
    known = [rule for rule in rules if set(rule.columns) <= set(frames[rule.table].columns)]
    results: dict[str, RuleResult] = {}
    for table, frame in frames.items():
        with boundary(DataValidationError, f"the Great Expectations run on {len(frame)} rows of {table}"):
            results |= _run([rule for rule in known if rule.table == table], frame, bounds)
    return [results[rule.id] for rule in known]


def _run(rules: Sequence[Rule], frame: pd.DataFrame, bounds: Bounds) -> dict[str, RuleResult]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("pairs")
    definition = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    suite = gx.ExpectationSuite(name="pairs", expectations=[_expectation(gx, r, bounds) for r in rules])
    outcome = definition.get_batch(batch_parameters={"dataframe": frame}).validate(
        context.suites.add(suite),
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["pair"]},
    )
    by_id = {rule.id: rule for rule in rules}
    found = {r.expectation_config.meta["rule"]: r for r in outcome.results}
    return {rule_id: _result(by_id[rule_id], found[rule_id], bounds) for rule_id in by_id}


def _expectation(gx: Any, rule: Rule, bounds: Bounds) -> Any:
    return getattr(gx.expectations, rule.expectation)(**rule.resolved_options(bounds), meta={"rule": rule.id})


def _result(rule: Rule, outcome: Any, bounds: Bounds) -> RuleResult:
    """Return the outcome as a record; an exception inside the run is no failed rule but an error."""
    if message := _exception(outcome.exception_info):
        raise DataValidationError(f"rule {rule.id} could not be evaluated: {message}")
    rows = outcome.result.get("unexpected_index_list") or []
    if outcome.success:
        failures: tuple[Failure, ...] = ()
    elif rows:
        failures = tuple(_row_failure(rule, row, bounds) for row in rows)
    else:
        what = rule.found_in(_shown(outcome.result.get("observed_value")), bounds)
        failures = (Failure(rule.id, "the file", what, rule.remedy, rule.severity),)
    return RuleResult(rule.id, rule.severity, bool(outcome.success), rule.why, failures)


def _row_failure(rule: Rule, row: Mapping[str, Any], bounds: Bounds) -> Failure:
    what = rule.found_in(_shown(row[rule.columns[0]]), bounds)
    return Failure(rule.id, str(row["pair"]), what, rule.remedy, rule.severity)


def _shown(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]} ..."


def _exception(info: Mapping[str, Any]) -> str | None:
    """Return the message of an exception in either of the two shapes that exception_info has."""
    shapes = [info] if "raised_exception" in info else list(info.values())
    return next((str(s.get("exception_message")) for s in shapes if s.get("raised_exception")), None)
