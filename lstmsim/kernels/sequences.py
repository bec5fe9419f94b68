"""The stretch of sequences that lies ready for the lanes: what a task writes and a learner reads.

Time is a clock common to all lanes; each lane has its own sequences on it, one after another. A task's `fill` writes
whole sequences until every lane reaches the horizon. Targets are rows of one table, so that a step names what is learned
(`learn`) and what is judged (`judge`, which may differ: a noisy target is learned, the clean one is judged).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.random import subkey
from lstmsim.kernels.vector import aligned

Array = Any

LEARN, JUDGE, END = 1, 2, 4


class Sequences(NamedTuple):
    """Sequences of all lanes along the clock."""

    inputs: Array  # (clock, input, lane) dense inputs
    symbol: Array  # (clock, lane) int, one-hot inputs
    event: Array  # (clock, lane) int: sum of LEARN, JUDGE, END; 0 at most steps
    learn: Array  # (clock, lane) int: row of `targets`, where event has LEARN
    judge: Array  # (clock, lane) int: row of `targets`, where event has JUDGE
    targets: Array  # (row, output): fixed rows first, then `slots` rows for each lane
    fixed_rows: int
    slots: int
    write: Array  # (lane,) int: first clock not yet written
    index: Array  # (lane,) int: number of the next sequence to write
    key: Array  # (lane,) uint: key of the lane's trial
    active: Array  # (lane,) bool: lanes that hold a trial


def new_sequences(lanes: int, clocks: int, inputs: int, fixed: Any, slots: int) -> Sequences:
    """Room for `clocks` steps of every lane; `fixed` holds the target rows that all sequences share, padded."""
    targets = aligned(len(fixed) + lanes * slots, fixed.shape[1])
    targets[: len(fixed)] = fixed

    def ints(*shape: int) -> Array:
        return aligned(*shape, dtype=np.int64)

    return Sequences(
        inputs=aligned(clocks, inputs, lanes),
        symbol=ints(clocks, lanes),
        event=ints(clocks, lanes),
        learn=ints(clocks, lanes),
        judge=ints(clocks, lanes),
        targets=targets,
        fixed_rows=len(fixed),
        slots=slots,
        write=ints(lanes),
        index=ints(lanes),
        key=aligned(lanes, dtype=np.uint64),
        active=np.zeros(lanes, np.bool_),
    )


@inlined
def unfilled(sequences, lane, horizon):  # type: ignore[no-untyped-def]
    """Whether a lane holds a trial and its sequences end before the horizon."""
    return sequences.active[lane] and sequences.write[lane] < horizon


@inlined
def begin_sequence(sequences, lane):  # type: ignore[no-untyped-def]
    """Key, first clock and own target row of the lane's next sequence."""
    index = sequences.index[lane]
    row = sequences.fixed_rows + lane * sequences.slots + index % sequences.slots
    return subkey(sequences.key[lane], index), sequences.write[lane], row


@inlined
def set_target(sequences, lane, clock, learn, judge):  # type: ignore[no-untyped-def]
    """Mark one step: target row `learn` is learned and row `judge` is judged."""
    sequences.event[clock, lane] |= LEARN | JUDGE
    sequences.learn[clock, lane] = learn
    sequences.judge[clock, lane] = judge


@inlined
def end_sequence(sequences, lane, length):  # type: ignore[no-untyped-def]
    """Close the lane's sequence after `length` steps."""
    sequences.event[sequences.write[lane] + length - 1, lane] |= END
    sequences.write[lane] += length
    sequences.index[lane] += 1


@kernel
def rewind(sequences, clock):  # type: ignore[no-untyped-def]
    """Move what lies at `clock` and after to the beginning."""
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
    for t in range(left, last):
        for lane in range(lanes):
            sequences.event[t, lane] = 0
