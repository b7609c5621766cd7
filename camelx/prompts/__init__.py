"""The messages that agents are asked with, and how what they decide is read back.

One place, because four rooms must agree on them: generation asks, ranking judges, evaluation repeats, and
the demo model is trained on exactly these forms. An agent's system message comes from `agents.yaml`;
everything else is here: the forms in `messages`, the reading of replies in `verdicts`. What a model or a goal
file wrote is data: `fences` keeps it from being taken for anything else, and what a tokenizer would read as
the begin of a turn is broken wherever a conversation is tokenized (`disarmed`).
"""

from camelx.prompts.fences import MAX_RESULT_CHARS, control_pattern, disarmed, fenced
from camelx.prompts.live import carry_out_words, comment_words, goal_words
from camelx.prompts.messages import (
    MAX_RESULTS,
    discussion_messages,
    execution_messages,
    listwise_messages,
    proposal_messages,
    rating_messages,
    review_messages,
)
from camelx.prompts.verdicts import parse_ranking, parse_ratings, parse_verdict

__all__ = [
    "MAX_RESULTS",
    "MAX_RESULT_CHARS",
    "carry_out_words",
    "comment_words",
    "control_pattern",
    "disarmed",
    "discussion_messages",
    "execution_messages",
    "fenced",
    "goal_words",
    "listwise_messages",
    "parse_ranking",
    "parse_ratings",
    "parse_verdict",
    "proposal_messages",
    "rating_messages",
    "review_messages",
]
