"""Which pairs a person judges next, and how a verdict is kept.

In: a cycle's comparisons, the results behind them, what people said before. Out: `Item`s, blind and most
telling first; annotations in the database, from where the export takes them over the agents' votes. Knows no
terminal and no browser: called by `camelx annotate`, the Annotate page and the API.
"""

from camelx.annotation.items import HumanVerdict, Item, next_items, ranked_cycle, record, undo

__all__ = ["HumanVerdict", "Item", "next_items", "ranked_cycle", "record", "undo"]
