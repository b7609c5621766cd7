"""Champion against challenger on the frozen hold-out: scores, their difference, the gate's decision.

In go the held-out goals with both policies' answers (and reviewers' votes where a goal has no expected
answer); out come scores per goal, the difference with its interval, and whether the challenger takes over.
The evaluation stage calls it; nothing here calls a model.
"""

from camelx.evaluation.gate import Decision, decide
from camelx.evaluation.holdout import check_holdout, holdout_hash
from camelx.evaluation.scores import Scores, judged_scores, score
from camelx.evaluation.statistics import Difference, paired_difference
from camelx.evaluation.verifiers import answer_problem, check_answers, last_number, make_verifier

__all__ = [
    "Decision",
    "Difference",
    "Scores",
    "answer_problem",
    "check_answers",
    "check_holdout",
    "decide",
    "holdout_hash",
    "judged_scores",
    "last_number",
    "make_verifier",
    "paired_difference",
    "score",
]
