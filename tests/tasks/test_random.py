"""The counter-based random numbers from which all sequences are made."""

from statistics import NormalDist

import numba
import numpy as np
import pytest

from lstmsim import checks
from lstmsim.kernels.random import below, bits, normal, subkey, trial_keys, uniform

DRAWS = 1_000_000
KEY = np.uint64(0x1234_5678_9ABC_DEF0)
WORD = 2**64 - 1


@numba.njit
def all_bits(key, count):
    values = np.empty(count, np.uint64)
    for n in range(count):
        values[n] = bits(key, n)
    return values


@numba.njit
def uniforms(key, count):
    values = np.empty(count)
    for n in range(count):
        values[n] = uniform(key, n)
    return values


@numba.njit
def normals(key, count):
    values = np.empty(count)
    for n in range(count):
        values[n] = normal(key, n)
    return values


@numba.njit
def normals_beyond(key, count, bound):
    values, size = np.empty(count // 10), 0
    for n in range(count):
        x = abs(normal(key, n))
        if x > bound:
            values[size] = x
            size += 1
    return values[:size]


@numba.njit
def subkeys(key, count):
    values = np.empty(count, np.uint64)
    for n in range(count):
        values[n] = subkey(key, n)
    return values


@numba.njit
def first_of_subkeys(key, count):
    values = np.empty(count)
    for n in range(count):
        values[n] = uniform(subkey(key, n), 0)
    return values


@numba.njit
def wholes(key, count, high):
    values = np.empty(count, np.int64)
    for n in range(count):
        values[n] = below(key, n, high)
    return values


@pytest.fixture(scope="module")
def gaussian():
    return normals(KEY, DRAWS)


def split_mix(seed, count):
    """SplitMix64 in Python's whole numbers."""
    state, values = seed, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & WORD
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
        values.append(z ^ (z >> 31))
    return values


def test_bits_are_split_mix_64():
    assert all_bits(np.uint64(1234567), 3).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    for seed in (0, 1, int(KEY), WORD):
        assert all_bits(np.uint64(seed), 50).tolist() == split_mix(seed, 50)


def test_uniform_is_the_upper_53_bits():
    assert uniforms(KEY, 50).tolist() == [(word >> 11) / 2**53 for word in split_mix(int(KEY), 50)]


def test_uniform_covers_the_unit_interval():
    values = uniforms(KEY, DRAWS)
    assert values.min() >= 0.0
    assert values.max() < 1.0
    check_bins(np.histogram(values, 512, (0.0, 1.0))[0])


def check_bins(counts):
    """Chi-square of equally likely bins: within five deviations of its mean."""
    expected, freedom = counts.sum() / counts.size, counts.size - 1
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - freedom) < 5.0 * np.sqrt(2.0 * freedom)


@pytest.mark.parametrize("draw", [uniforms, normals, first_of_subkeys])
@pytest.mark.parametrize("lag", [1, 2, 7])
def test_neighbours_are_uncorrelated(draw, lag):
    values = draw(KEY, 200_000)
    assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 5.0 / np.sqrt(200_000)


def test_subkeys_are_no_draws_of_their_key():
    keys = subkeys(KEY, 10_000)
    assert np.unique(keys).size == keys.size
    assert not np.isin(keys, all_bits(KEY, 10_000)).any()


def test_first_draws_of_subkeys_are_uniform():
    check_bins(np.histogram(first_of_subkeys(KEY, DRAWS), 512, (0.0, 1.0))[0])


@pytest.mark.parametrize("high", [1, 2, 7, 1000])
def test_below_is_uniform(high):
    counts = np.bincount(wholes(KEY, DRAWS, high), minlength=high)
    assert counts.size == high
    if high > 1:
        check_bins(counts)


def test_normal_quantiles(gaussian):
    probabilities = np.arange(1, 512) / 512
    edges = [-np.inf, *(NormalDist().inv_cdf(p) for p in probabilities), np.inf]
    check_bins(np.histogram(gaussian, edges)[0])


@pytest.mark.parametrize("bound", [2.0, 3.0, 3.5, 3.6541528853610088, 3.8, 4.2])
def test_normal_tails(gaussian, bound):
    """The base layer's tail starts at 3.654."""
    expected = DRAWS * (1.0 - NormalDist().cdf(bound))
    for count in ((gaussian > bound).sum(), (gaussian < -bound).sum()):
        assert abs(count - expected) < 5.0 * np.sqrt(expected)


def test_normal_moments(gaussian):
    for power, moment, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (6, 15.0, 10170.0)):
        assert abs((gaussian**power).mean() - moment) < 5.0 * np.sqrt(variance / DRAWS)


@pytest.mark.parametrize(("bound", "bins"), [(2.5, 200), (3.6541528853610088, 20)])
def test_normal_beyond_a_bound(bound, bins):
    """Beyond 2.5 the layers are few and wide; from 3.654 on the tail's own method takes over."""
    draws = 40 * DRAWS
    values = normals_beyond(KEY, draws, bound)
    share = 2.0 * (1.0 - NormalDist().cdf(bound))
    assert abs(values.size - draws * share) < 5.0 * np.sqrt(draws * share)
    edges = [-NormalDist().inv_cdf(share / 2.0 * (1.0 - n / bins)) for n in range(bins)]
    check_bins(np.histogram(values, [*edges, np.inf])[0])


def test_keys_of_many_trials_leave_nothing_behind():
    trial_keys(0, 0)
    kept = checks._adapter.cache_info().currsize
    for trial in range(3):
        trial_keys(0, trial)
    assert checks._adapter.cache_info().currsize == kept
