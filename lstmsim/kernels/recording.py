"""Which sequences are recorded, and the buffer that takes them step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lstmsim.kernels.arrays import Flags, Floats, Ints
from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.scores import RUNNING, close_sequence
from lstmsim.kernels.sequences import LEARN
from lstmsim.kernels.struct import Struct

HEAD = 2  # sequence, t stand before the variables


class Record(Struct):
    """Rows of recorded steps per lane, in the column order of the learner's `Layout`."""

    on: Flags  # (lane,) bool: the running sequence is being recorded
    used: Ints  # (lane,) int: rows in use
    begun: Ints  # (lane,) int: tick at which the running sequence began
    tick: Ints  # (1,) int: steps of the common clock since the beginning
    rows: Floats  # (lane, row, column); no rows: nothing is recorded
    plan: Ints  # (number,) int: sequences to record besides the rules below, ascending
    place: Ints  # (lane,) int: first entry of the plan not yet passed
    first: int  # record all sequences below this number
    every: int  # and every so many; 0: none
    room: int  # rows that must be free when a sequence begins
    longest: int  # steps of a stream after which no further sequence of the task is recorded


def new_record(
    lanes: int,
    rows: int,
    width: int,
    room: int,
    plan: Sequence[int] | Ints = (),
    *,
    first: int = 0,
    every: int = 0,
    longest: int = 0,
) -> Record:
    """An empty record of `rows` steps of `width` columns per lane."""
    return Record(
        on=np.zeros(lanes, np.bool_),
        used=np.zeros(lanes, np.int64),
        begun=np.zeros(lanes, np.int64),
        tick=np.zeros(1, np.int64),
        rows=np.zeros((lanes, rows, width)),
        plan=np.array(plan, np.int64),
        place=np.zeros(lanes, np.int64),
        first=int(first),
        every=int(every),
        room=int(room),
        longest=int(longest),
    )


@dataclass(frozen=True)
class Variable:
    """One variable of a dataset.

    Attributes
    ----------
    dims : tuple of str
        Dimensions in order.
    long_name : str
        What it is.
    symbol : str
        The paper's symbol and equation, or "".
    units : str
        Unit; "1" for pure numbers.
    disk : str
        NumPy type in files.
    """

    dims: tuple[str, ...]
    long_name: str
    symbol: str = ""
    units: str = "1"
    disk: str = "f4"

    @property
    def attrs(self) -> dict[str, str]:
        """Attributes of the variable in a dataset."""
        return {"long_name": self.long_name, "units": self.units, "symbol": self.symbol}


class Layout(NamedTuple):
    """What stands in the rows: variables in their order, sizes of their dimensions; one-hot inputs take one column."""

    variables: dict[str, Variable]
    sizes: dict[str, int]
    one_hot: bool
    block_size: int = 1

    @property
    def columns(self) -> tuple[tuple[str, int], ...]:
        """Names of the variables and the number of columns that each takes."""
        return tuple((name, self._columns(name, variable)) for name, variable in self.variables.items())

    @property
    def width(self) -> int:
        """Columns of a row."""
        return HEAD + sum(width for _, width in self.columns)

    def _columns(self, name: str, variable: Variable) -> int:
        if name == "input" and self.one_hot:
            return 1
        return math.prod(self.sizes[dim] for dim in variable.dims if dim != "step")


@inlined
def wanted(record, lane, index):
    """Whether the lane's sequence number `index` is to be recorded."""
    plan = record.plan
    while record.place[lane] < plan.size and plan[record.place[lane]] < index:
        record.place[lane] += 1
    planned = record.place[lane] < plan.size and plan[record.place[lane]] == index
    return planned or index < record.first or (record.every > 0 and index % record.every == 0)


@inlined
def begin_row(shape, state, sequences, scores, record, lane, clock):
    """Begin the row of a lane's step: sequence, t, inputs, targets or NaN, outputs y_k, errors e_k (19) or 0.

    `shape` has symbols, inputs and outputs, `state` has y_k and e_k (lane, output). Changes `record`. Returns the row and
    its first column that is left.
    """
    row = record.rows[lane, record.used[lane]]
    record.used[lane] += 1
    row[0], row[1] = scores.index[lane], record.tick[0] - record.begun[lane]
    at, outputs = HEAD, shape.outputs
    if shape.symbols:
        row[at] = sequences.symbol[clock, lane]
        at += 1
    else:
        for i in range(shape.inputs):
            row[at + i] = sequences.inputs[clock, i, lane]
        at += shape.inputs
    learns, target = (sequences.event[clock, lane] & LEARN) != 0, sequences.learn[clock, lane]
    for k in range(outputs):
        row[at + k] = sequences.targets[target, k] if learns else math.nan
        row[at + outputs + k] = state.y_k[lane, k]
        row[at + 2 * outputs + k] = state.e_k[lane, k] if learns else 0.0
    return row, at + 3 * outputs


@inlined
def wants_attention(scores, record, lane, between):
    """Whether a lane's flag says so, or its progress or, between two sequences, its recorded rows have filled the room."""
    full = between and record.used[lane] + record.room > record.rows.shape[1]
    return full or scores.progress_rows[lane] == scores.progress.shape[1] or scores.flag[lane] != RUNNING


@kernel
def lanes_in_need(scores, record, active, found):
    """How many of the active lanes want attention; their numbers are put into `found` (lane,)."""
    count = 0
    for lane in range(active.size):
        if active[lane] and wants_attention(scores, record, lane, record.begun[lane] == record.tick[0]):
            found[count] = lane
            count += 1
    return count


@inlined
def finish_sequence(scores, record, lane, tick):
    """Enter a lane's sequence, which ended before `tick`, and begin the next one; whether the lane wants attention."""
    steps = tick - record.begun[lane]
    record.begun[lane] = tick
    if scores.idle[lane] == 2:
        scores.idle[lane] = 0
        record.on[lane] = wanted(record, lane, scores.index[lane])
        return False
    close_sequence(scores, lane, steps)
    scores.idle[lane] *= 2
    record.on[lane] = scores.idle[lane] == 0 and wanted(record, lane, scores.index[lane])
    return wants_attention(scores, record, lane, True)
