"""Timing: intervals, spikes, targets."""

import numpy as np
import pytest

from lstmsim.tasks.spikes import Spikes
from tests.tasks.reading import check_fraction, read, steps_with


def test_delays_are_told_at_their_spikes():
    made = read(Spikes("msd", 10), 1000)
    for one in made:
        assert np.flatnonzero(one.inputs[:, 0]).tolist() == steps_with(one.judged) == [one.length - 1]
        assert one.learned[-1, 0] == one.length - 10
    check_fraction(sum(one.length == 11 for one in made), 1000, 0.5)


@pytest.mark.parametrize("interval", [2, 7])
def test_spikes_to_be_made_come_at_equal_distances(interval):
    task = Spikes("gts", interval)
    made = read(task, 50)
    stream = np.concatenate([one.learned[:, 0] for one in made])
    assert np.flatnonzero(stream).tolist() == list(range(interval - 1, 50 * interval, interval))
    inputs = np.concatenate([one.inputs for one in made])
    assert (inputs == 1).all()
    assert task.events(inputs).tolist() == np.flatnonzero(stream).tolist()
