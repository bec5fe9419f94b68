"""Read what a task writes in the way a learner does: block by block, lane by lane."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmsim.kernels.random import trial_keys
from lstmsim.kernels.sequences import END, JUDGE, LEARN, Sequences, rewind
from lstmsim.tasks import Task

Array = NDArray[Any]


class Sequence(NamedTuple):
    """One sequence as the net sees it."""

    inputs: Array  # (step, input), or (step,) symbol numbers
    learned: Array  # (step, output), NaN where nothing is learned
    judged: Array  # (step, output), NaN where nothing is judged

    @property
    def length(self) -> int:
        return len(self.inputs)


def make_sequences(task: Task, lanes: int, block: int, *, seed: int = 0, trial: int = 0, testing: bool = False) -> Sequences:
    """Room for blocks of this many clocks; lane i holds trial number trial + i. What is unwritten can be told."""
    sequences = task.room(lanes, block)
    sequences.inputs[:], sequences.symbol[:], sequences.active[:] = np.nan, -1, True
    sequences.targets[sequences.fixed_rows :] = np.nan
    sequences.key[:] = [trial_keys(seed, trial + lane)[int(testing)] for lane in range(lanes)]
    return sequences


def read_lanes(task: Task, count: int, *, lanes: int = 1, block: int = 2000, **trials: Any) -> list[list[Sequence]]:
    """Read the first `count` sequences of each lane's trial."""
    sequences = make_sequences(task, lanes, block, **trials)
    blocks = []
    complete = np.zeros(lanes, int)
    while complete.min() < count:
        task.fill(sequences, block)
        event = sequences.event[:block].copy()
        targets = sequences.targets[:, : task.n_outputs]
        learned = np.where((event & LEARN != 0)[..., None], targets[sequences.learn[:block]], np.nan)
        judged = np.where((event & JUDGE != 0)[..., None], targets[sequences.judge[:block]], np.nan)
        seen = sequences.symbol[:block].copy() if task.symbols else np.moveaxis(sequences.inputs[:block], 2, 1).copy()
        blocks.append((event, seen, learned, judged))
        complete += (event & END != 0).sum(axis=0)
        rewind(sequences, block)
    event, *rest = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    result = []
    for lane in range(lanes):
        ends = np.flatnonzero(event[:, lane] & END)[:count] + 1
        parts = [np.split(array[:, lane], ends)[:count] for array in rest]
        result.append([Sequence(*part) for part in zip(*parts, strict=True)])
    return result


def read(task: Task, count: int, **how: Any) -> list[Sequence]:
    """Read the first `count` sequences of one trial."""
    return read_lanes(task, count, **how)[0]


def same(one: list[Sequence], other: list[Sequence]) -> bool:
    """Compare two lists of sequences bit for bit."""
    return len(one) == len(other) and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for pair in zip(one, other, strict=True)
        for a, b in zip(*pair, strict=True)
    )


def steps_with(rows: Array) -> list[int]:
    """Return the steps that have a target."""
    return np.flatnonzero(~np.isnan(rows).any(axis=1)).tolist()


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
