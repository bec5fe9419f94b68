"""Trials spread over lanes and threads: whoever is free takes the next waiting trial."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal

import xarray as xr

from lstmsim.campaign import machine
from lstmsim.campaign.trials import KeptTrials, RowFolder
from lstmsim.kernels.compile import COMPILER, compiling
from lstmsim.kernels.guard import is_stuck
from lstmsim.kernels.scores import Progress
from lstmsim.learners import learner
from lstmsim.learners.base import AnyLearner
from lstmsim.simulation.config import Experiment
from lstmsim.simulation.device import THREADS, simulation_on
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.one_by_one import OneByOne, warm_up
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Result, TrialQueue
from lstmsim.simulation.variants import Variants
from lstmsim.tasks import Task
from lstmsim.trace.store import provenance
from lstmsim.trace.summary import BrokenFile

LANES = 8  # trials that go together before a second thread is used: a step of eight takes hardly longer than one of four
_WORTH_16 = 14  # trials for which sixteen lanes are cheaper than eight that take turns
_SELDOM = 50_000  # steps between tests of frozen weights from which on the tests hardly matter


@dataclass
class Job:
    """Trials of one row that still have to be run.

    Attributes
    ----------
    name : str
        Name of the row's folder.
    config : Experiment
        Task, learner and stopping rule.
    trials : list of int
        Numbers of the trials.
    changed : str
        Settings that differ from the row's own, for messages.
    variants : Variants, optional
        Experiments that share the lanes, where the trials' numbers name them too.
    """

    name: str
    config: Experiment
    trials: list[int]
    changed: str = ""
    variants: Variants | None = None


@dataclass(frozen=True)
class RowProgress:
    """How far trials of a row are: those that a thread advances together, or those that rest.

    Attributes
    ----------
    name : str
        Name of the row's folder.
    steps : int
        Steps done, summed over the trials under way.
    sequences : list of int
        Sequences that each trial has seen.
    errors, correct : list of float
        Mean |error| and fraction correct over each trial's latest sequences.
    """

    name: str
    steps: int
    sequences: list[int]
    errors: list[float]
    correct: list[float]

    @classmethod
    def of(cls, name: str, trials: list[Progress]) -> RowProgress:
        """Put together what `progress` of a simulation tells of each trial."""
        begun = [trial for trial in trials if trial.sequences]
        steps, sequences = sum(trial.steps for trial in trials), [trial.sequences for trial in trials]
        return cls(name, steps, sequences, [trial.error for trial in begun], [trial.correct for trial in begun])


@dataclass
class Group:
    """Trials of a job that share one task, or their lanes."""

    job: Job
    config: Experiment
    trials: list[int]

    def __post_init__(self) -> None:
        self.waiting = TrialQueue(self.trials)

    @property
    def alone(self) -> bool:
        """Whether the learner takes one trial after another, whatever the number of lanes."""
        return not learner(self.config.learner).many_lanes

    @property
    def pauses(self) -> bool:
        """Whether weights are tested so often that much of the time is Python's, which one thread at a time can have."""
        stop = self.config.stop
        return any(stage.test for stage in stop.conditions) and stop.test_every * self.config.task.max_length < _SELDOM


def same_task(jobs: list[Job]) -> list[tuple[Job, Experiment, list[int]]]:
    """Split jobs into trials that share one task: job, configuration with that task, numbers of the trials.

    The longest come first, or one of them would be left over for one thread at the end.
    """
    groups = []
    for job in jobs:
        tasks: dict[Task, list[int]] = {} if job.variants is None else {job.config.task: job.trials}
        for trial in job.trials if job.variants is None else ():
            tasks.setdefault(job.config.task.for_trial(trial), []).append(trial)
        groups += [(job, replace(job.config, task=task), trials) for task, trials in tasks.items()]
    return sorted(groups, key=lambda group: -group[1].stop.max_sequences * group[1].task.max_length)


@dataclass(frozen=True)
class Broken:
    """A trial of a row in which a task or a learner raised an error."""

    name: str
    trial: int
    error: Exception


class TrialsFailed(RuntimeError):
    """Trials could not go on; those that had ended are kept, and the others as far as their last checkpoints.

    Attributes
    ----------
    broken : list of Broken
        Trials in which a task or a learner raised an error; all others have ended. Empty if the run could not go on.
    run : xarray.DataTree or None
        The trials that have ended, where `lstmsim.simulate` was called and there are any.
    """

    def __init__(self, message: str, broken: Iterable[Broken] = ()) -> None:
        super().__init__(message)
        self.broken: list[Broken] = list(broken)
        self.run: xr.DataTree | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the trials when sent between processes."""
        return TrialsFailed, (str(self), self.broken)

    @classmethod
    def of(cls, broken: list[Broken]) -> TrialsFailed:
        """Return the error for trials that have failed; its cause is the first one's."""
        rows: dict[str, list[int]] = {}
        for one in broken:
            rows.setdefault(one.name, []).append(one.trial)
        named = "; ".join(f"row {name}: trials {_listed(trials)} failed" for name, trials in rows.items())
        error = broken[0].error
        failure = cls(f"{named}; {type(error).__name__}: {error}", broken)
        failure.__cause__ = error
        return failure


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, sorted(numbers)[:10]))
    return shown if len(numbers) <= 10 else f"{shown} and {len(numbers) - 10} more"


class Ensemble:
    """Runs jobs on threads; results are written by the thread that has them and announced on a queue.

    Parameters
    ----------
    jobs : list of Job
        What to run.
    out : Path
        Folder of the run; trial files go to `<out>/<job>/trial-0000.nc`.
    seed : int
        Seed of the run.
    policy : Policy
        What to record.
    workers : int
        Threads.
    lanes : int, optional
        Trials per thread advanced together; chosen from the number of trials if not given.
    checkpoint_every : float
        Seconds between checkpoints of unfinished trials; 0: at every chance.
    device : {"cpu", "cuda"}
        Where the trials run.
    """

    def __init__(
        self,
        jobs: list[Job],
        out: Path,
        seed: int,
        policy: Policy,
        workers: int,
        lanes: int | None = None,
        *,
        checkpoint_every: float = 60.0,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> None:
        self.out, self.seed, self.policy, self.lanes = out, seed, policy, lanes
        self.checkpoint_every, self.device = checkpoint_every, device
        self.groups = [Group(*group) for group in same_task(jobs)]
        self.workers = 1 if device == "cuda" else max(1, min(workers, sum(map(self._useful, self.groups))))
        self.running: dict[int, tuple[str, Simulation | OneByOne]] = {}
        self.results: SimpleQueue[tuple[str, Result | Broken | BaseException | None]] = SimpleQueue()
        self.broken: list[Broken] = []  # so far
        self._preparing = ""  # the job whose kernels are being loaded or compiled
        self._stop = threading.Event()
        self._extra: dict[str, str] = {}
        self._untouched = list(self.groups)
        self._lock = threading.Lock()

    def _useful(self, group: Group) -> int:
        """Threads that a group can keep busy."""
        return -(-len(group.trials) // (1 if group.alone else self.lanes or LANES))

    def rehearse(self) -> None:
        """Make what a thread needs for each job once, within a thread's share of the memory, before anything is begun.

        Raises
        ------
        ValueError
            If a configuration cannot be run, or does not fit into memory; the message names the row.
        """
        total = machine.memory()
        for group in {id(group.job): group for group in self.groups}.values():
            name, width = group.job.name, self.width(group, self.share)
            try:
                # A GPU's driver takes more addresses than there is memory.
                with machine.at_most(total // self.workers) if self.device == "cpu" else contextlib.nullcontext():
                    simulation_on(self.device, group.config, self.seed, width, self.policy, group.job.variants)
            except MemoryError as error:
                sizes = f"{width} trials at once on each of {self.workers} threads"
                raise ValueError(
                    f"row {name} with {group.job.changed or 'its settings'}, {sizes}, does not fit into memory ({error}); "
                    f"allowed: smaller sizes, lanes or workers, for {total / 2**30:.1f} GiB"
                ) from None

    @property
    def share(self) -> int:
        """Threads that take part in a group."""
        return max(1, self.workers // max(1, len(self.groups)))

    def width(self, group: Group, share: int) -> int:
        """Lanes for a group of which `share` threads take part: the next power of two up to 8, or 16; a GPU has many."""
        if self.device == "cuda":
            return min(THREADS, len(group.trials))
        if group.alone:
            return 1
        if self.lanes is not None:
            return self.lanes
        each = -(-len(group.trials) // min(share, max(1, self._useful(group))))
        return 16 if each >= _WORTH_16 else min(LANES, 1 << max(0, each - 1).bit_length())

    def run(self, on_tick: Callable[[], None], tick: float = 0.2) -> Generator[tuple[str, Result]]:
        """Run all jobs; yields (job's name, result) as trials end, and calls `on_tick` now and then.

        However it ends, trials under way are left at a last checkpoint, as far as one can be written.

        Raises
        ------
        TrialsFailed
            If a task or a learner raised an error, the cause, and the other trials have ended by then; or if a thread
            could not go on, and the others have stopped.
        """
        if self.device == "cpu":  # for a GPU each simulation compiles its own
            self._compile(on_tick, tick)
        threads = [threading.Thread(target=self._work, args=(n, self.share), daemon=True) for n in range(self.workers)]
        failure: TrialsFailed | None = None
        self._extra = provenance()
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            # Not by Thread.join with a timeout: interrupted by a signal, it takes the thread for ended.
            while working:
                with contextlib.suppress(Empty):
                    name, result = self.results.get(timeout=tick)
                    if isinstance(result, Result):
                        yield name, result
                    elif isinstance(result, Broken):
                        self.broken.append(result)
                    elif result is None:
                        working -= 1
                    elif failure is None:
                        self._stop.set()
                        failure = TrialsFailed(f"row {name}: {type(result).__name__}: {result}")
                        failure.__cause__ = result
                on_tick()
        finally:
            self._stop.set()
            for thread in threads:
                while thread.is_alive() and not is_stuck(thread.ident):  # a task that never ends is left to itself
                    time.sleep(0.01)
        if failure is None and self.broken:
            failure = TrialsFailed.of(self.broken)
        if failure is not None:
            raise failure

    @property
    def compiling(self) -> str:
        """The job whose kernels are being compiled, before any trial begins."""
        return self._preparing if compiling() else ""

    def _compile(self, on_tick: Callable[[], None], tick: float) -> None:
        """Have all kernels compiled before the first trial begins: no trial's time counts it.

        The thread that does it touches no file, so that whoever is interrupted here need not wait for it.
        """
        compiled = threading.Event()

        def work() -> None:
            try:
                for group in {id(group.job): group for group in self.groups}.values():
                    self._preparing = group.job.name
                    with contextlib.suppress(Exception):  # a trial meets the same, and is reported
                        warm_up(group.config, self.width(group, self.share))
            finally:
                self._preparing = ""
                compiled.set()

        threading.Thread(target=work, name=COMPILER, daemon=True).start()
        while not compiled.wait(tick):
            on_tick()

    def progress(self) -> list[RowProgress]:
        """How far the trials under way are, for each thread."""
        found = [(name, run.progress()) for name, run in list(self.running.values())]
        found += [(group.job.name, group.waiting.paused()) for group in self.groups]
        return [RowProgress.of(name, trials) for name, trials in found if trials]

    def _take(self, number: int) -> Group | None:
        """Return a group nobody has begun, else one in which trials still wait.

        The last thread begins with the groups that pause often, one at a time beside the longest ones: two of them at once
        would wait for each other.
        """
        with self._lock:
            if self._untouched:
                often = [n for n, group in enumerate(self._untouched) if group.pauses and 0 < number == self.workers - 1]
                return self._untouched.pop(often[0] if often else 0)
            return next((group for group in self.groups if len(group.waiting)), None)

    def _work(self, number: int, share: int) -> None:
        """Run one thread."""
        group: Group | None = None
        try:
            helps = number and len(self.groups) < self.workers
            group = self.groups[number % len(self.groups)] if helps else self._take(number)
            while group is not None and not self._stop.is_set():
                self._run_trials(number, group, group.waiting, self.width(group, share))
                group = self._take(number)
        except BaseException as error:  # announced to the main thread, which raises it
            self.results.put((group.job.name if group is not None else "", error))
        finally:
            self.running.pop(number, None)
            self.results.put(("", None))

    def _folder(self, group: Group, learner: AnyLearner) -> KeptTrials:
        """Return where one thread keeps the trials of a group."""
        job, every = group.job, self.checkpoint_every
        return RowFolder(self.out, job.name, group.config, self.seed, learner, every=every, stop=self._stop)

    def _run_trials(self, number: int, group: Group, waiting: TrialQueue, width: int) -> None:
        """Run trials that wait; one in which a task or a learner raises an error is announced, and the others go on."""
        while len(waiting) and not self._stop.is_set():
            simulation = simulation_on(self.device, group.config, self.seed, width, self.policy, group.job.variants)
            self.running[number] = group.job.name, simulation
            folder = self._folder(group, simulation.learner)
            try:
                with contextlib.closing(folder):
                    for result in simulation.run(waiting, on_rows=folder.append, checkpoints=folder):
                        folder.finish(result, self._extra)
                        waiting.ended(result.trial)
                        self.results.put((group.job.name, result))
            except (OSError, MemoryError, BrokenFile):  # not a trial's fault: no other would fare better
                raise
            except Exception as error:
                lost = waiting.taken()
                for trial in lost:
                    waiting.ended(trial)
                if len(lost) == 1:
                    self.results.put((group.job.name, Broken(group.job.name, lost[0], error)))
                for trial in lost if len(lost) > 1 else ():  # whose fault it was shows when each goes alone
                    self._run_trials(number, group, TrialQueue([trial]), 1)
                if not lost:
                    raise
