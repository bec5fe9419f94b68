"""The languages a^n b^n and a^n b^n c^n: to be learned from small n, and tried on large ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Flag, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, Task, register


@kernel
def fill(sequences, horizon, letters, longest, in_order):
    """Write the start and n of each letter; the possible next symbols are learned at every step.

    Rows: each letter alone, the end, and the first two letters together, which may follow the first.
    """
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            number = sequences.index[lane] % longest
            key, start, _row = begin_sequence(sequences, lane)
            n = 1 + (number if in_order else below(key, 0, longest))
            sequences.symbol[start, lane] = 0
            set_target(sequences, lane, start, 0, 0)
            for t in range(1, letters * n + 1):
                sequences.symbol[start + t, lane] = 1 + (t - 1) // n
                row = letters + 1 if t <= n else t // n
                set_target(sequences, lane, start + t, row, row)
            end_sequence(sequences, lane, letters * n + 1)


@register("counting")
@settings
class Counting(CompiledTask):
    """Say at every step which symbols may come next in a^n b^n or a^n b^n c^n, between a start and an end.

    Gers and Schmidhuber (2001): trained with n up to 10. The target of every symbol that may come next is 1, of the others
    0; correct when all errors are below 0.49. The end is predicted and not seen. Tests go through n = 1, 2, .. `tested` in
    order: with ``final_test=tested`` the test's sequence number n - 1 says whether that n is right.

    Parameters
    ----------
    letters : {2, 3}
        2: a^n b^n; 3: a^n b^n c^n.
    longest : int
        Largest n in training, where all from 1 on are equally likely.
    tested : int
        Largest n in tests.
    in_order : bool
        Sequence i has n = 1 + i modulo `longest` instead.
    """

    letters: Annotated[Whole, Field(ge=2, le=3)] = 2
    longest: Annotated[Whole, Field(ge=1, le=100_000)] = 10
    tested: Annotated[Whole, Field(ge=1, le=100_000)] = 100
    in_order: Flag = False

    symbols: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.49

    @property
    def n_inputs(self) -> int:
        """Start and letters."""
        return self.letters + 1

    @property
    def n_outputs(self) -> int:
        """Letters and end."""
        return self.letters + 1

    @property
    def max_length(self) -> int:
        """Longest sequence in steps."""
        return self.letters * self.longest + 1

    @property
    def min_length(self) -> int:
        """Shortest sequence in steps."""
        return self.letters + 1

    def fixed_rows(self) -> Floats:
        """One row for each letter, the end, and the first two letters together."""
        both = np.zeros((1, self.n_outputs))
        both[0, :2] = 1.0
        return np.concatenate([np.eye(self.n_outputs), both])

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.letters, self.longest, self.in_order)

    def test_sets(self) -> list[Task]:
        """Return all n that are tested, each in turn."""
        return [replace(self, longest=self.tested, in_order=True)]

    def events(self, inputs: Floats) -> Steps:
        """Find the steps at which a letter is seen first."""
        return 1 + np.arange(self.letters) * ((len(inputs) - 1) // self.letters)
