"""The copy task: symbols, a delay, and a cue at which they are to be said again."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register


@kernel
def fill(sequences, horizon, alphabet, length, delay):
    """Write symbols, blanks, the cue and blanks again; from the cue on the symbols are learned in their order."""
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            for t in range(2 * length + delay):
                sequences.symbol[start + t, lane] = alphabet
            sequences.symbol[start + length + delay, lane] = alphabet + 1
            for t in range(length):
                symbol = below(key, t, alphabet)
                sequences.symbol[start + t, lane] = symbol
                set_target(sequences, lane, start + length + delay + t, symbol, symbol)
            end_sequence(sequences, lane, 2 * length + delay)


@register("copying")
@settings
class Copying(CompiledTask):
    """Say `length` symbols again in their order, from a cue on that comes after a delay.

    Correct when the symbol that is due is the most active output at every step of the recall. Sequences follow each other:
    a learner that is not to be reset between them has ``carry="all"``. A trial is solved when all of 1000 are correct:
    ``StoppingRule(wrong=0, window=1000)`` (the criterion is ours).

    Parameters
    ----------
    alphabet : int
        Symbols to choose from, from 0; then come the blank and the cue.
    length : int
        Symbols to be said again.
    delay : int
        Blanks between the last symbol and the cue.
    """

    alphabet: Annotated[Whole, Field(ge=2, le=10_000)] = 8
    length: Annotated[Whole, Field(ge=1, le=10_000)] = 5
    delay: Annotated[Whole, Field(ge=0, le=1_000_000)] = 40

    symbols: ClassVar[bool] = True
    ranking: ClassVar[bool] = True

    @property
    def n_inputs(self) -> int:
        """Number of symbols, blank and cue."""
        return self.alphabet + 2

    @property
    def n_outputs(self) -> int:
        """Number of symbols."""
        return self.alphabet

    @property
    def max_length(self) -> int:
        """Length of every sequence in steps."""
        return 2 * self.length + self.delay

    def fixed_rows(self) -> Floats:
        """One row for each symbol."""
        return np.eye(self.alphabet)

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.alphabet, self.length, self.delay)

    def events(self, inputs: Floats) -> Steps:
        """Find the steps with a symbol, and that of the cue."""
        return np.append(np.arange(self.length), self.length + self.delay)
