"""The learner on taps: settings, named weights, and the arrays of one net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, refusal, settings
from lstmsim.kernels.recording import Layout, Variable
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import (
    HIDDEN,
    INPUT,
    OUTPUT,
    OUTPUT_ERROR,
    TARGET,
    UPDATE_NORM,
    LearnerSettings,
    register,
)
from lstmsim.learners.over_time import HistoryLearner
from lstmsim.learners.taps.equations import History, Net, Nets, Shape, State, advance
from lstmsim.learners.weights import Floats, Masks, Weights, checked_weights, not_too_large, uniform_weights

TAPS = Variable(("step", "tap"), "taps of the inputs, then the outputs of earlier steps", "g_d(t), y_k(t-d)")
MU = Variable(("step", "input_unit"), "share that a memory takes in at a step", "mu_i")


@settings
class TapsSettings(LearnerSettings):
    """A feedforward net on memories of its inputs and outputs, and the step width of its learning.

    A time-delay net (Lang, Waibel and Hinton 1990) has an order and no feedback, a gamma net (de Vries and Principe 1991)
    the memory "gamma", a NARX net (Lin, Horne, Tino and Giles 1996) feedback. W = H (I (D+1) + K D' + 1) + K (H + 1).

    Parameters
    ----------
    n_inputs, n_outputs : int
        Units; 0: as many as the task has.
    n_hidden : int
        Hidden units H; 0: the outputs see the taps themselves.
    order : int
        D, taps of each input besides x(t).
    feedback : int
        D', earlier outputs that are seen: y(t-1) to y(t-D').
    memory : {"delay", "gamma"}
        Taps are the inputs of D earlier steps, or each takes in a share mu of the one before at every step.
    mu : float
        Share of a gamma memory, from 0 to 1; its depth is about D / mu steps.
    train_mu : bool
        mu is learned, one for each input.
    latch : float, optional
        The net of the latch problem: w, the sum of the fixed weights w / D' of an output's own earlier outputs; the first
        input has the fixed weight 1 and no further taps. No hidden units then.
    unit : {"logistic", "tanh"}
        f of all units.
    bias : bool
        All units have a bias.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].
    learning_rate : float
        alpha; the weights change at the end of each sequence.

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    n_hidden: Annotated[Whole, Field(ge=0)] = 5
    order: Annotated[Whole, Field(ge=0, le=10_000)] = 5
    feedback: Annotated[Whole, Field(ge=0, le=10_000)] = 0
    memory: Literal["delay", "gamma"] = "delay"
    mu: Annotated[Real, Field(ge=0, le=1)] = 0.5
    train_mu: Flag = False
    latch: Real | None = None
    unit: Literal["logistic", "tanh"] = "logistic"
    bias: Flag = True
    init_range: Annotated[Real, Field(ge=0)] = 0.5
    learning_rate: Annotated[Real, Field(gt=0)] = 0.1

    def __post_init__(self) -> None:
        """Check what goes together, and the net's size."""
        if self.latch is not None and (self.n_hidden or not self.feedback):
            raise refusal("latch", self.latch, "None where there are hidden units or no feedback")
        if self.train_mu and (self.memory == "delay" or not self.order):
            raise refusal("train_mu", True, "False without a gamma memory of an order of at least 1")
        sizes = {"n_inputs": self.n_inputs, "n_outputs": self.n_outputs, "n_hidden": self.n_hidden, "order": self.order}
        sources = self.n_inputs * (self.order + 1) + self.n_outputs * self.feedback
        not_too_large((self.n_hidden + self.n_outputs) * (sources + 1), **sizes)

    @cached_property
    def taps(self) -> list[str]:
        """Names of what the memories hold: inputs, then earlier outputs."""
        inputs = [f"input {i}" + (f" tap {d}" if d else "") for d in range(self.order + 1) for i in range(self.n_inputs)]
        return [*inputs, *(f"output {k} lag {d}" for d in range(1, self.feedback + 1) for k in range(self.n_outputs))]

    @property
    def sources(self) -> list[str]:
        """Names of the sources of the first layer, in the order of the weights' columns."""
        return [*self.taps, "bias"]

    @property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs, in the order of the weights' columns."""
        return [*(f"hidden {i}" for i in range(self.n_hidden)), "bias"] if self.n_hidden else self.sources

    @cached_property
    def fixed(self) -> Floats:
        """Weights of the latch problem's net that do not change, shape (output, source); else 0."""
        values = np.zeros((self.n_outputs, len(self.output_sources)))
        if self.latch is not None:
            values[:, 0] = 1.0
            for k in range(self.n_outputs):
                lags = self.n_inputs * (self.order + 1) + k + self.n_outputs * np.arange(self.feedback)
                values[k, lags] = self.latch / self.feedback
        return values

    @cached_property
    def exists(self) -> Masks:
        """Which weights are learned: for each group a mask of its shape."""
        output = np.ones((self.n_outputs, len(self.output_sources)), bool)
        output[:, -1] = self.bias
        if self.latch is not None:
            output[:, : self.n_inputs * (self.order + 1) : self.n_inputs] = False
            output[:, self.n_inputs * (self.order + 1) : -1] = False
        hidden = np.ones((self.n_hidden, len(self.sources)), bool)
        hidden[:, -1] = self.bias
        masks = {"hidden": hidden, "output": output, "mu": np.ones(self.n_inputs, bool)}
        return {name: mask for name, mask in masks.items() if mask.size and (name != "mu" or self.train_mu)}

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range], and mu as it is set."""
        drawn = uniform_weights(self.exists, self.init_range, seed)
        return drawn | ({"mu": np.full(self.n_inputs, self.mu)} if self.train_mu else {})

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the number of hidden units."""
        return str(self.n_hidden)

    def shape(self, *, symbols: bool = False) -> Shape:
        """Sizes for the kernels; with `symbols` the inputs are one-hot and come as symbol numbers."""
        return Shape(
            inputs=self.n_inputs,
            symbols=bool(symbols),
            outputs=self.n_outputs,
            hidden=self.n_hidden,
            taps=self.n_inputs * (self.order + 1),
            lags=self.feedback,
            sources=len(self.sources),
            bias=float(self.bias),
            scale=2.0 if self.unit == "tanh" else 1.0,
        )


@register("taps", TapsSettings, label="taps (TDNN, gamma memory, NARX)")
class Taps(HistoryLearner):
    """One feedforward net on taps; errors at the targets of a sequence are passed back at its end.

    Errors go back through earlier outputs that are seen, which is back-propagation through time with paths that jump ahead.
    mu is learned forward in time, from the derivatives of the taps by it.

    Parameters
    ----------
    settings : TapsSettings
        Units, memories and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.
    """

    loop = staticmethod(advance)
    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = HistoryLearner.weight_dims | {"mu": ("input_unit",)}

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by, in the order of a recorded row."""
        ends = {"input": INPUT, "target": TARGET, "output": OUTPUT, "output_error": OUTPUT_ERROR}
        return ends | {"taps": TAPS, "hidden": HIDDEN, "memory_share": MU, "update_norm": UPDATE_NORM}

    def __init__(self, settings: TapsSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        settings.check_sizes()
        self.settings = settings
        self.shape = shape = settings.shape(symbols=symbols)
        hidden = (shape.sources if shape.hidden else 0, shape.hidden)
        output = (shape.hidden + 1 if shape.hidden else shape.sources, shape.outputs)
        masks, none = settings.exists, np.zeros(hidden[::-1], bool)
        self.net = Net(
            w=aligned(*hidden),
            w_output=aligned(*output),
            mu=np.full(shape.inputs, settings.mu if settings.memory == "gamma" else 1.0),
            trained=np.ascontiguousarray(masks.get("hidden", none).T, float),
            trained_output=np.ascontiguousarray(masks["output"].T, float),
            g=aligned(*hidden),
            g_output=aligned(*output),
            g_mu=aligned(shape.inputs),
            learn_mu=bool(settings.train_mu),
        )
        wide, most = -(-shape.outputs // 8) * 8, -(-max(shape.outputs, shape.hidden) // 8) * 8
        self.state = State(
            y_k=aligned(1, wide),
            e_k=aligned(1, wide),
            net=aligned(most),
            delta=aligned(most),
            delta_output=aligned(most),
            dz=aligned(max(shape.sources, shape.hidden + 1)),
            norm=aligned(1),
            waiting=aligned(1, dtype=np.int64),
            last=aligned(1, dtype=np.int64),
        )
        self.keep(self.room(0))

    def keep(self, history: History) -> None:
        """Let the net store its steps in a history."""
        self.history = history
        self.nets: Any = Nets(self.shape, self.net, self.state, history, self.settings.learning_rate)

    def room(self, steps: int) -> History:
        """An empty history of so many steps."""
        shape = self.shape
        widths = shape.sources, shape.taps, shape.hidden + 1, shape.outputs, shape.outputs
        return History(*(aligned(steps, width) for width in widths))

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights: "hidden" and "output", those that are learned, and "mu" where it is.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape, is not finite, or is not 0 where nothing is learned.
        """
        weights = checked_weights(weights, self.settings.exists)
        if self.shape.hidden:
            self.net.w[:] = weights["hidden"].T
        self.net.w_output[:] = (weights["output"] + self.settings.fixed).T
        if self.settings.train_mu:
            self.net.mu[:] = weights["mu"]

    def weights(self, lane: int) -> Weights:
        """Copies of the weights that are learned."""
        named = {"hidden": self.net.w.T, "output": self.net.w_output.T - self.settings.fixed, "mu": self.net.mu}
        return {name: named[name].copy() for name in self.settings.exists}

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give the net the initial weights that belong to a seed."""
        self.set_weights(lane, self.settings.initial_weights(seed))

    def reset(self, lane: int | slice = 0) -> None:
        """Nothing of the last sequence counts any more; the weights stay."""
        self.state.waiting[0] = 0

    @property
    def layout(self) -> Layout:
        """What a recorded step holds, in the order of a recorded row."""
        shape = self.shape
        variables = {name: variable for name, variable in self.variables().items() if shape.hidden or name != "hidden"}
        sizes = {"input_unit": shape.inputs, "output_unit": shape.outputs, "tap": shape.sources - 1}
        return Layout(variables, sizes | ({"hidden_unit": shape.hidden} if shape.hidden else {}), shape.symbols)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights, and of the taps."""
        hidden = {"source": self.settings.sources} if self.shape.hidden else {}
        return hidden | {"output_source": self.settings.output_sources, "tap": self.settings.taps}
