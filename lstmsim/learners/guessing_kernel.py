"""Random weight guessing: draw all weights of a recurrent net until it classifies every training sequence.

Schmidhuber and Hochreiter, "Guessing can outperform many long time lag algorithms", IDSIA-19-96, 1996.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.random import subkey, uniform

Array = Any


class Wiring(NamedTuple):
    """Connections of a net, unit by unit; sources are inputs, units and the bias, in this order. The output unit is last."""

    inputs: int
    units: int
    tanh: bool  # instead of the logistic function
    begins: Array  # (unit + 1,) int: first connection of each unit
    source: Array  # (connection,) int
    fixed: Array  # (connection,) weight that is not drawn, NaN for those that are


class Examples(NamedTuple):
    """Sequences one after another, with one target each."""

    inputs: Array  # (step, input)
    begins: Array  # (sequence + 1,) int
    targets: Array  # (sequence,)


@inlined
def _step(wiring, weights, z, before, inputs, t):  # type: ignore[no-untyped-def]
    """One step: hidden units from x(t) and all activations of t-1, then the output from those of t (its own of t-1)."""
    first, last = wiring.inputs, wiring.units - 1
    for i in range(wiring.inputs):
        z[i] = inputs[t, i]
    for u in range(wiring.units):
        net = 0.0
        for j in range(wiring.begins[u], wiring.begins[u + 1]):
            net += weights[j] * z[wiring.source[j]]
        y = math.tanh(net) if wiring.tanh else 1.0 / (1.0 + math.exp(-net))
        if u < last:
            before[u] = y
        else:
            z[first + u] = y
        if u == last - 1:
            for v in range(last):
                z[first + v] = before[v]


@inlined
def _clear(wiring, z):  # type: ignore[no-untyped-def]
    """Activations to zero, the bias to one."""
    for u in range(wiring.units):
        z[wiring.inputs + u] = 0.0
    z[wiring.inputs + wiring.units] = 1.0


@inlined
def _error(wiring, weights, z, before, data, n):  # type: ignore[no-untyped-def]
    """Absolute error of the output at the end of sequence n."""
    _clear(wiring, z)
    for t in range(data.begins[n], data.begins[n + 1]):
        _step(wiring, weights, z, before, data.inputs, t)
    return abs(data.targets[n] - z[wiring.inputs + wiring.units - 1])


@kernel
def search(wiring, data, key, scale, tolerance, draw, until, best, weights, z, before, steps):  # type: ignore[no-untyped-def]
    """Try draws number `draw` to `until - 1` and return the first that has more than `best` sequences right, or `until`.

    Sequences are tried in order up to the first that is wrong; `weights` then holds the draw, steps[0] grows by the steps
    taken. Each weight is uniform in [-scale, scale], number j of a draw from draw j of the draw's own key.
    """
    while draw < until:
        own = subkey(key, draw)
        for j in range(weights.size):
            drawn = math.isnan(wiring.fixed[j])
            weights[j] = scale * (2.0 * uniform(own, j) - 1.0) if drawn else wiring.fixed[j]
        right = 0
        for n in range(data.targets.size):
            steps[0] += data.begins[n + 1] - data.begins[n]
            if not _error(wiring, weights, z, before, data, n) < tolerance:
                break
            right += 1
        if right > best:
            return draw
        draw += 1
    return until


@kernel
def follow(wiring, weights, data, n, z, before, activations):  # type: ignore[no-untyped-def]
    """Write the activations of all units at each step of sequence n, shape (step, unit)."""
    _clear(wiring, z)
    start = data.begins[n]
    for t in range(start, data.begins[n + 1]):
        _step(wiring, weights, z, before, data.inputs, t)
        for u in range(wiring.units):
            activations[t - start, u] = z[wiring.inputs + u]
