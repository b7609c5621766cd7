"""Measures of agreement beyond chance, each from a kept library, with a bootstrap interval over items.

In: what people said of items, as labels. Out: `Figure`s. All these measures are 1 - observed / expected
disagreement, and both are functions of sums over items, so that a thousand resamples are one matrix product.
Where chance would agree as well (everybody said the same throughout) there is no measure, and the figure says
so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from camelx.auditing.intervals import unmeasurable
from camelx.auditing.records import Figure

Floats = npt.NDArray[np.float64]
Items = Sequence[Sequence[int]]
"""For each item the labels that it was given, as codes from 0; an item may have any number of them."""
Disagreement = Callable[[Floats], tuple[Floats, Floats]]
"""Sums over items, (r, q), to observed and expected disagreement, (r,) each; expected 0: undefined."""

NO_OVERLAP = "nobody else judged the same items"
ONE_LABEL = "everybody said the same throughout, so chance explains all"
_RESAMPLES = 1_000
_MOST_CELLS = 5_000_000  # of resamples x items, in memory at once


def percent_agreement(pairs: Items, reason: str = NO_OVERLAP) -> Figure:
    """Return the share of comparisons in which two say the same.

    Args:
        pairs: As `cohen_kappa` takes them.
        reason: Why there is no figure, should there be no items.
    """
    counts = np.array(
        [[sum(a == b for a, b in zip(x[::2], x[1::2], strict=True)), len(x) / 2] for x in pairs], dtype=float
    ).reshape(-1, 2)
    if not len(counts):
        return unmeasurable(reason)
    agreed, compared = counts.sum(axis=0)
    if agreed == 0:
        # The mirror image of "nobody differed" in `_figure`.
        return Figure(value=0.0, low=0.0, high=1 - 0.025 ** (1 / len(counts)), n=len(counts))
    return _figure(
        counts,
        lambda sums: (1 - sums[:, 0] / sums[:, 1], np.ones(len(sums))),
        lambda: float(agreed / compared),
        seed=0,
    )


def cohen_kappa(pairs: Items, n_labels: int, seed: int = 0) -> Figure:
    """Return Cohen's kappa of one rater with others.

    Args:
        pairs: For each item the labels (mine, another's, mine, another's, ...): all comparisons on one item
            are resampled together, because they are not independent.
        n_labels: Number of labels.
        seed: Of the resampling.

    Source: Cohen, A coefficient of agreement for nominal scales, Educ. and Psych. Measurement 20 (1960); the
        value is scikit-learn's.
    """
    from sklearn.metrics import cohen_kappa_score

    counts = np.zeros((len(pairs), n_labels * n_labels))
    for i, labels in enumerate(pairs):
        for one, other in zip(labels[::2], labels[1::2], strict=True):
            counts[i, one * n_labels + other] += 1
    mine = [label for labels in pairs for label in labels[::2]]
    others = [label for labels in pairs for label in labels[1::2]]
    return _figure(
        counts,
        lambda sums: _table_disagreement(sums, n_labels),
        lambda: float(cohen_kappa_score(mine, others, labels=list(range(n_labels)))),
        seed,
    )


def fleiss_kappa(items: Items, n_labels: int, seed: int = 0) -> Figure:
    """Return Fleiss' kappa of the items with the number of raters that covers the most verdicts.

    It takes the same number of raters on every item; n says how many items that are.

    Source: Fleiss, Measuring nominal scale agreement among many raters, Psych. Bulletin 76 (1971); the value
        is statsmodels'.
    """
    from statsmodels.stats.inter_rater import fleiss_kappa as of_table

    sizes = Counter(len(labels) for labels in items if len(labels) > 1)
    if not sizes:
        return unmeasurable(NO_OVERLAP)
    raters = max(sizes, key=lambda k: (k * sizes[k], k))
    counts = _counts([labels for labels in items if len(labels) == raters], n_labels)
    # Pairs of raters that differ, of all ordered pairs of an item; and the counts of labels.
    differing = (raters**2 - (counts**2).sum(axis=1, keepdims=True)) / (raters * (raters - 1))
    return _figure(
        np.hstack([differing, counts]),
        lambda sums: _fleiss_disagreement(sums, raters),
        lambda: float(of_table(counts)),
        seed,
    )


def krippendorff_alpha(items: Items, n_labels: int, *, is_ordinal: bool = False, seed: int = 0) -> Figure:
    """Return Krippendorff's alpha of all items that at least two rated, whoever they are.

    Args:
        items: Labels by item; where `is_ordinal`, codes in their order.
        n_labels: Number of labels.
        is_ordinal: Whether labels far apart disagree more than neighbours.
        seed: Of the resampling.

    Source: Krippendorff, Content Analysis, 4th ed. (2018), ch. 12; the value is the package krippendorff's.
    """
    import krippendorff

    counts = _counts([labels for labels in items if len(labels) > 1], n_labels)
    if not len(counts):
        return unmeasurable(NO_OVERLAP)
    raters = counts.sum(axis=1)
    together = np.einsum("ia,ib->iab", counts, counts)
    together[:, range(n_labels), range(n_labels)] -= counts
    together /= (raters - 1)[:, None, None]
    used = np.flatnonzero(counts.sum(axis=0))
    return _figure(
        together.reshape(len(counts), -1),
        lambda sums: _alpha_disagreement(sums, n_labels, is_ordinal),
        lambda: float(
            krippendorff.alpha(
                value_counts=counts[:, used],
                value_domain=list(range(len(used))),
                level_of_measurement="ordinal" if is_ordinal else "nominal",
            )
        ),
        seed,
    )


def _counts(items: Items, n_labels: int) -> Floats:
    """Return how often each item got each label: (n, labels)."""
    counts = np.zeros((len(items), n_labels))
    for i, labels in enumerate(items):
        for label in labels:
            counts[i, label] += 1
    return counts


def _table_disagreement(sums: Floats, n_labels: int) -> tuple[Floats, Floats]:
    tables = sums.reshape(-1, n_labels, n_labels)
    n = np.maximum(tables.sum(axis=(1, 2)), 1)
    agreed = np.einsum("raa->r", tables) / n
    by_chance = (tables.sum(axis=2) * tables.sum(axis=1)).sum(axis=1) / n**2
    return 1 - agreed, 1 - by_chance


def _fleiss_disagreement(sums: Floats, raters: int) -> tuple[Floats, Floats]:
    """Take sums of the items' shares of differing pairs, and of their counts of labels."""
    n_verdicts = sums[:, 1:].sum(axis=1, keepdims=True)
    shares = sums[:, 1:] / n_verdicts
    return sums[:, 0] * raters / n_verdicts[:, 0], 1 - (shares**2).sum(axis=1)


def _alpha_disagreement(sums: Floats, n_labels: int, is_ordinal: bool) -> tuple[Floats, Floats]:
    tables = sums.reshape(-1, n_labels, n_labels)
    margins = tables.sum(axis=2)
    n = margins.sum(axis=1)
    distances = _ordinal_distances(margins) if is_ordinal else 1 - np.eye(n_labels)[None]
    observed = (tables * distances).sum(axis=(1, 2)) / n
    expected = (margins[:, :, None] * margins[:, None, :] * distances).sum(axis=(1, 2)) / (n * (n - 1))
    return observed, expected


def _ordinal_distances(margins: Floats) -> Floats:
    """Return the squared number of values between two labels, half of the two themselves: (r, q, q)."""
    middle = margins.cumsum(axis=1) - margins / 2
    distances: Floats = (middle[:, :, None] - middle[:, None, :]) ** 2
    return distances


def _figure(counts: Floats, disagreement: Disagreement, value: Callable[[], float], seed: int) -> Figure:
    """Return the library's value with the percentile interval of the resampled items."""
    n = len(counts)
    if n == 0:
        return unmeasurable(NO_OVERLAP)
    observed, expected = (float(part[0]) for part in disagreement(counts.sum(axis=0, keepdims=True)))
    if expected <= 1e-12:
        return unmeasurable(ONE_LABEL, n)
    if n == 1:
        return Figure(value=value(), n=n)
    resampled = _resampled(counts, disagreement, seed)
    if observed <= 1e-12:
        # Nobody differed, so resampling shows no spread; an item not seen may be one on which they do, with a
        # probability below 1 - 0.025 ** (1 / n) (Clopper and Pearson's bound).
        low = 1 - (1 - 0.025 ** (1 / n)) / expected
        return Figure(value=value(), low=max(-1.0, low), high=1.0, n=n)
    if len(resampled) < _RESAMPLES / 2:
        return Figure(value=value(), n=n)
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Figure(value=value(), low=float(low), high=float(high), n=n)


def _resampled(counts: Floats, disagreement: Disagreement, seed: int) -> Floats:
    """Return the measure of each resample that has one."""
    n, rng = len(counts), np.random.default_rng(seed)
    values = []
    step = max(1, min(_RESAMPLES, _MOST_CELLS // n))
    for begun in range(0, _RESAMPLES, step):
        weights = rng.multinomial(n, np.full(n, 1 / n), size=min(step, _RESAMPLES - begun)).astype(float)
        observed, expected = disagreement(weights @ counts)
        is_defined = expected > 1e-12
        values.append(1 - observed[is_defined] / expected[is_defined])
    return np.concatenate(values)
