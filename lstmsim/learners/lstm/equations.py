"""The 1997 learning rule, one trial per lane: equations (7)-(9), (19)-(28) of Hochreiter and Schmidhuber (1997).

Layout: arrays of shape (rows, lanes) hold one vector per row. Units stand in the order input gates, cells, output gates,
hidden units; sources in the order inputs, bias, input gates, output gates, hidden units, cells (the cells last: they are
the last to be known). Weights from one-hot inputs stand per lane, with the symbols innermost, so that a step touches one
column and an update runs along the symbols; the output layer stands per lane with the outputs innermost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic, logistic2, logistic4, logistic_slope
from lstmsim.kernels.vector import (
    fma,
    gather,
    load,
    scatter,
    splat,
    store,
    store_where,
)
from lstmsim.learners.lstm.one_hot import take_back

Array = Any

WAIT = 4  # steps whose terms of the partials may wait


class Shape(NamedTuple):
    """Sizes of a net; `sources` counts dense inputs, the bias and, in topology F, the recurrent units."""

    inputs: int
    symbols: int
    symbol_stride: int
    blocks: int
    size: int
    cells: int
    output_gates: int
    hidden: int
    units: int
    gate_rows: int
    rows: int
    sources: int
    cell_bias: bool
    outputs: int
    output_stride: int
    output_inputs: int
    output_symbols: bool
    output_bias: bool
    output_sources: int


class Rule(NamedTuple):
    """Squashing functions and the readings of the rule that can be switched."""

    g_scale: float
    g_shift: float
    h_scale: float
    h_shift: float
    h_identity: bool
    logistic_output: bool
    error_derivative: bool
    update_at_end: bool
    keep_states: bool
    keep_partials: bool
    learning_rate: float
    learning_rate_decay: float


class Net(NamedTuple):
    """Weights, and where their changes go: the same arrays when learning per step, others when updating at sequence ends."""

    w: Array  # (source * unit, lane)
    w_symbol: Array  # (lane, unit, symbol)
    w_output: Array  # (lane, output source, output)
    w_output_symbol: Array  # (lane, symbol, output)
    u: Array
    u_symbol: Array
    u_output: Array
    u_output_symbol: Array
    alpha: Array  # (lane,) learning rate
    present: Array  # (block, lane) 1.0, or 0.0 while a block has not joined the net
    error_factor: Array  # (output,) factor of e_k, 0.0 for padding


class State(NamedTuple):
    """What a net carries from step to step, and what the last step left behind."""

    ring: Array  # (1,) int: first row of z of the next step
    z: Array  # ((WAIT + 1) * row, lane): sources of the latest steps and the next one
    s: Array  # (cell, lane)
    h: Array  # (cell, lane)
    net: Array  # (unit, lane)
    y: Array  # (unit, lane)
    factor: Array  # (2 * WAIT * cell, lane): factors of z_m in (27), then in (25), of each step whose terms wait
    p_cell: Array  # (cell * source, lane): ds_c/dw_cm
    p_gate: Array  # (cell * source, lane): ds_c/dw_in,m
    p_symbol: Array  # (lane, 2 * cell, symbol): both, for one-hot inputs
    owed: Array  # (cell, lane): E = sum alpha e_s since the weights from one-hot inputs were last made whole, see `owe`
    due: Array  # (unit, lane): what is owed to the weights from the lanes' symbols
    source: Array  # (lane, output source): activations that the outputs see
    y_k: Array  # (lane, output)
    e_k: Array  # (lane, output)
    back: Array  # (cell + hidden, lane): sum_k w_k. e_k
    e_s: Array  # (cell, lane)
    e_out: Array  # (block, lane)
    e_hidden: Array  # (hidden, lane)
    norm: Array  # (lane,) squared norm of the last weight change
    symbol: Array  # (lane,) int
    first_weight: Array  # (lane,) int: where a lane's rows of w_symbol begin
    first_partial: Array  # (lane,) int: where a lane's rows of p_symbol begin


@inlined
def _from_symbols(width, shape, net, state, u):  # type: ignore[no-untyped-def]
    """Weights from the lanes' symbols to unit u; 0 where inputs are not one-hot."""
    if shape.symbols:
        at = load(width, state.first_weight, 0) + load(width, state.symbol, 0) + u * shape.symbol_stride
        return gather(net.w_symbol, at) + load(width, state.due, u)
    return splat(width, 0.0)


@inlined
def _units(width, shape, net, state, now, first, last):  # type: ignore[no-untyped-def]
    """(7), (8) y_u = f(net_u), net_u = sum_m w_um z_m, units first to last - 1; a load of z_m and a division serve four."""
    w, z, y, units = net.w, state.z, state.y, shape.units
    u = first
    while u + 4 <= last:
        a, b = _from_symbols(width, shape, net, state, u), _from_symbols(width, shape, net, state, u + 1)
        c, d = _from_symbols(width, shape, net, state, u + 2), _from_symbols(width, shape, net, state, u + 3)
        for m in range(shape.sources):
            z_m, row = load(width, z, now + m), m * units + u
            a = fma(load(width, w, row), z_m, a)
            b = fma(load(width, w, row + 1), z_m, b)
            c = fma(load(width, w, row + 2), z_m, c)
            d = fma(load(width, w, row + 3), z_m, d)
        store(state.net, u, a)
        store(state.net, u + 1, b)
        store(state.net, u + 2, c)
        store(state.net, u + 3, d)
        a, b, c, d = logistic4(a, b, c, d)
        store(y, u, a)
        store(y, u + 1, b)
        store(y, u + 2, c)
        store(y, u + 3, d)
        u += 4
    if u + 2 <= last:
        a, b = _from_symbols(width, shape, net, state, u), _from_symbols(width, shape, net, state, u + 1)
        for m in range(shape.sources):
            z_m, row = load(width, z, now + m), m * units + u
            a = fma(load(width, w, row), z_m, a)
            b = fma(load(width, w, row + 1), z_m, b)
        store(state.net, u, a)
        store(state.net, u + 1, b)
        a, b = logistic2(a, b)
        store(y, u, a)
        store(y, u + 1, b)
        u += 2
    if u < last:
        a = _from_symbols(width, shape, net, state, u)
        for m in range(shape.sources):
            a = fma(load(width, w, m * units + u), load(width, z, now + m), a)
        store(state.net, u, a)
        store(y, u, logistic(a))


@inlined
def forward(width, shape, rule, net, state, now, then):  # type: ignore[no-untyped-def]
    """(7)-(9): one step from the sources in rows `now`; the activations become rows `then`, the next step's sources.

    Input gates and cells come first: the cell states wait for them, while output gates are needed only after h(s).
    """
    blocks, size, cells = shape.blocks, shape.size, shape.cells
    _units(width, shape, net, state, now, 0, blocks + cells)
    for j in range(blocks):
        y_in = load(width, state.y, j)
        for c in range(j * size, (j + 1) * size):
            g = fma(load(width, state.y, blocks + c), rule.g_scale, 0.0 - rule.g_shift)
            store(state.s, c, fma(y_in, g, load(width, state.s, c)))
    _units(width, shape, net, state, now, blocks + cells, shape.units)
    _squash_states(width, shape, rule, state)
    row_gates = then + shape.inputs + 1
    row_hidden = row_gates + shape.gate_rows
    row_cells = row_hidden + shape.hidden
    for j in range(blocks):
        present = load(width, net.present, j)
        y_out = present
        if shape.output_gates:
            y_out = present * load(width, state.y, blocks + cells + j)
        if shape.gate_rows:
            store(state.z, row_gates + j, present * load(width, state.y, j))
        if shape.gate_rows > blocks:
            store(state.z, row_gates + blocks + j, y_out)
        for c in range(j * size, (j + 1) * size):
            store(state.z, row_cells + c, y_out * load(width, state.h, c))
    for i in range(shape.hidden):
        store(state.z, row_hidden + i, load(width, state.y, blocks + cells + shape.output_gates + i))


@inlined
def _squash_states(width, shape, rule, state):  # type: ignore[no-untyped-def]
    """(4) h(s_c), or the identity."""
    cells, scale, shift = shape.cells, rule.h_scale, 0.0 - rule.h_shift
    if rule.h_identity:
        for c in range(cells):
            store(state.h, c, load(width, state.s, c))
        return
    c = 0
    while c + 4 <= cells:
        p, q = load(width, state.s, c), load(width, state.s, c + 1)
        v, w = load(width, state.s, c + 2), load(width, state.s, c + 3)
        p, q, v, w = logistic4(p, q, v, w)
        store(state.h, c, fma(p, scale, shift))
        store(state.h, c + 1, fma(q, scale, shift))
        store(state.h, c + 2, fma(v, scale, shift))
        store(state.h, c + 3, fma(w, scale, shift))
        c += 4
    while c + 2 <= cells:
        p, q = logistic2(load(width, state.s, c), load(width, state.s, c + 1))
        store(state.h, c, fma(p, scale, shift))
        store(state.h, c + 1, fma(q, scale, shift))
        c += 2
    if c < cells:
        store(state.h, c, fma(logistic(load(width, state.s, c)), scale, shift))


@inlined
def terms(width, shape, rule, net, state, waiting, owing):  # type: ignore[no-untyped-def]
    """Factors of z_m in (27), g'(net_c) y_in, and in (25), g(net_c) f'(net_in).

    They wait, beside those of `waiting` earlier steps, so that one pass over the partials adds several. One-hot inputs are 1
    or 0: their terms are added at once.
    """
    size, cells, stride, first_cell = shape.size, shape.cells, shape.symbol_stride, shape.blocks
    row = 2 * waiting * cells
    for j in range(shape.blocks):
        y_in = load(width, state.y, j)
        slope_in, scale_in = logistic_slope(y_in), rule.g_scale * y_in
        for c in range(j * size, (j + 1) * size):
            f = load(width, state.y, first_cell + c)
            to_cell = logistic_slope(f) * scale_in
            to_gate = fma(f, rule.g_scale, 0.0 - rule.g_shift) * slope_in
            store(state.factor, row + c, to_cell)
            store(state.factor, row + cells + c, to_gate)
            if shape.symbols:
                at = load(width, state.first_partial, 0) + load(width, state.symbol, 0) + c * stride
                scatter(state.p_symbol, at, gather(state.p_symbol, at) + to_cell)
                at = at + cells * stride
                scatter(state.p_symbol, at, gather(state.p_symbol, at) + to_gate)
                if owing:
                    take_back(width, shape, net, state, first_cell + c, c, to_cell)
                    take_back(width, shape, net, state, j, c, to_gate)


@inlined
def partials(width, shape, state, now, waiting):  # type: ignore[no-untyped-def]
    """(27) ds_c/dw_cm += g'(net_c) y_in z_m and (25) ds_c/dw_in,m += g(net_c) f'(net_in) z_m, for the steps that wait.

    The sources of the last of these steps are in rows `now`. Terms are added in the order of the steps.
    """
    cells, sources, factor, z = shape.cells, shape.sources, state.factor, state.z
    if waiting == WAIT:
        at_c = earlier(shape, now)
        at_b = earlier(shape, at_c)
        at_a = earlier(shape, at_b)
        for c in range(cells):
            cell_a, gate_a = load(width, factor, c), load(width, factor, cells + c)
            cell_b, gate_b = load(width, factor, 2 * cells + c), load(width, factor, 3 * cells + c)
            cell_c, gate_c = load(width, factor, 4 * cells + c), load(width, factor, 5 * cells + c)
            cell_d, gate_d = load(width, factor, 6 * cells + c), load(width, factor, 7 * cells + c)
            for m in range(sources):
                row, z_a, z_b = c * sources + m, load(width, z, at_a + m), load(width, z, at_b + m)
                z_c, z_d = load(width, z, at_c + m), load(width, z, now + m)
                p_cell = fma(cell_b, z_b, fma(cell_a, z_a, load(width, state.p_cell, row)))
                p_gate = fma(gate_b, z_b, fma(gate_a, z_a, load(width, state.p_gate, row)))
                store(state.p_cell, row, fma(cell_d, z_d, fma(cell_c, z_c, p_cell)))
                store(state.p_gate, row, fma(gate_d, z_d, fma(gate_c, z_c, p_gate)))
        return
    at = now
    for _ in range(1, waiting):
        at = earlier(shape, at)
    for n in range(waiting):
        for c in range(cells):
            to_cell, to_gate = load(width, factor, 2 * n * cells + c), load(width, factor, (2 * n + 1) * cells + c)
            for m in range(sources):
                row, z_m = c * sources + m, load(width, z, at + m)
                store(state.p_cell, row, fma(to_cell, z_m, load(width, state.p_cell, row)))
                store(state.p_gate, row, fma(to_gate, z_m, load(width, state.p_gate, row)))
        at = later(shape, at)


@inlined
def later(shape, now):  # type: ignore[no-untyped-def]
    """Rows of the step after the one in rows `now`."""
    return now + shape.rows if now < WAIT * shape.rows else 0


@inlined
def earlier(shape, now):  # type: ignore[no-untyped-def]
    """Rows of the step before the one in rows `now`."""
    return now - shape.rows if now > 0 else WAIT * shape.rows


@inlined
def hidden_errors(width, shape, rule, net, state):  # type: ignore[no-untyped-def]
    """(21) e_out = f'(net_out) sum_v h(s_v) back_v, (23) e_s = y_out h'(s) back, (20) e_i = f'(net_i) back_i."""
    blocks, size, cells = shape.blocks, shape.size, shape.cells
    first_hidden = blocks + shape.output_gates + cells
    for j in range(blocks):
        y_out = load(width, net.present, j)
        slope_out = splat(width, 0.0)
        if shape.output_gates:
            y = load(width, state.y, blocks + cells + j)
            slope_out = y_out * logistic_slope(y)
            y_out = y_out * y
        total = splat(width, 0.0)
        for c in range(j * size, (j + 1) * size):
            h, back = load(width, state.h, c), load(width, state.back, c)
            total = fma(h, back, total)
            if rule.h_identity:
                store(state.e_s, c, y_out * back)
            else:
                # h = a f - b, so h' = a f (1 - f) = (h + b)(a - b - h) / a
                slope = (h + rule.h_shift) * ((rule.h_scale - rule.h_shift) - h) * (1.0 / rule.h_scale)
                store(state.e_s, c, y_out * slope * back)
        store(state.e_out, j, slope_out * total)
    for i in range(shape.hidden):
        y = load(width, state.y, first_hidden + i)
        store(state.e_hidden, i, logistic_slope(y) * load(width, state.back, cells + i))


@inlined
def update_hidden(width, shape, net, state, mask, now, measure):  # type: ignore[no-untyped-def]
    """(22), (26), (28) for gates, cells and hidden units, in the lanes where the mask holds."""
    blocks, size, cells, sources, units = shape.blocks, shape.size, shape.cells, shape.sources, shape.units
    first_cell, first_gate = blocks, blocks + cells
    first_hidden = first_gate + shape.output_gates
    alpha = load(width, net.alpha, 0)
    squares = load(width, state.norm, 0)
    for m in range(sources):
        z_m = load(width, state.z, now + m)
        for j in range(blocks):
            total = splat(width, 0.0)
            for c in range(j * size, (j + 1) * size):
                total = fma(load(width, state.e_s, c), load(width, state.p_gate, c * sources + m), total)
            squares = _change(width, net.u, m * units + j, mask, alpha, total, squares, measure)
        for j in range(shape.output_gates):
            row, e_out = m * units + first_gate + j, alpha * load(width, state.e_out, j)
            squares = _change(width, net.u, row, mask, e_out, z_m, squares, measure)
        if m == shape.inputs and not shape.cell_bias:
            continue
        for c in range(cells):
            row, e_s = m * units + first_cell + c, alpha * load(width, state.e_s, c)
            squares = _change(width, net.u, row, mask, e_s, load(width, state.p_cell, c * sources + m), squares, measure)
        for i in range(shape.hidden):
            row, e_i = m * units + first_hidden + i, alpha * load(width, state.e_hidden, i)
            squares = _change(width, net.u, row, mask, e_i, z_m, squares, measure)
    if measure:
        store_where(mask, state.norm, 0, squares)


@inlined
def _change(width, weights, row, mask, x, y, squares, measure):  # type: ignore[no-untyped-def]
    """Add x y to one row of weights where the mask holds; the sums of the squared changes, if asked for."""
    store_where(mask, weights, row, fma(x, y, load(width, weights, row)))
    if measure:
        squares = fma(x * y, x * y, squares)
    return squares


@inlined
def reset_lane(shape, state, lane, states, partials):  # type: ignore[no-untyped-def]
    """Before a sequence: activations and cell states of one lane to zero, and its partials, each if asked for."""
    if states:
        for first in range(0, (WAIT + 1) * shape.rows, shape.rows):
            for row in range(first, first + shape.rows):
                if row != first + shape.inputs:
                    state.z[row, lane] = 0.0
        for c in range(shape.cells):
            state.s[c, lane] = 0.0
            state.h[c, lane] = 0.0
    if not partials:
        return
    for row in range(shape.cells * shape.sources):
        state.p_cell[row, lane] = 0.0
        state.p_gate[row, lane] = 0.0
    if shape.symbols:
        for row in range(2 * shape.cells):
            for i in range(shape.symbol_stride):
                state.p_symbol[lane, row, i] = 0.0
