"""Rounds played elsewhere: goals with several models' outputs, the votes on them, and people's verdicts.

One goal a line; `docs/importing.md` describes the format. A line is taken whole or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from camelx.importing.answers import expected_answer
from camelx.importing.report import (
    BrokenRow,
    BrokenRowError,
    Place,
    clean_text,
    filled_text,
    require_whole,
)
from camelx.importing.rows import read_rows
from camelx.prompts import execution_messages
from camelx.schemas import Annotation, Goal, Interaction, Role, Split, Stage, Verdict, Vote, stable_id

_HUMAN_VERDICTS: Mapping[object, Verdict | Literal["both_bad"]] = {
    1: Verdict.FIRST,
    -1: Verdict.SECOND,
    0: Verdict.TIE,
    "both_bad": "both_bad",
}


@dataclass
class Rounds:
    """What a file of rounds holds, as the records of one cycle."""

    goals: list[Goal] = field(default_factory=list)
    interactions: list[Interaction] = field(default_factory=list)
    votes: list[Vote] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    broken: list[BrokenRow] = field(default_factory=list)
    n_rows: int = 0


def read_rounds(
    path: Path,
    cycle_id: str,
    *,
    split: Split = Split.TRAIN,
    source: str | None = None,
    strict: bool = False,
) -> Rounds:
    """Return the rounds of a file as goals, interactions, votes and annotations of the cycle.

    Every output is an execution of the goal, without a proposal; all outputs of a goal answer the same
    messages. The ids depend on the cycle and on the content alone.

    Args:
        path: Usually .jsonl; whatever `read_goals` reads and can hold lists.
        cycle_id: The cycle that the records will belong to.
        split: Where the goals belong.
        source: Where the goals came from; the file's name where None.
        strict: Take nothing from a file with a broken row.

    Raises:
        ConfigError: The file does not exist or its format is unknown.
        DataValidationError: With `strict`, a row is broken.
    """
    rounds = Rounds()
    places: dict[str, Place] = {}
    for row in read_rows(path):
        rounds.n_rows += 1
        if isinstance(row, BrokenRow):
            rounds.broken.append(row)
            continue
        place, columns = row
        try:
            one = _Round.parsed(columns, cycle_id, split, source or path.name)
            if first := places.get(one.goal.id):
                raise BrokenRowError(f"the same goal as {first}; put all its outputs and votes on one line")
        except BrokenRowError as e:
            rounds.broken.append(BrokenRow(place, str(e)))
            continue
        places[one.goal.id] = place
        rounds.goals.append(one.goal)
        rounds.interactions += one.outputs.values()
        rounds.votes += one.votes
        rounds.annotations += one.annotations
    if strict:
        require_whole(path, rounds.broken, rounds.n_rows)
    return rounds


@dataclass(frozen=True)
class _Round:
    goal: Goal
    outputs: Mapping[str, Interaction]
    votes: Sequence[Vote]
    annotations: Sequence[Annotation]

    @classmethod
    def parsed(cls, row: Mapping[str, Any], cycle_id: str, split: Split, source: str) -> _Round:
        """Return the records of one line.

        Raises:
            BrokenRowError: Something in it is missing or contradicts the rest.
        """
        goal = Goal.new(
            filled_text(_member(row, "goal"), "goal"),
            answer=expected_answer(row.get("answer"), None, None),
            category=filled_text(row.get("category") or "general", "category"),
            split=split,
            source=source,
        )
        outputs = dict(_outputs(row, goal, cycle_id))
        return cls(
            goal,
            outputs,
            list(_votes(row, goal, outputs, cycle_id)),
            list(_annotations(row, goal, outputs)),
        )


def _outputs(row: Mapping[str, Any], goal: Goal, cycle_id: str) -> Iterator[tuple[str, Interaction]]:
    outputs = _member(row, "outputs")
    if not isinstance(outputs, Mapping) or not outputs:
        raise BrokenRowError("outputs is no object of model: text")
    messages = execution_messages("", goal.text, None)
    for model, text in outputs.items():
        name = filled_text(model, "a model's name")
        yield (
            name,
            Interaction(
                id=stable_id("interaction", cycle_id, Stage.GENERATE, goal.id, name, "", 0),
                cycle_id=cycle_id,
                stage=Stage.GENERATE,
                goal_id=goal.id,
                agent=name,
                role=Role.EXECUTOR,
                model=name,
                messages=messages,
                completion=clean_text(text, f"outputs.{name}"),
            ),
        )


def _votes(
    row: Mapping[str, Any], goal: Goal, outputs: Mapping[str, Interaction], cycle_id: str
) -> Iterator[Vote]:
    repeats: Counter[str] = Counter()
    for where, vote in _items(row, "votes"):
        judge = filled_text(_member(vote, "judge", where), f"{where}.judge")
        first, second = _pair(vote, ("first", "second"), outputs, where)
        vote_id = stable_id("vote", cycle_id, Stage.RANK, judge, first.id, second.id)
        repeats[vote_id] += 1
        error = vote.get("error")
        yield Vote(
            id=vote_id if repeats[vote_id] == 1 else stable_id(vote_id, repeats[vote_id]),
            cycle_id=cycle_id,
            goal_id=goal.id,
            judge=judge,
            first_id=first.id,
            second_id=second.id,
            verdict=None if error else _verdict(_member(vote, "winner", where), first, second, where),
            error=filled_text(error, f"{where}.error") if error else None,
        )


def _annotations(
    row: Mapping[str, Any], goal: Goal, outputs: Mapping[str, Interaction]
) -> Iterator[Annotation]:
    for where, judged in _items(row, "human"):
        first, second = _pair(judged, ("a", "b"), outputs, where)
        verdicts = _listed(judged, "votes", where)
        annotators = _listed(judged, "annotators", where) or [f"human-{i + 1}" for i in range(len(verdicts))]
        if len(set(map(str, annotators))) != len(verdicts):
            raise BrokenRowError(f"{where} has {len(verdicts)} votes of {len(annotators)} annotators")
        for annotator, verdict in zip(annotators, verdicts, strict=True):
            if isinstance(verdict, bool | float | list | dict) or verdict not in _HUMAN_VERDICTS:
                raise BrokenRowError(f"{where}.votes has {verdict!r}, expected 1, -1, 0 or 'both_bad'")
            name = filled_text(annotator, f"{where}.annotators")
            yield Annotation(
                id=stable_id("annotation", first.id, second.id, name),
                goal_id=goal.id,
                first_id=first.id,
                second_id=second.id,
                annotator=name,
                verdict=_HUMAN_VERDICTS[verdict],
            )


def _pair(
    item: Mapping[str, Any], names: tuple[str, str], outputs: Mapping[str, Interaction], where: str
) -> tuple[Interaction, Interaction]:
    """Return the two outputs that an item names."""
    models = [_member(item, name, where) for name in names]
    for name, model in zip(names, models, strict=True):
        if not isinstance(model, str) or model not in outputs:
            raise BrokenRowError(f"{where}.{name} is {model!r}, expected one of {', '.join(outputs)}")
    if models[0] == models[1]:
        raise BrokenRowError(f"{where} compares {models[0]!r} with itself")
    return outputs[models[0]], outputs[models[1]]


def _verdict(winner: object, first: Interaction, second: Interaction, where: str) -> Verdict:
    verdicts = {first.agent: Verdict.FIRST, second.agent: Verdict.SECOND}
    if winner is None:
        return Verdict.TIE
    if not isinstance(winner, str) or winner not in verdicts:
        raise BrokenRowError(
            f"{where}.winner is {winner!r}, expected {', '.join(verdicts)} or null for a tie"
        )
    return verdicts[winner]


def _items(row: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects of an optional list, each with its place in the line."""
    for i, item in enumerate(_listed(row, name, "")):
        if not isinstance(item, Mapping):
            raise BrokenRowError(f"{name}[{i}] is {type(item).__name__}, expected an object")
        yield f"{name}[{i}]", item


def _listed(row: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = row.get(name)
    if not isinstance(value, list | type(None)):
        raise BrokenRowError(f"{_at(where, name)} is {type(value).__name__}, expected a list")
    return value or []


def _member(row: Mapping[str, Any], name: str, where: str = "") -> Any:
    if name not in row:
        raise BrokenRowError(f"{_at(where, name)} is missing")
    return row[name]


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
