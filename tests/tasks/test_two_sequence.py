"""The two-sequence problem (experiments 3a, 3b, 3c)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmsim import tasks
from tests.tasks.reading import check_fraction, check_moments, check_whole, read, steps_with


def test_3a_elements_and_targets():
    for sequence in read(tasks.task("two_sequence")(T=100, N=3), 500):
        first = sequence.inputs[:3, 0]
        assert first.tolist() in ([1.0] * 3, [-1.0] * 3)
        assert not np.isin(sequence.inputs[3:, 0], [1.0, -1.0]).any()
        assert steps_with(sequence.learned) == steps_with(sequence.judged) == [sequence.length - 1]
        assert sequence.learned[-1, 0] == sequence.judged[-1, 0] == float(first[0] == 1.0)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(data=st.data(), T=st.integers(1, 200), noisy=st.booleans(), seed=st.integers(0, 2**40))
def test_any_parameters(data, T, noisy, seed):
    N = data.draw(st.integers(1, T))
    task = tasks.task("two_sequence")(T=T, N=N, target_noise=noisy, targets=(0.3, -0.6))
    for sequence in read(task, 10, seed=seed):
        assert T <= sequence.length <= T + T // 10
        clean = 0.3 if sequence.inputs[0, 0] == 1.0 else -0.6
        assert sequence.judged[-1, 0] == clean
        assert (sequence.learned[-1, 0] == clean) != noisy
        assert np.isin(sequence.inputs[:N, 0], [sequence.inputs[0, 0]]).all()


def test_lengths_and_classes_are_uniform():
    sequences = read(tasks.task("two_sequence")(T=50, N=1), 4000, block=20_000)
    check_whole([sequence.length for sequence in sequences], 50, 55)
    check_fraction(sum(int(sequence.inputs[0, 0] == 1.0) for sequence in sequences), 4000, 0.5)


def test_the_longest_length_can_be_set():
    sequences = read(tasks.task("two_sequence")(T=5, N=3, longest=10), 3000, block=20_000)
    check_whole([sequence.length for sequence in sequences], 5, 10)
    with pytest.raises(ValueError, match="longest is 4; allowed: 0 or a whole number of at least T, which is 5"):
        tasks.task("two_sequence")(T=5, longest=4)


def test_later_elements_have_variance_a_fifth():
    values = np.concatenate([sequence.inputs[3:, 0] for sequence in read(tasks.task("two_sequence")(), 600)])
    check_moments(values, 0.0, 0.2)


def test_noise_of_another_deviation():
    values = np.concatenate([sequence.inputs[3:, 0] for sequence in read(tasks.task("two_sequence")(deviation=0.2), 600)])
    check_moments(values, 0.0, 0.04)


def test_3b_noise_on_the_first_elements():
    sequences = read(tasks.task("two_sequence")(T=20, N=5, information_noise=True), 4000, block=20_000)
    sign = np.array([2.0 * sequence.judged[-1, 0] - 1.0 for sequence in sequences])
    check_fraction((sign > 0.0).sum(), 4000, 0.5)
    noise = np.array([sequence.inputs[:5, 0] for sequence in sequences]) - sign[:, None]
    check_moments(noise.ravel(), 0.0, 0.2)
    correlation = np.corrcoef(noise.T) - np.eye(5)
    assert np.abs(correlation).max() < 5.0 / np.sqrt(4000)
    assert all(np.array_equal(sequence.learned[-1], sequence.judged[-1]) for sequence in sequences)


def test_3b_leaves_the_later_elements_as_in_3a():
    plain, noisy = (read(tasks.task("two_sequence")(information_noise=noise), 20) for noise in (False, True))
    for a, b in zip(plain, noisy, strict=True):
        assert np.array_equal(a.inputs[3:], b.inputs[3:])
        assert not np.isclose(a.inputs[:3], b.inputs[:3], atol=1e-9).any()


def test_3c_learns_noisy_targets_and_judges_clean_ones():
    sequences = read(tasks.task("two_sequence")(T=20, N=1, target_noise=True, targets=(0.2, 0.8)), 4000, block=20_000)
    clean = np.array([sequence.judged[-1, 0] for sequence in sequences])
    class_1 = np.array([sequence.inputs[0, 0] == 1.0 for sequence in sequences])
    assert np.array_equal(clean, np.where(class_1, 0.2, 0.8))
    noise = np.array([sequence.learned[-1, 0] for sequence in sequences]) - clean
    check_moments(noise, 0.0, 0.1)
    assert len(np.unique(noise)) > 3990  # every sequence has its own target


def test_noise_on_targets_and_on_elements_is_independent():
    task = tasks.task("two_sequence")(T=20, N=5, information_noise=True, target_noise=True)
    sequences = read(task, 4000, block=20_000)
    clean = np.array([sequence.judged[-1, 0] for sequence in sequences])
    elements = np.array([sequence.inputs[:20, 0] for sequence in sequences])
    elements[:, :5] -= 2.0 * clean[:, None] - 1.0
    noise = np.column_stack([elements, [sequence.learned[-1, 0] for sequence in sequences] - clean, clean])
    correlation = np.corrcoef(noise.T) - np.eye(22)
    assert np.abs(correlation).max() < 5.0 / np.sqrt(4000)


@pytest.mark.parametrize(
    ("parameters", "tolerance"), [({}, 0.2), ({"information_noise": True}, 0.2), ({"target_noise": True}, 0.1)]
)
def test_tolerance(parameters, tolerance):
    assert tasks.task("two_sequence")(**parameters).tolerance == tolerance


def test_sizes_events_and_targets_as_a_list():
    task = tasks.task("two_sequence")(T=1000, N=3, targets=[0.2, 0.8])
    assert (task.n_inputs, task.n_outputs, task.min_length, task.max_length) == (1, 1, 1000, 1100)
    assert task.events(task.sequence(0, 0, 0)[0]).tolist() == [0, 1, 2]
    assert task == tasks.task("two_sequence")(T=1000, N=3, targets=(0.2, 0.8))
    assert hash(task) is not None
