"""Recurrent cascade-correlation: one pass over all training strings at a time, and Quickprop.

Fahlman, "The recurrent cascade-correlation architecture", NIPS 3, 1991; Fahlman, "An empirical study of learning speed in
back-propagation networks", CMU-CS-88-162, 1988. The strings stand one after another along `step`. Candidates lie along
the vector. Arrays are float64 unless said otherwise, and C-contiguous.
"""

from __future__ import annotations

import math

from lstmsim.kernels.arrays import Flags, Floats
from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.logistic import logistic
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, fma, load_at, splat, store_at


class Strings(Struct):
    """Strings one after another."""

    values: Floats  # (step, source): inputs, bias and hidden units in the order in which they joined
    first: Flags  # (step,) bool: the first step of a string
    targets: Floats  # (step, output)
    judged: Floats  # (step, output): what verdicts compare with


class Pool(Struct):
    """Candidates with the first `active` sources, and what a pass over the strings leaves of them."""

    weights: Floats  # (active + 1, candidate), self-weights last
    state: Floats  # (active + 2, candidate): D_i, D_s and V of the running step
    signs: Floats  # (output, candidate): signs of the scores of the pass before
    scores: Floats  # (output, candidate): S_o
    slopes: Floats  # (active + 1, candidate): of -sum_o |S_o|


class Quickprop(Struct):
    """Weights that Quickprop changes, and what it keeps from step to step."""

    weights: Floats  # (row, column)
    slopes: Floats  # (row, column): of the error
    before: Floats  # (row, column): slopes of the step before
    steps: Floats  # (row, column): the last change of each weight
    epsilon: float
    growth: float
    decay: float


@kernel
def unit_values(strings, weights, self_weight, column):
    """Write V(t) = f(sum_i w_i I_i(t) + w_s V(t-1)) of a hidden unit to a column of the values; V is 0 before each string.

    The unit sees the columns before its own; f is the logistic function less 1/2.
    """
    values, first, before = strings.values, strings.first, 0.0
    for t in range(values.shape[0]):
        if first[t]:
            before = 0.0
        net = self_weight * before
        for i in range(column):
            net += weights[i] * values[t, i]
        before = 1.0 / (1.0 + math.exp(-net)) - 0.5
        values[t, column] = before


@kernel
def output_pass(strings, active, weights, offset, errors, slopes, results):
    """Outputs y_o = f(sum_i w_oi I_i) at all steps: error signals, slopes of E = 1/2 sum (y - d)**2, a verdict per string.

    The outputs see the first `active` sources by `weights` (output, source). Written are `errors` (step, output), the
    signals (f' + offset)(y - d); `slopes` (output, source), their sums with I_i; and `results` (string, 4), each string
    against `judged`: largest |error|, mean |error|, mean squared error, and 1 if at every step the outputs above 0 in
    `judged` are the most active ones. Returns the sum of (y - d)**2.
    """
    values, first, targets, judged = strings.values, strings.first, strings.targets, strings.judged
    steps, outputs = targets.shape
    for o in range(outputs):
        for i in range(active):
            slopes[o, i] = 0.0
    string, count, total = -1, 0, 0.0
    for t in range(steps):
        if first[t]:
            string += 1
            count = 0
            results[string, 0] = results[string, 1] = results[string, 2] = 0.0
            results[string, 3] = 1.0
        worst, best = math.inf, -math.inf
        for o in range(outputs):
            net = 0.0
            for i in range(active):
                net += weights[o, i] * values[t, i]
            y = 1.0 / (1.0 + math.exp(-net))
            wrong = y - targets[t, o]
            total += wrong * wrong
            error = (y * (1.0 - y) + offset) * wrong
            errors[t, o] = error
            for i in range(active):
                slopes[o, i] += error * values[t, i]
            distance = abs(y - judged[t, o])
            results[string, 0] = max(results[string, 0], distance)
            results[string, 1] += distance
            results[string, 2] += distance * distance
            if judged[t, o] > 0.0:
                worst = min(worst, y)
            else:
                best = max(best, y)
        if not worst > best:
            results[string, 3] = 0.0
        count += outputs
        if t + 1 == steps or first[t + 1]:
            results[string, 1] /= count
            results[string, 2] /= count
    return total


@kernel
def centre(errors):
    """Take the mean of each output's signals from `errors` (step, output); returns the sum of their squares before."""
    total = 0.0
    for o in range(errors.shape[1]):
        mean = 0.0
        for t in range(errors.shape[0]):
            mean += errors[t, o]
            total += errors[t, o] * errors[t, o]
        mean /= errors.shape[0]
        for t in range(errors.shape[0]):
            errors[t, o] -= mean
    return total


@inlined
def forget(array, count, rows):
    """The first rows of an array (row, candidate) to zero."""
    for row in range(rows):
        for c in range(0, count, 8):
            store_at(array, row * count + c, splat(UNITS, 0.0))


@kernel
def candidate_pass(strings, active, errors, squares, pool):
    """Covariances S_o = sum_t V(t) (E_o(t) - mean E_o) / sum E**2 of all candidates, and slopes of -sum_o |S_o|.

    D_i(t) = f'(V)(I_i(t) + w_s D_i(t-1)) and D_s(t) = f'(V)(V(t-1) + w_s D_s(t-1)) are exact for one self-recurrent unit,
    f' = (1/2 + V)(1/2 - V); the slope takes the signs of S_o of the pass before. Changes state, scores and slopes of the
    pool. `errors` (step, output) have mean 0, `squares` is the sum of their squares before.
    """
    values, first, weights, state = strings.values, strings.first, pool.weights, pool.state
    signs, scores, slopes = pool.signs, pool.scores, pool.slopes
    steps, outputs = errors.shape
    count = weights.shape[1]
    forget(slopes, count, active + 1)
    forget(scores, count, outputs)
    for t in range(steps):
        if first[t]:
            forget(state, count, active + 2)
        for c in range(0, count, 8):
            self_weight = load_at(UNITS, weights, active * count + c)
            before = load_at(UNITS, state, (active + 1) * count + c)
            net = self_weight * before
            for i in range(active):
                net = fma(load_at(UNITS, weights, i * count + c), values[t, i], net)
            f = logistic(net)
            v, slope = f - 0.5, f * (1.0 - f)
            pull = splat(UNITS, 0.0)
            for o in range(outputs):
                error = errors[t, o] / squares
                at = o * count + c
                store_at(scores, at, fma(v, error, load_at(UNITS, scores, at)))
                pull = fma(load_at(UNITS, signs, at), error, pull)
            for i in range(active):
                at = i * count + c
                d = slope * fma(self_weight, load_at(UNITS, state, at), splat(UNITS, values[t, i]))
                store_at(state, at, d)
                store_at(slopes, at, load_at(UNITS, slopes, at) - pull * d)
            at = active * count + c
            d = slope * fma(self_weight, load_at(UNITS, state, at), before)
            store_at(state, at, d)
            store_at(slopes, at, load_at(UNITS, slopes, at) - pull * d)
            store_at(state, (active + 1) * count + c, v)


@kernel
def quickprop(net, rows, columns):
    """One Quickprop step on the first rows and columns of `net.weights`; `net.before` and `net.steps` change too.

    With s = slope + decay w, p the slope before and d the step before: the parabola through both slopes gives
    d s / (p - s), at most growth * d; gradient descent by epsilon is added as long as s points the way of d.
    """
    weights, before, steps, growth = net.weights, net.before, net.steps, net.growth
    shrink = growth / (1.0 + growth)
    for row in range(rows):
        for column in range(columns):
            w, d, p = weights[row, column], steps[row, column], before[row, column]
            s = net.slopes[row, column] + net.decay * w
            step = 0.0
            if d == 0.0 or d * s < 0.0:
                step = -net.epsilon * s
            if d < 0.0:
                step += growth * d if s >= shrink * p else d * s / (p - s)
            elif d > 0.0:
                step += growth * d if s <= shrink * p else d * s / (p - s)
            weights[row, column] = w + step
            steps[row, column] = step
            before[row, column] = s
