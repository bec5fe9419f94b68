"""Timing: spikes that come after an interval, of which a net must know when it is over, or which of two it was."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np

from lstmsim.checks import Field, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register


@kernel
def fill(sequences, horizon, interval, longer, measure):
    """Write one interval up to its spike: `interval` steps, or one of `longer` more; see `Spikes`."""
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            more = below(key, 0, longer + 1)
            length = interval + more
            for t in range(length):
                spike = t == length - 1
                sequences.inputs[start + t, 0, lane] = 1.0 if spike or not measure else 0.0
                if spike or not measure:
                    row = more if measure else 1 if spike else 0
                    set_target(sequences, lane, start + t, row, row)
            end_sequence(sequences, lane, length)


@register("spikes")
@settings
class Spikes(CompiledTask):
    """Spikes at T(n) = T(n-1) + F + I(n), with I(n) 0 or 1: measured ("msd"), or made ("gts", where I is 0).

    Gers, Schraudolph and Schmidhuber (2002). "msd": the input is 1 at spikes, where the net must say what I(n) was, else 0;
    there is no target between spikes. "gts": the input is always 1; the output must be 1 at every F-th step, else 0. Correct
    within 0.49. A stream ends with the first step that is wrong, or after so many intervals; in training, tests and stopping
    a sequence is a stream.

    Parameters
    ----------
    kind : {"msd", "gts"}
        Measuring spike delays, or generating timed spikes.
    F : int
        Shortest interval between spikes in steps.
    stream_sequences : int
        Intervals after which a stream ends without an error.
    """

    kind: Literal["msd", "gts"] = "msd"
    F: Annotated[Whole, Field(ge=2, le=100_000)] = 10
    stream_sequences: Annotated[Whole, Field(ge=1, le=1_000_000)] = 100

    n_inputs: ClassVar[int] = 1
    n_outputs: ClassVar[int] = 1
    tolerance: ClassVar[float] = 0.49

    @property
    def max_length(self) -> int:
        """Longest interval in steps."""
        return self.F + (self.kind == "msd")

    @property
    def min_length(self) -> int:
        """Shortest interval in steps."""
        return self.F

    def fixed_rows(self) -> Floats:
        """Targets 0 and 1."""
        return np.array([[0.0], [1.0]])

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.F, int(self.kind == "msd"), self.kind == "msd")

    def events(self, inputs: Floats) -> Steps:
        """Find the spikes of the input, or the steps at which one is due."""
        return np.flatnonzero(inputs[:, 0]) if self.kind == "msd" else np.arange(self.F - 1, len(inputs), self.F)
