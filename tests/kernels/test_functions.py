"""Exponential, root, cosine and sine on vectors against NumPy's."""

import numpy as np
import pytest
from numba import njit

from lstmsim.kernels.logistic import cosine_sine, exponential
from lstmsim.kernels.vector import UNITS, load_at, square_root, store_at


@njit
def apply(x, out):
    """Write exp, root, cosine and sine of each x."""
    n = x.size
    for at in range(0, n, 8):
        value = load_at(UNITS, x, at)
        store_at(out, at, exponential(value))
        store_at(out, n + at, square_root(value * value))
        cosine, sine = cosine_sine(value)
        store_at(out, 2 * n + at, cosine)
        store_at(out, 3 * n + at, sine)


@pytest.fixture(scope="module")
def found():
    x = np.concatenate([np.linspace(-20.0, 20.0, 4000), np.random.default_rng(0).uniform(-650.0, 650.0, 4000)])
    out = np.zeros((4, x.size))
    apply(x, out)
    return x, out


def test_functions_are_right_to_the_last_places(found):
    x, (e, root, cosine, sine) = found
    np.testing.assert_allclose(e, np.exp(x), rtol=1e-13)
    np.testing.assert_array_equal(root, np.sqrt(x * x))
    np.testing.assert_allclose(cosine, np.cos(x), atol=1e-13, rtol=0)
    np.testing.assert_allclose(sine, np.sin(x), atol=1e-13, rtol=0)
    near = np.abs(x) < 7.0
    np.testing.assert_allclose(cosine[near], np.cos(x[near]), atol=4e-16, rtol=0)
    np.testing.assert_allclose(sine[near], np.sin(x[near]), atol=4e-16, rtol=0)
