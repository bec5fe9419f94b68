"""What learners that step a single lane have in common.

There is one loop over time: a method brings its step, what it records and its reset. Settings and learners have what most
of them need; a method's own file has what differs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import FunctionType
from typing import Annotated, Any, ClassVar, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba.core.dispatcher import Dispatcher

from lstmsim.checks import Field, Flag, Real, Whole, settings
from lstmsim.kernels.arrays import Array, Floats
from lstmsim.kernels.compile import called, inlined, kernel
from lstmsim.kernels.recording import Layout, Record, Variable, begin_row, finish_sequence, lanes_in_need
from lstmsim.kernels.scores import Scores, judge_step
from lstmsim.kernels.sequences import END, JUDGE, Sequences
from lstmsim.kernels.streams import join
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import ENDS, LearnerSettings, StepLearner
from lstmsim.learners.weights import Masks, Weights, checked_weights, uniform_weights

_STRETCH = 1024  # steps for which there is room, or room is made

Places = dict[str, tuple[Array, Any]]  # for each group of weights an array of the kernels, and the places in it

step = cast(Dispatcher, None)  # These three stand for the method's own; `over_time` puts them in their place.
write = reset = step


def _advance(nets, sequences, scores, record, clock, until, learn, track):
    """Step from `clock` until `until`, or until the lane needs attention; returns the clock reached.

    `nets` is a struct of the method's sizes, constants and arrays, among them `shape` and `state` as `begin_row` takes
    them. Changed in place: arrays of `nets`, `scores`, `record`. With `track` the method keeps what learning needs, with
    `learn` weights change too.
    """
    while clock < until:
        if scores.idle[0]:  # what the end of a stream has cut off: it would leave its marks on what is carried
            record.tick[0] += 1
            clock += 1
            if sequences.event[clock - 1, 0] & END:
                finish_sequence(scores, record, 0, record.tick[0])
            continue
        noted = record.on[0]
        step(nets, sequences, scores, record, clock, learn, track)
        if noted:
            row, at = begin_row(nets.shape, nets.state, sequences, scores, record, 0, clock)
            write(nets, row, at, sequences.event[clock, 0], learn)
        record.tick[0] += 1
        clock += 1
        if sequences.event[clock - 1, 0] & END:
            reset(nets)
            if finish_sequence(scores, record, 0, record.tick[0]):
                break
    return clock


def over_time(step: Dispatcher, write: Dispatcher, reset: Dispatcher) -> Dispatcher:
    """Compile the loop over time around three inlined functions of a method.

    The loop is compiled as a function of the module and file that `step` stands in, so that its disk cache follows them.

    Parameters
    ----------
    step : compiled function
        ``step(nets, sequences, scores, record, clock, learn, track)``: one step up to the change of the weights, and what
        it leaves for the next one.
    write : compiled function
        ``write(nets, row, at, event, learn)``: fills a recorded row from column `at` on.
    reset : compiled function
        ``reset(nets)``: what a sequence begins with.
    """
    return kernel(standing_with(step.py_func, "advance", _advance, step=step, write=write, reset=reset))


def standing_with(its: Callable[..., object], name: str, pattern: Callable[..., object], **names: object) -> FunctionType:
    """Copy a function that is a pattern, with some of its global names replaced, into the module and file of a method's own.

    Its disk cache then follows the method's sources.

    Parameters
    ----------
    its : function
        The method's function beside which the copy stands.
    name : str
        Name of the copy.
    pattern : function
        What is copied, not compiled.
    **names
        What stands for the pattern's global names.
    """
    place = its.__code__
    code = pattern.__code__.replace(co_filename=place.co_filename, co_firstlineno=place.co_firstlineno)
    made = FunctionType(code, pattern.__globals__ | names, name)
    made.__module__, made.__qualname__, made.__doc__ = its.__module__, f"{its.__qualname__}.{name}", pattern.__doc__
    return made


@inlined
def judged(shape, state, sequences, scores, record, clock):
    """Judge the outputs `state.y_k` where that is due; the step's events, among which a stream's end may be new."""
    if sequences.event[clock, 0] & JUDGE:
        judge_step(shape, scores, state, sequences.targets, 0, sequences.judge[clock, 0])
        join(scores, record, sequences, 0, clock, record.tick[0])
    return sequences.event[clock, 0]


@inlined
def input_at(shape, sequences, clock, i):
    """Activation of input i, dense or one-hot."""
    if shape.symbols:
        return 1.0 if sequences.symbol[clock, 0] == i else 0.0
    return sequences.inputs[clock, i, 0]


@inlined
def write_hidden(row, at, y, first, hidden, norm, learn):
    """Fill a recorded row from column `at` on: activations of the hidden units, y from `first` on, norm of the change."""
    for r in range(hidden):
        row[at + r] = y[first + r]
    row[at + hidden] = norm[0] ** 0.5 if learn else 0.0


def padded(n: int) -> int:
    """N, or the next multiple of 8."""
    return -(-n // 8) * 8


def zeros(shapes: Mapping[str, int | tuple[int, ...]], dtype: npt.DTypeLike = np.float64) -> dict[str, Array]:
    """Arrays of zeros by name; names that share a shape stand in one text: ``{"y delta": 5, "y_k e_k": (1, 8)}``."""
    sizes = {name: shape for names, shape in shapes.items() for name in names.split()}
    return {name: aligned(*(size if isinstance(size, tuple) else (size,)), dtype=dtype) for name, size in sizes.items()}


@settings
class OneLaneSettings(LearnerSettings):
    """What the settings of all learners of one lane offer."""

    @abstractmethod
    def shape(self, *, symbols: bool) -> Struct:
        """Sizes for the kernels; with `symbols` the inputs are one-hot and come as symbol numbers."""

    @abstractmethod
    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights that belong to a seed."""

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs."""
        return [f"input {i}" for i in range(self.n_inputs)]

    @property
    @abstractmethod
    def sources(self) -> list[str]:
        """Names of the sources of the units, in the order of the weights' columns."""

    @property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs, where they have weights of their own."""
        return []


@settings
class UnitSettings(OneLaneSettings):
    """Settings that most nets on one lane have.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    bias : bool
        All units have a bias.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].
    """

    n_hidden: Annotated[Whole, Field(ge=1)] = 5
    bias: Flag = True
    init_range: Annotated[Real, Field(ge=0)] = 0.5

    group: ClassVar[str] = "hidden"  # name of the weights of the hidden units

    @property
    def hidden_names(self) -> list[str]:
        """Names of the hidden units."""
        return [f"hidden {i}" for i in range(self.n_hidden)]

    @property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs: the hidden units unless overridden."""
        return [*self.hidden_names, "bias"]

    @cached_property
    def exists(self) -> Masks:
        """Which connections there are: all, but from biases that are not there."""
        masks = {}
        for name, units, sources in (
            (self.group, self.n_hidden, self.sources),
            ("output", self.n_outputs, self.output_sources),
        ):
            there = [self.bias or not source.endswith("bias") for source in sources]
            masks[name] = np.tile(np.array(there, bool), (units, 1))
        return masks

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range]."""
        return uniform_weights(self.exists, self.init_range, seed)

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the number of hidden units."""
        return str(self.n_hidden)


N = TypeVar("N", bound=OneLaneSettings)


class OneLaneLearner(StepLearner[N]):
    """A learner of one lane, whose units lie along the vector.

    Parameters
    ----------
    settings : OneLaneSettings
        Units, connections and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.

    Attributes
    ----------
    own : dict
        What it can be recorded by after inputs, targets, outputs and output errors, in the order of a recorded row.
    shape : Struct
        Sizes, from the settings' `shape`.
    nets : Struct
        Sizes, constants and arrays, as the method's step takes them.
    loop, begin : callable
        What `over_time` gives, and the reset that it was given, in plain Python; static methods.
    """

    own: ClassVar[dict[str, Variable]]
    shape: Any  # of the method's own class
    nets: Any
    loop: ClassVar[Callable[..., int]]
    begin: ClassVar[Callable[..., None]]

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by, in the order of a recorded row."""
        return ENDS | cls.own

    def __init__(self, settings: N, lanes: int = 1, *, symbols: bool = False) -> None:
        settings.check_sizes()
        self.settings, self.shape = settings, settings.shape(symbols=symbols)

    @property
    def places(self) -> Places:
        """Where the weights stand: for each group an array of the kernels, or a view of it, and the places in it."""
        raise NotImplementedError

    def weights(self, lane: int) -> Weights:
        """Copies of the weights."""
        return {name: array[at].copy() for name, (array, at) in self.places.items()}

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights, by the names and shapes of the settings' `exists`.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape, is not finite, or is not 0 where no connection is.
        """
        given, places = checked_weights(weights, self.settings.exists), self.places
        _forget_divergence(self.nets)
        for array, _ in places.values():
            array[...] = 0.0
        for name, (array, at) in places.items():
            array[at] = given[name]

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give the net the initial weights that belong to a seed."""
        self.set_weights(lane, self.settings.initial_weights(seed))

    @property
    def lasting(self) -> list[Array]:
        """Arrays that outlive a sequence besides the weights; none unless overridden."""
        return []

    def carried(self, lane: int) -> Floats:
        """Return what outlives a sequence besides the weights, in one row."""
        return np.concatenate([np.zeros(0), *self.lasting], axis=None)

    def set_carried(self, lane: int | slice, carried: Floats) -> None:
        """Take what `carried` gave."""
        first = 0
        for array in self.lasting:
            array[...] = carried[first : first + array.size].reshape(array.shape)
            first += array.size

    def reset(self, lane: int | slice = 0) -> None:
        """Activations, and all that learning keeps from step to step, as before a sequence; the weights stay."""
        self.begin(self.nets)

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until the lane needs attention; the clock reached."""
        return int(self.loop(self.nets, sequences, scores, record, clock, until, learn, track))

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the dimensions of `own`; a variable with another one is not recorded."""
        return {"hidden_unit": self.shape.hidden}

    @property
    def layout(self) -> Layout:
        """What a recorded step holds, in the order of a recorded row."""
        sizes = self.sizes | {"input_unit": self.settings.n_inputs, "output_unit": self.settings.n_outputs}
        shown = {name: of for name, of in self.variables().items() if {*of.dims} <= {"step", *sizes}}
        return Layout(shown, sizes, self.shape.symbols)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        named = {"source": self.settings.sources, "output_source": self.settings.output_sources}
        return {dim: names for dim, names in named.items() if names}


def _forget_divergence(nets: Struct) -> None:
    """Set what is not finite to 0, in place: a net that diverged has left NaN in padding that no reset reaches."""
    for value in nets:
        if isinstance(value, Struct):
            _forget_divergence(value)
        elif isinstance(value, np.ndarray) and value.dtype == np.float64:
            value[~np.isfinite(value)] = 0.0


class HistoryLearner(OneLaneLearner[N]):
    """A learner of one lane that stores the running sequence: its `nets` have a `history`.

    Steps are stored along the first axis of the history's arrays, which are made longer for more of them.
    """

    @abstractmethod
    def room(self, steps: int) -> Struct:
        """An empty history of so many steps."""

    @property
    def steps(self) -> int:
        """Steps that there is room for."""
        return len(next(iter(self.nets.history)))

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until the lane needs attention; the clock reached."""
        found = np.empty(1, np.int64)
        while True:
            stored = int(record.tick[0] - record.begun[0])
            end = min(clock + max(self.steps - stored, _STRETCH), until)  # sequences that end on the way need no more room
            if stored + end - clock > self.steps:
                old, longer = self.nets, self.room(2 * (stored + end - clock))
                for new, array in zip(longer, old.history, strict=True):
                    new[: len(array)] = array
                self.nets = type(old)(**dict(zip(old.fields, old, strict=True)) | {"history": longer})
            clock = super().advance(sequences, scores, record, clock, end, learn=learn, track=track)
            if clock < end or end == until or called(lanes_in_need, scores, record, sequences.active, found):
                return clock

    def memory(self, steps: int) -> int:
        """Bytes, about, of the stored sequence and of a copy, while room is made for more."""
        few, more = (sum(array.nbytes for array in self.room(count)) for count in (0, 1024))
        return 0 if steps <= self.steps else 2 * steps * (more - few) // 1024
