"""Rankers measured on real votes with human or objective labels: the core of ``camelx bench ranking``.

In: a folder with public data sets such as `prd_vicuna80` (https://github.com/bcdnlp/PRD) and `llmbar_dev`
(https://github.com/princeton-nlp/LLMBar); their rows are read, never shipped. Out: figures of every ranker,
and of the floors that need no panel of reviewers.

Rounds score each ordered pair against the sign of the mean human vote (first, second or tie), as the PRD
paper does. Verdicts score the verdict on each item against its label, a tie or an unreadable one as one half;
they have no kappa. Where they are defined, each figure with `_low` and `_high` (95 % bootstrap over goals):

    accuracy, kappa              of three classes; kappa is Fleiss' of the two raters
    decided_accuracy             on pairs that people decided, a tie counting half
    near_equal_length_accuracy   of these, on answers of near equal length
    ece, ece_pair                expected calibration error of the likeliest outcome, of P(first beats second)
    precision_at_50              of the surest half of the pairs, on those that people decided
    precision_at_50_decided      of the surest half of the pairs that people decided
    precision_at_50_ties_wrong   of the surest half, a pair that people call a tie counting as wrong
    subtasks                     accuracy for each pair of models
    agreement_with_pooled        share of the pairs with the verdict of the plain pooled votes
    against                      accuracy minus that of plain pooled votes and of each floor, same pairs
    is_verified, conflicts       what the ranker says of its panel; in_conflict names the judges
    buying_curve                 accuracy by share of votes, bought where they tell most and in random order
"""

from camelx.ranking.benchmark.running import benchmark_rankings

__all__ = ["benchmark_rankings"]
