"""The 1997 LSTM on lanes: the arrays the kernels work on, and a lane's weights by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from numba.core.dispatcher import Dispatcher

from lstmsim.kernels.arrays import Floats, Ints
from lstmsim.kernels.compile import called
from lstmsim.kernels.recording import Layout, Record, Variable
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import Sequences
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import LaneLearner, check_join_window, has_stopped_falling, register
from lstmsim.learners.lstm.descent import take_waiting
from lstmsim.learners.lstm.recording import VARIABLES, layout
from lstmsim.learners.lstm.settings import PEEPHOLES, RATE, InitialWeights, LSTMSettings, rate_at
from lstmsim.learners.lstm.steps import advance, learn_last, weights_are_numbers
from lstmsim.learners.lstm.structs import LANE_FIRST, OF_ALL_LANES, WAIT, Nets, new_nets, rate_of
from lstmsim.learners.optimiser import begin

PER_LANE = frozenset((*RATE, *dataclasses.asdict(InitialWeights())))


@register("lstm", LSTMSettings, label="LSTM")
class LaneNets(LaneLearner[LSTMSettings]):
    """Nets of one shape and rule, one per lane.

    Parameters
    ----------
    settings : LSTMSettings
        Units, connections and rule of every net.
    lanes : int
        Number of nets.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.
    wait : int
        Steps whose terms of the partials may wait; the bits do not depend on it.
    """

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "input_gate": ("block", "source"),
        "output_gate": ("block", "source"),
        "cell": ("cell", "source"),
        "hidden": ("hidden_unit", "source"),
        "forget_gate": ("block", "source"),
        "peephole": ("gate", "cell"),
        "output": ("output_unit", "output_source"),
    }

    nets: Nets
    many_lanes: ClassVar[bool] = True
    per_lane: ClassVar[frozenset[str]] = PER_LANE
    learn_last: ClassVar[Dispatcher] = staticmethod(learn_last)
    kernel: ClassVar[Dispatcher] = staticmethod(advance)
    sound: ClassVar[Dispatcher | None] = staticmethod(weights_are_numbers)

    @classmethod
    def make(cls, settings: LSTMSettings, lanes: int, *, symbols: bool = False) -> LaneNets:
        """Nets on lanes, or one wide net, by the settings alone."""
        from lstmsim.learners.lstm.choice import nets_of  # which knows classes that are made from this one

        return nets_of(settings, lanes, symbols=symbols)

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the LSTM can be recorded by."""
        return VARIABLES

    def __init__(self, settings: LSTMSettings, lanes: int = 1, *, symbols: bool = False, wait: int = WAIT) -> None:
        self.settings, self.lanes, self._of_lane = settings, lanes, dict[int, LSTMSettings]()
        self.nets = new_nets(settings, lanes, symbols=symbols, wait=wait)
        self._columns = self._column_order()
        if self.nets.shape.symbol_stride:
            self.symbol_tables = self.nets.state.p_symbol, self.nets.weights.w_symbol, self.nets.weights.u_symbol

    def on_thread(self) -> LaneNets:
        """One net whose terms do not wait: partials of small nets are registers then, which cost nothing to change."""
        return type(self)(self.settings, symbols=self.nets.shape.symbols > 0, wait=1)

    def _column_order(self) -> npt.NDArray[np.intp]:
        """For each source row of the kernels the column of the named weights."""
        a = self.settings
        cells, in_gates = a.n_inputs, a.n_inputs + a.n_cells
        out_gates, forget_gates = in_gates + a.n_blocks, in_gates + 2 * a.n_blocks
        hidden = forget_gates + (a.n_blocks if a.forget_gates else 0)
        order = [*range(self.nets.shape.inputs), len(a.sources) - 1]
        if a.recurrent:
            if a.recurrence == "all":
                order += range(in_gates, forget_gates if a.output_gates else out_gates)
                order += range(forget_gates, hidden)
            order += [*range(hidden, hidden + a.n_hidden), *range(cells, in_gates)]
        return np.array(order)

    @property
    def _unit_groups(self) -> list[str]:
        """Groups of weights in the kernels' order of units."""
        a = self.settings
        there = {"output_gate": a.output_gates, "hidden": a.n_hidden > 0, "forget_gate": a.forget_gates}
        return ["input_gate", "cell", *(name for name, exists in there.items() if exists)]

    @cached_property
    def _output_rows(self) -> tuple[int, npt.NDArray[np.intp]]:
        """Number of one-hot input columns of the outputs, and the columns of the dense source rows."""
        width = len(self.settings.output_sources)
        shape = self.nets.shape
        first = shape.symbols if shape.output_symbols else 0
        dense = shape.output_inputs
        return first, np.array([*range(dense), width - 1, *range(first + dense, width - 1)])

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give one lane's net, or several, its weights, by the names and shapes of `lstmsim.LSTM.weights`."""
        shape, net = self.nets.shape, self.nets.weights
        rows = np.concatenate([weights[name] for name in self._unit_groups])
        net.u.T[lane] = rows.T[self._columns].reshape(-1)
        for padded in (net.u_symbol, net.u_output, net.u_output_symbol):
            padded[lane] = 0.0  # a net that diverged has left NaN in the padding
        if shape.peepholes:
            net.u_peephole.T[lane] = weights["peephole"].reshape(-1)
        if shape.symbol_stride:
            net.u_symbol[lane, :, : shape.symbols] = rows[:, : shape.symbols]
        first, columns = self._output_rows
        net.u_output[lane, :, : shape.outputs] = weights["output"].T[columns]
        if shape.output_symbols:
            net.u_output_symbol[lane, :, : shape.outputs] = weights["output"].T[:first]
        if self.settings.plain:
            self.apply_changes(lane)
        else:
            self._take_changes(lane)
            self._begin(lane)

    def _take_changes(self, lane: int | slice) -> None:
        """Make weights equal to what stands where changes go."""
        net = self.nets.weights
        net.w[:, lane] = net.u[:, lane]
        net.w_symbol[lane], net.w_output[lane] = net.u_symbol[lane], net.u_output[lane]
        net.w_output_symbol[lane] = net.u_output_symbol[lane]
        net.peephole[:, lane] = net.u_peephole[:, lane]

    def _begin(self, lane: int | slice) -> None:
        """No gradient waits for the optimiser of one lane, or of several, which has forgotten all changes."""
        net, optimiser, lanes = self.nets.weights, self.nets.optimiser, range(self.lanes)
        net.u[:, lane] = net.u_peephole[:, lane] = optimiser.waits[lane] = 0.0
        net.u_output[lane] = 0.0
        for part in self._remembered():
            part[lane] = 0.0
        for n in lanes[lane] if isinstance(lane, slice) else [lane]:
            begin(optimiser.now, n, self._of_lane.get(n, self.settings).learning_rate)

    def _remembered(self) -> list[Floats]:
        """Views of what the optimiser remembers, the lane first; nothing without one."""
        if self.settings.plain:
            return []
        kept = self.nets.optimiser
        outputs = [array.reshape(self.lanes, -1) for array in (kept.first_output, kept.second_output)]
        return [kept.now.T, kept.first.T, kept.second.T, *outputs]

    def apply_changes(self, lane: int | slice) -> None:
        """Let changes that wait for the end of a sequence take effect in one lane, or in several."""
        if self.nets.rule.update_at_end and self.settings.plain:
            self._take_changes(lane)
        elif self.nets.rule.update_at_end:
            chosen = aligned(self.lanes)
            chosen[lane] = 1.0
            take_waiting(self.nets, chosen)

    def set_learning_rate(self, rate: float) -> None:
        """Give all lanes another learning rate, which an optimiser begins to make smaller anew."""
        self.settings = dataclasses.replace(self.settings, learning_rate=rate)
        if self.settings.plain:
            self.nets.weights.rate[0] = self.nets.weights.alpha[:] = rate
        else:
            self.nets.optimiser.now[0] = rate

    def weights(self, lane: int) -> dict[str, Floats]:
        """Copies of one lane's weights, by the names and shapes of `lstmsim.LSTM.weights`."""
        shape, net, exists = self.nets.shape, self.nets.weights, self.settings.exists
        rows = np.zeros((shape.units, len(self.settings.sources)))
        rows[:, self._columns] = net.w[:, lane].reshape(shape.sources, shape.units).T
        if shape.symbol_stride:
            rows[:, : shape.symbols] = net.w_symbol[lane, :, : shape.symbols]
        groups, unit = {name: np.zeros(mask.shape) for name, mask in exists.items()}, 0
        for name in self._unit_groups:
            groups[name] = rows[unit : unit + len(exists[name])]
            unit += len(exists[name])
        if shape.peepholes:
            groups["peephole"][:] = net.peephole[:, lane].reshape(3, -1)
        first, columns = self._output_rows
        groups["output"][:, columns] = net.w_output[lane, :, : shape.outputs].T
        if shape.output_symbols:
            groups["output"][:, :first] = net.w_output_symbol[lane, :, : shape.outputs].T
        return {name: np.where(mask, groups[name], 0.0) for name, mask in exists.items()}

    def reset(self, lane: int | slice) -> None:
        """Activations, cell states and partials of one lane, or of several, to zero; the weights stay."""
        state, shape = self.nets.state, self.nets.shape
        bias = np.copy(state.z[shape.inputs, lane])
        for array in (state.z, state.s, state.h, state.y, state.p_cell, state.p_gate, state.p_forget, state.p_peephole):
            array[:, lane] = 0.0
        state.p_symbol[lane] = state.y_k[lane] = 0.0
        state.z[shape.inputs :: shape.rows, lane] = bias

    def _views(self, lane: int) -> dict[str, Floats]:
        """What a lane's next step sees of the units, by name, as views (gates only where they are sources)."""
        shape, state = self.nets.shape, self.nets.state
        first = self._now() + shape.inputs + 1
        gates = {"input_gate": shape.blocks, "output_gate": shape.output_gates, "forget_gate": shape.forget_gates}
        names = [(name, size if shape.gate_rows else 0) for name, size in gates.items() if name != "forget_gate" or size]
        result = {}
        for name, size in (*names, ("hidden", shape.hidden), ("cell_output", shape.cells)):
            result[name], first = state.z[first : first + size, lane], first + size
        return result

    def _now(self) -> int:
        """First row of the sources of the next step."""
        return int(self.nets.state.ring[0])

    def _shown(self, lane: int) -> dict[str, Floats]:
        """Activations of a lane's units and its cell states, by name, as views of what the last step left."""
        shape, state = self.nets.shape, self.nets.state
        gates, first_forget = shape.blocks + shape.cells, shape.units - shape.forget_gates
        forget_gates = {"forget_gate": state.y[first_forget:, lane]} if shape.forget_gates else {}
        return {
            "cell_state": state.s[:, lane],
            "input_gate": state.y[: shape.blocks, lane],
            "output_gate": state.y[gates : gates + shape.output_gates, lane],
            "hidden": state.y[first_forget - shape.hidden : first_forget, lane],
            "output": state.y_k[lane, : shape.outputs],
            **forget_gates,
        }

    def activations(self, lane: int = 0) -> dict[str, Floats]:
        """Copies of a lane's cell states and activations after its last step, by name; 0 after a reset."""
        found = {name: values.copy() for name, values in (self._views(lane) | self._shown(lane)).items()}
        if not self.nets.shape.output_gates:
            found["output_gate"] = np.ones(self.nets.shape.blocks)
        return found

    def set_activations(self, activations: Mapping[str, Floats], lane: int = 0) -> None:
        """The inverse of `activations`: what the next step sees; the partials stay."""
        for views in (self._shown(lane), self._views(lane)):
            for name, values in views.items():
                if values.size:
                    values[:] = activations[name]

    def kept(self, lane: int) -> list[Floats]:
        """Copies of all that one lane's net consists of between two steps, whatever the step."""
        return [np.roll(part, -self._now()) if turns else part.copy() for part, turns in self._parts(lane)]

    def put_back(self, lane: int, kept: Sequence[Floats]) -> None:
        """The inverse of `kept`, after other steps too."""
        for (part, turns), before in zip(self._parts(lane), kept, strict=True):
            part[...] = np.roll(before, self._now()) if turns else before

    def _parts(self, lane: int) -> list[tuple[Floats, bool]]:
        """Views of one lane's share of every array, and whether the steps go round in it as in a ring."""
        parts = []
        for struct in self.structs:
            for name, array in zip(struct.fields, struct, strict=True):
                if isinstance(array, np.ndarray) and name not in OF_ALL_LANES:
                    parts.append((array[lane] if name in LANE_FIRST else array[..., lane], name == "z"))
        return parts

    @property
    def structs(self) -> tuple[Struct, ...]:
        """All that has arrays which steps change."""
        nets = self.nets
        return (nets.weights, nets.state) if self.settings.plain else (nets.weights, nets.state, nets.optimiser)

    def settle(self, lane: int, settings: LSTMSettings) -> None:
        """Give one lane learning rate and initial weights of its own."""
        self._of_lane[lane] = settings
        self.nets.weights.rate[:, lane] = rate_of(settings)

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give one lane the initial weights that belong to a seed; with sequential construction no block is present."""
        self.set_weights(lane, self._of_lane.get(lane, self.settings).initial_weights(seed))
        self.nets.weights.present[:, lane] = not self.settings.sequential

    def carried(self, lane: int) -> Floats:
        """What one lane has between two sequences besides its weights, in one row.

        Which blocks take part, 1.0, or 0.0 for those that have not joined; then states and partials if they are not reset,
        and what an optimiser remembers.
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
        state, rule, arrays = self.nets.state, self.nets.rule, [self.nets.weights.present.T]
        if rule.keep_states:
            first = int(state.ring[0])
            arrays += [state.z[first : first + self.nets.shape.rows].T, state.s.T, state.h.T]
        if rule.keep_partials:
            arrays += [state.p_cell.T, state.p_gate.T, state.p_symbol.reshape(self.lanes, -1)]
            arrays += [state.p_forget.T, state.p_peephole.T]
        arrays += self._remembered()
        return [array[lane] for array in arrays]

    def check(self, *, window: int) -> None:
        """Refuse a stopping rule that keeps fewer errors than `grow` compares."""
        if self.settings.sequential:
            check_join_window(self.settings.join_window, window)

    def growth_window(self, lane: int) -> int:
        """Sequences after which `grow` is asked again while a block has not joined."""
        return self.settings.join_window if (self.nets.weights.present[:, lane] == 0).any() else 0

    def grow(self, lane: int, errors: Callable[[int], Floats], since: int) -> bool:
        """Sequential construction: a memory cell block joins when the mean error has stopped falling.

        The rule: the mean |error| of the latest `join_window` sequences is not below `join_ratio` times that of the
        `join_window` sequences before them.
        """
        if not has_stopped_falling(errors, since, self.settings.join_window, self.settings.join_ratio):
            return False
        self.join(lane)
        return True

    def join(self, lane: int) -> None:
        """Let the next memory cell block of one lane take part."""
        self.nets.weights.present[int(np.argmin(self.nets.weights.present[:, lane])), lane] = 1.0

    @property
    def layout(self) -> Layout:
        """What a recorded step holds."""
        return layout(self.nets.shape)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        return {"source": self.settings.sources, "output_source": self.settings.output_sources, "gate": PEEPHOLES}

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step all lanes from `clock` to `until`, or until a lane needs attention; the clock reached."""
        self.set_rates(scores.index)
        reached: int = called(self.kernel, self.nets, sequences, scores, record, clock, until, learn, track)
        return reached

    def set_rates(self, index: Ints) -> None:
        """Give each lane the learning rate of its sequence number."""
        self.nets.weights.alpha[:] = rate_at(self.nets.weights.rate, index)
