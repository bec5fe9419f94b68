"""Conventional recurrent nets: settings, named weights, and the arrays of one net, for the rules that train them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np

from lstmsim.checks import Field, Flag, Real, settings
from lstmsim.kernels.arrays import Array, Floats
from lstmsim.kernels.recording import Variable
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import HIDDEN, HIDDEN_ERROR, UPDATE_NORM
from lstmsim.learners.optimiser import OptimiserSettings, memory, new_optimiser, restart
from lstmsim.learners.over_time import OneLaneLearner, Places, UnitSettings, padded, zeros
from lstmsim.learners.recurrent.equations import Net, Nets, Shape, State, reset
from lstmsim.learners.weights import Masks, not_too_large


@settings
class RecurrentSettings(UnitSettings, OptimiserSettings):
    """A net of logistic units with recurrent connections, and what is made of its gradient (`OptimiserSettings`).

    Parameters
    ----------
    topology : {"full", "late", "layered", "direct"}
        full: outputs and hidden units are alike; each sees the inputs and, one step late, all of them. late: each sees
        the inputs and, one step late, the hidden units. layered: hidden units see the inputs and, one step late, each
        other; outputs see the hidden units of the same step. direct: layered, and the outputs see the inputs too.
    learning_rate : float
        alpha.
    """

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

    @property
    def sources(self) -> list[str]:
        """Names of the sources of the hidden units, in the order of the weights' columns."""
        outputs = [] if self.layered else [f"output {k}" for k in range(self.n_outputs)]
        return [*self.input_names, *self.hidden_names, *outputs, "bias"]

    @property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs, in the order of the weights' columns."""
        own = super().output_sources if self.layered else self.sources
        return [*self.input_names, *own] if self.topology == "direct" else own

    @cached_property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape."""
        masks = super().exists
        if self.topology == "late":
            for mask in masks.values():
                mask[:, self.n_inputs + self.n_hidden : -1] = False
        return masks

    def shape(self, *, symbols: bool) -> Shape:
        """Sizes for the kernels."""
        units = self.n_hidden + (0 if self.layered else self.n_outputs)
        first_input = padded(units)
        seen = (1 if symbols else self.n_inputs) if self.topology == "direct" else 0
        return Shape(
            inputs=self.n_inputs,
            symbols=bool(symbols),
            hidden=self.n_hidden,
            outputs=self.n_outputs,
            units=units,
            first_input=first_input,
            stride=padded(first_input + self.n_inputs + 1),
            output_stride=padded(self.n_outputs),
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

    own: ClassVar[dict[str, Variable]] = {"hidden": HIDDEN, "hidden_error": HIDDEN_ERROR, "update_norm": UPDATE_NORM}
    begin = staticmethod(reset.py_func)

    def __init__(
        self, settings: RecurrentSettings, lanes: int = 1, *, symbols: bool = False, separate: bool = False
    ) -> None:
        super().__init__(settings, lanes, symbols=symbols)
        shape = self.shape
        groups = (shape.units, shape.stride), (shape.output_sources, shape.output_stride)
        weights = [aligned(*group) for group in groups]
        self.optimiser = new_optimiser(settings, settings.learning_rate, sum(group.size for group in weights))
        plain = self.optimiser.plain
        self.alpha = settings.learning_rate if plain else 1.0
        self.net = Net(*weights, *([aligned(*group) for group in groups] if separate or not plain else weights))
        units, outputs = shape.first_input, shape.output_stride
        self.state = State(
            **zeros({"z": shape.stride, "net y back unit_mask source_mask": units, "norm": 1}),
            **zeros({"y_k e_k": (1, outputs), "output_mask": outputs}),
            symbol=np.zeros(1, np.int64),
        )
        self.nets = Nets(shape, self.net, self.state, self.optimiser, self.alpha)
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

    @property
    def places(self) -> Places:
        """Where the weights stand."""
        net, shape, columns, rows = self.net, self.shape, self._columns, self._output_rows
        first = shape.units - shape.hidden
        output = (net.w_output.T, np.s_[: shape.outputs, rows]) if shape.layered else (net.w, np.s_[:first, columns])
        return {"hidden": (net.w, np.s_[first:, columns]), "output": output}

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights; what the optimiser remembers, and changes that wait, are forgotten."""
        super().set_weights(lane, weights)
        restart(self.optimiser, self.settings.learning_rate)
        self.net.u[:], self.net.u_output[:] = (self.net.w, self.net.w_output) if self.optimiser.plain else (0.0, 0.0)

    @property
    def lasting(self) -> list[Array]:
        """The optimiser's memory, where it has one."""
        return memory(self.optimiser)
