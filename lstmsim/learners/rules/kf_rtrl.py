"""Kronecker-factored RTRL (Mujika, Meier and Steger 2018, NeurIPS): M_kij ~ u_j K_ki, right on average.

u <- nu0 p0 u + nu1 p1 z, K <- nu0 J K / p0 + nu1 diag(d) / p1, g_ij = (q K)_i u_j, with two signs nu drawn at every step and
p0 = sqrt(|J K| / |u|), p1 = sqrt(|d| / |z|). It rests on the immediate influence d_i z_j being a product with one z for all
units. The mean over all signs is the exact gradient, one step alone is exact. Time H^3, memory H^2 + m.
"""

from __future__ import annotations

from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.random import bits
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, load_at, splat, store_at
from lstmsim.learners.over_time import padded
from lstmsim.learners.rules.equations import jacobian, norm_of, zero
from lstmsim.learners.rules.influence import times_jacobian
from lstmsim.learners.rules.signs import balance, sign, step_key
from lstmsim.learners.rules.step import Rule, forward_in_time
from lstmsim.learners.rules.structs import Shape


class Kept(Struct):
    """The two factors."""

    u: Floats  # (source padded,)
    entries: Floats  # (wide / 8, hidden k, 8): K_ki of eight units i


@inlined
def move(nets):
    """Move both factors: u <- nu0 p0 u + nu1 p1 z, K <- nu0 J K / p0 + nu1 diag(d) / p1."""
    shape, state, u, entries = nets.shape, nets.state, nets.kept.u, nets.kept.entries
    word = bits(step_key(state), 0)
    jacobian(nets.core)
    for block in range(0, shape.wide // 8):
        times_jacobian(shape, state, entries, 8 * block * shape.hidden)
    p0 = balance(norm_of(entries), norm_of(u))
    p1 = balance(norm_of(state.slope), norm_of(state.z))
    nu0, nu1 = sign(word, 0), sign(word, 1)
    for j in range(0, u.size, 8):
        store_at(u, j, fma(nu0 * p0, load_at(UNITS, u, j), nu1 * p1 * load_at(UNITS, state.z, j)))
    for at in range(0, entries.size, 8):
        store_at(entries, at, nu0 / p0 * load_at(UNITS, entries, at))
    for i in range(shape.hidden):
        entries[i // 8, i, i % 8] += nu1 * state.slope[i] / p1


@inlined
def signal(nets):
    """Errors through the factor K: (q K)_i."""
    hidden, state = nets.shape.hidden, nets.state
    for i in range(0, nets.shape.wide, 8):
        total = splat(UNITS, 0.0)
        for k in range(hidden):
            total = fma(state.q[k], load_at(UNITS, nets.kept.entries, i * hidden + 8 * k), total)
        store_at(state.signal, i, total)


@inlined
def operator(nets, i):
    """Both factors have been moved."""
    return splat(UNITS, 0.0)


@inlined
def kept(nets, at, j, own, d, learns):
    """u_j, the same for all units."""
    return splat(UNITS, nets.kept.u[j])


@inlined
def forget(kept):
    """Set both factors to zero."""
    zero(kept.u)
    zero(kept.entries)


def room(_settings: object, shape: Shape) -> Kept:
    """Zeros for both factors."""
    return Kept(aligned(padded(shape.sources)), aligned(shape.wide // 8, shape.hidden, 8))


RULE = Rule(
    "KF-RTRL", forward_in_time(kept, operator=operator, move=move, signal=signal, forget=forget, moves_all=False), room
)
