"""Real-time recurrent learning (Robinson and Fallside 1987; Williams and Zipser 1989) on one lane."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.sequences import END, LEARN
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.recurrent.equations import apply_changes, leave, see, update_outputs


@kernel
def advance(  # type: ignore[no-untyped-def]
    shape, net, state, p, column, alpha, at_end, forcing, sequences, scores, record, clock, until, learning, tracking
):
    """Step from `clock` until `until`, or until the lane needs attention; returns the clock reached.

    With `tracking` the sensitivities are kept, with `learning` weights change too: at once, or with `at_end` at the end
    of the sequence. With `forcing` targets take the place of the outputs as sources of the next step.
    """
    while clock < until:
        event = see(shape, net, state, sequences, scores, record, clock)
        if tracking:
            sensitivities(shape, net, state, p, column)
        if learning and event & LEARN:
            update_outputs(shape, net, state, alpha, record.on[0])
            update_units(shape, net, state, p, alpha, record.on[0])
        if learning and at_end and event & END:
            apply_changes(net)
        clock += 1
        attention = leave(shape, state, sequences, scores, record, clock - 1, learning)
        if event & END:
            forget(p)
        elif forcing and tracking and event & LEARN:
            force(shape, state, p, sequences.targets, sequences.learn[clock - 1, 0])
        if attention:
            break
    return clock


@inlined
def sensitivities(shape, net, state, p, column):  # type: ignore[no-untyped-def]
    """p^k_ij(t) = f'(net_k) [sum_l w_kl p^l_ij(t-1) + delta_ik z_j(t)], where p^k_ij = dy_k/dw_ij.

    For one unit i and eight sources j the values of all k stand together: (unit i, source j / 8, unit k, 8).
    """
    units, stride = shape.units, shape.stride
    for i in range(units):
        for j in range(0, stride, 8):
            block = (i * stride + j) * units
            k = 0
            while k + 4 <= units:  # four at a time, so that one load of p serves four
                a, b, c, d = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
                for m in range(units):
                    p_m = load_at(UNITS, p, block + 8 * m)
                    a = fma(net.w[k, m], p_m, a)
                    b = fma(net.w[k + 1, m], p_m, b)
                    c = fma(net.w[k + 2, m], p_m, c)
                    d = fma(net.w[k + 3, m], p_m, d)
                store_at(column, 8 * k, a)
                store_at(column, 8 * k + 8, b)
                store_at(column, 8 * k + 16, c)
                store_at(column, 8 * k + 24, d)
                k += 4
            while k < units:
                a = splat(UNITS, 0.0)
                for m in range(units):
                    a = fma(net.w[k, m], load_at(UNITS, p, block + 8 * m), a)
                store_at(column, 8 * k, a)
                k += 1
            store_at(column, 8 * i, load_at(UNITS, column, 8 * i) + load_at(UNITS, state.z, j))
            for k in range(units):
                y = state.y[k]
                store_at(p, block + 8 * k, y * (1.0 - y) * load_at(UNITS, column, 8 * k))


@inlined
def update_units(shape, net, state, p, alpha, measure):  # type: ignore[no-untyped-def]
    """dw_ij = alpha sum_k (d_k - y_k) p^k_ij; in a layered net the sum runs over the errors at the hidden units."""
    units, stride = shape.units, shape.stride
    taught = units if shape.layered else shape.outputs
    squares = splat(UNITS, 0.0)
    for i in range(units):
        for j in range(0, stride, 8):
            block, at = (i * stride + j) * units, i * stride + j
            change = splat(UNITS, 0.0)
            for k in range(taught):
                change = fma(state.back[k], load_at(UNITS, p, block + 8 * k), change)
            change = alpha * change
            store_at(net.u, at, load_at(UNITS, net.u, at) + change)
            if measure:
                squares = fma(change, change, squares)
    if measure:
        state.norm[0] += lane_sum(squares)


@inlined
def force(shape, state, p, targets, row):  # type: ignore[no-untyped-def]
    """Teacher forcing: outputs are replaced by their targets, which depend on no weight."""
    units, stride = shape.units, shape.stride
    for k in range(shape.outputs):
        state.z[k] = targets[row, k]
        for at in range(0, units * stride, 8):
            store_at(p, at * units + 8 * k, splat(UNITS, 0.0))


@inlined
def forget(p):  # type: ignore[no-untyped-def]
    """Sensitivities to zero, as before every sequence."""
    for at in range(0, p.size, 8):
        store_at(p, at, splat(UNITS, 0.0))
