"""Curves of three families: their points, phases and speeds."""

import numpy as np
import pytest

from lstmsim.tasks.curves import Curves
from tests.tasks.reading import check_fraction, check_whole, read


def on_the_curve(family, x, y):
    """What is 0 on a family's curve."""
    radius = x**2 + y**2
    return [radius - 1.0, y**2 - 4.0 * x**2 * (1.0 - x**2), radius**2 - x**3 + 3.0 * x * y**2][family]


def test_points_lie_on_closed_curves_from_any_phase():
    made = read(Curves(curves=0), 1500)
    families = np.array([one.learned[-1].argmax() for one in made])
    for family in range(3):
        check_fraction((families == family).sum(), 1500, 1 / 3)
    for one, family in zip(made, families, strict=True):
        assert np.abs(on_the_curve(family, *one.inputs.T)).max() < 1e-12
        assert np.allclose(one.inputs[0], one.inputs[-1], atol=1e-12)
    check_whole([one.length for one in made], 20, 60)
    angle = np.array([np.arctan2(*one.inputs[0, ::-1]) for one, f in zip(made, families, strict=True) if f == 0])
    for quarter in range(4):
        check_fraction((np.floor(angle / (np.pi / 2)) % 4 == quarter).sum(), len(angle), 0.25)


def test_as_many_curves_as_are_asked_for_come_in_turn():
    made = read(Curves(curves=6), 18)
    assert [one.learned[-1].argmax() for one in made[:6]] == [0, 1, 2, 0, 1, 2]
    assert all(np.array_equal(one.inputs, other.inputs) for one, other in zip(made[:12], made[6:], strict=True))
    assert len({one.inputs.tobytes() for one in made}) == 6


def test_lengths_are_checked():
    with pytest.raises(ValueError, match="longest is 9; allowed: a whole number of at least T, which is 10"):
        Curves(T=10, longest=9)
