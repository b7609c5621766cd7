"""Verdicts given on the page change the next cycle: a reviewer's weight, a flipped pair, with its lineage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from charmed_cycle import GOALS, RELIABLE, RIGHT, WRONG, play, result

from camelx.config import Settings
from camelx.cycles.judging import pairs_of_cycle, rank_cycle
from camelx.cycles.verdicts import annotations_to_learn
from camelx.schemas import Cycle, Message, Stage, StageReport, Verdict
from camelx.storage import Store
from camelx.ui.pages.annotate import AnnotatePage, OnScreen
from camelx.workspace import Workspace

CHOSEN = ("c1", "any", "any")


def judge_on_the_page(workspace: Workspace) -> int:
    """Judge cycle c1 to its end as somebody does who knows that "able" is right; return the verdicts."""
    page, request = AnnotatePage(workspace), gr.Request(username="local", query_params={"cycle": "c1"})
    values: tuple[Any, ...] = page.load(request)
    n = 0
    while (screen := next(one for one in values if isinstance(one, OnScreen))).submission_id:
        verdict = Verdict.FIRST if screen.texts[0].startswith("able") else Verdict.SECOND
        values = page.judge(verdict, screen, screen.submission_id, None, "", "", *CHOSEN, request)
        n += 1
    return n


def rank(store: Store, cycle: Cycle) -> Any:
    """Rank the cycle as its stage does, and keep the ranking."""
    ranked = rank_cycle(store, cycle, RELIABLE)
    store.replace_rankings(cycle.id, ranked.rankings, ranked.comparisons)
    store.use_annotations(cycle.id, Stage.RANK, ranked.people.annotations)
    store.save_stage_report(StageReport(cycle_id=cycle.id, stage=Stage.RANK))
    return ranked


def played(store: Store, number: int, goals: list[Any]) -> Cycle:
    """Play a cycle whose answers say what they answer: the same texts on two goals are two pairs."""
    cycle = play(store, number, goals)
    texts = {goal.id: goal.text for goal in goals}
    store.save_interactions(
        row.model_copy(update={"messages": (Message(role="user", content=texts[row.goal_id]),)})
        for row in store.interactions(cycle.id)
    )
    return cycle


def chance_of_able(ranked: Any, cycle: Cycle) -> list[float]:
    able = {result(cycle.id, goal, "able").id for goal in GOALS}
    return [c.probability if c.first_id in able else 1 - c.probability for c in ranked.comparisons]


def pairs(store: Store, cycle: Cycle, ranked: Any) -> list[Any]:
    learned = annotations_to_learn(store, cycle)
    store.use_annotations(cycle.id, Stage.EXPORT, learned)
    return pairs_of_cycle(store, cycle, RELIABLE, ranked.rankings, ranked.comparisons, learned).pairs


def test_verdicts_on_the_page_turn_a_reviewers_weight_and_flip_a_pair_of_the_next_cycle(
    tmp_path: Path,
) -> None:
    rules = {"annotation_repeat_share": 0, "annotation_overlap_share": 0}
    with Workspace.open(Settings(_env_file=None, root=tmp_path, **rules)) as workspace:
        store = workspace.store
        store.add_goals(GOALS)
        rank(store, played(store, 1, GOALS[:25]))
        cycle = played(store, 2, GOALS[25:])
        before = rank_cycle(store, cycle, RELIABLE)
        weights = before.frames.judges.set_index("judge")["weight"]
        assert min(weights[name] for name in WRONG) > weights[RIGHT], "the wrong majority is believed"
        assert max(chance_of_able(before, cycle)) < 0.5

        assert judge_on_the_page(workspace) == 25

        after = rank(store, cycle)
        weights = after.frames.judges.set_index("judge")["weight"]
        assert weights[RIGHT] > max(weights[name] for name in WRONG)
        assert min(chance_of_able(after, cycle)) > 0.5, "every pair of the next cycle is flipped"

        made = pairs(store, cycle, after)
        voted = [pair for pair in made if pair.source == "votes"]
        assert {(pair.chosen, pair.rejected) for pair in voted} == {("able says", "idle says")}
        said = {a.id: a for a in store.annotations()}
        human = [pair for pair in made if pair.source == "human"]
        assert len(human) == len(said) == 25
        for pair in human:
            (annotation,) = (said[i] for i in pair.annotation_ids)
            assert annotation.annotator == "local"
            assert {pair.chosen_id, pair.rejected_id} == {annotation.first_id, annotation.second_id}
        calibrated_with = store.used_annotations("c2", Stage.RANK)
        assert {a.id for a in calibrated_with} == set(said)
        assert set(said) <= store.provenance_ids("c2")
