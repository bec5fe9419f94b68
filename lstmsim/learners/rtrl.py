"""Real-time recurrent learning: the exact gradient of a conventional recurrent net, forward in time."""

from __future__ import annotations

from dataclasses import dataclass

from lstmsim.kernels.recording import Record
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import Sequences
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import register
from lstmsim.learners.recurrent.net import RecurrentNet, RecurrentSettings
from lstmsim.learners.rtrl_kernel import advance
from lstmsim.learners.settings import flag, one_of, refuse

_MAX_SENSITIVITIES = 50_000_000


@dataclass(frozen=True)
class RTRLSettings(RecurrentSettings):
    """Settings of real-time recurrent learning; the first ones are those of `RecurrentSettings`.

    Parameters
    ----------
    update : {"step", "sequence"}
        The weights change at once (on-line), or at the end of the sequence (epoch-wise).
    teacher_forcing : bool
        While learning, outputs that have a target are replaced by it as sources of the next step (topology "full").

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    update: str = "step"
    teacher_forcing: bool = False

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        one_of("update", self.update, "step", "sequence")
        flag("teacher_forcing", self.teacher_forcing)
        if self.teacher_forcing and self.topology != "full":
            raise refuse("teacher_forcing", True, f"False with topology {self.topology!r}, whose outputs feed no unit")


@register("rtrl", RTRLSettings, label="RTRL")
class RTRL(RecurrentNet):
    """A net learning by real-time recurrent learning (Robinson and Fallside 1987; Williams and Zipser 1989).

    The sensitivities p^k_ij = dy_k/dw_ij of all recurrent units to all their weights are kept: storage grows as n**3 and
    time per step as n**4 in a fully recurrent net of n units. A layered net with one hidden unit needs O(W), and only
    O(n_inputs + n_outputs) where the inputs are one-hot.

    Parameters
    ----------
    settings : RTRLSettings
        Units, connections and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.

    Raises
    ------
    ValueError
        If the net has too many sensitivities.
    """

    def __init__(self, settings: RTRLSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, symbols=symbols, separate=settings.update == "sequence")
        size = self.shape.units**2 * self.shape.stride
        if size > _MAX_SENSITIVITIES:
            raise refuse("sensitivities of the net", size, f"at most {_MAX_SENSITIVITIES:,}; fewer units")
        self._p, self._column = aligned(size), aligned(8 * self.shape.units)

    def reset(self, lane: int) -> None:
        """Activations and sensitivities to zero; the weights stay."""
        super().reset(lane)
        self._p[:] = 0.0

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until the lane needs attention; the clock reached."""
        s = self.settings
        arrays = self.shape, self.net, self.state, self._p, self._column
        rule = s.learning_rate, s.update == "sequence", bool(s.teacher_forcing)
        reached: int = advance(*arrays, *rule, sequences, scores, record, clock, until, learn, track)
        return reached
