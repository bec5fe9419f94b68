"""Trials on a GPU, one per thread: the trial loop of one lane, whose lane is read from the device and written back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np

from lstmsim.checks import check, refusal
from lstmsim.kernels.arrays import Array, Words
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.cuda import Device
from lstmsim.kernels.scores import PAUSED, RUNNING, Progress
from lstmsim.kernels.sequences import rewind
from lstmsim.kernels.thread import Layout, enter, leave
from lstmsim.kernels.warp import HEAD, columns, together
from lstmsim.learners import learner
from lstmsim.learners.base import LaneLearner, StepLearner
from lstmsim.learners.weights import Floats
from lstmsim.simulation.config import Experiment
from lstmsim.simulation.frozen import SecondLanes
from lstmsim.simulation.loop import Simulation, boundary, new_learner
from lstmsim.simulation.one_by_one import OneByOne, simulation_for
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Checkpoints, Result, Trial, UnderWay
from lstmsim.simulation.variants import Variants
from lstmsim.tasks.base import CompiledTask

THREADS = 32_768  # most trials at once: more are hardly faster
STEPS = 4096  # of each trial in a launch, and those up to the end of the sequence then under way
_AT_ONCE = 1024  # lanes that are copied together
_TEST_LANES = 16  # lanes of the tests, which run on the CPU
_SHARE = 0.9  # of the device's free memory
_LOOK = 1.0  # seconds after which the device is asked anew how far the trials are


class DeviceSimulation(Simulation):
    """Trials of one configuration on the threads of a GPU.

    Between two launches of a kernel a trial that needs attention gets the one lane of a `Simulation`, which does with it
    what it does on a CPU; so the results are the same, bit for bit. Only tests and replays run on the CPU.

    Parameters
    ----------
    config, seed, policy
        As for `Simulation`.
    threads : int
        Most trials at once.
    variants : Variants, optional
        As for `Simulation`; all with one task.
    device : Device, optional
        The GPU.

    Raises
    ------
    ValueError
        If there is no GPU, the learner or the task cannot run on one, or a single trial does not fit into its memory.
    """

    _block = 1  # one sequence is written ahead: threads that write the same step write to neighbouring words

    @staticmethod
    def _new_learner(config: Experiment, lanes: int) -> StepLearner:
        made = new_learner(config, lanes)
        assert isinstance(made, LaneLearner)
        return made.on_thread()

    def __init__(
        self,
        config: Experiment,
        seed: int,
        threads: int,
        policy: Policy,
        variants: Variants | None = None,
        *,
        device: Device | None = None,
    ) -> None:
        refuse(config, variants)
        self.device = Device() if device is None else device
        super().__init__(config, seed, 1, policy, variants)
        self.boundary = boundary(self.task)
        assert isinstance(self.learner, LaneLearner)
        assert self.learner.sound is not None
        self.nets, self.sound = self.learner, self.learner.sound
        self.second = SecondLanes(partial(new_learner, config, _TEST_LANES), policy, self.plan)
        sequences = self.lanes.sequences
        self.at, self.attention, self.halt = (np.zeros(1, np.int64) for _ in range(3))
        self.layout = Layout(
            {
                "nets": self.nets.nets,
                "at": self.at,
                "attention": self.attention,
                "halt": self.halt,
                "scores": self.lanes.scores,
                "record": self.lanes.record,
                "sequences": sequences,
            },
            table=sequences.targets,
            row=(sequences, "fixed_rows", sequences.slots),
            bulk=[sequences.inputs, sequences.symbol, sequences.event, sequences.learn, sequences.judge],
            near=self.nets.symbol_tables,
        )
        self._columns = sequences.targets.shape[1]
        each = 8 * (self.layout.words + sequences.slots * self._columns)
        room = int(_SHARE * self.device.free) - 8 * sequences.targets.size - 8 * _AT_ONCE * (self.layout.kept + 1)
        if room < each:
            raise ValueError(
                f"{config.name}: a trial takes {each / 2**20:.1f} MiB of the GPU's memory; allowed: sizes that fit into "
                f"{self.device.free / 2**20:.1f} MiB, or device='cpu'"
            )
        self.threads = min(threads, room // each)
        self.trials_on: dict[int, Trial] = {}
        self._spent, self._begun = 0.0, np.zeros(self.threads)
        self.memory = self._table = self._buffer = 0
        self._standing: list[Progress] = []
        self._looked = 0.0

    def _prepare(self) -> None:
        """Compile, and make room on the device."""
        device, sequences, count = self.device, self.lanes.sequences, min(self.threads, _AT_ONCE)
        self.train = device.load("train", self._training(), self._key())
        self._copy = device.load("columns", columns, "")
        self.memory = device.allocate(8 * self.layout.words * self.threads)
        fixed = sequences.targets[: sequences.fixed_rows]
        self._table = device.allocate(8 * (fixed.size + self.threads * sequences.slots * self._columns))
        device.put(self._table, fixed)
        self._buffer = device.allocate(8 * (HEAD + count * (self.layout.kept + 1)))

    def _training(self) -> Callable[..., None]:
        """What each thread does in a launch: write a sequence, step through it, and so on."""
        assert isinstance(self.task, CompiledTask)
        function, arguments = self.task.filler
        fill, advance, sound = (inlined(f.py_func) for f in (function, self.nets.kernel, self.sound))
        again, layout, every, most = inlined(rewind.py_func), self.layout, self.boundary, STEPS

        def train(memory, table, thread, threads):
            world = enter(layout, memory, table, thread, threads)
            sequences, scores, record = world.sequences, world.scores, world.record
            if sequences.active[0] and not world.attention[0]:
                clock, steps, full = world.at[0], 0, False
                while steps < most and scores.flag[0] == RUNNING and not full:
                    if clock >= sequences.write[0]:
                        again(sequences, clock)
                        clock = 0
                        fill(sequences, 1, *arguments)
                    steps -= clock
                    clock = advance(world.nets, sequences, scores, record, clock, together(sequences.write[0]), True, True)
                    steps += clock
                    index = scores.index[0]
                    if scores.flag[0] == PAUSED and index < world.halt[0] and sound(world.nets):
                        scores.pause_at[0] = min(index - index % every + every, world.halt[0])
                        scores.flag[0] = RUNNING
                    full = scores.progress_rows[0] == scores.progress.shape[1]
                    full |= record.begun[0] == record.tick[0] and record.used[0] + record.room > record.rows.shape[1]
                world.at[0] = clock
                world.attention[0] = scores.flag[0] != RUNNING or full
            leave(layout, world)

        return train

    def _key(self) -> str:
        """All that `_training` depends on beside the sources."""
        assert isinstance(self.task, CompiledTask)
        function, arguments = self.task.filler
        given = [hashlib.sha256(a.tobytes()).hexdigest() if isinstance(a, np.ndarray) else a for a in arguments]
        functions = [f"{f.py_func.__module__}.{f.py_func.__qualname__}" for f in (function, self.nets.kernel)]
        shapes = [a.shape if isinstance(a, np.ndarray) else () for a in arguments]
        return repr((self.layout.type.name, functions, given, shapes, STEPS, self.boundary))

    def run(
        self,
        trials: Iterator[int],
        on_rows: Callable[[int, Floats], None] | None = None,
        on_progress: Callable[[UnderWay], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> Iterator[Result]:
        """Advance the trials that the iterator names until it is empty, as `Simulation.run` does."""
        self.on_rows, self.checkpoints, self.trials = on_rows, checkpoints, trials
        self._prepare()
        try:
            yield from self._run(on_progress)
        finally:
            for address in (self.memory, self._table, self._buffer):
                self.device.release(address)

    def _run(self, on_progress: Callable[[UnderWay], None] | None) -> Iterator[Result]:
        checkpoints = self.checkpoints
        yield from self._attend_all(range(self.threads))
        while self.trials_on:
            began = time.perf_counter()
            self.device.launch(self.train, self.memory, self._table, self.threads)
            self._spent += (time.perf_counter() - began) / len(self.trials_on)
            if time.monotonic() > self._looked + _LOOK:
                self._standing, self._looked = self._standings(), time.monotonic()
            yield from self._attend_all(np.flatnonzero(self._row(self.attention)).tolist())
            if checkpoints is not None and checkpoints.due():
                for trial in self.trials_on.values():
                    trial.save = True
                after = self._row(self.lanes.scores.index) + 1
                for array in (self.lanes.scores.pause_at, self.halt):
                    self.device.put(self._address(array), after)
            if on_progress is not None:
                on_progress(self)

    def _address(self, array: Array) -> int:
        """Address of the first word of an array, of all threads."""
        return self.memory + 8 * self.threads * self.layout.row_of(array)

    def _row(self, array: Array) -> Array:
        """First word of an array, of all threads."""
        return self.device.get(self._address(array), self.threads).view(array.dtype)

    def _attend_all(self, lanes: Sequence[int]) -> Iterator[Result]:
        """Have the trial loop look after some threads' trials, and give threads without one the next that waits."""
        size = max(1, min(self.threads, _AT_ONCE))
        for first in range(0, len(lanes), size):
            some = np.array(lanes[first : first + size], np.uint64)
            head = np.array([len(some), self.threads, *self.layout.near, 0], np.uint64)
            self.device.put(self._buffer, np.concatenate([head, some]))
            words = len(some) * self.layout.kept
            self.device.launch(self._copy, self.memory, self._buffer, words)
            there = self._buffer + 8 * (HEAD + len(some))
            content = self.device.get(there, words).reshape(self.layout.kept, len(some))
            ended = [self._attend_one(int(lane), content[:, n]) for n, lane in enumerate(some)]
            head[-1] = 1
            self.device.put(self._buffer, head)
            self.device.put(there, content)
            self.device.launch(self._copy, self.memory, self._buffer, words)
            yield from (result for result in ended if result is not None)

    def _attend_one(self, lane: int, column: Words) -> Result | None:
        """Do for one trial what is to be done, on the one lane here; the result if it has ended."""
        lanes, result = self.lanes, None
        trial = self.trials_on.pop(lane, None)
        if trial is not None:
            self.layout.read(np.ascontiguousarray(column))
            self.attention[0], lanes.clock = 0, int(self.at[0])
            index, every = int(lanes.scores.index[0]), self.boundary
            if index > trial.due:  # pauses since have been the device's
                trial.due = min(trial.busy, -(-index // every) * every)
            self.running = {0: trial}
            trial.result.seconds += self._spent - self._begun[lane]
            result = self._attend(0)
        if not self.running:
            lanes.clock, lanes.sequences.active[0] = int(lanes.sequences.write[0]), False  # what was written ahead is void
            self._start(0)
        if self.running:
            self.trials_on[lane] = self.running.pop(0)
            self._begun[lane] = self._spent
        self.nets.set_rates(lanes.scores.index)
        self.at[0] = lanes.clock
        self.layout.write(column)
        return result

    def _arm(self, lane: int, trial: Trial) -> None:
        """Set the next pauses; those at which only the weights are looked at are left to the device."""
        super()._arm(lane, trial)
        pause = int(self.lanes.scores.pause_at[lane])
        alone = pause == trial.due < trial.busy and not self.policy.last
        later = self.plan[np.searchsorted(self.plan, pause - 1, side="right") :]
        limit = [trial.limit] if trial.limit >= pause else []
        self.halt[0] = min([trial.busy, *later[:1], *limit]) if alone else pause

    def progress(self) -> list[Progress]:
        """Return how far the trials under way had come when the device was last asked; only one thread may ask it."""
        return self._standing

    def _standings(self) -> list[Progress]:
        scores = self.lanes.scores
        steps, index = self._row(scores.steps), self._row(scores.index)
        sums = self.device.get(self._address(scores.sums), 3 * self.threads).view(np.float64).reshape(3, -1)
        means = sums / np.clip(index, 1, scores.ring.shape[1])
        return [Progress(int(steps[n]), int(index[n]), float(means[0, n]), float(means[2, n])) for n in self.trials_on]


def refuse(config: Experiment, variants: Variants | None) -> None:
    """Refuse what cannot run on a GPU.

    Raises
    ------
    ValueError
        Naming the learner or the task.
    """
    made = new_learner(config, 1) if issubclass(learner(config.learner), LaneLearner) else None
    if not isinstance(made, LaneLearner) or made.sound is None:
        raise refusal(
            "learner", config.learner, "with device='cuda' one whose trials go lane by lane, such as a small 'lstm'"
        )
    if not getattr(config.settings, "plain", True):
        allowed = "with device='cuda' 'sgd' without clip and rate_decay"
        raise refusal("optimiser", vars(config.settings)["optimiser"], allowed)
    if not isinstance(config.task, CompiledTask) or not type(config.task).__module__.startswith("lstmsim."):
        raise refusal("task", config.task.name, "with device='cuda' one of lstmsim's own that is compiled")
    if variants is not None and len(variants.tasks) > 1:
        raise refusal("the number of tasks that share lanes", len(variants.tasks), "1 with device='cuda'")


def simulation_on(
    device: Literal["cpu", "cuda"],
    config: Experiment,
    seed: int,
    lanes: int,
    policy: Policy,
    variants: Variants | None = None,
) -> Simulation | OneByOne:
    """Return what runs the trials of a configuration on a device; see `simulation_for`.

    Raises
    ------
    ValueError
        If the device is not there, or cannot run them.
    """
    check("device", device, Literal["cpu", "cuda"])
    run = DeviceSimulation if device == "cuda" else simulation_for
    return run(config, seed, lanes, policy, variants)


def run_trials(
    config: Experiment, seed: int, trials: Sequence[int], device: Literal["cpu", "cuda"] = "cpu"
) -> Iterator[Result]:
    """Run trials of one configuration that share a task, nothing recorded; each is yielded when it has ended.

    Parameters
    ----------
    config : Experiment
        Task, learner and stopping rule; the task as all of the trials meet it (`Task.for_trial`).
    seed : int
        Seed of the run.
    trials : sequence of int
        Numbers of the trials.
    device : {"cpu", "cuda"}
        One core, or the first GPU.

    Raises
    ------
    ValueError
        If the device is not there, or cannot run them.
    """
    most = THREADS if device == "cuda" else 16
    lanes = min(most, 1 << max(0, len(trials) - 1).bit_length())
    return simulation_on(device, config, seed, lanes, Policy.parse("none")).run(iter(trials))
