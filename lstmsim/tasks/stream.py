"""The 20-step task of the sequence chunker: two strings in a stream without marks; tell at each one's end which it was."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register


@kernel
def fill(sequences, horizon, q, strings):
    """Write strings of a or x and b_1..b_q; the next symbol is learned, and the class at b_q.

    Target rows: b_1..b_q, then (class, next a or x) in the order a a, a x, x a, x x, then what is judged after a and x.
    """
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            which = below(key, 0, 2)
            for n in range(strings):
                first = start + n * (q + 1)
                sequences.symbol[first, lane] = q + which
                for t in range(q):
                    sequences.symbol[first + t + 1, lane] = t
                    set_target(sequences, lane, first + t, t, t)
                following = below(key, n + 1, 2)
                set_target(sequences, lane, first + q, q + 2 * which + following, q + 4 + which)
                which = following
            end_sequence(sequences, lane, strings * (q + 1))


@register("stream")
@settings
class Stream(CompiledTask):
    """Predict the next symbol in a stream of a b_1..b_q and x b_1..b_q; the last output is 1 at b_q after a, else 0.

    Schmidhuber (1992), with q = 20: correct when all errors are below 0.3 but for those of the unpredictable a or x. Those
    two outputs are judged against 0.5, their mean. The stream is cut into sequences of several strings, before each of which
    the activations are reset.

    Parameters
    ----------
    q : int
        Time lag in steps, at least 1.
    strings : int
        Strings in a sequence, at least 1.
    """

    q: Annotated[Whole, Field(ge=1, le=10_000)] = 20
    strings: Annotated[Whole, Field(ge=1, le=10_000)] = 10

    symbols: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.3

    @property
    def n_inputs(self) -> int:
        """Number of symbols: b_1..b_q from 0, then a, then x."""
        return self.q + 2

    @property
    def n_outputs(self) -> int:
        """Number of symbols, and one for the class."""
        return self.q + 3

    @property
    def max_length(self) -> int:
        """Length of every sequence in steps."""
        return self.strings * (self.q + 1)

    def fixed_rows(self) -> Floats:
        """Rows for b_1..b_q, for the last step of a string (class, next symbol), and for judging that step."""
        q = self.q
        rows = np.zeros((q + 6, self.n_outputs))
        rows[:q, :q] = np.eye(q)
        for which in range(2):
            for following in range(2):
                rows[q + 2 * which + following, q + following] = 1.0
            rows[q + 4 + which, q : q + 2] = 0.5
            rows[q + 2 * which : q + 2 * which + 2, -1] = rows[q + 4 + which, -1] = 1.0 - which
        return rows

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.q, self.strings)

    def events(self, inputs: Floats) -> Steps:
        """Find the steps at which a or x is seen."""
        return np.arange(0, len(inputs), self.q + 1)
