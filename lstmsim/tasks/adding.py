"""Experiment 4, adding: keep two marked values over long lags and give their scaled sum at the end."""

from __future__ import annotations

from lstmsim.checks import settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import Filler, register
from lstmsim.tasks.marked_pairs import MarkedPairs, write_pairs


@kernel
def fill(sequences, horizon, lag_parameter):
    """Write pairs with values in [-1, 1); target 0.5 + (X1 + X2) / 4 at the last, a marked first pair is 0."""
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, row = begin_sequence(sequences, lane)
            length, x_1, x_2 = write_pairs(sequences, lane, key, start, lag_parameter, -1.0, 0.0)
            sequences.targets[row, 0] = 0.5 + (x_1 + x_2) / 4.0
            set_target(sequences, lane, start + length - 1, row, row)
            end_sequence(sequences, lane, length)


@register("adding")
@settings
class Adding(MarkedPairs):
    """Pairs (value, marker); the target is 0.5 + (X1 + X2) / 4, correct within 0.04.

    Parameters
    ----------
    T : int
        Shortest length of a sequence in steps, at least 20; lengths are uniform in T..T + T/10, the minimal lag is T/2.
    """

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.T,)
