"""Experiments 3a, 3b and 3c: the first N elements tell the class, the rest is noise."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY
from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, refusal, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below, normal
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register

INPUT_DEVIATION = math.sqrt(0.2)
TARGET_DEVIATION = math.sqrt(0.1)


@kernel
def fill(sequences, horizon, lag_parameter, longest, N, deviation, information_noise, target_noise):
    """Write T to `longest` elements, to T + T/10 if that is 0: N times 1 or -1, then noise; the class's target at the last.

    A noisy target is learned from the sequence's own row, the clean one is judged.
    """
    T = lag_parameter
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, row = begin_sequence(sequences, lane)
            length = T + below(key, 0, (longest - T if longest else T // 10) + 1)
            clean = below(key, 1, 2)
            for t in range(N):
                sequences.inputs[start + t, 0, lane] = 1.0 - 2.0 * clean
                if information_noise:
                    sequences.inputs[start + t, 0, lane] += deviation * normal(key, t + 3)
            for t in range(N, length):
                sequences.inputs[start + t, 0, lane] = deviation * normal(key, t + 3)
            learned = clean
            if target_noise:
                learned = row
                sequences.targets[row, 0] = sequences.targets[clean, 0] + TARGET_DEVIATION * normal(key, 2)
            set_target(sequences, lane, start + length - 1, learned, clean)
            end_sequence(sequences, lane, length)


@register("two_sequence")
@settings
class TwoSequence(CompiledTask):
    """Tell two classes apart by their first N elements, at the end of T to T + T/10.

    Correct within 0.2, with `target_noise` within 0.1 of the clean target.

    Parameters
    ----------
    T : int
        Shortest length of a sequence in steps; lengths are uniform in T..T + T/10.
    longest : int
        Longest length, at least T, instead of T + T/10; 0: that.
    N : int
        Number of elements that tell the class, 1.0 or -1.0; the others are Gaussian with mean 0.
    deviation : float
        Standard deviation of the noise: the square root of the paper's variance 0.2.
    information_noise : bool
        The same noise on the first N elements too (3b).
    target_noise : bool
        Gaussian noise of variance 0.1 on what is learned (3c).
    targets : tuple of two floats
        Targets of class 1 (elements 1.0) and class 2; (0.2, 0.8) in 3c.
    """

    T: Annotated[Whole, Field(ge=1, le=1_000_000)] = 100
    N: Annotated[Whole, Field(ge=1)] = 3
    deviation: Annotated[Real, Field(ge=0, le=100)] = INPUT_DEVIATION
    information_noise: Flag = False
    target_noise: Flag = False
    targets: tuple[Real, Real] = (1.0, 0.0)
    _: KW_ONLY
    longest: Annotated[Whole, Field(ge=0, le=1_100_000)] = 0

    n_inputs: ClassVar[int] = 1
    n_outputs: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.N > self.T:
            raise refusal("N", self.N, f"a whole number from 1 to T, which is {self.T}")
        if 0 < self.longest < self.T:
            raise refusal("longest", self.longest, f"0 or a whole number of at least T, which is {self.T}")
        if self.targets[0] == self.targets[1]:
            raise refusal("targets", self.targets, "two different finite numbers")

    @property
    def tolerance(self) -> float:
        """Largest |error| of a correct sequence, exclusive."""
        return 0.1 if self.target_noise else 0.2

    @property
    def max_length(self) -> int:
        """Longest sequence in steps."""
        return self.longest or self.T + self.T // 10

    @property
    def min_length(self) -> int:
        """Shortest sequence in steps."""
        return self.T

    def fixed_rows(self) -> Floats:
        """Clean targets of the two classes."""
        return np.array(self.targets)[:, None]

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.T, self.longest, self.N, self.deviation, self.information_noise, self.target_noise)

    def events(self, inputs: Floats) -> Steps:
        """Find the steps at which the class is seen: the first N."""
        return np.arange(self.N)
