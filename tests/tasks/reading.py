"""Read what a task writes, and statistics of it."""

from typing import Any

import numpy as np

from lstmsim.tasks.contract import Sequence, make_sequences, read, read_lanes, same, steps_with

__all__ = [
    "Sequence",
    "check_fraction",
    "check_moments",
    "check_whole",
    "make_sequences",
    "read",
    "read_lanes",
    "same",
    "steps_with",
]


def check_fraction(hits: Any, draws: int, probability: float) -> None:
    """Check a count of successes, or several counts, against the binomial mean: within five deviations."""
    distance = np.abs(np.asarray(hits) - draws * probability)
    assert (distance <= 5.0 * np.sqrt(draws * probability * (1.0 - probability))).all(), (hits, draws, probability)


def check_whole(values: Any, low: int, high: int) -> None:
    """Check that whole numbers are uniform in low..high."""
    values = np.asarray(values)
    assert low <= values.min()
    assert values.max() <= high
    check_fraction(np.bincount(values - low, minlength=high - low + 1), len(values), 1.0 / (high - low + 1))


def check_moments(values: Any, mean: float, variance: float, kurtosis: float = 3.0) -> None:
    """Check mean and variance: within five deviations of each estimate."""
    values = np.asarray(values)
    assert abs(values.mean() - mean) <= 5.0 * np.sqrt(variance / len(values))
    assert abs(values.var() - variance) <= 5.0 * variance * np.sqrt((kurtosis - 1.0) / len(values))
