"""Random-feedback local on-line learning (Murray 2019, eLife 8:e43299): own entries, moved by the leak alone.

B_ij <- (1 - alpha) B_ij + d_i z_j, g_ij = q_i B_ij; q by random feedback as Murray has it (``feedback="random"``), or exact.
Equals the exact rule without recurrent weights, snap-1 where no unit feeds itself, bptt-1 with alpha = 1. Time and memory
H m.
"""

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.vector import UNITS, splat
from lstmsim.learners.rules.own_row import own_row, room
from lstmsim.learners.rules.step import Rule, forward_in_time


@inlined
def kept(nets, at, j, own, d, learns):
    """B_ij <- (1 - alpha) B_ij + d_i z_j."""
    return own_row(nets, at, j, own, d, learns)


@inlined
def operator(nets, i):
    """1 - alpha: the unit's own leak."""
    return splat(UNITS, 1.0 - nets.shape.leak)


RULE = Rule("RFLO", forward_in_time(kept, operator=operator), room)
