"""Optimisers of nets that stand one per lane: when they take the gradient that stands where changes go, in which lanes.

The equations are those of `lstmsim.learners.optimiser`. Functions take a `lstmsim.learners.lstm.structs.Nets`, whose weights
and optimiser they change in place.
"""

from __future__ import annotations

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.vector import UNITS, fma, lane_bits, lane_sum, load, lowest, select, splat, store_where
from lstmsim.learners.lstm.steps import apply_changes
from lstmsim.learners.optimiser import begin_change, change_rows, rates, rates_of


@inlined
def after_error(nets, mask):
    """Have the optimiser, if there is one, take an error's gradient, or let it wait, in the lanes where the mask holds."""
    if nets.optimiser.plain:
        return
    if nets.rule.update_at_end:
        store_where(mask, nets.optimiser.waits, 0, splat(nets.width, 1.0))
    else:
        _take(nets, mask)


@inlined
def at_end(nets, mask):
    """Let changes that wait for the end of the sequence take effect in the lanes where the mask holds."""
    if not nets.rule.update_at_end:
        return
    if not nets.optimiser.plain:
        _take(nets, select(mask, load(nets.width, nets.optimiser.waits, 0), 0.0) != 0.0)
        store_where(mask, nets.optimiser.waits, 0, splat(nets.width, 0.0))
        return
    lanes = lane_bits(mask)
    while lanes:
        apply_changes(nets.shape, nets.weights, lowest(lanes))
        lanes &= lanes - 1


@kernel
def take_waiting(nets, chosen):
    """`at_end` in the lanes in which `chosen`, shape (lane,), is not 0."""
    at_end(nets, load(nets.width, chosen, 0) != 0.0)


@inlined
def _take(nets, mask):
    """Change the weights by their gradients where the mask holds, to which `norm` of the state is set; gradients to zero."""
    width, shape, weights, state, optimiser = nets.width, nets.shape, nets.weights, nets.state, nets.optimiser
    method, now, lanes = optimiser.method, optimiser.now, lane_bits(mask)
    rows, peepholes = shape.sources * shape.units, 3 * shape.cells if shape.peepholes else 0
    each = shape.output_sources * shape.output_stride // 8  # rows of eight of a lane's output weights
    squares = _squares(width, weights.u_peephole, 0, peepholes, _squares(width, weights.u, 0, rows, splat(width, 0.0)))
    store_where(mask, state.norm, 0, squares)
    waiting = lanes
    while waiting:
        lane = lowest(waiting)
        waiting &= waiting - 1
        outputs = _squares(UNITS, weights.u_output, lane * each, (lane + 1) * each, splat(UNITS, 0.0))
        begin_change(method, now, lane, state.norm[lane] + lane_sum(outputs))
    given = rates(load(width, now, 0), load(width, now, 2), load(width, now, 3), load(width, now, 4))
    first, second = optimiser.first, optimiser.second
    squares = change_rows(method, width, mask, given, weights.w, weights.u, first, second, 0, rows, 0)
    w, u = weights.peephole, weights.u_peephole
    squares = squares + change_rows(method, width, mask, given, w, u, first, second, 0, peepholes, rows)
    store_where(mask, state.norm, 0, squares)
    _clear(width, mask, weights.u, 0, rows)
    _clear(width, mask, weights.u_peephole, 0, peepholes)
    everywhere, first, second = splat(UNITS, 1.0) != 0.0, optimiser.first_output, optimiser.second_output
    w, u = weights.w_output, weights.u_output
    while lanes:
        lane = lowest(lanes)
        lanes &= lanes - 1
        at, end = lane * each, (lane + 1) * each
        outputs = change_rows(method, UNITS, everywhere, rates_of(now, lane), w, u, first, second, at, end, 0)
        state.norm[lane] += lane_sum(outputs)
        _clear(UNITS, everywhere, u, at, end)


@inlined
def _squares(width, g, begin, end, total):
    """Add the squares of rows `begin` to `end` - 1 to a vector."""
    for row in range(begin, end):
        value = load(width, g, row)
        total = fma(value, value, total)
    return total


@inlined
def _clear(width, mask, g, begin, end):
    """Set rows `begin` to `end` - 1 to zero where the mask holds."""
    for row in range(begin, end):
        store_where(mask, g, row, splat(width, 0.0))
