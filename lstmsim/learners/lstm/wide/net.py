"""One big 1997 LSTM, its units along the vector: its arrays, and where a weight's name leads in them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lstmsim.kernels.recording import Record
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import Sequences
from lstmsim.kernels.vector import aligned
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.lstm.settings import Architecture
from lstmsim.learners.lstm.wide.equations import CHAIN, PIECE, RING, Tiles, WideNet, WideState
from lstmsim.learners.lstm.wide.steps import advance_wide

Floats = npt.NDArray[np.float64]

WIDE_FROM = 500  # weights from which on `one_net` may take the wide kernel


def tiles_of(architecture: Architecture) -> Tiles:
    """Rows of eight units; a block takes as many lanes as make the arrays smallest."""
    a = architecture

    def tiling(group: int) -> tuple[int, int]:
        return -(-a.n_blocks * group // 8), -(-a.block_size // group)

    def vectors(group: int) -> int:
        tiles, slots = tiling(group)
        return tiles * (3 * slots + 2)

    group = min((1, 2, 4, 8), key=vectors)
    tiles, slots = tiling(group)
    first_out = tiles * slots + tiles
    first_hidden = first_out + (tiles if a.output_gates else 0)
    return Tiles(
        tiles=tiles,
        group=group,
        slots=slots,
        cell_rows=tiles * slots,
        first_out=first_out,
        first_hidden=first_hidden,
        rows=first_hidden + -(-a.n_hidden // 8),
    )


class WideNets(LaneNets):
    """One net of an architecture; where `LaneNets` has its nets' lane numbers, 0 is the only one here.

    Parameters
    ----------
    architecture : Architecture
        Units, connections and rule of the net.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.lanes = 1
        self.shape = shape = architecture.shape()
        self.rule = architecture.rule()
        self.tiles = tiles = tiles_of(architecture)
        wide = shape.output_stride
        groups = ((tiles.rows, shape.sources, 8), (1, shape.output_sources, wide), (1, 0, wide))
        weights = [aligned(*group) for group in groups]
        changes = [aligned(*group) for group in groups] if self.rule.update_at_end else weights
        self.net = WideNet(*(*weights, *changes, aligned(1), aligned(shape.blocks, 1), aligned(wide)))
        self.net.alpha[:] = architecture.learning_rate
        self.net.present[:] = 1.0
        self.net.error_factor[: shape.outputs] = architecture.error_factor
        block, v = np.divmod(np.arange(shape.cells), shape.size)
        self._block_lane = np.arange(shape.blocks) * tiles.group
        row = block * tiles.group // 8 * tiles.slots + v // tiles.group
        self._cell_lane = 8 * row + block * tiles.group % 8 + v % tiles.group
        cells, units, cell_lanes = shape.cells, shape.units, 8 * tiles.cell_rows
        self.state = WideState(
            z=aligned(2 * RING * shape.rows, 1),
            s=aligned(cells, 1),
            net=aligned(units, 1),
            y=aligned(units, 1),
            y_k=aligned(1, wide),
            e_k=aligned(1, wide),
            back=aligned(cells + shape.hidden, 1),
            e_s=aligned(cells, 1),
            e_out=aligned(shape.blocks, 1),
            norm=aligned(1),
            symbol=aligned(1, dtype=np.int64),
            cell_lane=self._cell_lane,
            block_lane=self._block_lane,
            ring=np.zeros(2, np.int64),
            p=aligned(2 * tiles.cell_rows, shape.sources, 8),
            change=aligned(CHAIN, PIECE, 8),
            row_net=aligned(8 * tiles.rows),
            row_y=aligned(8 * tiles.rows),
            row_present=aligned(8 * tiles.tiles),
            row_gates=aligned(16 * tiles.tiles),
            row_s=aligned(cell_lanes),
            row_h=aligned(cell_lanes),
            row_y_c=aligned(cell_lanes),
            row_back=aligned(cell_lanes),
            factor=aligned(RING, 2, cell_lanes),
            row_e_s=aligned(RING, cell_lanes),
            row_e_out=aligned(RING, 8 * tiles.tiles),
            row_e_hidden=aligned(RING, 8 * (tiles.rows - tiles.first_hidden)),
        )
        self.state.z[shape.inputs :: shape.rows] = architecture.bias != "none"
        self._columns = self._column_order()

    def _unit_lanes(self, name: str) -> npt.NDArray[np.intp]:
        """Lanes of a group's units among all rows, shape (unit, copy)."""
        tiles = self.tiles
        if name in ("input_gate", "output_gate"):
            first = 8 * (tiles.first_out if name == "output_gate" else tiles.cell_rows)
            return first + self._block_lane[:, None] + np.arange(tiles.group)
        if name == "hidden":
            return 8 * tiles.first_hidden + np.arange(self.shape.hidden)[:, None]
        return self._cell_lane[:, None]

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights, by the names and shapes of `lstmsim.LSTM.weights`."""
        for name in self._unit_groups:
            for copy in self._unit_lanes(name).T:
                self.net.u[copy // 8, :, copy % 8] = weights[name][:, self._columns]
        self.net.u_output[0, :, : self.shape.outputs] = weights["output"].T[self._output_rows[1]]
        self.apply_changes(lane)

    def apply_changes(self, lane: int | slice) -> None:
        """Let changes that wait for the end of a sequence take effect."""
        if self.rule.update_at_end:
            self.net.w[:], self.net.w_output[:] = self.net.u, self.net.u_output

    def weights(self, lane: int) -> dict[str, Floats]:
        """Copies of the weights, by the names and shapes of `lstmsim.LSTM.weights`."""
        groups = {name: np.zeros(mask.shape) for name, mask in self.architecture.exists.items()}
        for name in self._unit_groups:
            lanes = self._unit_lanes(name)[:, 0]
            groups[name][:, self._columns] = self.net.w[lanes // 8, :, lanes % 8]
        groups["output"][:, self._output_rows[1]] = self.net.w_output[0, :, : self.shape.outputs].T
        return {name: np.where(mask, groups[name], 0.0) for name, mask in self.architecture.exists.items()}

    def reset(self, lane: int | slice) -> None:
        """Activations, cell states and partials to zero; the weights stay."""
        state = self.state
        bias = state.z[self.shape.inputs, 0]
        for array in (state.z, state.row_s, state.p, state.ring):
            array[:] = 0
        state.z[self.shape.inputs :: self.shape.rows] = bias

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step the net from `clock` to `until`, or until it needs attention; the clock reached."""
        nets = self.shape, self.tiles, self.rule, self.net, self.state
        return advance_wide(*nets, sequences, scores, record, clock, until, learn, track or learn)


def one_net(architecture: Architecture) -> LaneNets:
    """Holder of one net, its units along the vector where they fill at least half of one and the net is large.

    The wide kernel is faster even for the nets of the paper's tables (1.2 to 2.3 times). But those stay on a single lane,
    having fewer than 4 cells or fewer than `WIDE_FROM` weights: so `lstmsim.LSTM` repeats their trials, to the last bit
    where inputs are dense.
    """
    filled = architecture.n_cells + architecture.n_hidden >= 4
    return WideNets(architecture) if filled and architecture.n_weights >= WIDE_FROM else LaneNets(architecture, 1)
