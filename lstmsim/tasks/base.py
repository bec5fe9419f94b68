"""What every task offers: sizes, judging, a compiled generator, and the steps worth marking in a picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lstmsim.kernels.sequences import LEARN, new_sequences

Floats = npt.NDArray[np.float64]
Steps = npt.NDArray[np.intp]


def _require_range(place: str, name: str, value: Any, low: float, high: float) -> None:
    kind, numbers = (Integral, "whole numbers") if isinstance(low, int) else (Real, "numbers")
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:  # type: ignore[operator]
        raise ValueError(f"{name} is {value!r}; {place} allows {numbers} from {low} to {high}")


def trial_keys(seed: int, trial: int) -> npt.NDArray[np.uint64]:
    """Keys of a trial's random sequences: number 0 for training, 1 for testing, 2 and 3 free.

    Parameters
    ----------
    seed, trial : int
        Seed of the run and number of the trial, from 0.

    Returns
    -------
    ndarray of uint64, shape (4,)

    Raises
    ------
    ValueError
        If one of them is not a whole number of at least 0.
    """
    for name, value in (("seed", seed), ("trial", trial)):
        _require_range("a trial", name, value, 0, 2**63 - 1)
    return np.random.SeedSequence((seed, trial)).generate_state(4, np.uint64)  # type: ignore[return-value]


class Task(ABC):
    """One task of the paper; the subclasses are frozen dataclasses whose fields are the task's parameters.

    Attributes
    ----------
    name : str
        The task's name in `lstmsim.tasks.TASKS`.
    symbols : bool
        Inputs are one-hot and given as symbol numbers.
    ranking : bool
        A step is correct when the outputs above 0 in its judge row are the most active ones; otherwise when every
        |error| is below the tolerance.
    """

    name: ClassVar[str]
    symbols: ClassVar[bool] = False
    ranking: ClassVar[bool] = False

    def require(self, **fields: tuple[Any, float, float]) -> None:
        """Check numbers: name=(value, lowest, highest); the value must be whole if the bounds are ints.

        Raises
        ------
        ValueError
            Naming the parameter, the value and what is allowed.
        """
        for field, (value, low, high) in fields.items():
            _require_range(f"task {self.name!r}", field, value, low, high)

    def require_choice(self, **fields: tuple[Any, tuple[Any, ...]]) -> None:
        """Check flags and words: name=(value, allowed values).

        Raises
        ------
        ValueError
            Naming the parameter, the value and what is allowed.
        """
        for field, (value, choices) in fields.items():
            if not any(type(value) is type(choice) and value == choice for choice in choices):
                allowed = ", ".join(map(repr, choices))
                raise ValueError(f"{field} is {value!r}; task {self.name!r} allows {allowed}")

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """Input units of a net for this task."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Output units of a net for this task."""

    @property
    def tolerance(self) -> float:
        """Largest |error| of a correct sequence, exclusive; without meaning where the ranking decides."""
        return 0.0

    @property
    @abstractmethod
    def max_length(self) -> int:
        """Longest sequence in steps."""

    @property
    @abstractmethod
    def min_length(self) -> int:
        """Shortest sequence in steps."""

    def fixed_rows(self) -> Floats:
        """Rows of the target table that all sequences share, shape (row, output); none unless overridden."""
        return np.zeros((0, self.n_outputs))

    @abstractmethod
    def fill(self, sequences: Any, horizon: int) -> None:
        """Write sequences until every active lane reaches the horizon."""

    def for_trial(self, trial: int) -> Task:
        """Return the task as a trial of this number meets it; the same for all unless overridden."""
        return self

    def test_sets(self) -> list[Task]:
        """Return the tasks that a test is made of, in equal shares; fresh sequences of the same unless overridden."""
        return [self]

    def events(self, inputs: Floats) -> Steps:
        """Find the steps of a sequence (step, input) at which something relevant is seen; none unless overridden."""
        return np.zeros(0, np.intp)

    def sequence(self, seed: int, trial: int, index: int, *, testing: bool = False) -> tuple[Floats, Floats]:
        """One sequence as a trial sees it.

        Parameters
        ----------
        seed, trial : int
            Seed of the run and number of the trial, from 0.
        index : int
            Number of the sequence, from 0.
        testing : bool
            The trial's test sequences instead of its training sequences.

        Returns
        -------
        inputs : ndarray, shape (step, n_inputs)
        targets : ndarray, shape (step, n_outputs)
            What is learned; a row of NaN where nothing is.

        Raises
        ------
        ValueError
            If seed, trial or index is not a whole number of at least 0.
        """
        _require_range("a trial", "index", index, 0, 2**63 - 2)
        sequences = new_sequences(1, self.max_length, 0 if self.symbols else self.n_inputs, self.fixed_rows(), 1)
        sequences.key[0] = trial_keys(seed, trial)[int(testing)]
        sequences.index[0], sequences.active[0] = index, True
        self.fill(sequences, 1)
        length = int(sequences.write[0])
        inputs = (
            np.eye(self.n_inputs)[sequences.symbol[:length, 0]] if self.symbols else sequences.inputs[:length, :, 0].copy()
        )
        learned = sequences.targets[sequences.learn[:length, 0]]
        return inputs, np.where(sequences.event[:length] & LEARN, learned, np.nan)
