"""A ranked cycle with votes and an exported pair, for tests of the log explorer and of goals' threads."""

from __future__ import annotations

from judged_cycle import GOAL, add_ranked_cycle

from camelx import export
from camelx.config import settings
from camelx.cycles import open_store
from camelx.schemas import Annotation, Interaction, PreferencePair, Role, Stage, Verdict, Vote, stable_id

PAIR_ID = stable_id("pair", "e1", "e4")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e[x](javascript:alert(3))\x1b[31m"


def add_threaded_goal(**texts: str) -> None:
    """Store cycle c1 of `judged_cycle` with two votes on e1 and e4, a verdict of ann and the pair of both."""
    add_ranked_cycle(**texts)
    with open_store() as store:
        rows = store.interactions_by_id(["e1", "e4"])
        turn = Interaction(
            id="turn",
            cycle_id="c1",
            stage=Stage.RANK,
            goal_id=GOAL.id,
            agent="reviewer-1",
            role=Role.PEER_REVIEWER,
            model="m",
            completion="Verdict: A",
            finish_reason="stop",
        )
        store.save_turn(
            [
                Vote(id="v1", cycle_id="c1", goal_id=GOAL.id, judge="reviewer-1", first_id="e1",
                     second_id="e4", verdict=Verdict.FIRST, interaction_id="turn"),
                Vote(id="v2", cycle_id="c1", goal_id=GOAL.id, judge="reviewer-2", first_id="e4",
                     second_id="e1", verdict=None, error="no verdict line"),
            ],
            turn,
        )  # fmt: skip
        store.save_annotations(
            [Annotation(id="a1", goal_id=GOAL.id, first_id="e1", second_id="e4", annotator="ann",
                        verdict=Verdict.FIRST, rationale="It adds.")]
        )  # fmt: skip
        pair = PreferencePair(
            id=PAIR_ID,
            cycle_id="c1",
            goal_id=GOAL.id,
            role=Role.EXECUTOR,
            prompt=rows["e1"].messages,
            chosen=rows["e1"].completion,
            rejected=rows["e4"].completion,
            weight=0.8,
            margin=1.0,
            source="votes",
            chosen_id="e1",
            rejected_id="e4",
            vote_ids=("v1",),
            annotation_ids=("a1",),
            ranker="bradley_terry",
        )
        export.write_pairs([pair], settings().cycle_dir("c1"))
