"""The multilevel predictor hierarchy: each level reads only the inputs that no level below has predicted.

Schmidhuber, "Learning complex, extended sequences using the principle of history compression", Neural Computation 4(2),
1992: the levels are learned one after another, and a level that does not improve any more is frozen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, settings
from lstmsim.kernels.arrays import Array, Flags, Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.recording import Variable
from lstmsim.kernels.sequences import LEARN
from lstmsim.kernels.struct import Struct
from lstmsim.learners.base import UPDATE_NORM, check_join_window, has_stopped_falling, register
from lstmsim.learners.chunker.equations import Net, aim, errors, read, update
from lstmsim.learners.chunker.nets import Predictors, PredictorSettings, new_net
from lstmsim.learners.over_time import judged, over_time, zeros
from lstmsim.learners.weights import Masks

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

    y_k: Floats  # (1, output stride)
    e_k: Floats  # (1, output stride)
    pending: Flags  # (level + 1,) bool: the level will read the next input
    since: Floats  # (level,): steps since its last input
    reads: Floats  # (1,): levels that have read the present input
    active: Ints  # (1,) int: the level that learns; those below are frozen, those above wait
    norm: Floats  # (1,): squared norm of the last change


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
def step(nets, sequences, scores, record, clock, learn, track):
    """One step of the levels that wait for this input; see `lstmsim.learners.over_time`.

    A level reads the input, with the steps since its last one as a time stamp, if all levels below failed to predict it; the
    first of a sequence is read by all. Where the next input is one for a level too, its latest output should have been that
    input: the highest level at work learns it.
    """
    shape, state, active = nets.shape, nets.state, nets.state.active[0]
    symbol = sequences.symbol[clock, 0]
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
    event, row = judged(shape, state, sequences, scores, record, clock), sequences.learn[clock, 0]
    failed = (event & LEARN) != 0
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
    for net in (nets.first, nets.second, nets.third, nets.fourth):
        net.h[:] = net.p_self[:] = 0.0
        net.p_in[:] = 0.0
    nets.state.since[:] = 0.0
    nets.state.pending[:] = True


@settings
class HierarchySettings(PredictorSettings):
    """Sizes and rates of all levels.

    Parameters
    ----------
    levels : int
        Levels, 2 to 4.
    time_scale : float
        Steps since its last input at which a level's time stamp is 1.
    shortcuts : bool
        Outputs see the inputs.
    join_window, join_ratio : int, float
        The next level begins, and the present one is frozen, when the mean abs(error) of the latest `join_window` sequences
        is not below `join_ratio` times that of those before.
    """

    levels: Annotated[Whole, Field(ge=2, le=_LEVELS)] = 3
    n_hidden: Annotated[Whole, Field(ge=1, le=10_000)] = 4
    time_scale: Annotated[Real, Field(gt=0)] = 20.0
    shortcuts: Flag = True
    join_window: Annotated[Whole, Field(ge=1)] = 20
    join_ratio: Annotated[Real, Field(gt=0)] = 0.99

    @property
    def seen(self) -> list[str]:
        """Names of what a level sees beside its own units."""
        return [*self.input_names, "time stamp"]

    @property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape."""
        n, masks = len(self.seen), {}
        for number in range(1, self.levels + 1):
            masks[f"level_{number}_hidden"] = np.ones((self.n_hidden, n + 1), np.bool_)
            masks[f"level_{number}_output"] = np.ones((self.n_outputs, n + self.n_hidden), np.bool_)
            masks[f"level_{number}_output"][:, :n] = self.shortcuts
        return masks

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the hidden units of all levels."""
        return " + ".join([str(self.n_hidden)] * self.levels)

    def shape(self, *, symbols: bool) -> Shape:
        """Sizes for the kernels."""
        tick = 1.0 / self.time_scale
        return Shape(self.n_inputs, symbols, self.n_outputs, self.failure, tick, self.learning_rate)


@register("hierarchy", HierarchySettings, label="predictor hierarchy")
class Hierarchy(Predictors[HierarchySettings]):
    """Levels of nets like the chunker's: each predicts its next input and passes on, with a time stamp, what it did not."""

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        f"level_{number}_{name}": dims for number in range(1, _LEVELS + 1) for name, dims in Predictors.weight_dims.items()
    }
    loop, begin = staticmethod(over_time(step, write, reset)), staticmethod(reset.py_func)
    own: ClassVar[dict[str, Variable]] = {
        "levels_reading": Variable(("step",), "levels that read the input: those at work that no level below spared it"),
        "level_hidden": Variable(("step", "level_unit"), "activation of a level's hidden unit, the lowest level first"),
        "update_norm": UPDATE_NORM,
    }

    def __init__(self, settings: HierarchySettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, lanes, symbols=symbols)
        s = settings
        self.named = {
            f"level_{number}": new_net(s.n_inputs + 1, s.n_hidden, s.n_outputs, shortcuts=s.shortcuts, stamped=True)
            for number in range(1, s.levels + 1)
        }
        nets = list(self.named.values())
        self.state = State(
            pending=np.ones(s.levels + 1, np.bool_),
            active=np.zeros(1, np.int64),
            **zeros({"y_k e_k": nets[0].y_k.shape, "since": s.levels, "reads norm": 1}),
        )
        first, second, third, fourth = nets + [nets[-1]] * (_LEVELS - s.levels)
        self.nets = Nets(self.shape, first, second, third, fourth, self.state)

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

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give all levels the initial weights that belong to a seed; the first one learns."""
        super().start(lane, seed)
        self.state.active[:] = 0

    @property
    def lasting(self) -> list[Array]:
        """Which level learns."""
        return [self.state.active]

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the dimensions of `own`."""
        return {"level_unit": self.settings.levels * self.settings.n_hidden}
