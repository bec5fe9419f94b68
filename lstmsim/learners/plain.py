"""A learner of one's own in plain Python: `reset` and `step` of one net; everything else is done here.

::

    @register("mine", MySettings, label="my rule")
    class Mine(Learner):
        def start(self): ...  # initial weights
        def reset(self): ...  # state before a sequence
        def step(self, x, target=None): ...  # one time step; returns the outputs
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from lstmsim.checks import refusal
from lstmsim.kernels.arrays import Floats
from lstmsim.learners import base
from lstmsim.learners.base import ENDS, AnyLearner, LearnerSettings
from lstmsim.learners.plain_steps import PlainLearner
from lstmsim.learners.weights import generator

_TAKEN = (*ENDS, "step", "sequence", "t", "event", "input_unit", "output_unit")


class Learner(ABC):
    """One net with a learning rule of one's own, in plain Python.

    A subclass has `step`, and `start` and `reset` where it needs them. What `start` sets (numbers and arrays of numbers) is
    kept as the net's weights: it is written to the trial's file, and is as it was before after a test or an interruption.
    Everything else that changes belongs into `reset`, which begins every sequence.

    Parameters
    ----------
    settings : LearnerSettings
        Settings with `n_inputs` and `n_outputs`.
    seed : int or sequence of int
        Seed of `rng`; in a trial (seed of the run, number of the trial).

    Attributes
    ----------
    settings : LearnerSettings
        What the net was made with.
    rng : numpy.random.Generator
        The only random numbers to draw from, at any time: then a trial is the same in any order, on any number of
        workers, and after an interruption.
    kept : tuple of str
        Names of the weights.
    learning : bool
        False while frozen weights are tested; `step` gets no targets then.
    traced : dict
        Attributes that are recorded at every step, beside inputs, targets, outputs and output errors: for each name its
        dimension, such as ``{"activation": ("hidden",)}``, or ``()`` for a number.
    weight_dims : dict
        Names for the dimensions of weights, such as ``{"w": ("output_unit", "hidden")}``; w_0, w_1 otherwise.

    Raises
    ------
    ValueError
        If a size is 0, or what `start` and `reset` leave does not go with `traced` and `weight_dims`.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    Settings: ClassVar[type[LearnerSettings]]
    traced: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    weight_dims: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self, settings: LearnerSettings, seed: int | Sequence[int] = 0) -> None:
        settings.check_sizes()
        self.settings, self.rng, self.learning = settings, generator(seed), True
        before = set(vars(self))
        self.start()
        self.kept = tuple(name for name in vars(self) if name not in before and _is_kept(name, getattr(self, name)))
        self.reset()

    def start(self) -> None:  # noqa: B027
        """Set the initial weights; draw them from `rng`."""

    def reset(self) -> None:  # noqa: B027
        """Set the state before the first step of a sequence; the weights stay."""

    @abstractmethod
    def step(self, x: Floats, target: Floats | None = None) -> npt.ArrayLike:
        """Make one time step, and learn where there is a target.

        Parameters
        ----------
        x : ndarray, shape (n_inputs,)
            Input activations; one 1 among zeros where the task's inputs are symbols.
        target : ndarray, shape (n_outputs,), optional
            Target activations; None at steps without any, and while frozen weights are tested.

        Returns
        -------
        array_like, shape (n_outputs,)
            Output activations, which are judged: computed before the weights change.
        """


def _is_kept(name: str, value: object) -> bool:
    """Whether an attribute is kept as a weight: numbers are, what is no number is not."""
    array = value if isinstance(value, np.ndarray | np.generic) else None
    if array is None:
        return isinstance(value, numbers.Real)
    if array.dtype.kind not in "biuf":
        raise refusal(name, f"an array of {array.dtype}", "arrays of real numbers as weights")
    return True


T = TypeVar("T", bound=type)


def register(name: str, settings: type[LearnerSettings], *, label: str) -> Callable[[T], T]:
    """Enter a class into the table of learners: a `Learner` of one's own, or a `StepLearner` with kernels.

    Parameters
    ----------
    name : str
        Name of the learner.
    settings : type
        The class of its settings.
    label : str
        As people read it.

    Raises
    ------
    ValueError
        If another class has the name, the settings are no `LearnerSettings`, `traced` takes a name that is taken, or
        the class is no learner.
    """
    if not isinstance(settings, type) or not issubclass(settings, LearnerSettings):
        raise refusal("settings", settings, "a class that derives from lstmsim.learners.LearnerSettings")
    enter = base.register(name, settings, label=label)

    def entered(cls: T) -> T:
        if issubclass(cls, AnyLearner):
            enter(cls)
            return cls
        if not issubclass(cls, Learner):
            raise refusal("the class", cls, "one that derives from lstmsim.learners.Learner or StepLearner")
        if cls.__init__ is not Learner.__init__:
            raise refusal(f"__init__ of {cls.__name__}", "its own", "none; initial weights belong into start(self)")
        if taken := [traced for traced in cls.traced if traced in _TAKEN]:
            raise refusal("traced", taken[0], f"other names than {', '.join(_TAKEN)}")
        cls.name, cls.label, cls.Settings = name, label, settings
        place = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
        enter(type(cls.__name__, (PlainLearner,), {"rule": cls, **place}))
        return cls

    return entered
