"""A cycle is judged once more from its stored replies, and what is not as it was is found."""

from __future__ import annotations

import json
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest
from cycle_page import page_of

from camelx import ranking, stages
from camelx.cycles import open_store
from camelx.cycles.imports import import_rounds
from camelx.cycles.opening import open_cycle
from camelx.cycles.summary import cycle_summary
from camelx.errors import CamelxError, ConfigError, DataValidationError, OrchestrationError
from camelx.export import read_pairs
from camelx.lineage.explaining import explain_pair
from camelx.lineage.replaying import replay_cycle
from camelx.schemas import Goal, Interaction, Role, Split, Stage, Verdict

from .conftest import CountingServer
from .looking_back import camelx, change, judge, pairs_of, ranked_cycle, siblings

_OTHER = {"ranking.ranker.kind": "bradley_terry"}


def test_a_cycle_comes_out_of_its_replies_byte_for_byte_without_a_model(root: Path, exported: str) -> None:
    found = replay_cycle(exported)
    assert found.identical
    assert found.faithful
    with open_store() as store:
        votes = store.votes(exported)
        assert found.rankings.n == found.rankings.n_stored == len(store.rankings(exported)) > 0
        assert found.comparisons.n == found.comparisons.n_stored == len(store.comparisons(exported)) > 0
    assert (found.replies.n_votes, found.replies.n_turns, found.replies.n_without) == (len(votes),) * 2 + (0,)
    assert [Path(file.path).name for file in found.files] == ["pairs.parquet", "pairs.jsonl"]
    assert all(file.sha256 == file.stored_sha256 == file.reported_sha256 for file in found.files)
    assert len(found.changes.kept) == found.n_pairs == len(pairs_of(root, exported)) > 0
    assert not found.changes.gained + found.changes.lost + found.changes.flipped

    shown = camelx("replay", exported)
    assert shown.exit_code == 0, shown.output
    assert "identical" in shown.stdout.splitlines()
    assert json.loads(camelx("replay", exported, "--json").stdout) == json.loads(found.model_dump_json())


@pytest.mark.parametrize(
    ("settings", "form"),
    [
        ({"form": "listwise", "list_size": 3}, "listwise"),
        ({"form": "rating", "list_size": 4}, "rating"),
        ({"buying": {"budget": {"calls_per_goal": 4}}}, "pairwise"),
        ({"discussion": {}, "reviewers_per_pair": 2}, "pairwise"),
    ],
)
def test_every_way_of_asking_is_replayed_and_explained(
    root: Path, counted: CountingServer, counted_config: Path, settings: dict[str, Any], form: str
) -> None:
    counted.is_erratic = True
    overrides = {f"ranking.{key}": value for key, value in settings.items()}
    cycle_id = open_cycle(str(counted_config), overrides=overrides | {"export.min_weight": 0.0})
    for stage in (stages.generate_interactions, stages.mutual_rank, stages.export_preference_pairs):
        report = stage(cycle_id)
    with open_store() as store:
        votes = store.votes(cycle_id)
        spent = store.stage_reports(cycle_id)[Stage.RANK].details["spent"]
    assert {vote.form for vote in votes} == {form}
    assert ("discussion" in settings) == any(vote.round for vote in votes)
    found = replay_cycle(cycle_id)
    assert found.identical
    assert (found.replies.n_votes, found.replies.n_turns) == (len(votes), spent["calls"])
    pairs = pairs_of(root, cycle_id)
    assert len(pairs) == report.counts["pairs"] > 0
    explained = explain_pair(pairs[0].id)
    assert {vote.vote_id for vote in explained.votes if vote.is_counted} == set(pairs[0].vote_ids)
    for vote in explained.votes:
        assert f"<result_{vote.first_letter.lower()}>" in vote.prompt[-1].content
        with open_store() as store:
            text = store.interactions_by_id([vote.first_id])[vote.first_id].completion
        assert f"<result_{vote.first_letter.lower()}>\n{text}\n" in vote.prompt[-1].content


def test_a_replay_takes_the_judgements_that_were_used_whatever_people_did_since(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    cycle_id = ranked_cycle(counted_config, Stage.GENERATE, Stage.RANK)
    kept, changed, gone, later = siblings(cycle_id)[:4]
    used = judge([kept, changed, gone])
    report = stages.export_preference_pairs(cycle_id)
    assert report.counts["human"] == 3
    assert report.details["annotations"]["n"] == 3
    assert replay_cycle(cycle_id).annotations.n_used == 3

    judge([changed], verdict=Verdict.FIRST)
    judge([later])
    change(root, "delete from annotations where id = ?", used[2].id)
    found = replay_cycle(cycle_id)
    assert found.identical
    people = found.annotations
    assert (people.n_used, people.n_changed, people.n_taken_back, people.n_new) == (3, 1, 1, 1)
    said = camelx("replay", cycle_id).stdout
    assert "1 changed, 1 taken back: only the copies are left, 1 new" in said

    # What is new counts when the stage runs again, and for the reviewers of the next cycle.
    assert open_cycle("unused", cycle_id=cycle_id, from_stage=Stage.RANK) == cycle_id
    assert stages.mutual_rank(cycle_id).details["annotations"]["n"] == 3
    assert stages.export_preference_pairs(cycle_id).counts["human"] == 3
    following = ranked_cycle(counted_config, Stage.GENERATE, Stage.RANK)
    with open_store() as store:
        ranked = store.stage_reports(following)[Stage.RANK].details
    assert ranked["panel"]["verified"] is False, "three labels are too few"
    assert ranked["panel"]["n_labelled"] == 3
    assert ranked["annotations"]["n"] == 3
    stages.export_preference_pairs(following)
    change(root, "update annotations set verdict = 'tie' where id = ?", used[0].id)
    assert replay_cycle(following).identical


def test_copies_that_were_tampered_with_are_not_taken_for_what_people_said(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    cycle_id = ranked_cycle(counted_config, Stage.GENERATE, Stage.RANK)
    (used,) = judge(siblings(cycle_id)[:1])
    stages.export_preference_pairs(cycle_id)
    forged = used.model_copy(update={"verdict": Verdict.FIRST}).model_dump_json()
    change(root, "update used_annotations set annotation = ?", forged)
    found = replay_cycle(cycle_id)
    assert not found.annotations.is_intact
    assert not found.faithful
    assert "NOT those that the stages reported" in camelx("replay", cycle_id).stdout


def test_another_ranker_makes_other_pairs_and_says_which(root: Path, exported: str) -> None:
    before = (root / "data" / exported / "pairs.parquet").read_bytes()
    found = replay_cycle(exported, overrides=_OTHER)
    assert found.faithful
    assert not found.identical
    assert found.rankings.n_different == found.rankings.n
    assert found.rankings.largest_difference > 0
    assert found.changes.n_reweighted > 0

    shown = camelx(
        "replay", exported, "--set", "ranking.ranker.kind=bradley_terry", "--set", "export.min_weight=0.99",
        "--out", str(root / "other"),
    )  # fmt: skip
    assert shown.exit_code == 0, "differences that were asked for are no failure"
    assert "ranking.ranker.kind = bradley_terry, export.min_weight = 0.99" in shown.stdout
    assert " lost" in shown.stdout
    made = read_pairs(root / "other" / "pairs.parquet")
    assert {pair.ranker for pair in made} <= {"bradley_terry"}
    assert len(made) < len(pairs_of(root, exported))
    assert (root / "data" / exported / "pairs.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"goals.n": 3}, "changes nothing in a replay"),
        ({"ranking.form": "listwise"}, "changes nothing in a replay"),
        ({"ranking.ranker.prior": 3}, "unknown key"),
        ({"export.min_weight": 3}, "export.min_weight"),
    ],
)
def test_an_override_that_can_change_nothing_is_refused(
    exported: str, overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        replay_cycle(exported, overrides=overrides)


def test_a_reply_that_was_tampered_with_is_found(root: Path, exported: str) -> None:
    with open_store() as store:
        vote = next(v for v in store.votes(exported) if v.verdict is Verdict.FIRST)
    change(root, "update interactions set completion = 'Verdict: B' where id = ?", vote.interaction_id)
    found = replay_cycle(exported)
    (misread,) = found.replies.misread
    assert (misread.vote_id, misread.judge) == (vote.id, vote.judge)
    assert (misread.stored, misread.read) == (Verdict.FIRST, Verdict.SECOND)
    assert not found.identical
    shown = camelx("replay", exported)
    assert shown.exit_code == 10
    assert f"vote {vote.id} of {vote.judge}: stored first, its reply says second" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "DIFFERENT"
    assert camelx("replay", exported, "--set", "export.min_weight=0.4").exit_code == 10

    change(root, "update interactions set completion = 'who knows' where id = ?", vote.interaction_id)
    assert replay_cycle(exported).replies.misread[0].read is None


def test_a_verdict_a_row_or_a_file_that_was_tampered_with_is_found(root: Path, exported: str) -> None:
    (root / "data" / exported / "pairs.jsonl").write_text("{}\n")
    found = replay_cycle(exported)
    assert found.faithful
    assert [file.identical for file in found.files] == [True, False]
    (root / "data" / exported / "pairs.parquet").unlink()
    assert "the cycle's file is not there" in camelx("replay", exported).stdout
    with open_store() as store:
        one = store.rankings(exported)[0]
        vote = next(v for v in store.votes(exported) if v.verdict is Verdict.SECOND)
    change(root, "update rankings set score = score + 1 where interaction_id = ?", one.interaction_id)
    found = replay_cycle(exported)
    assert (found.rankings.n_different, found.rankings.largest_difference) == (1, pytest.approx(1.0))
    change(root, "update votes set verdict = null where id = ?", vote.id)
    (misread,) = replay_cycle(exported).replies.misread
    assert (misread.stored, misread.read) == (None, Verdict.SECOND)


def test_imported_votes_have_no_reply_and_are_taken_as_they_are(root: Path, counted_config: Path) -> None:
    def said(judge: str, first: str, second: str) -> dict[str, Any]:
        return {"judge": judge, "first": first, "second": second, "winner": max(first, second)}

    names = ("ann", "bob", "cid")
    rounds = [
        {
            "goal": f"Describe number {i}.",
            "outputs": {"ann": f"It is {i}.", "bob": f"The number {i}.", "cid": f"{i} is a number"},
            "votes": [said(judge, *pair) for judge in names for pair in permutations(names, 2)],
            "human": [{"a": "ann", "b": "cid", "votes": [1, 1, -1]}],
        }
        for i in range(6)
    ]
    path = root / "rounds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rounds))
    cycle_id, read = import_rounds(path, counted_config)
    assert not read.broken
    ranked = stages.mutual_rank(cycle_id)
    assert ranked.details["panel"] | {"conflicts": []} == {"verified": True, "n_labelled": 6, "conflicts": []}
    assert ranked.details["spent"] == {}
    assert stages.export_preference_pairs(cycle_id).counts["human"] == 6
    found = replay_cycle(cycle_id)
    assert found.identical
    assert (found.replies.n_turns, found.replies.n_votes, found.replies.n_without) == (0, 0, 6 * 18)
    assert "108 votes were imported without a reply" in camelx("replay", cycle_id).stdout
    pair = pairs_of(root, cycle_id)[0]
    assert "imported: there is no prompt and no reply" in camelx("explain", pair.id).stdout


def test_reviewers_who_collapsed_stop_the_cycle_with_a_report(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    counted.always = "Verdict: A"
    cycle_id = open_cycle(str(counted_config), overrides={"ranking.limits.min_votes": 5})
    stages.generate_interactions(cycle_id)
    stages.mutual_rank(cycle_id)
    with pytest.raises(DataValidationError, match="reviewer 'proposer-1'") as raised:
        stages.export_preference_pairs(cycle_id)
    assert set(raised.value.failed_rules) == {"max_flip_rate", "max_same_answer"}
    assert raised.value.report_path == root / "data" / cycle_id / "panel.html"
    assert "proposer-1" in raised.value.report_path.read_text()
    assert "panel.html" in page_of(cycle_summary(cycle_id))
    found = replay_cycle(cycle_id)
    assert found.identical, "its pairs are there, though they were never handed on"
    assert [Path(file.path).name for file in found.files] == ["pairs.parquet", "pairs.jsonl"]


def test_a_cycle_stopped_by_a_limit_is_replayed_with_the_judgements_that_it_used(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    counted.always = "Verdict: A"
    cycle_id = open_cycle(str(counted_config), overrides={"ranking.limits.min_votes": 5})
    stages.generate_interactions(cycle_id)
    stages.mutual_rank(cycle_id)
    used, later = siblings(cycle_id)[:2]
    judge([used])
    unmade = replay_cycle(cycle_id)
    assert (unmade.identical, unmade.differs, unmade.files) == (False, False, ())
    assert (unmade.annotations.is_known, unmade.annotations.n_used, unmade.annotations.n_new) == (False, 1, 0)
    shown = camelx("replay", cycle_id)
    assert (shown.exit_code, shown.stdout.splitlines()[-1]) == (
        0, "as stored, but the cycle has no pairs to compare with",
    )  # fmt: skip
    assert "1 judgements are used, for the pairs today's" in shown.stdout

    with pytest.raises(DataValidationError):
        stages.export_preference_pairs(cycle_id)
    judge([used], verdict=Verdict.FIRST)
    judge([later])
    found = replay_cycle(cycle_id)
    assert found.identical
    people = found.annotations
    assert (people.is_known, people.n_used, people.n_changed, people.n_new) == (True, 1, 1, 1)
    (root / "data" / cycle_id / "pairs.jsonl").write_text("{}\n")
    assert camelx("replay", cycle_id).exit_code == 10


def test_a_replay_writes_into_no_cycles_folder_and_compares_with_what_was_there(
    root: Path, exported: str
) -> None:
    folder = root / "data" / exported
    before = (folder / "pairs.parquet").read_bytes()
    (root / "link").symlink_to(folder)
    for out in (folder, folder / "other", root / "link"):
        with pytest.raises(ConfigError, match=f"lies in the folder of cycle {exported}"):
            replay_cycle(exported, overrides={"export.min_weight": 0.99}, out=out)
    assert (folder / "pairs.parquet").read_bytes() == before
    assert replay_cycle(exported, out=root / "other").identical


def test_a_cycle_without_rankings_can_not_be_replayed(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    cycle_id = open_cycle(str(counted_config))
    with pytest.raises(OrchestrationError, match="has no rankings to replay"):
        replay_cycle(cycle_id)
    with pytest.raises(CamelxError, match="no cycle 'c9'"):
        replay_cycle("c9")


def test_every_vote_keeps_its_prompt_reply_seed_order_and_reviewer(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    """In mutual ranking and in the evaluation, where goals without an answer are judged too."""
    with open_store() as store:
        for split, n in ((Split.TRAIN, 8), (Split.HELDOUT, 4)):
            store.add_goals(Goal.new(f"Say something of {split} {i}.", split=split) for i in range(n))
    cycle_id = open_cycle(str(counted_config), overrides={"goals.source": "database"})
    for name in tuple(Stage)[: tuple(Stage).index(Stage.EVALUATE) + 1]:
        stages.BY_NAME[name](cycle_id)
    with open_store() as store:
        by_stage = {stage: store.votes(cycle_id, stage) for stage in (Stage.RANK, Stage.EVALUATE)}
        rows = {row.id: row for row in store.interactions(cycle_id)}
    assert all(by_stage.values()), "both stages have votes"
    for stage, votes in by_stage.items():
        for vote in votes:
            turn = rows[vote.interaction_id or ""]
            assert (turn.stage, turn.role, turn.agent, turn.model) == (
                stage, Role.PEER_REVIEWER, vote.judge, "counted",
            )  # fmt: skip
            assert turn.seed is not None
            assert turn.completion
            _check_shown(turn, rows[vote.first_id], rows[vote.second_id])
            same_turn = [v for v in votes if v.interaction_id == turn.id]
            shown = ranking.shown_order(same_turn)
            said = ranking.read_reply(vote.form, turn.completion, len(shown))
            assert (
                dict(zip(combinations(shown, 2), said, strict=True))[vote.first_id, vote.second_id]
                is vote.verdict
            )
    assert replay_cycle(cycle_id).identical


def _check_shown(turn: Interaction, first: Interaction, second: Interaction) -> None:
    asked = turn.messages[-1].content
    a, b = asked.index("<result_a>"), asked.index("<result_b>")
    assert first.completion in asked[a:b]
    assert second.completion in asked[b:]
