"""Mozer's gap task: a symbol seen first comes again after a gap, among others in alphabetical order."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register

_LETTERS = 11  # A to K are symbols 2 to 12, after X and Y


@kernel
def fill(sequences, horizon, gap):
    """Write one of two strings: X or Y, `gap` letters, X or Y again, the other letters; each next symbol is learned."""
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            which, letter = below(key, 0, 2), 2
            for t in range(_LETTERS + 2):
                again = t == 0 or t == gap + 1
                symbol = which if again else letter
                letter += not again
                if t > 0:
                    set_target(sequences, lane, start + t - 1, symbol, symbol)
                if t < _LETTERS + 1:
                    sequences.symbol[start + t, lane] = symbol
            end_sequence(sequences, lane, _LETTERS + 1)


@register("gap")
@settings
class Gap(CompiledTask):
    """Predict the next symbol of X A B .. X .. K and Y A B .. Y .. K, with a gap before the second X or Y.

    Mozer (1992): 13 symbols in and out, two strings; an epoch is two sequences. A step is correct when the next symbol is
    the most active output (the criterion is ours). The last symbol has no successor, so the net never sees it.

    Parameters
    ----------
    gap : int
        Letters between the first X or Y and the second.
    """

    gap: Annotated[Whole, Field(ge=0, le=_LETTERS)] = 4

    n_inputs: ClassVar[int] = _LETTERS + 2
    n_outputs: ClassVar[int] = _LETTERS + 2
    symbols: ClassVar[bool] = True
    ranking: ClassVar[bool] = True
    max_length: ClassVar[int] = _LETTERS + 1

    def fixed_rows(self) -> Floats:
        """One row for each symbol."""
        return np.eye(_LETTERS + 2)

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.gap,)

    def events(self, inputs: Floats) -> Steps:
        """Find the step at which X or Y is seen first, and that at which it is to be predicted."""
        return np.unique([0, self.gap])
