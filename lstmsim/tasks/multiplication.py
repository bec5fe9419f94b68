"""Experiment 5, multiplication: keep two marked values over long lags and give their product at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from lstmsim.kernels.compile import kernel
from lstmsim.kernels.sequences import begin, end, learn_and_judge, wants
from lstmsim.tasks.marked_pairs import MarkedPairs, write_pairs


@kernel
def fill(feed, horizon, lag_parameter):  # type: ignore[no-untyped-def]
    """Write pairs with values in [0, 1); target X1 * X2 at the last, a marked first pair is 1."""
    for lane in range(feed.write.size):
        while wants(feed, lane, horizon):
            key, start, row = begin(feed, lane)
            length, x_1, x_2 = write_pairs(feed, lane, key, start, lag_parameter, 0.0, 1.0)
            feed.targets[row, 0] = x_1 * x_2
            learn_and_judge(feed, lane, start + length - 1, row, row)
            end(feed, lane, length)


@dataclass(frozen=True)
class Multiplication(MarkedPairs):
    """Pairs (value, marker); the target is X1 * X2, correct within 0.04.

    Parameters
    ----------
    T : int
        Shortest length of a sequence in steps, at least 20; lengths are uniform in T..T + T/10, the minimal lag is T/2.
    """

    name: ClassVar[str] = "multiplication"

    def fill(self, feed: Any, horizon: int) -> None:
        """Write sequences until every lane reaches the horizon."""
        fill(feed, horizon, self.T)
