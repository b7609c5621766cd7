"""How far people, and reviewer agents, agree: with each other, with themselves, with what was settled.

In: annotations and reviewers' votes. Out: an `AgreementReport`: figures with their intervals, or why there is
none. Called by the Agreement page and the API. Pairs that were judged together because their texts are the
same count once. Which of two results was shown first makes no difference: labels name results.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Literal

from camelx.annotation.measures import (
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    percent_agreement,
)
from camelx.auditing.intervals import share, unmeasurable
from camelx.auditing.records import Figure
from camelx.export.judgements import Judgement, settle
from camelx.schemas import Annotation, Record, TimedVote, Verdict, stable_id
from camelx.storage import Store

PairKey = tuple[str, str]
"""Ids of two results, the lesser one first."""
LABELS = ("first", "tie", "second", "both_bad")
"""What is said of a `PairKey`, "first" being the lesser id: the first three in their order."""
_N_LABELS = len(LABELS)
_N_ORDERED = 3
_TIE, _BOTH_BAD = LABELS.index("tie"), LABELS.index("both_bad")
_NO_REPEATS = "no pair was shown to them a second time"
_NOTHING = "they judged nothing"


class Disagreement(Record):
    """A pair on which people differ."""

    first_id: str
    """The lesser id."""
    second_id: str
    goal_id: str
    verdicts: dict[str, str]
    """By annotator, what they say of it: "first", "second", "tie" or "both_bad"."""
    division: float
    """Share of the pairs of people that differ on it: 1 where all differ."""
    settled: str | None
    """What an admin settled; None: nothing yet."""
    settled_by: str | None
    settled_version: str
    """Names what was settled, by whom and when: another where that was changed; empty: nothing yet."""


class PersonFigures(Record):
    """One person."""

    name: str
    n_judged: int
    """Items, repeats not counted."""
    n_repeats: int
    percent: Figure
    """Share of the comparisons with others on the same items in which both said the same."""
    kappa: Figure
    """Cohen's, with all others on the same items; n items."""
    self_percent: Figure
    """Share of the repeats that say what was said first."""
    self_kappa: Figure
    seconds: Figure
    """Median time for a verdict; n verdicts that were timed."""
    ties: Figure
    """Share of their verdicts, as `both_bad`."""
    both_bad: Figure


class Beside(Record):
    """Two people beside each other."""

    one: str
    other: str
    percent: Figure
    kappa: Figure
    """Cohen's; n items that both judged."""


class ReviewerAgreement(Record):
    """One reviewer agent beside what people settled; both orders of a pair are one verdict of it."""

    name: str
    n_judged: int
    """Pairs that people judged, and that it gave readable votes on."""
    percent: Figure
    """Share of these on which it says what people settled; pairs that are both bad have no such answer."""
    kappa: Figure
    """Cohen's."""
    seconds: Figure
    """Median time of a review."""
    ties: Figure
    """Share of its verdicts; where the two orders contradict each other it is one."""


class Together(Record):
    """All people at once."""

    percent: Figure
    """Share of all comparisons of two people on one item in which both said the same."""
    fleiss: Figure
    """Fleiss' kappa; n items with the most usual number of people."""
    alpha: Figure
    """Krippendorff's, nominal: first, second, tie, both bad; n items that at least two judged."""
    ordinal_alpha: Figure
    """Krippendorff's, ordinal: first, tie, second; both bad left out."""
    rating_alpha: Figure
    """Krippendorff's, ordinal, of the ratings from 1 to 5."""


class AgreementReport(Record):
    """How far people and reviewers agree."""

    n_annotations: int
    n_items: int
    """Items that people judged."""
    n_shared: int
    """Of these, items that at least two judged."""
    together: Together
    people: tuple[PersonFigures, ...]
    """By name."""
    matrix: tuple[Beside, ...]
    """Every two people."""
    reviewers: tuple[ReviewerAgreement, ...]
    """By name."""
    n_disputed: int
    """Pairs on which people differ."""
    disagreements: tuple[Disagreement, ...]
    """Those of them that were not settled, the most divided first; then the settled ones."""


def agreement_report(store: Store, cycle_id: str | None = None, *, most: int = 200) -> AgreementReport:
    """Return how far people and reviewers agree.

    Args:
        store: The database.
        cycle_id: On results of this cycle only; None: on all.
        most: Disagreements that are listed.
    """
    annotations = store.annotations_on(cycle_id)
    settled = settle(annotations)
    return report_of(annotations, store.votes_on(settled), settled=settled, most=most)


def report_of(
    annotations: Sequence[Annotation],
    votes: Sequence[TimedVote],
    *,
    settled: Mapping[PairKey, Judgement] | None = None,
    most: int = 200,
) -> AgreementReport:
    """Return the figures of these records; the same ones give the same figures.

    Args:
        annotations: What people said; settled verdicts count in `reviewers` alone.
        votes: What reviewers voted on the same pairs.
        settled: What follows from the annotations, where that is known already.
        most: Disagreements that are listed.
    """
    settled = settle(annotations) if settled is None else settled
    said = [a for a in _one_per_item(annotations) if not a.adjudicated]
    by_person = _last_words(a for a in said if not a.repeat)
    by_item: dict[PairKey, dict[str, Annotation]] = defaultdict(dict)
    for name, words in by_person.items():
        for pair, annotation in words.items():
            by_item[pair][name] = annotation
    disputed = disagreements(annotations)
    names = sorted({a.annotator for a in said})
    return AgreementReport(
        n_annotations=len(annotations),
        n_items=len(by_item),
        n_shared=sum(len(words) > 1 for words in by_item.values()),
        together=_together(by_item),
        people=tuple(_person(name, said, by_person.get(name, {}), by_item) for name in names),
        matrix=tuple(_beside(one, other, by_person) for one, other in combinations(sorted(by_person), 2)),
        reviewers=_reviewers(votes, settled),
        n_disputed=len(disputed),
        disagreements=tuple(disputed[:most]),
    )


def pair_of(annotation: Annotation) -> PairKey:
    """Return the pair that was judged, whichever way round it was shown."""
    a, b = annotation.first_id, annotation.second_id
    return (a, b) if a < b else (b, a)


def label_of(annotation: Annotation) -> str:
    """Return what was said of the pair, "first" being the lesser id."""
    if annotation.verdict in (Verdict.TIE, "both_bad"):
        return str(annotation.verdict)
    is_lesser = (annotation.verdict is Verdict.FIRST) == (annotation.first_id < annotation.second_id)
    return "first" if is_lesser else "second"


def disagreements(annotations: Iterable[Annotation]) -> list[Disagreement]:
    """Return the pairs on which people differ: open ones before settled ones, the most divided first.

    Of pairs that were judged together as the same texts one is listed.
    """
    verdicts: dict[PairKey, dict[str, str]] = defaultdict(dict)
    goals: dict[PairKey, str] = {}
    settled: dict[PairKey, Annotation] = {}
    for a in sorted(annotations, key=lambda a: (a.created_at, a.id)):
        if a.adjudicated:
            settled[pair_of(a)] = a
    for a in sorted(_one_per_item(annotations), key=lambda a: (a.created_at, a.id)):
        if not a.adjudicated and not a.repeat:
            verdicts[pair_of(a)][a.annotator] = label_of(a)
            goals[pair_of(a)] = a.goal_id
    found = [
        Disagreement(
            first_id=pair[0],
            second_id=pair[1],
            goal_id=goals[pair],
            verdicts=dict(sorted(said.items())),
            division=_division(list(said.values())),
            settled=label_of(settled[pair]) if pair in settled else None,
            settled_by=settled[pair].annotator if pair in settled else None,
            settled_version=settled_version(settled.get(pair)),
        )
        for pair, said in verdicts.items()
        if len(set(said.values())) > 1
    ]
    return sorted(
        found, key=lambda d: (d.settled is not None, -d.division, -len(d.verdicts), d.first_id, d.second_id)
    )


def settled_version(settled: Annotation | None) -> str:
    """Return what names a settled verdict: another where somebody settled the pair anew; None: empty."""
    if settled is None:
        return ""
    said = (settled.verdict, settled.rationale or "", settled.edited_text or "")
    return stable_id(settled.id, *said, settled.created_at.isoformat())


def _one_per_item(annotations: Iterable[Annotation]) -> list[Annotation]:
    """Return one annotation of each submission: an item of several pairs with the same texts counts once."""
    kept: list[Annotation] = []
    least: dict[tuple[str, str], Annotation] = {}
    for a in annotations:
        if a.submission_id is None:
            kept.append(a)
            continue
        key = (a.annotator, a.submission_id)
        if key not in least or pair_of(a) < pair_of(least[key]):
            least[key] = a
    return [*kept, *least.values()]


def _last_words(annotations: Iterable[Annotation]) -> dict[str, dict[PairKey, Annotation]]:
    """Return each person's last word on each pair."""
    words: dict[str, dict[PairKey, Annotation]] = defaultdict(dict)
    for a in sorted(annotations, key=lambda a: (a.created_at, a.id)):
        words[a.annotator][pair_of(a)] = a
    return words


def _code(annotation: Annotation) -> int:
    return LABELS.index(label_of(annotation))


def _together(by_item: Mapping[PairKey, Mapping[str, Annotation]]) -> Together:
    shared = [[_code(a) for a in words.values()] for words in by_item.values() if len(words) > 1]
    ordered = [[code for code in codes if code < _N_ORDERED] for codes in shared]
    ratings = [[a.rating - 1 for a in words.values() if a.rating] for words in by_item.values()]
    compared = [[code for pair in combinations(codes, 2) for code in pair] for codes in shared]
    return Together(
        percent=percent_agreement(compared),
        fleiss=fleiss_kappa(shared, _N_LABELS),
        alpha=krippendorff_alpha(shared, _N_LABELS),
        ordinal_alpha=krippendorff_alpha(ordered, _N_ORDERED, is_ordinal=True),
        rating_alpha=krippendorff_alpha(ratings, 5, is_ordinal=True),
    )


def _person(
    name: str,
    said: Sequence[Annotation],
    words: Mapping[PairKey, Annotation],
    by_item: Mapping[PairKey, Mapping[str, Annotation]],
) -> PersonFigures:
    mine = [a for a in said if a.annotator == name]
    with_others = []
    for pair, annotation in words.items():
        others = [a for other, a in by_item[pair].items() if other != name]
        if others:
            with_others.append([code for other in others for code in (_code(annotation), _code(other))])
    repeats = [a for a in mine if a.repeat and pair_of(a) in words]
    again = [[_code(words[pair_of(a)]), _code(a)] for a in repeats]
    first = [_code(a) for a in words.values()]
    return PersonFigures(
        name=name,
        n_judged=len(words),
        n_repeats=len(repeats),
        percent=percent_agreement(with_others),
        kappa=cohen_kappa(with_others, _N_LABELS),
        self_percent=percent_agreement(again, _NO_REPEATS),
        self_kappa=cohen_kappa(again, _N_LABELS) if again else unmeasurable(_NO_REPEATS),
        seconds=_median([a.duration_s for a in mine if a.duration_s is not None], "nobody measured the time"),
        ties=share(first.count(_TIE), len(first), _NOTHING),
        both_bad=share(first.count(_BOTH_BAD), len(first), _NOTHING),
    )


def _beside(one: str, other: str, by_person: Mapping[str, Mapping[PairKey, Annotation]]) -> Beside:
    both = sorted(by_person[one].keys() & by_person[other].keys())
    pairs = [[_code(by_person[one][pair]), _code(by_person[other][pair])] for pair in both]
    return Beside(
        one=one,
        other=other,
        percent=percent_agreement(pairs),
        kappa=cohen_kappa(pairs, _N_LABELS),
    )


def _reviewers(
    votes: Sequence[TimedVote], settled: Mapping[PairKey, Judgement]
) -> tuple[ReviewerAgreement, ...]:
    by_judge: dict[str, list[TimedVote]] = defaultdict(list)
    for vote in votes:
        by_judge[vote.judge].append(vote)
    return tuple(_reviewer(name, by_judge[name], settled) for name in sorted(by_judge))


def _reviewer(
    name: str, votes: Sequence[TimedVote], settled: Mapping[PairKey, Judgement]
) -> ReviewerAgreement:
    pooled = pooled_votes(votes)
    answers = {pair: _settled_code(pair, settled[pair]) for pair in pooled if pair in settled}
    pairs = [[pooled[pair], code] for pair, code in sorted(answers.items()) if code is not None]
    given = list(pooled.values())
    return ReviewerAgreement(
        name=name,
        n_judged=len(pooled),
        percent=percent_agreement(pairs, "people settled none of its pairs for one side or as a tie"),
        kappa=cohen_kappa(pairs, _N_ORDERED),
        seconds=_median([v.latency_s for v in votes if v.latency_s], "its votes were made elsewhere"),
        ties=share(given.count(_TIE), len(given), "it gave no readable vote"),
    )


def pooled_votes(votes: Iterable[TimedVote]) -> dict[PairKey, int]:
    """Return one label code per pair of one reviewer: its last votes in both orders taken together."""
    last: dict[tuple[str, str], TimedVote] = {}
    for vote in sorted(votes, key=lambda vote: vote.round):
        if vote.verdict is not None:
            last[vote.first_id, vote.second_id] = vote
    leaning: dict[PairKey, int] = defaultdict(int)
    for vote in last.values():
        is_lesser = vote.first_id < vote.second_id
        pair = (vote.first_id, vote.second_id) if is_lesser else (vote.second_id, vote.first_id)
        towards_first = {Verdict.FIRST: 1, Verdict.SECOND: -1, Verdict.TIE: 0}[vote.verdict or Verdict.TIE]
        leaning[pair] += towards_first if is_lesser else -towards_first
    return {pair: _TIE - (lean > 0) + (lean < 0) for pair, lean in leaning.items()}


def _settled_code(pair: PairKey, judgement: Judgement) -> int | None:
    """Return what people settled as a code; None: that both are bad, or that they are divided."""
    outcome: Literal["decided", "human_tie", "both_bad"] = judgement.outcome
    if outcome == "both_bad" or judgement.agreement <= 0.5:
        return None
    if judgement.winner is None:
        return _TIE
    return LABELS.index("first" if judgement.winner == pair[0] else "second")


def _median(values: Sequence[float], reason: str) -> Figure:
    if not values:
        return unmeasurable(reason)
    return Figure(value=statistics.median(values), n=len(values))


def _division(labels: Sequence[str]) -> float:
    compared = list(combinations(labels, 2))
    return sum(one != other for one, other in compared) / len(compared)
