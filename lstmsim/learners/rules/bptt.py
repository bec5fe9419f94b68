"""Truncated back-propagation through time, BPTT(h; h') of Williams and Peng (1990): the history is kept, no influence.

At every h'-th step the errors since the last pass go back h steps: lambda(t) = q(t) + J(t+1)' lambda(t+1), and weights
change by g_ij = sum_t d_i(t) lambda_i(t) z_j(t). Exact at frozen weights where h reaches back to the beginning; h = 1 is
bptt_1. Time h / h' times H m, memory h m.
"""

from __future__ import annotations

import numpy as np

from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.sequences import END, LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.over_time import over_time, padded
from lstmsim.learners.rules.equations import carry, learn_outputs, predict, reset_activations, zero
from lstmsim.learners.rules.settings import RuleSettings
from lstmsim.learners.rules.shadow import follow
from lstmsim.learners.rules.step import Rule, finish, write
from lstmsim.learners.rules.structs import Shape


class Kept(Struct):
    """The latest steps, in a ring."""

    z: Floats  # (step, source padded)
    d: Floats  # (step, wide)
    q: Floats  # (step, wide): 0 without a target
    clock: Floats  # (2,): steps so far, steps with a target since the last pass
    back: Floats  # (wide,): lambda
    interval: int


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step: activations and errors, and a pass back where one is due; see `lstmsim.learners.over_time`."""
    core, state, kept = nets.core, nets.state, nets.kept
    event = predict(core, sequences, scores, record, clock)
    if track:
        state.count[0] += 1
        if core.shadow.every:
            follow(core, event & LEARN)
        remember(nets, event & LEARN)
    if learn and event & LEARN:
        learn_outputs(core)
    ends = (event & END) != 0 and not nets.shape.keeps
    if learn and kept.clock[1] > 0.0 and (ends or kept.clock[0] % kept.interval == 0.0):
        pass_back(nets)
        finish(core)
        if core.shadow.every and not event & LEARN:  # the last error's signal is of another step
            core.shadow.found[8] = np.nan
    carry(nets.shape, state)


@inlined
def remember(nets, learns):
    """Put sources, slopes and errors of this step into the ring."""
    state, kept = nets.state, nets.kept
    place = int(kept.clock[0]) % kept.d.shape[0]
    for j in range(0, state.z.size, 8):
        store_at(kept.z, place * state.z.size + j, load_at(UNITS, state.z, j))
    for i in range(0, nets.shape.wide, 8):
        at = place * nets.shape.wide + i
        store_at(kept.d, at, load_at(UNITS, state.slope, i))
        store_at(kept.q, at, load_at(UNITS, state.q, i) if learns else splat(UNITS, 0.0))
    kept.clock[0] += 1.0
    if learns:
        kept.clock[1] += 1.0


@inlined
def pass_back(nets):
    """Errors since the last pass back through the ring; fills `g` and empties the errors."""
    shape, kept, net = nets.shape, nets.kept, nets.core.net
    wide, now = shape.wide, int(kept.clock[0])
    zero(net.g)
    zero(kept.back)
    for t in range(now - 1, max(now - kept.d.shape[0], 0) - 1, -1):
        place = t % kept.d.shape[0]
        for i in range(0, wide, 8):
            at = place * wide + i
            back = load_at(UNITS, kept.back, i) + load_at(UNITS, kept.q, at)
            store_at(kept.q, at, splat(UNITS, 0.0))
            delta = load_at(UNITS, kept.d, at) * back
            for j in range(shape.sources):
                g = load_at(UNITS, net.g, j * wide + i)
                store_at(net.g, j * wide + i, fma(kept.z[place, j], delta, g))
            store_at(kept.back, i, (1.0 - shape.leak) * back)
            store_at(nets.state.own, i, delta)
        for m in range(shape.hidden):
            total = splat(UNITS, 0.0)
            for i in range(0, wide, 8):
                total = fma(load_at(UNITS, net.w, m * wide + i), load_at(UNITS, nets.state.own, i), total)
            kept.back[m] += lane_sum(total)
    if shape.sparse:
        for at in range(0, net.g.size, 8):
            store_at(net.g, at, load_at(UNITS, net.g, at) * load_at(UNITS, net.mask, at))
    kept.clock[1] = 0.0


@inlined
def reset(nets):
    """Activations and history to zero, unless nothing is reset between sequences."""
    if not nets.shape.keeps:
        reset_activations(nets.core)
        nets.kept.clock[:] = 0.0


def room(settings: RuleSettings, shape: Shape) -> Kept:
    """A ring of as many steps as a pass goes back."""
    steps, sources = settings.horizon, padded(shape.sources)
    rows = aligned(steps, sources), aligned(steps, shape.wide), aligned(steps, shape.wide)
    return Kept(*rows, aligned(2), aligned(shape.wide), settings.interval)


RULE = Rule("BPTT(h; h')", over_time(step, write, reset), room, waits=True)
