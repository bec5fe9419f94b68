"""Partials and weight changes of one big net, its units along the vector: (22), (25)-(28).

A large net waits for memory: its weights and two arrays of partials, each as large as the cells' weights, would be read and
written at every step. So the terms of (25), (27) wait, and up to four steps' are added with one pass over the partials.
Weight changes wait for the next step's forward pass, which reads the weights anyway; and while targets come at every step,
only every `CHAIN`-th such pass writes: the others make the changes in registers and leave them to be made again.
Each element sees the operations of the step-by-step rule in their order, so no bit depends on when they are done.
"""

from __future__ import annotations

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.vector import UNITS, fma, group_sum, lane_sum, load, load_one, splat, store
from lstmsim.learners.lstm.wide.equations import copy_without_bias, sources_of
from lstmsim.learners.lstm.wide.structs import CHAIN, PIECE, RING


@inlined
def _add_terms(nets, row, next_row, first, count):
    """(27), or (25), of `count` steps, up to four, from place `first` in the ring on, for two rows, perhaps one."""
    shape, tiles, state = nets.shape, nets.tiles, nets.state
    sources, places = shape.sources, 2 * tiles.cell_rows
    b, c, d = (first + 1) % RING, (first + 2) % RING, (first + 3) % RING
    f_a, g_a = load(UNITS, state.factor, first * places + row), load(UNITS, state.factor, first * places + next_row)
    f_b, g_b = load(UNITS, state.factor, b * places + row), load(UNITS, state.factor, b * places + next_row)
    f_c, g_c = load(UNITS, state.factor, c * places + row), load(UNITS, state.factor, c * places + next_row)
    f_d, g_d = load(UNITS, state.factor, d * places + row), load(UNITS, state.factor, d * places + next_row)
    unit = min(row, tiles.cell_rows)
    z_a, z_b = sources_of(nets, unit, first), sources_of(nets, unit, b)
    z_c, z_d = sources_of(nets, unit, c), sources_of(nets, unit, d)
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
def catch_up(nets, late):
    """(25), (27) for all steps that wait but the `late` latest."""
    tiles, state = nets.tiles, nets.state
    rows, count = tiles.cell_rows, state.ring[1] - late
    oldest = state.ring[0] - state.ring[1] + RING
    for first in range(0, 2 * rows if count > 0 else 0, rows):
        for row in range(first, first + rows, 2):
            for q in range(0, count, 4):
                next_row = min(row + 1, first + rows - 1)
                _add_terms(nets, row, next_row, (oldest + q) % RING, min(count - q, 4))
    state.ring[1] = late


@inlined
def _learn_paired(nets, row, next_row, a, b, c, count, write):
    """(27) and (28), or (25) and (26) where an input gate has one cell, for two rows, which may be the same.

    Here and below a, b, c are the places in the ring of the `count` steps whose changes wait, c that of the latest; the
    squares of the latest change are returned.
    """
    shape, tiles, weights, state = nets.shape, nets.tiles, nets.weights, nets.state
    sources, places, alpha, cell_rows = shape.sources, 2 * tiles.cell_rows, weights.alpha[0], tiles.cell_rows
    f_a, g_a = load(UNITS, state.factor, a * places + row), load(UNITS, state.factor, a * places + next_row)
    f_b, g_b = load(UNITS, state.factor, b * places + row), load(UNITS, state.factor, b * places + next_row)
    f_c, g_c = load(UNITS, state.factor, c * places + row), load(UNITS, state.factor, c * places + next_row)
    cell, next_cell = row % cell_rows, next_row % cell_rows
    d_a, e_a = load(UNITS, state.row_e_s, a * cell_rows + cell), load(UNITS, state.row_e_s, a * cell_rows + next_cell)
    d_b, e_b = load(UNITS, state.row_e_s, b * cell_rows + cell), load(UNITS, state.row_e_s, b * cell_rows + next_cell)
    d_c, e_c = load(UNITS, state.row_e_s, c * cell_rows + cell), load(UNITS, state.row_e_s, c * cell_rows + next_cell)
    d_a, d_b, d_c, e_a, e_b, e_c = alpha * d_a, alpha * d_b, alpha * d_c, alpha * e_a, alpha * e_b, alpha * e_c
    z_a, z_b = sources_of(nets, row, a), sources_of(nets, row, b)
    z_c, now = sources_of(nets, row, c), sources_of(nets, row, state.ring[0])
    total, total_, squares, squares_ = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
    next_total, next_total_, next_squares, next_squares_ = total, total, total, total
    for m in range(sources):
        at, next_at = row * sources + m, next_row * sources + m
        z_m, x_m = load_one(UNITS, state.z, z_a + m), load_one(UNITS, state.z, now + m)
        p, q = fma(f_a, z_m, load(UNITS, state.p, at)), fma(g_a, z_m, load(UNITS, state.p, next_at))
        u, v = fma(d_a, p, load(UNITS, weights.u, at)), fma(e_a, q, load(UNITS, weights.u, next_at))
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
            store(weights.u, at, u)
            store(state.p, next_at, q)
            store(weights.u, next_at, v)
        total, total_, squares, squares_ = total_, fma(u, x_m, total), squares_, fma(p, p, squares)
        next_total, next_total_ = next_total_, fma(v, x_m, next_total)
        next_squares, next_squares_ = next_squares_, fma(q, q, next_squares)
    store(state.row_net, row, total + total_)
    store(state.row_net, next_row, next_total + next_total_)
    if next_row == row:
        e_c = splat(UNITS, 0.0)
    return fma(d_c * d_c, squares + squares_, e_c * e_c * (next_squares + next_squares_))


@inlined
def _learn_gates(nets, t, a, b, c, count, write):
    """(25), (26) where an input gate has several cells, dw = alpha sum_v e_s_v ds_v/dw, for the gates of one tile."""
    shape, tiles, weights, state = nets.shape, nets.tiles, nets.weights, nets.state
    sources, cell_rows, slots, alpha = shape.sources, tiles.cell_rows, tiles.slots, weights.alpha[0]
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
            u, change = load(UNITS, weights.u, at), splat(UNITS, 0.0)
            for q in range(count):
                change = alpha * group_sum(load(UNITS, state.change, q * PIECE + m), tiles.group)
                u = u + change
            if write:
                store(weights.u, at, u)
            total, total_ = total_, fma(u, load_one(UNITS, state.z, now + first + m), total)
            squares = fma(change, change, squares)
    store(state.row_net, cell_rows + t, total + total_)
    return squares


@inlined
def _learn_plain(nets, e, first, rows, a, b, c, count, write):
    """(22) dw_lm = alpha e_l z_m for the rows of output gates, or of hidden units, two at a time."""
    shape, weights, state = nets.shape, nets.weights, nets.state
    sources, alpha, squares, zero = shape.sources, weights.alpha[0], splat(UNITS, 0.0), splat(UNITS, 0.0)
    z_a, z_b = sources_of(nets, first, a), sources_of(nets, first, b)
    z_c, now, z2, z2_ = sources_of(nets, first, c), sources_of(nets, first, state.ring[0]), zero, zero
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
            u, v = fma(d_a, z_m, load(UNITS, weights.u, at)), fma(e_a, z_m, load(UNITS, weights.u, next_at))
            if count > 1:
                z_m = load_one(UNITS, state.z, z_b + m)
                u, v = fma(d_b, z_m, u), fma(e_b, z_m, v)
            if count > 2:
                z_m = load_one(UNITS, state.z, z_c + m)
                u, v = fma(d_c, z_m, u), fma(e_c, z_m, v)
            if write:
                store(weights.u, at, u)
                store(weights.u, next_at, v)
            total, total_ = total_, fma(u, x_m, total)
            next_total, next_total_ = next_total_, fma(v, x_m, next_total)
        store(state.row_net, first + row, total + total_)
        store(state.row_net, first + next_row, next_total + next_total_)
        if next_row == row:
            e_c = zero
        squares = fma(fma(d_c, d_c, e_c * e_c), z2 + z2_, squares)
    return squares


@inlined
def learn(nets, count, write):
    """(22), (25)-(28) of the `count` latest steps, and the running step's net inputs from the weights they give.

    With `write` weights and partials are changed; the norm of the latest step's change is added up in any case.
    """
    shape, tiles, state = nets.shape, nets.tiles, nets.state
    catch_up(nets, count)
    copy_without_bias(nets, state.ring[0])
    a, c = (state.ring[0] - count + RING) % RING, (state.ring[0] - 1 + RING) % RING
    b, simple = (a + 1) % RING if count == CHAIN else c, tiles.slots == 1 and tiles.group == 1
    squares, copied = splat(UNITS, 0.0), splat(UNITS, 0.0)
    rows = 2 * tiles.cell_rows if simple else tiles.cell_rows
    alike = rows if shape.cell_bias else tiles.cell_rows
    for first in range(0, rows, alike):
        for row in range(first, first + alike, 2):
            next_row = min(row + 1, first + alike - 1)
            squares = squares + _learn_paired(nets, row, next_row, a, b, c, count, write)
    if not simple:
        for t in range(tiles.tiles):
            copied = copied + _learn_gates(nets, t, a, b, c, count, write)
    e, first, rows, copies = state.row_e_out, tiles.first_out, tiles.first_hidden - tiles.first_out, tiles.group
    for _ in range(2):
        copied = copied + _learn_plain(nets, e, first, rows, a, b, c, count, write)
        squares, copied = fma(copied, 1.0 / copies, squares), splat(UNITS, 0.0)
        e, first, rows, copies = state.row_e_hidden, tiles.first_hidden, tiles.rows - tiles.first_hidden, 1
    state.norm[0] += lane_sum(squares)
    state.ring[1] = 0 if write else count
