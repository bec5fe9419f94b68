"""The forward pass and the errors of one big net, its units along the vector: (7)-(9), (20)-(23).

The equations of `lstmsim.learners.lstm.equations` stand here a second time: there a vector holds one unit of several nets,
here several units of one net. tests/kernels/test_wide.py compares both. Every function takes a `WideNet` and changes its
state in place.
"""

from __future__ import annotations

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic, logistic2, logistic4
from lstmsim.kernels.vector import UNITS, fma, group_sum, load, load_at, load_one, splat, store, store_at
from lstmsim.learners.lstm.equations import state_slope
from lstmsim.learners.lstm.wide.structs import RING


@inlined
def sources_of(nets, row, place):
    """Where the sources of a row's units stand: cells and hidden units may have to read those without bias."""
    shape, tiles = nets.shape, nets.tiles
    gates = tiles.cell_rows <= row and row < tiles.first_hidden
    return (place if shape.cell_bias or gates else place + RING) * shape.rows


@inlined
def copy_without_bias(nets, place):
    """Sources of one step for the units without bias, where only gates have one."""
    shape, state = nets.shape, nets.state
    if not shape.cell_bias:
        z, copy = place * shape.rows, (place + RING) * shape.rows
        for row in range(shape.rows):
            state.z[copy + row, 0] = state.z[z + row, 0]
        state.z[copy + shape.inputs, 0] = 0.0


@inlined
def net_inputs(nets, now):
    """net_u = sum_m w_um z_m of all units, four rows at a time; even and odd sources apart, as `learn` has them."""
    shape, tiles, weights, state = nets.shape, nets.tiles, nets.weights, nets.state
    sources, w, row = shape.sources, weights.w, 0
    while row + 4 <= tiles.rows:
        a, b, c, d = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
        a_, b_, c_, d_ = a, b, c, d
        for m in range(sources):
            z_m, at = load_one(UNITS, state.z, now + m), row * sources + m
            a, a_ = a_, fma(load(UNITS, w, at), z_m, a)
            b, b_ = b_, fma(load(UNITS, w, at + sources), z_m, b)
            c, c_ = c_, fma(load(UNITS, w, at + 2 * sources), z_m, c)
            d, d_ = d_, fma(load(UNITS, w, at + 3 * sources), z_m, d)
        store(state.row_net, row, a + a_)
        store(state.row_net, row + 1, b + b_)
        store(state.row_net, row + 2, c + c_)
        store(state.row_net, row + 3, d + d_)
        row += 4
    while row < tiles.rows:
        a, a_ = splat(UNITS, 0.0), splat(UNITS, 0.0)
        for m in range(sources):
            a, a_ = a_, fma(load(UNITS, w, row * sources + m), load_one(UNITS, state.z, now + m), a)
        store(state.row_net, row, a + a_)
        row += 1


@inlined
def _logistics(given, result, row, rows):
    """F of (3) for whole rows from `row` to `rows` - 1, several with one division."""
    while row + 4 <= rows:
        a, b, c, d = logistic4(
            load(UNITS, given, row), load(UNITS, given, row + 1), load(UNITS, given, row + 2), load(UNITS, given, row + 3)
        )
        store(result, row, a)
        store(result, row + 1, b)
        store(result, row + 2, c)
        store(result, row + 3, d)
        row += 4
    while row + 2 <= rows:
        a, b = logistic2(load(UNITS, given, row), load(UNITS, given, row + 1))
        store(result, row, a)
        store(result, row + 1, b)
        row += 2
    if row < rows:
        store(result, row, logistic(load(UNITS, given, row)))


@inlined
def _in_unit_order(given, first, lanes, ordered, z, row, count):
    """Copy what stands in rows of eight to the sources, unit by unit; whole rows where the order is the same."""
    unit = 0
    while ordered and unit + 8 <= count:
        store_at(z, row + unit, load_at(UNITS, given, first + unit))
        unit += 8
    while unit < count:
        z[row + unit, 0] = given[first + lanes[unit]]
        unit += 1


@inlined
def activate(nets, place, then):
    """(7)-(9) from the net inputs, and the factors of z_m in (25), (27); the activations become the sources in `then`."""
    shape, tiles, rule, state = nets.shape, nets.tiles, nets.rule, nets.state
    slots, cell_rows = tiles.slots, tiles.cell_rows
    # The gates apart: with what shares a division a lane's last bit may differ, and copies of a gate must not.
    for part in range(3):
        first = 0 if part == 0 else cell_rows if part == 1 else tiles.first_hidden
        last = cell_rows if part == 0 else tiles.first_hidden if part == 1 else tiles.rows
        _logistics(state.row_net, state.row_y, first, last)
    for t in range(tiles.tiles):
        y_in = load(UNITS, state.row_y, cell_rows + t)
        slope_in = y_in * (1.0 - y_in)
        for c in range(t * slots, (t + 1) * slots):
            f = load(UNITS, state.row_y, c)
            g = fma(f, rule.g_scale, 0.0 - rule.g_shift)
            store(state.row_s, c, fma(y_in, g, load(UNITS, state.row_s, c)))
            store(state.factor, 2 * place * cell_rows + c, rule.g_scale * f * (1.0 - f) * y_in)
            store(state.factor, (2 * place + 1) * cell_rows + c, g * slope_in)
    if not rule.h_identity:
        _logistics(state.row_s, state.row_h, 0, cell_rows)
    for t in range(tiles.tiles):
        y_out = load(UNITS, state.row_present, t)
        store(state.row_gates, t, y_out * load(UNITS, state.row_y, cell_rows + t))
        if shape.output_gates:
            y_out = y_out * load(UNITS, state.row_y, tiles.first_out + t)
        store(state.row_gates, tiles.tiles + t, y_out)
        for c in range(t * slots, (t + 1) * slots):
            if rule.h_identity:
                h = load(UNITS, state.row_s, c)
            else:
                h = fma(load(UNITS, state.row_h, c), rule.h_scale, 0.0 - rule.h_shift)
            store(state.row_h, c, h)
            store(state.row_y_c, c, y_out * h)
    gates, ordered = then + shape.inputs + 1, slots == 1 and tiles.group == 1
    hidden = gates + shape.gate_rows
    if shape.gate_rows:
        _in_unit_order(state.row_gates, 0, state.block_lane, ordered, state.z, gates, shape.blocks)
    if shape.gate_rows > shape.blocks:
        second = gates + shape.blocks
        _in_unit_order(state.row_gates, 8 * tiles.tiles, state.block_lane, ordered, state.z, second, shape.blocks)
    for i in range(shape.hidden):
        state.z[hidden + i, 0] = state.row_y[8 * tiles.first_hidden + i]
    _in_unit_order(state.row_y_c, 0, state.cell_lane, ordered, state.z, hidden + shape.hidden, shape.cells)
    copy_without_bias(nets, place)


@inlined
def hidden_errors(nets):
    """(21) e_out = f'(net_out) sum_v h(s_v) back_v, (23) e_s = y_out h'(s) back, (20) e_i = f'(net_i) back_i."""
    shape, tiles, rule, state = nets.shape, nets.tiles, nets.rule, nets.state
    place, slots = state.ring[0], tiles.slots
    for c in range(shape.cells):
        state.row_back[state.cell_lane[c]] = state.back[c, 0]
    for t in range(tiles.tiles):
        y_out, slope_out, total = load(UNITS, state.row_present, t), splat(UNITS, 0.0), splat(UNITS, 0.0)
        if shape.output_gates:
            y = load(UNITS, state.row_y, tiles.first_out + t)
            slope_out = y_out * y * (1.0 - y)
            y_out = y_out * y
        for c in range(t * slots, (t + 1) * slots):
            h, back = load(UNITS, state.row_h, c), load(UNITS, state.row_back, c)
            total = fma(h, back, total)
            if not rule.h_identity:
                back = state_slope(rule, h) * back
            store(state.row_e_s, place * tiles.cell_rows + c, y_out * back)
        store(state.row_e_out, place * tiles.tiles + t, slope_out * group_sum(total, tiles.group))
    for i in range(shape.hidden):
        y = state.row_y[8 * tiles.first_hidden + i]
        state.row_e_hidden[place, i] = y * (1.0 - y) * state.back[shape.cells + i, 0]
