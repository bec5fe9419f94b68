"""The simple recurrent net of Elman (1990), trained by his procedure: the context counts as a constant input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import Annotated, Literal

from lstmsim.checks import Field, Real, settings
from lstmsim.kernels.arrays import Array, Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.sequences import LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, fma, lane_sum, load_at, splat, store_at
from lstmsim.learners.base import register
from lstmsim.learners.optimiser import Optimiser
from lstmsim.learners.over_time import over_time
from lstmsim.learners.recurrent.equations import (
    Net,
    Shape,
    State,
    apply_changes,
    carry,
    output_source,
    predict,
    reset,
    write,
)
from lstmsim.learners.recurrent.net import RecurrentNet, RecurrentSettings


class Nets(Struct):
    """One net with its rule, for the kernels."""

    shape: Shape
    net: Net
    state: State
    optimiser: Optimiser
    alpha: float  # learning rate; 1 where changes are gradients that the optimiser takes
    momentum: float


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step: activations and errors, then the change of the weights; see `lstmsim.learners.over_time`."""
    event = predict(nets, sequences, scores, record, clock)
    if learn and event & LEARN:
        update(nets)
    carry(nets.shape, nets.state)


@inlined
def update(nets):
    """dw_ij(n) = alpha f'(net_i) (sum_k w_ki e_k) z_j + momentum dw_ij(n-1); (22) with the same momentum for outputs.

    The last changes, or the gradient for the optimiser, stand in the net's `u` and `u_output`; they, the weights and `norm`
    are changed.
    """
    shape, net, state, alpha, momentum = nets.shape, nets.net, nets.state, nets.alpha, nets.momentum
    stride, wide, at_once = shape.stride, shape.output_stride, nets.optimiser.plain
    squares = splat(UNITS, 0.0)
    for i in range(shape.units):
        y = state.y[i]
        delta = alpha * y * (1.0 - y) * state.back[i]
        for j in range(0, stride, 8):
            at = i * stride + j
            change = fma(momentum, load_at(UNITS, net.u, at), delta * load_at(UNITS, state.z, j))
            store_at(net.u, at, change)
            if at_once:
                store_at(net.w, at, load_at(UNITS, net.w, at) + change)
            squares = fma(change, change, squares)
    for m in range(shape.output_sources):
        y_m = alpha * output_source(shape, state, m)
        for k in range(0, wide, 8):
            at = m * wide + k
            change = fma(momentum, load_at(UNITS, net.u_output, at), y_m * load_at(UNITS, state.e_k, k))
            store_at(net.u_output, at, change)
            if at_once:
                store_at(net.w_output, at, load_at(UNITS, net.w_output, at) + change)
            squares = fma(change, change, squares)
    state.norm[0] = lane_sum(squares) if at_once else apply_changes(nets)


@settings
class ElmanSettings(RecurrentSettings):
    """Settings of Elman's procedure; the first ones are those of `RecurrentSettings`.

    Parameters
    ----------
    optimiser : {"momentum", "sgd", "rmsprop", "adam"}
        As in `OptimiserSettings`; momentum by default, of 0.
    momentum : float
        Share of the last change of the weights that is made again, below 1.
    """

    topology: Literal["layered", "direct"] = "layered"
    _: KW_ONLY
    optimiser: Literal["sgd", "momentum", "rmsprop", "adam"] = "momentum"
    momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.0

    @property
    def plain(self) -> bool:
        """Whether weights change by the gradient and a share of the last change, which the net itself keeps."""
        return self.optimiser in ("sgd", "momentum") and self.clip is None and self.rate_decay == 1.0


@register("elman", ElmanSettings, label="Elman net")
class Elman(RecurrentNet):
    """A net whose context units hold copies of the hidden units, one step late, and count as constant inputs.

    The weights change at every step with a target, by back-propagation through that step alone: the same gradient as
    BPTT(1).
    """

    loop = staticmethod(over_time(step, write, reset))

    def __init__(self, settings: ElmanSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, symbols=symbols, separate=True)
        momentum = settings.momentum if settings.plain and settings.optimiser == "momentum" else 0.0
        self.nets = Nets(self.shape, self.net, self.state, self.optimiser, self.alpha, momentum)

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights and forget the last change."""
        super().set_weights(lane, weights)
        self.net.u[:] = self.net.u_output[:] = 0.0

    @property
    def lasting(self) -> list[Array]:
        """The last change of the weights, or the optimiser's memory."""
        return [self.net.u, self.net.u_output] if self.settings.plain else super().lasting
