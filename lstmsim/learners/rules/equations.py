"""One step of the net, the same whatever the rule: activations, errors, signal, output layer, recorded row.

h = W z, z = [a(t-1), x(t), 1], a(t) = (1 - alpha) a(t-1) + alpha phi(h), alpha the units' leak.
"""

from __future__ import annotations

import numpy as np

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import exponential, logistic
from lstmsim.kernels.sequences import JUDGE, LEARN
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, magnitude, select, splat, store_at
from lstmsim.learners.optimiser import zero
from lstmsim.learners.over_time import judged
from lstmsim.learners.rules.structs import LOGISTIC, SOFTMAX

_VANISHED = 1e-150


@inlined
def cleared(x):
    """Return 0 for what has decayed below 1e-150: processors take a hundred times as long for numbers below 1e-308."""
    return select(magnitude(x) > _VANISHED, x, 0.0)


@inlined
def predict(core, sequences, scores, record, clock):
    """One step up to the signal: activations, judgement, errors where there is a target. Returns the step's events.

    Changes `core.state` and `scores` in place.
    """
    forward(core.shape, core.net, core.state, sequences, clock)
    return respond(core, sequences, scores, record, clock)


@inlined
def respond(core, sequences, scores, record, clock):
    """What follows from the activations, whatever the cell: outputs, judgement, errors. Returns the step's events.

    Changes `core.state` and `scores` in place.
    """
    shape, net, state = core.shape, core.net, core.state
    state.norm[0] = 0.0
    if core.shadow.every:
        core.shadow.found[:] = np.nan
    if sequences.event[clock, 0] & (LEARN | JUDGE) or record.on[0]:
        outputs(shape, net, state)
    event = judged(shape, state, sequences, scores, record, clock)
    if event & LEARN:
        errors(shape, net, state, sequences.targets, sequences.learn[clock, 0])
    return event


@inlined
def net_inputs(shape, state, w, z, i):
    """Net inputs h of the eight units from i on: sum_j w_ij z_j, of one-hot inputs one row; z is `state.z` or like it."""
    hidden, wide = shape.hidden, shape.wide
    total, other = splat(UNITS, 0.0), splat(UNITS, 0.0)
    even = hidden - hidden % 2
    for j in range(0, even, 2):  # two sums, so that one need not wait for the other
        total = fma(z[j], load_at(UNITS, w, j * wide + i), total)
        other = fma(z[j + 1], load_at(UNITS, w, (j + 1) * wide + i), other)
    if even < hidden:
        total = fma(z[even], load_at(UNITS, w, even * wide + i), total)
    if shape.symbols:
        other = other + load_at(UNITS, w, (hidden + state.symbol[0]) * wide + i)
    else:
        for j in range(hidden, hidden + shape.inputs):
            other = fma(z[j], load_at(UNITS, w, j * wide + i), other)
    end = hidden + shape.inputs
    return fma(z[end], load_at(UNITS, w, end * wide + i), total + other)


@inlined
def forward(shape, net, state, sequences, clock):
    """a(t) = (1 - alpha) a(t-1) + alpha phi(h), and d = alpha phi'(h)."""
    z, hidden = state.z, shape.hidden
    if shape.symbols:
        z[hidden + state.symbol[0]] = 0.0
        state.symbol[0] = sequences.symbol[clock, 0]
        z[hidden + state.symbol[0]] = 1.0
    else:
        for i in range(shape.inputs):
            z[hidden + i] = sequences.inputs[clock, i, 0]
    leak = shape.leak
    for i in range(0, shape.wide, 8):
        phi, slope = activation(shape, net_inputs(shape, state, net.w, z, i))
        mask = load_at(UNITS, state.unit_mask, i)
        store_at(state.slope, i, mask * leak * slope)
        before = load_at(UNITS, state.a, i)
        store_at(state.a, i, mask * fma(leak, phi, (1.0 - leak) * before))
    state.a[hidden] = 1.0 if shape.bias else 0.0


@inlined
def activation(shape, h):
    """Phi of h, the hyperbolic tangent or the logistic function, and its slope."""
    if shape.tanh:
        phi = fma(2.0, logistic(h + h), -1.0)
        slope = fma(-phi, phi, 1.0)
    else:
        phi = logistic(h)
        slope = fma(-phi, phi, phi)
    return phi, slope


@inlined
def outputs(shape, net, state):
    """y_k: of sum_m w_km a_m the logistic function, the softmax, or itself."""
    wide = shape.output_wide
    for k in range(shape.outputs):
        total = splat(UNITS, 0.0)
        for m in range(0, wide, 8):
            total = fma(load_at(UNITS, net.w_output, k * wide + m), load_at(UNITS, state.a, m), total)
        state.y_k[0, k] = lane_sum(total)
    if shape.output == LOGISTIC:
        for k in range(0, state.y_k.size, 8):
            store_at(state.y_k, k, logistic(load_at(UNITS, state.y_k, k)))
    elif shape.output == SOFTMAX:
        softmax(shape, state)


@inlined
def softmax(shape, state):
    """y_k = exp(net_k) / sum_l exp(net_l), shifted by the largest so that no sum overflows."""
    most = state.y_k[0, 0]
    for k in range(1, shape.outputs):
        most = max(most, state.y_k[0, k])
    total = 0.0
    for k in range(0, state.y_k.size, 8):
        part = load_at(UNITS, state.output_mask, k) * exponential(load_at(UNITS, state.y_k, k) - most)
        store_at(state.y_k, k, part)
        total += lane_sum(part)
    for k in range(0, state.y_k.size, 8):
        store_at(state.y_k, k, load_at(UNITS, state.y_k, k) / total)


@inlined
def errors(shape, net, state, targets, row):
    """e_k = -dL/dnet_k: d - y, times f' (19) of logistic outputs; q = sum_k w_ki e_k = -dL/da_i, or of random weights.

    L is half the squared error, with softmax outputs the cross-entropy.
    """
    wide = shape.output_wide
    for k in range(0, state.y_k.size, 8):
        y_k = load_at(UNITS, state.y_k, k)
        error = (load_at(UNITS, targets, row * state.y_k.size + k) - y_k) * load_at(UNITS, state.output_mask, k)
        store_at(state.e_k, k, y_k * (1.0 - y_k) * error if shape.output == LOGISTIC else error)
    for i in range(0, shape.wide, 8):
        back, other = splat(UNITS, 0.0), splat(UNITS, 0.0)
        for k in range(shape.outputs):
            back = fma(state.e_k[0, k], load_at(UNITS, net.w_output, k * wide + i), back)
            if shape.random_feedback:
                other = fma(state.e_k[0, k], load_at(UNITS, net.feedback, k * wide + i), other)
        mask = load_at(UNITS, state.unit_mask, i)
        store_at(state.back, i, mask * back)
        store_at(state.q, i, mask * (other if shape.random_feedback else back))


@inlined
def learn_outputs(core):
    """dw_km = alpha e_k a_m, or the sum of the gradient of the output weights where an optimiser waits for it.

    Changes `core.net` in place; begins the norm of this step's change.
    """
    shape, net, state, optimiser = core.shape, core.net, core.state, core.optimiser
    wide, alpha, squares = shape.output_wide, optimiser.now[0, 0], splat(UNITS, 0.0)
    for k in range(shape.outputs):
        e_k = state.e_k[0, k]
        for m in range(0, wide, 8):
            at = k * wide + m
            if optimiser.plain:
                change = alpha * e_k * load_at(UNITS, state.a, m)
                store_at(net.w_output, at, load_at(UNITS, net.w_output, at) + change)
                squares = fma(change, change, squares)
            else:
                store_at(net.g_output, at, fma(e_k, load_at(UNITS, state.a, m), load_at(UNITS, net.g_output, at)))
    state.norm[0] = lane_sum(squares)


@inlined
def jacobian(core):
    """J_km = (1 - alpha) delta_km + d_k w_km of this step, before the weights change; fills `core.state.jacobian`."""
    shape, state, w, wide = core.shape, core.state, core.net.w, core.shape.wide
    for m in range(shape.hidden):
        for k in range(0, wide, 8):
            at = m * wide + k
            store_at(state.jacobian, at, load_at(UNITS, state.slope, k) * load_at(UNITS, w, at))
        state.jacobian[m, m] += 1.0 - shape.leak


@inlined
def through_jacobian(core, vector, i):
    """Eight entries of J v from unit i on: (1 - alpha) v_k + d_k sum_m w_km v_m, for a vector of units."""
    shape, w, total = core.shape, core.net.w, splat(UNITS, 0.0)
    for m in range(shape.hidden):
        total = fma(vector[m], load_at(UNITS, w, m * shape.wide + i), total)
    return fma(load_at(UNITS, core.state.slope, i), total, (1.0 - shape.leak) * load_at(UNITS, vector, i))


@inlined
def carry(shape, state):
    """Make the activations sources of the next step."""
    for k in range(shape.hidden):
        state.z[k] = state.a[k]


@inlined
def norm_of(array):
    """Euclidean norm of an array, of any shape, padded to a multiple of 8."""
    total = splat(UNITS, 0.0)
    for at in range(0, array.size, 8):
        value = load_at(UNITS, array, at)
        total = fma(value, value, total)
    return lane_sum(total) ** 0.5


@inlined
def reset_activations(core):
    """Activations to zero, and the shadow, as before a sequence; changes `core.state` in place."""
    shape, state = core.shape, core.state
    for k in range(shape.hidden):
        state.z[k] = state.a[k] = 0.0
    zero(core.shadow.p)
    zero(core.shadow.total)


@inlined
def write_row(core, row, at, event, learn):
    """Fill a recorded row from column `at` on: hidden units, their errors or 0, norm of the change, comparison."""
    state, shadow = core.state, core.shadow
    shown = state.shown.size
    for r in range(shown):
        unit = state.shown[r]
        row[at + r] = state.a[unit]
        row[at + shown + r] = state.slope[unit] * state.q[unit] if event & LEARN else 0.0
    at += 2 * shown
    row[at] = state.norm[0] ** 0.5 if learn else 0.0
    if shadow.every:
        for n in range(shadow.found.size):
            row[at + 1 + n] = shadow.found[n]
