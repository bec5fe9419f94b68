"""Forget gates and peepholes, one trial per lane: what they change in (7)-(9) and (19)-(28).

Forget gates are those of Gers, Schmidhuber and Cummins (2000), peepholes those of Gers, Schraudolph and Schmidhuber (2002).
With f = y_f of the block, i = y_in, and a prime for f'(net) of a gate::

    net_in += sum_v p_in,v s_v(t-1);  net_f += sum_v p_f,v s_v(t-1);  net_out += sum_v p_out,v s_v(t)  v: the block's cells
    s_c = f s_c(t-1) + i g(net_c)                                                                      in place of (9)
    P <- f P + its term, for every partial P = ds_c/dw                                                 of (25) and (27)
    terms: g' i z_m (27);  g i' z_m (25);  s_c(t-1) f' z_m for the forget gate;  s_v(t-1) in place of z_m for a peephole

With live peepholes a weight of the block changes all its cell states, and all these go on through both gates::

    P_c <- f P_c + g i' sum_v p_in,v P_v + s_c(t-1) f' sum_v p_f,v P_v + its term;    e_s += p_out e_out

With cut ones both sums, and the last term, are left out. Without forget gates f is 1. Functions take a
`lstmsim.learners.lstm.structs.Nets`, whose state and weights they change in place.
"""

from __future__ import annotations

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic, logistic_slope
from lstmsim.kernels.vector import fma, load, splat, store, store_where
from lstmsim.learners.lstm.equations import change, factors, gate_factors, next_sources, squash_states, unit_activations


@inlined
def forward(nets, now, then):
    """(7)-(9) with forget gates and peepholes: one step, as `lstmsim.learners.lstm.equations.forward` makes it.

    Changes `before` of the state too.
    """
    width, shape, rule, state = nets.width, nets.shape, nets.rule, nets.state
    blocks, size, cells = shape.blocks, shape.size, shape.cells
    first_forget = shape.units - shape.forget_gates
    unit_activations(nets, now, 0, blocks + cells)
    unit_activations(nets, now, first_forget, shape.units)
    if shape.peepholes:
        _peepholes(nets, 0, 0, blocks)
        _peepholes(nets, first_forget, cells, shape.forget_gates)
    for j in range(blocks):
        y_in, y_forget = load(width, state.y, j), _forget_gate(nets, j)
        for c in range(j * size, (j + 1) * size):
            g, s = fma(load(width, state.y, blocks + c), rule.g_scale, 0.0 - rule.g_shift), load(width, state.s, c)
            store(state.before, c, s)
            store(state.s, c, fma(y_in, g, y_forget * s))
    unit_activations(nets, now, blocks + cells, first_forget)
    if shape.peepholes:
        _peepholes(nets, blocks + cells, 2 * cells, shape.output_gates)
    squash_states(nets)
    next_sources(nets, then)
    row = then + shape.inputs + 1 + blocks + shape.output_gates
    for j in range(shape.forget_gates if shape.gate_rows else 0):
        store(state.z, row + j, load(width, nets.weights.present, j) * load(width, state.y, first_forget + j))


@inlined
def _forget_gate(nets, j):
    """Activation of the forget gate of block j, one vector; 1 where there is none."""
    shape = nets.shape
    if shape.forget_gates:
        return load(nets.width, nets.state.y, shape.units - shape.blocks + j)
    return splat(nets.width, 1.0)


@inlined
def _peepholes(nets, first, weights, gates):
    """Add what comes through peepholes to the net inputs of gates, units `first` and after, and squash them anew (3)."""
    width, shape, state = nets.width, nets.shape, nets.state
    for j in range(gates):
        net = load(width, state.net, first + j)
        for c in range(j * shape.size, (j + 1) * shape.size):
            net = fma(load(width, nets.weights.peephole, weights + c), load(width, state.s, c), net)
        store(state.net, first + j, net)
        store(state.y, first + j, logistic(net))


@inlined
def terms(nets):
    """Factors of z_m in (27), (25) and in the forget gate's partials, g' i, g i' and s_c(t-1) f', to `factor`."""
    width, shape, state = nets.width, nets.shape, nets.state
    cells, size = shape.cells, shape.size
    for j in range(shape.blocks):
        scale_in, slope_in = gate_factors(nets, j)
        slope_forget = logistic_slope(_forget_gate(nets, j))  # 0 where there is none
        for c in range(j * size, (j + 1) * size):
            to_cell, to_gate = factors(nets, c, scale_in, slope_in)
            store(state.factor, c, to_cell)
            store(state.factor, cells + c, to_gate)
            store(state.factor, 2 * cells + c, slope_forget * load(width, state.before, c))


@inlined
def partials(nets, now):
    """P <- f P + its term for all partials: (27), (25), those of forget gates and of peepholes; their factors are known."""
    if nets.rule.live_peepholes:
        _live_partials(nets, now)
        return
    width, shape, state = nets.width, nets.shape, nets.state
    cells, size, sources, factor = shape.cells, shape.size, shape.sources, state.factor
    for j in range(shape.blocks):
        f = _forget_gate(nets, j)
        for c in range(j * size, (j + 1) * size):
            to_cell, to_gate = load(width, factor, c), load(width, factor, cells + c)
            to_forget = load(width, factor, 2 * cells + c)
            for m in range(sources):
                row, z_m = c * sources + m, load(width, state.z, now + m)
                store(state.p_cell, row, fma(to_cell, z_m, f * load(width, state.p_cell, row)))
                store(state.p_gate, row, fma(to_gate, z_m, f * load(width, state.p_gate, row)))
                if shape.forget_gates:
                    store(state.p_forget, row, fma(to_forget, z_m, f * load(width, state.p_forget, row)))
            for v in range(size if shape.peepholes else 0):
                row, s_v = c * size + v, load(width, state.before, j * size + v)
                store(state.p_peephole, row, fma(to_gate, s_v, f * load(width, state.p_peephole, row)))
                row += cells * size
                store(state.p_peephole, row, fma(to_forget, s_v, f * load(width, state.p_peephole, row)))


@inlined
def _live_partials(nets, now):
    """The same where peepholes are live; weights of cell c change the states of its block, c first, then in a circle."""
    width, shape, state = nets.width, nets.shape, nets.state
    cells, size, sources = shape.cells, shape.size, shape.sources
    none = splat(width, 0.0)
    for j in range(shape.blocks):
        first = j * size
        for m in range(sources):
            z_m = load(width, state.z, now + m)
            _move(nets, j, state.p_gate, first * sources + m, sources, first, z_m, none)
            if shape.forget_gates:
                _move(nets, j, state.p_forget, first * sources + m, sources, first, none, z_m)
            for c in range(first, first + size):
                row = c * size * sources + m
                _move(nets, j, state.p_cell, row, sources, c, none, none)
                store(state.p_cell, row, fma(load(width, state.factor, c), z_m, load(width, state.p_cell, row)))
        for v in range(size):
            s_v, row = load(width, state.before, first + v), first * size + v
            _move(nets, j, state.p_peephole, row, size, first, s_v, none)
            _move(nets, j, state.p_peephole, row + cells * size, size, first, none, s_v)


@inlined
def _move(nets, j, p, row, stride, start, to_in, to_forget):
    """P_c <- f P_c + g i' dnet_in + s_c(t-1) f' dnet_f for one weight and all cells of block j, from `start` in a circle.

    `to_in` and `to_forget` are the weight's own source where it leads to that gate, else 0.
    """
    width, shape, state, peephole = nets.width, nets.shape, nets.state, nets.weights.peephole
    cells, size, f = shape.cells, shape.size, _forget_gate(nets, j)
    c = start
    for v in range(size):
        p_v = load(width, p, row + v * stride)
        to_in = fma(load(width, peephole, c), p_v, to_in)
        to_forget = fma(load(width, peephole, cells + c), p_v, to_forget)
        c = c + 1 if c + 1 < (j + 1) * size else j * size
    for v in range(size):
        p_v = fma(load(width, state.factor, cells + c), to_in, f * load(width, p, row + v * stride))
        store(p, row + v * stride, fma(load(width, state.factor, 2 * cells + c), to_forget, p_v))
        c = c + 1 if c + 1 < (j + 1) * size else j * size


@inlined
def state_errors(nets):
    """e_s += p_out e_out, after (23) and (21), where peepholes are live."""
    width, shape, state = nets.width, nets.shape, nets.state
    for j in range(shape.output_gates if nets.rule.live_peepholes else 0):
        e_out = load(width, state.e_out, j)
        for c in range(j * shape.size, (j + 1) * shape.size):
            weight = load(width, nets.weights.peephole, 2 * shape.cells + c)
            store(state.e_s, c, fma(weight, e_out, load(width, state.e_s, c)))


@inlined
def errors_at_forget_gates(nets):
    """Error at a forget gate's net input, f' sum_c s_c(t-1) e_s, to `e_forget`; as (37), q = 0, for input gates."""
    width, shape, state = nets.width, nets.shape, nets.state
    for j in range(shape.forget_gates):
        total = splat(width, 0.0)
        for c in range(j * shape.size, (j + 1) * shape.size):
            total = fma(load(width, state.before, c), load(width, state.e_s, c), total)
        store(state.e_forget, j, logistic_slope(_forget_gate(nets, j)) * total)


@inlined
def update_hidden(nets, mask, now, measure):
    """(22), (26), (28) for gates, cells, hidden units and peepholes, in the lanes where the mask holds.

    Changes `u` and `u_peephole` of the weights and, with `measure`, adds the squared changes to `norm` of the state.
    """
    width, shape, weights, state = nets.width, nets.shape, nets.weights, nets.state
    blocks, size, cells, sources, units = shape.blocks, shape.size, shape.cells, shape.sources, shape.units
    first_gate, first_forget = blocks + cells, units - shape.forget_gates
    alpha, squares = load(width, weights.alpha, 0), load(width, state.norm, 0)
    for m in range(sources):
        z_m, bias, row = load(width, state.z, now + m), m == shape.inputs, m * units
        for j in range(0 if bias and not shape.gate_bias else blocks):
            total = _over_cells(nets, state.p_gate, j * size * sources + m, sources, j * size, j, size)
            squares = change(width, weights.u, row + j, mask, alpha, total, squares, measure)
            if shape.forget_gates:
                total = _over_cells(nets, state.p_forget, j * size * sources + m, sources, j * size, j, size)
                squares = change(width, weights.u, row + first_forget + j, mask, alpha, total, squares, measure)
            if shape.output_gates:
                e_out = alpha * load(width, state.e_out, j)
                squares = change(width, weights.u, row + first_gate + j, mask, e_out, z_m, squares, measure)
        for c in range(0 if bias and not shape.cell_bias else cells):
            total = _over_cells(nets, state.p_cell, c * shape.reach * sources + m, sources, c, c // size, shape.reach)
            squares = change(width, weights.u, row + blocks + c, mask, alpha, total, squares, measure)
        for i in range(0 if bias and not shape.hidden_bias else shape.hidden):
            u, e_i = first_gate + shape.output_gates + i, alpha * load(width, state.e_hidden, i)
            squares = change(width, weights.u, row + u, mask, e_i, z_m, squares, measure)
    for c in range(cells if shape.peepholes else 0):
        j, row = c // size, c // size * size * size + c % size
        total = _over_cells(nets, state.p_peephole, row, size, j * size, j, size)
        squares = change(width, weights.u_peephole, c, mask, alpha, total, squares, measure)
        if shape.forget_gates:
            total = _over_cells(nets, state.p_peephole, cells * size + row, size, j * size, j, size)
            squares = change(width, weights.u_peephole, cells + c, mask, alpha, total, squares, measure)
        if shape.output_gates:
            e_out, s = alpha * load(width, state.e_out, j), load(width, state.s, c)
            squares = change(width, weights.u_peephole, 2 * cells + c, mask, e_out, s, squares, measure)
    if measure:
        store_where(mask, state.norm, 0, squares)


@inlined
def _over_cells(nets, p, row, stride, start, j, count):
    """Sum of e_s P over `count` cells of block j, from cell `start` in a circle: what (26) and (28) multiply alpha with."""
    width, size, c, total = nets.width, nets.shape.size, start, splat(nets.width, 0.0)
    for v in range(count):
        total = fma(load(width, nets.state.e_s, c), load(width, p, row + v * stride), total)
        c = c + 1 if c + 1 < (j + 1) * size else j * size
    return total
