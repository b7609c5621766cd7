"""A cycle's judgements once more, from the stored replies and without a model: are they what is stored?

Every reply of a reviewer is read again by the parser of its form, rankings and comparisons are computed from
these verdicts, pairs are made from those, and all is compared with what the cycle left: verdicts one by one,
rows one by one, files byte by byte. With another ranker or threshold the same replies say what would have
been different. Of the policy only the base's tokenizer is needed: pairs that are too long are left out.
Called by ``camelx replay``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import computed_field

from camelx import export, ranking
from camelx.adapters import file_sha256
from camelx.config import RunConfig, parse_config, settings, with_overrides
from camelx.cycles import judging, open_store, verdicts
from camelx.errors import ConfigError, DataValidationError, JudgeParseError, OrchestrationError
from camelx.schemas import (
    Annotation,
    Comparison,
    Cycle,
    CycleStatus,
    PreferencePair,
    Ranking,
    Record,
    Role,
    Stage,
    StageReport,
    Verdict,
    Vote,
)
from camelx.storage import Store

CHANGEABLE = ("ranking.ranker", "export", "training.max_length")
"""What a replay can take another value for; all else was settled when the models were asked."""

_OUTCOMES = {Verdict.FIRST: 1.0, Verdict.SECOND: -1.0, Verdict.TIE: 0.0, None: float("nan")}


class Misread(Record):
    """A vote whose stored verdict is not what its stored reply says."""

    vote_id: str
    judge: str
    interaction_id: str
    stored: Verdict | None
    """None: unreadable, as in `read`."""
    read: Verdict | None
    why: str | None = None
    """Why the reply can't be read."""


class Replies(Record):
    """The replies of the cycle's reviewers, in mutual ranking and in the evaluation."""

    n_turns: int
    n_votes: int
    """Votes read again from these turns."""
    n_without: int
    """Imported votes: they have no reply, and are taken as they are."""
    misread: tuple[Misread, ...]


class Rows(Record):
    """Stored rows beside those that were computed again."""

    n_stored: int
    n: int
    n_different: int
    largest_difference: float
    """Of score or probability, among the rows that are in both."""


class PairsFile(Record):
    """A pairs file of the cycle beside the one that was written again."""

    path: str
    sha256: str
    """Of the file written again."""
    stored_sha256: str | None
    """Of the cycle's file; None: it is not there."""
    reported_sha256: str | None
    """What the stage said when it wrote the file; None: it did not."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def identical(self) -> bool:
        """Whether all of them are the same."""
        return self.sha256 == self.stored_sha256 == (self.reported_sha256 or self.stored_sha256)


class PairChanges(Record):
    """Ids of pairs, the stored ones beside those made again."""

    kept: tuple[str, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    flipped: tuple[str, ...]
    """New ids of pairs whose sides changed places."""
    n_reweighted: int
    """Of those kept, how many have another weight."""


class UsedAnnotations(Record):
    """People's judgements that the stages used, and what became of them."""

    n_used: int
    n_taken_back: int
    """Used, and gone from the database since; the replay used the stage's copy."""
    n_changed: int
    """Used, and changed since; likewise."""
    n_new: int
    """On results of this cycle, and made since."""
    is_intact: bool
    """Whether the copies are those that the stages reported."""
    is_known: bool
    """False: no copy is there of those that its pairs were made with, so today's were taken for them."""


class Replay(Record):
    """What a replay found."""

    cycle_id: str
    overrides: dict[str, Any]
    replies: Replies
    annotations: UsedAnnotations
    rankings: Rows
    comparisons: Rows
    n_pairs: int
    files: tuple[PairsFile, ...]
    """Empty where the cycle has made no pairs to compare with."""
    changes: PairChanges
    out: str | None
    """Folder of the pairs that were made again; None: they were compared and not kept."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def faithful(self) -> bool:
        """Whether the stored verdicts are what the replies say, and the annotations those that were used."""
        return not self.replies.misread and self.annotations.is_intact

    @computed_field  # type: ignore[prop-decorator]
    @property
    def differs(self) -> bool:
        """Whether something that is stored did not come out once more."""
        rows_differ = self.rankings.n_different or self.comparisons.n_different
        return not self.faithful or bool(rows_differ) or not all(file.identical for file in self.files)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def identical(self) -> bool:
        """Whether everything came out once more; not so where there are no pairs to compare."""
        return bool(self.files) and not self.differs


def replay_cycle(
    cycle_id: str, *, overrides: Mapping[str, Any] | None = None, out: Path | None = None
) -> Replay:
    """Compute a cycle's rankings and pairs once more from the stored replies, and compare.

    Args:
        cycle_id: A cycle whose results are ranked.
        overrides: Other values by dotted key, below `CHANGEABLE`.
        out: Folder to write the pairs to; None: they are only compared.

    Raises:
        ConfigError: There is no such cycle.
        OrchestrationError: Its mutual ranking has not completed.
        ConfigError: An override is wrong or can't change anything here.
        ConfigError: `out` is a cycle's folder.
    """
    overrides = dict(overrides or {})
    with open_store() as store:
        cycle = store.cycle(cycle_id)
        _check_out(store, out)
        config = _config(cycle, overrides)
        reports = _reports(cycle, store.stage_reports(cycle_id))
        read, replies = _read_again(store, cycle)
        table = store.vote_table(cycle_id)
        votes = [read[vote_id] for vote_id in table["vote_id"]]
        table = table.assign(outcome=[_OUTCOMES[vote.verdict] for vote in votes])
        ranked = judging.rank_cycle_again(store, cycle, config, reports[Stage.RANK], table)
        annotations, are_known = _annotations(store, cycle, reports)
        pairs = judging.pairs_of_cycle(
            store, cycle, config, ranked.rankings, ranked.comparisons, annotations, votes=votes
        ).pairs
        return Replay(
            cycle_id=cycle_id,
            overrides=overrides,
            replies=replies,
            annotations=_used_annotations(store, cycle, reports, annotations, are_known),
            rankings=_compared(store.rankings(cycle_id), ranked.rankings),
            comparisons=_compared(store.comparisons(cycle_id), ranked.comparisons),
            n_pairs=len(pairs),
            changes=_changes(export.stored_pairs(settings().cycle_dir(cycle.id)), pairs),
            files=_written(pairs, out, cycle, reports),
            out=str(out) if out else None,
        )


def _config(cycle: Cycle, overrides: Mapping[str, Any]) -> RunConfig:
    for key in overrides:
        if not any(key == section or key.startswith(f"{section}.") for section in CHANGEABLE):
            raise ConfigError(
                f"--set {key} changes nothing in a replay, which asks no model; valid are "
                f"{', '.join(CHANGEABLE)} and what is below them"
            )
    return with_overrides(parse_config(cycle.config), overrides)


def _check_out(store: Store, out: Path | None) -> None:
    """Refuse to write over what a cycle left."""
    for cycle in store.cycles() if out else ():
        folder = settings().cycle_dir(cycle.id).resolve()
        if out and folder in (out.resolve(), *out.resolve().parents):
            raise ConfigError(
                f"--out {out} lies in the folder of cycle {cycle.id}, whose own pairs it would replace; name "
                "a folder outside of it"
            )


def _reports(cycle: Cycle, reports: Mapping[Stage, StageReport]) -> Mapping[Stage, StageReport]:
    """Return the reports of the stages that ran; mutual ranking must have completed."""
    if Stage.RANK not in reports or reports[Stage.RANK].status is not CycleStatus.COMPLETED:
        raise OrchestrationError(
            f"cycle {cycle.id} has no rankings to replay: {Stage.RANK} has not completed; "
            f"run `camelx cycle --cycle {cycle.id}`"
        )
    return reports


def _read_again(store: Store, cycle: Cycle) -> tuple[dict[str, Vote], Replies]:
    """Return the cycle's votes by id, with the verdicts that the stored replies hold, and what differs."""
    stored = store.votes(cycle.id)
    by_turn: dict[str, list[Vote]] = defaultdict(list)
    for vote in stored:
        if vote.interaction_id is not None:
            by_turn[vote.interaction_id].append(vote)
    replies = {row.id: row.completion for row in store.interactions(cycle.id, role=Role.PEER_REVIEWER)}
    read: dict[str, Vote] = {}
    for turn_id, votes in by_turn.items():
        read |= {vote.id: vote for vote in _votes_in(replies[turn_id], votes)}
    misread = [
        Misread(
            vote_id=vote.id,
            judge=vote.judge,
            interaction_id=vote.interaction_id or "",
            stored=vote.verdict,
            read=read[vote.id].verdict,
            why=read[vote.id].error,
        )
        for vote in stored
        if vote.id in read and read[vote.id].verdict is not vote.verdict
    ]
    counted = Replies(
        n_turns=len(by_turn), n_votes=len(read), n_without=len(stored) - len(read), misread=tuple(misread)
    )
    return {vote.id: read.get(vote.id, vote) for vote in stored}, counted


def _votes_in(reply: str, votes: Sequence[Vote]) -> list[Vote]:
    """Return the votes of one turn with the verdicts that its reply holds; none where it can't be read."""
    try:
        shown = ranking.shown_order(votes)
        verdicts = ranking.read_reply(votes[0].form, reply, len(shown))
    except (JudgeParseError, DataValidationError) as e:
        return [vote.model_copy(update={"verdict": None, "error": str(e)}) for vote in votes]
    said = dict(zip(combinations(shown, 2), verdicts, strict=True))
    return [
        vote.model_copy(update={"verdict": said[vote.first_id, vote.second_id], "error": None})
        for vote in votes
    ]


def _annotations(
    store: Store, cycle: Cycle, reports: Mapping[Stage, StageReport]
) -> tuple[list[Annotation], bool]:
    """Return the judgements that the pairs were made with, or today's and False where no copy was kept."""
    exported = reports.get(Stage.EXPORT)
    # A stage keeps its copy first; one that completed without naming it is older than the copies.
    if exported and (exported.status is not CycleStatus.COMPLETED or "annotations" in exported.details):
        return store.used_annotations(cycle.id, Stage.EXPORT), True
    return verdicts.annotations_to_learn(store, cycle), False


def _used_annotations(
    store: Store,
    cycle: Cycle,
    reports: Mapping[Stage, StageReport],
    of_pairs: Sequence[Annotation],
    are_known: bool,
) -> UsedAnnotations:
    """Return what became of the judgements that the stages used, or that stand for them."""
    copies = {Stage.RANK: store.used_annotations(cycle.id, Stage.RANK), Stage.EXPORT: of_pairs}
    reported = {
        stage: reports[stage].details.get("annotations", {}).get("sha256")
        for stage in copies
        if stage in reports
    }
    used = {(a.id, a) for annotations in copies.values() for a in annotations}
    now = {a.id: a for a in store.annotations({a.goal_id for _, a in used} | set(cycle.goal_ids))}
    ids = {i for i, _ in used}
    return UsedAnnotations(
        n_used=len(ids),
        n_taken_back=len(ids - set(now)),
        n_changed=len({i for i, a in used if i in now and now[i] != a}),
        n_new=len({a.id for a in verdicts.annotations_to_learn(store, cycle)} - ids),
        is_intact=all(
            sha256 in (None, verdicts.annotations_sha256(copies[stage])) for stage, sha256 in reported.items()
        ),
        is_known=are_known,
    )


def _compared(stored: Iterable[Ranking | Comparison], computed: Iterable[Ranking | Comparison]) -> Rows:
    """Return how the rows differ that were computed again."""
    old, new = ({_key(row): row for row in rows} for rows in (stored, computed))
    both = old.keys() & new.keys()
    return Rows(
        n_stored=len(old),
        n=len(new),
        n_different=len(old.keys() ^ new.keys()) + sum(old[key] != new[key] for key in both),
        largest_difference=max((abs(_value(old[key]) - _value(new[key])) for key in both), default=0.0),
    )


def _key(row: Ranking | Comparison) -> tuple[str, ...]:
    return (row.interaction_id,) if isinstance(row, Ranking) else (row.first_id, row.second_id)


def _value(row: Ranking | Comparison) -> float:
    return row.score if isinstance(row, Ranking) else row.probability


def _written(
    pairs: Sequence[PreferencePair], out: Path | None, cycle: Cycle, reports: Mapping[Stage, StageReport]
) -> tuple[PairsFile, ...]:
    """Write the pairs, to `out` or to a folder that is gone afterwards; return them beside the cycle's.

    Files that a stage left which was stopped afterwards, by a limit on its reviewers, are compared too.
    """
    exported = reports.get(Stage.EXPORT)
    with TemporaryDirectory() as passing:
        files = export.write_pairs(pairs, out or Path(passing))
        compared = tuple(
            PairsFile(
                path=str(stored),
                sha256=file_sha256(new),
                stored_sha256=file_sha256(stored) if stored.is_file() else None,
                reported_sha256=exported.details.get(sha256) if exported else None,
            )
            for new, sha256 in ((files.parquet, "parquet_sha256"), (files.jsonl, "jsonl_sha256"))
            for stored in [settings().cycle_dir(cycle.id) / new.name]
        )
    is_whole = exported is not None and exported.status is CycleStatus.COMPLETED
    return compared if is_whole or (exported and any(file.stored_sha256 for file in compared)) else ()


def _changes(stored: Sequence[PreferencePair], made: Sequence[PreferencePair]) -> PairChanges:
    """Return which pairs came, went, or have their sides the other way round."""
    old, new = ({pair.id: pair for pair in pairs} for pairs in (stored, made))
    gone = {(old[i].chosen_id, old[i].rejected_id): i for i in old.keys() - new.keys()}
    turned = {i: gone.get((new[i].rejected_id, new[i].chosen_id)) for i in new.keys() - old.keys()}
    flipped = {i: other for i, other in turned.items() if other is not None}
    kept = old.keys() & new.keys()
    return PairChanges(
        kept=tuple(sorted(kept)),
        gained=tuple(sorted(turned.keys() - flipped.keys())),
        lost=tuple(sorted(set(gone.values()) - set(flipped.values()))),
        flipped=tuple(sorted(flipped)),
        n_reweighted=sum(old[i].weight != new[i].weight for i in kept),
    )
