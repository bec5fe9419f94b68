"""LSTM with the untruncated gradient: what the truncation of (19)-(28) leaves out can be measured on every row."""

from __future__ import annotations

from lstmsim.kernels.recording import Record
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import Sequences
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import register
from lstmsim.learners.lstm.exact_kernel import advance
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.lstm.settings import Architecture
from lstmsim.learners.settings import refuse

_MAX_SENSITIVITIES = 50_000_000


@register("exact_lstm", Architecture, label="LSTM, exact gradient")
class ExactLSTM(LaneNets):
    """One net of an architecture, learning by real-time recurrent learning of the whole LSTM.

    Units, weights, trace variables and the errors at lag 0 are those of the truncated rule. Without weights from
    recurrent units, and in topology B, both rules are the same. Time per step and storage grow as H**2 W and H W with H
    units in the hidden layer.

    Parameters
    ----------
    architecture : Architecture
        Units, connections and rule; no sequential construction, nothing carried over.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.

    Raises
    ------
    ValueError
        If the architecture asks for sequential construction or to carry something over, or is too large.
    """

    many_lanes = False

    def __init__(self, architecture: Architecture, lanes: int = 1, *, symbols: bool = False) -> None:
        if architecture.sequential:
            raise refuse("sequential", True, "False with the exact gradient")
        if architecture.carry != "none":
            raise refuse("carry", architecture.carry, "none with the exact gradient")
        super().__init__(architecture, 1, symbols=symbols)
        shape = self.shape
        columns = -(-(shape.symbol_stride + shape.sources) // 8) * 8
        size = shape.units * columns * (shape.units + shape.cells)
        if size > _MAX_SENSITIVITIES:
            raise refuse("sensitivities of the exact gradient", size, f"at most {_MAX_SENSITIVITIES:,}; fewer units")
        self._p, self._x, self._column = aligned(size), aligned(columns), aligned(8 * (shape.units + 1))

    def reset(self, lane: int | slice) -> None:
        """Activations, cell states and sensitivities to zero; the weights stay."""
        super().reset(lane)
        self._p[:] = 0.0

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until the lane needs attention; the clock reached."""
        self.net.alpha[:] = self.architecture.learning_rate_at(scores.index)
        arrays = self.shape, self.rule, self.net, self.state, self._p, self._x, self._column
        reached: int = advance(self._width, *arrays, sequences, scores, record, clock, until, learn, track)
        return reached
