"""`reliable_peer_rank`: reviewers of learned reliability, with human labels as anchors (docs/ranking.md).

tabulate_votes -> pool_opinions -> fit_reviewers [-> anchor] -> believe -> Link.probabilities
"""

from camelx.ranking.reliable.model import Link, Options, Reviewers
from camelx.ranking.reliable.ranks import ReliableRanks, reliable_peer_rank

__all__ = ["Link", "Options", "ReliableRanks", "Reviewers", "reliable_peer_rank"]
