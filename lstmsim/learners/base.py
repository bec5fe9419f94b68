"""What every learner is to the rest of the program, the names of what it is recorded by, and the table of all learners.

A learner is one file or folder beside this one. It registers itself in one line::

    @register("rtrl", RTRLSettings, label="RTRL")
    class RTRL(StepLearner): ...

The trial loop, the contract tests, ``--list``, the trace's schema, the comparison and the report take it from the table.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numba.core.dispatcher import Dispatcher

from lstmsim.checks import Field, Table, Whole, refusal, settings
from lstmsim.kernels.arrays import Ints
from lstmsim.kernels.recording import Layout, Record, Variable
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import Sequences, Writer
from lstmsim.kernels.struct import Struct
from lstmsim.learners.weights import Floats, Masks, Weights
from lstmsim.tasks.base import Task

# What every learner can be recorded by; see also each learner's `variables`.
INPUT = Variable(("step", "input_unit"), "input activation", "x(t)")
TARGET = Variable(("step", "output_unit"), "target, NaN where there is none", "d_k(t)")
OUTPUT = Variable(("step", "output_unit"), "output activation", "y_k(t)")
OUTPUT_ERROR = Variable(("step", "output_unit"), "error signal of the output, 0 without a target", "e_k(t) (19)")
ENDS = {"input": INPUT, "target": TARGET, "output": OUTPUT, "output_error": OUTPUT_ERROR}
HIDDEN = Variable(("step", "hidden_unit"), "activation of the hidden unit", "y_i(t)")
HIDDEN_ERROR = Variable(("step", "hidden_unit"), "error signal of the hidden unit, lag 0", "e_i(t) (20)")
UPDATE_NORM = Variable(("step",), "Euclidean norm of the weight change of this step", "|dw(t)|")


@settings
class LearnerSettings:
    """What the settings of every learner have.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Units; 0: as many as the task has.
    """

    n_inputs: Annotated[Whole, Field(ge=0)] = 0
    n_outputs: Annotated[Whole, Field(ge=0)] = 0

    def fitted(self, task: Writer) -> Self:
        """Return the settings with as many inputs and outputs as a task has.

        Raises
        ------
        ValueError
            If they name other numbers, with those of both.
        """
        for name in ("n_inputs", "n_outputs"):
            own, there = getattr(self, name), getattr(task, name)
            if own not in (0, there):
                raise refusal(name, own, f"{there}, as task {task.name!r} has, or 0 for the task's")
        return dataclasses.replace(self, n_inputs=task.n_inputs, n_outputs=task.n_outputs)

    def check_sizes(self) -> None:
        """Refuse settings from which no net can be made, because inputs or outputs are left to a task.

        Raises
        ------
        ValueError
            Naming the number.
        """
        for name in ("n_inputs", "n_outputs"):
            if not getattr(self, name):
                raise refusal(name, 0, "a whole number of at least 1 where there is no task")

    @property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape; nothing is said unless overridden."""
        return {}

    @property
    def n_weights(self) -> int | None:
        """Trainable weights; None where the net's size is not fixed or not told."""
        return sum(int(mask.sum()) for mask in self.exists.values()) or None

    @property
    def step_width(self) -> float | None:
        """Learning rate alpha, as tables show it; None where the method has none."""
        alpha: float | None = vars(self).get("learning_rate")
        return alpha

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the number of hidden units as tables show it; `joined` counts those that joined, one number per trial."""
        return "-"

    def weights_shown(self, joined: Sequence[int] = ()) -> tuple[int, ...]:
        """Return the weights as tables show them: one number, or those of the nets with so many units that had joined."""
        return () if self.n_weights is None else (self.n_weights,)


class Status(StrEnum):
    """How a trial stands."""

    RUNNING = "running"
    SOLVED = "solved"
    GAVE_UP = "gave_up"
    DIVERGED = "diverged"


S = TypeVar("S", bound=LearnerSettings)
State = dict[str, Any]  # of a trial under way, as a checkpoint keeps it: dicts, lists, arrays, numbers and texts by name


class AnyLearner(ABC, Generic[S]):
    """A method of learning with nets of given settings.

    Parameters
    ----------
    settings : LearnerSettings
        Units, connections and rule.
    lanes : int
        Nets that are to be advanced together.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.

    Attributes
    ----------
    name, label : str
        Name in the table of learners, and as people read it.
    Settings : type
        The settings' class.
    weight_dims : dict
        Dimensions of each group of weights.
    lanes : int
        Nets that are advanced together.
    many_lanes : bool
        The method takes as many as are wanted; otherwise one.
    per_lane : frozenset of str
        Settings that may differ from lane to lane: those that `settle` gives to a lane; none unless overridden.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    Settings: ClassVar[type[LearnerSettings]]
    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "hidden": ("hidden_unit", "source"),
        "output": ("output_unit", "output_source"),
    }
    lanes: int = 1
    many_lanes: ClassVar[bool] = False
    per_lane: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def __init__(self, settings: S, lanes: int = 1, *, symbols: bool = False) -> None: ...

    @classmethod
    @abstractmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the method can be recorded by, for the schema."""

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """What a recorded step holds."""

    @property
    @abstractmethod
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""


class StepLearner(AnyLearner[S]):
    """A learner that goes through sequences step by step; the trial loop gives it sequences, weights and resets."""

    @classmethod
    def make(cls, settings: S, lanes: int, *, symbols: bool = False) -> StepLearner[S]:
        """The learner that trials of these settings take, which may be of a class of its own; `lanes` is what it can use."""
        return cls(settings, lanes, symbols=symbols)

    def settle(self, lane: int, settings: S) -> None:
        """Give one lane settings of its own, before `start`; they differ from the learner's in `per_lane` alone."""

    @abstractmethod
    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give one lane the initial weights that belong to a seed."""

    @abstractmethod
    def reset(self, lane: int | slice) -> None:
        """Activations, and all that learning keeps from step to step, to zero in one lane or several; the weights stay."""

    @abstractmethod
    def weights(self, lane: int) -> Weights:
        """Copies of one lane's weights."""

    @abstractmethod
    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give one lane, or several, its weights."""

    @abstractmethod
    def advance(
        self, sequences: Sequences, scores: Scores, record: Record, clock: int, until: int, *, learn: bool, track: bool
    ) -> int:
        """Step from `clock` to `until`, or until a lane needs attention; the clock reached.

        With `track` partial derivatives are kept, with `learn` weights change too.
        """

    def memory(self, steps: int) -> int:
        """Bytes, about, that a sequence of so many steps takes; none that grow with it unless overridden."""
        return 0

    def carried(self, lane: int) -> Floats:
        """Return what one lane has between two sequences besides its weights, in one row; nothing unless overridden."""
        return np.zeros(0)

    def set_carried(self, lane: int | slice, carried: Floats) -> None:
        """Take what `carried` gave, after `reset`."""

    def check(self, *, window: int) -> None:
        """Refuse what does not go with a stopping rule over the latest `window` sequences.

        Raises
        ------
        ValueError
            Naming the settings and what is allowed.
        """

    def growth_window(self, lane: int) -> int:
        """Sequences after which `grow` is asked again; 0 where no unit may join any more."""
        return 0

    def grow(self, lane: int, errors: Callable[[int], Floats], since: int) -> int:
        """Let units join if it is time to; how many did.

        `errors(n)` gives the mean |error| of each of the latest n sequences, oldest first; `since` counts the
        sequences since units joined last.
        """
        return 0

    def join(self, lane: int) -> None:
        """Let the next units join, as `grow` did when the sequence was first seen."""
        raise NotImplementedError


class LaneLearner(StepLearner[S]):
    """A learner whose kernel treats each lane by itself: it can run on a GPU.

    Attributes
    ----------
    nets : Struct, or tuple of them
        What the kernel works on.
    kernel : compiled function
        `advance`, which begins with `nets`.
    sound : compiled function or None
        Whether all weights of one lane are numbers, from `nets`; None: not on a GPU after all.
    symbol_tables : tuple of ndarray
        Arrays (lane, row, symbol) of which a step needs the column of its symbol.
    """

    nets: Struct | tuple[object, ...]
    kernel: ClassVar[Dispatcher]
    sound: ClassVar[Dispatcher | None]
    symbol_tables: tuple[Floats, ...] = ()

    def on_thread(self) -> LaneLearner[S]:
        """One net as a thread of a GPU has it: this one, unless other arrays suit a GPU better."""
        return self

    @abstractmethod
    def set_rates(self, index: Ints) -> None:
        """Give each lane the learning rate of its sequence number."""


class TrialUnderWay(Protocol):
    """What a trial gives to a learner that goes its own way through it.

    Attributes
    ----------
    task : Task
        The task, as the trial meets it.
    stop : StoppingRule
        When to stop, and how to test.
    policy : Policy
        What to record.
    seed, number : int
        Seed of the run and number of the trial.
    keys : list of int
        Keys of the trial's random streams: training, tests, and two free ones.
    result : Result
        To be filled: sequences, steps, stages, progress, initial and final weights, snapshots, rows, tests, joined.
    """

    task: Task
    stop: Any
    policy: Any
    seed: int
    number: int
    keys: list[int]
    result: Any

    def tell(self, sequences: int, steps: int, means: Floats) -> None:
        """Show how far the trial has come: sequences, steps, and mean |e|, mean e**2 and fraction correct."""

    def pause(self, state: Callable[[], State]) -> None:
        """Where the trial can be left and taken up again; `state()` gives what `run_trial` will need then."""


class TrialLearner(AnyLearner[S]):
    """A learner that has its own way through a trial: it takes one after another, each from its beginning to its end."""

    def check(self, task: Task) -> None:
        """Refuse a task that the method cannot take.

        Raises
        ------
        ValueError
            Naming the task and what is allowed.
        """

    @abstractmethod
    def memory(self, task: Task) -> int:
        """Bytes, about, that a trial on a task will take."""

    @abstractmethod
    def run_trial(self, trial: TrialUnderWay, state: State | None) -> Status:
        """Run one trial to its end, from the state that it gave to `pause` if there is one.

        A trial depends on nothing but settings, task, stopping rule, seed and number.
        """


def check_join_window(n: int, window: int) -> None:
    """Refuse a stopping rule over too few sequences for `has_stopped_falling`.

    Raises
    ------
    ValueError
        Naming both numbers.
    """
    if 2 * n > window:
        raise ValueError(f"join_window is {n}, window {window}; allowed: a window of at least twice join_window")


def has_stopped_falling(errors: Callable[[int], Floats], since: int, n: int, ratio: float) -> bool:
    """Whether the mean |error| of the latest n sequences is not below `ratio` times that of the n before; see `grow`."""
    if since < 2 * n:
        return False
    latest = errors(2 * n)
    return not latest[n:].mean() < ratio * latest[:n].mean()


def grown_text(joined: Sequence[int]) -> str:
    """The smallest and the largest number of units that joined, one number per trial, as tables show them."""
    return "\N{EN DASH}".join(str(n) for n in sorted({min(joined), max(joined)})) if joined else "\N{EN DASH}"


L = TypeVar("L", bound=type[AnyLearner])
_TABLE: Table[type[AnyLearner]] = Table("learner", "lstmsim.learners")
learners, learner = _TABLE.all, _TABLE.one


def register(name: str, settings: type[LearnerSettings], *, label: str) -> Callable[[L], L]:
    """Enter a class into the table of learners; the decorator gives it its name, its label and its settings' class.

    Raises
    ------
    ValueError
        If another class has the name.
    """

    def enter(cls: L) -> L:
        cls.name, cls.label, cls.Settings = name, label, settings
        _TABLE.enter(name, cls)
        return cls

    return enter
