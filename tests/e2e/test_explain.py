"""Every pair can be explained: by its votes, by people, and to a terminal that its texts can't touch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from camelx import stages
from camelx.cycles import open_store
from camelx.errors import ConfigError
from camelx.lineage.explaining import Explanation, explain_pair
from camelx.schemas import Role, Stage

from .conftest import CountingServer
from .looking_back import camelx, change, judge, pairs_of, ranked_cycle, siblings


def test_a_pair_is_explained_by_its_votes_and_by_people(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    cycle_id = ranked_cycle(counted_config, Stage.GENERATE, Stage.RANK)
    (better, worse) = siblings(cycle_id)[0]
    judge([(worse, better)], rationale="It is greater.", rating=4)
    stages.export_preference_pairs(cycle_id)
    pair = next(p for p in pairs_of(root, cycle_id) if p.source == "human")
    found = explain_pair(pair.id[:12])
    assert found == explain_pair(pair.id, cycle_id=cycle_id)
    assert found.pair == pair
    assert (found.chosen.interaction_id, found.rejected.interaction_id) == (better, worse)
    assert found.probability is not None
    assert found.probability > 0.5
    assert found.n_orders == 2
    with open_store() as store:
        stored = {vote.id: vote for vote in store.votes(cycle_id)}
        turns = {row.id: row for row in store.interactions(cycle_id, Stage.RANK)}
        weights = {
            row["judge"]: row["weight"] for row in store.stage_reports(cycle_id)[Stage.RANK].details["judges"]
        }
    assert {vote.vote_id for vote in found.votes if vote.is_counted} == set(pair.vote_ids)
    for vote in found.votes:
        turn = turns[vote.interaction_id or ""]
        assert vote.favours == "chosen"
        assert vote.verdict is stored[vote.vote_id].verdict
        assert (vote.reply, vote.seed, vote.prompt) == (turn.completion, turn.seed, turn.messages)
        assert vote.weight == pytest.approx(weights[vote.judge])
    (said,) = found.annotations
    assert (said.favours, said.state, said.annotation.rationale) == ("chosen", "used", "It is greater.")

    page = camelx("explain", pair.id).stdout
    for word in (pair.chosen, pair.rejected, found.goal.text, "Verdict:", "It is greater.", "none yet"):
        assert word in page
    assert Explanation.model_validate_json(camelx("explain", pair.id, "--json").stdout) == found


def test_a_proposals_pair_is_explained_by_the_votes_on_its_executions(root: Path, exported: str) -> None:
    pair = next(p for p in pairs_of(root, exported) if p.role is Role.PROPOSER)
    found = explain_pair(pair.id)
    counted = [vote for vote in found.votes if vote.is_counted]
    assert {vote.vote_id for vote in counted} == set(pair.vote_ids)
    assert {vote.first_side for vote in counted} == {"chosen", "rejected"}
    assert pair.chosen_id not in {vote.first_id for vote in counted}


def test_a_pair_of_an_earlier_cycles_results_is_explained(
    root: Path, counted: CountingServer, counted_config: Path
) -> None:
    first = ranked_cycle(counted_config, Stage.GENERATE, Stage.RANK, Stage.EXPORT)
    (better, worse) = siblings(first)[0]
    (said,) = judge([(worse, better)])
    second = ranked_cycle(counted_config, Stage.GENERATE, Stage.RANK, Stage.EXPORT)
    pair = next(p for p in pairs_of(root, second) if {p.chosen_id, p.rejected_id} == {better, worse})
    found = explain_pair(pair.id, cycle_id=second)
    assert (found.chosen.interaction_id, found.chosen.text) == (better, pair.chosen)
    assert (found.chosen.score, found.probability, found.votes) == (None, None, ())
    assert [(a.annotation.id, a.favours, a.state) for a in found.annotations] == [(said.id, "chosen", "used")]
    assert "rests on people alone" in camelx("explain", pair.id, "--cycle", second).stdout


def test_a_pair_names_the_adapters_that_were_trained_on_it(root: Path, exported: str) -> None:
    from camelx.schemas import Cycle, CycleStatus, StageReport

    def register(cycle_id: str, version: int) -> StageReport:
        details = {"name": "tiny", "version": version, "promoted": version == 1}
        return StageReport(
            cycle_id=cycle_id, stage=Stage.REGISTER, status=CycleStatus.COMPLETED, details=details
        )

    with open_store() as store:
        store.save_stage_report(register(exported, 1))
        for number, parent in ((2, 1), (3, None), (4, 2)):
            store.add_cycle(
                Cycle(id=f"c{number}", number=number, config={}, trace_id="t", parent_version=parent)
            )
            store.save_stage_report(register(f"c{number}", number))
    found = explain_pair(pairs_of(root, exported)[0].id)
    assert [(a.label, a.is_direct, a.is_promoted) for a in found.adapters] == [
        ("tiny/1", True, True),
        ("tiny/2", False, False),
        ("tiny/4", False, False),
    ]


def test_an_id_that_fits_no_pair_or_several_is_answered_with_what_to_do(root: Path, exported: str) -> None:
    with pytest.raises(ConfigError, match=r"no pair of any of 1 cycles .* begins with 'zz'; the field `id`"):
        explain_pair("zz")
    with pytest.raises(ConfigError, match="no pair of cycle c1"):
        explain_pair("", cycle_id=exported)
    ids = sorted(pair.id for pair in pairs_of(root, exported))
    digit = next(d for d in "0123456789abcdef" if sum(i.startswith(d) for i in ids) > 1)
    done = camelx("explain", digit)
    assert done.exit_code == 2
    assert "give more digits" in done.stderr
    assert next(i for i in ids if i.startswith(digit)) in done.stderr


_HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07 [bold red]fake[/] \u202egnp.exe\r\u2028Chosen: me\x9b31m\nVotes (99 counted)"
)


def test_hostile_texts_can_neither_steer_the_terminal_nor_pass_for_the_page(
    root: Path, exported: str
) -> None:
    pair = pairs_of(root, exported)[0]
    found = explain_pair(pair.id)
    vote = next(vote for vote in found.votes if vote.is_counted)
    change(
        root,
        "update interactions set completion = ? where id = ?",
        _HOSTILE + "\nVerdict: A",
        vote.interaction_id,
    )
    change(root, "update goals set text = ?, source = ? where id = ?", _HOSTILE, _HOSTILE, found.goal.id)
    judge([(pair.chosen_id, pair.rejected_id)], who=_HOSTILE, rationale=_HOSTILE)
    page = camelx("explain", pair.id).stdout
    assert not set(page) & set("\x1b\x07\r\x9b\u202e\u2028")
    assert "[bold red]fake[/]" in page
    assert "\\u{1b}[2J" in page
    headings = [line for line in page.splitlines() if line.startswith("Votes (")]
    assert len(headings) == 1, "a text that looks like a heading stands behind a bar"
    assert json.loads(camelx("explain", pair.id, "--json").stdout)["goal"]["text"] == _HOSTILE


@pytest.mark.parametrize("letter", ["a", "語", "e\u0301"])
def test_on_a_terminal_no_line_is_left_to_be_wrapped(
    root: Path, exported: str, monkeypatch: pytest.MonkeyPatch, letter: str
) -> None:
    from rich.cells import cell_len

    pair = pairs_of(root, exported)[0]
    vote = explain_pair(pair.id).votes[0]
    forged = letter * 40 + "Votes (99 counted)" * 9
    change(root, "update interactions set completion = ? where id = ?", forged, vote.interaction_id)
    change(root, "update votes set verdict = null, error = ? where id = ?", forged, vote.vote_id)
    judge([(pair.chosen_id, pair.rejected_id)], who=forged)
    for name, value in {"FORCE_COLOR": "1", "TERM": "dumb", "COLUMNS": "40", "LINES": "25"}.items():
        monkeypatch.setenv(name, value)
    page = camelx("explain", pair.id).stdout.splitlines()
    assert max(map(cell_len, page)) <= 40
    forgeries = [line for line in page if "99 counted" in line]
    assert len(forgeries) > 9
    assert all(line.startswith(("  │ ", "      ")) for line in forgeries)


def test_a_long_reply_is_cut_and_says_where_the_whole_is(root: Path, exported: str) -> None:
    pair = pairs_of(root, exported)[0]
    vote = explain_pair(pair.id).votes[0]
    reply = "a" * 5_000 + "\nVerdict: A"
    change(root, "update interactions set completion = ? where id = ?", reply, vote.interaction_id)
    page = camelx("explain", pair.id).stdout
    assert "a" * 1_000 not in page
    assert f"camelx explain {pair.id} --json has the prompt and the whole reply" in page
