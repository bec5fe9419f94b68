"""Noise-free sequences with long lags (experiment 2a) and without local regularities (2b)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmsim import tasks
from tests.tasks.reading import check_fraction, read, steps_with


def whole_string(p, sequence):
    """Return the symbols seen and, as the last one, the symbol predicted last."""
    last = int(np.argmax(sequence.learned[-1]))
    assert np.array_equal(sequence.learned[-1], np.eye(p + 1)[last])
    return [*sequence.inputs.tolist(), last]


@settings(derandomize=True, max_examples=25, deadline=None)
@given(p=st.integers(2, 120), seed=st.integers(0, 2**40))
def test_2a_is_one_of_two_strings_with_all_next_symbols_as_targets(p, seed):
    for sequence in read(tasks.task("noise_free")(p=p), 20, seed=seed):
        string = whole_string(p, sequence)
        assert string in ([p - 1, *range(p - 1), p - 1], [p, *range(p - 1), p])
        assert np.array_equal(sequence.learned, np.eye(p + 1)[string[1:]])
        assert np.array_equal(sequence.judged, sequence.learned)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(p=st.integers(2, 120), seed=st.integers(0, 2**40), targets=st.sampled_from(["every", "end"]))
def test_2b_repeats_the_first_symbol_after_any_others(p, seed, targets):
    for sequence in read(tasks.task("local_regularities")(p=p, targets=targets), 20, seed=seed):
        string = whole_string(p, sequence)
        assert len(string) == p + 1
        assert string[0] == string[-1]
        assert string[0] in (p - 1, p)
        assert max(string[1:-1]) < p - 1
        if targets == "every":
            assert np.array_equal(sequence.learned, np.eye(p + 1)[string[1:]])
        else:
            assert steps_with(sequence.learned) == [p - 1]
        assert steps_with(sequence.judged) == [p - 1]
        assert np.array_equal(sequence.judged[-1], sequence.learned[-1])


@pytest.mark.parametrize("name", ["noise_free", "local_regularities"])
def test_classes_are_equally_likely(name):
    sequences = read(tasks.task(name)(p=5), 4000, block=5000)
    check_fraction(sum(int(sequence.inputs[0] == 5) for sequence in sequences), 4000, 0.5)


def test_2b_draws_are_uniform_and_independent():
    strings = np.array([sequence.inputs for sequence in read(tasks.task("local_regularities")(p=6), 4000)])
    symbols = strings[:, 1:]
    for column in symbols.T:
        check_fraction(np.bincount((strings[:, 0] - 5) * 5 + column, minlength=10), len(strings), 0.1)
    check_fraction(np.bincount(symbols.ravel(), minlength=5), symbols.size, 0.2)
    pairs = symbols[:, :-1] * 5 + symbols[:, 1:]
    check_fraction(np.bincount(pairs.ravel(), minlength=25), pairs.size, 0.04)


@pytest.mark.parametrize("name", ["noise_free", "local_regularities"])
def test_sizes(name):
    task = tasks.task(name)(p=100)
    assert (task.n_inputs, task.n_outputs, task.min_length, task.max_length) == (101, 101, 100, 100)
    assert task.tolerance == 0.25
    assert task.events(task.sequence(0, 0, 0)[0]).tolist() == [0]
