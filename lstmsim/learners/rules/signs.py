"""Random signs, counted per trial: those of a step are a function of the trial's key and the step's number alone."""

from __future__ import annotations

import numpy as np

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.random import bits, subkey

TINY = 1e-7  # added to norms, so that the first step divides by no zero (Tallec and Ollivier 2018)


@inlined
def sign(word, n):
    """The n-th of 64 random signs, 1.0 or -1.0."""
    return 1.0 if (word >> np.uint64(n)) & np.uint64(1) else -1.0


@inlined
def step_key(state):
    """Key of the random numbers of this step."""
    return subkey(state.key[0], state.count[0])


@inlined
def unit_signs(shape, state, into):
    """Give each hidden unit its random sign of this step; `into` has the length of the padded units."""
    key = step_key(state)
    word = bits(key, 0)
    for k in range(shape.hidden):
        if k % 64 == 0:
            word = bits(key, k // 64)
        into[k] = sign(word, k % 64)


@inlined
def balance(one, other):
    """The factor that makes two norms alike: sqrt(one / other)."""
    return ((one + TINY) / (other + TINY)) ** 0.5
