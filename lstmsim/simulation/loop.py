"""The trial loop: lanes of one learner on one task, from the first sequence to the stopping rule and the final test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from lstmsim.kernels.random import trial_keys
from lstmsim.kernels.recording import new_record
from lstmsim.kernels.scores import DIVERGED, REACHED, RUNNING, Progress, milestones, progress_of, window_means
from lstmsim.learners import learner
from lstmsim.learners.base import Status, StepLearner
from lstmsim.learners.weights import Floats
from lstmsim.simulation.config import Experiment
from lstmsim.simulation.frozen import SecondLanes
from lstmsim.simulation.lanes import BLOCK, RECORDED, Lanes, longest, recorded_room
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Boundary, Checkpoints, Result, Trial, TrialQueue, UnderWay, finite
from lstmsim.simulation.variants import STRIDE, TaskOfLanes, Variants
from lstmsim.tasks import Task

_BOUNDARY = 200_000  # steps, about, after which a trial's weights are kept for replay
_PATIENCE = 5.0  # seconds in which a run that is to stop waits for the ends of sequences
_TURN = 100_000, 10_000_000  # steps after which a trial makes room for one that waits: an eighth of its cap, within these


def boundary(task: Task) -> int:
    """Sequences of a task after which every trial pauses."""
    return max(50, _BOUNDARY // task.max_length)


def new_learner(config: Experiment, lanes: int) -> StepLearner:
    """Make the learner of an experiment, on so many lanes if it takes them."""
    cls = learner(config.learner)
    assert issubclass(cls, StepLearner)
    return cls.make(config.settings, lanes, symbols=config.task.symbols)


class Simulation:
    """Trials of one configuration on the lanes of one core.

    Parameters
    ----------
    config : Experiment
        Task, learner and stopping rule.
    seed : int
        Seed of the run; a trial's random numbers come from (seed, trial).
    lanes : int
        Trials advanced together; the results do not depend on it.
    policy : Policy
        What to record.
    variants : Variants, optional
        Experiments whose trials share the lanes, `config` among them; nothing is recorded then.
    """

    _block: int | None = None  # steps written ahead, where not what `Lanes` chooses
    _new_learner = staticmethod(new_learner)

    def __init__(self, config: Experiment, seed: int, lanes: int, policy: Policy, variants: Variants | None = None) -> None:
        self.config, self.seed, self.policy, self.variants = config, seed, policy, variants
        self.task, self.stop = config.task, config.stop

        self.learner = self._new_learner(config, lanes)
        self.learner.check(window=self.stop.window)
        self.plan = policy.plan(self.stop.max_sequences)
        self.second = SecondLanes(partial(new_learner, config, lanes), policy, self.plan)
        self.of_lanes = TaskOfLanes([self.task] if variants is None else variants.tasks)
        steps = max(map(longest, self.of_lanes.tasks))
        stored = self.learner.memory(steps)
        try:
            np.empty(stored, np.uint8)  # too much fails here, before the first trial
        except MemoryError:
            raise MemoryError(f"a sequence of up to {steps:,} steps is stored in {stored / 2**30:,.1f} GiB") from None
        rows = room = 0
        if self.plan.size or policy.first or policy.every:
            room = recorded_room(self.task)
            rows = max(2 * room, BLOCK if policy.every == 1 else 0)
        width, rule = self.learner.layout.width, {"first": policy.first, "every": policy.every, "longest": RECORDED}
        self.lanes = Lanes(
            self.task if variants is None else self.of_lanes,
            self.learner,
            new_record(self.learner.lanes, rows, width, room, self.plan, **rule),
            block=self._block,
            window=self.stop.window,
            error_bound=self.stop.error_bound,
            squared_error=self.stop.squared_error,
        )
        self.running: dict[int, Trial] = {}
        self._share = 0.0  # seconds that a trial would have taken, had it been on a lane all the time
        self.trials: Iterator[int] = iter(())
        self.on_rows: Callable[[int, Floats], None] | None = None
        self.checkpoints: Checkpoints | None = None

    def run(
        self,
        trials: Iterator[int],
        on_rows: Callable[[int, Floats], None] | None = None,
        on_progress: Callable[[UnderWay], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> Iterator[Result]:
        """Advance the trials that the iterator names until it is empty; each is yielded when it has ended.

        Parameters
        ----------
        trials : iterator of int
            Trial numbers; may be shared between threads. With a `TrialQueue` and checkpoints, the last ones take turns on
            the lanes when fewer wait than there are lanes: they end at about the same time, and no lane is idle before.
        on_rows : callable, optional
            Takes (trial, recorded rows) as they come; kept in the result otherwise.
        on_progress : callable, optional
            Called with this simulation after every stretch of steps; an exception it raises ends the run.
        checkpoints : Checkpoints, optional
            Where unfinished trials are kept. Trials found there go on from their checkpoints; when it is stopping, the run
            ends with a last checkpoint of every trial under way; one whose sequence, such as a long stream, does not end
            within a few seconds is left at the checkpoint before.
        """
        self.on_rows, self.checkpoints, self.trials, asked = on_rows, checkpoints, trials, 0.0
        for lane in range(self.learner.lanes):
            self._start(lane)
        while self.running:
            began = time.thread_time()
            self.lanes.advance(learn=True)
            self._share += (time.thread_time() - began) / len(self.running)
            for lane in self.lanes.needing_attention():
                began, trial = time.thread_time(), self.running[lane]
                result = self._attend(lane)
                trial.result.seconds += time.thread_time() - began
                if result is not None:
                    yield result
                if lane not in self.running:
                    self._start(lane)
            if checkpoints is not None and checkpoints.due():
                for lane, trial in self.running.items():
                    trial.save = True
                    self.lanes.scores.pause_at[lane] = self.lanes.scores.index[lane] + 1
                asked = asked or time.monotonic()
                if not checkpoints.stopping:
                    asked = 0.0
                elif time.monotonic() - asked > _PATIENCE:
                    return
            if on_progress is not None:
                on_progress(self)

    def progress(self) -> list[Progress]:
        """Return how far the trials under way have come."""
        return [progress_of(self.lanes.scores, lane) for lane in list(self.running)]

    def _start(self, lane: int) -> None:
        """Give a lane the next waiting trial, if there is one."""
        if self.checkpoints is not None and self.checkpoints.stopping:
            return
        number = next(self.trials, None)
        if number is None:
            return
        began = time.thread_time()
        config, of_config = (self.config, number) if self.variants is None else self.variants.of(number)
        if self.variants is not None:
            self.of_lanes.of_lane[lane] = config.task
            self.learner.settle(lane, config.settings)
        key, test_key, *_ = (int(key) for key in trial_keys(self.seed, of_config))
        self.learner.start(lane, (self.seed, of_config))
        self.lanes.begin(lane, key)
        weights = self.learner.weights(lane)
        first = Boundary(0, weights, self.learner.carried(lane), 0)
        trial = Trial(Result(number, self.seed, initial=weights), config.task, config.stop, key, test_key, [first])
        if self.policy.spread:
            trial.result.snapshots.append((0, weights))
        state = self.checkpoints.load(number) if self.checkpoints is not None else None
        if state is not None:
            trial.restore(state, self.policy.last)
            done = trial.result.sequences
            self.lanes.restore(lane, key, done, state)
            trial.mark(Boundary(done, state["weights"], state["carried"], self.lanes.taken(lane)), self.policy.last)
        eighth = config.stop.max_sequences * config.task.max_length // 8
        trial.turn = int(self.lanes.scores.steps[lane]) + min(max(eighth, _TURN[0]), _TURN[1])
        trial.since = self._share
        trial.limit = 0 if self.variants is None else self.variants.limits.get(number // STRIDE, 0)
        self.running[lane] = trial
        self._arm(lane, trial)
        trial.result.seconds += time.thread_time() - began

    def _arm(self, lane: int, trial: Trial) -> None:
        """Set the lane's scores for the trial's next stage and the next number of sequences at which it pauses."""
        scores, stop, index = self.lanes.scores, trial.stop, int(self.lanes.scores.index[lane])
        stage = stop.conditions[trial.stage]
        judged_in_training = stage.test == 0
        scores.fewer_wrong[lane] = stage.wrong + 1 if judged_in_training else 0
        scores.error_limit[lane] = np.inf if stage.error is None else stage.error
        pauses = [stop.max_sequences]
        if not judged_in_training:
            pauses.append(index - index % stop.test_every + stop.test_every)
        if n := self.learner.growth_window(lane):
            pauses.append(index - index % n + n)
        trial.busy, every = min(pauses), boundary(trial.task)
        trial.due = min(trial.busy, index - index % every + every)
        snapshots = self.plan[np.searchsorted(self.plan, index, side="right") :]
        limit = [trial.limit] if trial.limit > index else []
        scores.pause_at[lane] = min([trial.due, *snapshots[:1], *limit])
        scores.flag[lane] = RUNNING

    def _attend(self, lane: int) -> Result | None:
        """Collect what a lane has left, and act on its flag; the result if its trial has ended."""
        scores, trial = self.lanes.scores, self.running[lane]
        flag, index = scores.flag[lane], int(scores.index[lane])
        if scores.progress_rows[lane]:
            trial.progress.append(self.lanes.take_progress(lane))
        if self.lanes.rows_are_full(lane):
            self._keep(trial, self.lanes.take_rows(lane))
        if flag == RUNNING:
            return None
        status = Status.DIVERGED if flag == DIVERGED else Status.RUNNING
        if flag == REACHED:
            status = self._reach(trial, index)
        if status == Status.RUNNING and index >= scores.pause_at[lane]:  # a stage may be reached where a pause is due
            status = self._pause(lane, trial, index)
        if status != Status.RUNNING:
            return self._finish(lane, trial, status)
        if not self._leave(lane, trial):
            self._arm(lane, trial)
        return None

    def _leave(self, lane: int, trial: Trial) -> bool:
        """Save the trial where that is due; whether it leaves its lane, for one that waits or because the run stops.

        It makes room when its turn is over and trials wait, but too few to fill the lanes. It leaves for good at its limit.
        """
        if self.checkpoints is None:
            return False
        queue = self.trials if isinstance(self.trials, TrialQueue) else None
        makes_room = (
            queue is not None and self.lanes.scores.steps[lane] >= trial.turn and 0 < len(queue) < self.learner.lanes
        )
        at_limit = 0 < trial.limit <= self.lanes.scores.index[lane]
        if not (trial.save or makes_room or at_limit):
            return False
        trial.save = False
        self._count_time(trial)
        trial.result.sequences = int(self.lanes.scores.index[lane])
        self._keep(trial, self.lanes.take_rows(lane))
        self.checkpoints.save(trial.result.trial, trial.state() | self.lanes.state(lane))
        if not (makes_room or at_limit or self.checkpoints.stopping):
            return False
        self.lanes.end(lane)
        del self.running[lane]
        self.checkpoints.leave(trial.result.trial)
        if queue is not None and at_limit:
            queue.ended(trial.result.trial)
        elif queue is not None:
            queue.put_back(trial.result.trial, progress_of(self.lanes.scores, lane))
        return True

    def _count_time(self, trial: Trial) -> None:
        """Enter the time on a lane since it was entered last."""
        trial.result.seconds += self._share - trial.since
        trial.since = self._share

    def _keep(self, trial: Trial, rows: Floats) -> None:
        if self.on_rows is None:
            trial.result.rows.append(rows)
        else:
            self.on_rows(trial.result.trial, rows)

    def _reach(self, trial: Trial, index: int) -> Status:
        """Note that the trial's stage is reached; it is solved if that was the last."""
        trial.result.stages[trial.stop.conditions[trial.stage].name] = index
        trial.stage += 1
        return Status.SOLVED if trial.stage == len(trial.stop.conditions) else Status.RUNNING

    def _pause(self, lane: int, trial: Trial, index: int) -> Status:
        """Snapshot, growth and test, whatever is due at this number of sequences."""
        stop, weights = trial.stop, self.learner.weights(lane)
        # Only where every trial pauses: what is recorded and when checkpoints are taken must not decide.
        if index >= trial.due and not finite(weights):
            return Status.DIVERGED
        if index in self.plan:
            trial.result.snapshots.append((index, weights))
        if (n := self.learner.growth_window(lane)) and index % n == 0:
            self._grow(lane, trial, index)
            weights = self.learner.weights(lane)
        carried = self.learner.carried(lane)
        trial.mark(Boundary(index, weights, carried, self.lanes.taken(lane)), self.policy.last)
        stage = stop.conditions[trial.stage]
        if stage.test and index % stop.test_every == 0:
            test = self.second.test(trial, weights, carried, stage.test, fewer_wrong=stage.wrong + 1)
            while test.passes(stage, squared=stop.squared_error):
                if self._reach(trial, index) == Status.SOLVED:
                    return Status.SOLVED
                stage = stop.conditions[trial.stage]
        return Status.GAVE_UP if index >= stop.max_sequences else Status.RUNNING

    def _grow(self, lane: int, trial: Trial, index: int) -> None:
        """Ask the learner whether units are to join."""
        ring, joined = self.lanes.scores.ring[lane], trial.result.joined

        def errors(n: int) -> Floats:
            return ring[np.arange(index - n, index) % len(ring), 0]

        joined += [index] * self.learner.grow(lane, errors, index - (joined[-1] if joined else 0))

    def _finish(self, lane: int, trial: Trial, status: Status) -> Result:
        """Final test and replay of the last sequences; the lane is free afterwards."""
        scores, result = self.lanes.scores, trial.result
        self._count_time(trial)
        result.sequences, result.steps = int(scores.index[lane]), int(scores.steps[lane])
        result.milestones = milestones(scores, lane)
        result.progress = np.concatenate([np.zeros((0, 4)), *trial.progress])
        if result.sequences > (result.progress[-1, 0] if len(result.progress) else 0):
            result.progress = np.concatenate([result.progress, window_means(scores, lane)])
        result.final = self.learner.weights(lane)
        result.status = status if finite(result.final) else Status.DIVERGED
        carried = self.learner.carried(lane)
        self._keep(trial, self.lanes.take_rows(lane))
        self.lanes.end(lane)
        del self.running[lane]
        if result.status != Status.DIVERGED:
            if self.policy.last:
                self.second.replay(trial, result.sequences, lambda rows: self._keep(trial, rows))
            if n := trial.stop.final_test:
                test = self.second.test(trial, result.final, carried, n, recorded=self.policy.tests)
                result.test = test.results
        return result
