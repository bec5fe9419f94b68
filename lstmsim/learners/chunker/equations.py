"""The neural sequence chunker of two nets, stepped and trained at every step by exact real-time recurrent learning.

Schmidhuber, "Learning complex, extended sequences using the principle of history compression", Neural Computation 4(2),
1992. Both nets have hidden units that see the inputs and themselves only, and outputs that see the inputs and all hidden
units; so the partials of a hidden unit are as many as its weights. Inputs are one-hot, outputs lie along the vector.
"""

from __future__ import annotations

import math

from lstmsim.kernels.arrays import Flags, Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic
from lstmsim.kernels.sequences import LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.over_time import judged, over_time


class Shape(Struct):
    """Sizes and constants of both nets."""

    inputs: int
    symbols: bool  # always
    outputs: int  # of C, and of A without its predictions of C's state
    imitated: int  # A's predictions of C's state: its hidden units, then its outputs where they count
    failure: float  # an input is unexpected when an output was off by this much
    alpha: float


class Net(Struct):
    """One net: weights, activations, partials. Strides are multiples of 8."""

    w_in: Floats  # (hidden, input stride); the last input is the time stamp, if there is one
    w_self: Floats  # (hidden,)
    w_symbol: Floats  # (input, output stride): inputs to outputs
    w_output: Floats  # (hidden, output stride): hidden units to outputs
    h: Floats  # (hidden,) activations
    p_in: Floats  # (hidden, input stride) dh/dw_in
    p_self: Floats  # (hidden,) dh/dw_self
    back: Floats  # (hidden,) sum_k w_kh e_k
    y_k: Floats  # (1, output stride)
    e_k: Floats  # (1, output stride)
    d_k: Floats  # (1, output stride) target
    mask: Floats  # (output stride,) 1 where an output exists
    shortcuts: bool  # the outputs see the inputs
    stamped: bool  # the net sees a time stamp beside the symbol
    stamp: Floats  # (1,): the time stamp
    symbol: Ints  # (1,) int: input read last


class State(Struct):
    """What the present step is judged and recorded by."""

    y_k: Floats  # (1, output stride): those of A
    e_k: Floats  # (1, output stride)
    pending: Flags  # (2,) bool: the next input counts as unexpected; the present one did
    norm: Floats  # (1,): squared norm of the last change


class Nets(Struct):
    """Automatizer and chunker, for the kernels."""

    shape: Shape
    a: Net
    c: Net
    state: State


@inlined
def read(net, symbol, tracking):
    """One step of a net: h = f(w_in x + w_self h(t-1)), y_k = f(w_kx x + sum w_kh h), and the partials of h.

    dh/dw_in = f'(x + w_self dh/dw_in(t-1)) and dh/dw_self = f'(h(t-1) + w_self dh/dw_self(t-1)).
    """
    stride, wide, last = net.w_in.shape[1], net.w_symbol.shape[1], net.w_symbol.shape[0] - 1
    net.symbol[0] = symbol
    for u in range(net.h.size):
        before, own = net.h[u], net.w_self[u]
        total = net.w_in[u, symbol] + own * before
        if net.stamped:
            total += net.w_in[u, last] * net.stamp[0]
        h = 1.0 / (1.0 + math.exp(-total))
        slope = h * (1.0 - h)
        net.h[u] = h
        if tracking:
            for i in range(0, stride, 8):
                store_at(net.p_in, u * stride + i, slope * own * load_at(UNITS, net.p_in, u * stride + i))
            net.p_in[u, symbol] += slope
            if net.stamped:
                net.p_in[u, last] += slope * net.stamp[0]
            net.p_self[u] = slope * (before + own * net.p_self[u])
    for k in range(0, wide, 8):
        net_k = splat(UNITS, 0.0)
        if net.shortcuts:
            net_k = load_at(UNITS, net.w_symbol, symbol * wide + k)
            if net.stamped:
                net_k = fma(load_at(UNITS, net.w_symbol, last * wide + k), net.stamp[0], net_k)
        for u in range(net.h.size):
            net_k = fma(load_at(UNITS, net.w_output, u * wide + k), net.h[u], net_k)
        store_at(net.y_k, k, logistic(net_k))


@inlined
def errors(net):
    """(19) e_k = f'(net_k)(d_k - y_k), and what reaches the hidden units: sum_k w_kh e_k."""
    wide = net.w_symbol.shape[1]
    for k in range(0, wide, 8):
        y = load_at(UNITS, net.y_k, k)
        store_at(net.e_k, k, y * (1.0 - y) * (load_at(UNITS, net.d_k, k) - y) * load_at(UNITS, net.mask, k))
    for u in range(net.h.size):
        total = splat(UNITS, 0.0)
        for k in range(0, wide, 8):
            total = fma(load_at(UNITS, net.w_output, u * wide + k), load_at(UNITS, net.e_k, k), total)
        net.back[u] = lane_sum(total)


@inlined
def update(net, alpha, measure):
    """Change all weights by alpha times the error's negative slope; the squared norm of the change if measured."""
    stride, wide = net.w_in.shape[1], net.w_symbol.shape[1]
    first, last = net.symbol[0] * wide, (net.w_symbol.shape[0] - 1) * wide
    squares = splat(UNITS, 0.0)
    for k in range(0, wide, 8):
        change = alpha * load_at(UNITS, net.e_k, k)
        if net.shortcuts:
            store_at(net.w_symbol, first + k, load_at(UNITS, net.w_symbol, first + k) + change)
            if measure:
                squares = fma(change, change, squares)
            if net.stamped:
                part = change * net.stamp[0]
                store_at(net.w_symbol, last + k, load_at(UNITS, net.w_symbol, last + k) + part)
                if measure:
                    squares = fma(part, part, squares)
        for u in range(net.h.size):
            part = change * net.h[u]
            store_at(net.w_output, u * wide + k, load_at(UNITS, net.w_output, u * wide + k) + part)
            if measure:
                squares = fma(part, part, squares)
    total = 0.0
    for u in range(net.h.size):
        rate = alpha * net.back[u]
        for i in range(0, stride, 8):
            part = rate * load_at(UNITS, net.p_in, u * stride + i)
            store_at(net.w_in, u * stride + i, load_at(UNITS, net.w_in, u * stride + i) + part)
            if measure:
                squares = fma(part, part, squares)
        net.w_self[u] += rate * net.p_self[u]
        total += (rate * net.p_self[u]) ** 2
    return total + lane_sum(squares) if measure else 0.0


@inlined
def aim(net, shape, targets, row):
    """Target of a net: the next input; whether one of its outputs was off by `failure`."""
    failed = False
    for k in range(shape.outputs):
        d = targets[row, k]
        net.d_k[0, k] = d
        failed |= not abs(d - net.y_k[0, k]) < shape.failure
    return failed


@inlined
def aim_both(nets, targets, row):
    """Targets of both nets: the next input, for A also C's present state; whether A failed on the input."""
    shape, a, c = nets.shape, nets.a, nets.c
    failed = aim(a, shape, targets, row)
    for k in range(shape.outputs):
        c.d_k[0, k] = targets[row, k]
    for u in range(c.h.size):
        a.d_k[0, shape.outputs + u] = c.h[u]
    for k in range(shape.imitated - c.h.size):
        a.d_k[0, shape.outputs + c.h.size + k] = c.y_k[0, k]
    return failed


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step of A, and of C where the input was unexpected; see `lstmsim.learners.over_time`.

    C reads the input if it was unexpected (`pending`; the first of a sequence is), else it stands still. A reads the input
    and learns to predict the next one and C's hidden state. If A failed on the next input, C learns that its latest output,
    made at its latest reading, should have been that input. The failure is judged before A learns.
    """
    shape, a, c, state = nets.shape, nets.a, nets.c, nets.state
    symbol, pending = sequences.symbol[clock, 0], state.pending
    pending[1] = pending[0]
    if pending[1]:
        read(c, symbol, track)
    read(a, symbol, track)
    event = judged(shape, state, sequences, scores, record, clock)
    pending[0] = False
    state.norm[0] = 0.0
    if event & LEARN:
        pending[0] = aim_both(nets, sequences.targets, sequences.learn[clock, 0])
        errors(a)
        if pending[0]:
            errors(c)
        if learn:
            state.norm[0] += update(a, shape.alpha, record.on[0])
            if pending[0]:
                state.norm[0] += update(c, shape.alpha, record.on[0])


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on: C's outputs, whether it has read, hidden units, what A predicts of C."""
    shape, a, c = nets.shape, nets.a, nets.c
    for k in range(shape.outputs):
        row[at + k] = c.y_k[0, k]
    at += shape.outputs
    row[at] = 1.0 if nets.state.pending[1] else 0.0
    at += 1
    for net in (a, c):
        for u in range(net.h.size):
            row[at + u] = net.h[u]
        at += net.h.size
    for u in range(shape.imitated):
        row[at + u] = a.y_k[0, shape.outputs + u]
    row[at + shape.imitated] = math.sqrt(nets.state.norm[0])


@inlined
def reset(nets):
    """Activations and partials to zero; the next input counts as unexpected."""
    for net in (nets.a, nets.c):
        net.h[:] = net.p_self[:] = 0.0
        net.p_in[:] = 0.0
    nets.state.pending[:] = True


advance = over_time(step, write, reset)
