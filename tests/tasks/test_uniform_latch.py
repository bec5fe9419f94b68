"""The latch with uniform noise: cues, noise, and how many sequences there are."""

import numpy as np
import pytest

from lstmsim.tasks.uniform_latch import UniformLatch
from tests.tasks.reading import check_fraction, check_moments, read


@pytest.mark.parametrize("cues", [1, 3])
def test_cues_and_noise(cues):
    made = read(UniformLatch(T=20, cues=cues, strings=0), 400)
    inputs = np.stack([one.inputs for one in made])
    second = np.array([one.learned[-1, 0] < 0 for one in made])
    check_fraction(second.sum(), 400, 0.5)
    assert {one.learned[-1, 0] for one in made} == {0.8, -0.8}
    expected = np.zeros((400, 20, 2 * cues))
    for t in range(cues):
        expected[np.arange(400), t, cues * second + t] = 1.0
    np.testing.assert_array_equal(inputs[:, :, 1:], expected)
    assert (inputs[:, :cues, 0] == 0).all()
    noise = inputs[:, cues:, 0].ravel()
    assert np.abs(noise).max() <= 0.155
    check_moments(noise, 0.0, 0.155**2 / 3, 1.8)


def test_a_trial_has_so_many_sequences():
    def seen(trial):
        return {one.inputs.tobytes() for one in read(UniformLatch(T=5, strings=4), 300, trial=trial)}

    assert len(seen(0)) == 8
    made = read(UniformLatch(T=5, strings=4), 16)
    assert all(np.array_equal(one.inputs, again.inputs) for one, again in zip(made[:8], made[8:], strict=True))
    assert len({one.inputs.tobytes() for one in made[:8]}) == 8, "an epoch has each once"
    assert not seen(0) & seen(1)
    assert len({one.inputs.tobytes() for one in read(UniformLatch(T=5, strings=0), 300)}) == 300


def test_cues_must_end():
    with pytest.raises(ValueError, match="cues is 5; allowed: a whole number below T, which is 5"):
        UniformLatch(T=5, cues=5)
