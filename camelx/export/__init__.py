"""Comparisons and human annotations in, preference pairs out: as records, parquet and JSONL.

In: `Comparison`s, `Ranking`s, `Vote`s, the interactions behind them, `Annotation`s. Out: `PreferencePair`s,
with every comparison that made none counted by its reason, and the files that the trainer, TRL and
`datasets.load_dataset` read. Called by the stage export-preference-pairs and by ``camelx export``.
"""

from camelx.export.files import PAIRS_SCHEMA, PairsFiles, is_pairs_file, read_pairs, stored_pairs, write_pairs
from camelx.export.reviews import select_review_pairs
from camelx.export.selection import ExportResult, merge_results, select_pairs

__all__ = [
    "PAIRS_SCHEMA",
    "ExportResult",
    "PairsFiles",
    "is_pairs_file",
    "merge_results",
    "read_pairs",
    "select_pairs",
    "select_review_pairs",
    "stored_pairs",
    "write_pairs",
]
