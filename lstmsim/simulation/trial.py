"""A trial: its result, its state under way, and what may keep that state."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from lstmsim.kernels.scores import Progress
from lstmsim.learners.base import State, Status
from lstmsim.learners.weights import Floats, Weights
from lstmsim.simulation.config import Stage, StoppingRule
from lstmsim.tasks import Task


@dataclass
class Test:
    """Result of test sequences: largest |e|, mean |e|, mean e**2, correct; shape (sequence, 4); see `Result.test`."""

    results: Floats

    @property
    def wrong(self) -> int:
        """Sequences that are not correct."""
        return int((self.results[:, 3] == 0).sum())

    def passes(self, stage: Stage, *, squared: bool) -> bool:
        """Whether a stage's condition holds."""
        error = self.results[:, 2 if squared else 1].mean()
        return self.wrong <= stage.wrong and (stage.error is None or error < stage.error)


@dataclass
class Result:
    """All that is kept of a trial.

    Attributes
    ----------
    trial, seed : int
        Number of the trial and seed of the run.
    status : Status
        How it stands, or ended.
    sequences, steps : int
        What it took.
    seconds : float
        Its share of the processor's time.
    stages : dict
        Sequences after which each stage of the stopping rule was reached.
    milestones : dict
        Sequences after which each milestone was first met; None where it was not.
    progress : ndarray, shape (row, 4)
        Sequences seen, then mean |e|, mean e**2 and fraction correct of the latest ones.
    initial, final : dict
        Weights.
    snapshots : list
        (sequences, weights).
    rows : list of ndarray
        Recorded steps, unless somebody has taken them.
    test : ndarray, shape (sequence, 4) or (sequence, 6)
        Largest |e|, mean |e|, mean e**2, correct, of each sequence of the final test; of streams also their steps, and how
        many of the task's sequences in them were right.
    test_rows : ndarray, optional
        Recorded steps of the test.
    joined : list of int
        Sequences after which units joined.
    """

    trial: int
    seed: int
    status: Status = Status.RUNNING
    sequences: int = 0
    steps: int = 0
    seconds: float = 0.0
    stages: dict[str, int] = field(default_factory=dict)
    milestones: dict[str, int | None] = field(default_factory=dict)
    progress: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    initial: Weights = field(default_factory=dict)
    final: Weights = field(default_factory=dict)
    snapshots: list[tuple[int, Weights]] = field(default_factory=list)
    rows: list[Floats] = field(default_factory=list)
    test: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    test_rows: Floats | None = None
    joined: list[int] = field(default_factory=list)

    def state(self) -> State:
        """What a checkpoint keeps of a trial under way, whatever its learner."""
        return {name: getattr(self, name) for name in ("sequences", "steps", "seconds", "stages", "snapshots", "joined")}

    def restore(self, state: State) -> None:
        """Enter what `state` gave."""
        for name, value in state.items():
            setattr(self, name, value)
        self.snapshots = [(number, weights) for number, weights in self.snapshots]


class UnderWay(Protocol):
    """What runs trials, as those see it who watch."""

    def progress(self) -> list[Progress]:
        """Return how far the trials under way have come."""


class Checkpoints(ABC):
    """Where the states of unfinished trials are kept; a state is made of dicts, lists, arrays, numbers and texts.

    Parameters
    ----------
    every : float
        Seconds between checkpoints; 0: at every chance.
    stop : threading.Event
        Set when trials under way are to be left at a last checkpoint.
    """

    def __init__(self, every: float, stop: threading.Event) -> None:
        self.every, self.stop = every, stop
        self._next = time.monotonic() + every  # a clock that nobody sets

    @property
    def stopping(self) -> bool:
        """Whether trials under way are to be left at a last checkpoint."""
        return self.stop.is_set()

    def due(self) -> bool:
        """Whether it is time for a checkpoint, or for the last one."""
        if time.monotonic() < self._next:
            return self.stopping
        self._next = time.monotonic() + self.every
        return True

    @abstractmethod
    def load(self, trial: int) -> State | None:
        """Return a trial's latest state, if one is kept."""

    @abstractmethod
    def save(self, trial: int, state: State) -> None:
        """Keep a trial's state, with all rows recorded so far."""

    @abstractmethod
    def leave(self, trial: int) -> None:
        """Let go of a trial that has been saved: whoever loads it next goes on with it."""


class TrialQueue:
    """Trials that wait for a lane, an iterator that threads may share: those not begun first, then those that rest.

    Parameters
    ----------
    trials : iterable of int
        Numbers of the trials.
    """

    def __init__(self, trials: Iterable[int]) -> None:
        self._trials = deque(trials)
        self._paused: dict[int, Progress] = {}
        self._taken: dict[int, int] = {}  # trials under way, and the threads that have them
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Trials that wait."""
        return len(self._trials)

    def __iter__(self) -> Iterator[int]:
        """Return the iterator itself."""
        return self

    def __next__(self) -> int:
        """Take out the trial that has waited longest."""
        with self._lock:
            if not self._trials:
                raise StopIteration
            trial = self._trials.popleft()
            self._paused.pop(trial, None)
            self._taken[trial] = threading.get_ident()
            return trial

    def ended(self, trial: int) -> None:
        """Take note that a trial is no longer under way."""
        with self._lock:
            self._taken.pop(trial, None)

    def taken(self) -> list[int]:
        """Return the trials that this thread has taken out, and that have neither ended nor been put back."""
        with self._lock:
            return [trial for trial, thread in self._taken.items() if thread == threading.get_ident()]

    def put_back(self, trial: int, progress: Progress) -> None:
        """Put a trial that has been saved at the end of the queue; `progress` tells how far it is."""
        with self._lock:
            self._taken.pop(trial, None)
            self._trials.append(trial)
            self._paused[trial] = progress

    def paused(self) -> list[Progress]:
        """Return how far the trials are that were put back."""
        with self._lock:
            return list(self._paused.values())


def finite(weights: Weights) -> bool:
    """Whether all weights are numbers."""
    return all(np.isfinite(group).all() for group in weights.values())


class Boundary(NamedTuple):
    """A place between two sequences from which a trial can be replayed."""

    sequences: int
    weights: Weights
    carried: Floats
    taken: int  # sequences of the task until there


@dataclass
class Trial:
    """A trial on a lane: its result so far, its keys, and where it can be taken up again.

    Attributes
    ----------
    task : Task
        The task as the trial meets it.
    stop : StoppingRule
        Its stopping rule.
    key, test_key : int
        Keys of its streams of sequences.
    boundaries : list of Boundary
        The last two, so far apart that one of them lies before all sequences that a replay is to record.
    stage : int
        Number of the condition that is to be met next.
    due : int
        Next number of sequences at which every trial of this configuration pauses.
    busy : int
        Next one at which there is more to do than to see whether the weights are numbers.
    turn : int
        Steps after which it makes room for a trial that waits.
    limit : int
        Sequences after which it is saved and left alone; 0: none.
    since : float
        What the simulation's share of time was when it was last entered into the result.
    save : bool
        A checkpoint is to be taken at the end of the sequence.
    tests : int
        Tests made so far.
    progress : list of ndarray
        Pieces of the result's progress.
    """

    result: Result
    task: Task
    stop: StoppingRule
    key: int
    test_key: int
    boundaries: list[Boundary]
    stage: int = 0
    due: int = 0
    busy: int = 0
    turn: int = 0
    limit: int = 0
    since: float = 0.0
    save: bool = False
    tests: int = 0
    progress: list[Floats] = field(default_factory=list)

    def state(self) -> State:
        """What a checkpoint keeps of the trial, beside what is on its lane."""
        return {
            "result": self.result.state(),
            "stage": self.stage,
            "tests": self.tests,
            "progress": np.concatenate([np.zeros((0, 4)), *self.progress]),
            "boundaries": [tuple(boundary) for boundary in self.boundaries],
        }

    def restore(self, state: State, last: int) -> None:
        """Enter what `state` gave; the last `last` sequences must be within reach of a boundary."""
        self.result.restore(state["result"])
        self.stage, self.tests, self.progress = state["stage"], state["tests"], [state["progress"]]
        kept = [Boundary(*boundary) for boundary in state["boundaries"]]
        if kept[0].sequences > max(self.result.sequences - last, 0):  # kept for a policy that asked for fewer
            kept = self.boundaries + kept
        self.boundaries = kept

    def mark(self, boundary: Boundary, last: int) -> None:
        """Keep a place from which the last `last` sequences can be replayed."""
        if last and boundary.sequences - self.boundaries[-1].sequences >= last:
            self.boundaries = [self.boundaries[-1], boundary]
