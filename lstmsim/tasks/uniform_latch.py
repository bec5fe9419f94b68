"""The latch problem with uniform noise, sequences of one length and two cue lines, as NARX nets were tried on it."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Real, Whole, refusal, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below, subkey, uniform
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register


@kernel
def fill(sequences, horizon, lag_parameter, cues, noise, strings):
    """Write T elements: a 1 on the class's cue line, a line for each of the `cues` first steps, then noise on line 0.

    With `strings` so many strings of each class, which depend on the lane's key alone, come in turn.
    """
    T = lag_parameter
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            place = sequences.index[lane] % (2 * strings) if strings else below(key, 0, 2)
            which = place % 2
            if strings:
                key = subkey(sequences.key[lane] ^ np.uint64(1), place)
            for t in range(T):
                for i in range(1 + 2 * cues):
                    sequences.inputs[start + t, i, lane] = 0.0
                if t < cues:
                    sequences.inputs[start + t, 1 + cues * which + t, lane] = 1.0
                else:
                    sequences.inputs[start + t, 0, lane] = noise * (2.0 * uniform(key, t + 2) - 1.0)
            set_target(sequences, lane, start + T - 1, which, which)
            end_sequence(sequences, lane, T)


@register("uniform_latch")
@settings
class UniformLatch(CompiledTask):
    """Tell two classes apart by cue lines at the start, at the end of T steps; the steps after the cues are uniform noise.

    The latch problem as NARX nets were tried on it: targets 0.8 and -0.8, correct where the output has the target's sign.
    A cue is a 1 on a line of its own for each class and step, so that the learner chooses the values h that come in.

    Parameters
    ----------
    T : int
        Length of every sequence in steps.
    cues : int
        Steps with a cue, less than T.
    noise : float
        The noise is uniform in [-noise, noise).
    strings : int
        Sequences of each class that a trial has in all, in turn: an epoch is twice as many; 0: fresh ones every time.
    """

    T: Annotated[Whole, Field(ge=2, le=1_000_000)] = 40
    cues: Annotated[Whole, Field(ge=1, le=1000)] = 1
    noise: Annotated[Real, Field(ge=0, le=100)] = 0.155
    strings: Annotated[Whole, Field(ge=0, le=1_000_000)] = 30

    n_outputs: ClassVar[int] = 1
    tolerance: ClassVar[float] = 0.8

    def __post_init__(self) -> None:
        """Check that there is something after the cues."""
        if self.cues >= self.T:
            raise refusal("cues", self.cues, f"a whole number below T, which is {self.T}")

    @property
    def n_inputs(self) -> int:
        """Input lines: noise, and one for each class and step of the cue."""
        return 1 + 2 * self.cues

    @property
    def max_length(self) -> int:
        """Length of every sequence in steps."""
        return self.T

    def fixed_rows(self) -> Floats:
        """Targets of the two classes."""
        return np.array([[0.8], [-0.8]])

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.T, self.cues, self.noise, self.strings)

    def events(self, inputs: Floats) -> Steps:
        """Find the steps with a cue."""
        return np.arange(self.cues)
