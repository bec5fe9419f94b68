"""Changes of the LSTM's weights from one-hot inputs: what all symbols have in common is owed until it is needed."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined
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
def owe(width, shape, net, state, mask):  # type: ignore[no-untyped-def]
    """(26), (28) for the weights from one-hot inputs, in the lanes where the mask holds: alpha e_s is noted.

    Such a weight is read, and its partial p changes, only when its symbol comes. So the kernels keep w - p E of it, with
    E = sum alpha e_s: a step's change of all weights is an addition to E, whatever the number of symbols.
    """
    for c in range(shape.cells):
        owed = fma(load(width, net.alpha, 0), load(width, state.e_s, c), load(width, state.owed, c))
        store_where(mask, state.owed, c, owed)


@inlined
def owes(width, shape, state):  # type: ignore[no-untyped-def]
    """Return the lanes that owe changes, as bits."""
    lanes = 0
    if shape.symbols:
        for c in range(shape.cells):
            lanes |= lane_bits(load(width, state.owed, c) != 0.0)
    return lanes


@inlined
def fall_due(width, shape, state):  # type: ignore[no-untyped-def]
    """What is owed to the weights from the lanes' symbols, p E: the nets of this step need it."""
    size, cells, stride = shape.size, shape.cells, shape.symbol_stride
    at = load(width, state.first_partial, 0) + load(width, state.symbol, 0)
    for j in range(shape.blocks):
        total = splat(width, 0.0)
        for c in range(j * size, (j + 1) * size):
            owed = load(width, state.owed, c)
            to_cell, to_gate = gather(state.p_symbol, at + c * stride), gather(state.p_symbol, at + (cells + c) * stride)
            store(state.due, shape.blocks + c, select(owed != 0.0, to_cell * owed, 0.0))
            total = select(owed != 0.0, fma(to_gate, owed, total), total)
        store(state.due, j, total)


@inlined
def take_back(width, shape, net, state, u, c, term):  # type: ignore[no-untyped-def]
    """Keep w where a term is added to its partial while changes are owed: w - p E loses the term times E."""
    at = load(width, state.first_weight, 0) + load(width, state.symbol, 0) + u * shape.symbol_stride
    owed, kept = load(width, state.owed, c), gather(net.u_symbol, at)
    scatter(net.u_symbol, at, select(owed != 0.0, fma(-term, owed, kept), kept))


@inlined
def _over_cells(error, state, lane, lanes, first, size, at, stride):  # type: ignore[no-untyped-def]
    """Sum over a block's cells of an error, e_s or E, times ds_c/dw_in, for eight symbols of one lane, see (26)."""
    total = splat(UNITS, 0.0)
    for c in range(first, first + size):
        total = fma(load_one(UNITS, error, c * lanes + lane), load_at(UNITS, state.p_symbol, at + c * stride), total)
    return total


@inlined
def pay(shape, net, state, lane):  # type: ignore[no-untyped-def]
    """Make the changes that one lane owes, the symbols along the vector.

    Weights of symbols without partials, that have not come since these were last cleared, are neither read nor written.
    """
    blocks, size, cells, stride, lanes = shape.blocks, shape.size, shape.cells, shape.symbol_stride, net.alpha.size
    weight, to_cell = lane * shape.units * stride, lane * 2 * cells * stride
    to_gate = to_cell + cells * stride
    for i in range(0, stride, 8):
        for j in range(blocks):
            change = _over_cells(state.owed, state, lane, lanes, j * size, size, to_gate + i, stride)
            if lane_bits(change != 0.0):
                at = weight + j * stride + i
                store_at(net.u_symbol, at, load_at(UNITS, net.u_symbol, at) + change)
        for c in range(cells):
            partial = load_at(UNITS, state.p_symbol, to_cell + c * stride + i)
            if lane_bits(partial != 0.0):
                owed, at = load_one(UNITS, state.owed, c * lanes + lane), weight + (blocks + c) * stride + i
                store_at(net.u_symbol, at, fma(owed, partial, load_at(UNITS, net.u_symbol, at)))
    for c in range(cells):
        state.owed[c, lane] = 0.0
    for u in range(blocks + cells):
        state.due[u, lane] = 0.0


@inlined
def update_symbols(shape, net, state, lane, measure):  # type: ignore[no-untyped-def]
    """(22) for the weights from one lane's symbol to output gates and hidden units; the squared norm of all changes."""
    blocks, size, cells, stride = shape.blocks, shape.size, shape.cells, shape.symbol_stride
    lanes, alpha = net.alpha.size, net.alpha[lane]
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
        net.u_symbol[lane, first_gate + j, symbol] += change
        total += change * change
    for i in range(shape.hidden):
        change = alpha * state.e_hidden[i, lane]
        net.u_symbol[lane, first_hidden + i, symbol] += change
        total += change * change
    if measure:
        state.norm[lane] += total
