"""What adding and multiplication share: pairs (value, marker), of which two are marked."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Whole, settings
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.random import below, uniform
from lstmsim.tasks.base import CompiledTask, Floats, Steps


@inlined
def write_pairs(sequences, lane, key, start, lag_parameter, lowest, neutral):
    """Write T to T + T/10 pairs with values in [lowest, 1); returns the length and the two marked values.

    Markers: -1 at the first and last pair, 1 at one of the first ten and one of the first T/2 - 1 others, else 0. A
    marked first pair gets the neutral value, in the input as well: a net that saw another value could not be right.
    """
    T = lag_parameter
    length = T + below(key, 0, T // 10 + 1)
    first = below(key, 1, 10)
    second = below(key, 2, T // 2 - 1)
    second += second >= first
    for t in range(length):
        sequences.inputs[start + t, 0, lane] = lowest + (1.0 - lowest) * uniform(key, t + 3)
        sequences.inputs[start + t, 1, lane] = 0.0
    if min(first, second) == 0:
        sequences.inputs[start, 0, lane] = neutral
    sequences.inputs[start, 1, lane] = -1.0
    sequences.inputs[start + length - 1, 1, lane] = -1.0
    sequences.inputs[start + first, 1, lane] = 1.0
    sequences.inputs[start + second, 1, lane] = 1.0
    return length, sequences.inputs[start + first, 0, lane], sequences.inputs[start + second, 0, lane]


@settings
class MarkedPairs(CompiledTask):
    """Sequences of T to T + T/10 pairs (value, marker) with one target at the end, correct within 0.04.

    Parameters
    ----------
    T : int
        Shortest length of a sequence in steps, at least 20; lengths are uniform in T..T + T/10, the minimal lag is T/2.
    """

    T: Annotated[Whole, Field(ge=20, le=1_000_000)] = 100

    n_inputs: ClassVar[int] = 2
    n_outputs: ClassVar[int] = 1
    tolerance: ClassVar[float] = 0.04

    @property
    def max_length(self) -> int:
        """Longest sequence in steps."""
        return self.T + self.T // 10

    @property
    def min_length(self) -> int:
        """Shortest sequence in steps."""
        return self.T

    def events(self, inputs: Floats) -> Steps:
        """Find the steps at which the two marked values are seen."""
        return np.flatnonzero(inputs[:, 1] == 1.0)
