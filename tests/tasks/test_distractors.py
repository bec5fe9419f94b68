"""Long lags with many distractors (experiment 2c)."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmsim import tasks
from lstmsim.tasks import distractors
from tests.tasks.reading import check_fraction, check_moments, make_sequences, read, steps_with


@settings(derandomize=True, max_examples=30, deadline=None)
@given(q=st.integers(1, 150), p=st.integers(1, 150), seed=st.integers(0, 2**40))
def test_every_string_obeys_the_paper(q, p, seed):
    e, b, x, y = range(p, p + 4)
    for sequence in read(tasks.task("distractors")(q=q, p=p), 20, seed=seed):
        symbols = sequence.inputs.tolist()
        assert symbols[0] == b
        assert symbols[1] in (x, y)
        assert symbols[-1] == e
        assert max(symbols[2:-1]) < p
        assert len(symbols) - 3 >= q
        assert steps_with(sequence.learned) == steps_with(sequence.judged) == [sequence.length - 1]
        assert sequence.learned[-1].tolist() == [float(symbols[1] == x), float(symbols[1] == y)]


def test_classes_and_distractors_are_uniform():
    sequences = read(tasks.task("distractors")(q=10, p=8), 4000, block=5000)
    check_fraction(sum(int(sequence.inputs[1] == 10) for sequence in sequences), 4000, 0.5)
    symbols = np.concatenate([sequence.inputs[2:-1] for sequence in sequences])
    check_fraction(np.bincount(symbols, minlength=8), symbols.size, 1.0 / 8)


def test_further_distractors_are_geometric():
    q, count = 10, 20_000
    extra = (
        np.array([sequence.length for sequence in read(tasks.task("distractors")(q=q, p=3), count, block=20_000)]) - q - 3
    )
    check_moments(extra, 9.0, 90.0, kurtosis=9.02)
    for k in range(60):
        check_fraction((extra >= k).sum(), count, 0.9**k)


def test_the_class_does_not_tell_the_length():
    sequences = read(tasks.task("distractors")(q=2, p=3), 8000, block=20_000)
    lengths = [[s.length for s in sequences if s.inputs[1] == symbol] for symbol in (5, 6)]
    for values in lengths:
        check_moments(values, 14.0, 90.0, kurtosis=9.02)


def test_sequences_are_cut_at_the_longest(monkeypatch):
    task = tasks.task("distractors")(q=4, p=3)
    sequences = make_sequences(task, 1, 500)
    monkeypatch.setattr(distractors, "EXTRA", 2)
    numba.njit(distractors.fill.py_func)(sequences, 500, 4, 3)
    lengths = np.diff(np.flatnonzero(sequences.symbol[:500, 0] == 4))  # b opens a sequence
    assert set(lengths.tolist()) == {7, 8, 9}
    assert (sequences.symbol[np.cumsum(lengths)[:-1] - 1, 0] == 3).all()  # and e closes it


def test_a_cut_is_practically_impossible():
    task = tasks.task("distractors")(q=50, p=50)
    assert 0.9 ** (task.max_length - task.min_length) < 1e-12


@pytest.mark.parametrize(("q", "p"), [(50, 50), (1000, 100)])
def test_sizes(q, p):
    task = tasks.task("distractors")(q=q, p=p)
    assert (task.n_inputs, task.n_outputs, task.min_length) == (p + 4, 2, q + 3)
    assert task.tolerance == 0.2
    inputs, _ = task.sequence(0, 0, 0)
    assert task.events(inputs).tolist() == [1, len(inputs) - 1]
