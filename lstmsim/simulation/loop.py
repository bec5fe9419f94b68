"""The trial loop: lanes of one learner on one task, from the first sequence to the stopping rule and the final test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lstmsim.kernels import scores as scoring
from lstmsim.kernels.recording import new_record
from lstmsim.kernels.sequences import new_sequences, rewind
from lstmsim.learners import learner
from lstmsim.simulation.config import Config
from lstmsim.simulation.trial import Checkpoints, Floats, Result, Test, Trial, TrialQueue, Weights, finite
from lstmsim.tasks import Task, trial_keys
from lstmsim.trace.policy import Policy

_BLOCK = 4096  # steps written ahead for every lane
_TEST_BLOCK = 8, 1024  # the same in tests, which often end at the first sequence that is wrong: doubled from call to call
_BOUNDARY = 200_000  # steps, about, after which a trial's weights are kept for replay
_TURN = 100_000, 10_000_000  # steps after which a trial makes room for one that waits: an eighth of its cap, within these

MILESTONES = (*(f"correct_{100 * level:g}" for level in scoring.LEVELS), "absolute_error", "squared_error")


class Lanes:
    """One learner on one task: the sequences it reads, the scores it keeps, the clock common to its lanes."""

    def __init__(
        self, task: Task, learner: Any, *, record: Any, results: int = 0, training: Any = None, block: int = _BLOCK
    ) -> None:
        self.task, self.learner = task, learner
        fixed = task.fixed_rows()
        table = np.zeros((len(fixed), -(-task.n_outputs // 8) * 8))
        table[:, : task.n_outputs] = fixed
        self.ahead = self.block = max(block, 2 * task.max_length)
        clocks = self.block + task.max_length + 1
        inputs = 0 if task.symbols else task.n_inputs
        self.sequences = new_sequences(learner.lanes, clocks, inputs, table, clocks // task.min_length + 2)
        options = (
            {}
            if training is None
            else {
                "window": training.window,
                "error_bound": training.error_bound,
                "squared_error": training.squared_error,
            }
        )
        self.scores = scoring.new_scores(
            learner.lanes, tolerance=task.tolerance, ranking=task.ranking, results=results, **options
        )
        self.record = record
        self.start = np.zeros(learner.lanes, np.int64)
        self.clock = 0

    def begin(self, lane: int | slice, key: int, index: Any = 0) -> None:
        """Put a lane, or several, before sequence number `index` of the stream that `key` names."""
        sequences, record = self.sequences, self.record
        sequences.event[self.clock :, lane] = 0
        sequences.write[lane], sequences.index[lane], sequences.key[lane], sequences.active[lane] = (
            self.clock,
            index,
            key,
            True,
        )
        self.start[lane] = index
        scoring.clear(self.scores, lane, index)
        record.used[lane] = record.place[lane] = 0
        record.begun[lane] = record.tick[0]
        planned = np.isin(index, record.plan) | (np.asarray(index) < record.first)
        record.on[lane] = planned | (record.every > 0 and np.asarray(index) % record.every == 0)
        self.learner.reset(lane)

    def end(self, lane: int) -> None:
        """Take a lane out of use."""
        self.sequences.event[self.clock :, lane] = 0
        self.sequences.active[lane] = False
        self.scores.flag[lane] = scoring.RUNNING
        self.record.on[lane] = False

    def advance(self, *, learn: bool) -> None:
        """Go on until a lane needs attention or what is written ahead is used up."""
        sequences, scores, record = self.sequences, self.scores, self.record
        written = sequences.write[sequences.active]
        if not written.size:
            return
        until = int(written.min())
        if self.clock >= until:
            rewind(sequences, self.clock)
            self.clock = 0
            self.task.fill(sequences, self.ahead)
            self.ahead = min(2 * self.ahead, self.block)
            until = int(sequences.write[sequences.active].min())
        self.clock = self.learner.advance(sequences, scores, record, self.clock, until, learn=learn, track=learn)

    def waiting(self) -> list[int]:
        """Lanes that need attention: their flag says so, or their progress or recorded rows have filled the room."""
        scores, record = self.scores, self.record
        full = (record.begun == record.tick[0]) & (record.used + record.room > record.rows.shape[1])
        full |= scores.progress_rows == scores.progress.shape[1]
        full |= scores.flag != scoring.RUNNING
        return np.flatnonzero(full & self.sequences.active).tolist()

    def wrong(self, lane: int) -> int:
        """Finished sequences of a lane that are not correct, where results are kept."""
        done = self.scores.results[lane, self.start[lane] : self.scores.index[lane], 3]
        return int((done == 0).sum())

    def take_rows(self, lane: int) -> Floats:
        """Recorded steps of a lane since the last call."""
        rows: Floats = self.record.rows[lane, : self.record.used[lane]].copy()
        self.record.used[lane] = 0
        return rows


class Simulation:
    """Trials of one configuration on the lanes of one core.

    Parameters
    ----------
    config : Config
        Task, learner and stopping rule.
    seed : int
        Seed of the run; a trial's random numbers come from (seed, trial).
    lanes : int
        Trials advanced together; the results do not depend on it.
    policy : Policy
        What to record.
    """

    def __init__(self, config: Config, seed: int, lanes: int, policy: Policy) -> None:
        self.config, self.seed, self.policy = config, seed, policy
        self.training, task, self.test_sets = config.training, config.task, config.task.test_sets()
        self.learner = learner(config.learner)(config.settings, lanes, symbols=task.symbols)
        lanes = self.learner.lanes
        self.learner.check(window=self.training.window)
        self.plan = policy.plan(self.training.max_sequences)
        room = task.max_length
        recording = self.plan.size or policy.first or policy.every
        record = new_record(
            lanes,
            (max(2 * room, _BLOCK if policy.every == 1 else 0) if recording else 1),
            self.learner.layout.width,
            room if recording else 0,
            self.plan,
            first=policy.first,
            every=policy.every,
        )
        self.lanes = Lanes(task, self.learner, record=record, training=self.training)
        self.running: dict[int, Trial] = {}
        self.spare: Any = None
        self.borrowed: dict[tuple[Task, int], Lanes] = {}
        self.on_rows: Callable[[int, Floats], None] | None = None
        self.checkpoints: Checkpoints | None = None
        self.trials: Iterator[int] = iter(())

    def run(
        self,
        trials: Iterator[int],
        on_rows: Callable[[int, Floats], None] | None = None,
        on_progress: Callable[[Simulation], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> Iterator[Result]:
        """Advance the trials that the iterator names until it is empty; each is yielded when it has ended.

        Parameters
        ----------
        trials : iterator of int
            Trial numbers; may be shared between threads. With `TrialQueue` and checkpoints, the last ones take turns on the
            lanes when fewer wait than there are lanes: they end at about the same time, and no lane is idle before.
        on_rows : callable, optional
            Takes (trial, recorded rows) as they come; kept in the result otherwise.
        on_progress : callable, optional
            Called after every stretch of steps.
        checkpoints : Checkpoints, optional
            Where unfinished trials are kept. Trials found there go on from their checkpoints; when it is stopping, the run
            ends with a last checkpoint of every trial under way.
        """
        self.on_rows, self.checkpoints, self.trials = on_rows, checkpoints, trials
        for lane in range(self.learner.lanes):
            self._start(lane)
        while self.running:
            self.lanes.advance(learn=True)
            for lane in self.lanes.waiting():
                result = self._attend(lane)
                if result is not None:
                    yield result
                if lane not in self.running:
                    self._start(lane)
            if checkpoints is not None and checkpoints.due():
                for lane, trial in self.running.items():
                    trial.save = True
                    self.lanes.scores.pause_at[lane] = self.lanes.scores.index[lane] + 1
            if on_progress is not None:
                on_progress(self)

    def _start(self, lane: int) -> None:
        """Give a lane the next waiting trial, if there is one."""
        if self.checkpoints is not None and self.checkpoints.stopping:
            return
        number = next(self.trials, None)
        if number is None:
            return
        keys = trial_keys(self.seed, number)
        self.learner.start(lane, (self.seed, number))
        self.lanes.begin(lane, int(keys[0]))
        weights = self.learner.weights(lane)
        boundary = (0, weights, self.learner.carried(lane))
        trial = Trial(Result(number, self.seed, initial=weights), int(keys[0]), int(keys[1]), [boundary])
        if self.policy.spread:
            trial.result.snapshots.append((0, weights))
        state = self.checkpoints.load(number) if self.checkpoints is not None else None
        if state is not None:
            self._restore(lane, trial, state)
        eighth = self.training.max_sequences * self.config.task.max_length // 8
        trial.turn = int(self.lanes.scores.steps[lane]) + min(max(eighth, _TURN[0]), _TURN[1])
        self.running[lane] = trial
        self._arm(lane, trial)

    def _state(self, lane: int, trial: Trial) -> dict[str, Any]:
        """All that the trial of a lane consists of between two sequences."""
        return {
            "result": trial.result.state() | {"sequences": int(self.lanes.scores.index[lane])},
            "stage": trial.stage,
            "tests": trial.tests,
            "seconds": time.perf_counter() - trial.started,
            "progress": np.concatenate([np.zeros((0, 4)), *trial.progress]),
            "boundaries": trial.boundaries,
            "scores": scoring.lane_state(self.lanes.scores, lane),
            "weights": self.learner.weights(lane),
            "carried": self.learner.carried(lane),
        }

    def _restore(self, lane: int, trial: Trial, state: dict[str, Any]) -> None:
        """Put a lane where `_state` was taken: an ended sequence has left nothing but what is in it."""
        trial.result.restore(state["result"])
        trial.stage, trial.tests, trial.progress = state["stage"], state["tests"], [state["progress"]]
        trial.started = time.perf_counter() - state["seconds"]
        kept = [(number, weights, carried) for number, weights, carried in state["boundaries"]]
        if kept[0][0] > max(trial.result.sequences - self.policy.last, 0):  # kept for a policy that asked for fewer
            kept = trial.boundaries + kept
        trial.boundaries = kept
        self.lanes.begin(lane, trial.key, trial.result.sequences)
        self.learner.set_weights(lane, state["weights"])
        self.learner.set_carried(lane, state["carried"])
        scoring.restore(self.lanes.scores, lane, state["scores"])
        self._mark(trial, trial.result.sequences, state["weights"], state["carried"])

    def _arm(self, lane: int, trial: Trial) -> None:
        """Set the lane's scores for the trial's next stage and the next sequence number at which it pauses."""
        scores, training, index = self.lanes.scores, self.training, int(self.lanes.scores.index[lane])
        stage = training.stages[trial.stage]
        judged_in_training = stage.test == 0
        scores.fewer_wrong[lane] = stage.fewer_wrong if judged_in_training else 0
        scores.error_limit[lane] = np.inf if stage.error is None else stage.error
        later = self.plan[np.searchsorted(self.plan, index, side="right") :]
        boundary = max(50, _BOUNDARY // self.config.task.max_length)
        pauses = [training.max_sequences, index - index % boundary + boundary]
        if not judged_in_training:
            pauses.append(index - index % training.test_every + training.test_every)
        if n := self.learner.growth_window(lane):
            pauses.append(index - index % n + n)
        trial.due = min(pauses)
        scores.pause_at[lane] = min([trial.due, *later[:1]])
        scores.flag[lane] = scoring.RUNNING

    def _attend(self, lane: int) -> Result | None:
        """Collect what a lane has left, and act on its flag; the result if its trial has ended."""
        scores, trial = self.lanes.scores, self.running[lane]
        result, flag, index = trial.result, int(scores.flag[lane]), int(scores.index[lane])
        if scores.progress_rows[lane]:
            trial.progress.append(scores.progress[lane, : scores.progress_rows[lane]].copy())
            scores.progress_rows[lane] = 0
        record = self.lanes.record
        if record.used[lane] + record.room > record.rows.shape[1]:
            self._keep(result, self.lanes.take_rows(lane))
        if flag == scoring.RUNNING:
            return None
        status = ""
        if flag == scoring.DIVERGED:
            status = "diverged"
        elif flag == scoring.REACHED:
            status = self._reach(trial, index)
        if not status and index >= scores.pause_at[lane]:  # a stage may be reached where a pause is due
            status = self._pause(lane, trial, index)
        if status:
            return self._finish(lane, trial, status)
        rests = self._rests(lane, trial)
        if self.checkpoints is not None and (trial.save or rests):
            trial.save = False
            self._keep(result, self.lanes.take_rows(lane))
            self.checkpoints.save(result.trial, self._state(lane, trial))
            if rests or self.checkpoints.stopping:
                self.lanes.end(lane)
                del self.running[lane]
                self.checkpoints.leave(result.trial)
                if isinstance(self.trials, TrialQueue):
                    self.trials.put_back(result.trial, scoring.progress_of(scores, lane))
                return None
        self._arm(lane, trial)
        return None

    def _rests(self, lane: int, trial: Trial) -> bool:
        """Whether a trial makes room: its turn is over, and trials wait, but too few to fill the lanes."""
        if self.lanes.scores.steps[lane] < trial.turn or not isinstance(self.trials, TrialQueue):
            return False
        return 0 < len(self.trials) < self.learner.lanes

    def _keep(self, result: Result, rows: Floats) -> None:
        if self.on_rows is None:
            result.rows.append(rows)
        else:
            self.on_rows(result.trial, rows)

    def _reach(self, trial: Trial, index: int) -> str:
        """Note that the trial's stage is reached; "solved" if it was the last."""
        trial.result.stages[self.training.stages[trial.stage].name] = index
        trial.stage += 1
        return "solved" if trial.stage == len(self.training.stages) else ""

    def _pause(self, lane: int, trial: Trial, index: int) -> str:
        """Snapshot, growth and test, whatever is due at this number of sequences; the status if the trial has ended."""
        training = self.training
        weights = self.learner.weights(lane)
        # Only where every trial pauses: what is recorded and when checkpoints are taken must not decide.
        if index >= trial.due and not finite(weights):
            return "diverged"
        if index in self.plan:
            trial.result.snapshots.append((index, weights))
        if (n := self.learner.growth_window(lane)) and index % n == 0:
            self._grow(lane, trial, index)
        carried = self.learner.carried(lane)
        self._mark(trial, index, weights, carried)
        stage = training.stages[trial.stage]
        if stage.test and index % training.test_every == 0:
            test = self._test(weights, carried, trial, stage.test, stage.fewer_wrong)
            while test.passes(stage, squared=training.squared_error):
                if self._reach(trial, index):
                    return "solved"
                stage = training.stages[trial.stage]
        return "gave_up" if index >= training.max_sequences else ""

    def _mark(self, trial: Trial, index: int, weights: Weights, carried: Floats) -> None:
        """Keep a place from which the last sequences can be replayed."""
        if self.policy.last and index - trial.boundaries[-1][0] >= self.policy.last:
            trial.boundaries = [trial.boundaries[-1], (index, weights, carried)]

    def _grow(self, lane: int, trial: Trial, index: int) -> None:
        """Ask the learner whether units are to join."""
        ring, joined = self.lanes.scores.ring[lane], trial.result.joined

        def errors(n: int) -> Floats:
            latest: Floats = ring[np.arange(index - n, index) % len(ring), 0]
            return latest

        if self.learner.grow(lane, errors, index - (joined[-1] if joined else 0)):
            joined.append(index)

    def _finish(self, lane: int, trial: Trial, status: str) -> Result:
        """Final test and replay of the last sequences; the lane is free afterwards."""
        scores, result = self.lanes.scores, trial.result
        result.sequences, result.steps = int(scores.index[lane]), int(scores.steps[lane])
        result.milestones = dict(zip(MILESTONES, map(int, scores.milestones[lane]), strict=True))
        result.progress = np.concatenate([np.zeros((0, 4)), *trial.progress])
        result.final = self.learner.weights(lane)
        result.status = status if finite(result.final) else "diverged"
        carried = self.learner.carried(lane)
        self._keep(result, self.lanes.take_rows(lane))
        self.lanes.end(lane)
        del self.running[lane]
        if result.status != "diverged":
            if self.policy.last:
                self._replay(trial, result.sequences)
            if self.training.final_test:
                test = self._test(result.final, carried, trial, self.training.final_test, tests=self.policy.tests)
                result.test = test.results
        result.seconds = time.perf_counter() - trial.started
        return result

    def _borrow(self, task: Task, *, count: int, rows: int = 0, first: int = 0, plan: Any = ()) -> Lanes:
        """Lanes of a second learner, for tests and replays, on any task; those that record nothing are kept."""
        if (task, count) in self.borrowed and not rows:
            return self.borrowed[task, count]
        if self.spare is None:
            config = self.config
            self.spare = learner(config.learner)(config.settings, self.learner.lanes, symbols=config.task.symbols)
        record = new_record(
            self.spare.lanes, max(rows, 1), self.spare.layout.width, task.max_length if rows else 0, plan, first=first
        )
        lanes = Lanes(task, self.spare, record=record, results=count, block=_TEST_BLOCK[1])
        if not rows:
            self.borrowed[task, count] = lanes
        return lanes

    def _test(
        self, weights: Weights, carried: Any, trial: Trial, count: int, fewer_wrong: int = 0, *, tests: int = 0
    ) -> Test:
        """Test frozen weights on fresh sequences, split over the lanes; stop early once `fewer_wrong` are wrong."""
        key = int(np.random.SeedSequence((trial.test_key, trial.tests)).generate_state(1, np.uint64)[0])
        trial.tests += 1
        results, wrong, share = [], 0, max(1, count // len(self.test_sets))
        for test_set in self.test_sets:
            lanes = self._borrow(test_set, count=share, rows=test_set.max_length * (tests + 1) if tests else 0, first=tests)
            per = -(-share // lanes.learner.lanes)
            begins = np.arange(0, share, per)
            used = slice(0, len(begins))
            lanes.learner.set_weights(used, weights)
            lanes.learner.set_carried(used, carried)
            lanes.begin(used, key, begins)
            lanes.ahead = _TEST_BLOCK[0]
            lanes.scores.pause_at[used] = np.minimum(begins + per, share)
            while lanes.sequences.active.any() and not (fewer_wrong and wrong >= fewer_wrong):
                lanes.advance(learn=False)
                lanes.scores.progress_rows[:] = 0
                for ended in np.flatnonzero(lanes.scores.flag):
                    lanes.end(int(ended))
                if fewer_wrong:
                    wrong = sum(map(lanes.wrong, range(lanes.learner.lanes)))
            if tests and test_set is self.test_sets[-1]:
                trial.result.test_rows = np.concatenate([lanes.take_rows(lane) for lane in range(lanes.learner.lanes)])
            number = np.arange(share)
            results.append(lanes.scores.results[number // per, number])
            if fewer_wrong and wrong >= fewer_wrong:
                break
        return Test(np.concatenate(results))

    def _replay(self, trial: Trial, end: int) -> None:
        """Repeat the trial from a boundary and record its last sequences: the bits are the same."""
        task, policy = self.config.task, self.policy
        last = np.arange(max(end - policy.last, 0), end)
        wanted = last[(last >= policy.first) & ~np.isin(last, self.plan)]
        if policy.every:
            wanted = wanted[wanted % policy.every != 0]
        if not wanted.size:
            return
        rows = min(task.max_length * (wanted.size + 1), max(2 * task.max_length, _BLOCK))
        lanes = self._borrow(task, count=0, rows=rows, plan=wanted)
        start, weights, carried = [b for b in trial.boundaries if b[0] <= last[0]][-1]
        lanes.begin(0, trial.key, start)
        lanes.learner.set_weights(0, weights)
        lanes.learner.set_carried(0, carried)
        for stop in (*(joined for joined in trial.result.joined if joined > start), end):
            lanes.scores.pause_at[0], lanes.scores.flag[0] = stop, scoring.RUNNING
            while lanes.scores.flag[0] == scoring.RUNNING:
                lanes.advance(learn=True)
                lanes.scores.progress_rows[:] = 0
                if lanes.record.used[0]:
                    self._keep(trial.result, lanes.take_rows(0))
            if stop < end:
                lanes.learner.join(0)
