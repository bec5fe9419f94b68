"""What every task offers: sizes, judging, a compiled generator, the steps worth marking in a picture; the table of tasks.

A task is one file beside this one. It registers itself in one line::

    @register("adding")
    @settings
    class Adding(Task): ...
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, TypeVar

import numpy as np
import numpy.typing as npt
from numba.core.dispatcher import Dispatcher

from lstmsim.checks import Field, Table, Whole, check
from lstmsim.kernels import guard
from lstmsim.kernels.arrays import Array, Floats
from lstmsim.kernels.random import trial_keys
from lstmsim.kernels.sequences import END, JUDGE, LEARN, Examples, Sequences, Writer, new_sequences
from lstmsim.kernels.struct import Struct

Steps = npt.NDArray[np.intp]
Filler = tuple[Dispatcher, tuple[Struct | Array | float, ...]]


class Task(Writer):
    """One task; the subclasses are frozen dataclasses whose fields are the task's parameters.

    Attributes
    ----------
    name : str
        The task's name in the table of tasks.
    symbols : bool
        Inputs are one-hot and given as symbol numbers.
    ranking : bool
        A step is correct when the outputs above 0 in its judged row are the most active ones; otherwise when every
        |error| is below the tolerance.
    stream_steps, stream_sequences : int
        Where one of them is not 0, the task is continual: its sequences are joined to streams, within which nothing is
        reset. A stream ends with the first step that is wrong, or after so many steps, or so many sequences. Streams are
        then what a trial's sequences are counted in, for learning, tests and stopping alike. The last step of each sequence
        must be judged.
    """

    def write(self, sequences: Sequences, horizon: int) -> None:
        """Write sequences with `fill`, and look through them before anybody reads them.

        Raises
        ------
        ValueError
            Naming what is wrong with what was written, where, and what is allowed.
        """
        guard.write(self, sequences, horizon)

    def for_trial(self, trial: int) -> Task:
        """Return the task as a trial of this number meets it; the same for all unless overridden."""
        return self

    def test_sets(self) -> list[Task]:
        """Return the tasks that a test is made of, in equal shares; fresh sequences of the same unless overridden."""
        return [self]

    def events(self, inputs: Floats) -> Steps:
        """Find the steps of a sequence (step, input) at which something relevant is seen; none unless overridden."""
        return np.zeros(0, np.intp)

    def room(self, lanes: int, clocks: int) -> Sequences:
        """Room for sequences of so many lanes that begin before clock number `clocks`."""
        guard.check_sizes(self)
        inputs, clocks = 0 if self.symbols else self.n_inputs, clocks + self.max_length
        return new_sequences(lanes, clocks, inputs, self.fixed_rows(), self.own_rows(clocks))

    def examples(self, key: int, count: int, first: int = 0) -> Examples:
        """Sequences number `first` to `first + count - 1` of the stream that a key names, with dense inputs."""
        sequences = self.room(1, count * self.max_length)
        sequences.key[0], sequences.index[0], sequences.active[0] = key, first, True
        while sequences.index[0] < first + count:
            self.write(sequences, int(sequences.write[0]) + 1)
        ends = np.flatnonzero(sequences.event[:, 0] & END)[:count] + 1
        n = int(ends[-1])
        inputs = np.eye(self.n_inputs)[sequences.symbol[:n, 0]] if self.symbols else sequences.inputs[:n, :, 0].copy()
        targets = sequences.targets[:, : self.n_outputs]
        learned, judged = (
            np.where(sequences.event[:n] & kind, targets[rows[:n, 0]], np.nan)
            for kind, rows in ((LEARN, sequences.learn), (JUDGE, sequences.judge))
        )
        return Examples(inputs, np.concatenate([[0], ends]), learned, judged)

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
        check("index", index, Annotated[Whole, Field(ge=0, lt=2**63 - 1)])
        examples = self.examples(int(trial_keys(seed, trial)[int(testing)]), 1, index)
        return examples.inputs, examples.learned


class CompiledTask(Task):
    """A task whose sequences a compiled function writes, on a CPU or a GPU."""

    @property
    @abstractmethod
    def filler(self) -> Filler:
        """The function, and its arguments after sequences and horizon."""

    def fill(self, sequences: Sequences, horizon: int) -> None:
        """Write sequences until every active lane reaches the horizon."""
        function, arguments = self.filler
        function(sequences, horizon, *arguments)


T = TypeVar("T", bound=type[Task])
_TABLE: Table[type[Task]] = Table("task", "lstmsim.tasks")
tasks, task = _TABLE.all, _TABLE.one


def register(name: str) -> Callable[[T], T]:
    """Enter a class into the table of tasks; the decorator gives it its name.

    Raises
    ------
    ValueError
        If another class has the name.
    """

    def enter(cls: T) -> T:
        cls.name = name
        _TABLE.enter(name, cls)
        return cls

    return enter
