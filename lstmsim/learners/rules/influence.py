"""The exact influence, moved as products of the Jacobian with eight columns at a time."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.vector import UNITS, fma, load_at, splat, store_at
from lstmsim.learners.rules.equations import cleared, jacobian


@inlined
def times_jacobian(shape, state, p, block):
    """Replace eight columns p (hidden k, 8), from flat position `block` on, by J p; `state.columns` is room to work in."""
    hidden, j, column = shape.hidden, state.jacobian, state.columns
    k = 0
    while k + 4 <= hidden:  # four rows at a time, so that one load of p serves four
        a, b, c, d = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
        for m in range(hidden):
            p_m = load_at(UNITS, p, block + 8 * m)
            a = fma(j[m, k], p_m, a)
            b = fma(j[m, k + 1], p_m, b)
            c = fma(j[m, k + 2], p_m, c)
            d = fma(j[m, k + 3], p_m, d)
        store_at(column, 8 * k, a)
        store_at(column, 8 * k + 8, b)
        store_at(column, 8 * k + 16, c)
        store_at(column, 8 * k + 24, d)
        k += 4
    while k < hidden:
        a = splat(UNITS, 0.0)
        for m in range(hidden):
            a = fma(j[m, k], load_at(UNITS, p, block + 8 * m), a)
        store_at(column, 8 * k, a)
        k += 1
    for k in range(hidden):
        store_at(p, block + 8 * k, cleared(load_at(UNITS, column, 8 * k)))


@inlined
def exact_influence(core, p):
    """M <- J M + I: M_kij(t) = sum_m J_km M_mij(t-1) + delta_ki d_i z_j.

    In place of `p`, (source j, wide / 8, hidden k, 8).
    """
    shape, state = core.shape, core.state
    hidden, wide = shape.hidden, shape.wide
    jacobian(core)
    for j in range(shape.sources):
        z_j = state.z[j]
        for i in range(0, wide, 8):
            block = (j * wide + i) * hidden
            times_jacobian(shape, state, p, block)
            for n in range(min(8, hidden - i)):
                p[j, i // 8, i + n, n] += state.slope[i + n] * z_j
