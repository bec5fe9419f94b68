"""Unbiased online recurrent optimization (Tallec and Ollivier 2018, ICLR): M ~ A x B, of rank one, right on average.

A <- p0 J A + p1 nu, B <- B / p0 + (nu I) / p1, g = (q A) B, with nu = +-1 for each unit, drawn at every step, and p0 =
sqrt(|B| / |J A|), p1 = sqrt(|nu I| / |nu|), which make the variance least. The mean over all signs is the exact gradient.
Time H^2 + H m, memory H m.
"""

from __future__ import annotations

from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.rules.equations import norm_of, through_jacobian, zero
from lstmsim.learners.rules.signs import balance, unit_signs
from lstmsim.learners.rules.step import Rule, forward_in_time
from lstmsim.learners.rules.structs import Shape


class Kept(Struct):
    """The two factors."""

    a: Floats  # (wide,): A_k
    entries: Floats  # (source j, wide i): B_ij
    moved: Floats  # (wide,): J A
    nu: Floats  # (wide,)
    factor: Floats  # (1,): 1 / p0


@inlined
def move(nets):
    """A <- p0 J A + p1 nu; leaves 1 / p0, and nu d / p1 in `state.own`, for B."""
    shape, state, kept = nets.shape, nets.state, nets.kept
    unit_signs(shape, state, kept.nu)
    for i in range(0, shape.wide, 8):
        store_at(kept.moved, i, through_jacobian(nets.core, kept.a, i))
    p0 = balance(norm_of(kept.entries), norm_of(kept.moved))
    p1 = balance(immediate_norm(nets), shape.hidden**0.5)
    kept.factor[0] = 1.0 / p0
    for i in range(0, shape.wide, 8):
        nu = load_at(UNITS, kept.nu, i)
        store_at(kept.a, i, fma(p1, nu, p0 * load_at(UNITS, kept.moved, i)))
        store_at(state.own, i, nu * load_at(UNITS, state.slope, i) / p1)


@inlined
def immediate_norm(nets):
    """|nu I| = |I|, over the weights that exist."""
    shape, state, mask = nets.shape, nets.state, nets.core.net.mask
    if not shape.sparse:
        return norm_of(state.slope) * norm_of(state.z)
    total = splat(UNITS, 0.0)
    for j in range(shape.sources):
        for i in range(0, shape.wide, 8):
            value = load_at(UNITS, state.slope, i) * state.z[j] * load_at(UNITS, mask, j * shape.wide + i)
            total = fma(value, value, total)
    return lane_sum(total) ** 0.5


@inlined
def operator(nets, i):
    """What B is multiplied by: 1 / p0."""
    return splat(UNITS, nets.kept.factor[0])


@inlined
def kept(nets, at, j, own, d, learns):
    """B_ij <- B_ij / p0 + nu_i d_i z_j / p1."""
    entries, i = nets.kept.entries, at - j * nets.shape.wide
    immediate = load_at(UNITS, nets.state.own, i) * nets.state.z[j]
    if nets.shape.sparse:
        immediate = immediate * load_at(UNITS, nets.core.net.mask, at)
    moved = fma(own, load_at(UNITS, entries, at), immediate)
    store_at(entries, at, moved)
    return moved


@inlined
def signal(nets):
    """The product q A, the same for all units."""
    total = splat(UNITS, 0.0)
    for i in range(0, nets.shape.wide, 8):
        total = fma(load_at(UNITS, nets.state.q, i), load_at(UNITS, nets.kept.a, i), total)
    shared = splat(UNITS, lane_sum(total))
    for i in range(0, nets.shape.wide, 8):
        store_at(nets.state.signal, i, shared)


@inlined
def forget(kept):
    """Set both factors to zero."""
    zero(kept.a)
    zero(kept.entries)


def room(_settings: object, shape: Shape) -> Kept:
    """Zeros for both factors."""
    wide = shape.wide
    return Kept(aligned(wide), aligned(shape.sources, wide), aligned(wide), aligned(wide), aligned(1))


RULE = Rule("UORO", forward_in_time(kept, operator=operator, move=move, signal=signal, forget=forget), room)
