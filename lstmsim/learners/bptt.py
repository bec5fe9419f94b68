"""Back-propagation through time, over whole sequences or truncated, on the nets of real-time recurrent learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstmsim.kernels.recording import Record
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import Sequences
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import register
from lstmsim.learners.bptt_kernel import History, advance
from lstmsim.learners.recurrent.net import RecurrentNet, RecurrentSettings
from lstmsim.learners.settings import refuse, whole


@dataclass(frozen=True)
class BPTTSettings(RecurrentSettings):
    """Settings of back-propagation through time; the first ones are those of `RecurrentSettings`.

    BPTT(h) of Williams and Peng (1990) is horizon=h, interval=1; BPTT(h; h') is horizon=h, interval=h'. Both None: full
    back-propagation at the end of every sequence, the same gradient as epoch-wise real-time recurrent learning.

    Parameters
    ----------
    horizon : int, optional
        Steps that a pass goes back; to the beginning of the sequence if None.
    interval : int, optional
        Steps between passes, each for the errors since the one before; only at the end of the sequence if None.

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    horizon: int | None = None
    interval: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        if self.interval is not None:
            whole("interval", self.interval, 1)
        if self.horizon is not None:
            if self.interval is None:
                raise refuse("interval", None, "a whole number where there is a horizon")
            if whole("horizon", self.horizon, 1) < self.interval:
                raise refuse("horizon", self.horizon, f"None or a whole number of at least the interval, {self.interval}")


@register("bptt", BPTTSettings, label="BPTT")
class BPTT(RecurrentNet):
    """A net learning by back-propagation through time (Werbos 1988; Williams and Peng 1990).

    The running sequence is stored. Errors are passed back, and weights change, at the end of the sequence or every
    `interval` steps.

    Parameters
    ----------
    settings : BPTTSettings
        Units, connections and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.
    """

    def __init__(self, settings: BPTTSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, symbols=symbols, separate=True)
        self._history = self._room(0)

    def _room(self, steps: int) -> History:
        """A history of so many steps."""
        wide = self.shape.first_input
        rows = aligned(steps, self.shape.stride), aligned(steps, wide), aligned(steps, wide)
        return History(*rows, aligned(wide), aligned(wide), aligned(1, dtype=np.int64))

    def reset(self, lane: int) -> None:
        """Activations and stored steps to zero; the weights stay."""
        super().reset(lane)
        self._history.waiting[0] = 0

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until the lane needs attention; the clock reached."""
        s, old = self.settings, self._history
        steps = int(record.tick[0] - record.begun[0]) + max(until - clock, 0)
        if steps > len(old.y):
            self._history = self._room(2 * steps)
            for new, array in zip(self._history, old, strict=True):
                new[: len(array)] = array
        arrays = self.shape, self.net, self.state, self._history
        rule = s.learning_rate, s.horizon or 0, s.interval or 0
        reached: int = advance(*arrays, *rule, sequences, scores, record, clock, until, learn, track)
        return reached
