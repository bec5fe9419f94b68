"""What rules have in common that keep one entry B_ij = M_iij per weight, that of the unit's own activation.

B_ij <- r_i B_ij + d_i z_j, g_ij = q_i B_ij. The rules differ in r_i alone.
"""

from __future__ import annotations

from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import aligned, fma, load_at, store_at
from lstmsim.kernels.width import UNITS
from lstmsim.learners.rules.structs import Shape


class Kept(Struct):
    """One entry per weight."""

    entries: Floats  # (source j, wide i): B_ij


@inlined
def own_row(nets, at, j, own, d, learns):
    """B_ij <- r_i B_ij + d_i z_j."""
    entries = nets.kept.entries
    moved = fma(own, load_at(UNITS, entries, at), d * nets.state.z[j])
    store_at(entries, at, moved)
    return moved


def room(_settings: object, shape: Shape) -> Kept:
    """Zeros for one entry per weight."""
    return Kept(aligned(shape.sources, shape.wide))
