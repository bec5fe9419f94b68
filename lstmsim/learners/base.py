"""What every learner is to the rest of the program, the names of what it is recorded by, and the table of all learners.

A learner is one file or folder beside this one. It registers itself in one line::

    @register("rtrl", RTRLSettings, label="RTRL")
    class RTRL(StepLearner): ...

The trial loop, the contract tests, ``--list``, the trace's schema, the comparison and the report take it from the table.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from lstmsim.checks import Field, Whole, refusal, settings, unknown
from lstmsim.kernels.recording import Layout, Record, Variable
from lstmsim.kernels.scores import Scores
from lstmsim.kernels.sequences import Sequences

Floats = npt.NDArray[np.float64]
Weights = dict[str, Floats]
Masks = dict[str, npt.NDArray[np.bool_]]

# What every learner can be recorded by; see also each learner's `variables`.
INPUT = Variable(("step", "input_unit"), "input activation", "x(t)")
TARGET = Variable(("step", "output_unit"), "target, NaN where there is none", "d_k(t)")
OUTPUT = Variable(("step", "output_unit"), "output activation", "y_k(t)")
OUTPUT_ERROR = Variable(("step", "output_unit"), "error signal of the output, 0 without a target", "e_k(t) (19)")
HIDDEN = Variable(("step", "hidden"), "activation of the hidden unit", "y_i(t)")
HIDDEN_ERROR = Variable(("step", "hidden"), "error signal of the hidden unit, lag 0", "e_i(t) (20)")
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

    @property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape."""
        raise NotImplementedError

    @property
    def n_weights(self) -> int | None:
        """Trainable weights; None where the net's size is not fixed."""
        return sum(int(mask.sum()) for mask in self.exists.values())

    @property
    def step_width(self) -> float | None:
        """Learning rate alpha, as tables show it; None where the method has none."""
        alpha: float | None = vars(self).get("learning_rate")
        return alpha

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Size of the net in words, as tables show it; `joined` counts units that had joined at the ends of trials."""
        raise NotImplementedError

    def weights_shown(self, joined: Sequence[int] = ()) -> tuple[int, ...]:
        """Weights as tables show them: one number, or the smallest and the largest net's."""
        return () if self.n_weights is None else (self.n_weights,)


class Learner(ABC):
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
        Nets that are advanced together; 1 where a method takes one trial after another.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    Settings: ClassVar[type[LearnerSettings]]
    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "hidden": ("hidden", "source"),
        "output": ("output_unit", "output_source"),
    }
    lanes: int = 1

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


class StepLearner(Learner):
    """A learner that goes through sequences step by step; the trial loop gives it sequences, weights and resets."""

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

    def carried(self, lane: int) -> Floats:
        """Return what one lane has between two sequences besides its weights; nothing unless overridden."""
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

    def grow(self, lane: int, errors: Callable[[int], Floats], since: int) -> bool:
        """Let units join if it is time to; whether they did.

        `errors(n)` gives the mean |error| of each of the latest n sequences, oldest first; `since` counts the
        sequences since units joined last.
        """
        return False

    def join(self, lane: int) -> None:
        """Let the next units join, as `grow` did when the sequence was first seen."""
        raise NotImplementedError


class TrialLearner(Learner):
    """A learner that has its own way through a trial: it takes one after another, each from its beginning to its end."""

    @property
    @abstractmethod
    def memory(self) -> int:
        """Bytes, about, that a trial will take."""

    @abstractmethod
    def run_trial(self, trial: Any, state: dict[str, Any] | None) -> None:
        """Run one trial to its end, from a checkpoint's state if given; of (settings, task, seed, number) only.

        `trial` is a `lstmsim.simulation.one_by_one.TrialUnderWay`.
        """


L = TypeVar("L", bound=type[Learner])
_TABLE: dict[str, type[Learner]] = {}


def register(name: str, settings: type[LearnerSettings], *, label: str) -> Callable[[L], L]:
    """Enter a class into the table of learners; the decorator gives it its name, its label and its settings' class.

    Raises
    ------
    ValueError
        If another class has the name.
    """

    def enter(cls: L) -> L:
        there = _TABLE.get(name)
        if there is not None and (there.__module__, there.__qualname__) != (cls.__module__, cls.__qualname__):
            raise refusal("name", name, f"a name that no learner has: {', '.join(sorted(_TABLE))} are taken")
        cls.name, cls.label, cls.Settings = name, label, settings
        _TABLE[name] = cls
        return cls

    return enter


def learners() -> dict[str, type[Learner]]:
    """All learners by name; those of this package are imported."""
    import lstmsim.learners as package

    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    return dict(sorted(_TABLE.items()))


def learner(name: str) -> type[Learner]:
    """One learner.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in _TABLE and name not in learners():
        raise unknown("learner", name, learners())
    return _TABLE[name]
