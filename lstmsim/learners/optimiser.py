"""What is made of a gradient: plain descent, momentum, RMSProp or Adam per weight, a decaying learning rate, clipping.

Kernels take whole arrays of weights, whatever their shape, padded to a multiple of 8. Gradients have the sign of an error
(19), d - y: they are added.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Any, Literal

import numpy as np

from lstmsim.checks import Field, Real, Whole, settings
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.logistic import square_root
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, lane_sum, load_at, splat, store_at

Array = Any

_KINDS = ("sgd", "momentum", "rmsprop", "adam")
SGD, MOMENTUM, RMSPROP, ADAM = range(4)


@settings
class OptimiserSettings:
    """What is made of a gradient; plain gradient descent by default.

    Parameters
    ----------
    optimiser : {"sgd", "momentum", "rmsprop", "adam"}
        sgd: dw = alpha g. momentum: dw = alpha g + momentum times the last dw. rmsprop: dw = alpha g / (sqrt(v) + epsilon),
        v the running mean of g**2. adam: Kingma and Ba (2015), algorithm 1.
    momentum : float
        Share of the last change, or decay of Adam's running mean of g.
    second_moment : float
        Decay of the running mean of g**2.
    epsilon : float
        Added to the root of that mean.
    rate_decay : float
        Factor of the learning rate after every `rate_interval` changes of the weights.
    rate_interval : int
        Changes between two such factors.
    clip : float, optional
        Longest gradient over all weights; longer ones are shortened to it. None: no clipping.
    """

    _: KW_ONLY
    optimiser: Literal["sgd", "momentum", "rmsprop", "adam"] = "sgd"
    momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.9
    second_moment: Annotated[Real, Field(ge=0, lt=1)] = 0.999
    epsilon: Annotated[Real, Field(gt=0)] = 1e-8
    rate_decay: Annotated[Real, Field(gt=0, le=1)] = 1.0
    rate_interval: Annotated[Whole, Field(ge=1)] = 100
    clip: Annotated[Real, Field(gt=0)] | None = None

    @property
    def plain(self) -> bool:
        """Whether w + alpha g is all there is to it."""
        return self.optimiser == "sgd" and self.clip is None and self.rate_decay == 1.0


class Optimiser(Struct):
    """The rule and its memory, for the kernels."""

    kind: int  # SGD, MOMENTUM, RMSPROP or ADAM
    plain: bool  # w + alpha g is all there is to it
    momentum: float
    second_moment: float
    epsilon: float
    decay: float
    interval: int
    clip: float  # infinity: none
    now: Array  # (5,): learning rate, changes made, momentum and second_moment to that power, factor of this gradient
    first: Array  # (weight,): last change, or running mean of g
    second: Array  # (weight,): running mean of g**2


def new_optimiser(settings: OptimiserSettings, rate: float, size: int, *, at_once: bool = True) -> Optimiser:
    """Make the optimiser of a net with so many weights, padding included; plain only if weights may change `at_once`."""
    kind = _KINDS.index(settings.optimiser)
    made = Optimiser(
        kind=kind,
        plain=at_once and settings.plain,
        momentum=settings.momentum,
        second_moment=settings.second_moment,
        epsilon=settings.epsilon,
        decay=settings.rate_decay,
        interval=settings.rate_interval,
        clip=np.inf if settings.clip is None else settings.clip,
        now=aligned(5),
        first=aligned(size if kind in (MOMENTUM, ADAM) else 0),
        second=aligned(size if kind in (RMSPROP, ADAM) else 0),
    )
    restart(made, rate)
    return made


def restart(optimiser: Optimiser, rate: float) -> None:
    """Forget all changes made so far."""
    optimiser.now[:] = rate, 0.0, 1.0, 1.0, 1.0
    optimiser.first[:] = optimiser.second[:] = 0.0


def memory(optimiser: Optimiser) -> list[Array]:
    """Views of what outlives a sequence; nothing of plain descent."""
    return [] if optimiser.plain else [optimiser.now, optimiser.first, optimiser.second]


@inlined
def squares_of(array):
    """Sum of the squares of an array's elements, of any shape."""
    total = splat(UNITS, 0.0)
    for at in range(0, array.size, 8):
        value = load_at(UNITS, array, at)
        total = fma(value, value, total)
    return lane_sum(total)


@inlined
def zero(array):
    """Set an array to zero, of any shape, padded to a multiple of 8."""
    for at in range(0, array.size, 8):
        store_at(array, at, splat(UNITS, 0.0))


@inlined
def descend(optimiser, w, g, w_output, g_output):
    """Change the weights of hidden units and outputs by their gradients; the squares of the change.

    Changes `w`, `w_output` and `optimiser` in place.
    """
    begin_change(optimiser, squares_of(g) + squares_of(g_output))
    squares = change_weights(optimiser, w, g, 0)
    return squares + change_weights(optimiser, w_output, g_output, w.size)


@inlined
def begin_change(optimiser, squares):
    """Before the weights change by a gradient with these squares: learning rate, Adam's powers, factor of clipping."""
    now = optimiser.now
    if now[1] > 0.0 and now[1] % optimiser.interval == 0.0:
        now[0] *= optimiser.decay
    now[1] += 1.0
    now[2] *= optimiser.momentum
    now[3] *= optimiser.second_moment
    now[4] = optimiser.clip / squares**0.5 if squares > optimiser.clip * optimiser.clip else 1.0


@inlined
def change_weights(optimiser, w, g, first):
    """Change weights, of any shape, by their gradient g; `first` is where their memory begins. The squares of the change.

    Changes `w` and `optimiser` in place; `begin_change` comes before.
    """
    now, kind, squares = optimiser.now, optimiser.kind, splat(UNITS, 0.0)
    alpha, factor = now[0], now[4]
    own, own_second = 1.0 - optimiser.momentum, 1.0 - optimiser.second_moment
    for at in range(0, w.size, 8):
        step = factor * load_at(UNITS, g, at)
        if kind == SGD:
            change = alpha * step
        elif kind == MOMENTUM:
            change = fma(optimiser.momentum, load_at(UNITS, optimiser.first, first + at), alpha * step)
            store_at(optimiser.first, first + at, change)
        else:
            v = fma(optimiser.second_moment, load_at(UNITS, optimiser.second, first + at), own_second * step * step)
            store_at(optimiser.second, first + at, v)
            if kind == ADAM:
                mean = fma(optimiser.momentum, load_at(UNITS, optimiser.first, first + at), own * step)
                store_at(optimiser.first, first + at, mean)
                step, v = mean * (1.0 / (1.0 - now[2])), v * (1.0 / (1.0 - now[3]))
            change = alpha * step / (square_root(v) + optimiser.epsilon)
        store_at(w, at, load_at(UNITS, w, at) + change)
        squares = fma(change, change, squares)
    return lane_sum(squares)
