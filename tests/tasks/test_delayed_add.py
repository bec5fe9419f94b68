"""Delayed addition: the equation, the floors, one stream over all sequences."""

import itertools

import numpy as np
import pytest

from lstmsim.tasks.delayed_add import DelayedAdd
from tests.tasks.reading import check_fraction, read


@pytest.mark.parametrize(("t1", "t2", "steps"), [(6, 10, 100), (5, 7, 3), (0, 1, 1)])
def test_targets_are_the_equation_over_the_ends_of_sequences(t1, t2, steps):
    made = read(DelayedAdd(t1, t2, steps), 400 // steps)
    x = 1.0 - np.concatenate([one.inputs for one in made])
    late = [np.concatenate([np.zeros(lag), x])[: len(x)] for lag in (t1, t2)]
    y = 0.5 + 0.5 * late[0] - 0.25 * late[1]
    np.testing.assert_array_equal(np.concatenate([one.learned for one in made]), np.stack([y, 1 - y], axis=1))


def test_bits_are_equally_likely_and_independent():
    x = np.concatenate([one.inputs for one in read(DelayedAdd(), 200)])
    check_fraction(x.sum(), len(x), 0.5)
    for lag in (1, 2, 100):
        check_fraction((x[lag:] == x[:-lag]).sum(), len(x) - lag, 0.5)


def test_floors_are_the_published_ones_and_those_of_an_enumeration():
    floors = DelayedAdd().floors()
    np.testing.assert_allclose([nats for nats, _ in floors.values()], [0.6616, 0.6277, 0.5192, 0.4544], atol=1e-4)
    cases = list(itertools.product((0, 1), repeat=2))
    for name, seen in {"nothing": (), "t2": (1,), "t1": (0,), "both": (0, 1)}.items():
        nats = square = 0.0
        for case in cases:
            alike = [c for c in cases if all(c[k] == case[k] for k in seen)]
            y, guess = (0.5 + 0.5 * case[0] - 0.25 * case[1]), np.mean([0.5 + 0.5 * a - 0.25 * b for a, b in alike])
            nats -= sum(d * np.log(p) for d, p in ((y, guess), (1 - y, 1 - guess)) if d) / 4
            square += (y - guess) ** 2 / 4
        np.testing.assert_allclose(floors[name], (nats, square), rtol=1e-12)
