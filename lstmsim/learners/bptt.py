"""Back-propagation through time (Werbos 1988; Williams and Peng 1990), over whole sequences or truncated.

A change of the weights can be divided by second derivatives of the error, as pseudo-Newton methods do: those on the
diagonal, without the part of the units' own curvature (Gauss and Newton), passed back as errors are. With a weight at
each of its steps taken for a weight of its own, delta and s the first and second derivatives at the net input,

    g(t) = delta_k(t) z_j(t),  h(t) = s_k(t) z_j(t)**2,  s_k(t) = f'(net_k(t))**2 (d2E/dy_k**2 + sum_l w_lk**2 s_l(t+1)).
"""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import numpy as np

from lstmsim.checks import Field, Real, Whole, refusal, settings
from lstmsim.kernels.arrays import Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.sequences import END, LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, fma, load_at, splat, store_at
from lstmsim.learners.base import register
from lstmsim.learners.optimiser import Optimiser
from lstmsim.learners.over_time import HistoryLearner, over_time, zeros
from lstmsim.learners.recurrent.equations import (
    Net,
    Shape,
    State,
    apply_changes,
    carry,
    output_row,
    output_source,
    predict,
    update_outputs,
    write,
)
from lstmsim.learners.recurrent.net import RecurrentNet, RecurrentSettings


class History(Struct):
    """The running sequence so far; with a horizon its latest steps, in a ring: step t stands in row t modulo the rows."""

    z: Floats  # (step, source)
    y: Floats  # (step, unit)
    back: Floats  # (step, unit): error arriving at y from this step's targets
    carried: Floats  # (unit,): and from later steps
    delta: Floats  # (unit,): error at the net input
    bend: Floats  # (step, unit): second derivative by y from this step's targets
    bent: Floats  # (unit,): and from later steps
    waiting: Ints  # (1,) int: steps with a target since the last pass


class Sums(Struct):
    """First and second derivatives over the steps of a pass, in the order of the weights; empty where none are summed."""

    g: Floats
    h: Floats
    g_output: Floats
    h_output: Floats


class Nets(Struct):
    """One net with its history, for the kernels."""

    shape: Shape
    net: Net
    state: State
    history: History
    optimiser: Optimiser
    alpha: float  # learning rate; 1 where changes are gradients that the optimiser takes
    horizon: int  # steps that a pass goes back; 0: to the beginning of the sequence
    interval: int  # steps between passes; 0: one at the end of the sequence
    curvature: int  # 0: none; 1: sum_t g / (mu + sum_t h); 2: sum_t g / (mu + h)
    mu: float
    sums: Sums


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step: activations and errors, and a pass back where one is due; see `lstmsim.learners.over_time`."""
    shape, net, state, history = nets.shape, nets.net, nets.state, nets.history
    event, t = predict(nets, sequences, scores, record, clock), record.tick[0] - record.begun[0]
    if learn:
        if event & LEARN:
            if nets.curvature:
                bend_outputs(nets, t % history.y.shape[0])
            else:
                update_outputs(shape, net, state, nets.alpha, False)
        remember(nets, t % history.y.shape[0], event & LEARN)
        interval, horizon = nets.interval, nets.horizon
        if history.waiting[0] and (event & END or (interval and (t + 1) % interval == 0)):
            first, low = t - t % interval if interval else 0, max(t + 1 - horizon, 0) if horizon else 0
            if nets.curvature:
                pass_back_bent(nets, t, first, low)
            else:
                pass_back(nets, t, first, low)
            state.norm[0] = apply_changes(nets)
    carry(shape, state)


@inlined
def remember(nets, t, learns):
    """Keep the step's sources, activations and errors in row t of `nets.history`."""
    shape, state, history = nets.shape, nets.state, nets.history
    for j in range(0, shape.stride, 8):
        store_at(history.z, t * shape.stride + j, load_at(UNITS, state.z, j))
    for k in range(0, shape.first_input, 8):
        at = t * shape.first_input + k
        store_at(history.y, at, load_at(UNITS, state.y, k))
        store_at(history.back, at, load_at(UNITS, state.back, k) if learns else splat(UNITS, 0.0))
        if nets.curvature and not learns:
            store_at(history.bend, at, splat(UNITS, 0.0))
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
        row = t % history.y.shape[0]
        for k in range(0, wide, 8):
            y, back = load_at(UNITS, history.y, row * wide + k), load_at(UNITS, history.carried, k)
            if t >= first:
                back = back + load_at(UNITS, history.back, row * wide + k)
            store_at(history.delta, k, y * (1.0 - y) * back)
            store_at(history.carried, k, splat(UNITS, 0.0))
        for k in range(units):
            delta = history.delta[k]
            for j in range(0, stride, 8):
                at, z = k * stride + j, load_at(UNITS, history.z, row * stride + j)
                store_at(net.u, at, fma(alpha * delta, z, load_at(UNITS, net.u, at)))
            for j in range(0, wide, 8):
                back = load_at(UNITS, history.carried, j)
                store_at(history.carried, j, fma(delta, load_at(UNITS, net.w, k * stride + j), back))
    history.waiting[0] = 0


@inlined
def bend_outputs(nets, t):
    """d2E/dy**2, in row t: 1 of an output, or sum_k w_ki**2 f'_k**2 in a layered net; g and h of the output layer."""
    shape, net, state, history, sums = nets.shape, nets.net, nets.state, nets.history, nets.sums
    for i in range(shape.first_input):
        history.bend[t, i] = 1.0 if not shape.layered and i < shape.outputs else 0.0
    for n in range(shape.output_active):
        m = output_row(shape, state, n)
        y_m = output_source(shape, state, m)
        for k in range(shape.outputs):
            y = state.y_k[0, k]
            slope = (y * (1.0 - y)) ** 2
            g, h = state.e_k[0, k] * y_m, slope * y_m * y_m
            if m < shape.units:
                history.bend[t, m] += net.w_output[m, k] ** 2 * slope
            if nets.curvature == 2:
                net.u_output[m, k] += nets.alpha * g / (nets.mu + h)
            else:
                sums.g_output[m, k] += g
                sums.h_output[m, k] += h


@inlined
def pass_back_bent(nets, last, first, low):
    """As `pass_back`, with dw_kj = alpha sum_t g(t) / (mu + h(t)), or alpha sum_t g(t) / (mu + sum_t h(t))."""
    shape, net, history, sums, alpha = nets.shape, nets.net, nets.history, nets.sums, nets.alpha
    units, wide, stride = shape.units, shape.first_input, shape.stride
    for k in range(wide):
        history.carried[k] = history.bent[k] = 0.0
    for t in range(last, low - 1, -1):
        row, injected = t % history.y.shape[0], t >= first
        for k in range(units):
            slope = history.y[row, k] * (1.0 - history.y[row, k])
            history.delta[k] = slope * (history.carried[k] + (history.back[row, k] if injected else 0.0))
            history.bent[k] = slope * slope * (history.bent[k] + (history.bend[row, k] if injected else 0.0))
        for k in range(wide):
            history.carried[k] = 0.0
        for k in range(units):
            delta, s = history.delta[k], history.bent[k]
            for j in range(0, stride, 8):
                at, z = k * stride + j, load_at(UNITS, history.z, row * stride + j)
                g, h = delta * z, s * z * z
                if nets.curvature == 2:
                    store_at(net.u, at, load_at(UNITS, net.u, at) + alpha * g / (nets.mu + h))
                else:
                    store_at(sums.g, at, load_at(UNITS, sums.g, at) + g)
                    store_at(sums.h, at, load_at(UNITS, sums.h, at) + h)
            for j in range(0, wide, 8):
                back = load_at(UNITS, history.carried, j)
                store_at(history.carried, j, fma(delta, load_at(UNITS, net.w, k * stride + j), back))
        for j in range(wide):
            history.delta[j] = 0.0
            for k in range(units):
                history.delta[j] += net.w[k, j] ** 2 * history.bent[k]
        for j in range(wide):
            history.bent[j] = history.delta[j]
    if nets.curvature == 1:
        divide(net.u, sums.g, sums.h, alpha, nets.mu)
        divide(net.u_output, sums.g_output, sums.h_output, alpha, nets.mu)
    history.waiting[0] = 0


@inlined
def divide(u, g, h, alpha, mu):
    """U += alpha g / (mu + h); g and h begin anew."""
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            u[i, j] += alpha * g[i, j] / (mu + h[i, j])
            g[i, j] = h[i, j] = 0.0


@inlined
def reset(nets):
    """Activations, steps that wait and sums to zero."""
    nets.state.z[: nets.shape.first_input] = 0.0
    nets.state.y[:] = 0.0
    nets.history.waiting[0] = 0
    nets.sums.g[:] = nets.sums.h[:] = 0.0
    nets.sums.g_output[:] = nets.sums.h_output[:] = 0.0


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
    curvature : {"none", "sum", "step"}
        sum: the weights change by alpha sum_t g(t) / (mu + sum_t h(t)), pseudo-Newton; step: by alpha sum_t g(t) / (mu +
        h(t)), time-weighted (Bengio, Simard and Frasconi 1994).
    mu : float
        Added to second derivatives.
    """

    horizon: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None
    interval: Annotated[Whole, Field(ge=1)] | None = None
    curvature: Literal["none", "sum", "step"] = "none"
    mu: Annotated[Real, Field(gt=0)] = 0.1

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

    The running sequence is stored, or as much of it as a pass goes back. Errors are passed back, and weights change, at the
    end of the sequence or every `interval` steps.
    """

    loop, begin = staticmethod(advance), staticmethod(reset.py_func)

    def __init__(self, settings: BPTTSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, symbols=symbols, separate=True)
        summed = settings.curvature == "sum"
        w, w_output = (group.shape if summed else (0, 0) for group in (self.net.w, self.net.w_output))
        self.nets = Nets(
            shape=self.shape,
            net=self.net,
            state=self.state,
            history=self.room(settings.horizon or 0),
            optimiser=self.optimiser,
            alpha=self.alpha,
            horizon=settings.horizon or 0,
            interval=settings.interval or 0,
            curvature=("none", "sum", "step").index(settings.curvature),
            mu=settings.mu,
            sums=Sums(**zeros({"g h": w, "g_output h_output": w_output})),
        )

    @property
    def steps(self) -> int:
        """Steps that there is room for: any number where a pass goes back to a horizon."""
        return sys.maxsize if self.settings.horizon else super().steps

    def room(self, steps: int) -> History:
        """An empty history of so many steps."""
        wide, bent = self.shape.first_input, steps if self.settings.curvature != "none" else 0
        return History(
            **zeros({"z": (steps, self.shape.stride), "y back": (steps, wide), "bend": (bent, wide)}),
            **zeros({"carried delta bent": wide}),
            waiting=np.zeros(1, np.int64),
        )
