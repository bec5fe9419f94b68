"""Delayed addition: a stream of random bits, of which two that lie some steps back make the target."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, register


@kernel
def fill(sequences, horizon, steps, t1, t2):
    """Write the next `steps` bits of a lane's stream; draw t + 1 of the lane's key is x(t), which is 0 before the first."""
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            first = sequences.index[lane] * steps
            _key, start, _row = begin_sequence(sequences, lane)
            for t in range(first, first + steps):
                near = below(sequences.key[lane], t - t1 + 1, 2) if t >= t1 else 0
                far = below(sequences.key[lane], t - t2 + 1, 2) if t >= t2 else 0
                sequences.symbol[start + t - first, lane] = 1 - below(sequences.key[lane], t + 1, 2)
                set_target(sequences, lane, start + t - first, 2 * near + far, 2 * near + far)
            end_sequence(sequences, lane, steps)


def _entropy(mean: float, known: Floats) -> float:
    """Expected cross-entropy in nats where y is predicted by `mean`, the expected target."""
    return float(-sum(y * np.log(mean) + ((1 - y) * np.log(1 - mean) if y < 1 else 0.0) for y in known) / len(known))


@register("delayed_add")
@settings
class DelayedAdd(CompiledTask):
    """Say y(t) = 1/2 + x(t - t1) / 2 - x(t - t2) / 4 of random bits x at every step, in a stream without resets.

    The input is (x, 1 - x), the target (y, 1 - y), for two outputs with softmax and cross-entropy. Pitis; Marschall, Cho and
    Savin (2020): lags 6 and 10 for nets without leak, 5 and 7 with a leak of 0.5. The stream comes in sequences of `steps`
    steps, over which errors are averaged: a learner that is not to be reset between them has ``carry="all"``. No sequence
    counts as correct; the stopping rule has the mean errors to go by, whose milestones are `floors`.

    Parameters
    ----------
    t1, t2 : int
        Lags in steps.
    steps : int
        Steps of a sequence, at least 1.
    """

    t1: Annotated[Whole, Field(ge=0, le=10_000)] = 6
    t2: Annotated[Whole, Field(ge=0, le=10_000)] = 10
    steps: Annotated[Whole, Field(ge=1, le=100_000)] = 100

    n_inputs: ClassVar[int] = 2
    n_outputs: ClassVar[int] = 2
    symbols: ClassVar[bool] = True

    @property
    def max_length(self) -> int:
        """Length of every sequence in steps."""
        return self.steps

    def fixed_rows(self) -> Floats:
        """Targets (y, 1 - y) for x(t - t1), x(t - t2) = 0 0, 0 1, 1 0, 1 1."""
        y = np.array([0.5, 0.25, 1.0, 0.75])
        return np.stack([y, 1.0 - y], axis=1)

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill, (self.steps, self.t1, self.t2)

    def floors(self) -> dict[str, tuple[float, float]]:
        """Least mean errors of a net that knows "nothing", the bit at "t2" alone, at "t1" alone, or "both".

        Returns
        -------
        dict of str to (float, float)
            Cross-entropy per step in nats, and mean squared error of an output.
        """
        y = self.fixed_rows()[:, 0]
        groups = {"nothing": [y], "t2": [y[::2], y[1::2]], "t1": [y[:2], y[2:]], "both": [y[n : n + 1] for n in range(4)]}
        result = {}
        for name, known in groups.items():
            nats = np.mean([_entropy(part.mean(), part) if 0 < part.mean() < 1 else 0.0 for part in known])
            result[name] = float(nats), float(np.mean([part.var() for part in known]))
        return result
