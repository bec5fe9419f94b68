"""The contract of tasks finds what breaks it."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from lstmsim.kernels.random import uniform
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target
from lstmsim.tasks import Task, check, generator

COUNT = [0]


@dataclass(frozen=True)
class Broken(Task):
    """Sequences of three steps, written in plain Python."""

    how: str = ""

    name: ClassVar[str] = "broken"
    n_inputs: ClassVar[int] = 1
    n_outputs: ClassVar[int] = 1

    @property
    def max_length(self):
        return {"no length": 0, "half a length": 2.5}.get(self.how, 3)

    @property
    def min_length(self):
        return 4 if self.how == "too short" else self.max_length

    def fixed_rows(self):
        if self.how == "rows":
            import numpy as np

            return np.zeros((1, 2))
        return super().fixed_rows()

    def events(self, inputs):
        return [3] if self.how == "events" else super().events(inputs)

    def fill(self, sequences, horizon):
        for lane in range(sequences.write.size):
            if not sequences.active[lane] and self.how != "lanes":
                continue
            while sequences.write[lane] < horizon:
                _key, start, row = begin_sequence(sequences, lane)
                for t in range(3):
                    if self.how != "unwritten" or t != 1:
                        sequences.inputs[start + t, 0, lane] = float(t)
                if self.how == "memory":
                    COUNT[0] += 1
                    sequences.inputs[start, 0, lane] = COUNT[0]
                if self.how == "lane":
                    sequences.inputs[start, 0, lane] = lane
                if self.how == "clock":
                    sequences.inputs[start, 0, lane] = start
                sequences.targets[row, 0] = 1.0
                set_target(sequences, lane, start + 2, row, row)
                end_sequence(sequences, lane, 3)
            if self.how == "beyond":
                sequences.inputs[sequences.write[lane], 0, lane] = 1.0


class Free(Broken):
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


def test_it_passes_when_nothing_is_wrong():
    check(Broken())


@pytest.mark.parametrize(
    ("how", "error", "told"),
    [
        ("no length", ValueError, "max_length of task 'broken' is 0; allowed: a whole number of at least 1"),
        ("half a length", ValueError, "max_length of task 'broken' is 2.5; allowed: a whole number of at least 1"),
        ("too short", ValueError, "min_length of task 'broken' is 4; allowed: at most max_length=3"),
        ("rows", ValueError, r"fixed_rows of task 'broken' is 'float64 \(1, 2\)'; allowed: float64 of the shape"),
        ("events", AssertionError, r"events gives array\(\[3\]\), not steps of sequence 0"),
        ("unwritten", ValueError, "input 0 is not finite at step 1 of sequence 0"),
        ("memory", AssertionError, "sequences depend on the number of lanes or the block"),
        ("lane", AssertionError, "sequences depend on the number of lanes or the block"),
        ("clock", AssertionError, "sequences depend on the number of lanes or the block"),
        ("lanes", AssertionError, "fill writes to a lane that holds no trial"),
        ("beyond", AssertionError, "fill writes after the last sequence|sequences depend"),
    ],
)
def test_it_says_what_is_wrong(how, error, told):
    with pytest.raises(error, match=told):
        check(Broken(how))


def test_values():
    with pytest.raises(AssertionError, match="how can be assigned to; make it a frozen dataclass"):
        check(Free())

    @generator(n_inputs=1, n_outputs=1, max_length=1, compiled=False)
    def local(seq, key):
        seq.input[0, 0] = uniform(key, 0)
        seq.learn(0, 0, 1.0)
        return 1

    with pytest.raises(AssertionError, match=r"cannot be pickled .*define it at the top of a module"):
        check(local())
    with pytest.raises(ValueError, match=r"allowed: an instance of a subclass of lstmsim\.tasks\.Task, with its parameters"):
        check(local)
    with pytest.raises(ValueError, match="task is 3; allowed: an instance"):
        check(3)
