"""Trials of several experiments on the same lanes: which settings may differ from lane to lane, and the lanes' tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Mapping

import numpy as np

from lstmsim.kernels import guard
from lstmsim.kernels.sequences import Sequences, new_sequences
from lstmsim.learners import learner
from lstmsim.learners.base import StepLearner
from lstmsim.simulation.config import Experiment
from lstmsim.tasks import Task

STRIDE = 1 << 20  # a trial of a variant has the number STRIDE * variant + trial


def shared(config: Experiment) -> Hashable:
    """Return what experiments must have in common whose trials are to share lanes, as a key of a dict.

    The learner says which of its settings may differ (`per_lane`); of the task, sizes and judging must be the same; of the
    stopping rule, what the latest sequences are averaged over. A learner that has its own way through a trial takes one
    after another, whatever they are.
    """
    cls = learner(config.learner)
    if not issubclass(cls, StepLearner):
        return config.learner
    task, stop, rows = config.task, config.stop, np.asarray(config.task.fixed_rows())
    settings = tuple(
        (f.name, getattr(config.settings, f.name))
        for f in dataclasses.fields(config.settings)
        if f.init and f.name not in cls.per_lane
    )
    judging = task.symbols, task.ranking, task.tolerance, task.stream_steps, task.stream_sequences
    sizes = task.n_inputs, task.n_outputs, rows.shape, rows.tobytes()
    return config.learner, settings, judging, sizes, (stop.window, stop.error_bound, stop.squared_error)


class Variants:
    """Experiments whose trials share lanes.

    Parameters
    ----------
    experiments : mapping of int to Experiment
        Experiments by their numbers, among them those of the trials, of which `shared` says the same.
    trials : iterable of int
        Numbers of the trials, each ``STRIDE * variant + trial``.
    limits : mapping of int to int, optional
        Sequences after which a trial of an experiment is saved and left alone, by the experiment's number.
    """

    def __init__(
        self, experiments: Mapping[int, Experiment], trials: Iterable[int], limits: Mapping[int, int] | None = None
    ) -> None:
        self.experiments, self.limits = experiments, limits or {}
        self.tasks: dict[Task, None] = dict.fromkeys(self.of(number)[0].task for number in trials)

    def of(self, number: int) -> tuple[Experiment, int]:
        """Return the experiment, with the task as the trial meets it, and the trial that a number stands for."""
        variant, trial = divmod(number, STRIDE)
        config = self.experiments[variant]
        task = config.task.for_trial(trial)
        return (config if task is config.task else dataclasses.replace(config, task=task)), trial


class TaskOfLanes:
    """What writes the sequences of lanes that have tasks of their own, of the same sizes and judging.

    Parameters
    ----------
    tasks : iterable of Task
        All tasks that a lane may be given.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.tasks = list(tasks)
        first = self.tasks[0]
        self.n_inputs, self.symbols = first.n_inputs, first.symbols
        self.tolerance, self.ranking = first.tolerance, first.ranking
        self.stream_steps, self.stream_sequences = first.stream_steps, first.stream_sequences
        self.max_length = max(task.max_length for task in self.tasks)
        self.of_lane: dict[int, Task] = {}

    def room(self, lanes: int, clocks: int) -> Sequences:
        """Room for sequences of so many lanes that begin before clock number `clocks`."""
        for task in self.tasks:
            guard.check_sizes(task)
        first, clocks = self.tasks[0], clocks + self.max_length
        slots = max(task.own_rows(clocks) for task in self.tasks)
        return new_sequences(lanes, clocks, 0 if first.symbols else first.n_inputs, first.fixed_rows(), slots)

    def write(self, sequences: Sequences, horizon: int) -> None:
        """Have each task write the sequences of its lanes until they reach the horizon."""
        active, lanes_of = sequences.active.copy(), dict[Task, list[int]]()
        for lane in np.flatnonzero(active).tolist():
            lanes_of.setdefault(self.of_lane[lane], []).append(lane)
        try:
            for task, lanes in lanes_of.items():
                sequences.active[:] = False
                sequences.active[lanes] = True
                task.write(sequences, horizon)
        finally:
            sequences.active[:] = active
