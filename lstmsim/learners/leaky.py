"""Units that keep a share of their activation: Mozer [21], Pearlmutter [4] and time warping invariant nets [25]."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, refusal, settings
from lstmsim.kernels.arrays import Floats
from lstmsim.learners.base import register
from lstmsim.learners.products.net import ProductNet, ProductSettings
from lstmsim.learners.weights import Masks, Weights


@settings
class LeakySettings(ProductSettings):
    """Settings of a net of leaky units; the first ones are those of `ProductSettings`.

    Parameters
    ----------
    tau : tuple of float
        Time constants of the hidden units, from 0 (an ordinary unit) to 1; one for all of them, or one for each. A step
        dt of Euler's method for T dy/dt = -y + f(net) is tau = 1 - dt/T.
    train_tau : bool
        Time constants other than 0 are learned too.
    block : int, optional
        Steps of a block; 1: real-time recurrent learning. None: back-propagation through time.
    """

    unit: Literal["logistic", "tanh", "identity"] = "tanh"
    tau: tuple[Annotated[Real, Field(ge=0, le=1)], ...] = (0.9,)
    train_tau: Flag = False
    block: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = 1

    def __post_init__(self) -> None:
        """Check the number of time constants."""
        super().__post_init__()
        if len(self.tau) not in (1, self.n_hidden):
            raise refusal("tau", self.tau, f"1 number, or {self.n_hidden}, as n_hidden says")

    @property
    def memory(self) -> tuple[int, int]:
        """Steps of a block (0: the whole sequence), and how many of them an error goes back (0: all)."""
        return self.block or 0, 0

    @property
    def time_constants(self) -> Floats:
        """Time constants of the hidden units."""
        return np.full(self.n_hidden, self.tau)

    @cached_property
    def exists(self) -> Masks:
        """Which connections there are, and which time constants are learned."""
        learned = {"time_constant": self.time_constants > 0} if self.train_tau else {}
        return super().exists | learned

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range], and the time constants as they are set."""
        drawn = super().initial_weights(seed)
        return drawn | ({"time_constant": self.time_constants} if self.train_tau else {})


@register("leaky", LeakySettings, label="time constants")
class Leaky(ProductNet):
    """A net with y_i(t) = tau_i y_i(t-1) + (1 - tau_i) f(net_i(t)) (Mozer 1992; Pearlmutter 1989).

    The derivative by tau_i begins with y_i(t-1) - f(net_i(t)) and goes on as that by a weight does.
    """

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = ProductNet.weight_dims | {"time_constant": ("hidden_unit",)}


@settings
class TWINNSettings(ProductSettings):
    """Settings of a time warping invariant net; the first ones are those of `ProductSettings`.

    Parameters
    ----------
    squares : bool
        Units see the products of two inputs too: with two inputs 1, x, y, x**2, x*y, y**2.
    """

    squares: Flag = False
    topology: Literal["full", "late", "layered"] = "full"
    unit: Literal["logistic", "tanh", "identity"] = "tanh"

    path: ClassVar[bool] = True

    @property
    def values(self) -> list[str]:
        """Names of what comes in at a step."""
        n = self.n_inputs
        products = [f"input {i} x input {j}" for i in range(n) for j in range(i, n)] if self.squares else []
        return [*super().values, *products]

    @property
    def memory(self) -> tuple[int, int]:
        """Blocks of one step: real-time recurrent learning."""
        return 1, 0


@register("twinn", TWINNSettings, label="TWINN")
class TWINN(ProductNet):
    """A net with S(t) = S(t-1) + l(t) f(W [S(t-1), x(t)]), l(t) = |x(t) - x(t-1)|, by real-time recurrent learning.

    Sun, Chen and Lee (1993). An input that is repeated leaves the state as it is, whatever the speed along the curve. The
    change of the input is the causal one, and 0 at the first step.
    """
