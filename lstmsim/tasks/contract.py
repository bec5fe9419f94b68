"""What every task must do, as checks that anybody can run on a task of their own."""

from __future__ import annotations

import dataclasses
import pickle
from typing import NamedTuple

import numpy as np

from lstmsim.checks import refusal
from lstmsim.kernels import guard
from lstmsim.kernels.arrays import Array, Floats
from lstmsim.kernels.random import trial_keys
from lstmsim.kernels.sequences import END, JUDGE, LEARN, Sequences, rewind
from lstmsim.tasks.base import Task


class Sequence(NamedTuple):
    """One sequence as the net sees it."""

    inputs: Array  # (step, input), or (step,) symbol numbers
    learned: Floats  # (step, output), NaN where nothing is learned
    judged: Floats  # (step, output), NaN where nothing is judged

    @property
    def length(self) -> int:
        """Steps."""
        return len(self.inputs)


def make_sequences(task: Task, lanes: int, block: int, *, seed: int = 0, trial: int = 0, testing: bool = False) -> Sequences:
    """Room for blocks of this many clocks; lane i holds trial number trial + i. What is unwritten can be told."""
    sequences = task.room(lanes, block)
    sequences.inputs[:], sequences.symbol[:], sequences.active[:] = np.nan, -1, True
    sequences.targets[sequences.fixed_rows :] = np.nan
    sequences.key[:] = [trial_keys(seed, trial + lane)[int(testing)] for lane in range(lanes)]
    return sequences


def read_lanes(
    task: Task, count: int, *, lanes: int = 1, block: int = 2000, seed: int = 0, trial: int = 0, testing: bool = False
) -> list[list[Sequence]]:
    """Read the first `count` sequences of each lane's trial, block by block, as a learner does."""
    sequences = make_sequences(task, lanes, block, seed=seed, trial=trial, testing=testing)
    blocks = []
    complete = np.zeros(lanes, int)
    while complete.min() < count:
        task.write(sequences, block)
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


def read(
    task: Task, count: int, *, block: int = 2000, seed: int = 0, trial: int = 0, testing: bool = False
) -> list[Sequence]:
    """Read the first `count` sequences of one trial."""
    return read_lanes(task, count, block=block, seed=seed, trial=trial, testing=testing)[0]


def same(one: list[Sequence], other: list[Sequence]) -> bool:
    """Compare two lists of sequences bit for bit."""
    return len(one) == len(other) and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for pair in zip(one, other, strict=True)
        for a, b in zip(*pair, strict=True)
    )


def steps_with(rows: Floats) -> list[int]:
    """Return the steps that have a target."""
    steps: list[int] = np.flatnonzero(~np.isnan(rows).any(axis=1)).tolist()
    return steps


def check(task: Task, *, count: int = 40) -> None:
    """Check that a task does what every task must do: sizes, sequences, independence of lanes and blocks, value semantics.

    Parameters
    ----------
    task : Task
        Anybody's.
    count : int
        Sequences that are looked at in each check.

    Raises
    ------
    ValueError
        If a size or something in a sequence is not allowed: named, with its value and what is allowed.
    AssertionError
        If a sequence depends on something else than the task, the trial's key and the sequence's number; or the task is not
        a value, which can be compared, kept in a dictionary, copied and pickled, and not be changed.
    """
    if not isinstance(task, Task):
        hint = ", with its parameters in parentheses" if isinstance(task, type) else ""
        raise refusal("task", task, f"an instance of a subclass of lstmsim.tasks.Task{hint}")
    guard.check_sizes(task)
    for written in (read(task, count), read(task, count, testing=True)):
        _check_sequences(task, written)
    _check_independence(task, count)
    _check_lanes(task)
    _check_value(task, count)


def _require(condition: object, task: Task, what: str) -> None:
    if not condition:
        raise AssertionError(f"task {task.name!r}: {what}")


def _check_sequences(task: Task, written: list[Sequence]) -> None:
    for number, sequence in enumerate(written):
        place = f"of sequence {number}"
        _require(sequence.learned.shape == (sequence.length, task.n_outputs), task, f"targets {place} have another shape")
        _require(steps_with(sequence.judged), task, f"nothing {place} is judged")
        if task.stream_steps or task.stream_sequences:
            judged = steps_with(sequence.judged)[-1] == sequence.length - 1
            _require(judged, task, f"the last step {place} is not judged, which the sequences of a stream need")
        inputs = np.eye(task.n_inputs)[sequence.inputs] if task.symbols else sequence.inputs
        _require(np.isfinite(inputs).all(), task, f"inputs {place} are not all written")
        events = np.asarray(task.events(inputs))
        steps = events.ndim == 1 and np.isin(events, np.arange(sequence.length)).all()
        _require(steps, task, f"events gives {events!r}, not steps {place}")


def _check_independence(task: Task, count: int) -> None:
    three = read_lanes(task, count, lanes=3, block=5 * task.max_length + 2, seed=5, trial=2)
    for lane, written in enumerate(three):
        alone = read(task, count, block=3 * task.max_length + 1, seed=5, trial=2 + lane)
        _require(
            same(written, alone), task, "sequences depend on the number of lanes or the block in which they are written"
        )
    for index in (count - 1, 0, count // 2):
        inputs, targets = task.sequence(5, 2, index)
        whole = three[0][index]
        seen = np.eye(task.n_inputs)[whole.inputs] if task.symbols else whole.inputs
        alike = np.array_equal(inputs, seen) and np.array_equal(targets, whole.learned, equal_nan=True)
        _require(alike, task, f"sequence {index} made alone differs from the same in a stream; draw from its key alone")


def _check_lanes(task: Task) -> None:
    block = 300
    sequences = make_sequences(task, 3, block)
    sequences.active[1] = False
    task.write(sequences, block)
    task.write(sequences, block)  # a lane at its horizon gets no more
    untouched = sequences.write[1] == sequences.index[1] == 0 and not sequences.event[:, 1].any()
    untouched = untouched and (sequences.symbol[:, 1] == -1).all() and np.isnan(sequences.inputs[:, :, 1]).all()
    _require(untouched, task, "fill writes to a lane that holds no trial; ask unfilled(sequences, lane, horizon)")
    for lane in (0, 2):
        end = int(sequences.write[lane])
        _require(block <= end < block + task.max_length, task, "fill goes on after the horizon is reached")
        beyond = sequences.symbol[end:, lane] if task.symbols else sequences.inputs[end:, :, lane]
        _require(
            (beyond == -1).all() if task.symbols else np.isnan(beyond).all(), task, "fill writes after the last sequence"
        )


def _check_value(task: Task, count: int) -> None:
    try:
        twin = pickle.loads(pickle.dumps(task))
    except Exception as error:
        raise AssertionError(f"task {task.name!r} cannot be pickled ({error}); define it at the top of a module") from error
    _require(twin == task and hash(twin) == hash(task), task, "a copy is not equal to it; make it a frozen dataclass")
    _require(same(read(twin, min(count, 3)), read(task, min(count, 3))), task, "a copy writes other sequences")
    if dataclasses.is_dataclass(task):
        for field in dataclasses.fields(task)[:1]:
            try:
                setattr(task, field.name, getattr(task, field.name))
            except (AttributeError, TypeError):
                continue
            raise AssertionError(f"task {task.name!r}: {field.name} can be assigned to; make it a frozen dataclass")
