"""The stretch of sequences that lies ready for the lanes: what a task writes and a learner reads.

Time is a clock common to all lanes; each lane has its own sequences on it, one after another. A task's `fill` writes
whole sequences until every lane reaches the horizon. Targets are rows of one table, so that a step names what is learned
(`learn`) and what is judged (`judge`, which may differ: a noisy target is learned, the clean one is judged).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np

from lstmsim.kernels.arrays import Bytes, Flags, Floats, Ints, Words
from lstmsim.kernels.compile import kernel, shared
from lstmsim.kernels.random import subkey
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, load_at, store_at

LEARN, JUDGE, END = 1, 2, 4


class Sequences(Struct):
    """Sequences of all lanes along the clock; all arrays are written in place."""

    inputs: Floats  # (clock, input, lane) float64, dense inputs
    symbol: Ints  # (clock, lane) int64, one-hot inputs
    event: Bytes  # (clock, lane) uint8: sum of LEARN, JUDGE, END; 0 at most steps
    learn: Ints  # (clock, lane) int64: row of `targets`, where event has LEARN
    judge: Ints  # (clock, lane) int64: row of `targets`, where event has JUDGE
    targets: Floats  # (row, output) float64, padded to a multiple of 8: fixed rows first, then `slots` rows for each lane
    fixed_rows: int
    slots: int
    write: Ints  # (lane,) int64: first clock not yet written
    index: Ints  # (lane,) int64: number of the next sequence to write
    key: Words  # (lane,) uint64: key of the lane's stream
    active: Flags  # (lane,) bool: lanes that hold a trial
    asked: Ints  # (lane,) int64: clock at which `unfilled` last had a sequence begun; -1: the lane was full since
    row: Ints  # (lane,) int64: own target rows that `own_row` has given out


class Writer(ABC):
    """What writes sequences: a task, as far as kernels and learners know it."""

    name: ClassVar[str]
    symbols: ClassVar[bool] = False
    ranking: ClassVar[bool] = False
    stream_steps: int = 0
    stream_sequences: int = 0

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """Input units of a net for this task."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Output units of a net for this task."""

    @property
    def tolerance(self) -> float:
        """Largest |error| of a correct sequence, exclusive; without meaning where the ranking decides."""
        return 0.0

    @property
    @abstractmethod
    def max_length(self) -> int:
        """Longest sequence in steps."""

    @property
    def min_length(self) -> int:
        """Shortest sequence in steps: all are equally long unless overridden."""
        return self.max_length

    def fixed_rows(self) -> Floats:
        """Rows of the target table that all sequences share, shape (row, output); none unless overridden."""
        return np.zeros((0, self.n_outputs))

    @abstractmethod
    def fill(self, sequences: Sequences, horizon: int) -> None:
        """Write sequences until every active lane reaches the horizon."""

    def own_rows(self, clocks: int) -> int:
        """Target rows that a lane needs of its own for so many steps: one for each sequence unless overridden."""
        return clocks // self.min_length + 2


class Examples(NamedTuple):
    """Whole sequences one after another, outside kernels."""

    inputs: Floats  # (step, input)
    begins: Ints  # (sequence + 1,) int64: first step of each, and the end of the last
    learned: Floats  # (step, output), NaN where nothing is learned
    judged: Floats  # (step, output), NaN where nothing is judged


def new_sequences(lanes: int, clocks: int, inputs: int, fixed: Floats, slots: int) -> Sequences:
    """Room for `clocks` steps of every lane; `fixed` (row, output) holds the target rows that all sequences share."""
    targets = aligned(len(fixed) + lanes * slots, -(-fixed.shape[1] // 8) * 8)
    targets[: len(fixed), : fixed.shape[1]] = fixed

    def ints(*shape: int) -> Ints:
        return aligned(*shape, dtype=np.int64)

    return Sequences(
        inputs=aligned(clocks, inputs, lanes),
        symbol=ints(clocks, lanes),
        event=aligned(clocks, lanes, dtype=np.uint8),
        learn=ints(clocks, lanes),
        judge=ints(clocks, lanes),
        targets=targets,
        fixed_rows=len(fixed),
        slots=slots,
        write=ints(lanes),
        index=ints(lanes),
        key=aligned(lanes, dtype=np.uint64),
        active=np.zeros(lanes, np.bool_),
        asked=np.full(lanes, -1),
        row=ints(lanes),
    )


@shared
def unfilled(sequences, lane, horizon):
    """Whether a lane holds a trial and its sequences end before the horizon.

    Not a second time without a sequence ended in between, or a task that ends none would go on for ever.
    """
    write = sequences.write[lane]
    if not sequences.active[lane] or write >= horizon or write <= sequences.asked[lane]:
        sequences.asked[lane] = -1
        return False
    sequences.asked[lane] = write
    return True


@shared
def begin_sequence(sequences, lane):
    """Return key, first clock and own target row of the lane's next sequence."""
    index = sequences.index[lane]
    row = sequences.fixed_rows + lane * sequences.slots + index % sequences.slots
    return subkey(sequences.key[lane], index), sequences.write[lane], row


@shared
def own_row(sequences, lane):
    """Another own target row of the lane, for sequences that need more than the one of `begin_sequence`."""
    row = sequences.fixed_rows + lane * sequences.slots + sequences.row[lane] % sequences.slots
    sequences.row[lane] += 1
    return row


@shared
def set_target(sequences, lane, clock, learn, judge):
    """Mark one step: row `learn` of the targets is learned and row `judge` is judged."""
    if not (0 <= clock < sequences.event.shape[0] and 0 <= lane < sequences.event.shape[1]):
        raise IndexError("set_target was given a step or a lane that there is no room for")
    sequences.event[clock, lane] |= LEARN | JUDGE
    sequences.learn[clock, lane] = learn
    sequences.judge[clock, lane] = judge


@shared
def end_sequence(sequences, lane, length):
    """Close the lane's sequence after `length` steps."""
    if not 0 < length <= sequences.event.shape[0] - sequences.write[lane]:
        raise ValueError("end_sequence was given a length below 1 or above what there is room for")
    sequences.event[sequences.write[lane] + length - 1, lane] |= END
    sequences.write[lane] += length
    sequences.index[lane] += 1


@kernel
def rewind(sequences, clock):
    """Move what lies at `clock` and after to the beginning, in place."""
    last = 0
    for lane in range(sequences.write.size):
        last = max(last, sequences.write[lane])
        sequences.write[lane] = max(sequences.write[lane] - clock, 0)
    left = max(last - clock, 0)
    lanes, inputs = sequences.write.size, sequences.inputs.shape[1]
    for t in range(left):
        for lane in range(lanes):
            for i in range(inputs):
                sequences.inputs[t, i, lane] = sequences.inputs[clock + t, i, lane]
            sequences.symbol[t, lane] = sequences.symbol[clock + t, lane]
            sequences.event[t, lane] = sequences.event[clock + t, lane]
            sequences.learn[t, lane] = sequences.learn[clock + t, lane]
            sequences.judge[t, lane] = sequences.judge[clock + t, lane]
    n, end = left * lanes, last * lanes
    while n + 8 <= end:
        store_at(sequences.event, n, load_at(UNITS, sequences.event, n) & 0)  # eight at once
        n += 8
    while n < end:
        sequences.event[n // lanes, n % lanes] = 0
        n += 1
