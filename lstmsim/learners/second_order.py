"""Second-order recurrent nets: Giles et al. [30], Watrous and Kuhn [24], Pollack [12] of the 1997 paper's list."""

from __future__ import annotations

from typing import Annotated, Literal

from lstmsim.checks import Field, Real, Whole, settings
from lstmsim.learners.base import register
from lstmsim.learners.products.net import ProductNet, ProductSettings


@settings
class SecondOrderSettings(ProductSettings):
    """Settings of a second-order net; the first ones are those of `ProductSettings`.

    Giles et al. (1993): products "pure", topology "full"; the bias is theirs in later papers. Watrous and Kuhn (1992):
    "all" and "late", (N + 1)(2N + 2) weights with one input. Pollack (1991): the same with horizon=2.

    Parameters
    ----------
    products : {"pure", "all"}
        pure: activation times input, and the bias alone. all: inputs and activations alone too, and the bias.
    horizon : int, optional
        Steps of an error's pass back, counting its own; to the beginning of the sequence if None.
    start : float
        Activation of the first unit that is seen, before the first step; pure products need another than 0.
    """

    products: Literal["pure", "all"] = "pure"
    horizon: Annotated[Whole, Field(ge=1)] | None = None
    start: Annotated[Real, Field(ge=-1, le=1)] = 1.0
    topology: Literal["full", "late", "layered"] = "full"

    @property
    def memory(self) -> tuple[int, int]:
        """Steps of a block (0: the whole sequence), and how many of them an error goes back (0: all)."""
        return 0, self.horizon or 0

    @property
    def first_activation(self) -> float:
        """y(0) of the first unit that is seen."""
        return self.start

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Sources (l, r) of a unit."""
        seen, values = len(self.seen), len(self.values)
        if self.products == "pure":
            pure = [(left, r) for left in range(seen) for r in range(values)]
            return [*pure, (seen, values)] if self.bias else pure
        return [(left, r) for left in range(seen + 1) for r in range(values + 1)][: None if self.bias else -1]


@register("second_order", SecondOrderSettings, label="second-order net")
class SecondOrder(ProductNet):
    """A net with y_i(t) = f(sum_jk w_ijk y_j(t-1) x_k(t)): where the inputs are one-hot, a matrix for each symbol.

    Errors are passed back through time at the end of the sequence; with a horizon at each target, so many steps.
    """
