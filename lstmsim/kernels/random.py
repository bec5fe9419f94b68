"""Counter-based random numbers: draw n of a key is a pure function of both, so every sequence can be made alone.

SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): the key plus n times an
odd constant, mixed. Normal deviates by a ziggurat of 256 layers (Marsaglia and Tsang, J. Stat. Software 5(8), 2000).
Logarithm and exponential are our own: those of C libraries differ from one machine to the next, and a GPU has others again.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from lstmsim.checks import Field, Whole, check
from lstmsim.kernels.arrays import Words
from lstmsim.kernels.compile import shared

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11, _S8 = (np.uint64(n) for n in (30, 27, 31, 11, 8))
_ONE = np.uint64(1)

_LAYERS, _TAIL, _AREA = 256, 3.6541528853610088, 0.00492867323399


def _ziggurat() -> tuple[np.ndarray, np.ndarray]:
    """Right edges x_i of the layers, x_0 that of the base with its tail, and the density exp(-x**2 / 2) at each."""
    edges = np.zeros(_LAYERS + 1)
    edges[0], edges[1] = _AREA / math.exp(-0.5 * _TAIL**2), _TAIL
    for i in range(2, _LAYERS):
        edges[i] = math.sqrt(-2.0 * math.log(_AREA / edges[i - 1] + math.exp(-0.5 * edges[i - 1] ** 2)))
    return edges, np.exp(-0.5 * edges**2)


_EDGES, _DENSITY = _ziggurat()

_NUMBER = Annotated[Whole, Field(ge=0, lt=2**63)]  # made once: a type that is made anew is looked at anew


def trial_keys(seed: int, trial: int) -> Words:
    """Keys of a trial's random sequences: number 0 for training, 1 for testing, 2 and 3 free.

    Parameters
    ----------
    seed, trial : int
        Seed of the run and number of the trial, from 0.

    Returns
    -------
    ndarray of uint64, shape (4,)

    Raises
    ------
    ValueError
        If one of them is not a whole number of at least 0.
    """
    for name, value in (("seed", seed), ("trial", trial)):
        check(name, value, _NUMBER)
    return np.random.SeedSequence((seed, trial)).generate_state(4, np.uint64).astype(np.uint64, copy=False)


_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # their sum is ln 2; whole multiples of the first are exact


@shared
def log(x):
    """Natural logarithm of 0 < x <= 1, within two units in the last place; IEEE operations only."""
    halvings = 0.0
    while x < 0.7071067811865476:
        x, halvings = 2.0 * x, halvings + 1.0
    s = (x - 1.0) / (x + 1.0)
    s2, total = s * s, 0.0
    for n in range(23, 0, -2):
        total = total * s2 + 1.0 / n
    return 2.0 * s * total - halvings * _LN2_LOW - halvings * _LN2_HIGH


@shared
def exp_minus(x):
    """exp(-x) for 0 <= x < 700, within two units in the last place; IEEE operations only."""
    halvings = float(int(x * (1.0 / _LN2_HIGH) + 0.5))
    rest = (halvings * _LN2_HIGH - x) + halvings * _LN2_LOW
    total = 1.0
    for n in range(14, 0, -1):
        total = 1.0 + total * rest / n
    for _ in range(int(halvings)):
        total *= 0.5
    return total


@shared
def bits(key, n):
    """Draw n of a key: 64 random bits."""
    z = key + (np.uint64(n) + _ONE) * _GOLDEN
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@shared
def subkey(key, n):
    """Key number n below a key: a sequence's key below its trial's."""
    return bits(key ^ _MIX_2, n)


@shared
def uniform(key, n):
    """Draw n of a key, uniform in [0, 1) in steps of 2**-53."""
    return np.float64(np.int64(bits(key, n) >> _S11)) * (1.0 / 9007199254740992.0)


@shared
def below(key, n, count):
    """Draw n of a key, a whole number from 0 to count - 1."""
    return int(uniform(key, n) * count)


@shared
def normal(key, n):
    """Draw n of a key, Gaussian with mean 0 and variance 1."""
    word = bits(key, n)
    retry = np.uint64(0)
    while True:
        layer = np.int64(word & np.uint64(255))
        side = 1.0 if word & np.uint64(256) else -1.0
        x = np.float64(np.int64(word >> _S11)) * (1.0 / 9007199254740992.0) * _EDGES[layer]
        if x < _EDGES[layer + 1]:
            return side * x
        again = subkey(word, retry)
        if layer == 0:
            while True:
                far = -log(1.0 - uniform(again, 0)) / _TAIL
                if -2.0 * log(1.0 - uniform(again, 1)) > far * far:
                    return side * (_TAIL + far)
                again = subkey(again, 2)
        low, high = _DENSITY[layer], _DENSITY[layer + 1]
        if low + uniform(again, 0) * (high - low) < exp_minus(0.5 * x * x):
            return side * x
        word = bits(again, 1)
        retry += _ONE
