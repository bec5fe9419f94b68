"""A trial: its result, its state under way, and what may keep that state."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lstmsim.simulation.config import Stage

Floats = npt.NDArray[np.float64]
Weights = dict[str, Floats]


@dataclass
class Test:
    """Result of test sequences: largest |e|, mean |e|, mean e**2, correct; shape (sequence, 4)."""

    results: Floats

    @property
    def wrong(self) -> int:
        """Sequences that are not correct."""
        return int((self.results[:, 3] == 0).sum())

    def passes(self, stage: Stage, *, squared: bool) -> bool:
        """Whether a stage's condition holds."""
        error = self.results[:, 2 if squared else 1].mean()
        return self.wrong < stage.fewer_wrong and (stage.error is None or error < stage.error)


@dataclass
class Result:
    """All that is kept of a trial."""

    trial: int
    seed: int
    status: str = "running"
    sequences: int = 0
    steps: int = 0
    seconds: float = 0.0
    stages: dict[str, int] = field(default_factory=dict)
    milestones: dict[str, int] = field(default_factory=dict)
    progress: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    initial: Weights = field(default_factory=dict)
    final: Weights = field(default_factory=dict)
    snapshots: list[tuple[int, Weights]] = field(default_factory=list)
    rows: list[Floats] = field(default_factory=list)
    test: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    test_rows: Floats | None = None
    joined: list[int] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of a trial under way, whatever its learner."""
        return {name: getattr(self, name) for name in ("sequences", "steps", "stages", "snapshots", "joined")}

    def restore(self, state: dict[str, Any]) -> None:
        """Enter what `state` gave."""
        for name, value in state.items():
            setattr(self, name, value)
        self.snapshots = [(number, weights) for number, weights in self.snapshots]


class Checkpoints(Protocol):
    """Where the states of unfinished trials are kept; a state is made of dicts, lists, arrays, numbers and texts."""

    @property
    def stopping(self) -> bool:
        """Whether trials under way are to be left at a last checkpoint."""

    def due(self) -> bool:
        """Whether it is time for a checkpoint, or for the last one."""

    def load(self, trial: int) -> dict[str, Any] | None:
        """Return a trial's latest state, if one is kept."""

    def save(self, trial: int, state: dict[str, Any]) -> None:
        """Keep a trial's state, with all rows recorded so far."""

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
        self._trials = list(trials)
        self._paused: dict[int, Any] = {}
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
            trial = self._trials.pop(0)
            self._paused.pop(trial, None)
            return trial

    def put_back(self, trial: int, progress: Any) -> None:
        """Put a trial that has been saved at the end of the queue; `progress` tells how far it is."""
        with self._lock:
            self._trials.append(trial)
            self._paused[trial] = progress

    def paused(self) -> list[Any]:
        """Return how far the trials are that were put back."""
        with self._lock:
            return list(self._paused.values())


def finite(weights: Weights) -> bool:
    """Whether all weights are numbers."""
    return all(np.isfinite(group).all() for group in weights.values())


@dataclass
class Trial:
    """A trial under way: its result so far, its keys, and where it can be taken up again.

    Boundaries hold sequences done, weights and what the net carries over; the last two, so far apart that one of them
    lies before all sequences that a replay is to record. Due is the next pause that depends on the configuration alone.
    Turn is the number of steps after which it makes room for a trial that waits.
    """

    result: Result
    key: int
    test_key: int
    boundaries: list[tuple[int, Weights, Floats]]
    stage: int = 0
    due: int = 0
    turn: int = 0
    save: bool = False
    tests: int = 0
    progress: list[Floats] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
