"""The multilevel predictor hierarchy: each level reads only the inputs that no level below has predicted.

Schmidhuber, "Learning complex, extended sequences using the principle of history compression", Neural Computation 4(2),
1992: the levels are learned one after another, and a level that does not improve any more is frozen.
"""

from __future__ import annotations

import math
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
from lstmsim.learners.base import (
    INPUT,
    OUTPUT,
    OUTPUT_ERROR,
    TARGET,
    UPDATE_NORM,
    LearnerSettings,
    check_join_window,
    has_stopped_falling,
    register,
)
from lstmsim.learners.chunker.equations import Net, errors, forget, read, update
from lstmsim.learners.chunker.nets import give, new_net, taken
from lstmsim.learners.over_time import OneLaneLearner, over_time
from lstmsim.learners.weights import Floats, Masks, Weights, checked_weights, uniform_weights

Array = Any

_LEVELS = 4


class Shape(Struct):
    """Sizes and constants of all levels."""

    inputs: int
    symbols: bool  # always
    outputs: int
    failure: float  # an input was not predicted when an output was off by this much
    tick: float  # of the time stamp, for each step since the level's last input
    alpha: float


class State(Struct):
    """What the present step is judged and recorded by, and what the levels wait for."""

    y_k: Array  # (1, output stride)
    e_k: Array  # (1, output stride)
    pending: Array  # (level + 1,) bool: the level will read the next input
    since: Array  # (level,): steps since its last input
    reads: Array  # (1,): levels that have read the present input
    active: Array  # (1,) int: the level that learns; those below are frozen, those above wait
    norm: Array  # (1,): squared norm of the last change


class Nets(Struct):
    """The levels, for the kernels; those that a hierarchy does not have are the last it has."""

    shape: Shape
    first: Net
    second: Net
    third: Net
    fourth: Net
    state: State


@inlined
def level(nets, s):
    """The net of level number s, the lowest being 0."""
    if s == 0:
        return nets.first
    if s == 1:
        return nets.second
    return nets.third if s == 2 else nets.fourth


@inlined
def answer(nets):
    """Each output is that of the lowest level whose output is within `failure` of 0 or 1, else of the level that learns.

    An output that is not will be off by `failure`, be the target 0 or 1: the level knows that it will fail.
    """
    shape, state = nets.shape, nets.state
    for k in range(shape.outputs):
        s = 0
        while s < state.active[0] and shape.failure <= level(nets, s).y_k[0, k] <= 1.0 - shape.failure:
            s += 1
        state.y_k[0, k] = level(nets, s).y_k[0, k]


@inlined
def aim(net, shape, targets, row):
    """Target of a level: the next input; whether one of its outputs was off by `failure`."""
    failed = False
    for k in range(shape.outputs):
        d = targets[row, k]
        net.d_k[0, k] = d
        failed |= not abs(d - net.y_k[0, k]) < shape.failure
    return failed


@inlined
def step(nets, sequences, scores, record, clock, learn, track):
    """One step of the levels that wait for this input; see `lstmsim.learners.over_time`.

    A level reads the input, with the steps since its last one as a time stamp, if all levels below failed to predict it; the
    first of a sequence is read by all. Where the next input is one for a level too, its latest output should have been that
    input: the highest level at work learns it.
    """
    shape, state, active = nets.shape, nets.state, nets.state.active[0]
    symbol, event = sequences.symbol[clock, 0], sequences.event[clock, 0]
    state.reads[0] = state.norm[0] = 0.0
    for s in range(active + 1):
        net = level(nets, s)
        if state.pending[s]:
            net.stamp[0] = shape.tick * state.since[s]
            read(net, symbol, track and s == active)
            state.since[s] = 0.0
            state.reads[0] += 1.0
        state.since[s] += 1.0
    answer(nets)
    if event & JUDGE:
        judge_step(shape, scores, state, sequences.targets, 0, sequences.judge[clock, 0])
        join(scores, record, sequences, 0, clock, record.tick[0])
    failed, row = (event & LEARN) != 0, sequences.learn[clock, 0]
    if failed:
        for k in range(shape.outputs):
            y = state.y_k[0, k]
            state.e_k[0, k] = y * (1.0 - y) * (sequences.targets[row, k] - y)
    for s in range(active + 1):
        if failed:
            net = level(nets, s)
            failed = aim(net, shape, sequences.targets, row)
            if s == active:
                errors(net)
                if learn:
                    state.norm[0] = update(net, shape.alpha, record.on[0])
        state.pending[s + 1] = failed


@inlined
def write(nets, row, at, event, learn):
    """Fill a recorded row from column `at` on: how many levels have read, hidden units of all, norm of the change."""
    state, size = nets.state, nets.first.h.size
    row[at] = state.reads[0]
    at += 1
    for s in range(state.since.size):
        net = level(nets, s)
        for u in range(size):
            row[at + u] = net.h[u]
        at += size
    row[at] = math.sqrt(state.norm[0])


@inlined
def reset(nets):
    """Activations and partials to zero; all levels wait for the next input."""
    for s in range(nets.state.since.size):
        forget(level(nets, s))
        nets.state.since[s] = 0.0
        nets.state.pending[s] = True


advance = over_time(step, write, reset)


@settings
class HierarchySettings(LearnerSettings):
    """Sizes and rates of all levels.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Input units, and outputs of the task (0: as many as it has); the first `n_inputs` outputs predict the next input.
    levels : int
        Levels, 2 to 4.
    n_hidden : int
        Hidden units of each level.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].
    learning_rate : float
        alpha.
    failure : float
        An input was not predicted when one of a level's outputs for it was off by this much.
    time_scale : float
        Steps since its last input at which a level's time stamp is 1.
    shortcuts : bool
        Outputs see the inputs.
    join_window, join_ratio : int, float
        The next level begins, and the present one is frozen, when the mean abs(error) of the latest `join_window` sequences
        is not below `join_ratio` times that of those before.

    Raises
    ------
    ValueError
        Naming the argument, the value given and what is allowed.
    """

    levels: Annotated[Whole, Field(ge=2, le=_LEVELS)] = 3
    n_hidden: Annotated[Whole, Field(ge=1, le=10_000)] = 4
    init_range: Annotated[Real, Field(ge=0)] = 0.2
    learning_rate: Annotated[Real, Field(gt=0)] = 1.0
    failure: Annotated[Real, Field(gt=0)] = 0.25
    time_scale: Annotated[Real, Field(gt=0)] = 20.0
    shortcuts: Flag = True
    join_window: Annotated[Whole, Field(ge=1)] = 20
    join_ratio: Annotated[Real, Field(gt=0)] = 0.99

    @property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape."""
        n, masks = self.n_inputs + 1, {}
        for number in range(1, self.levels + 1):
            masks[f"level_{number}_hidden"] = np.ones((self.n_hidden, n + 1), np.bool_)
            masks[f"level_{number}_output"] = np.ones((self.n_outputs, n + self.n_hidden), np.bool_)
            masks[f"level_{number}_output"][:, :n] = self.shortcuts
        return masks

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the hidden units of all levels."""
        return " + ".join([str(self.n_hidden)] * self.levels)


@register("hierarchy", HierarchySettings, label="predictor hierarchy")
class Hierarchy(OneLaneLearner):
    """Levels of nets like the chunker's: each predicts its next input and passes on, with a time stamp, what it did not.

    Parameters
    ----------
    settings : HierarchySettings
        Sizes and rates.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers; must be so.

    Raises
    ------
    ValueError
        If the inputs are not one-hot.
    """

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        f"level_{number}_{name}": dims
        for number in range(1, _LEVELS + 1)
        for name, dims in OneLaneLearner.weight_dims.items()
    }
    loop = staticmethod(advance)

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the levels can be recorded by, in the order of a recorded row."""
        return {
            "input": INPUT,
            "target": TARGET,
            "output": OUTPUT,
            "output_error": OUTPUT_ERROR,
            "levels_reading": Variable(("step",), "levels that read the input: those at work that no level below spared it"),
            "level_hidden": Variable(("step", "level_unit"), "activation of a level's hidden unit, the lowest level first"),
            "update_norm": UPDATE_NORM,
        }

    def __init__(self, settings: HierarchySettings, lanes: int = 1, *, symbols: bool = False) -> None:
        if not symbols:
            raise refusal("symbols", symbols, "True, the hierarchy takes one-hot inputs")
        settings.check_sizes()
        self.settings = s = settings
        stamped: dict[str, bool] = {"shortcuts": s.shortcuts, "stamped": True}
        self.levels = [new_net(s.n_inputs + 1, s.n_hidden, s.n_outputs, **stamped) for _ in range(s.levels)]
        wide = self.levels[0].y_k.shape[1]
        self.state = State(
            y_k=aligned(1, wide),
            e_k=aligned(1, wide),
            pending=np.ones(s.levels + 1, np.bool_),
            since=np.zeros(s.levels),
            reads=np.zeros(1),
            active=np.zeros(1, np.int64),
            norm=np.zeros(1),
        )
        shape = Shape(s.n_inputs, True, s.n_outputs, s.failure, 1.0 / s.time_scale, s.learning_rate)
        first, second, third, fourth = self.levels + [self.levels[-1]] * (_LEVELS - s.levels)
        self.nets = Nets(shape, first, second, third, fourth, self.state)

    def check(self, *, window: int) -> None:
        """Refuse a stopping rule that keeps fewer errors than `grow` compares."""
        check_join_window(self.settings.join_window, window)

    def growth_window(self, lane: int) -> int:
        """Sequences after which `grow` is asked again while a level waits."""
        return self.settings.join_window if self.state.active[0] < self.settings.levels - 1 else 0

    def grow(self, lane: int, errors: Callable[[int], Floats], since: int) -> int:
        """Freeze the level that learns and begin the next one when the mean error has stopped falling."""
        if not has_stopped_falling(errors, since, self.settings.join_window, self.settings.join_ratio):
            return 0
        self.join(lane)
        return 1

    def join(self, lane: int) -> None:
        """Begin the next level."""
        self.state.active[:] += 1

    def set_weights(self, lane: int | slice, weights: Mapping[str, Any]) -> None:
        """Give all levels their weights, by the names and shapes of `HierarchySettings.exists`; which one learns stays."""
        given = checked_weights(weights, self.settings.exists)
        for number, net in enumerate(self.levels, 1):
            give(net, given[f"level_{number}_hidden"], given[f"level_{number}_output"])

    def weights(self, lane: int) -> Weights:
        """Copies of the weights of all levels."""
        result = {}
        for number, net in enumerate(self.levels, 1):
            result[f"level_{number}_hidden"], result[f"level_{number}_output"] = taken(net, self.settings.n_outputs)
        return result

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give all levels the initial weights that belong to a seed; the first one learns."""
        self.set_weights(lane, uniform_weights(self.settings.exists, self.settings.init_range, seed))
        self.state.active[:] = 0

    def reset(self, lane: int | slice = 0) -> None:
        """Activations and partials to zero; all levels wait for the next input."""
        for net in self.levels:
            for array in (net.h, net.p_in, net.p_self, net.y_k):
                array[...] = 0.0
        self.state.pending[:], self.state.since[:] = True, 0.0

    def carried(self, lane: int) -> Floats:
        """Return what outlives a sequence besides the weights: which level learns."""
        return self.state.active.astype(np.float64)

    def set_carried(self, lane: int | slice, carried: Floats) -> None:
        """Take what `carried` gave."""
        self.state.active[:] = carried

    @property
    def layout(self) -> Layout:
        """What a recorded step holds, in the order of a recorded row."""
        s = self.settings
        sizes = {"input_unit": s.n_inputs, "output_unit": s.n_outputs, "level_unit": s.levels * s.n_hidden}
        return Layout(self.variables(), sizes, True)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        inputs = [*(f"input {i}" for i in range(self.settings.n_inputs)), "time stamp"]
        units = [f"hidden {u}" for u in range(self.settings.n_hidden)]
        return {"source": [*inputs, "self"], "output_source": inputs + units}
