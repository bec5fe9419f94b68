"""Temporal order (experiments 6a, 6b)."""

import numpy as np
import pytest

from lstmsim import tasks
from tests.tasks.reading import check_fraction, check_whole, read, steps_with

PLACES = {2: [(10, 20), (50, 60)], 3: [(10, 20), (33, 43), (66, 76)]}
CLASSES = {2: "XX XY YX YY", 3: "XXX XXY XYX XYY YXX YXY YYX YYY"}
both = pytest.mark.parametrize("n_relevant", [2, 3])


def letters(sequence):
    return "".join("abcdXYEB"[symbol] for symbol in sequence.inputs)


@both
def test_every_string_obeys_the_paper(n_relevant):
    for sequence in read(tasks.task("temporal_order")(n_relevant=n_relevant), 500):
        string = letters(sequence)
        assert 100 <= len(string) <= 110
        assert (string[0], string[-1]) == ("E", "B")
        relevant = [t for t, letter in enumerate(string) if letter in "XY"]
        assert len(relevant) == n_relevant
        # The paper counts elements from 1.
        assert all(low <= t + 1 <= high for t, (low, high) in zip(relevant, PLACES[n_relevant], strict=True))
        others = [letter for t, letter in enumerate(string[1:-1], 1) if t not in relevant]
        assert set(others) <= set("abcd")
        number = CLASSES[n_relevant].split().index("".join(string[t] for t in relevant))
        assert steps_with(sequence.learned) == steps_with(sequence.judged) == [len(string) - 1]
        assert np.array_equal(sequence.learned[-1], np.eye(2**n_relevant)[number])


@both
def test_lengths_places_classes_and_letters_are_uniform(n_relevant):
    count = 4000
    sequences = read(tasks.task("temporal_order")(n_relevant=n_relevant), count, block=20_000)
    check_whole([sequence.length for sequence in sequences], 100, 110)
    classes = np.sum([sequence.learned[-1] for sequence in sequences], axis=0)
    check_fraction(classes, count, 0.5**n_relevant)
    relevant = np.array([np.flatnonzero(np.isin(sequence.inputs, [4, 5])) for sequence in sequences]) + 1
    for places, (low, high) in zip(relevant.T, PLACES[n_relevant], strict=True):
        check_whole(places, low, high)
    symbols = np.concatenate([sequence.inputs for sequence in sequences])
    check_whole(symbols[symbols < 4], 0, 3)


@pytest.mark.parametrize(("n_relevant", "lag"), [(2, 40), (3, 24)])
def test_minimal_lag(n_relevant, lag):
    sequences = read(tasks.task("temporal_order")(n_relevant=n_relevant), 4000, block=20_000)
    lags = [s.length - 1 - np.flatnonzero(np.isin(s.inputs, [4, 5]))[-1] for s in sequences]
    assert min(lags) == lag


@both
def test_sizes_and_events(n_relevant):
    task = tasks.task("temporal_order")(n_relevant=n_relevant)
    assert (task.n_inputs, task.n_outputs) == (8, 2**n_relevant)
    assert (task.min_length, task.max_length, task.tolerance) == (100, 110, 0.3)
    inputs, _ = task.sequence(0, 0, 0)
    assert task.events(inputs).tolist() == [t for t, x in enumerate(inputs) if x[4] or x[5]]
