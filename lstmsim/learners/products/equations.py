"""A recurrent net whose sources are products: its activations, its errors, and their gradient in blocks of steps.

With s = [y(t-1), 1] and v = [x(t), 1] each source is z_q(t) = s_l v_r for one pair (l, r), and a unit is

    y_k(t) = a_k y_k(t-1) + b_k f(net_k(t)),  net_k(t) = sum_q w_kq z_q(t).

Pairs (l, 1) and (1, r) alone make a net of first order, pairs (l, r) one of second order; (a, b) = (0, 1) are ordinary
units, (tau_k, 1 - tau_k) leaky ones, (1, |x(t) - x(t-1)|) units that go along the input's path. The gradient is that of
Schmidhuber (1992, Neural Computation 4, 243): the steps of a block are passed back, and what lies before it comes from the
partial derivatives dy_k/dw at its beginning. Blocks of one step are real-time recurrent learning, a block that holds the
sequence is back-propagation through time. Arrays are C-contiguous and changed in place.
"""

from __future__ import annotations

from lstmsim.kernels.arrays import Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic
from lstmsim.kernels.sequences import END, JUDGE, LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, load_at, store_at
from lstmsim.learners.optimiser import Optimiser, begin_change, change_trained, squares_of_trained
from lstmsim.learners.over_time import input_at, judged, over_time, write_hidden


class Shape(Struct):
    """Sizes of a net. Its first units are the outputs, unless it is layered; the hidden ones come last."""

    inputs: int
    symbols: bool  # inputs are one-hot and come as symbol numbers
    outputs: int
    units: int
    hidden: int
    fed: int  # units that are seen one step later
    first_fed: int
    sources: int
    layered: bool  # logistic outputs see the units of the same step
    quadratic: bool  # v has the products of two inputs too
    path: bool  # a = 1 and b = |x(t) - x(t-1)|, 0 at the first step
    scale: float  # f(x) = scale g(scale x) - (scale - 1), g logistic: 1 is g itself, 2 is tanh, 0 stands for f(x) = x
    start: float  # y(0) of the first unit that is seen


class Net(Struct):
    """Weights (source, unit), the time constants tau_k after the last source; output weights (unit and bias, output)."""

    left: Ints  # (source,) int: l
    right: Ints  # (source,) int: r
    w: Floats
    w_output: Floats
    trained: Floats  # 1.0 for weights that change
    trained_output: Floats
    g: Floats  # -dE/dw: the first row of `State.passed`
    g_output: Floats


class State(Struct):
    """What a net carries from step to step, and what the last step left behind."""

    y: Floats  # (unit,)
    net: Floats  # (unit,), padded to whole vectors
    squashed: Floats  # the same: g(scale net)
    before: Floats  # (input,): x(t-1)
    y_k: Floats  # (1, output), padded
    e_k: Floats  # (1, output), padded
    e: Floats  # (unit,): error that arrives at y
    delta: Floats  # (unit,): and at the net input
    norm: Floats  # (1,): squared norm of the last weight change
    rows: Ints  # (1,) int: steps of the block so far
    waiting: Ints  # (1,) int: targets since the last pass
    begun: Ints  # (1,) int: steps of the sequence, 0 or more
    p: Floats  # (unit, weight): dy_k/dw at the beginning of the block; no rows where the block is the sequence
    passed: Floats  # (1 + unit, weight): -dE/dw so far; then what the block adds to dy_k/dw


class History(Struct):
    """The steps of the running block."""

    s: Floats  # (step, fed + 1)
    v: Floats  # (step, input + 1)
    gain: Floats  # (step, unit): b_k f'(net_k)
    drift: Floats  # (step, unit): dy_k/dtau_k at constant y(t-1)
    back: Floats  # (step, unit): error arriving from the targets


class Nets(Struct):
    """A net and its rule."""

    shape: Shape
    net: Net
    state: State
    history: History
    optimiser: Optimiser
    length: int  # steps of a block; 0: the sequence
    horizon: int  # steps that each target's error is passed back, at once; 0: all of the block
    at_end: bool  # the weights change at the end of the sequence only


@inlined
def read(nets, sequences, clock, t):
    """Write s = [y(t-1), 1] and v = [x(t), 1] of a step to the history; returns |x(t) - x(t-1)|."""
    shape, state, history, n = nets.shape, nets.state, nets.history, nets.shape.inputs
    for j in range(shape.fed):
        history.s[t, j] = state.y[shape.first_fed + j]
    history.s[t, shape.fed] = 1.0
    length = 0.0
    for i in range(n):
        x = input_at(shape, sequences, clock, i)
        length += (x - state.before[i]) ** 2
        history.v[t, i] = state.before[i] = x
    if shape.quadratic:
        for i in range(n):
            for j in range(i, n):
                history.v[t, n + i * n - i * (i + 1) // 2 + j] = history.v[t, i] * history.v[t, j]
    history.v[t, history.v.shape[1] - 1] = 1.0
    state.begun[0] += 1
    return length**0.5 if state.begun[0] > 1 else 0.0


@inlined
def forward(nets, sequences, clock, t):
    """y_k(t) = a_k y_k(t-1) + b_k f(sum_q w_kq z_q(t)); what its derivatives need goes to row t of the history."""
    shape, net, state, history, sources = nets.shape, nets.net, nets.state, nets.history, nets.shape.sources
    length = read(nets, sequences, clock, t)
    for k in range(shape.units):
        state.net[k] = 0.0
    for q in range(sources):
        z = history.s[t, net.left[q]] * history.v[t, net.right[q]]
        if z != 0.0:
            for k in range(shape.units):
                state.net[k] += net.w[q, k] * z
    for k in range(0, state.net.size, 8):
        store_at(state.squashed, k, logistic(shape.scale * load_at(UNITS, state.net, k)))
    for k in range(shape.units):
        g, scale, tau = state.squashed[k], shape.scale, net.w[sources, k]
        f = scale * g - (scale - 1.0) if scale > 0.0 else state.net[k]
        slope = scale * scale * g * (1.0 - g) if scale > 0.0 else 1.0
        a, b = (1.0, length) if shape.path else (tau, 1.0 - tau)
        history.gain[t, k], history.drift[t, k] = b * slope, state.y[k] - f
        history.back[t, k] = 0.0
        state.y[k] = a * state.y[k] + b * f


@inlined
def outputs(nets):
    """y_k of the output units: those of the net itself, or f(sum_i w_ki y_i) of the output layer."""
    shape, net, state = nets.shape, nets.net, nets.state
    for k in range(shape.outputs):
        if not shape.layered:
            state.y_k[0, k] = state.y[k]
            continue
        total = net.w_output[shape.units, k]
        for i in range(shape.units):
            total += net.w_output[i, k] * state.y[i]
        state.y_k[0, k] = total
    if shape.layered:
        for k in range(0, state.y_k.size, 8):
            store_at(state.y_k, k, logistic(load_at(UNITS, state.y_k, k)))


@inlined
def errors(nets, targets, row, t):
    """(19) e_k = (d_k - y_k) times the output's slope, and what arrives at the units; adds to the outputs' gradient."""
    shape, net, state, history = nets.shape, nets.net, nets.state, nets.history
    for k in range(shape.outputs):
        y = state.y_k[0, k]
        difference = targets[row, k] - y
        if not shape.layered:
            state.e_k[0, k], history.back[t, k] = history.gain[t, k] * difference, difference
            continue
        e = y * (1.0 - y) * difference
        state.e_k[0, k] = e
        net.g_output[shape.units, k] += e
        for i in range(shape.units):
            net.g_output[i, k] += e * state.y[i]
            history.back[t, i] += net.w_output[i, k] * e
    state.waiting[0] += 1


@inlined
def predict(nets, sequences, scores, record, clock, t):
    """One step up to the errors, into row t of the history; returns the step's events."""
    forward(nets, sequences, clock, t)
    nets.state.norm[0] = 0.0
    if sequences.event[clock, 0] & (LEARN | JUDGE) or record.on[0]:
        outputs(nets)
    event = judged(nets.shape, nets.state, sequences, scores, record, clock)
    if event & LEARN:
        errors(nets, sequences.targets, sequences.learn[clock, 0], t)
    return event


@inlined
def pass_back(nets, rows, low, partials, share):
    """Pass the block's errors back, and where `partials` says so the derivatives of y(t) too.

    delta_k = b_k f'(net_k) e_k, -dE/dw_kq = sum_t delta_k z_q, e_l(t-1) = a_l e_l + sum_kq delta_k w_kq dz_q/dy_l,
    from step `rows` - 1 of the block down to `low`; then e(0) meets dy/dw at the beginning, of which `share` counts.
    """
    shape, net, state, history, sources = nets.shape, nets.net, nets.state, nets.history, nets.shape.sources
    units, e, delta, passed, p = shape.units, state.e, state.delta, state.passed, state.p
    for n in range(1 + units if partials else 1):
        for k in range(units):
            e[k] = 1.0 if k == n - 1 else 0.0
        if n > 0:
            for i in range(passed.shape[1]):
                passed[n, i] = 0.0
        for t in range(rows - 1, low - 1, -1):
            for k in range(units):
                if n == 0:
                    e[k] += history.back[t, k]
                passed[n, sources * units + k] += history.drift[t, k] * e[k]
                delta[k] = history.gain[t, k] * e[k]
                e[k] *= 1.0 if shape.path else net.w[sources, k]
            for q in range(sources):
                s, v, total = history.s[t, net.left[q]], history.v[t, net.right[q]], 0.0
                if v == 0.0:
                    continue
                for k in range(units):
                    passed[n, q * units + k] += delta[k] * (s * v)
                    total += net.w[q, k] * delta[k]
                if net.left[q] < shape.fed:
                    e[shape.first_fed + net.left[q]] += v * total
        if p.shape[0] > 0:
            for k in range(units):
                for i in range(passed.shape[1]):
                    passed[n, i] += share * e[k] * p[k, i]
    if partials:
        for k in range(units):
            for i in range(passed.shape[1]):
                p[k, i] = passed[1 + k, i]


@inlined
def update(nets):
    """Change the weights by what the optimiser makes of -dE/dw, time constants within 0 and 1."""
    net, optimiser, method, last = nets.net, nets.optimiser, nets.optimiser.method, nets.shape.sources
    squares = squares_of_trained(method, net.g, net.trained) + squares_of_trained(method, net.g_output, net.trained_output)
    begin_change(method, optimiser.now, 0, squares)
    squares = change_trained(optimiser, net.w, net.g, net.trained, 0)
    squares += change_trained(optimiser, net.w_output, net.g_output, net.trained_output, net.w.size)
    for k in range(nets.shape.units):
        net.w[last, k] = min(max(net.w[last, k], 0.0), 1.0)
    nets.state.norm[0] = squares


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step: activations and errors, and a pass back where one is due; see `lstmsim.learners.over_time`."""
    state, t = nets.state, nets.state.rows[0]
    event = predict(nets, sequences, scores, record, clock, t)
    if not track:
        state.waiting[0] = 0
        return
    state.rows[0] += 1
    at_once = nets.horizon > 0 and event & LEARN
    full = nets.length > 0 and t + 1 == nets.length
    if at_once or full or event & END:
        if state.waiting[0] or (full and not event & END):
            low = max(t + 1 - nets.horizon, 0) if nets.horizon else 0
            pass_back(nets, t + 1, low, full and not event & END, 1.0)
        if nets.horizon > 0:
            for k in range(nets.shape.units):
                nets.history.back[t, k] = 0.0
        if full:
            state.rows[0] = 0
        changed = nets.at_end and event & END
        if learn and (changed or (state.waiting[0] and not nets.at_end)):
            update(nets)
        state.waiting[0] = 0


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on: activations of the hidden units, norm of the change."""
    shape = nets.shape
    write_hidden(row, at, nets.state.y, shape.units - shape.hidden, shape.hidden, nets.state.norm, learn)


@inlined
def reset(nets):
    """Activations to zero but for the first unit that is seen, partial derivatives and gradient to zero."""
    shape, state = nets.shape, nets.state
    state.y[:] = 0.0
    if shape.fed > 0:
        state.y[shape.first_fed] = shape.start
    state.p[:] = 0.0
    state.passed[0] = 0.0
    nets.net.g_output[:] = 0.0
    state.rows[0] = state.waiting[0] = state.begun[0] = 0


advance = over_time(step, write, reset)
