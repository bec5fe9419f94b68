"""A second set of lanes beside those in training: tests with frozen weights, and replays of a trial's last sequences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lstmsim.kernels.arrays import Ints
from lstmsim.kernels.recording import new_record
from lstmsim.kernels.scores import RUNNING
from lstmsim.learners.base import StepLearner
from lstmsim.learners.weights import Floats, Weights
from lstmsim.simulation.lanes import BLOCK, RECORDED, Lanes, recorded_room
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Test, Trial
from lstmsim.tasks import Task

_MOST_KEPT = 32  # lanes of different tasks or counts
_TEST_BLOCK = 8, 1024  # steps written ahead in tests, which often end at the first sequence that is wrong: doubled each time


class SecondLanes:
    """Lanes for tests and replays, made when they are first needed.

    Parameters
    ----------
    new_learner : callable
        Makes the learner.
    policy : Policy
        What to record.
    plan : ndarray of int
        Sequences that training has recorded.
    """

    def __init__(self, new_learner: Callable[[], StepLearner], policy: Policy, plan: Ints) -> None:
        self.policy, self.plan = policy, plan
        self._new_learner = new_learner
        self._learner: StepLearner | None = None
        self._kept: dict[tuple[Task, int], Lanes] = {}

    def _lanes(self, task: Task, *, count: int, rows: int = 0, first: int = 0, plan: Ints | tuple[()] = ()) -> Lanes:
        """Lanes on any task; those that record nothing are kept."""
        if (task, count) in self._kept and not rows:
            return self._kept[task, count]
        if self._learner is None:
            self._learner = self._new_learner()
        width, room = self._learner.layout.width, recorded_room(task) if rows else 0
        record = new_record(self._learner.lanes, max(rows, 1), width, room, plan, first=first, longest=RECORDED)
        lanes = Lanes(task, self._learner, record, results=count, block=_TEST_BLOCK[1])
        if not rows:
            self._kept[task, count] = lanes
            if len(self._kept) > _MOST_KEPT:  # the oldest goes
                del self._kept[next(iter(self._kept))]
        return lanes

    def test(
        self, trial: Trial, weights: Weights, carried: Floats, count: int, *, fewer_wrong: int = 0, recorded: int = 0
    ) -> Test:
        """Test frozen weights on fresh sequences, split over the lanes.

        Parameters
        ----------
        trial : Trial
            Whose weights they are; no two of its tests have the same sequences.
        weights, carried
            Of the trial's net.
        count : int
            Sequences, in equal shares from each of the task's test sets.
        fewer_wrong : int
            Stop early once so many are wrong; 0: never.
        recorded : int
            Sequences of the last set whose steps go to the trial's result.
        """
        key = int(np.random.SeedSequence((trial.test_key, trial.tests)).generate_state(1, np.uint64)[0])
        trial.tests += 1
        results, wrong, sets = [], 0, trial.task.test_sets()
        share = max(1, count // len(sets))
        for task in sets:
            rows = recorded_room(task) * (recorded + 1) if recorded else 0
            lanes = self._lanes(task, count=share, rows=rows, first=recorded)
            per = -(-share // lanes.learner.lanes)
            begins = np.arange(0, share, per)
            used = slice(0, lanes.learner.lanes if lanes.scores.streams else len(begins))
            lanes.learner.set_weights(used, weights)
            lanes.learner.set_carried(used, carried)
            if lanes.scores.streams:
                tested, kept = _streams(lanes, key, share, fewer_wrong)
                wrong = int((tested[:, 3] == 0).sum())
            else:
                lanes.begin(used, key, begins)
                lanes.look_ahead(_TEST_BLOCK[0])
                lanes.scores.pause_at[used] = np.minimum(begins + per, share)
                while lanes.sequences.active.any() and not (fewer_wrong and wrong >= fewer_wrong):
                    lanes.advance(learn=False)
                    lanes.scores.progress_rows[:] = 0
                    for ended in np.flatnonzero(lanes.scores.flag):
                        lanes.end(int(ended))
                    if fewer_wrong:
                        wrong = lanes.wrong()
                number = np.arange(share)
                tested = lanes.scores.results[number // per, number]
                kept = [lanes.take_rows(lane) for lane in range(lanes.learner.lanes)]
            if recorded and task is sets[-1]:
                trial.result.test_rows = np.concatenate(kept)
            results.append(tested)
            if fewer_wrong and wrong >= fewer_wrong:
                break
        return Test(np.concatenate(results))

    def replay(self, trial: Trial, end: int, keep: Callable[[Floats], None]) -> None:
        """Repeat a trial from a boundary and record its last sequences, up to number `end`: the bits are the same."""
        policy, longest = self.policy, recorded_room(trial.task)
        last = np.arange(max(end - policy.last, 0), end)
        wanted = last[(last >= policy.first) & ~np.isin(last, self.plan)]
        if policy.every:
            wanted = wanted[wanted % policy.every != 0]
        if not wanted.size:
            return
        rows = min(longest * (wanted.size + 1), max(2 * longest, BLOCK))
        lanes = self._lanes(trial.task, count=0, rows=rows, plan=wanted)
        start = [boundary for boundary in trial.boundaries if boundary.sequences <= last[0]][-1]
        lanes.begin(0, trial.key, start.sequences, start.taken)
        lanes.learner.set_weights(0, start.weights)
        lanes.learner.set_carried(0, start.carried)
        for pause in (*dict.fromkeys(joined for joined in trial.result.joined if joined > start.sequences), end):
            lanes.scores.pause_at[0], lanes.scores.flag[0] = pause, RUNNING
            while lanes.scores.flag[0] == RUNNING:
                lanes.advance(learn=True)
                lanes.scores.progress_rows[:] = 0
                if lanes.record.used[0]:
                    keep(lanes.take_rows(0))
            if pause < end:
                lanes.learner.join(0)


def _streams(lanes: Lanes, key: int, count: int, fewer_wrong: int) -> tuple[Floats, list[Floats]]:
    """Results of streams, each with sequences of its own on whichever lane is free, and their recorded rows.

    Once `fewer_wrong` are wrong, if not 0, the others count as wrong too.
    """
    results, rows = np.zeros((count, lanes.scores.results.shape[2])), [lanes.take_rows(0)[:0]] * count
    waiting, under_way, wrong = iter(range(count)), dict[int, int](), 0

    def begin(lane: int) -> None:
        if (number := next(waiting, None)) is not None:
            own = int(np.random.SeedSequence((key, number)).generate_state(1, np.uint64)[0])
            lanes.begin(lane, own, number, 0)
            lanes.scores.pause_at[lane] = number + 1
            under_way[lane] = number

    for lane in range(lanes.learner.lanes):
        begin(lane)
    lanes.look_ahead(_TEST_BLOCK[0])
    while under_way and not (fewer_wrong and wrong >= fewer_wrong):
        lanes.advance(learn=False)
        lanes.scores.progress_rows[:] = 0
        for lane in np.flatnonzero(lanes.scores.flag).tolist():
            number = under_way.pop(lane)
            results[number], rows[number] = lanes.scores.results[lane, number], lanes.take_rows(lane)
            wrong += results[number, 3] == 0
            lanes.end(lane)
            begin(lane)
    for lane in under_way:
        lanes.end(lane)
    return results, rows
