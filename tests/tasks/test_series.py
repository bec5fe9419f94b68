"""A series of one's own as a stream: standardised by its past, cut into sequences that follow each other."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lstmsim import tasks
from lstmsim.tasks.series import series
from tests.tasks.reading import read


def test_values_are_standardised_by_the_past():
    x = np.random.default_rng(3).normal(5.0, 2.0, (1000, 2))
    task = series(x, steps=30, skipped=10)
    made = read(task, 33)
    inputs, targets = (np.concatenate([getattr(one, name) for one in made]) for name in ("inputs", "learned"))
    assert len(task.inputs.begins) - 1 == 32
    for n in range(32 * 30):
        seen = x[: 10 + n + 1]
        np.testing.assert_allclose(inputs[n], (x[10 + n] - seen.mean(axis=0)) / seen.std(axis=0), rtol=1e-9)
        np.testing.assert_allclose(targets[n], (x[11 + n] - seen.mean(axis=0)) / seen.std(axis=0), rtol=1e-9)
    np.testing.assert_array_equal(made[32].inputs, made[0].inputs)


def test_later_values_change_nothing():
    x = np.sin(np.arange(500) / 3)
    changed = np.append(x[:300], x[300:] * 100)
    one, other = (read(series(values, steps=20, skipped=20), 14) for values in (x, changed))
    for n in range(14):
        np.testing.assert_array_equal(one[n].inputs, other[n].inputs)


@pytest.mark.parametrize(
    ("values", "how", "told"),
    [
        (np.ones(500), {}, "values is 'the same in all steps that are skipped'"),
        (np.append(np.arange(300.0), np.nan), {}, "values is 'not finite somewhere'"),
        (np.arange(50.0), {}, r"the shape of values is \(50, 1\); allowed: more than 200 steps"),
        ("laser", {}, "the shape of values|values is 'str'"),
        (np.arange(500.0), {"steps": 0}, "steps is 0"),
        (np.arange(500.0), {"skipped": 1}, "skipped is 1"),
    ],
)
def test_what_is_no_series_is_refused(values, how, told):
    with pytest.raises(ValueError, match=told):
        series(values, **how)


def test_the_santa_fe_laser():
    """Of a package that ships it; what the last value as a prediction leaves is known from analysis/stream.ipynb."""
    found = importlib.util.find_spec("reservoirpy")
    if found is None:
        pytest.skip("reservoirpy is not installed")
    values = np.load(Path(found.submodule_search_locations[0]) / "datasets" / "santafe_laser.npy")
    assert (len(values), values.min(), values.max()) == (10_093, 0, 255)
    task = series(values)
    tasks.check(task, count=20)
    assert (len(task.inputs.begins) - 1, task.max_length) == (99, 100)
    assert abs(np.mean((task.targets.values - task.inputs.values) ** 2) - 0.94) < 0.05
