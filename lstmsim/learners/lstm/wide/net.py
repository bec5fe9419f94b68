"""One big 1997 LSTM, its units along the vector, and where a weight's name leads in its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from numba.core.dispatcher import Dispatcher

from lstmsim.kernels.compile import called
from lstmsim.kernels.recording import Record
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import Sequences
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.lstm.wide.steps import advance_wide, learn_last_wide
from lstmsim.learners.lstm.wide.structs import WideNet, new_wide
from lstmsim.learners.weights import Floats


class WideNets(LaneNets):
    """One net; where `LaneNets` has its nets' lane numbers, 0 is the only one here.

    Parameters
    ----------
    settings : LSTMSettings
        Units, connections and rule of the net, for which `chosen` is true.
    """

    learn_last: ClassVar[Dispatcher] = staticmethod(learn_last_wide)
    kernel: ClassVar[Dispatcher] = staticmethod(advance_wide)
    sound = None
    nets: WideNet  # type: ignore[assignment]

    def __init__(self, settings: LSTMSettings) -> None:
        self.settings, self.lanes, self._of_lane = settings, 1, {}
        self.nets = new_wide(settings)
        self._columns = self._column_order()

    def _unit_lanes(self, name: str) -> npt.NDArray[np.intp]:
        """Lanes of a group's units among all rows, shape (unit, copy)."""
        tiles = self.nets.tiles
        if name in ("input_gate", "output_gate"):
            first = 8 * (tiles.first_out if name == "output_gate" else tiles.cell_rows)
            return first + self.nets.state.block_lane[:, None] + np.arange(tiles.group)
        if name == "hidden":
            return 8 * tiles.first_hidden + np.arange(self.nets.shape.hidden)[:, None]
        return self.nets.state.cell_lane[:, None]

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights, by the names and shapes of `lstmsim.LSTM.weights`."""
        for name in self._unit_groups:
            for copy in self._unit_lanes(name).T:
                self.nets.weights.u[copy // 8, :, copy % 8] = weights[name][:, self._columns]
        self.nets.weights.u_output[0, :, : self.nets.shape.outputs] = weights["output"].T[self._output_rows[1]]
        self.apply_changes(lane)

    def apply_changes(self, lane: int | slice) -> None:
        """Let changes that wait for the end of a sequence take effect."""
        if self.nets.rule.update_at_end:
            self.nets.weights.w[:], self.nets.weights.w_output[:] = self.nets.weights.u, self.nets.weights.u_output

    def weights(self, lane: int) -> dict[str, Floats]:
        """Copies of the weights, by the names and shapes of `lstmsim.LSTM.weights`."""
        groups = {name: np.zeros(mask.shape) for name, mask in self.settings.exists.items()}
        for name in self._unit_groups:
            lanes = self._unit_lanes(name)[:, 0]
            groups[name][:, self._columns] = self.nets.weights.w[lanes // 8, :, lanes % 8]
        groups["output"][:, self._output_rows[1]] = self.nets.weights.w_output[0, :, : self.nets.shape.outputs].T
        return {name: np.where(mask, groups[name], 0.0) for name, mask in self.settings.exists.items()}

    def _now(self) -> int:
        """First row of the sources of the next step."""
        return int(self.nets.state.ring[0]) * self.nets.shape.rows

    def set_activations(self, activations: Mapping[str, Floats], lane: int = 0) -> None:
        """The inverse of `activations`: what the next step sees; the partials stay."""
        super().set_activations(activations, lane)
        state = self.nets.state
        state.row_s[state.cell_lane] = state.s[:, 0]

    def reset(self, lane: int | slice) -> None:
        """Activations, cell states and partials to zero; the weights stay."""
        state = self.nets.state
        bias = state.z[self.nets.shape.inputs, 0]
        for array in (state.z, state.s, state.y, state.y_k, state.row_s, state.p, state.ring):
            array[:] = 0
        state.z[self.nets.shape.inputs :: self.nets.shape.rows] = bias

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step the net from `clock` to `until`, or until it needs attention; the clock reached."""
        self.set_rates(scores.index)
        reached: int = called(self.kernel, self.nets, sequences, scores, record, clock, until, learn, track or learn)
        return reached
