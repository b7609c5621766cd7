"""`reliable_peer_rank`: reviewers of learned reliability, with human labels as anchors (docs/ranking.md).

tabulate_votes -> find_labels -> pool_opinions -> fit_reviewers [-> anchor] -> believe -> Link.probabilities
"""

from camelx.ranking.reliable.model import Link, Reviewers
from camelx.ranking.reliable.ranker import FittedPanel, fit_panel, reliable_peer_rank

__all__ = ["FittedPanel", "Link", "Reviewers", "fit_panel", "reliable_peer_rank"]
