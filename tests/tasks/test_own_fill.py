"""A task of one's own that writes wrongly, in every way that it can: a ValueError each time, before a learner reads it."""

import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numba
import numpy as np
import pytest

from lstmsim.kernels.compile import kernel
from lstmsim.kernels.recording import new_record
from lstmsim.kernels.sequences import JUDGE, LEARN, begin_sequence, end_sequence, rewind, set_target, unfilled
from lstmsim.simulation.lanes import Lanes
from lstmsim.tasks import Task, check, tasks
from lstmsim.tasks.contract import make_sequences

WAYS = (
    "well",
    "inputs far outside",
    "symbol far outside",
    "target row far outside",
    "event far outside",
    "set_target far outside",
    "set_target before",
    "end far outside",
    "length 0",
    "length below 0",
    "one step too long",
    "one step too short",
    "no end",
    "no target",
    "row -1",
    "row of another lane",
    "row beyond",
    "judged row beyond",
    "target NaN",
    "target after the end",
    "unknown event",
    "input NaN",
    "input infinite",
    "symbol below 0",
    "symbol too large",
    "ended by hand",
    "write moved back",
    "write far outside",
)
(
    WELL,
    FAR_INPUT,
    FAR_SYMBOL,
    FAR_TARGET,
    FAR_EVENT,
    FAR_SET,
    SET_BEFORE,
    FAR_END,
    ZERO,
    BELOW_ZERO,
    LONG,
    SHORT,
    NO_END,
    NO_TARGET,
    ROW_BELOW,
    ROW_ELSEWHERE,
    ROW_BEYOND,
    JUDGED_BEYOND,
    NAN_TARGET,
    LATE,
    MARK,
    NAN_INPUT,
    INFINITE_INPUT,
    SYMBOL_BELOW,
    SYMBOL_LARGE,
    BY_HAND,
    BACK,
    AWAY,
) = range(len(WAYS))


@kernel
def fill(sequences, horizon, way, number, steps, symbols):
    """Write sequences of `steps` steps, those from sequence `number` on in a wrong way."""
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            _key, start, row = begin_sequence(sequences, lane)
            wrong = way if sequences.index[lane] >= number else WELL
            last, length = start + steps - 1, steps
            for t in range(steps):
                if symbols:
                    sequences.symbol[start + t, lane] = t % 3
                else:
                    for i in range(3):
                        sequences.inputs[start + t, i, lane] = t + i
            if wrong == FAR_INPUT:
                sequences.inputs[start + 10_000_000, 0, lane] = 1.0
            if wrong == FAR_SYMBOL:
                sequences.symbol[start + 10_000_000, lane] = 1
            if wrong == FAR_TARGET:
                sequences.targets[row + 10_000_000, 0] = 1.0
            if wrong == FAR_EVENT:
                sequences.event[start + 10_000_000, lane] = LEARN
            if wrong == FAR_SET:
                set_target(sequences, lane, start + 10_000_000, row, row)
            if wrong == SET_BEFORE:
                set_target(sequences, lane, -10_000_000, row, row)
            if wrong == NAN_INPUT:
                sequences.inputs[start + 1, 2, lane] = np.nan
            if wrong == INFINITE_INPUT:
                sequences.inputs[start + 1, 2, lane] = -np.inf
            if wrong == SYMBOL_BELOW:
                sequences.symbol[start + 1, lane] = -1
            if wrong == SYMBOL_LARGE:
                sequences.symbol[start + 1, lane] = 500_000_000
            if wrong == MARK:
                sequences.event[last, lane] |= 8
            if wrong == LONG:
                length += 1
            if wrong == SHORT:
                length -= 1
            sequences.targets[row, 0] = np.nan if wrong == NAN_TARGET else 1.0
            learn = judge = row
            if wrong == ROW_BELOW:
                learn = judge = -1
            if wrong == ROW_ELSEWHERE:
                learn = judge = sequences.fixed_rows + (1 - lane) * sequences.slots
            if wrong == ROW_BEYOND:
                learn = judge = 10_000_000
            if wrong == JUDGED_BEYOND:
                judge = 10_000_000
            if wrong != NO_TARGET:
                set_target(sequences, lane, start + length - 1, learn, judge)
            if wrong == LATE:
                set_target(sequences, lane, last + 2, row, row)
            if wrong == ZERO:
                length = 0
            if wrong == BELOW_ZERO:
                length = -5
            if wrong == FAR_END:
                length = 10_000_000
            if wrong == BY_HAND:
                sequences.write[lane] += length
            elif wrong == BACK:
                sequences.write[lane] -= 10_000_000
                return
            elif wrong == AWAY:
                sequences.write[lane] += 10_000_000
            elif wrong != NO_END:
                end_sequence(sequences, lane, length)


@dataclass(frozen=True)
class Wrong(Task):
    way: int = WELL
    number: int = 0
    symbols: bool = False
    steps: int = 5

    name: ClassVar[str] = "wrong"
    n_inputs: ClassVar[int] = 3
    n_outputs: ClassVar[int] = 1
    max_length: ClassVar[int] = 5
    min_length: ClassVar[int] = 5

    def fill(self, sequences, horizon):
        fill(sequences, horizon, self.way, self.number, self.steps, self.symbols)


OF_SYMBOLS = {FAR_SYMBOL, SYMBOL_BELOW, SYMBOL_LARGE}
CASES = [(way, way in OF_SYMBOLS, number) for way in range(1, len(WAYS)) for number in (0, 3)]


def test_what_is_well_written_passes():
    check(Wrong())
    check(Wrong(symbols=True))


@pytest.mark.parametrize(("way", "symbols", "number"), CASES, ids=[f"{WAYS[way]}, {number}" for way, _, number in CASES])
def test_what_is_wrong_is_refused(way, symbols, number):
    task = Wrong(way, number, symbols)
    sequences = make_sequences(task, 2, 100)
    with pytest.raises(ValueError, match=r"allowed: |end_sequence was given"):
        task.write(sequences, 100)


@pytest.mark.parametrize(
    ("way", "told"),
    [
        (LONG, "task 'wrong': the length of sequence 3 is 6; allowed: from min_length=5 to max_length=5 steps"),
        (NO_END, "task 'wrong': sequence 3 was not ended; allowed: end_sequence after each begin_sequence"),
        (NAN_INPUT, "task 'wrong': input 2 is not finite at step 1 of sequence 3; allowed: finite numbers"),
        (NAN_TARGET, "task 'wrong': target 0 is not finite at step 4 of sequence 3; allowed: finite numbers"),
        (NO_TARGET, "task 'wrong': sequence 3 has no target; allowed: at least one step at which something is judged"),
        (FAR_INPUT, "task 'wrong' writes outside its sequences: index is out of bounds; allowed: what n_inputs=3, "),
        (ROW_BEYOND, "task 'wrong': the target row is 10000000 at step 4 of sequence 3; allowed: the 0 fixed ones, or "),
        (LATE, "task 'wrong': a target stands after the end of a sequence"),
    ],
)
def test_the_place_is_told(way, told):
    sequences = make_sequences(Wrong(way, 3), 1, 20)
    with pytest.raises(ValueError, match=re.escape(told)):
        Wrong(way, 3).write(sequences, 20)


@pytest.mark.parametrize(("way", "symbol"), [(SYMBOL_BELOW, -1), (SYMBOL_LARGE, 500_000_000)])
def test_the_symbol_is_told(way, symbol):
    sequences = make_sequences(Wrong(way, 3, True), 1, 20)
    with pytest.raises(ValueError, match=f"the symbol is {symbol} at step 1 of sequence 3; allowed: from 0 to 2"):
        Wrong(way, 3, True).write(sequences, 20)


def test_longer_sequences_than_declared_are_refused_by_the_trial_loop():
    learner = SimpleNamespace(lanes=2, reset=lambda lane: None)
    lanes = Lanes(Wrong(steps=60), learner, record=new_record(2, 1, 1, 0))
    lanes.begin(slice(0, 2), 7)
    with pytest.raises(ValueError, match="the length of sequence 0 is 60; allowed: from min_length=5 to max_length=5"):
        lanes.advance(learn=True)


@dataclass(frozen=True)
class Simple(Wrong):
    how: str = "python"

    def fill(self, sequences, horizon):
        getattr(self, self.how)(sequences, horizon)

    def python(self, sequences, horizon):
        fill.py_func(sequences, horizon, WELL, 0, 5, False)

    def overflow(self, sequences, horizon):
        from lstmsim.kernels.random import below

        for index in range(20):  # half of the keys are larger than a signed number can be
            sequences.index[0] = index
            key, _, _ = begin_sequence(sequences, 0)
            below(key, 0, 2)

    def drawing(self, sequences, horizon):
        @numba.njit
        def draw():
            return np.random.default_rng(3)

        draw()

    def misspelt(self, sequences, horizon):
        @numba.njit
        def spell(sequences):
            return sequences.symbols

        spell(sequences)


def test_plain_python_is_told_what_to_do():
    sequences = make_sequences(Simple(), 1, 20, trial=1)
    with pytest.raises(ValueError, match=r"generator\(compiled=False\)"):
        Simple(how="overflow").write(sequences, 20)


@pytest.mark.parametrize(("how", "told"), [("drawing", "lstmsim.kernels.random"), ("misspelt", "attribute 'symbols'")])
def test_what_numba_says_becomes_one_line(how, told):
    with pytest.raises(ValueError, match=told) as error:
        Simple(how=how).write(make_sequences(Simple(), 1, 20), 20)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


def test_lanes_without_a_trial_may_hold_anything():
    task = Wrong()
    sequences = make_sequences(task, 3, 100)
    sequences.active[1] = False
    sequences.event[:, 1], sequences.inputs[:, :, 1] = JUDGE, np.nan
    task.write(sequences, 100)
    assert sequences.write.tolist() == [100, 0, 100]


@pytest.mark.parametrize("task", [cls() for cls in tasks().values()], ids=str)
def test_the_papers_tasks_pass_block_after_block(task):
    sequences = make_sequences(task, 2, 500)
    for _ in range(5):
        task.write(sequences, 500)
        rewind(sequences, int(sequences.write.min()))
