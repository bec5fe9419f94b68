"""A conventional recurrent net on one lane: activations, output errors, recording; what the rivals' rules share.

Fully recurrent nets: all units see the inputs and, of the step before, all units or the hidden ones alone; the first
units are the outputs. Layered nets: hidden units see the inputs and the hidden units one step before, outputs see the
hidden units of the same step. Sources of a unit stand in the order units (padded to whole vectors), inputs, bias,
padding; sources of a layered net's outputs in the order hidden units, inputs (where the outputs see them), bias. Padding
has activation and weight 0. Arrays are float64 unless said otherwise, and C-contiguous.

What a rule's step takes as `nets` is `Nets`, or a struct that has more.
"""

from __future__ import annotations

from lstmsim.kernels.arrays import Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic
from lstmsim.kernels.sequences import JUDGE, LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.optimiser import Optimiser, descend, zero
from lstmsim.learners.over_time import judged


class Shape(Struct):
    """Sizes of a net."""

    inputs: int
    symbols: bool  # inputs are one-hot and come as symbol numbers
    hidden: int
    outputs: int
    units: int  # units with recurrent weights: the hidden ones, in a fully recurrent net the outputs before them
    first_input: int  # where the inputs stand among the sources of a unit; also the padded number of units
    stride: int  # padded number of sources of a unit
    output_stride: int
    layered: bool
    direct: bool  # outputs of a layered net see the inputs too
    bias: bool
    output_sources: int
    output_active: int  # sources of the outputs that may be active at a step


class Net(Struct):
    """Weights, and where their changes go: the same arrays when every change takes effect at once.

    Where an optimiser makes something of the gradient, the gradient since the last change stands in `u` and `u_output`.
    """

    w: Floats  # (unit, source)
    w_output: Floats  # (output source, output)
    u: Floats
    u_output: Floats


class State(Struct):
    """What a net carries from step to step, and what the last step left behind."""

    z: Floats  # (source,)
    net: Floats  # (unit,)
    y: Floats  # (unit,)
    y_k: Floats  # (1, output)
    e_k: Floats  # (1, output)
    back: Floats  # (unit,): error arriving at y, before the factor f'(net)
    norm: Floats  # (1,): squared norm of the last weight change
    symbol: Ints  # (1,) int
    unit_mask: Floats  # (unit,): 1.0 for units, 0.0 for padding
    source_mask: Floats  # (unit,): 1.0 for units that feed others one step later
    output_mask: Floats  # (output,)


class Nets(Struct):
    """What a step takes: a net and its rule. A rule with more to keep has a struct of its own that begins like this."""

    shape: Shape
    net: Net
    state: State
    optimiser: Optimiser
    alpha: float  # learning rate; 1 where changes are gradients that the optimiser takes


@inlined
def forward(shape, net, state, sequences, clock):
    """y_k(t) = f(sum_j w_kj z_j), z = [y(t-1), x(t), 1]."""
    z, first = state.z, shape.first_input
    if shape.symbols:
        z[first + state.symbol[0]] = 0.0
        state.symbol[0] = sequences.symbol[clock, 0]
        z[first + state.symbol[0]] = 1.0
    else:
        for i in range(shape.inputs):
            z[first + i] = sequences.inputs[clock, i, 0]
    for k in range(shape.units):
        total = splat(UNITS, 0.0)
        for j in range(0, shape.stride, 8):
            total = fma(load_at(UNITS, net.w, k * shape.stride + j), load_at(UNITS, z, j), total)
        state.net[k] = lane_sum(total)
    for k in range(0, first, 8):
        store_at(state.y, k, load_at(UNITS, state.unit_mask, k) * logistic(load_at(UNITS, state.net, k)))


@inlined
def output_row(shape, state, n):
    """Number m of the n-th source of a layered net's outputs that may be active; one input is where they are one-hot."""
    if shape.symbols and shape.direct and n >= shape.units:
        return shape.units + state.symbol[0] if n == shape.units else shape.output_sources - 1
    return n


@inlined
def output_source(shape, state, m):
    """Activation of source m of a layered net's outputs."""
    if m < shape.units:
        return state.y[m]
    if m == shape.output_sources - 1:
        return 1.0 if shape.bias else 0.0
    return state.z[shape.first_input + m - shape.units]


@inlined
def outputs(shape, net, state):
    """y_k of the output units: those of the net itself, or of the output layer."""
    wide = shape.output_stride
    for k in range(0, wide, 8):
        if not shape.layered:
            store_at(state.y_k, k, load_at(UNITS, state.y, k))
            continue
        total = splat(UNITS, 0.0)
        for n in range(shape.output_active):
            m = output_row(shape, state, n)
            total = fma(load_at(UNITS, net.w_output, m * wide + k), output_source(shape, state, m), total)
        store_at(state.y_k, k, logistic(total))


@inlined
def errors(shape, net, state, targets, row):
    """(19) e_k = f'(net_k)(d_k - y_k), and what arrives at the units: d_k - y_k, or sum_k w_ki e_k in a layered net."""
    wide = shape.output_stride
    for k in range(0, wide, 8):
        y_k = load_at(UNITS, state.y_k, k)
        difference = (load_at(UNITS, targets, row * wide + k) - y_k) * load_at(UNITS, state.output_mask, k)
        store_at(state.e_k, k, y_k * (1.0 - y_k) * difference)
        if not shape.layered:
            store_at(state.back, k, difference)
    if shape.layered:
        for r in range(shape.units):
            total = splat(UNITS, 0.0)
            for k in range(0, wide, 8):
                total = fma(load_at(UNITS, net.w_output, r * wide + k), load_at(UNITS, state.e_k, k), total)
            state.back[r] = lane_sum(total)


@inlined
def update_outputs(shape, net, state, alpha, measure):
    """(22) dw_km = alpha e_k y_m for the output layer; begins the norm of this step's change."""
    squares, wide = splat(UNITS, 0.0), shape.output_stride
    for n in range(shape.output_active):
        m = output_row(shape, state, n)
        y_m = alpha * output_source(shape, state, m)
        for k in range(0, wide, 8):
            change = y_m * load_at(UNITS, state.e_k, k)
            store_at(net.u_output, m * wide + k, load_at(UNITS, net.u_output, m * wide + k) + change)
            if measure:
                squares = fma(change, change, squares)
    if measure:
        state.norm[0] = lane_sum(squares)


@inlined
def predict(nets, sequences, scores, record, clock):
    """One step up to the errors: activations, judgement, (19) where there is a target. Returns the step's events.

    Changes arrays of `nets.state` and `scores`.
    """
    shape, net, state = nets.shape, nets.net, nets.state
    forward(shape, net, state, sequences, clock)
    state.norm[0] = 0.0
    if sequences.event[clock, 0] & (LEARN | JUDGE) or record.on[0]:
        outputs(shape, net, state)
    event = judged(shape, state, sequences, scores, record, clock)
    if event & LEARN:
        errors(shape, net, state, sequences.targets, sequences.learn[clock, 0])
    return event


@inlined
def times_columns(j, p, block, units, column):
    """Eight columns sum_m j_mk p_m of all units k, of the eight p (unit m, 8) from flat position `block` on, to `column`."""
    k = 0
    while k + 4 <= units:  # four at a time, so that one load of p serves four
        a, b, c, d = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
        for m in range(units):
            p_m = load_at(UNITS, p, block + 8 * m)
            a = fma(j[m, k], p_m, a)
            b = fma(j[m, k + 1], p_m, b)
            c = fma(j[m, k + 2], p_m, c)
            d = fma(j[m, k + 3], p_m, d)
        store_at(column, 8 * k, a)
        store_at(column, 8 * k + 8, b)
        store_at(column, 8 * k + 16, c)
        store_at(column, 8 * k + 24, d)
        k += 4
    while k < units:
        a = splat(UNITS, 0.0)
        for m in range(units):
            a = fma(j[m, k], load_at(UNITS, p, block + 8 * m), a)
        store_at(column, 8 * k, a)
        k += 1


@inlined
def carry(shape, state):
    """Make the activations sources of the next step."""
    for k in range(0, shape.first_input, 8):
        store_at(state.z, k, load_at(UNITS, state.source_mask, k) * load_at(UNITS, state.y, k))


@inlined
def reset(nets):
    """Activations to zero, as before every sequence."""
    nets.state.z[: nets.shape.first_input] = 0.0
    nets.state.y[:] = 0.0


@inlined
def apply_changes(nets):
    """Let changes that have waited take effect, or the optimiser change the weights by the gradient; the squared norm."""
    net, squares = nets.net, 0.0
    if not nets.optimiser.plain:
        squares = descend(nets.optimiser, net.w, net.u, net.w_output, net.u_output)
        zero(net.u)
        zero(net.u_output)
        return squares
    for k in range(net.w.shape[0]):
        for j in range(net.w.shape[1]):
            squares += (net.u[k, j] - net.w[k, j]) ** 2
            net.w[k, j] = net.u[k, j]
    for m in range(net.w_output.shape[0]):
        for k in range(net.w_output.shape[1]):
            squares += (net.u_output[m, k] - net.w_output[m, k]) ** 2
            net.w_output[m, k] = net.u_output[m, k]
    return squares


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on: activations of the hidden units, errors (20) or 0, norm of the change."""
    shape, state = nets.shape, nets.state
    first, hidden = shape.units - shape.hidden, shape.hidden
    for r in range(hidden):
        y = state.y[first + r]
        row[at + r] = y
        row[at + hidden + r] = y * (1.0 - y) * state.back[first + r] if event & LEARN else 0.0
    row[at + 2 * hidden] = state.norm[0] ** 0.5 if learn else 0.0
