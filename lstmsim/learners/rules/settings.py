"""Settings of a net of leaky units and of the rule by which it learns on-line; its initial weights."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from lstmsim.checks import Field, Real, Whole, refusal, settings
from lstmsim.kernels.random import uniform
from lstmsim.learners.optimiser import OptimiserSettings
from lstmsim.learners.over_time import UnitSettings, padded
from lstmsim.learners.rules.structs import OUTPUTS, Shape
from lstmsim.learners.weights import Masks, Weights, generator, not_too_large

if TYPE_CHECKING:
    from lstmsim.learners.rules.step import Rule

_LARGEST = 50_000_000  # entries of an influence matrix, in numbers


@settings
class OnlineSettings(UnitSettings, OptimiserSettings):
    """What nets that learn on-line have in common, whatever their cells.

    Parameters
    ----------
    learning_rate : float
        alpha.
    feedback : {"exact", "random"}
        What carries errors back to the hidden units: the outputs' weights, or fixed random ones.
    feedback_range : float
        Random feedback weights are uniform in [-feedback_range, feedback_range].
    output : {"logistic", "softmax", "identity"}
        Output units; with softmax the error is the cross-entropy, else half the squared error.
    carry : {"none", "all"}
        all: activations and what the rule keeps outlive the end of a sequence; a stream without resets.
    """

    n_hidden: Annotated[Whole, Field(ge=1, le=10_000)] = 32
    init_range: Annotated[Real, Field(ge=0)] = 0.2
    learning_rate: Annotated[Real, Field(gt=0)] = 0.01
    _: KW_ONLY
    feedback: Literal["exact", "random"] = "exact"
    feedback_range: Annotated[Real, Field(gt=0)] = 0.5
    output: Literal["logistic", "softmax", "identity"] = "logistic"
    carry: Literal["none", "all"] = "none"

    @property
    @abstractmethod
    def differs(self) -> Rule:
        """What the file of the rule, or of the cells, has."""

    def shape_with(self, symbols: bool, **own: Any) -> Shape:
        """Return sizes for the kernels; `own` are those that depend on the cells."""
        return Shape(
            inputs=self.n_inputs,
            symbols=bool(symbols),
            outputs=self.n_outputs,
            bias=bool(self.bias),
            output=OUTPUTS.index(self.output),
            random_feedback=self.feedback == "random",
            keeps=self.carry == "all",
            **own,
        )


@settings
class RuleSettings(OnlineSettings):
    """A net of leaky units, a(t) = (1 - leak) a(t-1) + leak phi(W [a(t-1), x(t), 1]), whose outputs see a(t), and its rule.

    Parameters
    ----------
    topology : {"layered"}
        Outputs see the hidden units of the same step.
    rule : str
        How the gradient is found, one file of `lstmsim.learners.rules` each: "exact", "snap-1", "snap-n", "rflo", "e-prop",
        "uoro", "kf-rtrl", "kernl", "bptt-1", "bptt".
    n : int
        snap-n: entries are kept that an influence reaches within n steps.
    horizon, interval : int
        bptt: steps that a pass goes back, and steps between passes; BPTT(h; h') of Williams and Peng (1990).
    kernel_decay, kernel_rate, kernel_noise : float
        kernl: beta at first, learning rate of kernels and betas, size of the perturbation.
    activation : {"tanh", "logistic"}
        phi.
    leak : float
        Share of the new in an activation; 1: no leaky memory.
    connections : {"all", "random", "ring", "diagonal", "none"}
        Which recurrent weights exist: a share `density` of them, those from the unit before, each unit's own.
    density : float
        Share of the recurrent weights that exist, with connections "random"; which ones is the same in every trial.
    init : {"uniform", "orthogonal"}
        Initial recurrent weights: uniform as the others, or a random orthogonal matrix.
    exactness : int
        Compare the gradient with the exact one every so many steps, in the trace; 0: never.
    """

    n_hidden: Annotated[Whole, Field(ge=1)] = 32
    topology: Literal["layered"] = "layered"
    rule: Literal["exact", "snap-1", "snap-n", "rflo", "e-prop", "uoro", "kf-rtrl", "kernl", "bptt-1", "bptt"] = "snap-1"
    n: Annotated[Whole, Field(ge=1)] = 2
    horizon: Annotated[Whole, Field(ge=1, le=100_000)] = 10
    interval: Annotated[Whole, Field(ge=1)] = 1
    kernel_decay: Annotated[Real, Field(ge=0, le=1)] = 0.8
    kernel_rate: Annotated[Real, Field(ge=0)] = 0.001
    kernel_noise: Annotated[Real, Field(gt=0)] = 1e-5
    activation: Literal["tanh", "logistic"] = "tanh"
    leak: Annotated[Real, Field(gt=0, le=1)] = 1.0
    connections: Literal["all", "random", "ring", "diagonal", "none"] = "all"
    density: Annotated[Real, Field(gt=0, le=1)] = 0.25
    init: Literal["uniform", "orthogonal"] = "uniform"
    exactness: Annotated[Whole, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        """Check the net's size, and what depends on the rule."""
        units, sizes = self.n_hidden + self.n_outputs, {"n_inputs": self.n_inputs, "n_outputs": self.n_outputs}
        not_too_large((self.n_inputs + units) * units, **sizes, n_hidden=self.n_hidden)
        if self.init == "orthogonal" and self.connections != "all":
            raise refusal("init", self.init, f"'uniform' with connections {self.connections!r}")
        if self.horizon < self.interval:
            raise refusal("horizon", self.horizon, f"a whole number of at least the interval, {self.interval}")
        size = self.n_hidden**2 * len(self.sources)
        if (self.rule in ("exact", "snap-n") or self.exactness) and size > _LARGEST:
            raise refusal("entries of the influence", size, f"at most {_LARGEST:,}; fewer hidden units, or another rule")

    @property
    def differs(self) -> Rule:
        """What the rule's file has."""
        name = self.rule.replace("-", "_")
        rule: Rule = importlib.import_module(f"lstmsim.learners.rules.{name}").RULE
        return rule

    @property
    def sources(self) -> list[str]:
        """Names of the sources of the hidden units, in the order of the weights' columns."""
        return [*self.input_names, *self.hidden_names, "bias"]

    @cached_property
    def recurrent(self) -> Masks:
        """Which recurrent weights exist, (hidden unit, source unit)."""
        n = self.n_hidden
        drawn = np.array([[uniform(np.uint64(n), i * n + j) for j in range(n)] for i in range(n)])
        return {
            "all": np.ones((n, n), bool),
            "random": drawn < self.density,
            "ring": np.roll(np.eye(n, dtype=bool), 1, axis=0),
            "diagonal": np.eye(n, dtype=bool),
            "none": np.zeros((n, n), bool),
        }

    @cached_property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape."""
        masks = super().exists
        masks["hidden"][:, self.n_inputs : -1] = self.recurrent[self.connections]
        return masks

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range], the recurrent ones orthogonal where that is asked for."""
        weights = super().initial_weights(seed)
        if self.init == "orthogonal":
            rows = generator(seed).uniform(-1.0, 1.0, (self.n_hidden, self.n_hidden))
            for _ in range(2):  # Gram and Schmidt, twice for the rounding; no BLAS, whose bits differ between machines
                for i, row in enumerate(rows):
                    for other in rows[:i]:
                        row -= (row * other).sum() * other
                    row /= np.sqrt((row * row).sum())
            weights["hidden"][:, self.n_inputs : -1] = rows
        return weights

    def shape(self, *, symbols: bool) -> Shape:
        """Sizes for the kernels."""
        return self.shape_with(
            symbols,
            hidden=self.n_hidden,
            wide=padded(self.n_hidden),
            sources=self.n_hidden + self.n_inputs + 1,
            output_wide=padded(self.n_hidden + 1),
            leak=self.leak,
            tanh=self.activation == "tanh",
            sparse=self.connections != "all",
        )
