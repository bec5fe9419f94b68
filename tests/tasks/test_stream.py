"""The 20-step stream of the sequence chunker."""

import numpy as np
import pytest

from lstmsim.tasks.stream import Stream
from tests.tasks.reading import check_fraction, read


def test_strings_targets_and_what_is_judged():
    task, firsts = Stream(q=4, strings=3), []
    for sequence in read(task, 60):
        strings = sequence.inputs.reshape(3, 5)
        assert (strings[:, 1:] == [0, 1, 2, 3]).all()
        assert np.isin(strings[:, 0], [4, 5]).all()
        firsts += strings[:, 0].tolist()
        assert not np.isnan(sequence.learned).any()
        symbols, marks = sequence.learned[:, :6], sequence.learned[:, 6]
        assert np.array_equal(symbols[:-1].argmax(axis=1), sequence.inputs[1:])
        assert (symbols.sum(axis=1) == 1).all()
        assert np.array_equal(marks.reshape(3, 5)[:, -1], strings[:, 0] == 4)
        assert (marks.reshape(3, 5)[:, :-1] == 0).all()
        known = np.arange(15) % 5 != 4
        assert np.array_equal(sequence.judged[known], sequence.learned[known])
        assert (sequence.judged[~known][:, 4:6] == 0.5).all()
        assert np.array_equal(sequence.judged[~known][:, 6], marks[~known])
        assert (sequence.judged[~known][:, :4] == 0).all()
        assert np.array_equal(task.events(sequence.inputs), [0, 5, 10])
    check_fraction(firsts.count(4), len(firsts), 0.5)


def test_the_first_symbol_after_a_sequence_may_differ_from_what_was_learned():
    """A sequence's last target is drawn, the next sequence begins anew: their activations are reset in between."""
    sequences = read(Stream(q=1, strings=1), 200)
    announced = [s.learned[-1, 1:3].argmax() for s in sequences[:-1]]
    begun = [s.inputs[0] - 1 for s in sequences[1:]]
    check_fraction(np.equal(announced, begun).sum(), 199, 0.5)


@pytest.mark.parametrize("parameters", [{"q": 0}, {"strings": 0}, {"q": 2.5}])
def test_refuses(parameters):
    with pytest.raises(ValueError, match="; allowed: a whole number from 1"):
        Stream(**parameters)
