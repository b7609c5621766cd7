"""What a reviewer's reply says, in any form, as one verdict per pair of the results that it was shown.

Called where replies come in, and by the replay of stored ones.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from camelx.errors import DataValidationError
from camelx.prompts import parse_ranking, parse_ratings, parse_verdict
from camelx.schemas import ReviewForm, Verdict, Vote


def read_reply(form: ReviewForm, reply: str, n_shown: int) -> tuple[Verdict, ...]:
    """Return the verdicts on the pairs of shown results, in the order of `itertools.combinations`.

    FIRST is the result that was shown earlier. A ranking or marks are taken whole or not at all.

    Raises:
        JudgeParseError: The reply can't be read in this form.
    """
    if form == "pairwise":
        return (parse_verdict(reply),)
    if form == "listwise":
        worth = [-place for place in parse_ranking(reply, n_shown)]
    else:
        worth = list(parse_ratings(reply, n_shown))
    return tuple(_better(a, b) for a, b in itertools.combinations(worth, 2))


def shown_order(votes: Sequence[Vote]) -> tuple[str, ...]:
    """Return the results in the order in which one turn showed them.

    Args:
        votes: All votes of the turn: one for each pair of shown results.

    Raises:
        DataValidationError: They are not the votes of one turn.
    """
    wins = Counter(vote.first_id for vote in votes)
    wins.update({vote.second_id: 0 for vote in votes})
    shown = tuple(sorted(wins, key=lambda i: -wins[i]))
    pairs = {(vote.first_id, vote.second_id) for vote in votes}
    if set(itertools.combinations(shown, 2)) != pairs or len(pairs) < len(votes):
        raise DataValidationError(
            f"{len(votes)} votes on {len(shown)} results are not one for each pair of one list; give the "
            "votes of one turn (one interaction_id)"
        )
    return shown


def _better(a: int, b: int) -> Verdict:
    return Verdict.TIE if a == b else Verdict.FIRST if a > b else Verdict.SECOND
