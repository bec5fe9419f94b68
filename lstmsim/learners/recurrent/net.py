"""Conventional recurrent nets: settings, named weights, and the arrays of one net, for the rules that train them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, settings
from lstmsim.kernels.recording import Layout, Variable
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import (
    HIDDEN,
    HIDDEN_ERROR,
    INPUT,
    OUTPUT,
    OUTPUT_ERROR,
    TARGET,
    UPDATE_NORM,
    LearnerSettings,
)
from lstmsim.learners.optimiser import OptimiserSettings, memory, new_optimiser, restart
from lstmsim.learners.over_time import OneLaneLearner
from lstmsim.learners.recurrent.equations import Net, Nets, Shape, State
from lstmsim.learners.weights import Floats, Masks, Weights, checked_weights, not_too_large, uniform_weights


@settings
class RecurrentSettings(LearnerSettings, OptimiserSettings):
    """A net of logistic units with recurrent connections, and what is made of its gradient (`OptimiserSettings`).

    Parameters
    ----------
    n_inputs, n_outputs : int
        Units; 0: as many as the task has.
    n_hidden : int
        Hidden units.
    topology : {"full", "late", "layered", "direct"}
        full: outputs and hidden units are alike; each sees the inputs and, one step late, all of them. late: each sees
        the inputs and, one step late, the hidden units. layered: hidden units see the inputs and, one step late, each
        other; outputs see the hidden units of the same step. direct: layered, and the outputs see the inputs too.
    bias : bool
        All units have a bias.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].
    learning_rate : float
        alpha.

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    n_hidden: Annotated[Whole, Field(ge=1)] = 5
    topology: Literal["full", "late", "layered", "direct"] = "full"
    bias: Flag = False
    init_range: Annotated[Real, Field(ge=0)] = 0.2
    learning_rate: Annotated[Real, Field(gt=0)] = 0.1

    def __post_init__(self) -> None:
        """Check the net's size."""
        units = self.n_hidden + self.n_outputs
        sizes = {"n_inputs": self.n_inputs, "n_outputs": self.n_outputs, "n_hidden": self.n_hidden}
        not_too_large((self.n_inputs + units) * units, **sizes)

    @property
    def layered(self) -> bool:
        """Whether the outputs see the hidden units of the same step."""
        return self.topology in ("layered", "direct")

    @cached_property
    def sources(self) -> list[str]:
        """Names of the sources of the hidden units, in the order of the weights' columns."""
        outputs = [] if self.layered else [f"output {k}" for k in range(self.n_outputs)]
        return [*self._inputs, *self._hidden, *outputs, "bias"]

    @cached_property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs, in the order of the weights' columns."""
        if not self.layered:
            return self.sources
        return [*(self._inputs if self.topology == "direct" else []), *self._hidden, "bias"]

    @property
    def _inputs(self) -> list[str]:
        return [f"input {i}" for i in range(self.n_inputs)]

    @property
    def _hidden(self) -> list[str]:
        return [f"hidden {i}" for i in range(self.n_hidden)]

    @cached_property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape."""
        masks = {
            "hidden": np.ones((self.n_hidden, len(self.sources)), bool),
            "output": np.ones((self.n_outputs, len(self.output_sources)), bool),
        }
        for mask in masks.values():
            mask[:, -1] = self.bias
            if self.topology == "late":
                mask[:, self.n_inputs + self.n_hidden : -1] = False
        return masks

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range]."""
        return uniform_weights(self.exists, self.init_range, seed)

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the number of hidden units."""
        return str(self.n_hidden)

    def shape(self, *, symbols: bool = False) -> Shape:
        """Sizes for the kernels; with `symbols` the inputs are one-hot and come as symbol numbers."""
        units = self.n_hidden + (0 if self.layered else self.n_outputs)
        first_input = -(-units // 8) * 8
        seen = (1 if symbols else self.n_inputs) if self.topology == "direct" else 0
        return Shape(
            inputs=self.n_inputs,
            symbols=bool(symbols),
            hidden=self.n_hidden,
            outputs=self.n_outputs,
            units=units,
            first_input=first_input,
            stride=-(-(first_input + self.n_inputs + 1) // 8) * 8,
            output_stride=-(-self.n_outputs // 8) * 8,
            layered=self.layered,
            direct=self.topology == "direct",
            bias=bool(self.bias),
            output_sources=len(self.output_sources) if self.layered else 0,
            output_active=seen + self.n_hidden + 1 if self.layered else 0,
        )


class RecurrentNet(OneLaneLearner):
    """One net of given settings on one lane; the subclasses bring the learning rule.

    Parameters
    ----------
    settings : RecurrentSettings
        Units, connections and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.
    separate : bool
        Changes of the weights go to arrays of their own.
    """

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that a conventional net can be recorded by, in the order of a recorded row."""
        return {
            "input": INPUT,
            "target": TARGET,
            "output": OUTPUT,
            "output_error": OUTPUT_ERROR,
            "hidden": HIDDEN,
            "hidden_error": HIDDEN_ERROR,
            "update_norm": UPDATE_NORM,
        }

    def __init__(
        self, settings: RecurrentSettings, lanes: int = 1, *, symbols: bool = False, separate: bool = False
    ) -> None:
        settings.check_sizes()
        self.settings = settings
        self.shape = shape = settings.shape(symbols=symbols)
        groups = (shape.units, shape.stride), (shape.output_sources, shape.output_stride)
        weights = [aligned(*group) for group in groups]
        self.optimiser = new_optimiser(settings, settings.learning_rate, sum(group.size for group in weights))
        plain = self.optimiser.plain
        self.alpha = settings.learning_rate if plain else 1.0
        self.net = Net(*weights, *([aligned(*group) for group in groups] if separate or not plain else weights))
        self.state = State(
            z=aligned(shape.stride),
            net=aligned(shape.first_input),
            y=aligned(shape.first_input),
            y_k=aligned(1, shape.output_stride),
            e_k=aligned(1, shape.output_stride),
            back=aligned(shape.first_input),
            norm=aligned(1),
            symbol=aligned(1, dtype=np.int64),
            unit_mask=aligned(shape.first_input),
            source_mask=aligned(shape.first_input),
            output_mask=aligned(shape.output_stride),
        )
        self.nets: Any = Nets(shape, self.net, self.state, self.optimiser, self.alpha)
        self.state.unit_mask[: shape.units] = 1.0
        self.state.source_mask[shape.outputs if settings.topology == "late" else 0 : shape.units] = 1.0
        self.state.output_mask[: shape.outputs] = 1.0
        self.state.z[shape.first_input + shape.inputs] = shape.bias
        inputs, hidden = np.arange(shape.inputs), np.arange(shape.hidden)
        end = [shape.first_input + shape.inputs]
        outputs = np.arange(0 if shape.layered else shape.outputs)
        self._columns = np.concatenate([shape.first_input + inputs, len(outputs) + hidden, outputs, end])
        seen = shape.units + inputs[: shape.inputs if shape.direct else 0]
        self._output_rows = np.concatenate([seen, hidden, [shape.output_sources - 1]])

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights: "hidden" (hidden_unit, source) and "output" (output, output_source).

        What the optimiser remembers is forgotten.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape, is not finite, or is not 0 where no connection is.
        """
        weights, net, first = checked_weights(weights, self.settings.exists), self.net, self.shape.units - self.shape.hidden
        restart(self.optimiser, self.settings.learning_rate)
        net.u[:] = net.u_output[:] = 0.0
        for w, w_output in ((net.w, net.w_output), (net.u, net.u_output))[: 1 + self.optimiser.plain]:
            w[first:, self._columns] = weights["hidden"]
            if self.shape.layered:
                w_output[self._output_rows, : self.shape.outputs] = weights["output"].T
            else:
                w[:first, self._columns] = weights["output"]

    def weights(self, lane: int) -> Weights:
        """Copies of the weights."""
        net, first = self.net, self.shape.units - self.shape.hidden
        if self.shape.layered:
            output = net.w_output[self._output_rows, : self.shape.outputs].T.copy()
        else:
            output = net.w[:first, self._columns]
        return {"hidden": net.w[first:, self._columns], "output": output}

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give the net the initial weights that belong to a seed."""
        self.set_weights(lane, self.settings.initial_weights(seed))

    def carried(self, lane: int) -> Floats:
        """Return what outlives a sequence besides the weights: the optimiser's memory, where it has one."""
        return np.concatenate([np.zeros(0), *memory(self.optimiser)], axis=None)

    def set_carried(self, lane: int | slice, carried: Floats) -> None:
        """Take what `carried` gave."""
        first = 0
        for part in memory(self.optimiser):
            part[:] = carried[first : first + part.size]
            first += part.size

    def reset(self, lane: int | slice = 0) -> None:
        """Activations to zero; the weights stay."""
        self.state.z[: self.shape.first_input] = 0.0
        self.state.y[:] = 0.0

    @property
    def layout(self) -> Layout:
        """What a recorded step holds, in the order of a recorded row."""
        shape = self.shape
        sizes = {"hidden_unit": shape.hidden, "input_unit": shape.inputs, "output_unit": shape.outputs}
        return Layout(self.variables(), sizes, shape.symbols)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        return {"source": self.settings.sources, "output_source": self.settings.output_sources}
