"""Trials of learners that do not learn step by step from an endless stream: one trial after another."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmsim.kernels.scores import LEVELS, new_scores
from lstmsim.simulation.trial import Checkpoints, Result

Floats = npt.NDArray[np.float64]


class Stopped(Exception):
    """The run was asked to stop; the trial under way is left at its checkpoint."""


class Driver(ABC):
    """Stands in for `lstmsim.simulation.loop.Simulation` where a learner has its own way through a trial.

    Parameters
    ----------
    config : Config
        Task, learner and stopping rule.
    seed : int
        Seed of the run; a trial's random numbers come from (seed, trial).
    lanes : int
        Without effect: trials are run one by one.
    policy : Policy
        What to record.
    """

    def __init__(self, config: Any, seed: int, lanes: int, policy: Any) -> None:
        from lstmsim.learners import learner

        self.config, self.seed, self.policy = config, seed, policy
        np.empty(self.memory, np.uint8)  # too large a request fails here, before the first trial
        self.learner = learner(config.learner)(config.settings, 1, symbols=config.task.symbols)
        # What a progress display reads of a simulation: how far the running trial has come.
        self.lanes = SimpleNamespace(scores=new_scores(1))
        self.running: dict[int, int] = {}
        self.on_rows: Callable[[int, Floats], None] | None = None
        self.checkpoints: Checkpoints | None = None

    def run(
        self,
        trials: Iterator[int],
        on_rows: Callable[[int, Floats], None] | None = None,
        on_progress: Callable[[Any], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> Iterator[Any]:
        """Run the trials that the iterator names; each result is yielded when its trial has ended.

        Parameters
        ----------
        trials : iterator of int
            Trial numbers; may be shared between threads.
        on_rows : callable, optional
            Takes (trial, recorded rows); kept in the result otherwise.
        on_progress : callable, optional
            Called after every stretch of work; an exception it raises ends the run.
        checkpoints : Checkpoints, optional
            Where unfinished trials are kept. A trial found there goes on from its checkpoint; when it is stopping, the run
            ends with a last checkpoint.
        """
        self.on_rows, self.checkpoints = on_rows, checkpoints
        for number in trials:
            self.running = {0: number}
            state = checkpoints.load(number) if checkpoints is not None else None
            try:
                result = self.run_trial(number, on_progress or (lambda _: None), state)
            except Stopped:
                return
            finally:
                self.running = {}
            self._keep(result)
            yield result

    @property
    @abstractmethod
    def memory(self) -> int:
        """Bytes, about, that a trial will take."""

    @abstractmethod
    def run_trial(self, trial: int, on_progress: Callable[[Any], None], state: dict[str, Any] | None = None) -> Result:
        """Run one trial to its end, a function of (configuration, seed, trial) only; from a checkpoint's state if given."""

    def _keep(self, result: Result) -> None:
        if self.on_rows is not None:
            for rows in result.rows:
                self.on_rows(result.trial, rows)
            result.rows = []

    def pause(self, result: Result, begun: float, state: Callable[[], dict[str, Any]]) -> None:
        """Where a trial can be left: a checkpoint of it, if one is due, from the result so far and the learner's state.

        Raises
        ------
        Stopped
            If the run was asked to stop.
        """
        if self.checkpoints is None or not self.checkpoints.due():
            return
        self._keep(result)
        seconds = time.perf_counter() - begun
        self.checkpoints.save(result.trial, {"result": result.course(), "seconds": seconds, **state()})
        if self.checkpoints.stopping:
            raise Stopped

    def tell(self, sequences: int, steps: int, means: Floats, on_progress: Callable[[Any], None]) -> None:
        """Show how far the trial has come: sequences, steps, and mean |e|, mean e**2 and fraction correct."""
        scores = self.lanes.scores
        scores.index[0], scores.steps[0] = sequences, steps
        scores.sums[0] = means * min(max(sequences, 1), scores.ring.shape[1])
        on_progress(self)


def milestones(progress: Floats, error_bound: float) -> dict[str, int]:
    """When the levels of correctness and the error bound were first met, in rows (sequences, |e|, e**2, correct)."""

    def first(met: npt.NDArray[np.bool_]) -> int:
        return int(progress[np.argmax(met), 0]) if met.any() else -1

    result = {f"correct_{100 * level:g}": first(progress[:, 3] >= level) for level in LEVELS}
    return result | {
        "absolute_error": first(progress[:, 1] < error_bound),
        "squared_error": first(progress[:, 2] < error_bound),
    }
