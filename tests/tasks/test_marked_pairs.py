"""Adding (experiment 4) and multiplication (experiment 5)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmsim import tasks
from tests.tasks.reading import check_fraction, check_moments, check_whole, read, steps_with

both = pytest.mark.parametrize("name", ["adding", "multiplication"])


def expected(name, x_1, x_2):
    return 0.5 + (x_1 + x_2) / 4.0 if name == "adding" else x_1 * x_2


def check_sequence(name, T, sequence):
    values, markers = sequence.inputs.T
    assert T <= sequence.length <= T + T // 10
    lowest = -1.0 if name == "adding" else 0.0
    assert (values >= lowest).all()
    assert (values <= 1.0).all()
    marked = np.flatnonzero(markers == 1.0)
    assert len(marked) == 2
    # One among the first ten, the other among the T/2 - 1 first of the rest.
    assert marked[0] < 10
    assert marked[1] <= T // 2 - 1
    others = np.delete(np.arange(sequence.length), marked)
    assert np.array_equal(markers[others], np.where(np.isin(others, [0, sequence.length - 1]), -1.0, 0.0))
    x = values[marked]
    if marked[0] == 0:
        assert x[0] == (0.0 if name == "adding" else 1.0)
    assert steps_with(sequence.learned) == steps_with(sequence.judged) == [sequence.length - 1]
    assert sequence.learned[-1, 0] == sequence.judged[-1, 0] == expected(name, *x)
    assert 0.0 <= sequence.learned[-1, 0] <= 1.0


@both
@pytest.mark.parametrize("T", [20, 100, 101])
def test_every_sequence_obeys_the_paper(name, T):
    for sequence in read(tasks.task(name)(T=T), 500):
        check_sequence(name, T, sequence)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(T=st.integers(20, 400), seed=st.integers(0, 2**40))
@both
def test_any_length(name, T, seed):
    for sequence in read(tasks.task(name)(T=T), 20, seed=seed):
        check_sequence(name, T, sequence)


@both
def test_places_and_lengths_are_uniform(name):
    T, count = 40, 4000
    sequences = read(tasks.task(name)(T=T), count, block=20_000)
    check_whole([sequence.length for sequence in sequences], T, T + T // 10)
    places = np.zeros(T // 2)
    for sequence in sequences:
        places[np.flatnonzero(sequence.inputs[:, 1] == 1.0)] += 1
    # Each of the first ten is the first one with 1/10, else the second with 1 / (T/2 - 1); the others only the latter.
    check_fraction(places[:10], count, 0.1 + 0.9 / (T // 2 - 1))
    check_fraction(places[10:], count, 1.0 / (T // 2 - 1))


@both
def test_values_are_uniform(name):
    values = np.concatenate([s.inputs[s.inputs[:, 1] == 0.0, 0] for s in read(tasks.task(name)(), 500)])
    lowest = -1.0 if name == "adding" else 0.0
    check_moments(values, (1.0 + lowest) / 2.0, (1.0 - lowest) ** 2 / 12.0, kurtosis=1.8)
    check_fraction(np.histogram(values, 20, (lowest, 1.0))[0], len(values), 0.05)


@both
def test_events_are_the_marked_pairs(name):
    task = tasks.task(name)(T=30)
    for index in range(50):
        inputs, _ = task.sequence(0, 0, index)
        assert task.events(inputs).tolist() == np.flatnonzero(inputs[:, 1] == 1.0).tolist()


@both
def test_sizes(name):
    task = tasks.task(name)(T=105)
    assert (task.n_inputs, task.n_outputs, task.min_length, task.max_length) == (2, 1, 105, 115)
    assert task.tolerance == 0.04
