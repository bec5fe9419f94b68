"""Nets whose sources are products: settings, named weights, and the arrays of one net, for the learners that use them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import Annotated, ClassVar, Literal

import numpy as np

from lstmsim.checks import Field, Real, Whole, refusal, settings
from lstmsim.kernels.arrays import Array, Floats
from lstmsim.kernels.recording import Variable
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import HIDDEN, UPDATE_NORM
from lstmsim.learners.optimiser import OptimiserSettings, memory, new_optimiser, restart
from lstmsim.learners.over_time import HistoryLearner, Places, UnitSettings, padded, zeros
from lstmsim.learners.products.equations import History, Net, Nets, Shape, State, advance, reset
from lstmsim.learners.weights import not_too_large

_MAX_PARTIALS = 50_000_000
SCALES = {"logistic": 1.0, "tanh": 2.0, "identity": 0.0}


@settings
class NetSettings(UnitSettings):
    """A recurrent net.

    Parameters
    ----------
    topology : {"full", "late", "layered"}
        full: outputs and hidden units are alike; each sees the inputs and, one step late, all of them. late: each sees
        the inputs and, one step late, the hidden units. layered: hidden units see the inputs and, one step late, each
        other; logistic outputs see the hidden units of the same step.
    unit : {"logistic", "tanh", "identity"}
        f of all units but the outputs of a layered net.
    """

    n_hidden: Annotated[Whole, Field(ge=1, le=10_000)] = 5
    topology: Literal["full", "late", "layered"] = "layered"
    unit: Literal["logistic", "tanh", "identity"] = "logistic"

    path: ClassVar[bool] = False  # units go along the input's path

    def __post_init__(self) -> None:
        """Check the net's size."""
        sizes = {"n_inputs": self.n_inputs, "n_outputs": self.n_outputs, "n_hidden": self.n_hidden}
        not_too_large(self.n_hidden * (self.n_hidden + self.n_inputs), **sizes)  # before pairs are made
        not_too_large((self.n_hidden + self.n_outputs) * len(self.pairs), **sizes)

    @property
    def memory(self) -> tuple[int, int]:
        """Steps of a block (0: the whole sequence), and how many of them an error goes back (0: all)."""
        return 0, 0

    @property
    def first_activation(self) -> float:
        """y(0) of the first unit that is seen."""
        return 0.0

    @property
    def units(self) -> int:
        """Units beside the outputs of a layered net."""
        return self.n_hidden + (0 if self.topology == "layered" else self.n_outputs)

    @property
    def seen(self) -> list[str]:
        """Names of the units that are seen one step later."""
        outputs = [f"output {k}" for k in range(self.n_outputs if self.topology == "full" else 0)]
        return [*outputs, *self.hidden_names]

    @property
    def values(self) -> list[str]:
        """Names of what comes in at a step."""
        return self.input_names

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Sources (l, r) of a unit: of first order unless overridden."""
        seen, values = len(self.seen), len(self.values)
        first = [*((seen, r) for r in range(values)), *((left, values) for left in range(seen))]
        return [*first, (seen, values)] if self.bias else first

    @property
    def sources(self) -> list[str]:
        """Names of the sources of a unit, in the order of the weights' columns."""
        names = [[*self.seen, ""], [*self.values, ""]]
        return [" x ".join(filter(None, (names[0][left], names[1][r]))) or "bias" for left, r in self.pairs]

    @property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs, in the order of the weights' columns."""
        return super().output_sources if self.topology == "layered" else self.sources

    @property
    def time_constants(self) -> Floats:
        """Time constants tau of the hidden units: 0 unless overridden."""
        return np.zeros(self.n_hidden)

    def shape(self, *, symbols: bool) -> Shape:
        """Sizes for the kernels."""
        return Shape(
            inputs=self.n_inputs,
            symbols=bool(symbols),
            outputs=self.n_outputs,
            units=self.units,
            hidden=self.n_hidden,
            fed=len(self.seen),
            first_fed=self.units - len(self.seen),
            sources=len(self.sources),
            layered=self.topology == "layered",
            quadratic=len(self.values) > self.n_inputs,
            path=self.path,
            scale=SCALES[self.unit],
            start=self.first_activation,
        )


@settings
class ProductSettings(OptimiserSettings, NetSettings):
    """A recurrent net, and how it learns; the other settings are those of `NetSettings` and `OptimiserSettings`.

    Parameters
    ----------
    learning_rate : float
        alpha.
    optimiser : {"momentum", "sgd", "rmsprop", "adam"}
        As in `OptimiserSettings`; momentum by default, of 0.
    momentum : float
        Share of the last change of the weights that is made again, below 1.
    update : {"step", "sequence"}
        The weights change as soon as a gradient is known, or at the end of the sequence.
    """

    learning_rate: Annotated[Real, Field(gt=0)] = 0.1
    update: Literal["step", "sequence"] = "step"
    _: KW_ONLY
    optimiser: Literal["sgd", "momentum", "rmsprop", "adam"] = "momentum"
    momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.0


class ProductNet(HistoryLearner):
    """One net of given settings on one lane.

    Raises
    ------
    ValueError
        If the net has too many partial derivatives.
    """

    loop, begin = staticmethod(advance), staticmethod(reset.py_func)
    own: ClassVar[dict[str, Variable]] = {"hidden": HIDDEN, "update_norm": UPDATE_NORM}

    def __init__(self, settings: NetSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, lanes, symbols=symbols)
        shape = self.shape
        units, size = shape.units, (shape.sources + 1) * shape.units
        kept = units if settings.memory[0] else 0
        if kept * size > _MAX_PARTIALS:
            raise refusal("partial derivatives of the net", kept * size, f"at most {_MAX_PARTIALS:,}; fewer units")
        left, right = np.array(settings.pairs, np.int64).reshape(-1, 2).T.copy()
        hidden, output = (shape.sources + 1, units), (units + 1 if shape.layered else 0, shape.outputs)
        self.state = State(
            **zeros({"y e delta": units, "net squashed": padded(units), "before": shape.inputs, "norm": 1}),
            **zeros({"y_k e_k": (1, padded(shape.outputs)), "p": (kept, size), "passed": (1 + kept, size)}),
            **zeros({"rows waiting begun": 1}, np.int64),
        )
        groups = {"w trained": hidden, "w_output trained_output g_output": output}
        self.net = Net(left=left, right=right, g=self.state.passed[0].reshape(hidden), **zeros(groups))
        for name, (array, at) in self._placed(self.net.trained, self.net.trained_output).items():
            array[at] = settings.exists[name]
        self.nets = self._nets(self.room(settings.memory[0]))

    def _nets(self, history: History) -> Struct:
        """What the method's step takes."""
        rule, (block, horizon) = self.settings, self.settings.memory
        self.optimiser = new_optimiser(rule, rule.learning_rate, self.net.w.size + self.net.w_output.size)
        return Nets(
            shape=self.shape,
            net=self.net,
            state=self.state,
            history=history,
            optimiser=self.optimiser,
            length=block,
            horizon=horizon,
            at_end=rule.update == "sequence",
        )

    def room(self, steps: int) -> History:
        """An empty history of so many steps."""
        units = self.shape.units
        widths = self.shape.fed + 1, len(self.settings.values) + 1, units, units, units
        return History(*(aligned(steps, width) for width in widths))

    @property
    def steps(self) -> int:
        """Steps that there is room for: any number where a block is stored, not the sequence."""
        return sys.maxsize if self.settings.memory[0] else super().steps

    def _placed(self, w: Floats, w_output: Floats) -> Places:
        """Where in the kernels' arrays, of weights or what belongs to each, named ones stand; tau stands in the last row."""
        first = self.shape.units - self.shape.hidden
        output = (w_output.T, np.s_[:]) if self.shape.layered else (w[:-1].T, np.s_[:first])
        placed = {"hidden": (w[:-1].T, np.s_[first:]), "output": output, "time_constant": (w[-1], np.s_[first:])}
        return {name: placed[name] for name in self.settings.exists}

    @property
    def places(self) -> Places:
        """Where the weights stand."""
        return self._placed(self.net.w, self.net.w_output)

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights; earlier changes are forgotten."""
        self.net.w[-1, self.shape.units - self.shape.hidden :] = self.settings.time_constants
        super().set_weights(lane, weights)
        self.forget()

    def forget(self) -> None:
        """Have the method forget what it remembers of earlier changes."""
        restart(self.optimiser, self.settings.learning_rate)

    @property
    def lasting(self) -> list[Array]:
        """The optimiser's memory, where it has one."""
        return memory(self.optimiser)
