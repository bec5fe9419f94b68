"""The neural sequence chunker of two nets, stepped and trained at every step by exact real-time recurrent learning.

Schmidhuber, "Learning complex, extended sequences using the principle of history compression", Neural Computation 4(2),
1992. Both nets have hidden units that see the inputs and themselves only, and outputs that see the inputs and all hidden
units; so the partials of a hidden unit are as many as its weights. Inputs are one-hot, outputs lie along the vector.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.logistic import logistic
from lstmsim.kernels.recording import HEAD, wanted
from lstmsim.kernels.scores import RUNNING, close_sequence, judge_step
from lstmsim.kernels.sequences import END, JUDGE, LEARN
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, splat, store_at

Array = Any


class Shape(NamedTuple):
    """Sizes and constants of both nets."""

    inputs: int
    outputs: int  # of C, and of A without its predictions of C's state
    imitated: int  # A's predictions of C's state: its hidden units, then its outputs where they count
    failure: float  # an input is unexpected when an output was off by this much
    alpha: float


class Net(NamedTuple):
    """One net: weights, activations, partials. Strides are multiples of 8."""

    w_in: Array  # (hidden, input stride)
    w_self: Array  # (hidden,)
    w_symbol: Array  # (input, output stride): inputs to outputs
    w_output: Array  # (hidden, output stride): hidden units to outputs
    h: Array  # (hidden,) activations
    p_in: Array  # (hidden, input stride) dh/dw_in
    p_self: Array  # (hidden,) dh/dw_self
    back: Array  # (hidden,) sum_k w_kh e_k
    y_k: Array  # (1, output stride)
    e_k: Array  # (1, output stride)
    d_k: Array  # (1, output stride) target
    mask: Array  # (output stride,) 1 where an output exists
    shortcuts: bool  # the outputs see the inputs
    symbol: Array  # (1,) int: input read last


@inlined
def read(net, symbol, tracking):  # type: ignore[no-untyped-def]
    """One step of a net: h = f(w_in x + w_self h(t-1)), y_k = f(w_kx x + sum w_kh h), and the partials of h.

    dh/dw_in = f'(x + w_self dh/dw_in(t-1)) and dh/dw_self = f'(h(t-1) + w_self dh/dw_self(t-1)).
    """
    stride, wide = net.w_in.shape[1], net.w_symbol.shape[1]
    net.symbol[0] = symbol
    for u in range(net.h.size):
        before, own = net.h[u], net.w_self[u]
        h = 1.0 / (1.0 + math.exp(-(net.w_in[u, symbol] + own * before)))
        slope = h * (1.0 - h)
        net.h[u] = h
        if tracking:
            for i in range(0, stride, 8):
                store_at(net.p_in, u * stride + i, slope * own * load_at(UNITS, net.p_in, u * stride + i))
            net.p_in[u, symbol] += slope
            net.p_self[u] = slope * (before + own * net.p_self[u])
    for k in range(0, wide, 8):
        total = splat(UNITS, 0.0)
        if net.shortcuts:
            total = load_at(UNITS, net.w_symbol, symbol * wide + k)
        for u in range(net.h.size):
            total = fma(load_at(UNITS, net.w_output, u * wide + k), net.h[u], total)
        store_at(net.y_k, k, logistic(total))


@inlined
def errors(net):  # type: ignore[no-untyped-def]
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
def update(net, alpha, measure):  # type: ignore[no-untyped-def]
    """Change all weights by alpha times the error's negative slope; the squared norm of the change if measured."""
    stride, wide = net.w_in.shape[1], net.w_symbol.shape[1]
    first = net.symbol[0] * wide
    squares = splat(UNITS, 0.0)
    for k in range(0, wide, 8):
        change = alpha * load_at(UNITS, net.e_k, k)
        if net.shortcuts:
            store_at(net.w_symbol, first + k, load_at(UNITS, net.w_symbol, first + k) + change)
            if measure:
                squares = fma(change, change, squares)
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
def forget(net):  # type: ignore[no-untyped-def]
    """Activations and partials of a net to zero."""
    for u in range(net.h.size):
        net.h[u] = net.p_self[u] = 0.0
        for i in range(net.p_in.shape[1]):
            net.p_in[u, i] = 0.0


@inlined
def _aim(shape, a, c, targets, row):  # type: ignore[no-untyped-def]
    """Targets of both nets: the next input, for A also C's present hidden state; whether A failed on the input."""
    failed = False
    for k in range(shape.outputs):
        d = targets[row, k]
        a.d_k[0, k] = c.d_k[0, k] = d
        failed |= not abs(d - a.y_k[0, k]) < shape.failure
    for u in range(c.h.size):
        a.d_k[0, shape.outputs + u] = c.h[u]
    for k in range(shape.imitated - c.h.size):
        a.d_k[0, shape.outputs + c.h.size + k] = c.y_k[0, k]
    return failed


@kernel
def advance(shape, a, c, pending, sequences, scores, record, clock, until, learning, tracking):  # type: ignore[no-untyped-def]
    """Step A and C from `clock` until `until`, or until the trial needs attention; returns the clock reached.

    At every step C reads the input if it was unexpected (`pending`; the first of a sequence is), else it stands still. A
    reads the input and learns to predict the next one and C's hidden state. If A failed on the next input, C learns that
    its latest output, made at its latest reading, should have been that input. The failure is judged before A learns.
    """
    to_tick = record.tick[0] - clock
    while clock < until:
        symbol, event = sequences.symbol[clock, 0], sequences.event[clock, 0]
        surprised = pending[0]
        if surprised:
            read(c, symbol, tracking)
        read(a, symbol, tracking)
        if event & JUDGE:
            judge_step(shape, scores, a, sequences.targets, 0, sequences.judge[clock, 0])
        pending[0] = False
        squares = 0.0
        if event & LEARN:
            pending[0] = _aim(shape, a, c, sequences.targets, sequences.learn[clock, 0])
            errors(a)
            if pending[0]:
                errors(c)
            if learning:
                squares += update(a, shape.alpha, record.on[0])
                if pending[0]:
                    squares += update(c, shape.alpha, record.on[0])
        tick = to_tick + clock
        clock += 1
        if record.on[0]:
            _write(shape, a, c, record, scores.index[0], tick, event, surprised, squares)
        if event & END:
            scores.steps[0] += tick + 1 - record.begun[0]
            close_sequence(scores, 0)
            forget(a)
            forget(c)
            pending[0] = True
            record.begun[0] = tick + 1
            record.on[0] = wanted(record, 0, scores.index[0])
            full = record.used[0] + record.room > record.rows.shape[1]
            full |= scores.progress_rows[0] == scores.progress.shape[1]
            if full or scores.flag[0] != RUNNING:
                break
    record.tick[0] = to_tick + clock
    return clock


@inlined
def _write(shape, a, c, record, index, tick, event, surprised, squares):  # type: ignore[no-untyped-def]
    """Append the step to the record."""
    row = record.rows[0, record.used[0]]
    record.used[0] += 1
    row[0], row[1] = index, tick - record.begun[0]
    row[HEAD] = a.symbol[0]
    at, n = HEAD + 1, shape.outputs
    learns = (event & LEARN) != 0
    for k in range(n):
        row[at + k] = a.d_k[0, k] if learns else math.nan
        row[at + n + k] = a.y_k[0, k]
        row[at + 2 * n + k] = a.e_k[0, k] if learns else 0.0
        row[at + 3 * n + k] = c.y_k[0, k]
    at += 4 * n
    row[at] = 1.0 if surprised else 0.0
    at += 1
    for u in range(a.h.size):
        row[at + u] = a.h[u]
    at += a.h.size
    for u in range(c.h.size):
        row[at + u] = c.h[u]
    at += c.h.size
    for u in range(shape.imitated):
        row[at + u] = a.y_k[0, n + u]
    row[at + shape.imitated] = math.sqrt(squares)
