"""Where every step has a target, eight marks are looked through at once; what is wrong among them is found as ever."""

import numpy as np
import pytest

from lstmsim.kernels.guard import Fault, first_fault
from lstmsim.kernels.sequences import END, JUDGE, LEARN, Sequences
from lstmsim.tasks.lag_sequences import NoiseFree

P = 10


def written(lanes: int) -> tuple[Sequences, tuple[np.ndarray, np.ndarray]]:
    """Five sequences of ten steps in each lane, the first two of which were looked through before."""
    task = NoiseFree(p=P)
    sequences = task.room(lanes, 64)
    sequences.active[:] = True
    task.fill(sequences, 2 * P)
    marks = sequences.write.copy(), sequences.index.copy()
    task.fill(sequences, 5 * P)
    return sequences, marks


def look(sequences: Sequences, marks: tuple[np.ndarray, np.ndarray]) -> tuple[int, int, int, int]:
    last, index = (array.copy() for array in marks)
    return first_fault(sequences, 5 * P, last, index, P + 1, P + 1, True, P, P)


def unjudge(sequences: Sequences, first: int) -> None:
    sequences.event[first : first + P, 2] &= LEARN | END


CHANGES = {
    "nothing": (lambda s: None, Fault.NONE),
    "event": (lambda s: s.event.__setitem__((33, 2), 8), Fault.EVENT),
    "learned row below 0": (lambda s: s.learn.__setitem__((33, 2), -1), Fault.ROW),
    "judged row too large": (lambda s: s.judge.__setitem__((33, 2), 10**6), Fault.ROW),
    "first not judged": (lambda s: unjudge(s, 2 * P), Fault.UNJUDGED),
    "middle not judged": (lambda s: unjudge(s, 3 * P), Fault.UNJUDGED),
    "last not judged": (lambda s: unjudge(s, 4 * P), Fault.UNJUDGED),
    "an end too early": (lambda s: s.event.__setitem__((33, 2), LEARN | JUDGE | END), Fault.LENGTH),
    "no last end": (lambda s: s.event.__setitem__((49, 2), LEARN), Fault.COUNT),
    "after the end": (lambda s: s.event.__setitem__((51, 2), LEARN), Fault.STRAY),
    "symbol below 0": (lambda s: s.symbol.__setitem__((33, 2), -1), Fault.SYMBOL),
    "symbol too large": (lambda s: s.symbol.__setitem__((49, 2), P + 1), Fault.SYMBOL),
}


@pytest.mark.parametrize("lanes", [3, 8, 16])
@pytest.mark.parametrize(("change", "fault"), CHANGES.values(), ids=CHANGES.keys())
def test_what_is_wrong_among_dense_marks_is_found(lanes, change, fault):
    sequences, marks = written(lanes)
    change(sequences)
    found = look(sequences, marks)
    assert Fault(found[0]) == fault
    if fault not in (Fault.NONE, Fault.SYMBOL):
        assert found[1] == 2


def test_lanes_out_of_use_may_hold_anything():
    sequences, marks = written(8)
    sequences.active[2] = False
    sequences.event[:, 2], sequences.learn[:, 2] = 255, -1
    assert look(sequences, marks)[0] == Fault.NONE
