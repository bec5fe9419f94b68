"""Nets whose sources are products: settings, named weights, and the arrays of one net, for the learners that use them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, refusal, settings
from lstmsim.kernels.recording import Layout, Variable
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import HIDDEN, INPUT, OUTPUT, OUTPUT_ERROR, TARGET, UPDATE_NORM, LearnerSettings
from lstmsim.learners.over_time import HistoryLearner
from lstmsim.learners.products.equations import History, Net, Nets, Shape, State, advance
from lstmsim.learners.weights import Floats, Masks, Weights, checked_weights, not_too_large, uniform_weights

_MAX_PARTIALS = 50_000_000
SCALES = {"logistic": 1.0, "tanh": 2.0, "identity": 0.0}


@settings
class NetSettings(LearnerSettings):
    """A recurrent net.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Units; 0: as many as the task has.
    n_hidden : int
        Hidden units.
    topology : {"full", "late", "layered"}
        full: outputs and hidden units are alike; each sees the inputs and, one step late, all of them. late: each sees
        the inputs and, one step late, the hidden units. layered: hidden units see the inputs and, one step late, each
        other; logistic outputs see the hidden units of the same step.
    unit : {"logistic", "tanh", "identity"}
        f of all units but the outputs of a layered net.
    bias : bool
        All units have a bias.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    n_hidden: Annotated[Whole, Field(ge=1, le=10_000)] = 5
    topology: Literal["full", "late", "layered"] = "layered"
    unit: Literal["logistic", "tanh", "identity"] = "logistic"
    bias: Flag = True
    init_range: Annotated[Real, Field(ge=0)] = 0.5

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
        return [*outputs, *(f"hidden {i}" for i in range(self.n_hidden))]

    @property
    def values(self) -> list[str]:
        """Names of what comes in at a step."""
        return [f"input {i}" for i in range(self.n_inputs)]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Sources (l, r) of a unit: of first order unless overridden."""
        seen, values = len(self.seen), len(self.values)
        first = [*((seen, r) for r in range(values)), *((left, values) for left in range(seen))]
        return [*first, (seen, values)] if self.bias else first

    @cached_property
    def sources(self) -> list[str]:
        """Names of the sources of a unit, in the order of the weights' columns."""
        names = [[*self.seen, ""], [*self.values, ""]]
        return [" x ".join(filter(None, (names[0][left], names[1][r]))) or "bias" for left, r in self.pairs]

    @property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs, in the order of the weights' columns."""
        return [*(f"hidden {i}" for i in range(self.n_hidden)), "bias"] if self.topology == "layered" else self.sources

    @property
    def time_constants(self) -> Floats:
        """Time constants tau of the hidden units: 0 unless overridden."""
        return np.zeros(self.n_hidden)

    @cached_property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape."""
        outputs = np.ones((self.n_outputs, len(self.output_sources)), bool)
        outputs[:, -1] = self.bias or self.topology != "layered"
        return {"hidden": np.ones((self.n_hidden, len(self.sources)), bool), "output": outputs}

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range]."""
        return uniform_weights(self.exists, self.init_range, seed)

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the number of hidden units."""
        return str(self.n_hidden)

    def shape(self, *, symbols: bool = False) -> Shape:
        """Sizes for the kernels; with `symbols` the inputs are one-hot and come as symbol numbers."""
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
class ProductSettings(NetSettings):
    """A recurrent net, and the step width of its learning; the first settings are those of `NetSettings`.

    Parameters
    ----------
    learning_rate : float
        alpha.
    momentum : float
        Share of the last change of the weights that is made again, below 1.
    update : {"step", "sequence"}
        The weights change as soon as a gradient is known, or at the end of the sequence.

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    learning_rate: Annotated[Real, Field(gt=0)] = 0.1
    momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    update: Literal["step", "sequence"] = "step"


class ProductNet(HistoryLearner):
    """One net of given settings on one lane.

    Parameters
    ----------
    settings : NetSettings
        Units, connections and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.

    Raises
    ------
    ValueError
        If the net has too many partial derivatives.
    """

    loop = staticmethod(advance)
    settings: Any

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by, in the order of a recorded row."""
        ends = {"input": INPUT, "target": TARGET, "output": OUTPUT, "output_error": OUTPUT_ERROR}
        return ends | {"hidden": HIDDEN, "update_norm": UPDATE_NORM}

    def __init__(self, settings: Any, lanes: int = 1, *, symbols: bool = False) -> None:
        settings.check_sizes()
        self.settings = settings
        self.shape = shape = settings.shape(symbols=symbols)
        units, size = shape.units, (shape.sources + 1) * shape.units
        kept = units if settings.memory[0] else 0
        if kept * size > _MAX_PARTIALS:
            raise refusal("partial derivatives of the net", kept * size, f"at most {_MAX_PARTIALS:,}; fewer units")
        pairs = np.array(settings.pairs, np.int64).reshape(-1, 2).T.copy()
        groups = (shape.sources + 1, units), (units + 1 if shape.layered else 0, shape.outputs)
        arrays: Any = [*pairs, *(aligned(*group) for _ in range(3) for group in groups), aligned(*groups[1])]
        self.net = Net(*arrays)
        wide = -(-shape.outputs // 8) * 8
        self.state = State(
            y=aligned(units),
            net=aligned(-(-units // 8) * 8),
            squashed=aligned(-(-units // 8) * 8),
            before=aligned(shape.inputs),
            y_k=aligned(1, wide),
            e_k=aligned(1, wide),
            e=aligned(units),
            delta=aligned(units),
            norm=aligned(1),
            rows=aligned(1, dtype=np.int64),
            waiting=aligned(1, dtype=np.int64),
            begun=aligned(1, dtype=np.int64),
            p=aligned(kept, size),
            passed=aligned(1 + kept, size),
        )
        self._give(self.net.trained, self.net.trained_output, {n: 1.0 * mask for n, mask in settings.exists.items()})
        self.keep(self.room(settings.memory[0]))

    def keep(self, history: History) -> None:
        """Let the net store its steps in a history."""
        rule, (block, horizon) = self.settings, self.settings.memory
        self.history = history
        self.nets: Any = Nets(
            shape=self.shape,
            net=self.net,
            state=self.state,
            history=history,
            alpha=rule.learning_rate,
            momentum=rule.momentum,
            block=block,
            horizon=horizon,
            at_end=rule.update == "sequence",
        )

    def room(self, steps: int) -> History:
        """An empty history of so many steps."""
        units = self.shape.units
        return History(
            *(aligned(steps, n) for n in (self.shape.fed + 1, len(self.settings.values) + 1, units, units, units))
        )

    @property
    def steps(self) -> int:
        """Steps that there is room for: any number where a block is stored, not the sequence."""
        return sys.maxsize if self.settings.memory[0] else super().steps

    def _give(self, w: Floats, w_output: Floats, weights: Mapping[str, Floats]) -> None:
        """Write named weights, or what belongs to each, into arrays of the kernels' order."""
        first = self.shape.units - self.shape.hidden
        w[:-1, first:] = weights["hidden"].T
        (w_output if self.shape.layered else w[:-1, :first])[:] = weights["output"].T
        if "time_constant" in weights:
            w[-1, first:] = weights["time_constant"]

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights, and forget the last change.

        The groups are "hidden" (hidden_unit, source), "output" (output_unit, output_source), and "time_constant"
        (hidden_unit) where time constants are trained.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape, is not finite, or is not 0 where no connection is.
        """
        self.net.w[-1, self.shape.units - self.shape.hidden :] = self.settings.time_constants
        self._give(self.net.w, self.net.w_output, checked_weights(weights, self.settings.exists))
        self.net.change[:] = self.net.change_output[:] = 0.0

    def weights(self, lane: int) -> Weights:
        """Copies of the weights."""
        w, first = self.net.w, self.shape.units - self.shape.hidden
        output = self.net.w_output if self.shape.layered else w[:-1, :first]
        named = {"hidden": w[:-1, first:].T, "output": output.T, "time_constant": w[-1, first:]}
        return {name: named[name].copy() for name in self.settings.exists}

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give the net the initial weights that belong to a seed."""
        self.set_weights(lane, self.settings.initial_weights(seed))

    def reset(self, lane: int | slice = 0) -> None:
        """Activations, partial derivatives and gradient to what a sequence begins with; the weights stay."""
        state, shape = self.state, self.shape
        for array in (state.y, state.p, state.passed, self.net.g_output, state.rows, state.waiting, state.begun):
            array[:] = 0
        state.y[shape.first_fed] = shape.start

    def carried(self, lane: int) -> Floats:
        """Return what outlives a sequence besides the weights: the last change of them."""
        return np.concatenate([self.net.change, self.net.change_output], axis=None)

    def set_carried(self, lane: int | slice, carried: Floats) -> None:
        """Take what `carried` gave."""
        self.net.change.flat, self.net.change_output.flat = np.split(carried, [self.net.change.size])

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
