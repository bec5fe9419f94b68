"""What is made of a gradient: plain descent, momentum, RMSProp or Adam per weight, a decaying learning rate, clipping.

Kernels take whole arrays of weights, whatever their shape, padded to a multiple of 8. Gradients have the sign of an error
(19), d - y: they are added.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Literal

import numpy as np

from lstmsim.checks import Field, Real, Whole, settings
from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, lane_sum, load, load_at, splat, square_root, store_at, store_where

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


class Method(Struct):
    """The rule, for the kernels."""

    kind: int  # SGD, MOMENTUM, RMSPROP or ADAM
    momentum: float
    second_moment: float
    epsilon: float
    decay: float
    interval: int
    clip: float  # infinity: none


class Optimiser(Struct):
    """The rule of one net and its memory."""

    method: Method
    plain: bool  # w + alpha g is all there is to it
    now: Floats  # (5, 1), of nets on lanes (5, lane): see `begin_change`
    first: Floats  # (weight,): last change, or running mean of g
    second: Floats  # (weight,): running mean of g**2


def method_of(settings: OptimiserSettings) -> Method:
    """The rule that settings ask for."""
    return Method(
        kind=_KINDS.index(settings.optimiser),
        momentum=settings.momentum,
        second_moment=settings.second_moment,
        epsilon=settings.epsilon,
        decay=settings.rate_decay,
        interval=settings.rate_interval,
        clip=np.inf if settings.clip is None else settings.clip,
    )


def remembers(method: Method) -> tuple[bool, bool]:
    """Whether there is memory of the first and of the second kind: last changes or running means of g, and those of g**2."""
    return method.kind in (MOMENTUM, ADAM), method.kind in (RMSPROP, ADAM)


def new_optimiser(settings: OptimiserSettings, rate: float, size: int, *, at_once: bool = True) -> Optimiser:
    """Make the optimiser of a net with so many weights, padding included; plain only if weights may change `at_once`."""
    method = method_of(settings)
    first, second = (aligned(size * there) for there in remembers(method))
    made = Optimiser(method, at_once and settings.plain, aligned(5, 1), first, second)
    restart(made, rate)
    return made


def begin(now: Floats, lane: int, rate: float) -> None:
    """Set what `begin_change` works on as before all changes of one lane's weights."""
    now[:, lane] = rate, 0.0, 1.0, 1.0, 1.0


def restart(optimiser: Optimiser, rate: float) -> None:
    """Forget all changes made so far."""
    begin(optimiser.now, 0, rate)
    optimiser.first[:] = optimiser.second[:] = 0.0


def memory(optimiser: Optimiser) -> list[Floats]:
    """Views of what outlives a sequence; nothing of plain descent."""
    return [] if optimiser.plain else [optimiser.now[:, 0], optimiser.first, optimiser.second]


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
    begin_change(optimiser.method, optimiser.now, 0, squares_of(g) + squares_of(g_output))
    squares = _change_weights(optimiser, w, g, 0)
    return squares + _change_weights(optimiser, w_output, g_output, w.size // 8)


@inlined
def begin_change(method, now, lane, squares):
    """Before a lane's weights change by a gradient with these squares, set its column of `now`.

    Learning rate, changes made, momentum and second_moment to that power, factor of this gradient.
    """
    if now[1, lane] > 0.0 and int(now[1, lane]) % method.interval == 0:
        now[0, lane] *= method.decay
    now[1, lane] += 1.0
    now[2, lane] *= method.momentum
    now[3, lane] *= method.second_moment
    now[4, lane] = method.clip / squares**0.5 if squares > method.clip * method.clip else 1.0


@inlined
def rates(alpha, power, power_second, factor):
    """What `change_rows` takes of `now`: numbers of one lane, or vectors of all."""
    return alpha, factor, 1.0 / (1.0 - power), 1.0 / (1.0 - power_second)


@inlined
def rates_of(now, lane):
    """`rates` of one lane."""
    return rates(now[0, lane], now[2, lane], now[3, lane], now[4, lane])


@inlined
def _change_weights(optimiser, w, g, memory):
    """Change weights, of any shape, by their gradient g; `memory` is the row of eight where their memory begins."""
    everywhere, given = splat(UNITS, 1.0) != 0.0, rates_of(optimiser.now, 0)
    first, second, rows = optimiser.first, optimiser.second, w.size // 8
    return lane_sum(change_rows(optimiser.method, UNITS, everywhere, given, w, g, first, second, 0, rows, memory))


@inlined
def change_rows(method, width, mask, given, w, g, first, second, begin, end, memory):
    """Change rows of weights by their gradient g where the mask holds; the vector of the squares of the changes.

    Changes rows `begin` to `end` - 1 of `w`, and what is remembered of them, in rows of `first` and `second` that stand
    `memory` rows further on. `given` are the `rates` after `begin_change`.
    """
    alpha, factor, from_zero, from_zero_second = given
    own, own_second = 1.0 - method.momentum, 1.0 - method.second_moment
    kind, squares = method.kind, splat(width, 0.0)
    for row in range(begin, end):
        step, at = factor * load(width, g, row), memory + row
        if kind == SGD:
            change = alpha * step
        elif kind == MOMENTUM:
            change = fma(method.momentum, load(width, first, at), alpha * step)
            store_where(mask, first, at, change)
        else:
            v = fma(method.second_moment, load(width, second, at), own_second * step * step)
            store_where(mask, second, at, v)
            if kind == ADAM:
                mean = fma(method.momentum, load(width, first, at), own * step)
                store_where(mask, first, at, mean)
                step, v = mean * from_zero, v * from_zero_second
            change = alpha * step / (square_root(v) + method.epsilon)
        store_where(mask, w, row, load(width, w, row) + change)
        squares = fma(change, change, squares)
    return squares


@inlined
def squares_of_trained(method, g, trained):
    """Sum of the squares of a gradient (row, column) where weights are trained, if it matters: see `begin_change`."""
    total = 0.0
    if method.clip < np.inf:
        for m in range(g.shape[0]):
            for k in range(g.shape[1]):
                total += trained[m, k] * g[m, k] * g[m, k]
    return total


@inlined
def change_of(optimiser, g, at):
    """Change of one weight by its gradient, after `begin_change`; changes what is remembered of it, number `at`."""
    method, first, second = optimiser.method, optimiser.first, optimiser.second
    alpha, factor, from_zero, from_zero_second = rates_of(optimiser.now, 0)
    step = factor * g
    if method.kind == SGD:
        return alpha * step
    if method.kind == MOMENTUM:
        first[at] = alpha * step + method.momentum * first[at]
        return first[at]
    second[at] = v = method.second_moment * second[at] + (1.0 - method.second_moment) * step * step
    if method.kind == ADAM:
        first[at] = method.momentum * first[at] + (1.0 - method.momentum) * step
        step, v = first[at] * from_zero, v * from_zero_second
    return alpha * step / (v**0.5 + method.epsilon)


@inlined
def change_trained(optimiser, w, g, trained, memory):
    """Change weights (row, column) where they are trained, after `begin_change`; the sum of the squares of the changes.

    The gradient `g` begins anew. What is remembered of the weights begins at number `memory`.
    """
    squares = 0.0
    for m in range(w.shape[0]):
        for k in range(w.shape[1]):
            if trained[m, k] != 0.0:
                dw = change_of(optimiser, g[m, k], memory + m * w.shape[1] + k)
                w[m, k] += dw
                squares += dw * dw
            g[m, k] = 0.0
    return squares
