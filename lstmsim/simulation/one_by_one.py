"""Trials of learners that have their own way through a trial: one trial after another; and the choice of a simulation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from lstmsim.kernels.arrays import Flags
from lstmsim.kernels.random import trial_keys
from lstmsim.kernels.scores import LEVELS, Progress
from lstmsim.learners import learner
from lstmsim.learners.base import State, Status, TrialLearner
from lstmsim.learners.weights import Floats
from lstmsim.simulation.config import Experiment
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Checkpoints, Result, UnderWay
from lstmsim.simulation.variants import Variants


class Stopped(Exception):
    """The run was asked to stop; the trial under way is left at its checkpoint."""


class TrialUnderWay:
    """What a trial gives to a learner that goes its own way through it; see `lstmsim.learners.base.TrialUnderWay`.

    Parameters
    ----------
    simulation : OneByOne
        The simulation that runs it.
    number : int
        Number of the trial.
    seconds : float
        What the trial has taken before its checkpoint.
    """

    def __init__(self, simulation: OneByOne, number: int, seconds: float = 0.0) -> None:
        self._simulation, self._started = simulation, time.thread_time() - seconds
        self.seed, self.number = simulation.seed, simulation.trial_of(number)
        self.task, self.stop, self.policy = simulation.config.task, simulation.config.stop, simulation.policy
        self.keys = [int(key) for key in trial_keys(self.seed, self.number)]
        self.result = Result(number, self.seed)
        self.progress = Progress(0, 0, 0.0, 0.0)

    @property
    def seconds(self) -> float:
        """What the trial has taken."""
        return time.thread_time() - self._started

    def tell(self, sequences: int, steps: int, means: Floats) -> None:
        """Show how far the trial has come: sequences, steps, and mean |e|, mean e**2 and fraction correct."""
        self.progress = Progress(steps, sequences, float(means[0]), float(means[2]))
        self._simulation.on_progress(self._simulation)

    def pause(self, state: Callable[[], State]) -> None:
        """Where the trial can be left: a checkpoint of it, if one is due, from the result so far and the learner's state.

        Raises
        ------
        Stopped
            If the run was asked to stop.
        """
        checkpoints = self._simulation.checkpoints
        if checkpoints is None or not checkpoints.due():
            return
        self._simulation.keep(self.result)
        checkpoints.save(self.result.trial, {"result": self.result.state(), "seconds": self.seconds, "learner": state()})
        if checkpoints.stopping:
            raise Stopped


class OneByOne:
    """Stands in for `lstmsim.simulation.loop.Simulation` where a learner has its own way through a trial.

    Parameters
    ----------
    config : Experiment
        Task, learner and stopping rule.
    seed : int
        Seed of the run; a trial's random numbers come from (seed, trial).
    policy : Policy
        What to record.
    variants : Variants, optional
        Experiments whose trials are run, `config` among them.
    """

    def __init__(self, config: Experiment, seed: int, policy: Policy, variants: Variants | None = None) -> None:
        self.seed, self.policy, self.variants = seed, policy, variants
        self._take(config)
        self.running: dict[int, TrialUnderWay] = {}
        self.on_rows: Callable[[int, Floats], None] | None = None
        self.on_progress: Callable[[UnderWay], None] = lambda _: None
        self.checkpoints: Checkpoints | None = None

    def _take(self, config: Experiment) -> None:
        """Make the learner of an experiment; too large a request fails here, before the first trial."""
        self.config = config
        cls = learner(config.learner)
        assert issubclass(cls, TrialLearner)
        self.learner: TrialLearner = cls(config.settings, symbols=config.task.symbols)
        self.learner.check(config.task)
        np.empty(self.learner.memory(config.task), np.uint8)

    def trial_of(self, number: int) -> int:
        """Return the trial that a number stands for, after making ready for its experiment."""
        if self.variants is None:
            return number
        config, trial = self.variants.of(number)
        if config != self.config:
            self._take(config)
        return trial

    def run(
        self,
        trials: Iterator[int],
        on_rows: Callable[[int, Floats], None] | None = None,
        on_progress: Callable[[UnderWay], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> Iterator[Result]:
        """Run the trials that the iterator names, as `Simulation.run` does; each is yielded when it has ended."""
        self.on_rows, self.checkpoints = on_rows, checkpoints
        self.on_progress = on_progress or (lambda _: None)
        for number in trials:
            state = checkpoints.load(number) if checkpoints is not None else None
            trial = TrialUnderWay(self, number, state["seconds"] if state else 0.0)
            if state:
                trial.result.restore(state["result"])
            self.running = {0: trial}
            try:
                trial.result.status = self.learner.run_trial(trial, state["learner"] if state else None)
            except Stopped:
                return
            finally:
                self.running = {}
            yield self._finish(trial)

    def progress(self) -> list[Progress]:
        """Return how far the trial under way has come."""
        return [trial.progress for trial in list(self.running.values())]

    def _finish(self, trial: TrialUnderWay) -> Result:
        """Add to the result what follows from it."""
        result = trial.result
        if result.status == Status.SOLVED:
            result.stages["solved"] = result.sequences
        result.milestones = _milestones(result.progress, self.config.stop.error_bound)
        result.seconds = trial.seconds
        self.keep(result)
        return result

    def keep(self, result: Result) -> None:
        """Hand on the rows recorded so far."""
        if self.on_rows is not None:
            for rows in result.rows:
                self.on_rows(result.trial, rows)
            result.rows = []


def _milestones(progress: Floats, error_bound: float) -> dict[str, int | None]:
    """When the levels of correctness and the error bound were first met, in rows (sequences, |e|, e**2, correct)."""

    def first(met: Flags) -> int | None:
        return int(progress[np.argmax(met), 0]) if met.any() else None

    result = {f"correct_{100 * level:g}": first(progress[:, 3] >= level) for level in LEVELS}
    return result | {
        "absolute_error": first(progress[:, 1] < error_bound),
        "squared_error": first(progress[:, 2] < error_bound),
    }


def simulation_for(
    config: Experiment, seed: int, lanes: int, policy: Policy, variants: Variants | None = None
) -> Simulation | OneByOne:
    """Return what runs the trials of a configuration: many on lanes, or one by one, as its learner takes them.

    Parameters
    ----------
    config : Experiment
        Task, learner and stopping rule.
    seed : int
        Seed of the run; a trial's random numbers come from (seed, trial).
    lanes : int
        Trials advanced together, where the learner takes many; the results do not depend on it.
    policy : Policy
        What to record.
    variants : Variants, optional
        Experiments whose trials are run together, `config` among them.
    """
    if issubclass(learner(config.learner), TrialLearner):
        return OneByOne(config, seed, policy, variants)
    return Simulation(config, seed, lanes, policy, variants)


def warm_up(config: Experiment, lanes: int) -> None:
    """Run a trial of one sequence and one test, which needs every kernel that the experiment needs; nothing is kept."""
    conditions = tuple(replace(stage, test=min(stage.test, 1)) for stage in config.stop.conditions)
    stop = replace(config.stop, wrong=0, error=None, test=0, stages=conditions, max_sequences=1, test_every=1, final_test=1)
    simulation = simulation_for(replace(config, stop=stop), 0, lanes, Policy())
    for _ in simulation.run(iter([0])):
        pass
