"""Temporal transition hierarchies: linear units whose weights are changed, step by step, by units that are built on demand.

Ring, "Learning sequential tasks by incrementally adding higher orders", Advances in Neural Information Processing Systems 5,
1993.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, refusal, settings
from lstmsim.kernels.arrays import Array, Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.recording import Variable
from lstmsim.kernels.sequences import LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.learners.base import HIDDEN, UPDATE_NORM, grown_text, register
from lstmsim.learners.over_time import (
    OneLaneLearner,
    OneLaneSettings,
    Places,
    input_at,
    judged,
    over_time,
    padded,
    write_hidden,
    zeros,
)
from lstmsim.learners.weights import Masks, Weights, checked_weights, not_too_large, uniform_weights


class Shape(Struct):
    """Sizes of a net; its sources are the inputs and, where there is one, the bias."""

    inputs: int
    symbols: bool  # inputs are one-hot and come as symbol numbers
    outputs: int
    sources: int


class Net(Struct):
    """Outputs, then units built: each of these stands on one connection of an output or of a unit before it."""

    w: Floats  # (unit, source)
    above: Ints  # (unit, source) int: unit that stands on the connection, or -1
    place: Floats  # (unit,): number of the connection it stands on, from 1 on, row by row; 0 for none
    level: Ints  # (unit,) int: 0 for outputs
    count: Ints  # (1,) int: units there are, outputs included
    mean: Floats  # (unit, source): running mean of dw
    size: Floats  # (unit, source): running mean of |dw|


class State(Struct):
    """What a net carries from step to step, and what the last step left behind."""

    y: Floats  # (unit,)
    before: Floats  # (unit,): y(t-1)
    x: Floats  # (latest steps, source): x(t) in row t modulo their number
    time: Ints  # (1,) int: steps of the sequence
    delta: Floats  # (unit,)
    y_k: Floats  # (1, output), padded
    e_k: Floats  # (1, output), padded
    norm: Floats  # (1,): squared norm of the last weight change


class Nets(Struct):
    """A net and its rule."""

    shape: Shape
    net: Net
    state: State
    alpha: float
    smoothing: float


@inlined
def forward(nets, sequences, clock, row):
    """y_i(t) = sum_j x_j(t) (w_ij + y_u(t-1)), where u is the unit on connection ij if there is one."""
    shape, net, state = nets.shape, nets.net, nets.state
    for i in range(shape.inputs):
        state.x[row, i] = input_at(shape, sequences, clock, i)
    for i in range(shape.inputs, shape.sources):
        state.x[row, i] = 1.0
    for u in range(net.count[0]):
        state.before[u] = state.y[u]
    for u in range(net.count[0]):
        y = 0.0
        for j in range(shape.sources):
            x = state.x[row, j]
            if x != 0.0:
                above = net.above[u, j]
                y += (net.w[u, j] + (state.before[above] if above >= 0 else 0.0)) * x
        state.y[u] = y


@inlined
def update(nets, t):
    """dw_uj = alpha delta_u x_j(t - l_u) with level l_u; delta_u = delta_i x_j(t - l_i) of a unit u on connection ij.

    So a unit learns from the error that its activation l_u steps ago has led to. Running means of dw and |dw| take the
    changes other than 0.
    """
    shape, net, state, steps = nets.shape, nets.net, nets.state, nets.state.x.shape[0]
    for u in range(net.count[0]):
        if u >= shape.outputs:
            connection = int(net.place[u]) - 1
            i, j = connection // shape.sources, connection % shape.sources
            seen = state.x[(t - net.level[i]) % steps, j] if t >= net.level[i] else 0.0
            state.delta[u] = state.delta[i] * seen
        if t < net.level[u]:
            continue
        row = (t - net.level[u]) % steps
        for j in range(shape.sources):
            dw = nets.alpha * state.delta[u] * state.x[row, j]
            if dw != 0.0:
                net.w[u, j] += dw
                net.mean[u, j] += nets.smoothing * (dw - net.mean[u, j])
                net.size[u, j] += nets.smoothing * (abs(dw) - net.size[u, j])
                state.norm[0] += dw * dw


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step: activations and errors, then the change of the weights; see `lstmsim.learners.over_time`."""
    shape, state, t = nets.shape, nets.state, nets.state.time[0]
    forward(nets, sequences, clock, t % state.x.shape[0])
    state.time[0] = t + 1
    state.norm[0] = 0.0
    for k in range(shape.outputs):
        state.y_k[0, k] = state.y[k]
    if judged(shape, state, sequences, scores, record, clock) & LEARN:
        for k in range(shape.outputs):
            state.delta[k] = state.e_k[0, k] = sequences.targets[sequences.learn[clock, 0], k] - state.y[k]
        if learn:
            update(nets, t)


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on: activations of the units built, norm of the change."""
    first = nets.shape.outputs
    write_hidden(row, at, nets.state.y, first, nets.net.w.shape[0] - first, nets.state.norm, learn)


@inlined
def reset(nets):
    """Activations to zero; no step has been made."""
    nets.state.y[:] = 0.0
    nets.state.time[0] = 0


@settings
class RingSettings(OneLaneSettings):
    """Settings of a transition hierarchy.

    Ring has alpha 1.5, smoothing 0.2, threshold 1 and epsilon 0.1. A change of an output takes as many units along as it has
    levels, so alpha times the number of levels must stay below 2; the ratio of epsilon to alpha is what counts, and is his.

    Parameters
    ----------
    max_hidden : int
        Units that may be built.
    bias : bool
        There is a source that is always 1.
    init_range : float
        Initial weights of the outputs are uniform in [-init_range, init_range]; those of a unit that is built are 0.
    learning_rate : float
        alpha.
    smoothing : float
        sigma, the share of the latest change in the running means.
    threshold : float
        A unit is built on a connection when mean(abs(dw)) / (epsilon + abs(mean(dw))) is above this.
    epsilon : float
        Added to abs(mean(dw)).
    """

    max_hidden: Annotated[Whole, Field(ge=1, le=10_000)] = 100
    bias: Flag = False
    init_range: Annotated[Real, Field(ge=0)] = 0.1
    learning_rate: Annotated[Real, Field(gt=0)] = 0.15
    smoothing: Annotated[Real, Field(gt=0, le=1)] = 0.2
    threshold: Annotated[Real, Field(gt=0)] = 1.0
    epsilon: Annotated[Real, Field(gt=0)] = 0.01

    def __post_init__(self) -> None:
        """Check the size."""
        not_too_large((self.n_outputs + self.max_hidden) * (self.n_inputs + 1), max_hidden=self.max_hidden)

    @property
    def sources(self) -> list[str]:
        """Names of the sources of every unit."""
        return self.input_names + ["bias"] * self.bias

    output_sources = sources

    @property
    def exists(self) -> Masks:
        """Which connections there can be, and where each unit stands: the number of its connection from 1 on, row by row."""
        n, units = len(self.sources), self.max_hidden
        shapes = {"hidden": (units, n), "output": (self.n_outputs, n), "place": (units,)}
        return {name: np.ones(shape, np.bool_) for name, shape in shapes.items()}

    @property
    def n_weights(self) -> int:
        """Weights of the net without units built."""
        return self.n_outputs * len(self.sources)

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the smallest and the largest number of units that were built."""
        return grown_text(joined)

    def weights_shown(self, joined: Sequence[int] = ()) -> tuple[int, ...]:
        """Return the weights of the nets with the fewest and the most units built."""
        built = dict.fromkeys((min(joined), max(joined))) if joined else (0,)
        return tuple(self.n_weights + n * len(self.sources) for n in built)

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights of the outputs uniform in [-init_range, init_range]; no unit is built."""
        none = {name: np.zeros(mask.shape) for name, mask in self.exists.items()}
        return none | uniform_weights({"output": self.exists["output"]}, self.init_range, seed)

    def shape(self, *, symbols: bool) -> Shape:
        """Sizes for the kernels."""
        return Shape(self.n_inputs, bool(symbols), self.n_outputs, len(self.sources))


@register("ring", RingSettings, label="transition hierarchy")
class Ring(OneLaneLearner[RingSettings]):
    """Linear outputs whose weights are changed at each step by units that saw the step before; no feedback.

    After each sequence a unit is built on every connection whose weight is pulled to and fro. It begins with weights 0, so
    that nothing changes but what can be learned. Noise pulls to and fro for ever, and builds units up to `max_hidden`.
    """

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = OneLaneLearner.weight_dims | {"place": ("hidden_unit",)}
    loop, begin = staticmethod(over_time(step, write, reset)), staticmethod(reset.py_func)
    own: ClassVar[dict[str, Variable]] = {"hidden": HIDDEN, "update_norm": UPDATE_NORM}

    def __init__(self, settings: RingSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, lanes, symbols=symbols)
        s, shape = settings, self.shape
        units, n = shape.outputs + s.max_hidden, shape.sources
        self.net = Net(
            above=np.full((units, n), -1),
            count=np.array([shape.outputs]),
            level=np.zeros(units, np.int64),
            **zeros({"w mean size": (units, n), "place": units}),
        )
        self.state = State(
            time=np.zeros(1, np.int64),
            **zeros({"y before delta": units, "x": (s.max_hidden + 1, n), "y_k e_k": (1, padded(shape.outputs)), "norm": 1}),
        )
        self.nets = Nets(shape, self.net, self.state, s.learning_rate, s.smoothing)

    def growth_window(self, lane: int) -> int:
        """Sequences after which `grow` is asked again: every one, while there is room."""
        return int(self.net.count[0] < len(self.net.w))

    def grow(self, lane: int, errors: Callable[[int], Floats], since: int) -> int:
        """Build a unit on every connection that has none and whose weight is pulled to and fro; how many were built."""
        net, count = self.net, int(self.net.count[0])
        pulled = net.size > self.settings.threshold * (self.settings.epsilon + np.abs(net.mean))
        found = np.flatnonzero(pulled & (net.above < 0))[: len(net.w) - count]
        for connection in found:
            self._build(int(connection))
        return len(found)

    def join(self, lane: int) -> None:
        """Build the next units, as `grow` did when the sequence was first seen."""
        self.grow(lane, lambda _: np.zeros(0), 0)

    def _build(self, connection: int) -> None:
        """Build a unit on a connection, by its number row by row."""
        net, u = self.net, int(self.net.count[0])
        i, j = divmod(connection, net.w.shape[1])
        net.above[i, j], net.place[u], net.level[u] = u, connection + 1, net.level[i] + 1
        net.count[0] = u + 1

    @property
    def places(self) -> Places:
        """Where the weights stand; see also `RingSettings.exists`."""
        net, first = self.net, self.shape.outputs
        return {"hidden": (net.w, np.s_[first:]), "output": (net.w, np.s_[:first]), "place": (net.place, np.s_[first:])}

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights and units, and forget how weights have changed.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape or is not finite, or units stand on no connection.
        """
        given, net, first = checked_weights(weights, self.settings.exists), self.net, self.shape.outputs
        place = given["place"].astype(np.int64)
        built = place[: np.count_nonzero(place)] - 1
        limits = (first + np.arange(len(built))) * net.w.shape[1]
        if (place != given["place"]).any() or len(set(built)) < len(built) or (built < 0).any() or (built >= limits).any():
            allowed = "numbers of different connections of units before it, then zeros"
            raise refusal("weights['place']", given["place"], allowed)
        super().set_weights(lane, given)
        net.above[:], net.count[:], net.mean[:], net.size[:] = -1, first, 0.0, 0.0
        for connection in built:
            self._build(int(connection))

    @property
    def lasting(self) -> list[Array]:
        """The running means of the changes."""
        return [self.net.mean, self.net.size]

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the dimensions of `own`."""
        return {"hidden_unit": self.settings.max_hidden}
