"""What a task has written is looked through before a learner's kernel reads it: kernels check no index."""

from __future__ import annotations

import math
import threading
import time
from enum import IntEnum
from typing import Annotated

import numpy as np
from numba.core.errors import NumbaError

from lstmsim.checks import Field, Real, Whole, check, refusal
from lstmsim.kernels.arrays import Ints
from lstmsim.kernels.compile import called, inlined, kernel
from lstmsim.kernels.sequences import END, JUDGE, LEARN, Sequences, Writer
from lstmsim.kernels.vector import UNITS, lane_bits, lane_sum, load_at, lowest, marked_bytes, splat

RANDOM = "below, uniform and normal of lstmsim.kernels.random, draw n of a key"


_PREFACE = (
    "Failed in",
    "File ",
    "Invalid use of",
    "No implementation",
    "During",
    "-",
    ">>>",
    "There are",
)  # of Numba's errors


_FIRST = 100  # sequences of a trial whose inputs are looked at


class Fault(IntEnum):
    """What may be wrong with what a task has written."""

    NONE = 0
    STUCK = 1  # a lane does not reach the horizon
    ROOM = 2  # `write` is outside the arrays, or has gone back
    EVENT = 3  # unknown marks
    ROW = 4  # a target row that is neither fixed nor the lane's own
    TARGET = 5  # a target that is not finite
    LENGTH = 6  # a sequence shorter or longer than declared
    UNJUDGED = 7  # a sequence in which nothing is judged
    COUNT = 8  # sequences begun and ended differ
    STRAY = 9  # a mark after the end of the last sequence
    SYMBOL = 10  # no such symbol
    INPUT = 11  # an input that is not finite


_NONE, _STUCK, _ROOM, _EVENT, _ROW, _TARGET, _LENGTH, _UNJUDGED, _COUNT, _STRAY, _SYMBOL, _INPUT = map(int, Fault)


@inlined
def inputs_in_order(sequences, low, high, n_inputs, symbols):
    """Whether all inputs of these clocks are finite, or all symbols there; of the lanes in use and of the others."""
    if symbols:
        n, end, wrong = low * sequences.write.size, high * sequences.write.size, False
        while n + 8 <= end:
            symbol = load_at(UNITS, sequences.symbol, n)
            wrong |= (lane_bits(symbol < 0) | lane_bits(symbol >= n_inputs)) != 0
            n += 8
        while n < end:
            wrong |= not 0 <= sequences.symbol[n // sequences.write.size, n % sequences.write.size] < n_inputs
            n += 1
        return not wrong
    inputs, width = sequences.inputs, n_inputs * sequences.write.size
    n, end = low * width, high * width
    a, b, c, d = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)  # one would wait for itself
    while n + 32 <= end:
        p, q, r, s = (
            load_at(UNITS, inputs, n),
            load_at(UNITS, inputs, n + 8),
            load_at(UNITS, inputs, n + 16),
            load_at(UNITS, inputs, n + 24),
        )
        a, b, c, d = a + (p - p), b + (q - q), c + (r - r), d + (s - s)  # 0, or NaN where an input is not finite
        n += 32
    rest = lane_sum((a + b) + (c + d))
    while n < end:
        x = inputs[n // width, n % width // sequences.write.size, n % sequences.write.size]
        rest += x - x
        n += 1
    return rest == 0.0


@inlined
def inner_marks(sequences, n):
    """Lanes judged in the 8 elements from flat position `n` on, as bits, and whether other than inner steps are among them.

    Inner steps end no sequence, and the rows of their targets are fixed ones.
    """
    event, fixed = load_at(UNITS, sequences.event, n), sequences.fixed_rows
    if lane_bits((event & ~(LEARN | JUDGE)) != 0):
        return 0, True
    learn, judge = load_at(UNITS, sequences.learn, n), load_at(UNITS, sequences.judge, n)
    learned, judged = lane_bits((event & LEARN) != 0), lane_bits((event & JUDGE) != 0)
    other = learned & (lane_bits(learn < 0) | lane_bits(learn >= fixed))
    other |= judged & (lane_bits(judge < 0) | lane_bits(judge >= fixed))
    return judged, other != 0


@kernel
def first_fault(sequences, horizon, last, index, n_inputs, n_outputs, symbols, shortest, longest):
    """Look through what was written since; the fault, its lane, its clock and a value, or NONE.

    `last` and `index` (lane,) are copies of `write` and `index` from before, and are changed. Of a wrong input or symbol
    only that there is one is found.
    """
    judged = 0
    event, clocks, lanes = sequences.event, sequences.event.shape[0], sequences.write.size
    shift = lowest(lanes)  # a division takes longer than all else that is done for a mark
    shift = shift if lanes == 1 << shift else -1
    low, high, first = clocks, 0, _FIRST
    begun, whole = 0, clocks  # between these clocks all lanes in use hold what is to be looked through
    for lane in range(lanes):
        if sequences.active[lane]:
            write = sequences.write[lane]
            if write < last[lane] or write > clocks:
                return _ROOM, lane, last[lane], write
            if write < horizon:
                return _STUCK, lane, write, horizon
            low, high, first = min(low, last[lane]), max(high, write), min(first, index[lane])
            begun, whole = max(begun, last[lane]), min(whole, write)
    n, end = low * lanes, min(high + longest, clocks) * lanes
    begun, whole = begun * lanes, whole * lanes if lanes in (8, 16) else 0
    while n < end:
        marked = marked_bytes(event, n) if n + 32 <= end else (1 << (end - n)) - 1
        while marked:
            at = n + (lowest(marked) & ~7)
            if begun <= at and at + 8 <= whole:
                judges, other = inner_marks(sequences, at)
                if not other:
                    judged |= judges << (at & (lanes - 1))
                    marked &= ~(255 << (at - n))
                    continue
            at = n + lowest(marked)
            t = at >> shift if shift >= 0 else at // lanes
            lane = at - t * lanes
            marked &= marked - 1
            if not event[t, lane] or not sequences.active[lane]:
                continue
            if t >= sequences.write[lane]:
                return _STRAY, lane, t, event[t, lane]
            if event[t, lane] & ~(LEARN | JUDGE | END):
                return _EVENT, lane, t, event[t, lane]
            for kind, rows in ((LEARN, sequences.learn), (JUDGE, sequences.judge)):
                row = rows[t, lane]
                if not event[t, lane] & kind or 0 <= row < sequences.fixed_rows:
                    continue
                own = row - sequences.fixed_rows - lane * sequences.slots
                if not 0 <= own < sequences.slots:
                    return _ROW, lane, t, row
                for k in range(n_outputs):
                    if not np.isfinite(sequences.targets[row, k]):
                        return _TARGET, lane, t, k
            if t < last[lane]:
                continue
            judged |= (event[t, lane] & JUDGE) // JUDGE << lane
            if event[t, lane] & END:
                length = t + 1 - last[lane]
                if not shortest <= length <= longest:
                    return _LENGTH, lane, last[lane], length
                if not judged >> lane & 1:
                    return _UNJUDGED, lane, last[lane], length
                last[lane] = t + 1
                judged &= ~(1 << lane)
                index[lane] += 1
        n += 32
    for lane in range(lanes):
        if sequences.active[lane] and (last[lane] != sequences.write[lane] or index[lane] != sequences.index[lane]):
            return _COUNT, lane, last[lane], sequences.index[lane]
    # Symbols are indices. An input that is not finite would show as divergence: it is looked for where trials begin.
    if low < high and (symbols or first < _FIRST) and not inputs_in_order(sequences, low, high, n_inputs, symbols):
        return _SYMBOL if symbols else _INPUT, 0, 0, 0
    return _NONE, 0, 0, 0


def check_sizes(task: Writer) -> None:
    """Check the numbers that a task declares.

    Raises
    ------
    ValueError
        Naming the number, its value and what is allowed.
    """
    place = f"of task {task.name!r}"
    for name in ("n_inputs", "n_outputs", "max_length", "min_length"):
        check(f"{name} {place}", getattr(task, name), Annotated[Whole, Field(ge=1)])
    if task.min_length > task.max_length:
        raise refusal(f"min_length {place}", task.min_length, f"at most max_length={task.max_length}")
    check(f"tolerance {place}", task.tolerance, Annotated[Real, Field(ge=0)])
    rows = np.asarray(task.fixed_rows())
    if rows.ndim != 2 or rows.shape[1] != task.n_outputs or rows.dtype != np.float64:
        raise refusal(f"fixed_rows {place}", f"{rows.dtype} {rows.shape}", f"float64 of the shape (rows, {task.n_outputs})")
    if not np.isfinite(rows).all():
        raise refusal(f"fixed_rows {place}", "not finite", "finite numbers")


_writing: dict[int, float] = {}  # threads in which a task writes, and since when


def is_stuck(thread: int | None, seconds: float = 5.0) -> bool:
    """Whether a task's `fill` has been at work in a thread for so long that it may never return."""
    return time.monotonic() - _writing.get(thread or 0, math.inf) > seconds


def write(task: Writer, sequences: Sequences, horizon: int) -> None:
    """Have a task write sequences until every active lane reaches the horizon, and look through what it has written.

    Parameters
    ----------
    task : Writer
        Its `fill` writes.
    sequences : Sequences
        Changed in place.
    horizon : int
        Clock that every active lane is to reach.

    Raises
    ------
    ValueError
        If something is wrong with what the task has written: which sequence, which step, and what is allowed.
    """
    begun, index = sequences.write.copy(), sequences.index.copy()
    last, latest = begun.copy(), index.copy()
    outside: Exception | None = None
    _writing[threading.get_ident()] = time.monotonic()
    try:
        task.fill(sequences, horizon)
    except IndexError as error:  # often because sequences are too long: then that is told
        outside, horizon = error, 0
    except (OverflowError, NumbaError) as error:
        raise explained(task, error) from (None if isinstance(error, NumbaError) else error)
    finally:
        del _writing[threading.get_ident()]
    sizes = task.n_inputs, task.n_outputs, task.symbols, task.min_length, task.max_length
    fault, lane, clock, value = called(first_fault, sequences, horizon, last, latest, *sizes)
    if fault == _NONE and outside is None:
        return
    if outside is not None and fault != Fault.LENGTH:
        raise explained(task, outside) from outside
    if fault in (Fault.INPUT, Fault.SYMBOL):
        fault, lane, clock, value = _wrong_input(task, sequences, begun)
        if fault == _NONE:
            return
    number, step = index[lane], clock - begun[lane]
    ends = np.flatnonzero(sequences.event[begun[lane] : max(clock, 0), lane] & END)
    if ends.size:
        number, step = number + ends.size, clock - begun[lane] - ends[-1] - 1
    place = f"step {step} of sequence {number}"
    raise ValueError(f"task {task.name!r}: {_words(Fault(fault), task, sequences, place, int(number), int(value))}")


def _wrong_input(task: Writer, sequences: Sequences, before: Ints) -> tuple[int, int, int, int]:
    """Find the first input or symbol of a lane in use that is wrong; lanes that are not in use may hold anything."""
    for lane in np.flatnonzero(sequences.active).tolist():
        steps = slice(int(before[lane]), int(sequences.write[lane]))
        if task.symbols:
            symbol = sequences.symbol[steps, lane]
            wrong = (symbol < 0) | (symbol >= task.n_inputs)
        else:
            wrong = np.any(~np.isfinite(sequences.inputs[steps, :, lane]), axis=1)
        if wrong.any():
            clock = steps.start + int(np.argmax(wrong))
            if task.symbols:
                return Fault.SYMBOL, lane, clock, int(sequences.symbol[clock, lane])
            return Fault.INPUT, lane, clock, int(np.argmin(np.isfinite(sequences.inputs[clock, :, lane])))
    return Fault.NONE, 0, 0, 0


def _words(fault: Fault, task: Writer, sequences: Sequences, place: str, number: int, value: int) -> str:
    """Say what is wrong."""
    length = f"from min_length={task.min_length} to max_length={task.max_length} steps"
    rows = f"the {sequences.fixed_rows} fixed ones, or the lane's own as begin_sequence gives it"
    return {
        Fault.STUCK: f"sequence {number} was not ended; allowed: end_sequence after each begin_sequence",
        Fault.ROOM: f"sequence {number} ends at clock {value}; allowed: {length}",
        Fault.EVENT: f"event is {value} at {place}; allowed: what set_target and end_sequence enter",
        Fault.ROW: f"the target row is {value} at {place}; allowed: {rows}",
        Fault.TARGET: f"target {value} is not finite at {place}; allowed: finite numbers",
        Fault.LENGTH: f"the length of sequence {number} is {value}; allowed: {length}",
        Fault.UNJUDGED: f"sequence {number} has no target; allowed: at least one step at which something is judged",
        Fault.COUNT: f"sequence {number} was not ended by end_sequence; allowed: that alone",
        Fault.STRAY: f"a target stands after the end of a sequence, at {place}; allowed: steps of the sequence",
        Fault.SYMBOL: f"the symbol is {value} at {place}; allowed: from 0 to {task.n_inputs - 1}",
        Fault.INPUT: f"input {value} is not finite at {place}; allowed: finite numbers",
    }[fault]


def explained(task: Writer, error: Exception) -> ValueError:
    """Return an error of a task's `fill` in one line, with what may be done about it."""
    text = " ".join(str(error).split())
    if isinstance(error, OverflowError):
        return ValueError(
            f"task {task.name!r}: fill is plain Python ({text}); allowed: one compiled by lstmsim.kernels.compile.kernel, "
            "or lstmsim.tasks.generator(compiled=False)"
        )
    if isinstance(error, IndexError):
        sizes = f"n_inputs={task.n_inputs}, n_outputs={task.n_outputs}, max_length={task.max_length}"
        return ValueError(f"task {task.name!r} writes outside its sequences: {text}; allowed: what {sizes} have room for")
    if "random" in text:
        return ValueError(f"task {task.name!r} draws numbers that cannot be repeated; allowed: {RANDOM}")
    told = [line.strip() for line in str(error).splitlines() if line.strip()]
    where = next((line.rstrip(":") for line in reversed(told) if line.startswith("File ")), "")
    own = [line.removeprefix("TypingError: ") for line in told if "; allowed: " in line]
    what = (own or [line for line in told if not line.startswith(_PREFACE)] or told)[0]
    return ValueError(f"task {task.name!r} cannot be compiled: {what} ({where})")
