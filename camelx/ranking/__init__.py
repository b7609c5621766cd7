"""Votes in, rankings out: who reviews what, what the reviews say, and how sure that makes us.

In: finished results of a cycle, or votes made elsewhere. Out: `RankedVotes` (scores with standard errors,
probabilities of the reviewed pairs, judges' weights), and from it the records `Ranking` and `Comparison`.
Called by the stage mutual-rank, by evaluation of goals that only judges can compare, and by
``camelx bench ranking``.

    hold_reviews -> rank_votes -> credit_roles
"""

from camelx.ranking.credit import credit_roles
from camelx.ranking.panel import Panel
from camelx.ranking.rankers import RankedVotes, rank_votes
from camelx.ranking.reviewing.reading import read_reply, shown_order
from camelx.ranking.reviewing.schedule import Ballot, both_orders
from camelx.ranking.reviewing.session import hold_reviews
from camelx.ranking.reviewing.spending import Ledger, Spent
from camelx.ranking.reviewing.voting import Sitting, check_unreadable
from camelx.ranking.votes import VOTE_COLUMNS, vote_frame

__all__ = [
    "VOTE_COLUMNS",
    "Ballot",
    "Ledger",
    "Panel",
    "RankedVotes",
    "Sitting",
    "Spent",
    "both_orders",
    "check_unreadable",
    "credit_roles",
    "hold_reviews",
    "rank_votes",
    "read_reply",
    "shown_order",
    "vote_frame",
]
