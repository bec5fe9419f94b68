"""Back-propagation through one step: no entry is kept, g_ij = q_i d_i z_j, as in the nets of Elman (1990).

Equals RFLO with alpha = 1, and any rule in sequences of one step. Time H m, no memory.
"""

from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, splat
from lstmsim.learners.rules.step import Rule, forward_in_time


class Kept(Struct):
    """Nothing."""

    entries: Floats  # (0,)


@inlined
def operator(nets, i):
    """What came before is multiplied by 0."""
    return splat(UNITS, 0.0)


@inlined
def kept(nets, at, j, own, d, learns):
    """d_i z_j: the influence of this step alone."""
    return d * nets.state.z[j]


RULE = Rule("BPTT(1)", forward_in_time(kept, operator=operator, moves_all=False), lambda _settings, _shape: Kept(aligned(0)))
