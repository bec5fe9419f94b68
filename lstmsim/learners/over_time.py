"""The one loop over time of learners that step a single lane: a method brings its step, what it records and its reset."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from types import FunctionType
from typing import ClassVar, Generic, TypeVar

from numba.core.dispatcher import Dispatcher

from lstmsim.kernels.compile import kernel
from lstmsim.kernels.recording import Record, begin_row, finish_sequence
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import END, Sequences
from lstmsim.kernels.struct import Struct
from lstmsim.learners.base import LearnerSettings, StepLearner

step: Dispatcher = None  # These three stand for the method's own; `over_time` puts them in their place.
write: Dispatcher = None
reset: Dispatcher = None


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


S = TypeVar("S", bound=LearnerSettings)
N = TypeVar("N", bound=Struct)
H = TypeVar("H", bound=Struct)


class OneLaneLearner(StepLearner[S], Generic[S, N]):
    """A learner of one lane, whose units lie along the vector.

    Attributes
    ----------
    nets : Struct
        Sizes, constants and arrays, as the method's step takes them.
    loop : compiled function
        What `over_time` gives, as a static method.
    """

    nets: N
    loop: ClassVar[Dispatcher]

    @abstractmethod
    def reset(self, lane: int | slice = 0) -> None:
        """Activations, and all that learning keeps from step to step, to zero; the weights stay."""

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until the lane needs attention; the clock reached."""
        return int(self.loop(self.nets, sequences, scores, record, clock, until, learn, track))


class HistoryLearner(OneLaneLearner[S, N], Generic[S, N, H]):
    """A learner of one lane that stores the running sequence.

    Attributes
    ----------
    history : Struct
        Stored steps, along the first axis of the arrays that `room` makes longer for more of them.
    """

    history: H

    @abstractmethod
    def room(self, steps: int) -> H:
        """An empty history of so many steps."""

    @abstractmethod
    def keep(self, history: H) -> None:
        """Let the net store its steps in a history: put it into `nets`."""

    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until the lane needs attention; the clock reached."""
        steps = int(record.tick[0] - record.begun[0]) + max(until - clock, 0)
        if steps > self.steps:
            old = self.history
            self.keep(self.room(2 * steps))
            for new, array in zip(self.history, old, strict=True):
                new[: len(array)] = array
        return super().advance(sequences, scores, record, clock, until, learn=learn, track=track)

    def memory(self, steps: int) -> int:
        """Bytes, about, of the stored sequence and of a copy, while room is made for more."""
        few, more = (sum(array.nbytes for array in self.room(count)) for count in (0, 1024))
        return 0 if steps <= self.steps else 2 * steps * (more - few) // 1024

    @property
    def steps(self) -> int:
        """Steps that there is room for."""
        return len(next(iter(self.history)))
