"""Tasks on which weights can be guessed: the latch problem and the parity of a sequence."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np

from lstmsim.checks import WHOLE, Field, Real, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below, normal, uniform
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register
from lstmsim.tasks.two_sequence import INPUT_DEVIATION


@kernel
def fill_latch(sequences, horizon, lag_parameter, lines, deviation):
    """Write T to T + T/5 elements: the class, then noise; the class's target at the last.

    With one line the class is 1 or -1 on it; with three it is a 1 on line 1 or 2, and line 0 has the noise.
    """
    T = lag_parameter
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            length = T + below(key, 0, T // 5 + 1)
            which = below(key, 1, 2)
            for t in range(length):
                for i in range(lines):
                    sequences.inputs[start + t, i, lane] = 0.0
                if t > 0:
                    sequences.inputs[start + t, 0, lane] = deviation * normal(key, t + 2)
            if lines == 1:
                sequences.inputs[start, 0, lane] = 1.0 - 2.0 * which
            else:
                sequences.inputs[start, 1 + which, lane] = 1.0
            set_target(sequences, lane, start + length - 1, which, which)
            end_sequence(sequences, lane, length)


@kernel
def fill_parity(sequences, horizon, lag_parameter, noise):
    """Write T to T + T/5 elements 1 or -1, noise uniform in [-noise, noise) added; target 1 for an odd number of 1s."""
    T = lag_parameter
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            length = T + below(key, 0, T // 5 + 1)
            odd = 0
            for t in range(length):
                one = below(key, 2 * t + 1, 2)
                odd ^= one
                sequences.inputs[start + t, 0, lane] = 2.0 * one - 1.0 + noise * (2.0 * uniform(key, 2 * t + 2) - 1.0)
            set_target(sequences, lane, start + length - 1, odd, odd)
            end_sequence(sequences, lane, length)


@register("latch")
@settings
class Latch(CompiledTask):
    """Tell two classes apart by the first element, at the end; the others are Gaussian with mean 0.

    Bengio, Simard and Frasconi (1994), in the variants of Schmidhuber and Hochreiter (1996).

    Parameters
    ----------
    T : int
        Shortest length of a sequence in steps, at least 2; lengths are uniform in T..T + T/5.
    variant : {1, 2}
        1: the first element only names the class, on a line of its own, so that the learner chooses its value; targets 0.8
        and -0.8. 2: it is 1.0 or -1.0; targets 1.0 and -1.0.
    deviation : float
        Standard deviation of the noise: the square root of the published variance 0.2. With 0.2 itself guessing takes about
        as many draws as published.
    """

    T: Annotated[Whole, Field(ge=2, le=1_000_000)] = 500
    variant: Annotated[Literal[1, 2], WHOLE] = 2
    deviation: Annotated[Real, Field(ge=0, le=100)] = INPUT_DEVIATION

    n_outputs: ClassVar[int] = 1

    @property
    def n_inputs(self) -> int:
        """Input lines: noise and one per class, or one."""
        return 3 if self.variant == 1 else 1

    @property
    def tolerance(self) -> float:
        """Largest |error| of a correct sequence, exclusive; a saturated output is to be correct for a target of 0.8."""
        return 0.3 if self.variant == 1 else 0.1

    @property
    def max_length(self) -> int:
        """Longest sequence in steps."""
        return self.T + self.T // 5

    @property
    def min_length(self) -> int:
        """Shortest sequence in steps."""
        return self.T

    def fixed_rows(self) -> Floats:
        """Targets of the two classes."""
        return np.array([[0.8], [-0.8]]) if self.variant == 1 else np.array([[1.0], [-1.0]])

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill_latch, (self.T, self.n_inputs, self.deviation)

    def events(self, inputs: Floats) -> Steps:
        """Find the step at which the class is seen: the first."""
        return np.array([0])


@register("parity")
@settings
class Parity(CompiledTask):
    """Say at the end whether the number of 1s among elements 1 and -1 is odd (target 1) or even (target 0).

    Parameters
    ----------
    T : int
        Shortest length of a sequence in steps, at least 2; lengths are uniform in T..T + T/5.
    noise : float
        Uniform noise in [-noise, noise] on every element.
    """

    T: Annotated[Whole, Field(ge=2, le=1_000_000)] = 500
    noise: Annotated[Real, Field(ge=0, le=1)] = 0.0

    n_inputs: ClassVar[int] = 1
    n_outputs: ClassVar[int] = 1
    tolerance: ClassVar[float] = 0.1

    @property
    def max_length(self) -> int:
        """Longest sequence in steps."""
        return self.T + self.T // 5

    @property
    def min_length(self) -> int:
        """Shortest sequence in steps."""
        return self.T

    def fixed_rows(self) -> Floats:
        """Targets for even and odd."""
        return np.array([[0.0], [1.0]])

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill_parity, (self.T, self.noise)
