"""Rules that preference pairs must keep before anything trains on them, and the run that checks them.

In: a pairs file and what is known about the cycle. Out: a `ValidationReport`, as HTML for people and JSON
for programs. Called by the stage validate and by ``camelx validate``. The only room that imports
great_expectations, and only while it runs. A rule is one entry of `RULES`.
"""

from camelx.validation.report import Failure, RuleResult, ValidationReport, require_valid
from camelx.validation.rules import RULES, Rule
from camelx.validation.runs import validate_file, validate_pairs

__all__ = [
    "RULES",
    "Failure",
    "Rule",
    "RuleResult",
    "ValidationReport",
    "require_valid",
    "validate_file",
    "validate_pairs",
]
