"""Real-time recurrent learning (Robinson and Fallside 1987; Williams and Zipser 1989): the gradient, forward in time."""

from __future__ import annotations

from typing import Literal

from lstmsim.checks import Flag, refusal, settings
from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.sequences import END, LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.base import register
from lstmsim.learners.optimiser import Optimiser
from lstmsim.learners.over_time import over_time
from lstmsim.learners.recurrent.equations import (
    Net,
    Shape,
    State,
    apply_changes,
    carry,
    predict,
    times_columns,
    update_outputs,
    write,
)
from lstmsim.learners.recurrent.net import RecurrentNet, RecurrentSettings

_MAX_SENSITIVITIES = 50_000_000


class Nets(Struct):
    """One net with its sensitivities, for the kernels."""

    shape: Shape
    net: Net
    state: State
    optimiser: Optimiser
    p: Floats  # (unit i, source j / 8, unit k, 8): p^k_ij, for one i and eight j the values of all k together
    column: Floats  # (unit k, 8)
    alpha: float  # learning rate; 1 where changes are gradients that the optimiser takes
    at_end: bool  # the weights change at the end of the sequence
    forcing: bool  # targets take the place of the outputs as sources of the next step


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step: activations and errors, sensitivities, changes of the weights; see `lstmsim.learners.over_time`."""
    event = predict(nets, sequences, scores, record, clock)
    if track:
        sensitivities(nets)
    plain = nets.optimiser.plain
    if learn and event & LEARN:
        update_outputs(nets.shape, nets.net, nets.state, nets.alpha, record.on[0] and plain)
        update_units(nets, record.on[0] and plain)
    if learn and nets.at_end and event & END:
        change = apply_changes(nets)
        nets.state.norm[0] = nets.state.norm[0] if plain else change
    elif learn and not (nets.at_end or plain) and event & LEARN:
        nets.state.norm[0] = apply_changes(nets)
    carry(nets.shape, nets.state)
    if nets.forcing and track and event & LEARN:
        force(nets, sequences.targets, sequences.learn[clock, 0])


@inlined
def sensitivities(nets):
    """p^k_ij(t) = f'(net_k) [sum_l w_kl p^l_ij(t-1) + delta_ik z_j(t)], where p^k_ij = dy_k/dw_ij.

    Changes `nets.p`; `nets.column` is room to work in.
    """
    net, state, p, column = nets.net, nets.state, nets.p, nets.column
    units, stride = nets.shape.units, nets.shape.stride
    for i in range(units):
        for j in range(0, stride, 8):
            block = (i * stride + j) * units
            times_columns(net.w.T, p, block, units, column)
            store_at(column, 8 * i, load_at(UNITS, column, 8 * i) + load_at(UNITS, state.z, j))
            for k in range(units):
                y = state.y[k]
                store_at(p, block + 8 * k, y * (1.0 - y) * load_at(UNITS, column, 8 * k))


@inlined
def update_units(nets, measure):
    """dw_ij = alpha sum_k (d_k - y_k) p^k_ij; in a layered net the sum runs over the errors at the hidden units."""
    shape, net, state, p, alpha = nets.shape, nets.net, nets.state, nets.p, nets.alpha
    units, stride = shape.units, shape.stride
    taught = units if shape.layered else shape.outputs
    squares = splat(UNITS, 0.0)
    for i in range(units):
        for j in range(0, stride, 8):
            block, at = (i * stride + j) * units, i * stride + j
            change = splat(UNITS, 0.0)
            for k in range(taught):
                change = fma(state.back[k], load_at(UNITS, p, block + 8 * k), change)
            change = alpha * change
            store_at(net.u, at, load_at(UNITS, net.u, at) + change)
            if measure:
                squares = fma(change, change, squares)
    if measure:
        state.norm[0] += lane_sum(squares)


@inlined
def force(nets, targets, row):
    """Teacher forcing: outputs are replaced by their targets, which depend on no weight."""
    p, units, stride = nets.p, nets.shape.units, nets.shape.stride
    for k in range(nets.shape.outputs):
        nets.state.z[k] = targets[row, k]
        for at in range(0, units * stride, 8):
            store_at(p, at * units + 8 * k, splat(UNITS, 0.0))


@inlined
def reset(nets):
    """Activations and sensitivities to zero, as before every sequence."""
    nets.state.z[: nets.shape.first_input] = 0.0
    nets.state.y[:] = nets.p[:] = 0.0


@settings
class RTRLSettings(RecurrentSettings):
    """Settings of real-time recurrent learning; the first ones are those of `RecurrentSettings`.

    Parameters
    ----------
    update : {"step", "sequence"}
        The weights change at once (on-line), or at the end of the sequence (epoch-wise).
    teacher_forcing : bool
        While learning, outputs that have a target are replaced by it as sources of the next step (topology "full").
    """

    update: Literal["step", "sequence"] = "step"
    teacher_forcing: Flag = False

    def __post_init__(self) -> None:
        """Check what depends on the topology."""
        super().__post_init__()
        if self.teacher_forcing and self.topology != "full":
            raise refusal("teacher_forcing", True, f"False with topology {self.topology!r}, whose outputs feed no unit")


@register("rtrl", RTRLSettings, label="RTRL")
class RTRL(RecurrentNet):
    """A net learning by real-time recurrent learning (Robinson and Fallside 1987; Williams and Zipser 1989).

    The sensitivities p^k_ij = dy_k/dw_ij of all recurrent units to all their weights are kept: storage grows as n**3 and
    time per step as n**4 in a fully recurrent net of n units. A layered net with one hidden unit needs O(W), and only
    O(n_inputs + n_outputs) where the inputs are one-hot.

    Raises
    ------
    ValueError
        If the net has too many sensitivities.
    """

    loop, begin = staticmethod(over_time(step, write, reset)), staticmethod(reset.py_func)

    def __init__(self, settings: RTRLSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, symbols=symbols, separate=settings.update == "sequence")
        size = self.shape.units**2 * self.shape.stride
        if size > _MAX_SENSITIVITIES:
            raise refusal("sensitivities of the net", size, f"at most {_MAX_SENSITIVITIES:,}; fewer units")
        self.nets = Nets(
            shape=self.shape,
            net=self.net,
            state=self.state,
            optimiser=self.optimiser,
            p=aligned(size),
            column=aligned(8 * self.shape.units),
            alpha=self.alpha,
            at_end=settings.update == "sequence",
            forcing=settings.teacher_forcing,
        )
