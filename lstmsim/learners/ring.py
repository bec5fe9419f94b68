"""Temporal transition hierarchies: linear units whose weights are changed, step by step, by units that are built on demand.

Ring, "Learning sequential tasks by incrementally adding higher orders", Advances in Neural Information Processing Systems 5,
1993.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, refusal, settings
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.recording import Layout, Variable
from lstmsim.kernels.scores import judge_step
from lstmsim.kernels.sequences import JUDGE, LEARN
from lstmsim.kernels.streams import join
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import HIDDEN, INPUT, OUTPUT, OUTPUT_ERROR, TARGET, UPDATE_NORM, LearnerSettings, register
from lstmsim.learners.over_time import OneLaneLearner, over_time
from lstmsim.learners.weights import Floats, Masks, Weights, checked_weights, not_too_large, uniform_weights

Array = Any


class Shape(Struct):
    """Sizes of a net; its sources are the inputs and, where there is one, the bias."""

    inputs: int
    symbols: bool  # inputs are one-hot and come as symbol numbers
    outputs: int
    sources: int


class Net(Struct):
    """Outputs, then units built: each of these stands on one connection of an output or of a unit before it."""

    w: Array  # (unit, source)
    above: Array  # (unit, source) int: unit that stands on the connection, or -1
    below: Array  # (unit,) int: unit whose connection it stands on
    source: Array  # (unit,) int: source of that connection
    level: Array  # (unit,) int: 0 for outputs
    count: Array  # (1,) int: units there are, outputs included
    mean: Array  # (unit, source): running mean of dw
    size: Array  # (unit, source): running mean of |dw|


class State(Struct):
    """What a net carries from step to step, and what the last step left behind."""

    y: Array  # (unit,)
    before: Array  # (unit,): y(t-1)
    x: Array  # (latest steps, source): x(t) in row t modulo their number
    time: Array  # (1,) int: steps of the sequence
    delta: Array  # (unit,)
    y_k: Array  # (1, output), padded
    e_k: Array  # (1, output), padded
    norm: Array  # (1,): squared norm of the last weight change


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
        x = sequences.inputs[clock, i, 0] if not shape.symbols else 1.0 if sequences.symbol[clock, 0] == i else 0.0
        state.x[row, i] = x
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
            i = net.below[u]
            seen = state.x[(t - net.level[i]) % steps, net.source[u]] if t >= net.level[i] else 0.0
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
    event = sequences.event[clock, 0]
    forward(nets, sequences, clock, t % state.x.shape[0])
    state.time[0] = t + 1
    state.norm[0] = 0.0
    for k in range(shape.outputs):
        state.y_k[0, k] = state.y[k]
    if event & JUDGE:
        judge_step(shape, scores, state, sequences.targets, 0, sequences.judge[clock, 0])
        join(scores, record, sequences, 0, clock, record.tick[0])
    if event & LEARN:
        for k in range(shape.outputs):
            state.delta[k] = state.e_k[0, k] = sequences.targets[sequences.learn[clock, 0], k] - state.y[k]
        if learn:
            update(nets, t)


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on: activations of the units built, norm of the change."""
    first, units = nets.shape.outputs, nets.net.w.shape[0]
    for u in range(first, units):
        row[at + u - first] = nets.state.y[u]
    row[at + units - first] = nets.state.norm[0] ** 0.5


@inlined
def reset(nets):
    """Activations to zero; no step has been made."""
    for u in range(nets.state.y.size):
        nets.state.y[u] = 0.0
    nets.state.time[0] = 0


advance = over_time(step, write, reset)


@settings
class RingSettings(LearnerSettings):
    """Settings of a transition hierarchy.

    Ring has alpha 1.5, smoothing 0.2, threshold 1 and epsilon 0.1. A change of an output takes as many units along as it has
    levels, so alpha times the number of levels must stay below 2; the ratio of epsilon to alpha is what counts, and is his.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Units; 0: as many as the task has.
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

    Raises
    ------
    ValueError
        Naming the argument, what was given and what is allowed.
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
        return [f"input {i}" for i in range(self.n_inputs)] + ["bias"] * self.bias

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
        return "\N{EN DASH}".join(str(n) for n in sorted({min(joined), max(joined)})) if joined else "\N{EN DASH}"

    def weights_shown(self, joined: Sequence[int] = ()) -> tuple[int, ...]:
        """Return the weights of the nets with the fewest and the most units built."""
        built = dict.fromkeys((min(joined), max(joined))) if joined else (0,)
        return tuple(self.n_weights + n * len(self.sources) for n in built)


@register("ring", RingSettings, label="transition hierarchy")
class Ring(OneLaneLearner):
    """Linear outputs whose weights are changed at each step by units that saw the step before; no feedback.

    After each sequence a unit is built on every connection whose weight is pulled to and fro. It begins with weights 0, so
    that nothing changes but what can be learned. Noise pulls to and fro for ever, and builds units up to `max_hidden`.

    Parameters
    ----------
    settings : RingSettings
        Sizes and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.
    """

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = OneLaneLearner.weight_dims | {"place": ("hidden_unit",)}
    loop = staticmethod(advance)

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by, in the order of a recorded row."""
        ends = {"input": INPUT, "target": TARGET, "output": OUTPUT, "output_error": OUTPUT_ERROR}
        return ends | {"hidden": HIDDEN, "update_norm": UPDATE_NORM}

    def __init__(self, settings: RingSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        settings.check_sizes()
        self.settings = s = settings
        units, n = s.n_outputs + s.max_hidden, len(s.sources)
        w, mean, size = (np.zeros((units, n)) for _ in range(3))
        below, source, level = (np.zeros(units, np.int64) for _ in range(3))
        above = np.full((units, n), -1)
        self.net = Net(w, above, below, source, level, np.array([s.n_outputs]), mean, size)
        wide = -(-s.n_outputs // 8) * 8
        self.state = State(
            y=np.zeros(units),
            before=np.zeros(units),
            x=np.zeros((s.max_hidden + 1, n)),
            time=np.zeros(1, np.int64),
            delta=np.zeros(units),
            y_k=aligned(1, wide),
            e_k=aligned(1, wide),
            norm=np.zeros(1),
        )
        shape = Shape(s.n_inputs, bool(symbols), s.n_outputs, n)
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
        net.above[i, j], net.below[u], net.source[u], net.level[u] = u, i, j, net.level[i] + 1
        net.count[0] = u + 1

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights and units, and forget how weights have changed.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape or is not finite, or units stand on no connection.
        """
        given, net, first = checked_weights(weights, self.settings.exists), self.net, self.settings.n_outputs
        place = given["place"].astype(np.int64)
        built = place[: np.count_nonzero(place)] - 1
        limits = (first + np.arange(len(built))) * net.w.shape[1]
        if (place != given["place"]).any() or len(set(built)) < len(built) or (built < 0).any() or (built >= limits).any():
            allowed = "numbers of different connections of units before it, then zeros"
            raise refusal("weights['place']", given["place"], allowed)
        net.w[:first], net.w[first:] = given["output"], given["hidden"]
        net.above[:], net.count[:], net.mean[:], net.size[:] = -1, first, 0.0, 0.0
        for connection in built:
            self._build(int(connection))

    def weights(self, lane: int) -> Weights:
        """Copies of the weights, and where each unit stands; see `RingSettings.exists`."""
        net, first = self.net, self.settings.n_outputs
        place = np.where(np.arange(len(net.w)) < net.count, net.below * net.w.shape[1] + net.source + 1.0, 0.0)
        return {"hidden": net.w[first:].copy(), "output": net.w[:first].copy(), "place": place[first:]}

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give the net the initial weights that belong to a seed; no unit is built."""
        drawn = uniform_weights({"output": self.settings.exists["output"]}, self.settings.init_range, seed)
        none = {name: np.zeros(self.settings.exists[name].shape) for name in ("hidden", "place")}
        self.set_weights(lane, drawn | none)

    def reset(self, lane: int | slice = 0) -> None:
        """Activations to zero; the weights stay."""
        self.state.y[:], self.state.time[:] = 0.0, 0

    def carried(self, lane: int) -> Floats:
        """Return what outlives a sequence besides the weights: the running means of their changes."""
        return np.concatenate([self.net.mean, self.net.size], axis=None)

    def set_carried(self, lane: int | slice, carried: Floats) -> None:
        """Take what `carried` gave."""
        self.net.mean.flat, self.net.size.flat = np.split(carried, 2)

    @property
    def layout(self) -> Layout:
        """What a recorded step holds, in the order of a recorded row."""
        s = self.settings
        sizes = {"hidden_unit": s.max_hidden, "input_unit": s.n_inputs, "output_unit": s.n_outputs}
        return Layout(self.variables(), sizes, self.nets.shape.symbols)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        return {"source": self.settings.sources, "output_source": self.settings.sources}
