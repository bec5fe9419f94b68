"""One sequence on its way from a task's function to the lanes: `seq`, in compiled and in plain Python, and its checks."""

from __future__ import annotations

import operator
from enum import IntEnum

import numba
import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.experimental import structref
from numba.extending import overload_method

from lstmsim.kernels.arrays import Floats, Ints
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.sequences import JUDGE, Writer, end_sequence, own_row, set_target

Arrays = tuple[Floats, Ints, Floats, Floats, Ints]  # those of FIELDS
Fields = tuple[tuple[str, types.Type], ...]
FIELDS = ("input", "symbol", "learned", "judged", "fault")


class Wrong(IntEnum):
    """What may be wrong with one sequence."""

    NOTHING = 0
    STEP = 1  # a target outside 0..max_length - 1
    OUTPUT = 2  # a target of an output that there is not
    VALUE = 3  # a target that is not finite
    LENGTH = 4  # no length from min_length to max_length
    SYMBOL = 5  # a symbol that there is not, or none
    INPUT = 6  # an input that is not finite
    PARTIAL = 7  # targets of some outputs alone
    LATE = 8  # a target after the end
    NONE = 9  # no target


_NOTHING, _STEP, _OUTPUT, _VALUE, _LENGTH, _SYMBOL, _INPUT, _PARTIAL, _LATE, _NONE = map(int, Wrong)


class Sequence:
    """What a task's function writes: one sequence.

    Attributes
    ----------
    input : ndarray of float64, shape (max_length, n_inputs)
        Input activations, 0 where nothing is written; of no steps where the task has symbols.
    symbol : ndarray of int64, shape (max_length,)
        Symbol numbers from 0, all to be written; of no steps where the task has none.
    """

    def __init__(self, input: Floats, symbol: Ints, learned: Floats, judged: Floats, fault: Ints) -> None:
        self.input, self.symbol, self.learned, self.judged, self.fault = input, symbol, learned, judged, fault

    def learn(self, t: int, k: int, value: float) -> None:
        """Have output k learn a value at step t, and be judged by it; where one output has a target, all need one."""
        put(self.learned, self.fault, operator.index(t), operator.index(k), float(value))

    def judge(self, t: int, k: int, value: float) -> None:
        """Have output k judged by another value than it learns at step t; all outputs then, as with `learn`."""
        put(self.judged, self.fault, operator.index(t), operator.index(k), float(value))


@structref.register
class SequenceType(types.StructRef):
    """A `Sequence` in compiled functions."""

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields)
        self.name = "seq"  # as Numba's errors call it; the fields' types are always the same

    def preprocess_fields(self, fields: Fields) -> Fields:
        """Forget what value a field was made of: its type counts."""
        return tuple((name, types.unliteral(kind)) for name, kind in fields)


def sequence_type(arrays: Arrays) -> SequenceType:
    """Return the type of a `Sequence` of such arrays in compiled functions."""
    return SequenceType(tuple((name, numba.typeof(array)) for name, array in zip(FIELDS, arrays, strict=True)))


structref.define_constructor(Sequence, SequenceType, list(FIELDS))


@kernel
def put(rows, fault, t, k, value):
    """Enter a target in `rows` (step, output); the first that cannot be is noted in `fault` (code, step, output)."""
    wrong = _NOTHING
    if not 0 <= t < rows.shape[0]:
        wrong = _STEP
    elif not 0 <= k < rows.shape[1]:
        wrong = _OUTPUT
    elif not np.isfinite(value):
        wrong = _VALUE
    else:
        rows[t, k] = value
    if wrong != _NOTHING and fault[0] == _NOTHING:
        fault[0], fault[1], fault[2] = wrong, t, k


def _check_types(name: str, t: types.Type, k: types.Type, value: types.Type) -> None:
    for what, kind in (("t", t), ("k", k)):
        if not isinstance(types.unliteral(kind), types.Integer):
            raise TypingError(f"seq.{name}: {what} is {kind}; allowed: a whole number")
    if not isinstance(types.unliteral(value), types.Number | types.Boolean):
        raise TypingError(f"seq.{name}: value is {value}; allowed: a number")


@overload_method(SequenceType, "learn")
def _learn(seq, t, k, value):
    _check_types("learn", t, k, value)

    def enter(seq, t, k, value):
        put(seq.learned, seq.fault, t, k, value + 0.0)

    return enter


@overload_method(SequenceType, "judge")
def _judge(seq, t, k, value):
    _check_types("judge", t, k, value)

    def enter(seq, t, k, value):
        put(seq.judged, seq.fault, t, k, value + 0.0)

    return enter


def blank(task: Writer) -> Arrays:
    """Arrays of a `Sequence` with nothing in them."""
    steps, dense = task.max_length, 0 if task.symbols else task.max_length
    learned = np.full((steps, task.n_outputs), np.nan)
    symbol = np.full(steps - dense, -1)
    return np.zeros((dense, task.n_inputs)), symbol, learned, learned.copy(), np.zeros(4, np.int64)


@kernel
def wipe(input, symbol, learned, judged):
    """Leave nothing in the arrays of a sequence."""
    for t in range(input.shape[0]):
        for i in range(input.shape[1]):
            input[t, i] = 0.0
    for t in range(symbol.size):
        symbol[t] = -1
    for t in range(learned.shape[0]):
        for k in range(learned.shape[1]):
            learned[t, k] = np.nan
            judged[t, k] = np.nan


@kernel
def enter(sequences, lane, input, symbol, learned, judged, fault, length, shortest, n_inputs):
    """Check a sequence of so many steps and add it to the lane's; whether it could be, else `fault` says why not."""
    if fault[0] == _NOTHING and not shortest <= length <= learned.shape[0]:
        fault[0], fault[3] = _LENGTH, length
    if fault[0] != _NOTHING:
        return False
    outputs, targets = learned.shape[1], 0
    for t in range(learned.shape[0]):
        learns, judges = 0, 0
        for k in range(outputs):
            learns += not np.isnan(learned[t, k])
            judges += not np.isnan(judged[t, k])
        targets += learns + judges
        wrong = _NOTHING
        if 0 < learns < outputs or 0 < judges < outputs:
            wrong = _PARTIAL
        elif learns + judges > 0 and t >= length:
            wrong = _LATE
        elif t < symbol.size and t < length and not 0 <= symbol[t] < n_inputs:
            wrong, fault[3] = _SYMBOL, symbol[t]
        elif t < input.shape[0] and t < length:
            for i in range(n_inputs):
                if not np.isfinite(input[t, i]):
                    wrong, fault[2] = _INPUT, i
        if wrong != _NOTHING:
            fault[0], fault[1] = wrong, t
            return False
    if targets == 0:
        fault[0] = _NONE
        return False
    start = sequences.write[lane]
    for t in range(length):
        if symbol.size:
            sequences.symbol[start + t, lane] = symbol[t]
        else:
            for i in range(n_inputs):
                sequences.inputs[start + t, i, lane] = input[t, i]
        if np.isnan(learned[t, 0]) and np.isnan(judged[t, 0]):
            continue
        learn = judge = own_row(sequences, lane)
        if np.isnan(learned[t, 0]):
            sequences.event[start + t, lane] |= JUDGE
            sequences.judge[start + t, lane] = judge
        else:
            if not np.isnan(judged[t, 0]):
                judge = own_row(sequences, lane)
            set_target(sequences, lane, start + t, learn, judge)
            for k in range(outputs):
                sequences.targets[learn, k] = learned[t, k]
        if not np.isnan(judged[t, 0]):
            for k in range(outputs):
                sequences.targets[judge, k] = judged[t, k]
    end_sequence(sequences, lane, length)
    return True


def words(task: Writer, fault: Ints) -> str:
    """Say what `fault` has noted."""
    code, step, unit, value = map(int, fault)
    last = task.max_length - 1
    return {
        Wrong.STEP: f"a target is set at step {step}; allowed: from 0 to {last}, as max_length={task.max_length}",
        Wrong.OUTPUT: f"a target is set for output {unit} at step {step}; allowed: from 0 to {task.n_outputs - 1}",
        Wrong.VALUE: f"the target of output {unit} at step {step} is not finite; allowed: finite numbers",
        Wrong.LENGTH: f"the length is {value}; allowed: from {task.min_length} to max_length={task.max_length}",
        Wrong.SYMBOL: f"symbol[{step}] is {'not written' if value == -1 else value}; allowed: from 0 to {task.n_inputs - 1}",
        Wrong.INPUT: f"input[{step}, {unit}] is not finite; allowed: finite numbers",
        Wrong.PARTIAL: f"some outputs alone have a target at step {step}; allowed: all {task.n_outputs} or none",
        Wrong.LATE: f"a target is set at step {step}, after the end; allowed: steps before the length that is returned",
        Wrong.NONE: "no step has a target; allowed: at least one seq.learn(t, k, value)",
    }[Wrong(code)]
