"""Changes of the LSTM's weights from one-hot inputs: what all symbols have in common is deferred until it is needed.

Such a weight is read, and its partial p changes, only when its symbol comes. So the kernels keep w - p E of it, with
E = sum alpha e_s: a step's change of all weights is an addition to E, whatever the number of symbols.
"""

from __future__ import annotations

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.thread import on_thread
from lstmsim.kernels.vector import (
    UNITS,
    fma,
    gather,
    lane_bits,
    lane_sum,
    load,
    load_at,
    load_one,
    scatter,
    select,
    splat,
    store,
    store_at,
    store_where,
)


@inlined
def defer_updates(nets, mask):
    """(26), (28) for the weights from one-hot inputs, in the lanes where the mask holds: alpha e_s is added to E."""
    width, shape, weights, state = nets.width, nets.shape, nets.weights, nets.state
    for c in range(shape.cells):
        deferred = fma(load(width, weights.alpha, 0), load(width, state.e_s, c), load(width, state.deferred, c))
        store_where(mask, state.deferred, c, deferred)


@inlined
def deferring_lanes(nets):
    """Lanes with deferred updates, one bit each."""
    lanes = 0
    if nets.shape.symbols:
        for c in range(nets.shape.cells):
            lanes |= lane_bits(load(nets.width, nets.state.deferred, c) != 0.0)
    return lanes


@inlined
def pending_updates(nets):
    """Deferred updates p E of the weights from the lanes' symbols, to `pending`: the nets of this step need them."""
    width, shape, state = nets.width, nets.shape, nets.state
    size, cells, stride = shape.size, shape.cells, shape.symbol_stride
    at = load(width, state.first_partial, 0) + load(width, state.symbol, 0)
    for j in range(shape.blocks):
        total = splat(width, 0.0)
        for c in range(j * size, (j + 1) * size):
            deferred = load(width, state.deferred, c)
            to_cell, to_gate = gather(state.p_symbol, at + c * stride), gather(state.p_symbol, at + (cells + c) * stride)
            store(state.pending, shape.blocks + c, select(deferred != 0.0, to_cell * deferred, 0.0))
            total = select(deferred != 0.0, fma(to_gate, deferred, total), total)
        store(state.pending, j, total)


@inlined
def take_back(nets, u, c, term):
    """Keep w where a term is added to its partial while updates are deferred: w - p E loses the term times E."""
    width, shape, weights, state = nets.width, nets.shape, nets.weights, nets.state
    at = load(width, state.first_weight, 0) + load(width, state.symbol, 0) + u * shape.symbol_stride
    deferred, kept = load(width, state.deferred, c), gather(weights.u_symbol, at)
    scatter(weights.u_symbol, at, select(deferred != 0.0, fma(-term, deferred, kept), kept))


@inlined
def _over_cells(error, state, lane, lanes, first, size, at, stride):
    """Sum over a block's cells of an error, e_s or E, times ds_c/dw_in, for eight symbols of one lane, see (26)."""
    total = splat(UNITS, 0.0)
    for c in range(first, first + size):
        total = fma(load_one(UNITS, error, c * lanes + lane), load_at(UNITS, state.p_symbol, at + c * stride), total)
    return total


@inlined
def make_updates(nets, lane):
    """Make the deferred updates of one lane, the symbols along the vector.

    Weights of symbols without partials, that have not come since these were last cleared, are neither read nor written.
    """
    shape, weights, state = nets.shape, nets.weights, nets.state
    blocks, size, cells, stride, lanes = shape.blocks, shape.size, shape.cells, shape.symbol_stride, weights.alpha.size
    weight, to_cell = lane * shape.units * stride, lane * 2 * cells * stride
    to_gate = to_cell + cells * stride
    for i in range(0, stride, 8):
        for j in range(blocks):
            change = _over_cells(state.deferred, state, lane, lanes, j * size, size, to_gate + i, stride)
            if lane_bits(change != 0.0):
                at = weight + j * stride + i
                store_at(weights.u_symbol, at, load_at(UNITS, weights.u_symbol, at) + change)
        for c in range(cells):
            partial = load_at(UNITS, state.p_symbol, to_cell + c * stride + i)
            if lane_bits(partial != 0.0):
                deferred, at = load_one(UNITS, state.deferred, c * lanes + lane), weight + (blocks + c) * stride + i
                store_at(weights.u_symbol, at, fma(deferred, partial, load_at(UNITS, weights.u_symbol, at)))
    for c in range(cells):
        state.deferred[c, lane] = 0.0
    for u in range(blocks + cells):
        state.pending[u, lane] = 0.0


@inlined
def clear_partials(nets, lane):
    """Partials of one lane's weights from symbols to zero, in the order of its memory."""
    shape, state = nets.shape, nets.state
    if on_thread(state):
        for i in range(shape.symbol_stride):
            for row in range(2 * shape.cells):
                state.p_symbol[lane, row, i] = 0.0
    elif shape.symbols:
        for row in range(2 * shape.cells):
            for i in range(shape.symbol_stride):
                state.p_symbol[lane, row, i] = 0.0


@inlined
def update_symbols(nets, lane, measure):
    """(22) for the weights from one lane's symbol to output gates and hidden units; the squared norm of all changes."""
    shape, weights, state = nets.shape, nets.weights, nets.state
    blocks, size, cells, stride = shape.blocks, shape.size, shape.cells, shape.symbol_stride
    lanes, alpha = weights.alpha.size, weights.alpha[lane]
    first_gate = blocks + cells
    first_hidden, total = first_gate + shape.output_gates, 0.0
    if measure:
        to_cell, squares = lane * 2 * cells * stride, splat(UNITS, 0.0)
        to_gate = to_cell + cells * stride
        for i in range(0, stride, 8):
            for j in range(blocks):
                change = alpha * _over_cells(state.e_s, state, lane, lanes, j * size, size, to_gate + i, stride)
                squares = fma(change, change, squares)
            for c in range(cells):
                change = alpha * state.e_s[c, lane] * load_at(UNITS, state.p_symbol, to_cell + c * stride + i)
                squares = fma(change, change, squares)
        total = lane_sum(squares)
    symbol = state.symbol[lane]
    for j in range(shape.output_gates):
        change = alpha * state.e_out[j, lane]
        weights.u_symbol[lane, first_gate + j, symbol] += change
        total += change * change
    for i in range(shape.hidden):
        change = alpha * state.e_hidden[i, lane]
        weights.u_symbol[lane, first_hidden + i, symbol] += change
        total += change * change
    if measure:
        state.norm[lane] += total


@inlined
def set_inputs(nets, sequences, clock, now):
    """Inputs of one step, one-hot ones spelt out where the net has them as dense ones, to rows `now` of `z`."""
    width, shape, state = nets.width, nets.shape, nets.state
    if shape.symbols:
        symbol = load(width, sequences.symbol, clock)
        for i in range(shape.inputs):
            store(state.z, now + i, select(symbol != i, splat(width, 0.0), splat(width, 1.0)))
        return
    for i in range(shape.inputs):
        store(state.z, now + i, load(width, sequences.inputs, clock * shape.inputs + i))
