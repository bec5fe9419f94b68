"""The exact influence beside any rule, along the rule's own trajectory, and how the gradients compare at each step."""

from __future__ import annotations

import numpy as np

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.rules.equations import zero
from lstmsim.learners.rules.influence import exact_influence

GROUPS = ("all", "recurrent", "input", "bias")


@inlined
def follow(core, learns):
    """Move the exact influence by this step's J and I, and add the exact gradient where the step `learns`.

    Changes `core.shadow` in place, and no weight.
    """
    shape, state, shadow = core.shape, core.state, core.shadow
    exact_influence(core, shadow.p)
    if learns:
        for at in range(0, shadow.total.size, 8):
            total = load_at(UNITS, shadow.total, at)
            for k in range(shape.hidden):
                total = fma(state.back[k], load_at(UNITS, shadow.p, at * shape.hidden + 8 * k), total)
            store_at(shadow.total, at, total)


@inlined
def compare(core):
    """Cosine of the rule's gradient with the exact one and ratio of their norms, by group of weights; of q, the cosine.

    Fills `core.shadow.found` at every so many steps, and begins the exact gradient anew.
    """
    shape, state, net, shadow = core.shape, core.state, core.net, core.shadow
    wide, found = shape.wide, shadow.found
    if state.count[0] % shadow.every == 0:
        for g in range(4):
            first, last = (0, shape.sources) if g == 0 else (shadow.ends[g - 1], shadow.ends[g])
            both, own, exact = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
            for at in range(first * wide, last * wide, 8):
                a = load_at(UNITS, net.g, at)
                b = load_at(UNITS, shadow.total, at) * load_at(UNITS, net.mask, at)
                both, own, exact = fma(a, b, both), fma(a, a, own), fma(b, b, exact)
            found[g] = cosine(lane_sum(both), lane_sum(own), lane_sum(exact))
            length = lane_sum(exact)
            found[4 + g] = (lane_sum(own) / length) ** 0.5 if length > 0.0 else np.nan
        both, own, exact = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
        for i in range(0, wide, 8):
            a, b = load_at(UNITS, state.q, i), load_at(UNITS, state.back, i)
            both, own, exact = fma(a, b, both), fma(a, a, own), fma(b, b, exact)
        found[8] = cosine(lane_sum(both), lane_sum(own), lane_sum(exact))
    zero(shadow.total)


@inlined
def cosine(both, own, exact):
    """Cosine of two vectors from their product and their squares; NaN where one of them is zero."""
    return both / (own**0.5 * exact**0.5) if own > 0.0 and exact > 0.0 else np.nan
