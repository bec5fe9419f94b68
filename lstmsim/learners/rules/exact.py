"""Exact real-time recurrent learning: all entries are kept, M <- J M + I, g = q M (Williams and Zipser 1989).

Equals any rule where that one is exact. Time H^3 m, memory H^2 m for H units of m sources.
"""

from __future__ import annotations

from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, load_at, splat, store_at
from lstmsim.learners.rules.influence import exact_influence
from lstmsim.learners.rules.step import Rule, forward_in_time
from lstmsim.learners.rules.structs import Shape


class Kept(Struct):
    """The whole influence."""

    entries: Floats  # (source j, wide / 8, hidden k, 8): M_kij of eight units i


@inlined
def move(nets):
    """M <- J M + I."""
    exact_influence(nets.core, nets.kept.entries)


@inlined
def signal(nets):
    """The sum over k is made of q itself: nothing is left to multiply by."""
    for i in range(0, nets.shape.wide, 8):
        store_at(nets.state.signal, i, splat(UNITS, 1.0))


@inlined
def operator(nets, i):
    """All of M has been moved."""
    return splat(UNITS, 0.0)


@inlined
def kept(nets, at, j, own, d, learns):
    """Sum_k q_k M_kij, where the step learns."""
    total, hidden = splat(UNITS, 0.0), nets.shape.hidden
    if learns:
        for k in range(hidden):
            total = fma(nets.state.q[k], load_at(UNITS, nets.kept.entries, at * hidden + 8 * k), total)
    return total


def room(_settings: object, shape: Shape) -> Kept:
    """Zeros for all of M."""
    return Kept(aligned(shape.sources, shape.wide // 8, shape.hidden, 8))


RULE = Rule("exact", forward_in_time(kept, operator=operator, move=move, signal=signal, moves_all=False), room)
