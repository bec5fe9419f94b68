"""The learning algorithm with fixed storage and O(n**3) operations a step of Schmidhuber (1992), [23] of the 1997 paper."""

from __future__ import annotations

from typing import Annotated

from lstmsim.checks import Field, Whole, settings
from lstmsim.learners.base import register
from lstmsim.learners.products.net import ProductNet, ProductSettings


@settings
class BlockRTRLSettings(ProductSettings):
    """Settings of the algorithm; the first ones are those of `ProductSettings`.

    Parameters
    ----------
    block : int
        h, steps of a block. 1: real-time recurrent learning; as long as the longest sequence: back-propagation through
        time; as many as there are units: O(n**3) operations a step on average, and storage that no length changes.
    """

    block: Annotated[Whole, Field(ge=1, le=1_000_000)] = 10

    @property
    def memory(self) -> tuple[int, int]:
        """Steps of a block, and how many of them an error goes back (0: all)."""
        return self.block, 0


@register("block_rtrl", BlockRTRLSettings, label="O(n^3) RTRL")
class BlockRTRL(ProductNet):
    """A net of first order with the exact gradient, in blocks of h steps.

    After each block its errors are passed back to its beginning, where they meet the partial derivatives dy_k/dw; those
    of its end follow in the same way, once for each unit. With update="sequence" the gradient is real-time recurrent
    learning's for every h, to rounding; otherwise the weights change after each block with a target.
    """
