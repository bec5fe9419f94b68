"""The 1997 learning rule for one big net, its units along the vector: (7)-(9), (19)-(28) of Hochreiter and Schmidhuber.

Layout: eight units make a row: cells, input gates, output gates, hidden units. A row's weights, and its partials, stand
source after source, so that each is read as one stream. A tile is eight lanes of input gates, the output gates of the same
blocks and `slots` rows of their cells; a block takes `group` neighbouring lanes, in all of which its gates stand, so that
few large blocks fill the vector too.

A large net waits for memory: its weights and two arrays of partials, each as large as the cells' weights, would be read and
written at every step. So the terms of (25), (27) wait, and up to four steps' are added with one pass over the partials.
Weight changes wait for the next step's forward pass, which reads the weights anyway; and while targets come at every step,
only every `CHAIN`-th such pass writes: the others make the changes in registers and leave them to be made again.
Each element sees the operations of the step-by-step rule in their order, so no bit depends on when they are done.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic, logistic2, logistic4
from lstmsim.kernels.vector import UNITS, fma, group_sum, lane_sum, load, load_at, load_one, splat, store, store_at

Array = Any

RING = 9  # steps whose sources are kept: those whose terms wait, and the running one
CHAIN = 3  # weight changes that wait at most
PIECE = 64  # sources for which the changes of input gates with several cells are summed in the nearest cache


class Tiles(NamedTuple):
    """How the units lie in rows of eight: cells, input gates, output gates, hidden units."""

    tiles: int
    group: int  # lanes of a block: 1, 2, 4 or 8
    slots: int  # rows of cells in a tile
    cell_rows: int
    first_out: int  # rows before the output gates
    first_hidden: int  # rows before the hidden units
    rows: int


class WideNet(NamedTuple):
    """Weights, and where their changes go: the same arrays when learning per step, others when updating at sequence ends."""

    w: Array  # (row, source, 8)
    w_output: Array  # (1, output source, output)
    w_output_symbol: Array  # empty
    u: Array
    u_output: Array
    u_output_symbol: Array
    alpha: Array  # (1,) learning rate
    present: Array  # (block, 1) 1.0, or 0.0 while a block has not joined the net
    error_factor: Array  # (output,) factor of e_k, 0.0 for padding


class WideState(NamedTuple):
    """What the net carries from step to step and what the last step left behind: unit by unit, then in rows of eight."""

    z: Array  # (2 * RING * row, 1): sources of the latest steps, then the same without bias where some units have none
    s: Array  # (cell, 1)
    net: Array  # (unit, 1)
    y: Array  # (unit, 1)
    y_k: Array  # (1, output)
    e_k: Array  # (1, output)
    back: Array  # (cell + hidden, 1): sum_k w_k. e_k
    e_s: Array  # (cell, 1)
    e_out: Array  # (block, 1)
    norm: Array  # (1,) squared norm of the last weight change
    symbol: Array  # (1,) int
    cell_lane: Array  # (cell,) int: where a cell stands among the lanes of the cell rows
    block_lane: Array  # (block,) int: where a block's gates stand among the lanes of the tiles
    ring: Array  # (2,) int: place of the running step in the ring, number of steps whose terms wait
    p: Array  # (2 * cell row, source, 8): ds_c/dw_cm of the cell rows, then their ds_c/dw_in,m
    change: Array  # (CHAIN, PIECE, 8)
    row_net: Array  # (8 * row,)
    row_y: Array  # (8 * row,)
    row_present: Array  # (8 * tile,)
    row_gates: Array  # (16 * tile,): y_in, then y_out; 0 where a block is absent
    row_s: Array  # (8 * cell row,)
    row_h: Array  # (8 * cell row,)
    row_y_c: Array  # (8 * cell row,)
    row_back: Array  # (8 * cell row,)
    factor: Array  # (RING, 2, 8 * cell row): factors of z_m in (27), then in (25)
    row_e_s: Array  # (RING, 8 * cell row)
    row_e_out: Array  # (RING, 8 * tile)
    row_e_hidden: Array  # (RING, 8 * hidden row)


@inlined
def _sources(shape, tiles, row, place):  # type: ignore[no-untyped-def]
    """Where the sources of a row's units stand: cells and hidden units may have to read those without bias."""
    gates = tiles.cell_rows <= row and row < tiles.first_hidden
    return (place if shape.cell_bias or gates else place + RING) * shape.rows


@inlined
def _copy_without_bias(shape, state, place):  # type: ignore[no-untyped-def]
    """Sources of one step for the units without bias, where only gates have one."""
    if not shape.cell_bias:
        z, copy = place * shape.rows, (place + RING) * shape.rows
        for row in range(shape.rows):
            state.z[copy + row, 0] = state.z[z + row, 0]
        state.z[copy + shape.inputs, 0] = 0.0


@inlined
def net_inputs(shape, tiles, net, state, now):  # type: ignore[no-untyped-def]
    """net_u = sum_m w_um z_m of all units, four rows at a time; even and odd sources apart, as `learn` has them."""
    sources, w, row = shape.sources, net.w, 0
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
def _logistics(given, result, row, rows):  # type: ignore[no-untyped-def]
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
def _in_unit_order(given, first, lanes, ordered, z, row, count):  # type: ignore[no-untyped-def]
    """Copy what stands in rows of eight to the sources, unit by unit; whole rows where the order is the same."""
    unit = 0
    while ordered and unit + 8 <= count:
        store_at(z, row + unit, load_at(UNITS, given, first + unit))
        unit += 8
    while unit < count:
        z[row + unit, 0] = given[first + lanes[unit]]
        unit += 1


@inlined
def activate(shape, tiles, rule, net, state, place, then):  # type: ignore[no-untyped-def]
    """(7)-(9) from the net inputs, and the factors of z_m in (25), (27); the activations become the sources in `then`."""
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
    _copy_without_bias(shape, state, place)


@inlined
def _add_terms(shape, tiles, state, row, next_row, first, count):  # type: ignore[no-untyped-def]
    """(27), or (25), of `count` steps, up to four, from place `first` in the ring on, for two rows, perhaps one."""
    sources, places = shape.sources, 2 * tiles.cell_rows
    b, c, d = (first + 1) % RING, (first + 2) % RING, (first + 3) % RING
    f_a, g_a = load(UNITS, state.factor, first * places + row), load(UNITS, state.factor, first * places + next_row)
    f_b, g_b = load(UNITS, state.factor, b * places + row), load(UNITS, state.factor, b * places + next_row)
    f_c, g_c = load(UNITS, state.factor, c * places + row), load(UNITS, state.factor, c * places + next_row)
    f_d, g_d = load(UNITS, state.factor, d * places + row), load(UNITS, state.factor, d * places + next_row)
    unit = min(row, tiles.cell_rows)
    z_a, z_b = _sources(shape, tiles, unit, first), _sources(shape, tiles, unit, b)
    z_c, z_d = _sources(shape, tiles, unit, c), _sources(shape, tiles, unit, d)
    for m in range(sources):
        at, next_at, z_m = row * sources + m, next_row * sources + m, load_one(UNITS, state.z, z_a + m)
        p, q = fma(f_a, z_m, load(UNITS, state.p, at)), fma(g_a, z_m, load(UNITS, state.p, next_at))
        if count > 1:
            z_m = load_one(UNITS, state.z, z_b + m)
            p, q = fma(f_b, z_m, p), fma(g_b, z_m, q)
        if count > 2:
            z_m = load_one(UNITS, state.z, z_c + m)
            p, q = fma(f_c, z_m, p), fma(g_c, z_m, q)
        if count > 3:
            z_m = load_one(UNITS, state.z, z_d + m)
            p, q = fma(f_d, z_m, p), fma(g_d, z_m, q)
        store(state.p, at, p)
        store(state.p, next_at, q)


@inlined
def catch_up(shape, tiles, state, late):  # type: ignore[no-untyped-def]
    """(25), (27) for all steps that wait but the `late` latest."""
    rows, count = tiles.cell_rows, state.ring[1] - late
    oldest = state.ring[0] - state.ring[1] + RING
    for first in range(0, 2 * rows if count > 0 else 0, rows):
        for row in range(first, first + rows, 2):
            for q in range(0, count, 4):
                next_row = min(row + 1, first + rows - 1)
                _add_terms(shape, tiles, state, row, next_row, (oldest + q) % RING, min(count - q, 4))
    state.ring[1] = late


@inlined
def _learn_paired(shape, tiles, net, state, row, next_row, a, b, c, count, write):  # type: ignore[no-untyped-def]
    """(27) and (28), or (25) and (26) where an input gate has one cell, for two rows, which may be the same.

    Here and below a, b, c are the places in the ring of the `count` steps whose changes wait, c that of the latest; the
    squares of the latest change are returned.
    """
    sources, places, alpha, cell_rows = shape.sources, 2 * tiles.cell_rows, net.alpha[0], tiles.cell_rows
    f_a, g_a = load(UNITS, state.factor, a * places + row), load(UNITS, state.factor, a * places + next_row)
    f_b, g_b = load(UNITS, state.factor, b * places + row), load(UNITS, state.factor, b * places + next_row)
    f_c, g_c = load(UNITS, state.factor, c * places + row), load(UNITS, state.factor, c * places + next_row)
    cell, next_cell = row % cell_rows, next_row % cell_rows
    d_a, e_a = load(UNITS, state.row_e_s, a * cell_rows + cell), load(UNITS, state.row_e_s, a * cell_rows + next_cell)
    d_b, e_b = load(UNITS, state.row_e_s, b * cell_rows + cell), load(UNITS, state.row_e_s, b * cell_rows + next_cell)
    d_c, e_c = load(UNITS, state.row_e_s, c * cell_rows + cell), load(UNITS, state.row_e_s, c * cell_rows + next_cell)
    d_a, d_b, d_c, e_a, e_b, e_c = alpha * d_a, alpha * d_b, alpha * d_c, alpha * e_a, alpha * e_b, alpha * e_c
    z_a, z_b = _sources(shape, tiles, row, a), _sources(shape, tiles, row, b)
    z_c, now = _sources(shape, tiles, row, c), _sources(shape, tiles, row, state.ring[0])
    total, total_, squares, squares_ = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
    next_total, next_total_, next_squares, next_squares_ = total, total, total, total
    for m in range(sources):
        at, next_at = row * sources + m, next_row * sources + m
        z_m, x_m = load_one(UNITS, state.z, z_a + m), load_one(UNITS, state.z, now + m)
        p, q = fma(f_a, z_m, load(UNITS, state.p, at)), fma(g_a, z_m, load(UNITS, state.p, next_at))
        u, v = fma(d_a, p, load(UNITS, net.u, at)), fma(e_a, q, load(UNITS, net.u, next_at))
        if count > 1:
            z_m = load_one(UNITS, state.z, z_b + m)
            p, q = fma(f_b, z_m, p), fma(g_b, z_m, q)
            u, v = fma(d_b, p, u), fma(e_b, q, v)
        if count > 2:
            z_m = load_one(UNITS, state.z, z_c + m)
            p, q = fma(f_c, z_m, p), fma(g_c, z_m, q)
            u, v = fma(d_c, p, u), fma(e_c, q, v)
        if write:
            store(state.p, at, p)
            store(net.u, at, u)
            store(state.p, next_at, q)
            store(net.u, next_at, v)
        total, total_, squares, squares_ = total_, fma(u, x_m, total), squares_, fma(p, p, squares)
        next_total, next_total_ = next_total_, fma(v, x_m, next_total)
        next_squares, next_squares_ = next_squares_, fma(q, q, next_squares)
    store(state.row_net, row, total + total_)
    store(state.row_net, next_row, next_total + next_total_)
    if next_row == row:
        e_c = splat(UNITS, 0.0)
    return fma(d_c * d_c, squares + squares_, e_c * e_c * (next_squares + next_squares_))


@inlined
def _learn_gates(shape, tiles, net, state, t, a, b, c, count, write):  # type: ignore[no-untyped-def]
    """(25), (26) where an input gate has several cells, dw = alpha sum_v e_s_v ds_v/dw, for the gates of one tile."""
    sources, cell_rows, slots, alpha = shape.sources, tiles.cell_rows, tiles.slots, net.alpha[0]
    z_a, z_b, z_c, now = a * shape.rows, b * shape.rows, c * shape.rows, state.ring[0] * shape.rows
    total, total_, squares = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
    for first in range(0, sources, PIECE):
        size = min(PIECE, sources - first)
        for m in range(CHAIN * PIECE):
            store(state.change, m, splat(UNITS, 0.0))
        for cell in range(t * slots, (t + 1) * slots):
            row = cell_rows + cell
            f_a, e_a = load(UNITS, state.factor, 2 * a * cell_rows + row), load(UNITS, state.row_e_s, a * cell_rows + cell)
            f_b, e_b = load(UNITS, state.factor, 2 * b * cell_rows + row), load(UNITS, state.row_e_s, b * cell_rows + cell)
            f_c, e_c = load(UNITS, state.factor, 2 * c * cell_rows + row), load(UNITS, state.row_e_s, c * cell_rows + cell)
            for m in range(size):
                at = row * sources + first + m
                p = fma(f_a, load_one(UNITS, state.z, z_a + first + m), load(UNITS, state.p, at))
                store(state.change, m, fma(e_a, p, load(UNITS, state.change, m)))
                if count > 1:
                    p = fma(f_b, load_one(UNITS, state.z, z_b + first + m), p)
                    store(state.change, PIECE + m, fma(e_b, p, load(UNITS, state.change, PIECE + m)))
                if count > 2:
                    p = fma(f_c, load_one(UNITS, state.z, z_c + first + m), p)
                    store(state.change, 2 * PIECE + m, fma(e_c, p, load(UNITS, state.change, 2 * PIECE + m)))
                if write:
                    store(state.p, at, p)
        for m in range(size):
            at = (cell_rows + t) * sources + first + m
            u, change = load(UNITS, net.u, at), splat(UNITS, 0.0)
            for q in range(count):
                change = alpha * group_sum(load(UNITS, state.change, q * PIECE + m), tiles.group)
                u = u + change
            if write:
                store(net.u, at, u)
            total, total_ = total_, fma(u, load_one(UNITS, state.z, now + first + m), total)
            squares = fma(change, change, squares)
    store(state.row_net, cell_rows + t, total + total_)
    return squares


@inlined
def _learn_plain(shape, tiles, net, state, e, first, rows, a, b, c, count, write):  # type: ignore[no-untyped-def]
    """(22) dw_lm = alpha e_l z_m for the rows of output gates, or of hidden units, two at a time."""
    sources, alpha, squares, zero = shape.sources, net.alpha[0], splat(UNITS, 0.0), splat(UNITS, 0.0)
    z_a, z_b = _sources(shape, tiles, first, a), _sources(shape, tiles, first, b)
    z_c, now, z2, z2_ = _sources(shape, tiles, first, c), _sources(shape, tiles, first, state.ring[0]), zero, zero
    for m in range(sources if rows else 0):
        z_m = load_one(UNITS, state.z, z_c + m)
        z2, z2_ = z2_, fma(z_m, z_m, z2)
    for row in range(0, rows, 2):
        next_row = min(row + 1, rows - 1)
        d_a, e_a = alpha * load(UNITS, e, a * rows + row), alpha * load(UNITS, e, a * rows + next_row)
        d_b, e_b = alpha * load(UNITS, e, b * rows + row), alpha * load(UNITS, e, b * rows + next_row)
        d_c, e_c = alpha * load(UNITS, e, c * rows + row), alpha * load(UNITS, e, c * rows + next_row)
        total, total_, next_total, next_total_ = zero, zero, zero, zero
        for m in range(sources):
            at, next_at = (first + row) * sources + m, (first + next_row) * sources + m
            z_m, x_m = load_one(UNITS, state.z, z_a + m), load_one(UNITS, state.z, now + m)
            u, v = fma(d_a, z_m, load(UNITS, net.u, at)), fma(e_a, z_m, load(UNITS, net.u, next_at))
            if count > 1:
                z_m = load_one(UNITS, state.z, z_b + m)
                u, v = fma(d_b, z_m, u), fma(e_b, z_m, v)
            if count > 2:
                z_m = load_one(UNITS, state.z, z_c + m)
                u, v = fma(d_c, z_m, u), fma(e_c, z_m, v)
            if write:
                store(net.u, at, u)
                store(net.u, next_at, v)
            total, total_ = total_, fma(u, x_m, total)
            next_total, next_total_ = next_total_, fma(v, x_m, next_total)
        store(state.row_net, first + row, total + total_)
        store(state.row_net, first + next_row, next_total + next_total_)
        if next_row == row:
            e_c = zero
        squares = fma(fma(d_c, d_c, e_c * e_c), z2 + z2_, squares)
    return squares


@inlined
def learn(shape, tiles, net, state, count, write):  # type: ignore[no-untyped-def]
    """(22), (25)-(28) of the `count` latest steps, and the running step's net inputs from the weights they give.

    With `write` weights and partials are changed; the norm of the latest step's change is added up in any case.
    """
    catch_up(shape, tiles, state, count)
    _copy_without_bias(shape, state, state.ring[0])
    a, c = (state.ring[0] - count + RING) % RING, (state.ring[0] - 1 + RING) % RING
    b, simple = (a + 1) % RING if count == CHAIN else c, tiles.slots == 1 and tiles.group == 1
    squares, copied = splat(UNITS, 0.0), splat(UNITS, 0.0)
    rows = 2 * tiles.cell_rows if simple else tiles.cell_rows
    alike = rows if shape.cell_bias else tiles.cell_rows
    for first in range(0, rows, alike):
        for row in range(first, first + alike, 2):
            next_row = min(row + 1, first + alike - 1)
            squares = squares + _learn_paired(shape, tiles, net, state, row, next_row, a, b, c, count, write)
    if not simple:
        for t in range(tiles.tiles):
            copied = copied + _learn_gates(shape, tiles, net, state, t, a, b, c, count, write)
    e, first, rows, copies = state.row_e_out, tiles.first_out, tiles.first_hidden - tiles.first_out, tiles.group
    for _ in range(2):
        copied = copied + _learn_plain(shape, tiles, net, state, e, first, rows, a, b, c, count, write)
        squares, copied = fma(copied, 1.0 / copies, squares), splat(UNITS, 0.0)
        e, first, rows, copies = state.row_e_hidden, tiles.first_hidden, tiles.rows - tiles.first_hidden, 1
    state.norm[0] += lane_sum(squares)
    state.ring[1] = 0 if write else count


@inlined
def hidden_errors(shape, tiles, rule, state):  # type: ignore[no-untyped-def]
    """(21) e_out = f'(net_out) sum_v h(s_v) back_v, (23) e_s = y_out h'(s) back, (20) e_i = f'(net_i) back_i."""
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
                # h = a f - b, so h' = a f (1 - f) = (h + b)(a - b - h) / a
                back = (h + rule.h_shift) * ((rule.h_scale - rule.h_shift) - h) * (1.0 / rule.h_scale) * back
            store(state.row_e_s, place * tiles.cell_rows + c, y_out * back)
        store(state.row_e_out, place * tiles.tiles + t, slope_out * group_sum(total, tiles.group))
    for i in range(shape.hidden):
        y = state.row_y[8 * tiles.first_hidden + i]
        state.row_e_hidden[place, i] = y * (1.0 - y) * state.back[shape.cells + i, 0]
