"""Elman's procedure (Elman 1990): plain back-propagation, the context being a constant input; on one lane."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.sequences import LEARN
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.recurrent.equations import leave, output_source, see


@kernel
def advance(  # type: ignore[no-untyped-def]
    shape, net, state, alpha, momentum, sequences, scores, record, clock, until, learning, tracking
):
    """Step from `clock` until `until`, or until the lane needs attention; returns the clock reached."""
    while clock < until:
        event = see(shape, net, state, sequences, scores, record, clock)
        if learning and event & LEARN:
            update(shape, net, state, alpha, momentum)
        clock += 1
        if leave(shape, state, sequences, scores, record, clock - 1, learning):
            break
    return clock


@inlined
def update(shape, net, state, alpha, momentum):  # type: ignore[no-untyped-def]
    """dw_ij(n) = alpha f'(net_i) (sum_k w_ki e_k) z_j + momentum dw_ij(n-1); (22) with the same momentum for outputs.

    The last changes stand in the net's `u`.
    """
    stride, wide = shape.stride, shape.output_stride
    squares = splat(UNITS, 0.0)
    for i in range(shape.units):
        y = state.y[i]
        delta = alpha * y * (1.0 - y) * state.back[i]
        for j in range(0, stride, 8):
            at = i * stride + j
            change = fma(momentum, load_at(UNITS, net.u, at), delta * load_at(UNITS, state.z, j))
            store_at(net.u, at, change)
            store_at(net.w, at, load_at(UNITS, net.w, at) + change)
            squares = fma(change, change, squares)
    for m in range(shape.output_sources):
        y_m = alpha * output_source(shape, state, m)
        for k in range(0, wide, 8):
            at = m * wide + k
            change = fma(momentum, load_at(UNITS, net.u_output, at), y_m * load_at(UNITS, state.e_k, k))
            store_at(net.u_output, at, change)
            store_at(net.w_output, at, load_at(UNITS, net.w_output, at) + change)
            squares = fma(change, change, squares)
    state.norm[0] = lane_sum(squares)
