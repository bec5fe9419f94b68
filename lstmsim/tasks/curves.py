"""Closed curves of three families, begun anywhere and passed at any speed, as time warping invariant nets were shown."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Whole, refusal, settings
from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.logistic import cosine_sine
from lstmsim.kernels.random import below, subkey, uniform
from lstmsim.kernels.reductions import lane_max
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.kernels.vector import UNITS, splat
from lstmsim.tasks.base import CompiledTask, Filler, Floats, register


@inlined
def turned(angle):
    """Cosine and sine of one angle."""
    cosine, sine = cosine_sine(splat(UNITS, angle))
    return lane_max(cosine), lane_max(sine)


@kernel
def fill(sequences, horizon, lag_parameter, longest, curves):
    """Write one turn around a circle, a figure of eight or three leaves, from any phase on, in T to `longest` steps.

    With `curves` so many curves, which depend on the lane's key alone, come in turn.
    """
    T = lag_parameter
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            if curves:
                place = sequences.index[lane] % curves
                key, family = subkey(sequences.key[lane] ^ np.uint64(1), place), place % 3
            else:
                family = below(key, 2, 3)
            length = T + below(key, 0, longest - T + 1)
            phase = uniform(key, 1)
            for t in range(length):
                angle = 2.0 * np.pi * (phase + t / (length - 1))
                cosine, sine = turned(angle)
                x, y = cosine, sine
                if family == 1:
                    x, y = sine, 2.0 * sine * cosine
                elif family == 2:
                    radius, _ = turned(3.0 * angle)
                    x, y = radius * cosine, radius * sine
                sequences.inputs[start + t, 0, lane], sequences.inputs[start + t, 1, lane] = x, y
            set_target(sequences, lane, start + length - 1, family, family)
            end_sequence(sequences, lane, length)


@register("curves")
@settings
class Curves(CompiledTask):
    """Tell a circle, a figure of eight and three leaves apart at the end of one turn, from phase and speed of any kind.

    Correct where each output is within 0.5 of its target, 1 for the family's and 0 for the others. The families of Sun,
    Chen and Lee (1993) are not known to us: these are ours.

    Parameters
    ----------
    T : int
        Fewest steps of a turn: the highest speed, the same from step to step.
    longest : int
        Most steps, at least T.
    curves : int
        Curves that a trial has in all, in turn; 0: fresh ones every time.
    """

    T: Annotated[Whole, Field(ge=2, le=1_000_000)] = 20
    longest: Annotated[Whole, Field(ge=2, le=1_000_000)] = 60
    curves: Annotated[Whole, Field(ge=0, le=1_000_000)] = 150

    n_inputs: ClassVar[int] = 2
    n_outputs: ClassVar[int] = 3
    tolerance: ClassVar[float] = 0.5

    def __post_init__(self) -> None:
        """Check the lengths together."""
        if self.longest < self.T:
            raise refusal("longest", self.longest, f"a whole number of at least T, which is {self.T}")

    @property
    def max_length(self) -> int:
        """Most steps of a turn."""
        return self.longest

    @property
    def min_length(self) -> int:
        """Fewest steps of a turn."""
        return self.T

    def fixed_rows(self) -> Floats:
        """Targets of the three families."""
        return np.eye(3)

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.T, self.longest, self.curves)
