"""A net of states trained by expectation maximisation: settings, named weights and arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Real, Whole, refusal, settings
from lstmsim.kernels.recording import Layout, Variable
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import INPUT, OUTPUT, OUTPUT_ERROR, TARGET, UPDATE_NORM, LearnerSettings, register
from lstmsim.learners.em.equations import History, Nets, Shape, State, advance
from lstmsim.learners.over_time import HistoryLearner
from lstmsim.learners.weights import Floats, Masks, Weights, checked_weights, not_too_large, uniform_weights

PROBABILITY = Variable(("step", "hidden_unit"), "probability of the state", "a_i(t)")
LIKELIHOOD = Variable(("step",), "logarithm of the target's likelihood, 0 without a target", "log L(t)")


@settings
class EMSettings(LearnerSettings):
    """Settings of a net of states.

    The first states are those that the outputs stand for: output k is the probability of state k; a single output is
    0.5 + (a_0 - a_1) / 2. Targets are probabilities. A sequence begins in the last state.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Units; 0: as many as the task has.
    n_states : int
        States, at least as many as there are outputs, and 2.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].
    stay : float
        Added to the initial weights from the bias to a state that follows itself: the input alone would forget it.
    learning_rate : float
        Share of the step to the maximum of the bound, up to 2.
    batch : int
        Sequences from one change of the weights to the next.

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
    """

    n_states: Annotated[Whole, Field(ge=2)] = 7
    init_range: Annotated[Real, Field(ge=0)] = 0.5
    stay: Annotated[Real, Field(ge=0)] = 6.0
    learning_rate: Annotated[Real, Field(gt=0, le=2)] = 1.9
    batch: Annotated[Whole, Field(ge=1)] = 10

    def __post_init__(self) -> None:
        """Check the number of states."""
        sizes = {"n_inputs": self.n_inputs, "n_states": self.n_states}
        not_too_large((self.n_inputs + 1) * self.n_states**2, **sizes)
        if self.n_states < self.n_outputs:
            raise refusal("n_states", self.n_states, f"at least the number of outputs, {self.n_outputs}")

    @cached_property
    def exists(self) -> Masks:
        """Which connections there are: all."""
        return {"transition": np.ones((self.n_states, self.n_states, self.n_inputs + 1), bool)}

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range], and `stay` for a state that follows itself."""
        drawn = uniform_weights(self.exists, self.init_range, seed)
        drawn["transition"][..., -1] += self.stay * np.eye(self.n_states)
        return drawn

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the number of states."""
        return str(self.n_states)


@register("em", EMSettings, label="EM state net")
class EM(HistoryLearner):
    """A net of states, trained by generalised expectation maximisation (Bengio and Frasconi 1994).

    Where a sequence has several targets, each has posteriors of its own and they are added up.

    Parameters
    ----------
    settings : EMSettings
        States and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.
    """

    loop = staticmethod(advance)
    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {"transition": ("hidden_unit", "next_state", "source")}

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by, in the order of a recorded row."""
        ends = {"input": INPUT, "target": TARGET, "output": OUTPUT, "output_error": OUTPUT_ERROR}
        return ends | {"state_probability": PROBABILITY, "log_likelihood": LIKELIHOOD, "update_norm": UPDATE_NORM}

    def __init__(self, settings: EMSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        settings.check_sizes()
        self.settings, n, sources = settings, settings.n_states, settings.n_inputs + 1
        wide, outputs = -(-n // 8) * 8, -(-settings.n_outputs // 8) * 8
        self.shape = Shape(settings.n_inputs, bool(symbols), settings.n_outputs, n, wide)
        self.state = State(
            w=aligned(sources, n, wide),
            a=aligned(wide),
            mask=aligned(wide),
            b=aligned(wide),
            before=aligned(wide),
            y_k=aligned(1, outputs),
            e_k=aligned(1, outputs),
            norm=aligned(1),
            log_likelihood=aligned(1),
            waiting=aligned(1, dtype=np.int64),
            seen=aligned(1, dtype=np.int64),
            G=aligned(sources, n, wide),
            D=aligned(sources, n),
        )
        self.state.mask[:n] = 1.0
        self.keep(self.room(0))

    def keep(self, history: History) -> None:
        """Let the net store its steps in a history."""
        self.history = history
        self.nets = Nets(self.shape, self.state, history, self.settings.learning_rate, self.settings.batch)

    def room(self, steps: int) -> History:
        """An empty history of so many steps."""
        n, wide = self.shape.states, self.shape.wide
        sizes = (self.shape.inputs + 1,), (n,), (n, wide), (wide,)
        return History(*(aligned(steps, *size) for size in sizes))

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights, and begin the sums over sequences anew: "transition" (from, to, source).

        Raises
        ------
        ValueError
            If the group is missing or unknown, has the wrong shape or is not finite.
        """
        given = checked_weights(weights, self.settings.exists)["transition"]
        self.state.w[..., : self.shape.states] = np.moveaxis(given, -1, 0)
        self.state.G[:], self.state.D[:], self.state.seen[0] = 0.0, 0.0, 0

    def weights(self, lane: int) -> Weights:
        """Copies of the weights."""
        return {"transition": np.moveaxis(self.state.w[..., : self.shape.states], 0, -1).copy()}

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give the net the initial weights that belong to a seed."""
        self.set_weights(lane, self.settings.initial_weights(seed))

    def reset(self, lane: int | slice = 0) -> None:
        """The net is in its last state; the weights, and sums over sequences that have ended, stay."""
        self.state.a[:], self.state.waiting[0] = 0.0, 0
        self.state.a[self.shape.states - 1] = 1.0

    def carried(self, lane: int) -> Floats:
        """Return what outlives a sequence besides the weights: the sums since the last change."""
        return np.concatenate([self.state.seen, self.state.D, self.state.G], axis=None)

    def set_carried(self, lane: int | slice, carried: Floats) -> None:
        """Take what `carried` gave."""
        state = self.state
        state.seen[0], state.D.flat, state.G.flat = int(carried[0]), *np.split(carried[1:], [state.D.size])

    @property
    def layout(self) -> Layout:
        """What a recorded step holds, in the order of a recorded row."""
        shape = self.shape
        sizes = {"hidden_unit": shape.states, "input_unit": shape.inputs, "output_unit": shape.outputs}
        return Layout(self.variables(), sizes, shape.symbols)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        return {"source": [*(f"input {i}" for i in range(self.shape.inputs)), "bias"]}
