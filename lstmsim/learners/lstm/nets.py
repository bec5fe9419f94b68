"""The 1997 LSTM on lanes: the arrays the kernels work on, and a lane's weights by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lstmsim.kernels.recording import Layout, Record, Variable
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import Sequences
from lstmsim.kernels.vector import Width, aligned
from lstmsim.learners.base import StepLearner, register
from lstmsim.learners.lstm.equations import WAIT, Net, State
from lstmsim.learners.lstm.recording import VARIABLES, layout
from lstmsim.learners.lstm.settings import Architecture
from lstmsim.learners.lstm.steps import advance

Floats = npt.NDArray[np.float64]


@register("lstm", Architecture, label="LSTM")
class LaneNets(StepLearner):
    """Nets of one architecture, one per lane.

    Parameters
    ----------
    architecture : Architecture
        Units, connections and rule of every net.
    lanes : int
        Number of nets.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.
    """

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "input_gate": ("block", "source"),
        "output_gate": ("block", "source"),
        "cell": ("cell", "source"),
        "hidden": ("hidden", "source"),
        "output": ("output_unit", "output_source"),
    }

    many_lanes: ClassVar[bool] = True
    net: Any
    state: Any

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the LSTM can be recorded by."""
        return VARIABLES

    def __init__(self, architecture: Architecture, lanes: int, *, symbols: bool = False) -> None:
        self.architecture = architecture
        self.lanes, self._width = lanes, Width(lanes)
        self.shape = shape = architecture.shape(symbols=symbols)
        self.rule = architecture.rule()
        stride, wide = shape.symbol_stride, shape.output_stride
        groups = (
            (shape.sources * shape.units, lanes),
            (lanes, shape.units, stride),
            (lanes, shape.output_sources, wide),
            (lanes, shape.symbols if shape.output_symbols else 0, wide),
        )
        weights = [aligned(*group) for group in groups]
        changes = [aligned(*group) for group in groups] if self.rule.update_at_end else weights
        factor = aligned(wide)
        factor[: shape.outputs] = architecture.error_factor
        self.net = Net(*(*weights, *changes, aligned(lanes), aligned(shape.blocks, lanes), factor))
        self.net.present[:] = 1.0
        self.net.alpha[:] = architecture.learning_rate
        cells, units, blocks = shape.cells, shape.units, shape.blocks
        lane = np.arange(lanes)
        self.state = State(
            ring=aligned(1, dtype=np.int64),
            z=aligned((WAIT + 1) * shape.rows, lanes),
            s=aligned(cells, lanes),
            h=aligned(cells, lanes),
            net=aligned(units, lanes),
            y=aligned(units, lanes),
            factor=aligned(2 * WAIT * cells, lanes),
            p_cell=aligned(cells * shape.sources, lanes),
            p_gate=aligned(cells * shape.sources, lanes),
            p_symbol=aligned(lanes, 2 * cells, stride),
            owed=aligned(cells, lanes),
            due=aligned(units, lanes),
            source=aligned(lanes, shape.output_sources),
            y_k=aligned(lanes, wide),
            e_k=aligned(lanes, wide),
            back=aligned(cells + shape.hidden, lanes),
            e_s=aligned(cells, lanes),
            e_out=aligned(blocks, lanes),
            e_hidden=aligned(shape.hidden, lanes),
            norm=aligned(lanes),
            symbol=aligned(lanes, dtype=np.int64),
            first_weight=aligned(lanes, dtype=np.int64),
            first_partial=aligned(lanes, dtype=np.int64),
        )
        self.state.first_weight[:] = lane * units * stride
        self.state.first_partial[:] = lane * 2 * cells * stride
        self.state.z[shape.inputs :: shape.rows] = architecture.bias != "none"
        self._columns = self._column_order()

    def _column_order(self) -> npt.NDArray[np.intp]:
        """For each source row of the kernels the column of the named weights."""
        a = self.architecture
        cells, in_gates = a.n_inputs, a.n_inputs + a.n_cells
        out_gates, hidden = in_gates + a.n_blocks, in_gates + 2 * a.n_blocks
        order = [*range(self.shape.inputs), len(a.sources) - 1]
        if a.recurrent:
            if a.recurrence == "all":
                order += range(in_gates, hidden if a.output_gates else out_gates)
            order += [*range(hidden, hidden + a.n_hidden), *range(cells, in_gates)]
        return np.array(order)

    @property
    def _unit_groups(self) -> list[str]:
        """Groups of weights in the kernels' order of units."""
        names = ["input_gate", "cell", *(["output_gate"] if self.architecture.output_gates else [])]
        return [*names, *(["hidden"] if self.architecture.n_hidden else [])]

    @cached_property
    def _output_rows(self) -> tuple[int, npt.NDArray[np.intp]]:
        """Number of one-hot input columns of the outputs, and the columns of the dense source rows."""
        width = len(self.architecture.output_sources)
        first = self.shape.symbols if self.shape.output_symbols else 0
        dense = self.shape.output_inputs
        return first, np.array([*range(dense), width - 1, *range(first + dense, width - 1)])

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give one lane's net, or several, its weights, by the names and shapes of `lstmsim.LSTM.weights`."""
        shape, net = self.shape, self.net
        rows = np.concatenate([weights[name] for name in self._unit_groups])
        net.u.T[lane] = rows.T[self._columns].reshape(-1)
        for padded in (net.u_symbol, net.u_output, net.u_output_symbol):
            padded[lane] = 0.0  # a net that diverged has left NaN in the padding
        if shape.symbols:
            net.u_symbol[lane, :, : shape.symbols] = rows[:, : shape.symbols]
        first, columns = self._output_rows
        net.u_output[lane, :, : shape.outputs] = weights["output"].T[columns]
        if shape.output_symbols:
            net.u_output_symbol[lane, :, : shape.outputs] = weights["output"].T[:first]
        self.apply_changes(lane)

    def apply_changes(self, lane: int | slice) -> None:
        """Let changes that wait for the end of a sequence take effect in one lane, or in several."""
        net = self.net
        if self.rule.update_at_end:
            net.w[:, lane] = net.u[:, lane]
            net.w_symbol[lane], net.w_output[lane] = net.u_symbol[lane], net.u_output[lane]
            net.w_output_symbol[lane] = net.u_output_symbol[lane]

    def weights(self, lane: int) -> dict[str, Floats]:
        """Copies of one lane's weights, by the names and shapes of `lstmsim.LSTM.weights`."""
        shape, net, exists = self.shape, self.net, self.architecture.exists
        rows = np.zeros((shape.units, len(self.architecture.sources)))
        rows[:, self._columns] = net.w[:, lane].reshape(shape.sources, shape.units).T
        if shape.symbols:
            rows[:, : shape.symbols] = net.w_symbol[lane, :, : shape.symbols]
        groups, unit = {name: np.zeros(mask.shape) for name, mask in exists.items()}, 0
        for name in self._unit_groups:
            groups[name] = rows[unit : unit + len(exists[name])]
            unit += len(exists[name])
        first, columns = self._output_rows
        groups["output"][:, columns] = net.w_output[lane, :, : shape.outputs].T
        if shape.output_symbols:
            groups["output"][:, :first] = net.w_output_symbol[lane, :, : shape.outputs].T
        return {name: np.where(mask, groups[name], 0.0) for name, mask in exists.items()}

    def reset(self, lane: int | slice) -> None:
        """Activations, cell states and partials of one lane, or of several, to zero; the weights stay."""
        state, shape = self.state, self.shape
        bias = np.copy(state.z[shape.inputs, lane])
        for array in (state.z, state.s, state.h, state.p_cell, state.p_gate):
            array[:, lane] = 0.0
        state.p_symbol[lane] = 0.0
        state.z[shape.inputs :: shape.rows, lane] = bias

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give one lane the initial weights that belong to a seed; with sequential construction no block is present."""
        self.set_weights(lane, self.architecture.initial_weights(seed))
        self.net.present[:, lane] = not self.architecture.sequential

    def carried(self, lane: int) -> Floats:
        """What one lane has between two sequences besides its weights, in one row.

        Which blocks take part, 1.0, or 0.0 for those that have not joined; then states and partials if they are not reset.
        """
        return np.concatenate(self._carried(lane))

    def set_carried(self, lane: int | slice, carried: Floats) -> None:
        """The inverse of `carried`, for one lane or several; after `reset`, unless only what is present matters."""
        first = 0
        for part in self._carried(lane):
            part[...] = carried[first : first + part.shape[-1]]
            first += part.shape[-1]

    def _carried(self, lane: int | slice) -> list[Floats]:
        """Views of all that a lane carries from one sequence to the next, the lane first where there are several."""
        state, rule, arrays = self.state, self.rule, [self.net.present.T]
        if rule.keep_states:
            first = int(state.ring[0])
            arrays += [state.z[first : first + self.shape.rows].T, state.s.T, state.h.T]
        if rule.keep_partials:
            arrays += [state.p_cell.T, state.p_gate.T, state.p_symbol.reshape(self.lanes, -1)]
        return [array[lane] for array in arrays]

    def check(self, *, window: int) -> None:
        """Refuse a stopping rule that keeps fewer errors than `grow` compares."""
        n = self.architecture.join_window
        if self.architecture.sequential and 2 * n > window:
            raise ValueError(f"join_window is {n}, window {window}; allowed: a window of at least twice join_window")

    def growth_window(self, lane: int) -> int:
        """Sequences after which `grow` is asked again while a block has not joined."""
        return self.architecture.join_window if (self.net.present[:, lane] == 0).any() else 0

    def grow(self, lane: int, errors: Callable[[int], Floats], since: int) -> bool:
        """Sequential construction: a memory cell block joins when the mean error has stopped falling.

        The rule: the mean |error| of the latest `join_window` sequences is not below `join_ratio` times that of the
        `join_window` sequences before them.
        """
        n = self.architecture.join_window
        if since < 2 * n:
            return False
        latest = errors(2 * n)
        if latest[n:].mean() < self.architecture.join_ratio * latest[:n].mean():
            return False
        self.join(lane)
        return True

    def join(self, lane: int) -> None:
        """Let the next memory cell block of one lane take part."""
        self.net.present[int(np.argmin(self.net.present[:, lane])), lane] = 1.0

    @property
    def layout(self) -> Layout:
        """What a recorded step holds."""
        return layout(self.shape)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        return {"source": self.architecture.sources, "output_source": self.architecture.output_sources}

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step all lanes from `clock` to `until`, or until a lane needs attention; the clock reached."""
        self.net.alpha[:] = self.architecture.learning_rate_at(scores.index)
        nets = self.shape, self.rule, self.net, self.state
        return advance(self._width, *nets, sequences, scores, record, clock, until, learn, track)
