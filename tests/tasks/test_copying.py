"""The copy task: what is shown, when it is recalled."""

import numpy as np

from lstmsim.tasks.copying import Copying
from tests.tasks.reading import check_whole, read, steps_with


def test_the_symbols_are_recalled_from_the_cue_on():
    made = read(Copying(), 300)
    for one in made:
        assert one.length == 50
        shown = one.inputs[:5]
        np.testing.assert_array_equal(one.inputs[5:], [8] * 40 + [9] + [8] * 4)
        assert steps_with(one.learned) == steps_with(one.judged) == list(range(45, 50))
        np.testing.assert_array_equal(one.learned[45:], np.eye(8)[shown])
    check_whole(np.concatenate([one.inputs[:5] for one in made]), 0, 7)


def test_without_a_delay_the_cue_follows_the_last_symbol():
    (one,) = read(Copying(alphabet=2, length=1, delay=0), 1)
    assert one.inputs.tolist() == [one.learned[1].argmax(), 3]
