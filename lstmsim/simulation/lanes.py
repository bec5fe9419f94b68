"""Lanes of one learner on one task: the sequences it reads, the scores it keeps, what it records, the common clock."""

from __future__ import annotations

import time

import numpy as np

from lstmsim.kernels.arrays import Ints
from lstmsim.kernels.compile import called
from lstmsim.kernels.recording import Record, lanes_in_need
from lstmsim.kernels.scores import RUNNING, clear, lane_state, new_scores, restore
from lstmsim.kernels.sequences import rewind
from lstmsim.learners.base import State, StepLearner
from lstmsim.learners.weights import Floats
from lstmsim.simulation.variants import TaskOfLanes
from lstmsim.tasks import Task

BLOCK = 4096  # steps written ahead for every lane at first
_MOST = 131_072  # input numbers of all lanes written ahead, a megabyte, where that is more and stretches are short
_SHORT = 0.02  # seconds
RECORDED = 1000  # steps of a stream that are recorded, and those up to the end of the task's sequence then under way


def longest(task: Task) -> int:
    """Most steps between two resets: those of a sequence, or of a stream."""
    steps, sequences = task.stream_steps, task.stream_sequences
    ends = [steps] * (steps > 0) + [sequences * task.max_length] * (sequences > 0)
    return min(ends, default=task.max_length)


def recorded_room(task: Task) -> int:
    """Rows that the steps of a sequence, or of a stream, may take."""
    return task.max_length + (RECORDED if task.stream_steps or task.stream_sequences else 0)


class Lanes:
    """One learner on one task.

    Parameters
    ----------
    task : Task
        What writes the sequences.
    learner : StepLearner
        What reads them.
    record : Record
        What takes recorded steps.
    results : int
        Sequences of each lane whose results are kept.
    block : int, optional
        Steps that are written ahead. If not given, the fewer lanes and inputs, the more: between two stretches of a few
        hundred microseconds Python would take a tenth of the time. Results do not depend on it.
    window, error_bound, squared_error
        As the stopping rule has them.
    """

    def __init__(
        self,
        task: Task | TaskOfLanes,
        learner: StepLearner,
        record: Record,
        *,
        results: int = 0,
        block: int | None = None,
        window: int = 1,
        error_bound: float = 0.0,
        squared_error: bool = False,
    ) -> None:
        self.task, self.learner, self.record = task, learner, record
        first = max(BLOCK if block is None else block, 2 * task.max_length)
        most = _MOST // (learner.lanes * (1 if task.symbols else task.n_inputs)) if block is None else block
        self.ahead, self.block = first, max(first, most)
        self._until: int | None = None  # clock up to which all lanes in use hold sequences; None: to be looked up
        self._horizon, self._short = 0, True
        self._found = np.empty(learner.lanes, np.int64)
        self.sequences = task.room(learner.lanes, self.block + 1)
        self.scores = new_scores(
            learner.lanes,
            window=window,
            tolerance=task.tolerance,
            error_bound=error_bound,
            squared_error=squared_error,
            ranking=task.ranking,
            results=results,
            streams=(task.stream_steps, task.stream_sequences),
        )
        self.start = np.zeros(learner.lanes, np.int64)
        self.clock = 0

    def begin(self, lane: int | slice, key: int, index: int | Ints = 0, taken: int | None = None) -> None:
        """Put a lane, or several, before sequence number `index` of the trial that `key` names.

        `taken` is the number of the task's sequences before it, where that is another.
        """
        sequences, record, self._until = self.sequences, self.record, None
        sequences.event[self.clock :, lane] = 0
        sequences.write[lane], sequences.index[lane] = self.clock, index if taken is None else taken
        sequences.key[lane], sequences.active[lane] = key, True
        self.start[lane] = index
        clear(self.scores, lane, index)
        self.scores.taken[lane] = sequences.index[lane]
        record.used[lane] = record.place[lane] = 0
        record.begun[lane] = record.tick[0]
        planned = np.isin(index, record.plan) | (np.asarray(index) < record.first)
        record.on[lane] = planned | (record.every > 0 and np.asarray(index) % record.every == 0)
        self.learner.reset(lane)

    def look_ahead(self, steps: int) -> None:
        """Write so many steps ahead next time, then twice as many, and so on."""
        self.ahead, self._horizon = steps, 0

    def taken(self, lane: int) -> int:
        """Sequences of the task before the next one of a lane's trial."""
        scores = self.scores
        return int((scores.taken if scores.streams else scores.index)[lane])

    def end(self, lane: int) -> None:
        """Take a lane out of use."""
        self.sequences.event[self.clock :, lane] = 0
        self.sequences.active[lane] = False
        self._until = None
        self.scores.flag[lane] = RUNNING
        self.record.on[lane] = False

    def state(self, lane: int) -> State:
        """All that a lane holds between two sequences: an ended sequence has left nothing else."""
        learner = self.learner
        return {
            "scores": lane_state(self.scores, lane),
            "weights": learner.weights(lane),
            "carried": learner.carried(lane),
        }

    def restore(self, lane: int, key: int, index: int, state: State) -> None:
        """Put a lane where `state` was taken, before sequence number `index`."""
        self.begin(lane, key, index, int(state["scores"]["taken"]) if self.scores.streams else None)
        self.learner.set_weights(lane, state["weights"])
        self.learner.set_carried(lane, state["carried"])
        restore(self.scores, lane, state["scores"])

    def advance(self, *, learn: bool) -> None:
        """Go on until a lane needs attention or what is written ahead is used up."""
        sequences = self.sequences
        if self._until is None:
            written = sequences.write[sequences.active]
            if not written.size:
                return
            self._until = int(written.min())
        if self.clock >= self._until:
            self._until = None  # a task may raise
            if self.clock >= self._horizon // 2:  # else a lane that has begun catches up with the others
                called(rewind, sequences, self.clock)
                self.clock, self._horizon = 0, self.ahead
                if self._short:
                    self.ahead = min(2 * self.ahead, self.block)
            self.task.write(sequences, self._horizon)
            self._until = int(sequences.write[sequences.active].min())
        began, until = time.perf_counter(), self._until
        self.clock = self.learner.advance(sequences, self.scores, self.record, self.clock, until, learn=learn, track=learn)
        self._short = time.perf_counter() - began < _SHORT

    def needing_attention(self) -> list[int]:
        """Lanes whose flag says so, or whose progress or recorded rows have filled the room."""
        count = called(lanes_in_need, self.scores, self.record, self.sequences.active, self._found)
        numbers: list[int] = self._found[:count].tolist() if count else []
        return numbers

    def wrong(self) -> int:
        """Finished sequences of all lanes that are not correct, where results are kept."""
        results, first, last = self.scores.results, self.start, self.scores.index
        return sum(int((results[n, first[n] : last[n], 3] == 0).sum()) for n in range(self.learner.lanes))

    def rows_are_full(self, lane: int) -> bool:
        """Whether the next sequence of a lane might not find room for its recorded rows."""
        return bool(self.record.used[lane] + self.record.room > self.record.rows.shape[1])

    def take_rows(self, lane: int) -> Floats:
        """Recorded steps of a lane since the last call."""
        rows = self.record.rows[lane, : self.record.used[lane]].copy()
        self.record.used[lane] = 0
        return rows

    def take_progress(self, lane: int) -> Floats:
        """Rows of progress of a lane since the last call."""
        rows = self.scores.progress[lane, : self.scores.progress_rows[lane]].copy()
        self.scores.progress_rows[lane] = 0
        return rows
