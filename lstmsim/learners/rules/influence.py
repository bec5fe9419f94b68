"""The exact influence, moved as products of the Jacobian with eight columns at a time."""

from __future__ import annotations

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.vector import UNITS, load_at, store_at
from lstmsim.learners.recurrent.equations import times_columns
from lstmsim.learners.rules.equations import cleared, jacobian


@inlined
def times_jacobian(shape, state, p, block):
    """Replace eight columns p (hidden k, 8), from flat position `block` on, by J p; `state.columns` is room to work in."""
    times_columns(state.jacobian, p, block, shape.hidden, state.columns)
    for k in range(shape.hidden):
        store_at(p, block + 8 * k, cleared(load_at(UNITS, state.columns, 8 * k)))


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
