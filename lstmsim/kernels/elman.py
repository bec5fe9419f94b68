"""Elman's procedure (Elman 1990): plain back-propagation, the context being a constant input; on one lane."""

from __future__ import annotations

from lstmsim.kernels import inlined, kernel
from lstmsim.kernels.book import judge_step
from lstmsim.kernels.feed import END, JUDGE, LEARN
from lstmsim.kernels.lanes import UNITS, fma, lane_sum, load_at, splat, store_at
from lstmsim.kernels.recurrent import carry, close_step, errors, forward, output_source, outputs, reset, write_step


@kernel
def advance(  # type: ignore[no-untyped-def]
    shape, net, state, alpha, momentum, feed, book, record, clock, until, learning, tracking
):
    """Step from `clock` until `until`, or until the lane needs attention; returns the clock reached."""
    while clock < until:
        forward(shape, net, state, feed, clock)
        event, state.norm[0] = feed.event[clock, 0], 0.0
        if event & (LEARN | JUDGE) or record.on[0]:
            outputs(shape, net, state)
        if event & JUDGE:
            judge_step(shape, book, state, feed.targets, 0, feed.judge[clock, 0])
        if event & LEARN:
            errors(shape, net, state, feed.targets, feed.learn[clock, 0])
            if learning:
                update(shape, net, state, alpha, momentum)
        if record.on[0]:
            write_step(shape, state, record, feed, book.index[0], clock, learning)
        carry(shape, state)
        if event & END:
            reset(shape, state)
        clock += 1
        if close_step(feed, book, record, clock - 1):
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
