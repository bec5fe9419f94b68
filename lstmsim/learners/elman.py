"""The simple recurrent net of Elman (1990), trained by his procedure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lstmsim.kernels.recording import Record
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import Sequences
from lstmsim.learners.base import register
from lstmsim.learners.elman_kernel import advance
from lstmsim.learners.recurrent.net import RecurrentNet, RecurrentSettings
from lstmsim.learners.settings import positive_fields, refuse


@dataclass(frozen=True)
class ElmanSettings(RecurrentSettings):
    """Settings of Elman's procedure; the first ones are those of `RecurrentSettings`.

    Parameters
    ----------
    momentum : float
        Share of the last change of the weights that is made again, below 1.

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    topology: str = "layered"
    momentum: float = 0.0

    topologies: ClassVar[tuple[str, ...]] = ("layered", "direct")

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        positive_fields(self, "momentum", zero=True)
        if self.momentum >= 1.0:
            raise refuse("momentum", self.momentum, "a number from 0 to below 1")


@register("elman", ElmanSettings, label="Elman net")
class Elman(RecurrentNet):
    """A net whose context units hold copies of the hidden units, one step late, and count as constant inputs.

    The weights change at every step with a target, by back-propagation through that step alone: the same gradient as
    BPTT(1).

    Parameters
    ----------
    settings : ElmanSettings
        Units, connections and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.
    """

    def __init__(self, settings: ElmanSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, symbols=symbols, separate=True)

    def set_weights(self, lane: int, weights: dict[str, npt.NDArray[np.float64]]) -> None:  # type: ignore[override]
        """Give the net its weights and forget the last change.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape, is not finite, or is not 0 where no connection is.
        """
        super().set_weights(lane, weights)
        self.net.u[:] = self.net.u_output[:] = 0.0

    def carried(self, lane: int) -> npt.NDArray[np.float64]:
        """Return what outlives a sequence besides the weights: the last change of them."""
        return np.concatenate([self.net.u, self.net.u_output], axis=None)

    def set_carried(self, lane: int, carried: npt.NDArray[np.float64]) -> None:
        """Take what `carried` gave."""
        self.net.u.flat, self.net.u_output.flat = np.split(carried, [self.net.u.size])

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until the lane needs attention; the clock reached."""
        rule = self.settings.learning_rate, self.settings.momentum
        arrays = self.shape, self.net, self.state
        reached: int = advance(*arrays, *rule, sequences, scores, record, clock, until, learn, track)
        return reached
