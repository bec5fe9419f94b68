"""A recurrent net whose weights are searched without a gradient: its activations, its cost, and draws until a better one.

Weight guessing, multigrid random search and simulated annealing go by the same cost, the final errors on a fixed set.
"""

from __future__ import annotations

import math

from lstmsim.kernels.arrays import Floats, Ints
from lstmsim.kernels.compile import inlined, kernel
from lstmsim.kernels.random import subkey, uniform
from lstmsim.kernels.struct import Struct


class Wiring(Struct):
    """Connections of a net, unit by unit; sources are inputs, units and the bias, in this order. The output unit is last."""

    inputs: int
    units: int
    tanh: bool  # instead of the logistic function
    begins: Ints  # (unit + 1,) int: first connection of each unit
    source: Ints  # (connection,) int
    free: Ints  # (weight,) int: connections whose weights are searched; the others are fixed


class Net(Struct):
    """A net whose weights are searched."""

    wiring: Wiring
    weights: Floats  # (connection,)
    center: Floats  # (connection,): weights are drawn uniformly within `reach` of it
    reach: Floats  # (connection,): 0 for fixed weights
    z: Floats  # (inputs + units + 1,): activations of all sources
    before: Floats  # (unit,): new activations while those of the step before are still needed
    counts: Ints  # (3,) int: draws, presentations of sequences, time steps
    cost: Floats  # (1,): sum of the squared errors of the weights found last
    accept: float  # a sequence is right when its final |error| is below this


class Strings(Struct):
    """Sequences one after another, with one target each, at the end."""

    inputs: Floats  # (step, input)
    begins: Ints  # (sequence + 1,) int
    targets: Floats  # (sequence,)


@inlined
def step(net, inputs, t):
    """One step: hidden units from x(t) and all activations of t-1, then the output from those of t (its own of t-1).

    Changes `net.z` and `net.before`.
    """
    wiring, z, before = net.wiring, net.z, net.before
    first, last = wiring.inputs, wiring.units - 1
    for i in range(wiring.inputs):
        z[i] = inputs[t, i]
    for u in range(wiring.units):
        total = 0.0
        for j in range(wiring.begins[u], wiring.begins[u + 1]):
            total += net.weights[j] * z[wiring.source[j]]
        y = math.tanh(total) if wiring.tanh else 1.0 / (1.0 + math.exp(-total))
        if u < last:
            before[u] = y
        else:
            z[first + u] = y
        if u == last - 1:
            for v in range(last):
                z[first + v] = before[v]


@inlined
def clear(net):
    """Activations to zero, the bias to one."""
    for u in range(net.wiring.units):
        net.z[net.wiring.inputs + u] = 0.0
    net.z[net.wiring.inputs + net.wiring.units] = 1.0


@inlined
def evaluate(net, strings, bound, cap):
    """Cost of the weights, the sum of the squared errors at sequence ends, and the sequences right before the first wrong.

    Sequences are tried in order, up to where one has been wrong and the cost is above `bound`, so that a bound below 0 stops
    at the first that is wrong; the cost is infinite where `cap` presentations do not suffice. Changes `net.counts`.
    """
    cost, right, counts = 0.0, 0, net.counts
    for n in range(strings.targets.size):
        if counts[1] == cap:
            return math.inf, right
        clear(net)
        for t in range(strings.begins[n], strings.begins[n + 1]):
            step(net, strings.inputs, t)
        counts[1] += 1
        counts[2] += strings.begins[n + 1] - strings.begins[n]
        e = abs(strings.targets[n] - net.z[net.wiring.inputs + net.wiring.units - 1])
        cost += e * e
        if right == n and e < net.accept:
            right += 1
        if right <= n and not cost <= bound:
            break
    return cost, right


@kernel
def search(net, strings, key, until, cap, best, bound):
    """Draw weights within `net.reach` of `net.center` up to draw `until` or `cap` presentations; whether better were found.

    Better are those with more than `best` sequences right before the first wrong, or a cost below `bound`; `net.weights` and
    `net.cost` are then theirs. Weight number j of a draw comes from draw j of the draw's own key.
    """
    weights, counts = net.weights, net.counts
    while counts[0] < until and counts[1] < cap:
        own = subkey(key, counts[0])
        counts[0] += 1
        for j in range(weights.size):
            weights[j] = net.center[j] + net.reach[j] * (2.0 * uniform(own, j) - 1.0)
        cost, right = evaluate(net, strings, bound, cap)
        if right > best or cost < bound:
            net.cost[0] = cost
            return True
    return False


@kernel
def follow(net, strings, n, activations):
    """Write the activations of all units at each step of sequence n to `activations` (step, unit)."""
    clear(net)
    start = strings.begins[n]
    for t in range(start, strings.begins[n + 1]):
        step(net, strings.inputs, t)
        for u in range(net.wiring.units):
            activations[t - start, u] = net.z[net.wiring.inputs + u]
