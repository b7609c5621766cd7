"""Votes in, rankings out: who reviews what, what the reviews say, and how sure that makes us.

In: finished results of a cycle, or votes made elsewhere. Out: `RankedVotes` (scores with standard errors,
probabilities of the reviewed pairs, judges' weights), and from it the records `Ranking` and `Comparison`.
Called by the stage mutual-rank, by evaluation of goals that only judges can compare, and by
``camelx bench ranking``.

    schedule_ballots -> collect_votes -> rank_votes -> credit_roles
"""

from camelx.ranking.credit import credit_roles
from camelx.ranking.rankers import RankedVotes, rank_votes
from camelx.ranking.schedule import Ballot, schedule_ballots
from camelx.ranking.votes import VOTE_COLUMNS
from camelx.ranking.voting import check_unreadable, collect_votes, vote_id

__all__ = [
    "VOTE_COLUMNS",
    "Ballot",
    "RankedVotes",
    "check_unreadable",
    "collect_votes",
    "credit_roles",
    "rank_votes",
    "schedule_ballots",
    "vote_id",
]
