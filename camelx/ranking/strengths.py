"""What every ranker returns, and the curve that most of them share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from camelx.ranking.panel import Panel
from camelx.ranking.votes import Floats


@dataclass(frozen=True)
class Strengths:
    """A ranker's result on a `VoteTable` of `m` items and `k` pairs."""

    score: Floats
    """(m,) on the ranker's own scale; higher is better."""
    stderr: Floats
    """(m,) standard error of `score`."""
    probability: Floats
    """(k,) probability that the lesser item of each pair beats the other, ties counted half."""
    judge_weight: Floats | None = None
    """(agents,) share of a vote of each judge; None: all votes weigh the same."""
    p_tie: Floats | None = None
    """(k,) probability that a person sees no difference; None: the ranker does not say."""
    learned: pd.DataFrame | None = None
    """(agents rows) what the ranker learned of each judge, beyond its weight."""
    panel: Panel | None = None
    """None: no human label was asked for."""


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)), without overflow and with sigmoid(x) + sigmoid(-x) = 1."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), dtype=np.float64)
