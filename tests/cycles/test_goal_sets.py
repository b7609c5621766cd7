"""The hold-out: checked before it is frozen, frozen anew where an import corrects one of its answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from camelx.config import RunConfig, load_config, settings
from camelx.cycles import open_store
from camelx.cycles.goal_sets import choose_goals, frozen_holdout, size_notes
from camelx.cycles.imports import import_goals
from camelx.errors import EvaluationError
from camelx.evaluation import holdout_hash
from camelx.schemas import Goal, Split
from camelx.storage import Store

CONFIG = Path(__file__).parents[2] / "configs" / "cycle.yaml"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("CAMELX_ROOT", str(tmp_path))
    settings.cache_clear()
    with open_store() as opened:
        yield opened
    settings.cache_clear()


def _config(**overrides: object) -> RunConfig:
    return load_config(CONFIG, {"goals.source": "database", **overrides})


def _csv(folder: Path, *rows: str) -> Path:
    path = folder / "goals.csv"
    path.write_text("\n".join(["question,answer", *rows, ""]))
    return path


def test_a_held_out_answer_that_can_not_be_compared_stops_before_the_hold_out_is_frozen(store: Store) -> None:
    store.add_goals([Goal.new("Train?", answer="1")])
    store.add_goals(
        [Goal.new(f"Held {i}?", answer=a, split=Split.HELDOUT) for i, a in enumerate(("2", "abc"))]
    )
    with pytest.raises(EvaluationError, match=r"'Held 1\?': expected answer 'abc' holds no number"):
        choose_goals(store, _config(), seed=0)
    assert store.holdouts() == []
    assert choose_goals(store, _config(**{"evaluation.verifier": "exact"}), seed=0)


def test_a_corrected_answer_keeps_its_goal_held_out_and_freezes_the_hold_out_anew(
    store: Store, tmp_path: Path
) -> None:
    path = _csv(tmp_path, "What is 1 + 1?,2", "What is 2 + 2?,5")
    assert import_goals(path, split=Split.HELDOUT).n_new == 2
    before = {n: frozen_holdout(store, _config(**{"goals.heldout_n": n})) for n in (2, 300)}
    assert before[2] == before[300]
    corrected = _csv(tmp_path, "What is 1 + 1?,2", "What is 2 + 2?,4")

    kept = import_goals(corrected)
    assert (kept.n_new, kept.n_updated, len(kept.remarks)) == (0, 0, 1)
    assert kept.remarks[0].startswith(f"{corrected}:3: stored with the answer '5'")
    assert store.goals() == kept_order(before[2])

    done = import_goals(corrected, update=True)
    assert done.n_updated == 1
    assert [note.split(" has ")[0] for note in done.remarks[1:]] == [
        "the frozen hold-out database-2",
        "the frozen hold-out database-300",
    ]
    after = frozen_holdout(store, _config())
    assert {goal.answer for goal in after} == {"2", "4"}
    assert all(goal.split is Split.HELDOUT for goal in after)
    assert {holdout.sha256 for holdout in store.holdouts()} == {holdout_hash(after)}
    assert import_goals(corrected, update=True).remarks == ()


def kept_order(goals: list[Goal]) -> list[Goal]:
    return sorted(goals, key=lambda goal: goal.id)


def test_the_share_of_a_file_that_is_held_out_is_exact_and_always_the_same(
    store: Store, tmp_path: Path
) -> None:
    path = _csv(tmp_path, *(f"What is {i} + 1?,{i + 1}" for i in range(27)))
    first = import_goals(path, heldout_share=0.3)
    held = [goal.id for goal in first.goals if goal.split is Split.HELDOUT]
    assert len(held) == 8
    again = import_goals(path, heldout_share=0.3)
    assert [goal.id for goal in again.goals if goal.split is Split.HELDOUT] == held


def test_small_sets_are_remarked_on_and_whole_ones_are_not() -> None:
    asked = {"n": 200, "heldout_n": 300}
    assert size_notes(asked, n=200, heldout_n=300) == []
    assert size_notes(asked) == []
    fewer, heldout, decides = size_notes(asked, n=22, heldout_n=4)
    assert fewer.startswith("22 of the 200 goals")
    assert heldout.startswith("4 of the 300 held-out goals")
    assert decides.startswith("4 held-out goals are too few to decide")
    assert len(size_notes({"n": 200, "heldout_n": 10}, n=200, heldout_n=10)) == 1
