"""Goals, and rounds judged elsewhere, from files: the way real data gets into camelx.

Files go in; records and a list of the rows that are broken, each with its place and the reason, come out.
Nothing is stored here: the command line hands the records to the store.
"""

from camelx.importing.goals import PRESETS, read_goals
from camelx.importing.report import BrokenRow, Duplicate, ImportReport
from camelx.importing.rounds import Rounds, read_rounds

__all__ = ["PRESETS", "BrokenRow", "Duplicate", "ImportReport", "Rounds", "read_goals", "read_rounds"]
