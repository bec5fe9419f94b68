"""SnAp-1 (Menick and others 2021, ICLR, "Practical real time recurrent learning with a sparse approximation").

Entries that are not 0 after one step are kept, each unit's own, moved by the diagonal of J: B_ij <- J_ii B_ij + d_i z_j
with J_ii = 1 - alpha + d_i w_ii, g_ij = q_i B_ij. Exact where the recurrent weights are diagonal; RFLO where no unit feeds
itself. Time and memory H m.
"""

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.vector import UNITS, load_at
from lstmsim.learners.rules.own_row import own_row, room
from lstmsim.learners.rules.step import Rule, forward_in_time


@inlined
def move(nets):
    """J_ii of all units, of the weights before they change."""
    state, w = nets.state, nets.core.net.w
    for i in range(nets.shape.hidden):
        state.own[i] = 1.0 - nets.shape.leak + state.slope[i] * w[i, i]


@inlined
def operator(nets, i):
    """J_ii = 1 - alpha + d_i w_ii."""
    return load_at(UNITS, nets.state.own, i)


@inlined
def kept(nets, at, j, own, d, learns):
    """B_ij <- J_ii B_ij + d_i z_j."""
    return own_row(nets, at, j, own, d, learns)


RULE = Rule("SnAp-1", forward_in_time(kept, operator=operator, move=move), room)
