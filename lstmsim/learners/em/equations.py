"""A net of states whose transitions depend on the input, trained by expectation maximisation ([29] of the 1997 paper).

Bengio and Frasconi (1994): the net is in one of n states; the input decides how likely each state follows each other one,

    a_i(t) = sum_j phi_ij(x(t)) a_j(t-1),  phi_ij(x) = exp(w_ij x~) / sum_l exp(w_lj x~),  x~ = [x, 1],

and a sequence says in which state it should have ended. Back from there b_j(t-1) = sum_i phi_ij b_i(t) gives the
probability a_j(t-1) phi_ij b_i(t) that the net went from j to i at t, given the target. Of what these weigh,
Q = sum_t sum_ij xi_ij(t) log phi_ij(x(t)), no closed form has the maximum; but Q lies above a quadratic function with
the same value and slope (Boehning 1992), whose maximum is a step

    dw_ijm = 2 G_ijm / D_jm,  G = sum_t (xi_ij - phi_ij sum_l xi_lj) x~_m,  D = sum_t sum_i xi_ij |x~_m| sum_m' |x~_m'|.

Twice that step leaves Q where it was, and a shorter one raises it, so the likelihood of the sequences does not fall.
"""

from __future__ import annotations

from typing import Any

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import exponential
from lstmsim.kernels.random import log
from lstmsim.kernels.scores import judge_step
from lstmsim.kernels.sequences import END, JUDGE, LEARN
from lstmsim.kernels.streams import join
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.over_time import over_time

Array = Any


class Shape(Struct):
    """Sizes of a net."""

    inputs: int
    symbols: bool  # inputs are one-hot and come as symbol numbers
    outputs: int
    states: int
    wide: int  # padded number of states


class State(Struct):
    """What a net carries from step to step, and what the last step left behind."""

    w: Array  # (source, from, to), padded
    a: Array  # (to,), padded
    mask: Array  # (to,): 1.0 for states, 0.0 for padding
    b: Array  # (to,): what arrives from the targets
    before: Array  # (to,): the same, one step earlier
    y_k: Array  # (1, output), padded
    e_k: Array  # (1, output), padded
    norm: Array  # (1,): squared norm of the last weight change
    log_likelihood: Array  # (1,)
    waiting: Array  # (1,) int: targets of the running sequence
    seen: Array  # (1,) int: sequences with a target since the last change
    G: Array  # (source, from, to): slope of the log likelihood
    D: Array  # (source, from): half the curvature of its bound


class History(Struct):
    """The running sequence so far."""

    x: Array  # (step, source)
    a: Array  # (step, from): a(t-1)
    phi: Array  # (step, from, to)
    e: Array  # (step, to): slope of the target's log likelihood by a(t)


class Nets(Struct):
    """A net, the running sequence and the rule."""

    shape: Shape
    state: State
    history: History
    share: float
    batch: int


@inlined
def forward(nets, sequences, clock, t):
    """a_i(t) = sum_j phi_ij(x(t)) a_j(t-1), phi the softmax of w x~; both are kept in row t of the history."""
    shape, state, history, n, wide = nets.shape, nets.state, nets.history, nets.shape.states, nets.shape.wide
    for m in range(shape.inputs):
        if shape.symbols:
            history.x[t, m] = 1.0 if sequences.symbol[clock, 0] == m else 0.0
        else:
            history.x[t, m] = sequences.inputs[clock, m, 0]
    history.x[t, shape.inputs] = 1.0
    for i in range(0, wide, 8):
        store_at(state.b, i, splat(UNITS, 0.0))
        store_at(history.e, t * wide + i, splat(UNITS, 0.0))
    for j in range(n):
        row = (t * n + j) * wide
        history.a[t, j] = state.a[j]
        for i in range(0, wide, 8):
            store_at(history.phi, row + i, splat(UNITS, 0.0))
        for m in range(shape.inputs + 1):
            x = history.x[t, m]
            if x != 0.0:
                for i in range(0, wide, 8):
                    value = fma(x, load_at(UNITS, state.w, (m * n + j) * wide + i), load_at(UNITS, history.phi, row + i))
                    store_at(history.phi, row + i, value)
        largest, total = history.phi[t, j, 0], splat(UNITS, 0.0)
        for i in range(1, n):
            largest = max(largest, history.phi[t, j, i])
        for i in range(0, wide, 8):
            value = load_at(UNITS, state.mask, i) * exponential(load_at(UNITS, history.phi, row + i) - largest)
            store_at(history.phi, row + i, value)
            total = total + value
        whole = 1.0 / lane_sum(total)
        for i in range(0, wide, 8):
            value = whole * load_at(UNITS, history.phi, row + i)
            store_at(history.phi, row + i, value)
            store_at(state.b, i, fma(state.a[j], value, load_at(UNITS, state.b, i)))
    for i in range(wide):
        state.a[i] = state.b[i]
    for k in range(shape.outputs):
        state.y_k[0, k] = state.a[k] if shape.outputs > 1 else 0.5 + 0.5 * (state.a[0] - state.a[1])


@inlined
def aim(nets, targets, row, t):
    """L = sum_i e_i a_i(t), e_i = d_i for the outputs' states, or d and 1 - d; d log L / da(t) goes to the history."""
    shape, state, history, likelihood = nets.shape, nets.state, nets.history, 0.0
    for k in range(shape.outputs):
        d = targets[row, k]
        state.e_k[0, k] = d - state.y_k[0, k]
        d = min(max(d, 0.0), 1.0)
        history.e[t, k] = d
        likelihood += d * state.a[k]
        if shape.outputs == 1:
            history.e[t, 1] = 1.0 - d
            likelihood += (1.0 - d) * state.a[1]
    likelihood = max(likelihood, 1e-300)
    state.log_likelihood[0] = log(likelihood)
    for i in range(max(shape.outputs, 2)):
        history.e[t, i] /= likelihood
    state.waiting[0] += 1


@inlined
def expect(nets, last):
    """b_j(t-1) = sum_i phi_ij b_i(t) from step `last` down; adds to G and D, where xi_ij = a_j(t-1) phi_ij b_i(t)."""
    shape, state, history, n, wide = nets.shape, nets.state, nets.history, nets.shape.states, nets.shape.wide
    for i in range(wide):
        state.b[i] = 0.0
    for t in range(last, -1, -1):
        length = 0.0
        for m in range(shape.inputs + 1):
            length += abs(history.x[t, m])
        for i in range(0, wide, 8):
            store_at(state.b, i, load_at(UNITS, state.b, i) + load_at(UNITS, history.e, t * wide + i))
        for j in range(n):
            row, total, a = (t * n + j) * wide, splat(UNITS, 0.0), history.a[t, j]
            for i in range(0, wide, 8):
                total = fma(load_at(UNITS, history.phi, row + i), load_at(UNITS, state.b, i), total)
            b = lane_sum(total)
            state.before[j] = b
            for m in range(shape.inputs + 1):
                x = history.x[t, m]
                if x != 0.0 and a != 0.0:
                    state.D[m, j] += a * b * abs(x) * length
                    for i in range(0, wide, 8):
                        slope = load_at(UNITS, history.phi, row + i) * (load_at(UNITS, state.b, i) - b)
                        at = (m * n + j) * wide + i
                        store_at(state.G, at, fma(a * x, slope, load_at(UNITS, state.G, at)))
        for j in range(n):
            state.b[j] = state.before[j]
    state.waiting[0] = 0
    state.seen[0] += 1


@inlined
def maximise(nets):
    """dw_ijm = share 2 G_ijm / D_jm; sums begin anew."""
    shape, state, squares = nets.shape, nets.state, 0.0
    for m in range(shape.inputs + 1):
        for j in range(shape.states):
            scale = 2.0 * nets.share / state.D[m, j] if state.D[m, j] > 0.0 else 0.0
            for i in range(shape.states):
                change = scale * state.G[m, j, i]
                state.w[m, j, i] += change
                squares += change * change
                state.G[m, j, i] = 0.0
            state.D[m, j] = 0.0
    state.norm[0], state.seen[0] = squares, 0


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step, and at a sequence's end the posteriors and a change where one is due; see `lstmsim.learners.over_time`."""
    shape, state, t, event = nets.shape, nets.state, record.tick[0] - record.begun[0], sequences.event[clock, 0]
    forward(nets, sequences, clock, t)
    state.norm[0] = state.log_likelihood[0] = 0.0
    if event & JUDGE:
        judge_step(shape, scores, state, sequences.targets, 0, sequences.judge[clock, 0])
        join(scores, record, sequences, 0, clock, record.tick[0])
        event = sequences.event[clock, 0]
    if event & LEARN:
        aim(nets, sequences.targets, sequences.learn[clock, 0], t)
    if learn and event & END and state.waiting[0]:
        expect(nets, t)
        if state.seen[0] == nets.batch:
            maximise(nets)


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on: probabilities of the states, log likelihood, norm of the change."""
    n = nets.shape.states
    for i in range(n):
        row[at + i] = nets.state.a[i]
    row[at + n] = nets.state.log_likelihood[0]
    row[at + n + 1] = nets.state.norm[0] ** 0.5 if learn else 0.0


@inlined
def reset(nets):
    """The net is in its last state, as before every sequence."""
    for i in range(nets.shape.wide):
        nets.state.a[i] = 1.0 if i == nets.shape.states - 1 else 0.0
    nets.state.waiting[0] = 0


advance = over_time(step, write, reset)
