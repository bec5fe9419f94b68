"""The Mackey-Glass series: the equation, what is standardised by what, one stream over all sequences."""

import numpy as np

from lstmsim.kernels.random import trial_keys, uniform
from lstmsim.tasks import mackey_glass
from lstmsim.tasks.mackey_glass import MackeyGlass
from tests.tasks.reading import read


def literal(task, key, count):
    """Inputs and targets by the definition, all at once."""
    x = [1.2 + 0.2 * uniform(key, k) for k in range(task.delay + 1)]
    first = len(x)
    for t in range(task.delay, task.delay + task.skipped + count):
        past = x[t - task.delay]
        x.append(x[t] + task.beta * past / (1 + past**task.exponent) - task.gamma * x[t])
    inputs, targets = [], []
    for t in range(first + task.skipped - 1, first + task.skipped - 1 + count):
        seen = np.array(x[first : t + 1])
        inputs.append((x[t] - seen.mean()) / seen.std())
        targets.append((x[t + 1] - seen.mean()) / seen.std())
    return inputs, targets


def test_the_series_is_the_equations_over_the_ends_of_sequences():
    task = MackeyGlass(steps=30)
    made = read(task, 20, seed=3, trial=1)
    inputs, targets = literal(task, trial_keys(3, 1)[0], 600)
    np.testing.assert_allclose(np.concatenate([one.inputs for one in made])[:, 0], inputs, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(np.concatenate([one.learned for one in made])[:, 0], targets, rtol=1e-8, atol=1e-9)


def test_a_sequence_is_the_same_from_the_middle_of_a_stream_and_from_nothing():
    task = MackeyGlass(steps=10)
    whole = read(task, 50)
    mackey_glass._KEPT.clear()
    inputs, targets = task.sequence(0, 0, 40)
    np.testing.assert_array_equal(inputs, whole[40].inputs)
    np.testing.assert_array_equal(targets, whole[40].learned)
    for index in (41, 3, 44):
        np.testing.assert_array_equal(task.sequence(0, 0, index)[0], whole[index].inputs)


def test_errors_are_shares_of_the_variance():
    made = read(MackeyGlass(steps=1000), 20)
    targets = np.concatenate([one.learned for one in made[2:]])
    assert abs(targets.var() - 1.0) < 0.02
    persistence = np.mean((targets - np.concatenate([one.inputs for one in made[2:]])) ** 2)
    assert 0.005 < persistence < 0.05
