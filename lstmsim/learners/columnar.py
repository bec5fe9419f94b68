"""Columnar LSTM with exact traces: each cell, with forget gate, sees the inputs and its own output alone.

net_G = sum_j w_Gj z_j + r_G h(t-1), z = [x(t), 1], for the gates G = in, forget, out and the cell input, s(t) =
y_f s(t-1) + y_in g, g = tanh(net_c), h = y_out tanh(s). No column reaches another, so that a partial of s and one of h for
each weight are all there is of the influence (Javed, Shah, Sutton and White 2023, columnar networks): the gradient of an
LSTM whose recurrent weights are diagonal, exact at every step, at the price of the weights.

    ds/dw <- y_f ds/dw + k dh/dw + k_G z,    k = sum of k_G r_G over in, forget, c
    dh/dw <- y_out tanh'(s) ds/dw + k_out r_out dh/dw (+ k_out z for weights of the output gate)

with k_in = g f'(net_in), k_f = s(t-1) f'(net_f), k_c = y_in g'(net_c), k_out = tanh(s) f'(net_out).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from lstmsim.checks import Real, settings
from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic, logistic_slope
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.base import register
from lstmsim.learners.optimiser import zero
from lstmsim.learners.over_time import padded
from lstmsim.learners.rules.net import Rules
from lstmsim.learners.rules.settings import OnlineSettings
from lstmsim.learners.rules.step import Rule, cells_alone
from lstmsim.learners.rules.structs import Shape
from lstmsim.learners.weights import Weights

GATES = ("input gate", "forget gate", "cell", "output gate")


class Kept(Struct):
    """Cell states, and the partials of s and h with respect to each column's weights."""

    s: Floats  # (wide,)
    of_state: Floats  # (gate and source, wide)
    of_output: Floats  # (gate and source, wide)


@inlined
def net_input(nets, gate, i):
    """Net input of one gate of eight columns from i on; a column's own output is its last source."""
    state, w, wide = nets.state, nets.core.net.w, nets.shape.wide
    first, own = gate * (nets.shape.inputs + 2), nets.shape.inputs + 1
    total = load_at(UNITS, state.a, i) * load_at(UNITS, w, (first + own) * wide + i)
    for j in range(own):
        total = fma(state.z[j], load_at(UNITS, w, (first + j) * wide + i), total)
    return total


@inlined
def hyperbolic(x):
    """The hyperbolic tangent and its slope."""
    y = fma(2.0, logistic(x + x), -1.0)
    return y, fma(-y, y, 1.0)


@inlined
def turn(nets, track):
    """Move all columns, eight at a time."""
    for i in range(0, nets.shape.wide, 8):
        turn_eight(nets, i, track)


@inlined
def turn_eight(nets, i, track):
    """Move eight columns from i on, and their partials."""
    shape, state, w, wide = nets.shape, nets.state, nets.core.net.w, nets.shape.wide
    sources, mask = shape.inputs + 2, load_at(UNITS, state.unit_mask, i)
    y_in, y_f = logistic(net_input(nets, 0, i)), logistic(net_input(nets, 1, i))
    y_out = logistic(net_input(nets, 3, i))
    g, g_slope = hyperbolic(net_input(nets, 2, i))
    before, h = load_at(UNITS, nets.kept.s, i), load_at(UNITS, state.a, i)
    s = fma(y_f, before, y_in * g)
    c, c_slope = hyperbolic(s)
    store_at(nets.kept.s, i, mask * s)
    store_at(state.a, i, mask * y_out * c)
    store_at(state.slope, i, mask)
    if not track:
        return
    k_in, k_f, k_c = g * logistic_slope(y_in), before * logistic_slope(y_f), y_in * g_slope
    k_out, out = c * logistic_slope(y_out), y_out * c_slope
    own = sources - 1
    through = k_in * load_at(UNITS, w, own * wide + i)
    through = fma(k_f, load_at(UNITS, w, (own + sources) * wide + i), through)
    through = fma(k_c, load_at(UNITS, w, (own + 2 * sources) * wide + i), through)
    through_out = k_out * load_at(UNITS, w, (own + 3 * sources) * wide + i)
    for gate in range(4):
        factor = k_in if gate == 0 else k_f if gate == 1 else k_c
        for j in range(sources):
            at = (gate * sources + j) * wide + i
            z = h if j == own else splat(UNITS, state.z[j])
            of_state, of_output = load_at(UNITS, nets.kept.of_state, at), load_at(UNITS, nets.kept.of_output, at)
            new = fma(y_f, of_state, through * of_output)
            if gate < 3:
                new = fma(factor, z, new)
            of_output = fma(out, new, through_out * of_output)
            if gate == 3:
                of_output = fma(k_out, z, of_output)
            store_at(nets.kept.of_state, at, mask * new)
            store_at(nets.kept.of_output, at, mask * of_output)


@inlined
def gradient(nets):
    """The gradient q dh/dw of every weight, and dw = alpha g where nothing waits for it."""
    shape, state, net, optimiser = nets.shape, nets.state, nets.core.net, nets.core.optimiser
    wide, alpha, squares = shape.wide, optimiser.now[0, 0], splat(UNITS, 0.0)
    for i in range(0, wide, 8):
        q = load_at(UNITS, state.q, i)
        for row in range(shape.sources):
            at = row * wide + i
            g = q * load_at(UNITS, nets.kept.of_output, at)
            if optimiser.plain:
                change = alpha * g
                store_at(net.w, at, load_at(UNITS, net.w, at) + change)
                squares = fma(change, change, squares)
            else:
                store_at(net.g, at, g)
    state.norm[0] += lane_sum(squares)


@inlined
def reset(nets):
    """Cells and partials to zero, unless nothing is reset between sequences."""
    if not nets.shape.keeps:
        zero(nets.state.a)
        zero(nets.kept.s)
        zero(nets.kept.of_state)
        zero(nets.kept.of_output)


def room(_settings: object, shape: Shape) -> Kept:
    """Zeros for states and partials."""
    return Kept(aligned(shape.wide), aligned(shape.sources, shape.wide), aligned(shape.sources, shape.wide))


RULE = Rule("exact partials", cells_alone(turn, gradient=gradient, reset=reset), room)


@settings
class ColumnarSettings(OnlineSettings):
    """Settings of columnar LSTM cells; those of the outputs and of the optimiser are as for the learner "rules".

    Parameters
    ----------
    n_hidden : int
        Columns, of one cell each.
    bias : bool
        Gates, cells and outputs have biases.
    forget_bias : float
        Added to the initial biases of the forget gates.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].
    """

    forget_bias: Real = 1.0

    group: ClassVar[str] = "column"

    @property
    def sources(self) -> list[str]:
        """Names of the columns' weights."""
        return [f"{gate}, {name}" for gate in GATES for name in (*self.input_names, "bias", "own output")]

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range], the forget gates' biases raised."""
        weights = super().initial_weights(seed)
        weights["column"][:, 2 * self.n_inputs + 2] += self.forget_bias * self.bias
        return weights

    @property
    def differs(self) -> Rule:
        """The step of these cells."""
        return RULE

    def shape(self, *, symbols: bool) -> Shape:
        """Sizes for the kernels."""
        return self.shape_with(
            symbols,
            hidden=self.n_hidden,
            wide=padded(self.n_hidden),
            sources=4 * (self.n_inputs + 2),
            output_wide=padded(self.n_hidden + 1),
            leak=1.0,
            tanh=True,
            sparse=False,
        )


@register("columnar", ColumnarSettings, label="columnar LSTM, exact partials")
class Columnar(Rules):
    """Columns of one LSTM cell each that learn at every step with a target, by exact partials."""

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "column": ("hidden_unit", "source"),
        "output": ("output_unit", "output_source"),
    }

    def _place(self) -> None:
        """Where named weights stand."""
        self._rows, self._units = np.arange(self.shape.sources), self.shape.hidden
        self._seen = np.arange(self.shape.hidden + 1)
