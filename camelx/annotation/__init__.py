"""Which pairs a person judges next, and how a verdict is kept.

In: a cycle's comparisons, the results behind them, what people said before. Out: `Item`s, blind and most
telling first; annotations in the database, from where the export takes them over the agents' votes. Knows no
terminal and no browser: called by `camelx annotate`, the Annotate page and the API.
"""

from camelx.annotation.agents_said import AgentsSaid, ReviewerVote, agents_said
from camelx.annotation.items import Item
from camelx.annotation.progress import Progress, progress_of
from camelx.annotation.queue import AnnotationQueue, Offer, Recorded, Undone
from camelx.annotation.recording import (
    MAX_EDITED_CHARS,
    MAX_RATIONALE_CHARS,
    VERDICT_WORDS,
    HumanVerdict,
    Opinion,
    annotation_id,
    annotations_of,
    annotator_mistake,
)
from camelx.annotation.standing import QueueRules, Wanted

__all__ = [
    "MAX_EDITED_CHARS",
    "MAX_RATIONALE_CHARS",
    "VERDICT_WORDS",
    "AgentsSaid",
    "AnnotationQueue",
    "HumanVerdict",
    "Item",
    "Offer",
    "Opinion",
    "Progress",
    "QueueRules",
    "Recorded",
    "ReviewerVote",
    "Undone",
    "Wanted",
    "agents_said",
    "annotation_id",
    "annotations_of",
    "annotator_mistake",
    "progress_of",
]
