"""Experiment 2c: a symbol at the start counts, any number of distractors follow, e asks for it."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below, uniform
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register

MORE = 0.9  # probability of each further distractor
EXTRA = 263  # most of them; a sequence is cut there with probability 0.9**263 < 1e-12


@kernel
def fill(sequences, horizon, q, p):
    """Write b, x or y, q and more distractors, e; x or y is learned and judged at e.

    Draw 2t of the key is the symbol at step t, draw 2t + 1 whether one more distractor follows it.
    """
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            y = below(key, 2, 2)
            sequences.symbol[start, lane] = p + 1
            sequences.symbol[start + 1, lane] = p + 2 + y
            t = 2
            while t < q + 2 or (t < q + 2 + EXTRA and uniform(key, 2 * t - 1) < MORE):
                sequences.symbol[start + t, lane] = below(key, 2 * t, p)
                t += 1
            sequences.symbol[start + t, lane] = p
            set_target(sequences, lane, start + t, y, y)
            end_sequence(sequences, lane, t + 1)


@register("distractors")
@settings
class Distractors(CompiledTask):
    """After b, x or y, at least q distractors and e, say whether it was x or y; correct within 0.2.

    The paper counts the sequence's last symbol, x or y again, which is predicted at e and which the net need not see:
    its shortest sequence has q + 4 symbols and is q + 3 steps here. Symbol numbers: a_1..a_p from 0, e, b, x, y.

    Parameters
    ----------
    q : int
        Fewest distractors in a sequence, at least 1; each further one comes with probability 0.9, at most 263 do.
    p : int
        Number of distractor symbols, at least 1.
    """

    q: Annotated[Whole, Field(ge=1, le=1_000_000)] = 50
    p: Annotated[Whole, Field(ge=1, le=100_000)] = 50

    n_outputs: ClassVar[int] = 2
    symbols: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.2

    @property
    def n_inputs(self) -> int:
        """Number of symbols."""
        return self.p + 4

    @property
    def max_length(self) -> int:
        """Longest sequence in steps."""
        return self.min_length + EXTRA

    @property
    def min_length(self) -> int:
        """Shortest sequence in steps."""
        return self.q + 3

    def fixed_rows(self) -> Floats:
        """Targets for x and y."""
        return np.eye(2)

    def events(self, inputs: Floats) -> Steps:
        """Find the steps at which x or y, and at which e is seen."""
        return np.array([1, len(inputs) - 1])

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.q, self.p)
