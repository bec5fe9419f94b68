"""The learner on taps: settings, named weights, and the arrays of one net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, refusal, settings
from lstmsim.kernels.arrays import Array, Floats
from lstmsim.kernels.recording import Variable
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import HIDDEN, UPDATE_NORM, register
from lstmsim.learners.optimiser import OptimiserSettings, memory, new_optimiser, restart
from lstmsim.learners.over_time import HistoryLearner, Places, UnitSettings, padded, zeros
from lstmsim.learners.taps.equations import History, Net, Nets, Shape, State, advance, reset
from lstmsim.learners.weights import Masks, Weights, not_too_large


@settings
class TapsSettings(OptimiserSettings, UnitSettings):
    """A feedforward net on memories of its inputs and outputs, and the step width of its learning.

    A time-delay net (Lang, Waibel and Hinton 1990) has an order and no feedback, a gamma net (de Vries and Principe 1991)
    the memory "gamma", a NARX net (Lin, Horne, Tino and Giles 1996) feedback. W = H (I (D+1) + K D' + 1) + K (H + 1).

    Parameters
    ----------
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
    learning_rate : float
        alpha; the weights change at the end of each sequence.

    The others are those of `OptimiserSettings`.
    """

    n_hidden: Annotated[Whole, Field(ge=0)] = 5
    order: Annotated[Whole, Field(ge=0, le=10_000)] = 5
    feedback: Annotated[Whole, Field(ge=0, le=10_000)] = 0
    memory: Literal["delay", "gamma"] = "delay"
    mu: Annotated[Real, Field(ge=0, le=1)] = 0.5
    train_mu: Flag = False
    latch: Real | None = None
    unit: Literal["logistic", "tanh"] = "logistic"
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
        return super().output_sources if self.n_hidden else self.sources

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
        masks = super().exists
        if self.latch is not None:
            masks["output"][:, : self.n_inputs * (self.order + 1) : self.n_inputs] = False
            masks["output"][:, self.n_inputs * (self.order + 1) : -1] = False
        hidden = {"hidden": masks["hidden"]} if self.n_hidden else {}
        return hidden | {"output": masks["output"]} | ({"mu": np.ones(self.n_inputs, bool)} if self.train_mu else {})

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range], and mu as it is set."""
        return super().initial_weights(seed) | ({"mu": np.full(self.n_inputs, self.mu)} if self.train_mu else {})

    def shape(self, *, symbols: bool) -> Shape:
        """Sizes for the kernels."""
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
class Taps(HistoryLearner[TapsSettings]):
    """One feedforward net on taps; errors at the targets of a sequence are passed back at its end.

    Errors go back through earlier outputs that are seen, which is back-propagation through time with paths that jump ahead.
    mu is learned forward in time, from the derivatives of the taps by it.
    """

    loop, begin = staticmethod(advance), staticmethod(reset.py_func)
    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = HistoryLearner.weight_dims | {"mu": ("input_unit",)}
    own: ClassVar[dict[str, Variable]] = {
        "taps": Variable(("step", "tap"), "taps of the inputs, then the outputs of earlier steps", "g_d(t), y_k(t-d)"),
        "hidden": HIDDEN,
        "memory_share": Variable(("step", "input_unit"), "share that a memory takes in at a step", "mu_i"),
        "update_norm": UPDATE_NORM,
    }

    def __init__(self, settings: TapsSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, lanes, symbols=symbols)
        shape, masks = self.shape, settings.exists
        hidden = (shape.sources if shape.hidden else 0, shape.hidden)
        output = (shape.hidden + 1 if shape.hidden else shape.sources, shape.outputs)
        self.net = Net(
            **zeros({"w trained g": hidden, "w_output trained_output g_output": output, "mu g_mu": shape.inputs}),
            learn_mu=bool(settings.train_mu),
        )
        self.net.mu[:] = settings.mu if settings.memory == "gamma" else 1.0
        self.net.trained_output[:] = masks["output"].T
        if shape.hidden:
            self.net.trained[:] = masks["hidden"].T
        most = padded(max(shape.outputs, shape.hidden))
        self.state = State(
            **zeros({"y_k e_k": (1, padded(shape.outputs)), "net delta delta_output": most, "norm": 1}),
            **zeros({"dz": max(shape.sources, shape.hidden + 1)}),
            **zeros({"waiting last": 1}, np.int64),
        )
        size = self.net.w.size + self.net.w_output.size + self.net.mu.size
        self.optimiser = new_optimiser(settings, settings.learning_rate, size)
        self.nets = Nets(shape, self.net, self.state, self.room(0), self.optimiser)

    def room(self, steps: int) -> History:
        """An empty history of so many steps."""
        shape = self.shape
        widths = shape.sources, shape.taps, shape.hidden + 1, shape.outputs, shape.outputs
        return History(*(aligned(steps, width) for width in widths))

    @property
    def places(self) -> Places:
        """Where the weights stand."""
        placed = {"hidden": self.net.w.T, "output": self.net.w_output.T, "mu": self.net.mu}
        return {name: (placed[name], np.s_[:]) for name in self.settings.exists}

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights, those that are learned, beside the fixed ones; earlier changes are forgotten."""
        super().set_weights(lane, weights)
        restart(self.optimiser, self.settings.learning_rate)
        self.net.w_output[:] += self.settings.fixed.T

    @property
    def lasting(self) -> list[Array]:
        """The optimiser's memory, where it has one."""
        return memory(self.optimiser)

    def weights(self, lane: int) -> Weights:
        """Copies of the weights that are learned."""
        found = super().weights(lane)
        return found | {"output": found["output"] - self.settings.fixed}

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the dimensions of `own`."""
        return {"tap": self.shape.sources - 1} | ({"hidden_unit": self.shape.hidden} if self.shape.hidden else {})

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights, and of the taps."""
        hidden = {"source": self.settings.sources} if self.shape.hidden else {}
        return hidden | {"output_source": self.settings.output_sources, "tap": self.settings.taps}
