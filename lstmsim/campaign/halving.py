"""Successive halving: at fixed shares of a trial's cap the points that have learned least are given up.

K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", AISTATS 2016. Which
points go on follows from what their trials had reached at the cap, and from nothing else: not from order, time or workers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

RUNGS = 3  # times at which points are given up


class Score(NamedTuple):
    """What a trial had reached at a cap: the fraction correct and the mean |error| of its latest sequences."""

    correct: float
    error: float


SOLVED, LOST = Score(1.0, 0.0), Score(0.0, math.inf)  # of trials that ended before the cap


def caps(max_sequences: int, share: int) -> list[int]:
    """Return the sequences after which points are given up: max_sequences / share**3, / share**2, / share."""
    return [max(1, max_sequences // share**rung) for rung in range(RUNGS, 0, -1)]


def rule(share: int) -> str:
    """Return the rule in words."""
    shares = ", ".join(f"1/{share**rung}" for rung in range(RUNGS, 0, -1))
    return (
        f"successive halving: after {shares} of max_sequences the best 1/{share} of the points go on, by the mean fraction "
        "correct of their trials, then by their mean |error|; equals go on together"
    )


def survivors(scores: Mapping[int, Iterable[Score]], share: int) -> set[int]:
    """Return the points that go on: the best 1/`share` of them, rounded up, and all that equal the last of these.

    Parameters
    ----------
    scores : mapping of int to iterable of Score
        Of each point that is left, the scores of its trials in their order.
    share : int
        One of how many goes on.
    """
    means = {}
    for point, each in scores.items():
        trials = list(each)
        mean = [math.fsum(part) / len(trials) for part in zip(*trials, strict=True)]
        means[point] = -mean[0], mean[1] if not math.isnan(mean[1]) else math.inf
    last = sorted(means.values())[-(-len(means) // share) - 1]
    return {point for point, mean in means.items() if mean <= last}
