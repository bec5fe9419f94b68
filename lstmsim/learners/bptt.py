"""Back-propagation through time (Werbos 1988; Williams and Peng 1990), over whole sequences or truncated."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from lstmsim.checks import Field, Whole, refusal, settings
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.sequences import END, LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, load_at, splat, store_at
from lstmsim.learners.base import register
from lstmsim.learners.over_time import HistoryLearner, over_time
from lstmsim.learners.recurrent.equations import (
    Net,
    Shape,
    State,
    apply_changes,
    carry,
    predict,
    reset,
    update_outputs,
    write,
)
from lstmsim.learners.recurrent.net import RecurrentNet, RecurrentSettings

Array = Any


class History(Struct):
    """The running sequence so far."""

    z: Array  # (step, source)
    y: Array  # (step, unit)
    back: Array  # (step, unit): error arriving at y from this step's targets
    carried: Array  # (unit,): and from later steps
    delta: Array  # (unit,): error at the net input
    waiting: Array  # (1,) int: steps with a target since the last pass


class Nets(Struct):
    """One net with its history, for the kernels."""

    shape: Shape
    net: Net
    state: State
    history: History
    alpha: float
    horizon: int  # steps that a pass goes back; 0: to the beginning of the sequence
    interval: int  # steps between passes; 0: one at the end of the sequence


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step: activations and errors, and a pass back where one is due; see `lstmsim.learners.over_time`."""
    shape, net, state, history = nets.shape, nets.net, nets.state, nets.history
    event, t = predict(nets, sequences, scores, record, clock), record.tick[0] - record.begun[0]
    if learn:
        if event & LEARN:
            update_outputs(shape, net, state, nets.alpha, False)
        remember(nets, t, event & LEARN)
        interval, horizon = nets.interval, nets.horizon
        if history.waiting[0] and (event & END or (interval and (t + 1) % interval == 0)):
            pass_back(nets, t, t - t % interval if interval else 0, max(t + 1 - horizon, 0) if horizon else 0)
            state.norm[0] = apply_changes(net)
    carry(shape, state)


@inlined
def remember(nets, t, learns):
    """Keep the step's sources, activations and errors in `nets.history`."""
    shape, state, history = nets.shape, nets.state, nets.history
    for j in range(0, shape.stride, 8):
        store_at(history.z, t * shape.stride + j, load_at(UNITS, state.z, j))
    for k in range(0, shape.first_input, 8):
        at = t * shape.first_input + k
        store_at(history.y, at, load_at(UNITS, state.y, k))
        store_at(history.back, at, load_at(UNITS, state.back, k) if learns else splat(UNITS, 0.0))
    if learns:
        history.waiting[0] += 1


@inlined
def pass_back(nets, last, first, low):
    """delta_k(t) = f'(net_k(t)) (e_k(t) + sum_l w_lk delta_l(t+1)) and dw_kj = alpha sum_t delta_k(t) z_j(t).

    t runs from `last` down to `low`; errors of the steps from `first` on are injected. Changes `nets.net.u`, where
    the changes of the weights wait.
    """
    shape, net, history, alpha = nets.shape, nets.net, nets.history, nets.alpha
    units, wide, stride = shape.units, shape.first_input, shape.stride
    for k in range(0, wide, 8):
        store_at(history.carried, k, splat(UNITS, 0.0))
    for t in range(last, low - 1, -1):
        for k in range(0, wide, 8):
            y, back = load_at(UNITS, history.y, t * wide + k), load_at(UNITS, history.carried, k)
            if t >= first:
                back = back + load_at(UNITS, history.back, t * wide + k)
            store_at(history.delta, k, y * (1.0 - y) * back)
            store_at(history.carried, k, splat(UNITS, 0.0))
        for k in range(units):
            delta = history.delta[k]
            for j in range(0, stride, 8):
                at = k * stride + j
                store_at(net.u, at, fma(alpha * delta, load_at(UNITS, history.z, t * stride + j), load_at(UNITS, net.u, at)))
            for j in range(0, wide, 8):
                back = load_at(UNITS, history.carried, j)
                store_at(history.carried, j, fma(delta, load_at(UNITS, net.w, k * stride + j), back))
    history.waiting[0] = 0


advance = over_time(step, write, reset)


@settings
class BPTTSettings(RecurrentSettings):
    """Settings of back-propagation through time; the first ones are those of `RecurrentSettings`.

    BPTT(h) of Williams and Peng (1990) is horizon=h, interval=1; BPTT(h; h') is horizon=h, interval=h'. Both None: full
    back-propagation at the end of every sequence, the same gradient as epoch-wise real-time recurrent learning.

    Parameters
    ----------
    horizon : int, optional
        Steps that a pass goes back; to the beginning of the sequence if None.
    interval : int, optional
        Steps between passes, each for the errors since the one before; only at the end of the sequence if None.

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    horizon: Annotated[Whole, Field(ge=1)] | None = None
    interval: Annotated[Whole, Field(ge=1)] | None = None

    def __post_init__(self) -> None:
        """Check horizon and interval together."""
        super().__post_init__()
        if self.horizon is not None and self.interval is None:
            raise refusal("interval", None, "a whole number where there is a horizon")
        if self.horizon is not None and self.interval is not None and self.horizon < self.interval:
            raise refusal("horizon", self.horizon, f"None or a whole number of at least the interval, {self.interval}")


@register("bptt", BPTTSettings, label="BPTT")
class BPTT(HistoryLearner, RecurrentNet):
    """A net learning by back-propagation through time (Werbos 1988; Williams and Peng 1990).

    The running sequence is stored. Errors are passed back, and weights change, at the end of the sequence or every
    `interval` steps.

    Parameters
    ----------
    settings : BPTTSettings
        Units, connections and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.
    """

    loop = staticmethod(advance)

    settings: BPTTSettings

    def __init__(self, settings: BPTTSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, symbols=symbols, separate=True)
        self.keep(self.room(0))

    def keep(self, history: History) -> None:
        """Let the net store its steps in a history."""
        self.history = history
        rule = self.settings.learning_rate, self.settings.horizon or 0, self.settings.interval or 0
        self.nets = Nets(self.shape, self.net, self.state, history, *rule)

    def room(self, steps: int) -> History:
        """An empty history of so many steps."""
        wide = self.shape.first_input
        rows = aligned(steps, self.shape.stride), aligned(steps, wide), aligned(steps, wide)
        return History(*rows, aligned(wide), aligned(wide), aligned(1, dtype=np.int64))

    def reset(self, lane: int | slice = 0) -> None:
        """Activations and stored steps to zero; the weights stay."""
        super().reset(lane)
        self.nets.history.waiting[0] = 0
