"""Experiments 6a and 6b, temporal order: two or three symbols far apart, classified by their order."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register

SYMBOLS = "abcdXYEB"
_X, _E, _B = (SYMBOLS.index(symbol) for symbol in "XEB")
_SHORTEST, _LONGEST = 100, 110
_SPAN = 11
_PLACES = {2: (10, 50), 3: (10, 33, 66)}


@kernel
def fill(sequences, horizon, places):
    """Write E, random a to d with an X or Y within `_SPAN` elements from each place, B; the class at the last."""
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            length = _SHORTEST + below(key, 0, _LONGEST - _SHORTEST + 1)
            for t in range(length):
                sequences.symbol[start + t, lane] = below(key, t + 7, 4)
            sequences.symbol[start, lane] = _E
            sequences.symbol[start + length - 1, lane] = _B
            order = 0
            for n in range(places.size):
                y = below(key, n + 4, 2)
                sequences.symbol[start + places[n] - 1 + below(key, n + 1, _SPAN), lane] = _X + y
                order = 2 * order + y
            set_target(sequences, lane, start + length - 1, order, order)
            end_sequence(sequences, lane, length)


@register("temporal_order")
@settings
class TemporalOrder(CompiledTask):
    """Name the order of the X and Y in a sequence of 100 to 110 symbols at its end; correct within 0.3.

    Positions count from 1, which gives the paper's minimal lags of 40 and 24 steps. Classes are numbered with X before
    Y and the first symbol as the leading one: XX, XY, YX, YY.

    Parameters
    ----------
    n_relevant : {2, 3}
        Number of relevant symbols: 2 (6a) at positions 10..20 and 50..60; 3 (6b) at 10..20, 33..43 and 66..76.
    """

    n_relevant: Annotated[Whole, Field(ge=2, le=3)] = 2

    n_inputs: ClassVar[int] = len(SYMBOLS)
    symbols: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.3
    max_length: ClassVar[int] = _LONGEST
    min_length: ClassVar[int] = _SHORTEST

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return 2**self.n_relevant

    def fixed_rows(self) -> Floats:
        """One row per class."""
        return np.eye(self.n_outputs)

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (np.array(_PLACES[self.n_relevant]),)

    def events(self, inputs: Floats) -> Steps:
        """Find the steps at which an X or Y is seen."""
        return np.flatnonzero(inputs[:, _X : _X + 2].any(axis=1))
