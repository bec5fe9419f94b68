"""The Mackey-Glass series: the next value of a chaotic delay equation, in a stream without resets."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Real, Whole, settings
from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.random import uniform
from lstmsim.kernels.sequences import Sequences, begin_sequence, end_sequence, own_row, set_target, unfilled
from lstmsim.tasks.base import Floats, Task, register

_MOMENTS = 3  # count, mean and sum of squared deviations of the values so far stand before the latest delay + 1 values
_KEPT: OrderedDict[object, tuple[int, Floats]] = OrderedDict()  # where the latest streams are: only time is saved by it
_MOST = 256


@inlined
def _advance(state, beta, gamma, exponent):
    """x(t+1) = x(t) + beta x(t-delay) / (1 + x(t-delay)**exponent) - gamma x(t), a step of 1; changes `state` in place."""
    past, now, power = state[_MOMENTS], state[-1], 1.0
    for _ in range(exponent):
        power *= past
    for k in range(_MOMENTS, state.size - 1):
        state[k] = state[k + 1]
    x = now + beta * past / (1.0 + power) - gamma * now
    state[-1] = x
    state[0] += 1.0
    deviation = x - state[1]
    state[1] += deviation / state[0]
    state[2] += deviation * (x - state[1])


@kernel
def skip(state, steps, beta, gamma, exponent):
    """Let so many steps pass."""
    for _ in range(steps):
        _advance(state, beta, gamma, exponent)


@kernel
def fill(sequences, horizon, lane, state, steps, beta, gamma, exponent):
    """Write a lane's sequences from `state` on; input and target of a step by the mean and deviation up to its input."""
    while unfilled(sequences, lane, horizon):
        _key, start, _row = begin_sequence(sequences, lane)
        for t in range(start, start + steps):
            mean, deviation = state[1], np.sqrt(state[2] / state[0])
            row = own_row(sequences, lane)
            sequences.inputs[t, 0, lane] = (state[-1] - mean) / deviation
            _advance(state, beta, gamma, exponent)
            sequences.targets[row, 0] = (state[-1] - mean) / deviation
            set_target(sequences, lane, t, row, row)
        end_sequence(sequences, lane, steps)


@register("mackey_glass")
@settings
class MackeyGlass(Task):
    """Predict the next value of the Mackey-Glass series at every step, in a stream without resets.

    Each trial has a series of its own: delay + 1 first values uniform in [1.2, 1.4), then `skipped` steps not shown.
    A step's input and target are standardised by the mean and the deviation of all values up to its input, never by later
    ones; so the mean squared error is that of the values over their variance (NMSE). The stream comes in sequences of
    `steps` steps, over which errors are averaged: a learner that is not to be reset between them has ``carry="all"``. No
    sequence counts as correct; the stopping rule has the mean error to go by.

    Parameters
    ----------
    beta, gamma : float
        Of dx/dt = beta x(t-delay) / (1 + x(t-delay)**exponent) - gamma x, with Euler's step of 1.
    exponent, delay : int
        Of the same equation.
    skipped : int
        Steps before the first input, at least 2.
    steps : int
        Steps of a sequence, at least 1.
    """

    beta: Annotated[Real, Field(gt=0, le=1)] = 0.2
    gamma: Annotated[Real, Field(gt=0, le=1)] = 0.1
    exponent: Annotated[Whole, Field(ge=1, le=100)] = 10
    delay: Annotated[Whole, Field(ge=1, le=1000)] = 17
    skipped: Annotated[Whole, Field(ge=2, le=1_000_000)] = 64
    steps: Annotated[Whole, Field(ge=1, le=100_000)] = 100

    n_inputs: ClassVar[int] = 1
    n_outputs: ClassVar[int] = 1

    @property
    def max_length(self) -> int:
        """Length of every sequence in steps."""
        return self.steps

    def own_rows(self, clocks: int) -> int:
        """One row for each step."""
        return clocks + 2

    def _state(self, key: int, index: int) -> Floats:
        """Moments and latest values of a stream before sequence number `index`."""
        at, state = _KEPT.get((self, key), (index + 1, None))
        if state is None or at > index:
            at, state = 0, np.zeros(_MOMENTS + self.delay + 1)
            state[_MOMENTS:] = [1.2 + 0.2 * uniform(np.uint64(key), k) for k in range(self.delay + 1)]
            skip(state, self.skipped, self.beta, self.gamma, self.exponent)
        state = state.copy()
        skip(state, (index - at) * self.steps, self.beta, self.gamma, self.exponent)
        return state

    def fill(self, sequences: Sequences, horizon: int) -> None:
        """Write sequences until every lane reaches the horizon."""
        for lane in np.flatnonzero(sequences.active & (sequences.write < horizon)):
            key = int(sequences.key[lane])
            state = self._state(key, int(sequences.index[lane]))
            fill(sequences, horizon, lane, state, self.steps, self.beta, self.gamma, self.exponent)
            _KEPT[self, key] = int(sequences.index[lane]), state
            while len(_KEPT) > _MOST:
                _KEPT.popitem(last=False)
