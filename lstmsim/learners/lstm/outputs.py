"""The LSTM's outputs, one lane at a time with the outputs along the vector: activations, errors (19), changes (22)."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import logistic, logistic4, logistic_slope
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, load_one, splat, store_at


@inlined
def _output_sources(nets, lane, now, then):
    """Activations that the outputs of one lane see, to `source`: inputs, the bias, cells and hidden units of this step."""
    shape, state = nets.shape, nets.state
    hidden, bias = then + shape.inputs + 1 + shape.gate_rows, shape.output_inputs
    for i in range(shape.output_inputs):
        state.source[lane, i] = state.z[now + i, lane]
    state.source[lane, bias] = 1.0 if shape.output_bias else 0.0
    for c in range(shape.cells):
        state.source[lane, bias + 1 + c] = state.z[hidden + shape.hidden + c, lane]
    for i in range(shape.hidden):
        state.source[lane, bias + 1 + shape.cells + i] = state.z[hidden + i, lane]


@inlined
def _first_output_source(shape):
    """Number of the first source that the outputs have: the bias, always 0 where there is none, need not be visited."""
    return 0 if shape.output_inputs > 0 or shape.output_bias else 1


@inlined
def outputs(nets, lane, now, then):
    """y_k = f(sum_m w_km y_m) of one lane, to `y_k`, outputs along the vector; a load of y_m and a division serve 32."""
    shape, rule, weights, state = nets.shape, nets.rule, nets.weights, nets.state
    wide, rows, first = shape.output_stride, shape.output_sources, _first_output_source(shape)
    _output_sources(nets, lane, now, then)
    source, weight, y = lane * rows, lane * rows * wide, lane * wide
    direct = (lane * shape.symbols + state.symbol[lane]) * wide
    k = 0
    while rule.logistic_output and k + 32 <= wide:
        a, b, c, d = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
        if shape.output_symbols:
            a = load_at(UNITS, weights.w_output_symbol, direct + k)
            b = load_at(UNITS, weights.w_output_symbol, direct + k + 8)
            c = load_at(UNITS, weights.w_output_symbol, direct + k + 16)
            d = load_at(UNITS, weights.w_output_symbol, direct + k + 24)
        for m in range(first, rows):
            y_m, at = load_one(UNITS, state.source, source + m), weight + m * wide + k
            a = fma(load_at(UNITS, weights.w_output, at), y_m, a)
            b = fma(load_at(UNITS, weights.w_output, at + 8), y_m, b)
            c = fma(load_at(UNITS, weights.w_output, at + 16), y_m, c)
            d = fma(load_at(UNITS, weights.w_output, at + 24), y_m, d)
        a, b, c, d = logistic4(a, b, c, d)
        store_at(state.y_k, y + k, a)
        store_at(state.y_k, y + k + 8, b)
        store_at(state.y_k, y + k + 16, c)
        store_at(state.y_k, y + k + 24, d)
        k += 32
    while k < wide:
        total = splat(UNITS, 0.0)
        if shape.output_symbols:
            total = load_at(UNITS, weights.w_output_symbol, direct + k)
        for m in range(first, rows):
            y_m = load_one(UNITS, state.source, source + m)
            total = fma(load_at(UNITS, weights.w_output, weight + m * wide + k), y_m, total)
        if rule.logistic_output:
            total = logistic(total)
        store_at(state.y_k, y + k, total)
        k += 8


@inlined
def output_errors(nets, lane, targets, row):
    """(19) e_k = f'(net_k)(d_k - y_k), to `e_k`, and what reaches cells and hidden units, sum_k w_k. e_k, to `back`."""
    shape, rule, weights, state = nets.shape, nets.rule, nets.weights, nets.state
    wide, sources = shape.output_stride, shape.output_sources
    y, target, weight = lane * wide, row * wide, (lane * sources + shape.output_inputs + 1) * wide
    total = splat(UNITS, 0.0)
    for k in range(0, wide, 8):
        y_k = load_at(UNITS, state.y_k, y + k)
        e_k = (load_at(UNITS, targets, target + k) - y_k) * load_at(UNITS, weights.error_factor, k)
        if rule.logistic_output and rule.error_derivative:
            e_k = logistic_slope(y_k) * e_k
        store_at(state.e_k, y + k, e_k)
        total = fma(load_at(UNITS, weights.w_output, weight + k), e_k, total)
    state.back[0, lane] = lane_sum(total)
    for c in range(1, shape.cells + shape.hidden):
        weight, total = weight + wide, splat(UNITS, 0.0)
        for k in range(0, wide, 8):
            total = fma(load_at(UNITS, weights.w_output, weight + k), load_at(UNITS, state.e_k, y + k), total)
        state.back[c, lane] = lane_sum(total)


@inlined
def update_outputs(nets, lane, measure):
    """(22) for the output units of one lane: dw_km = alpha e_k y_m; with `measure` begins `norm` of this step."""
    shape, weights, state = nets.shape, nets.weights, nets.state
    wide, rows, alpha = shape.output_stride, shape.output_sources, weights.alpha[lane]
    errors, total = lane * wide, 0.0
    for m in range(_first_output_source(shape), rows):
        y_m = state.source[lane, m]
        _update_row(weights.u_output, (lane * rows + m) * wide, alpha * y_m, state.e_k, errors, wide)
        total += y_m * y_m
    if shape.output_symbols:
        weight = (lane * shape.symbols + state.symbol[lane]) * wide
        _update_row(weights.u_output_symbol, weight, alpha, state.e_k, errors, wide)
        total += 1.0
    if measure:
        squares = splat(UNITS, 0.0)
        for k in range(errors, errors + wide, 8):
            change = alpha * load_at(UNITS, state.e_k, k)
            squares = fma(change, change, squares)
        state.norm[lane] = lane_sum(squares) * total


@inlined
def _update_row(weights, at, factor, errors, first, wide):
    """Add e_k times a factor to the weights from one source."""
    for k in range(0, wide, 8):
        store_at(weights, at + k, fma(load_at(UNITS, errors, first + k), factor, load_at(UNITS, weights, at + k)))
