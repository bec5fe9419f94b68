"""Trace patterning: some patterns of a cue are followed by a reward after a while, whose nearness is to be told."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Real, Whole, settings
from lstmsim.kernels.compile import kernel
from lstmsim.kernels.random import below, uniform
from lstmsim.kernels.sequences import begin_sequence, end_sequence, set_target, unfilled
from lstmsim.tasks.base import CompiledTask, Filler, Floats, Steps, register

_PATTERNS = np.array([[float(bit in on) for bit in range(6)] for on in combinations(range(6), 3)])
_VALID, _NOISE = 10, 5
_INTERVAL, _PAUSE = (24, 36), (80, 120)
_STREAM = 2022  # keeps the choice of the valid patterns apart from the draws of the trials


@kernel
def fill(sequences, horizon, patterns, valid, noise, interval, pause):
    """Write the cue on lines 0 to 5, the reward on line 6 after an interval if the pattern is valid, a pause, and noise.

    Noise line j, from 7 on, is 1 with probability 1 / (10 (j - 6)). Row k of the targets is gamma**k, the last 0.
    """
    cue, nothing = patterns.shape[1], interval[1]
    for lane in range(sequences.write.size):
        while unfilled(sequences, lane, horizon):
            key, start, _row = begin_sequence(sequences, lane)
            pattern = below(key, 0, patterns.shape[0])
            reward = interval[0] + below(key, 1, interval[1] - interval[0] + 1)
            length = reward + pause[0] + below(key, 2, pause[1] - pause[0] + 1)
            for t in range(length):
                for i in range(cue):
                    sequences.inputs[start + t, i, lane] = patterns[pattern, i] if t == 0 else 0.0
                sequences.inputs[start + t, cue, lane] = 1.0 if t == reward and valid[pattern] else 0.0
                for i in range(noise):
                    on = uniform(key, 3 + noise * t + i) * (10 * (i + 1)) < 1.0
                    sequences.inputs[start + t, cue + 1 + i, lane] = 1.0 if on else 0.0
                row = reward - 1 - t if t < reward and valid[pattern] else nothing
                set_target(sequences, lane, start + t, row, row)
            end_sequence(sequences, lane, length)


@register("trace_patterning")
@settings
class TracePatterning(CompiledTask):
    """Say at every step how near the reward is: gamma to the number of steps to it, less 1; 0 where none is to come.

    Javed, Rafiee and others, with the target itself as supervision instead of temporal differences. A cue has 6 bits, 3 of
    them on; 10 of the 20 patterns are valid, and followed by the reward after 24 to 36 steps; then comes a pause of 80 to
    120. Five lines of noise are on at rates of 1/10 to 1/50. Sequences, from a cue to the end of a pause, follow each other:
    a learner that is not to be reset between them has ``carry="all"``. No sequence counts as correct; the stopping rule has
    the mean error to go by.

    Parameters
    ----------
    gamma : float
        Base of the targets.
    set : int
        Number of the set of valid patterns, which depends on nothing else.
    """

    gamma: Annotated[Real, Field(gt=0, lt=1)] = 0.9
    set: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0

    n_inputs: ClassVar[int] = _PATTERNS.shape[1] + 1 + _NOISE
    n_outputs: ClassVar[int] = 1
    max_length: ClassVar[int] = _INTERVAL[1] + _PAUSE[1]
    min_length: ClassVar[int] = _INTERVAL[0] + _PAUSE[0]

    def fixed_rows(self) -> Floats:
        """Targets by the steps to the reward, from 1 on, and 0."""
        return np.append(self.gamma ** np.arange(_INTERVAL[1], dtype=float), 0.0)[:, None]

    @property
    def filler(self) -> Filler:
        """What writes sequences."""
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence((_STREAM, self.set))))
        valid = random.permutation(len(_PATTERNS)) < _VALID
        return fill, (_PATTERNS, valid, _NOISE, np.array(_INTERVAL), np.array(_PAUSE))

    def events(self, inputs: Floats) -> Steps:
        """Find the steps of cue and reward."""
        return np.flatnonzero(inputs[:, : _PATTERNS.shape[1] + 1].any(axis=1))
