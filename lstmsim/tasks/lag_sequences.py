"""Experiments 2a and 2b: the first symbol comes back p steps later, after p - 1 others, fixed or random."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np

from lstmsim.checks import Field, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below
from lstmsim.kernels.sequences import LEARN, begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register


@kernel
def fill_fixed(sequences, horizon, p):
    """Write x or y and a_1..a_{p-1}; at every step the next symbol is learned and judged, at the last x or y again."""
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            key_symbol = p - 1 + below(key, 0, 2)
            for t in range(p - 1):
                sequences.symbol[start + t + 1, lane] = t
                set_target(sequences, lane, start + t, t, t)
            sequences.symbol[start, lane] = key_symbol
            set_target(sequences, lane, start + p - 1, key_symbol, key_symbol)
            end_sequence(sequences, lane, p)


@kernel
def fill_random(sequences, horizon, p, every):
    """Write x or y and p - 1 draws from a_1..a_{p-1}; x or y again is learned and judged at the last step.

    With `every` the next symbol is learned at all steps.
    """
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            key_symbol = p - 1 + below(key, 0, 2)
            sequences.symbol[start, lane] = key_symbol
            for t in range(p - 1):
                symbol = below(key, t + 1, p - 1)
                sequences.symbol[start + t + 1, lane] = symbol
                if every:
                    sequences.event[start + t, lane] |= LEARN
                    sequences.learn[start + t, lane] = symbol
            set_target(sequences, lane, start + p - 1, key_symbol, key_symbol)
            end_sequence(sequences, lane, p)


@settings
class LagSequences(CompiledTask):
    """Predict the next of p + 1 symbols, the last of which equals the first.

    The net sees the first p symbols: the last has no next one. Symbol numbers: a_1..a_{p-1} from 0, then x, then y.

    Parameters
    ----------
    p : int
        Time lag in steps, and length of a sequence as the net sees it; at least 2.
    """

    p: Annotated[Whole, Field(ge=2, le=100_000)] = 100

    symbols: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.25

    @property
    def n_inputs(self) -> int:
        """Number of symbols."""
        return self.p + 1

    @property
    def n_outputs(self) -> int:
        """Number of symbols."""
        return self.p + 1

    @property
    def max_length(self) -> int:
        """Length of every sequence in steps."""
        return self.p

    def fixed_rows(self) -> Floats:
        """One row per symbol to be predicted."""
        return np.eye(self.n_outputs)

    def events(self, inputs: Floats) -> Steps:
        """Find the step at which x or y is seen: the first."""
        return np.array([0])


@register("noise_free")
@settings
class NoiseFree(LagSequences):
    """Experiment 2a: (x, a_1..a_{p-1}, x) or (y, a_1..a_{p-1}, y); all predictions must be correct within 0.25.

    Parameters
    ----------
    p : int
        Time lag in steps, and length of a sequence as the net sees it; at least 2.
    """

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill_fixed, (self.p,)


@register("local_regularities")
@settings
class LocalRegularities(LagSequences):
    """Experiment 2b: as 2a with p - 1 random symbols between; the last prediction must be correct within 0.25.

    Parameters
    ----------
    p : int
        Time lag in steps, and length of a sequence as the net sees it; at least 2.
    targets : {"every", "end"}
        The next symbol is learned at every step, or the last symbol only.
    """

    targets: Literal["every", "end"] = "every"

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        return fill_random, (self.p, self.targets == "every")
