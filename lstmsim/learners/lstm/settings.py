"""Which units, connections and rule a 1997 LSTM has, its initial weights, and which of its weights exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BeforeValidator

from lstmsim.checks import Field, Flag, Real, Whole, refusal, settings
from lstmsim.kernels.arrays import Ints
from lstmsim.kernels.sequences import Writer
from lstmsim.learners.base import LearnerSettings
from lstmsim.learners.optimiser import OptimiserSettings
from lstmsim.learners.weights import Floats, Masks, Weights, checked_weights, generator, not_too_large


def _list(value: object) -> object:
    """Arrays as lists; what has no order is no list."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if not isinstance(value, list | tuple):
        raise ValueError("not a list")
    return value


Range = Annotated[tuple[Real, Real], BeforeValidator(_list)]
Biases = Annotated[tuple[Real, ...], BeforeValidator(_list)]
Size = Annotated[Whole, Field(ge=1)]
Positive = Annotated[Real, Field(gt=0)]
NotNegative = Annotated[Real, Field(ge=0)]
Partial = Literal["sum", "last"]

PEEPHOLES = ["input gate", "forget gate", "output gate"]
RATE = ("learning_rate", "learning_rate_decay", "learning_rate_factor", "learning_rate_interval")
GATE_BIASES = ("input_gate_bias", "output_gate_bias", "forget_gate_bias")


@settings
class Wiring:
    """Units and connections.

    Parameters
    ----------
    n_blocks, block_size : int
        Memory cell blocks, and memory cells in each.
    n_hidden : int
        Conventional hidden units; they feed gates, cells and outputs.
    topology : {"F", "B"}
        F: gates, cells and hidden units see all inputs, cells, gates and hidden units. B: they see the inputs only, and
        the outputs see the inputs too.
    recurrence : {"all", "cells", "none"}
        Which units gates, cells and hidden units see of the step before in topology F: all; cells and hidden units; none.
    shortcuts : bool
        Direct weights from the inputs to the outputs (topology F; B has them anyway).
    bias : {"all", "b1", "ga", "none"}
        Units with a bias: all; gates, cells and hidden units; gates only; none.
    gate_bias, cell_bias, hidden_bias, output_bias : bool, optional
        Whether units of one kind have a bias, whatever `bias` says; None: as it says.
    output_gates : bool
        Without them y_out is 1.
    forget_gates : bool
        Each block has a forget gate y_f, by which its cell states are multiplied at every step (Gers, Schmidhuber and
        Cummins 2000); without them they are kept (9).
    peepholes : {"none", "cut", "live"}
        Weights from a block's cell states to its gates (Gers, Schraudolph and Schmidhuber 2002). cut: no error flows back
        through them, live: it does.
    cell_input : {"g", "f"}
        Squashing of the cell's net input: g in [-2, 2] (5) or the logistic f in [0, 1] (3).
    cell_output : {"h", "identity"}
        Squashing of the cell state: h in [-1, 1] (4) or none.
    g_range, h_range : tuple of float, optional
        (scale, shift) of scale * logistic(net) - shift, in place of g's and h's.
    output : {"logistic", "identity"}
        Activation function of the outputs.
    """

    _: KW_ONLY
    n_blocks: Size = 1
    block_size: Size = 1
    n_hidden: Annotated[Whole, Field(ge=0)] = 0
    topology: Literal["F", "B"] = "F"
    recurrence: Literal["all", "cells", "none"] = "all"
    shortcuts: Flag = False
    bias: Literal["all", "b1", "ga", "none"] = "all"
    gate_bias: Flag | None = None
    cell_bias: Flag | None = None
    hidden_bias: Flag | None = None
    output_bias: Flag | None = None
    output_gates: Flag = True
    forget_gates: Flag = False
    peepholes: Literal["none", "cut", "live"] = "none"
    cell_input: Literal["g", "f"] = "g"
    cell_output: Literal["h", "identity"] = "h"
    g_range: Range | None = None
    h_range: Range | None = None
    output: Literal["logistic", "identity"] = "logistic"


@settings
class InitialWeights:
    """How the initial weights are drawn.

    Parameters
    ----------
    init_range : float
        Weights are uniform in [-init_range, init_range].
    recurrent_init_range, outgoing_init_range : float, optional
        The same for weights from recurrent units, and for those from cells to outputs.
    input_gate_bias, output_gate_bias, forget_gate_bias : float or sequence of float, optional
        Biases of the gates, one for all or one per block; drawn like the other weights if None.
    input_gate_start : float
        Added to the input gates' weights from the inputs.
    """

    _: KW_ONLY
    init_range: NotNegative = 0.1
    recurrent_init_range: NotNegative | None = None
    outgoing_init_range: NotNegative | None = None
    input_gate_bias: Real | Biases | None = None
    output_gate_bias: Real | Biases | None = None
    forget_gate_bias: Real | Biases | None = None
    input_gate_start: Real = 0.0


@settings
class LearningRule:
    """How the net learns.

    Parameters
    ----------
    learning_rate, learning_rate_decay : float
        alpha of (22), (26), (28); in sequence number n it is learning_rate / (1 + learning_rate_decay n).
    learning_rate_factor, learning_rate_interval : float, int
        And it is multiplied by the factor after every so many sequences.
    error_derivative : bool
        Whether (19) has the factor f'(net_k).
    error_factor : float
        Another factor of every e_k.
    update : {"step", "sequence"}
        Whether weights change at once or at the end of the sequence.
    carry : {"none", "states", "partials", "all"}
        What is not reset between training sequences.
    cell_bias_partial, gate_bias_partial, gate_source_partial, cell_source_partial : {"sum", "last"}
        Whether the partials (27) of a cell's bias, (25) of an input gate's, and both with respect to the weights from gates
        and from cells are the sum over the sequence or the term of the last step alone.
    """

    _: KW_ONLY
    learning_rate: Positive = 0.1
    learning_rate_decay: NotNegative = 0.0
    learning_rate_factor: Annotated[Real, Field(gt=0, le=1)] = 1.0
    learning_rate_interval: Size = 100
    error_derivative: Flag = True
    error_factor: Positive = 1.0
    update: Literal["step", "sequence"] = "step"
    carry: Literal["none", "states", "partials", "all"] = "none"
    cell_bias_partial: Partial = "sum"
    gate_bias_partial: Partial = "sum"
    gate_source_partial: Partial = "sum"
    cell_source_partial: Partial = "sum"


@settings
class Growth:
    """Sequential construction: when memory cell blocks join the net.

    Parameters
    ----------
    sequential : bool
        A trial begins without blocks; one joins whenever the error has stopped falling.
    join_window : int
        Sequences over which errors are averaged to see that.
    join_ratio : float
        It has if the mean error of the latest such sequences is not below this share of that before them.
    """

    _: KW_ONLY
    sequential: Flag = False
    join_window: Size = 100
    join_ratio: Positive = 0.99


@settings
class LSTMSettings(Growth, OptimiserSettings, LearningRule, InitialWeights, Wiring, LearnerSettings):
    """A net's units, connections and rule, and what is made of its gradient.

    Its fields are those of `Wiring`, `InitialWeights`, `LearningRule`, `OptimiserSettings` and `Growth`.

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    def __post_init__(self) -> None:
        for name in ("g_range", "h_range"):
            value = getattr(self, name)
            if value is not None and value[0] == 0.0:
                raise refusal(name, value, "two finite numbers (scale, shift), scale not 0")
        for name in GATE_BIASES:
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) not in (1, self.n_blocks):
                raise refusal(name, value, f"None, a finite number, or {self.n_blocks} of them (one per memory cell block)")
        for name in ("cell_bias_partial", "gate_bias_partial", "gate_source_partial", "cell_source_partial"):
            if self.moving and getattr(self, name) != "sum":
                raise refusal(name, getattr(self, name), "'sum' with forget gates, peepholes or an optimiser")
        for name, usual in (("learning_rate_decay", 0.0), ("learning_rate_factor", 1.0)):
            if not self.plain and getattr(self, name) != usual:
                raise refusal(name, getattr(self, name), f"{usual} with an optimiser, whose rate_decay counts changes")
        wide = self.n_inputs + 3 * self.n_cells + self.n_hidden + 1
        sizes = ("n_inputs", "n_outputs", "n_blocks", "block_size", "n_hidden")
        weights = wide * (3 * self.n_cells + self.n_hidden + self.n_outputs) // 4
        not_too_large(weights, **{name: getattr(self, name) for name in sizes})

    def fitted(self, task: Writer) -> Self:
        """Return the settings with as many inputs and outputs as a task has.

        Raises
        ------
        ValueError
            If they name other numbers, or carry what lanes would go on changing in what the end of a stream has cut off.
        """
        if self.carry != "none" and (task.stream_steps or task.stream_sequences):
            raise refusal("carry", self.carry, "'none' where the task has streams")
        return super().fitted(task)

    @property
    def n_cells(self) -> int:
        """Memory cells in all blocks."""
        return self.n_blocks * self.block_size

    @property
    def gated(self) -> bool:
        """Whether the net has what that of 1997 has not: forget gates or peepholes."""
        return self.forget_gates or self.peepholes != "none"

    @property
    def moving(self) -> bool:
        """Whether the net's partials move at every step, in the kernel of forget gates, which optimisers are in too."""
        return self.gated or not self.plain

    @property
    def sees_inputs(self) -> bool:
        """Whether the outputs see the inputs directly."""
        return self.shortcuts or self.topology == "B"

    @property
    def recurrent(self) -> bool:
        """Whether gates, cells and hidden units see anything of the previous step."""
        return self.topology == "F" and self.recurrence != "none"

    @property
    def biased(self) -> dict[str, bool]:
        """Whether units of each kind have bias weights."""
        usual = {
            "gate": self.bias != "none",
            "cell": self.bias in ("all", "b1"),
            "hidden": self.bias in ("all", "b1"),
            "output": self.bias == "all",
        }
        given = {name: getattr(self, f"{name}_bias") for name in usual}
        return {name: usual[name] if value is None else value for name, value in given.items()}

    @property
    def last_partials(self) -> bool:
        """Whether some partials are the term of the last step alone."""
        kinds = self.cell_bias_partial, self.gate_bias_partial, self.gate_source_partial, self.cell_source_partial
        return "last" in kinds

    @cached_property
    def sources(self) -> list[str]:
        """Names of the sources of gates, cells and hidden units, in the order of the weights' columns."""
        kinds = ("input", "output", "forget") if self.forget_gates else ("input", "output")
        gates = [f"{kind} gate {j}" for kind in kinds for j in range(self.n_blocks)]
        cells = [f"cell {c}" for c in range(self.n_cells)]
        return [*self._inputs, *cells, *gates, *self._hidden, "bias"]

    @cached_property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs, in the order of the weights' columns."""
        cells = [f"cell {c}" for c in range(self.n_cells)]
        return [*(self._inputs if self.sees_inputs else []), *cells, *self._hidden, "bias"]

    @property
    def _inputs(self) -> list[str]:
        return [f"input {i}" for i in range(self.n_inputs)]

    @property
    def _hidden(self) -> list[str]:
        return [f"hidden {i}" for i in range(self.n_hidden)]

    @cached_property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape."""
        biased = self.biased
        row = np.zeros(len(self.sources), bool)
        row[: self.n_inputs] = True
        gates = self.n_inputs + self.n_cells
        if self.recurrent:
            row[self.n_inputs : -1] = True
            row[gates : gates + (2 + self.forget_gates) * self.n_blocks] = self.recurrence == "all"
            if not self.output_gates:
                row[gates + self.n_blocks : gates + 2 * self.n_blocks] = False
        rows = {name: np.append(row[:-1], biased[name]) for name in ("gate", "cell", "hidden")}
        out = np.ones(len(self.output_sources), bool)
        out[-1] = biased["output"]
        masks = {
            "input_gate": np.tile(rows["gate"], (self.n_blocks, 1)),
            "output_gate": np.tile(rows["gate"] & self.output_gates, (self.n_blocks, 1)),
            **({"forget_gate": np.tile(rows["gate"], (self.n_blocks, 1))} if self.forget_gates else {}),
            "cell": np.tile(rows["cell"], (self.n_cells, 1)),
            "output": np.tile(out, (self.n_outputs, 1)),
        }
        if self.n_hidden:
            masks["hidden"] = np.tile(rows["hidden"], (self.n_hidden, 1))
        if self.peepholes != "none":
            there = [[True], [self.forget_gates], [self.output_gates]]  # in the order of `PEEPHOLES`
            masks["peephole"] = np.tile(there, (1, self.n_cells))
        return masks

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights drawn as `InitialWeights` says; the same for a seed in every version of NumPy."""
        rng = generator(seed)
        weights = {}
        for name, mask in self.exists.items():
            draws = rng.uniform(-1.0, 1.0, mask.shape)
            scale = np.full(mask.shape[1], self.init_range)
            if self.recurrent_init_range is not None and name not in ("output", "peephole"):
                scale[self.n_inputs : -1] = self.recurrent_init_range
            if self.outgoing_init_range is not None and name == "output":
                first = self.n_inputs if self.sees_inputs else 0
                scale[first : first + self.n_cells] = self.outgoing_init_range
            weights[name] = np.where(mask, draws * scale, 0.0)
        weights["input_gate"][:, : self.n_inputs] += self.input_gate_start
        for name in ("input_gate", "output_gate", "forget_gate"):
            biases = getattr(self, name + "_bias")
            if biases is not None and name in weights:
                weights[name][:, -1] = np.where(self.exists[name][:, -1], biases, 0.0)
        return weights

    def checked_weights(self, weights: Mapping[str, object]) -> dict[str, Floats]:
        """Weights as float64 arrays, every group present, shapes right, all finite, absent connections zero.

        Raises
        ------
        ValueError
            Naming the group and what is wrong with it.
        """
        return checked_weights(weights, self.exists)

    def learning_rate_at(self, index: int | Ints) -> np.float64 | Floats:
        """Learning rate alpha in sequence number `index`, or in several."""
        return rate_at(self.rate, index)

    @property
    def rate(self) -> Floats:
        """What `rate_at` takes: the values of `RATE`."""
        return np.array([getattr(self, name) for name in RATE], float)

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Size of the net in words."""
        hidden = f" and {self.n_hidden} hidden unit{'s' * (self.n_hidden > 1)}" if self.n_hidden else ""
        return f"{self.n_blocks} block{'s' * (self.n_blocks > 1)} of {self.block_size}{hidden}"

    @property
    def step_width(self) -> float:
        """Learning rate alpha, as tables show it."""
        return self.learning_rate

    @property
    def squashing(self) -> tuple[tuple[float, float], tuple[float, float] | None]:
        """(scale, shift) of g and of h as scale * logistic(net) - shift; None for h = identity. (3)-(5)."""
        g = (1.0, 0.0) if self.cell_input == "f" else (self.g_range or (4.0, 2.0))
        h = None if self.cell_output == "identity" else (self.h_range or (2.0, 1.0))
        return g, h


def rate_at(rate: Floats, index: int | Ints) -> np.float64 | Floats:
    """Learning rate in sequence number `index`, or in several; `lstmsim.learners.lstm.steps.learning_rate` has the bits."""
    alpha, square, n = rate[0] / (1.0 + rate[1] * index), rate[2], index // rate[3].astype(int)
    while np.any(n):
        alpha = np.where(n % 2, alpha * square, alpha)
        square, n = square * square, n // 2
    return alpha
