"""The 1997 learning rule, one trial per lane: equations (7)-(9), (19)-(28) of Hochreiter and Schmidhuber (1997).

Every function takes `nets`, a `lstmsim.learners.lstm.structs.Nets`, where shapes and dtypes of all arrays stand, and changes
its state and weights in place. Rows `now` and `then` of the ring `z` hold the sources of the running and of the next step.
"""

from __future__ import annotations

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic, logistic2, logistic4, logistic_slope
from lstmsim.kernels.vector import fma, gather, load, scatter, splat, store, store_where
from lstmsim.learners.lstm.one_hot import clear_partials, take_back

TOGETHER = 4  # steps whose terms one pass over the partials adds


@inlined
def _from_symbols(nets, u):
    """Weights from the lanes' symbols to unit u, one vector; 0 where inputs are not one-hot."""
    width, shape, weights, state = nets.width, nets.shape, nets.weights, nets.state
    if shape.symbol_stride:
        at = load(width, state.first_weight, 0) + load(width, state.symbol, 0) + u * shape.symbol_stride
        return gather(weights.w_symbol, at) + load(width, state.pending, u)
    return splat(width, 0.0)


@inlined
def unit_activations(nets, now, first, last):
    """(7), (8) y_u = f(net_u), net_u = sum_m w_um z_m, units first to last - 1; writes `net` and `y` of the state.

    A load of z_m and a division serve four units.
    """
    width, shape, state = nets.width, nets.shape, nets.state
    w, z, y, units = nets.weights.w, state.z, state.y, shape.units
    u = first
    while u + 4 <= last:
        a, b = _from_symbols(nets, u), _from_symbols(nets, u + 1)
        c, d = _from_symbols(nets, u + 2), _from_symbols(nets, u + 3)
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
        a, b = _from_symbols(nets, u), _from_symbols(nets, u + 1)
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
        a = _from_symbols(nets, u)
        for m in range(shape.sources):
            a = fma(load(width, w, m * units + u), load(width, z, now + m), a)
        store(state.net, u, a)
        store(y, u, logistic(a))


@inlined
def forward(nets, now, then):
    """(7)-(9): one step from the sources in rows `now`; the activations become rows `then`, the next step's sources.

    Changes `net`, `y`, `s`, `h` and the rows `then` of `z`. Input gates and cells come first: the cell states wait for
    them, while output gates are needed only after h(s).
    """
    width, shape, rule, state = nets.width, nets.shape, nets.rule, nets.state
    blocks, size, cells = shape.blocks, shape.size, shape.cells
    unit_activations(nets, now, 0, blocks + cells)
    for j in range(blocks):
        y_in = load(width, state.y, j)
        for c in range(j * size, (j + 1) * size):
            g = fma(load(width, state.y, blocks + c), rule.g_scale, 0.0 - rule.g_shift)
            store(state.s, c, fma(y_in, g, load(width, state.s, c)))
    unit_activations(nets, now, blocks + cells, shape.units)
    squash_states(nets)
    next_sources(nets, then)


@inlined
def next_sources(nets, then):
    """y_c = y_out h(s_c) and the activations of the other units to rows `then` of `z`, forget gates left out."""
    width, shape, weights, state = nets.width, nets.shape, nets.weights, nets.state
    blocks, size, cells = shape.blocks, shape.size, shape.cells
    row_gates = then + shape.inputs + 1
    row_hidden = row_gates + shape.gate_rows
    row_cells = row_hidden + shape.hidden
    for j in range(blocks):
        present = load(width, weights.present, j)
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
def squash_states(nets):
    """(4) h(s_c), or the identity; writes `h` of the state."""
    width, shape, rule, state = nets.width, nets.shape, nets.rule, nets.state
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
def gate_factors(nets, j):
    """What `factors` of the cells of block j have in common, a y_in with the scale a of g, and f'(net_in): two vectors."""
    y_in = load(nets.width, nets.state.y, j)
    return nets.rule.g_scale * y_in, logistic_slope(y_in)


@inlined
def factors(nets, c, scale_in, slope_in):
    """g'(net_c) y_in of (27), (36), and g(net_c) f'(net_in) of (25), (37), of cell c: two vectors."""
    rule, f = nets.rule, load(nets.width, nets.state.y, nets.shape.blocks + c)
    return logistic_slope(f) * scale_in, fma(f, rule.g_scale, 0.0 - rule.g_shift) * slope_in


@inlined
def terms(nets, waiting, deferring):
    """Factors of z_m in (27) and (25) of this step, to `factor` behind those of `waiting` earlier steps.

    They wait, so that one pass over the partials adds several. One-hot inputs are 1 or 0: their terms are added to
    `p_symbol` at once.
    """
    width, shape, state = nets.width, nets.shape, nets.state
    size, cells, stride, first_cell = shape.size, shape.cells, shape.symbol_stride, shape.blocks
    row = 2 * waiting * cells
    for j in range(shape.blocks):
        scale_in, slope_in = gate_factors(nets, j)
        for c in range(j * size, (j + 1) * size):
            to_cell, to_gate = factors(nets, c, scale_in, slope_in)
            store(state.factor, row + c, to_cell)
            store(state.factor, row + cells + c, to_gate)
            if shape.symbols:
                at = load(width, state.first_partial, 0) + load(width, state.symbol, 0) + c * stride
                scatter(state.p_symbol, at, gather(state.p_symbol, at) + to_cell)
                at = at + cells * stride
                scatter(state.p_symbol, at, gather(state.p_symbol, at) + to_gate)
                if deferring:
                    take_back(nets, first_cell + c, c, to_cell)
                    take_back(nets, j, c, to_gate)


@inlined
def partials(nets, now, waiting):
    """(27) ds_c/dw_cm += g'(net_c) y_in z_m and (25) ds_c/dw_in,m += g(net_c) f'(net_in) z_m, for the steps that wait.

    Changes `p_cell` and `p_gate`. The sources of the last of these steps are in rows `now`. Terms are added in the order
    of the steps.
    """
    if waiting:
        _add_terms(nets, now, waiting)
        if nets.rule.last_partials:
            _last_terms(nets, now, waiting)


@inlined
def _add_terms(nets, now, waiting):
    """Terms of (25), (27) of some steps to the partials, those of `TOGETHER` steps in one pass."""
    width, shape, state = nets.width, nets.shape, nets.state
    cells, sources, factor, z = shape.cells, shape.sources, state.factor, state.z
    if waiting == TOGETHER:
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
def _last_terms(nets, now, waiting):
    """The partials that do not accumulate: the terms of (27) and (25) of the last step that waits, alone."""
    width, shape, rule, state = nets.width, nets.shape, nets.rule, nets.state
    sources, first, bias = shape.sources, 2 * (waiting - 1) * shape.cells, shape.inputs
    gates_end = bias + 1 + shape.gate_rows
    for c in range(shape.cells):
        to_cell, to_gate = load(width, state.factor, first + c), load(width, state.factor, first + shape.cells + c)
        for m in range(bias, sources):
            row, z_m = c * sources + m, load(width, state.z, now + m)
            gate, cell = bias < m and m < gates_end, gates_end + shape.hidden <= m
            last = (gate and rule.last_gates) or (cell and rule.last_cells)
            if last or (m == bias and rule.last_cell_bias):
                store(state.p_cell, row, to_cell * z_m)
            if last or (m == bias and rule.last_gate_bias):
                store(state.p_gate, row, to_gate * z_m)


@inlined
def later(shape, now):
    """Rows of the step after the one in rows `now`."""
    return now + shape.rows if now < shape.wait * shape.rows else 0


@inlined
def earlier(shape, now):
    """Rows of the step before the one in rows `now`."""
    return now - shape.rows if now > 0 else shape.wait * shape.rows


@inlined
def first_rows(nets):
    """Rows of the next step before the first one: where no term waits always the same, and registers on a GPU."""
    return nets.state.ring[0] if nets.shape.wait > 1 else 0


@inlined
def moved_on(nets, then):
    """Rows of the step that comes next, which was in rows `then`: where no term waits it moves to the first rows."""
    shape, state = nets.shape, nets.state
    if shape.wait > 1:
        return then
    for row in range(shape.rows):
        store(state.z, row, load(nets.width, state.z, shape.rows + row))
    return 0


@inlined
def state_slope(rule, h):
    """h'(s) from h = a f(s) - b, one vector: a f (1 - f) = (h + b)(a - b - h) / a; not for the identity."""
    return (h + rule.h_shift) * ((rule.h_scale - rule.h_shift) - h) * (1.0 / rule.h_scale)


@inlined
def hidden_errors(nets):
    """(21) e_out = f'(net_out) sum_v h(s_v) back_v, (23) e_s = y_out h'(s) back, (20) e_i = f'(net_i) back_i.

    Writes `e_out`, `e_s` and `e_hidden` of the state from its `back`.
    """
    width, shape, rule, state = nets.width, nets.shape, nets.rule, nets.state
    blocks, size, cells = shape.blocks, shape.size, shape.cells
    first_hidden = blocks + shape.output_gates + cells
    for j in range(blocks):
        y_out = load(width, nets.weights.present, j)
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
                store(state.e_s, c, y_out * state_slope(rule, h) * back)
        store(state.e_out, j, slope_out * total)
    for i in range(shape.hidden):
        y = load(width, state.y, first_hidden + i)
        store(state.e_hidden, i, logistic_slope(y) * load(width, state.back, cells + i))


@inlined
def errors_at_net_inputs(nets):
    """(36) e_c = g'(net_c) y_in e_s and (37) e_in = f'(net_in) sum_v g(net_v) e_s_v at lag q = 0: what is recorded of them.

    Writes `e_cell` and `e_in` of the state from its `e_s`; learning needs neither.
    """
    width, shape, state = nets.width, nets.shape, nets.state
    for j in range(shape.blocks):
        total = splat(width, 0.0)
        scale_in, slope_in = gate_factors(nets, j)
        for c in range(j * shape.size, (j + 1) * shape.size):
            (to_cell, to_gate), e_s = factors(nets, c, scale_in, slope_in), load(width, state.e_s, c)
            store(state.e_cell, c, to_cell * e_s)
            total = fma(to_gate, e_s, total)
        store(state.e_in, j, total)


@inlined
def update_hidden(nets, mask, now, measure):
    """(22), (26), (28) for gates, cells and hidden units, in the lanes where the mask holds.

    Changes `u` of the weights and, with `measure`, adds the squared changes to `norm` of the state.
    """
    width, shape, weights, state = nets.width, nets.shape, nets.weights, nets.state
    blocks, size, cells, sources, units = shape.blocks, shape.size, shape.cells, shape.sources, shape.units
    first_cell, first_gate = blocks, blocks + cells
    first_hidden = first_gate + shape.output_gates
    alpha = load(width, weights.alpha, 0)
    squares = load(width, state.norm, 0)
    for m in range(sources):
        z_m, bias = load(width, state.z, now + m), m == shape.inputs
        for j in range(0 if bias and not shape.gate_bias else blocks):
            total = splat(width, 0.0)
            for c in range(j * size, (j + 1) * size):
                total = fma(load(width, state.e_s, c), load(width, state.p_gate, c * sources + m), total)
            squares = change(width, weights.u, m * units + j, mask, alpha, total, squares, measure)
        for j in range(0 if bias and not shape.gate_bias else shape.output_gates):
            row, e_out = m * units + first_gate + j, alpha * load(width, state.e_out, j)
            squares = change(width, weights.u, row, mask, e_out, z_m, squares, measure)
        for c in range(0 if bias and not shape.cell_bias else cells):
            row, e_s = m * units + first_cell + c, alpha * load(width, state.e_s, c)
            squares = change(width, weights.u, row, mask, e_s, load(width, state.p_cell, c * sources + m), squares, measure)
        for i in range(0 if bias and not shape.hidden_bias else shape.hidden):
            row, e_i = m * units + first_hidden + i, alpha * load(width, state.e_hidden, i)
            squares = change(width, weights.u, row, mask, e_i, z_m, squares, measure)
    if measure:
        store_where(mask, state.norm, 0, squares)


@inlined
def change(width, weights, row, mask, x, y, squares, measure):
    """Add x y to one row of weights where the mask holds; the sums of the squared changes, if asked for."""
    store_where(mask, weights, row, fma(x, y, load(width, weights, row)))
    if measure:
        squares = fma(x * y, x * y, squares)
    return squares


@inlined
def reset_lane(nets, lane, states, partials):
    """Before a sequence: activations and cell states of one lane to zero, and its partials, each if asked for."""
    shape, state = nets.shape, nets.state
    if states:
        for first in range(0, (shape.wait + 1) * shape.rows, shape.rows):
            for row in range(first, first + shape.rows):
                if row != first + shape.inputs:
                    state.z[row, lane] = 0.0
        for c in range(shape.cells):
            state.s[c, lane] = 0.0
            state.h[c, lane] = 0.0
    if not partials:
        return
    for row in range(state.p_cell.shape[0]):
        state.p_cell[row, lane] = 0.0
    for row in range(state.p_gate.shape[0]):
        state.p_gate[row, lane] = 0.0
    for row in range(state.p_forget.shape[0]):
        state.p_forget[row, lane] = 0.0
    for row in range(state.p_peephole.shape[0]):
        state.p_peephole[row, lane] = 0.0
    clear_partials(nets, lane)
