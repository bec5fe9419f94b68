"""Back-propagation through time (Werbos 1988; Williams and Peng 1990), full or truncated, on one lane."""

from __future__ import annotations

from typing import Any, NamedTuple

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.sequences import END, LEARN
from lstmsim.kernels.vector import UNITS, fma, load_at, splat, store_at
from lstmsim.learners.recurrent.equations import apply_changes, leave, see, update_outputs

Array = Any


class History(NamedTuple):
    """The running sequence so far."""

    z: Array  # (step, source)
    y: Array  # (step, unit)
    back: Array  # (step, unit): error arriving at y from this step's targets
    carried: Array  # (unit,): and from later steps
    delta: Array  # (unit,): error at the net input
    waiting: Array  # (1,) int: steps with a target since the last pass


@kernel
def advance(  # type: ignore[no-untyped-def]
    shape, net, state, history, alpha, horizon, interval, sequences, scores, record, clock, until, learning, tracking
):
    """Step from `clock` until `until`, or until the lane needs attention; returns the clock reached.

    A pass back over the last `horizon` steps (0: to the beginning) is made every `interval` steps (0: never), and at the
    end of the sequence, for the errors since the previous pass; then the weights change.
    """
    while clock < until:
        event, t = see(shape, net, state, sequences, scores, record, clock), record.tick[0] - record.begun[0]
        if learning:
            if event & LEARN:
                update_outputs(shape, net, state, alpha, False)
            remember(shape, state, history, t, event & LEARN)
            if history.waiting[0] and (event & END or (interval and (t + 1) % interval == 0)):
                first = t - t % interval if interval else 0
                pass_back(shape, net, history, alpha, t, first, max(t + 1 - horizon, 0) if horizon else 0)
                state.norm[0] = apply_changes(net)
        clock += 1
        if leave(shape, state, sequences, scores, record, clock - 1, learning):
            break
    return clock


@inlined
def remember(shape, state, history, t, learns):  # type: ignore[no-untyped-def]
    """Keep the step's sources, activations and errors."""
    for j in range(0, shape.stride, 8):
        store_at(history.z, t * shape.stride + j, load_at(UNITS, state.z, j))
    for k in range(0, shape.first_input, 8):
        at = t * shape.first_input + k
        store_at(history.y, at, load_at(UNITS, state.y, k))
        store_at(history.back, at, load_at(UNITS, state.back, k) if learns else splat(UNITS, 0.0))
    if learns:
        history.waiting[0] += 1


@inlined
def pass_back(shape, net, history, alpha, last, first, low):  # type: ignore[no-untyped-def]
    """delta_k(t) = f'(net_k(t)) (e_k(t) + sum_l w_lk delta_l(t+1)) and dw_kj = alpha sum_t delta_k(t) z_j(t).

    t runs from `last` down to `low`; errors of the steps from `first` on are injected.
    """
    units, wide, stride = shape.units, shape.first_input, shape.stride
    for k in range(0, wide, 8):
        store_at(history.carried, k, splat(UNITS, 0.0))
    for t in range(last, low - 1, -1):
        for k in range(0, wide, 8):
            y, back = load_at(UNITS, history.y, t * wide + k), load_at(UNITS, history.carried, k)
            if t >= first:
                back = back + load_at(UNITS, history.back, t * wide + k)
            store_at(history.delta, k, y * (1.0 - y) * back)
            store_at(history.carried, k, splat(UNITS, 0.0))
        for k in range(units):
            delta = history.delta[k]
            for j in range(0, stride, 8):
                at = k * stride + j
                store_at(net.u, at, fma(alpha * delta, load_at(UNITS, history.z, t * stride + j), load_at(UNITS, net.u, at)))
            for j in range(0, wide, 8):
                back = load_at(UNITS, history.carried, j)
                store_at(history.carried, j, fma(delta, load_at(UNITS, net.w, k * stride + j), back))
    history.waiting[0] = 0
