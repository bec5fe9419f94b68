"""A feedforward net on taps: memories of its inputs, and its own outputs of earlier steps, with the gradient through them.

Memory of input i (de Vries and Principe 1991): g_0 = x_i(t), g_d(t) = (1 - mu_i) g_d(t-1) + mu_i g_d-1(t-1), d = 1 to D;
with mu = 1 a line of delays. What a unit sees: the taps of all inputs, y(t-1) to y(t-D'), and 1. Arrays are C-contiguous
and changed in place.
"""

from __future__ import annotations

from lstmsim.kernels.arrays import Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic
from lstmsim.kernels.sequences import END, LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, load_at, store_at
from lstmsim.learners.optimiser import Optimiser, begin_change, change_of, change_trained, squares_of_trained
from lstmsim.learners.over_time import input_at, judged, over_time


class Shape(Struct):
    """Sizes of a net. Sources stand in the order taps (tap, input), earlier outputs (lag, output), bias."""

    inputs: int
    symbols: bool  # inputs are one-hot and come as symbol numbers
    outputs: int
    hidden: int  # 0: the outputs see the sources themselves
    taps: int  # (D + 1) inputs
    lags: int  # D'
    sources: int
    bias: float  # activation of the last source: 1 or 0
    scale: float  # f(x) = scale g(scale x) - (scale - 1), g logistic: 1 is g itself, 2 is tanh


class Net(Struct):
    """Weights (source, unit) of the hidden units; (hidden unit and bias, or source, output) of the outputs; mu (input,)."""

    w: Floats
    w_output: Floats
    mu: Floats
    trained: Floats  # 1.0 for weights that change
    trained_output: Floats
    g: Floats  # -dE/dw
    g_output: Floats
    g_mu: Floats
    learn_mu: bool


class State(Struct):
    """What the last step left behind."""

    y_k: Floats  # (1, output), padded
    e_k: Floats  # (1, output), padded
    net: Floats  # (unit,): net inputs of a layer, then its activations, padded
    delta: Floats  # (unit,): error at a layer's net inputs
    delta_output: Floats
    dz: Floats  # (source,): error at the sources
    norm: Floats  # (1,): squared norm of the last weight change
    waiting: Ints  # (1,) int: targets of the sequence so far
    last: Ints  # (1,) int: the last step's place in the history


class History(Struct):
    """The running sequence."""

    z: Floats  # (step, source)
    s: Floats  # (step, tap): dg/dmu
    a: Floats  # (step, hidden + 1): hidden activations, and 1
    y: Floats  # (step, output)
    e: Floats  # (step, output): error arriving at y


class Nets(Struct):
    """A net and its rule."""

    shape: Shape
    net: Net
    state: State
    history: History
    optimiser: Optimiser


@inlined
def sources(nets, sequences, clock, t):
    """Write the sources of a step to the history, and s_d(t) = (1-mu) s_d(t-1) + mu s_d-1(t-1) + g_d-1(t-1) - g_d(t-1)."""
    shape, mu, z, s, inputs = nets.shape, nets.net.mu, nets.history.z, nets.history.s, nets.shape.inputs
    for i in range(inputs):
        z[t, i], s[t, i] = input_at(shape, sequences, clock, i), 0.0
        for m in range(inputs + i, shape.taps, inputs):
            if t == 0:
                z[t, m], s[t, m] = 0.0, 0.0
            else:
                own, fed = z[t - 1, m], z[t - 1, m - inputs]
                z[t, m] = (1.0 - mu[i]) * own + mu[i] * fed
                s[t, m] = (1.0 - mu[i]) * s[t - 1, m] + mu[i] * s[t - 1, m - inputs] + fed - own
    for lag in range(1, shape.lags + 1):
        for k in range(shape.outputs):
            at = shape.taps + (lag - 1) * shape.outputs + k
            z[t, at] = nets.history.y[t - lag, k] if t >= lag else 0.0
    z[t, shape.sources - 1] = shape.bias


@inlined
def layer(shape, net, w, z, t, units):
    """F(sum_m w_mk z_m(t)) of the units of a layer, into `net`."""
    for k in range(units):
        net[k] = 0.0
    for m in range(w.shape[0]):
        z_m = z[t, m]
        if z_m != 0.0:
            for k in range(units):
                net[k] += w[m, k] * z_m
    for k in range(0, units, 8):
        store_at(net, k, shape.scale * logistic(shape.scale * load_at(UNITS, net, k)) - (shape.scale - 1.0))


@inlined
def slope(shape, y):
    """f'(net) from y = f(net)."""
    return y * (1.0 - y) if shape.scale == 1.0 else 1.0 - y * y


@inlined
def forward(nets, sequences, clock, t):
    """One step of the net, kept in row t of the history."""
    shape, net, state, history = nets.shape, nets.net, nets.state, nets.history
    sources(nets, sequences, clock, t)
    layer(shape, state.net, net.w, history.z, t, shape.hidden)
    for i in range(shape.hidden):
        history.a[t, i] = state.net[i]
    history.a[t, shape.hidden] = shape.bias
    layer(shape, state.net, net.w_output, history.a if shape.hidden > 0 else history.z, t, shape.outputs)
    for k in range(shape.outputs):
        state.y_k[0, k] = history.y[t, k] = state.net[k]
        history.e[t, k] = 0.0


@inlined
def back_layer(w, g, z, t, delta, units, dz):
    """-dE/dw_mk += delta_k z_m(t), and the error that arrives at the sources, dz_m = sum_k w_mk delta_k."""
    for m in range(w.shape[0]):
        total, z_m = 0.0, z[t, m]
        for k in range(units):
            total += w[m, k] * delta[k]
            g[m, k] += delta[k] * z_m
        dz[m] = total


@inlined
def pass_back(nets, last):
    """Errors of all steps from the last to the first, through the net at each, and through earlier outputs to theirs.

    delta_k(t) = f'(net_k) e_k(t), e_k(t-d) += what arrives at y_k(t-d) among the sources of step t. Adds to the gradient.
    """
    shape, net, state, history = nets.shape, nets.net, nets.state, nets.history
    for t in range(last, -1, -1):
        some = False
        for k in range(shape.outputs):
            state.delta_output[k] = slope(shape, history.y[t, k]) * history.e[t, k]
            some |= state.delta_output[k] != 0.0
        if not some:
            continue
        below = history.a if shape.hidden > 0 else history.z
        back_layer(net.w_output, net.g_output, below, t, state.delta_output, shape.outputs, state.dz)
        if shape.hidden > 0:
            for i in range(shape.hidden):
                state.delta[i] = slope(shape, history.a[t, i]) * state.dz[i]
            back_layer(net.w, net.g, history.z, t, state.delta, shape.hidden, state.dz)
        if net.learn_mu:
            for m in range(shape.inputs, shape.taps):
                net.g_mu[m % shape.inputs] += state.dz[m] * history.s[t, m]
        for lag in range(1, min(shape.lags, t) + 1):
            for k in range(shape.outputs):
                history.e[t - lag, k] += state.dz[shape.taps + (lag - 1) * shape.outputs + k]


@inlined
def update(nets):
    """Change the weights, and mu within 0 and 1."""
    net, optimiser, method = nets.net, nets.optimiser, nets.optimiser.method
    squares = squares_of_trained(method, net.g, net.trained) + squares_of_trained(method, net.g_output, net.trained_output)
    for i in range(net.mu.size if net.learn_mu else 0):
        squares += net.g_mu[i] ** 2
    begin_change(method, optimiser.now, 0, squares)
    squares = change_trained(optimiser, net.w, net.g, net.trained, 0)
    squares += change_trained(optimiser, net.w_output, net.g_output, net.trained_output, net.w.size)
    for i in range(net.mu.size if net.learn_mu else 0):
        change = change_of(optimiser, net.g_mu[i], net.w.size + net.w_output.size + i)
        mu = min(max(net.mu[i] + change, 0.0), 1.0)
        squares += (mu - net.mu[i]) ** 2
        net.mu[i], net.g_mu[i] = mu, 0.0
    nets.state.norm[0] = squares


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step: activations, errors, and at the end of a sequence the pass back; see `lstmsim.learners.over_time`."""
    shape, state, history = nets.shape, nets.state, nets.history
    t, row = record.tick[0] - record.begun[0], sequences.learn[clock, 0]
    forward(nets, sequences, clock, t)
    state.norm[0], state.last[0] = 0.0, t
    event = judged(shape, state, sequences, scores, record, clock)
    if event & LEARN:
        for k in range(shape.outputs):
            history.e[t, k] = sequences.targets[row, k] - history.y[t, k]
            state.e_k[0, k] = slope(shape, history.y[t, k]) * history.e[t, k]
        state.waiting[0] += 1
    if learn and event & END and state.waiting[0]:
        pass_back(nets, t)
        update(nets)


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on: taps and earlier outputs, hidden activations, mu, norm of the change."""
    shape, history, state = nets.shape, nets.history, nets.state
    t, kept = state.last[0], shape.sources - 1
    for m in range(kept):
        row[at + m] = history.z[t, m]
    at += kept
    for i in range(shape.hidden):
        row[at + i] = history.a[t, i]
    at += shape.hidden
    for i in range(shape.inputs):
        row[at + i] = nets.net.mu[i]
    row[at + shape.inputs] = state.norm[0] ** 0.5 if learn else 0.0


@inlined
def reset(nets):
    """Nothing of the last sequence counts any more."""
    nets.state.waiting[0] = 0


advance = over_time(step, write, reset)
