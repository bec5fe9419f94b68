"""What is kept of every trial in training: errors of its latest sequences, milestones, progress, the stopping rule."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from lstmsim.kernels.arrays import Array, Flags, Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, fma, lane_max, lane_sum, load_at, magnitude, select, splat


class Flag(IntEnum):
    """Why a lane needs attention."""

    RUNNING = 0  # it does not
    PAUSED = 1  # it has come to `pause_at`
    REACHED = 2  # the stage of the stopping rule is reached
    DIVERGED = 3  # an error is not finite


RUNNING, PAUSED, REACHED, DIVERGED = Flag
LEVELS = (0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
MILESTONES = (*(f"correct_{100 * level:g}" for level in LEVELS), "absolute_error", "squared_error")
_LEVELS = np.array(LEVELS)
_ENDLESS = int(np.iinfo(np.int64).max)


class Scores(Struct):
    """Per lane: counts, the latest `window` sequences, milestones, progress rows."""

    index: Ints  # (lane,) int: sequences finished
    steps: Ints  # (lane,) int: steps done
    pause_at: Ints  # (lane,) int: number of sequences at which to hand over to Python
    flag: Ints  # (lane,) int: RUNNING, PAUSED, REACHED or DIVERGED
    ring: Floats  # (lane, window, 3): mean |error|, mean squared error and correctness of the latest sequences
    sums: Floats  # (lane, 3): sums over the ring
    current: Floats  # (lane, 4): sums of |e|, e**2, count and largest |e| of the running sequence
    ranked: Flags  # (lane,) bool: the running sequence's rankings are right so far
    milestones: Ints  # (lane, 8) int: sequences at which each LEVEL, then the two error bounds, was first met; -1
    progress: Floats  # (lane, row, 4): sequences seen, then the means over the window
    progress_rows: Ints  # (lane,) int: rows in use
    # (lane, row, 4): largest |e|, mean |e|, mean e**2, correct, of each sequence; no rows, none kept. (lane, row, 6) of
    # streams: their steps too, and the task's sequences that were right.
    results: Floats
    fewer_wrong: Ints  # (lane,) int: the stage is reached with fewer wrong of the latest `window`; 0: never
    error_limit: Floats  # (lane,) and with a mean error below this
    tolerance: float
    error_bound: float
    squared_error: bool  # the stage's mean error is the squared one
    ranking: bool
    streams: bool  # what is counted and judged as one sequence is a stream of the task's, see lstmsim.kernels.streams
    stream_steps: int  # steps after which a stream ends
    stream_sequences: int  # and sequences of the task
    right: Ints  # (lane,) int: sequences of the task that the running stream has passed without an error
    taken: Ints  # (lane,) int: number of the task's next sequence, where there are streams
    idle: Ints  # (lane,) int: 0, or 1, then 2 after the end of a stream until its last sequence, cut short, is over


def new_scores(
    lanes: int,
    *,
    window: int = 1,
    tolerance: float = 0.0,
    error_bound: float = 0.0,
    squared_error: bool = False,
    ranking: bool = False,
    results: int = 0,
    streams: tuple[int, int] = (0, 0),
) -> Scores:
    """Empty scores; without arguments they only count."""

    def ints(value: int = 0) -> Ints:
        return np.full(lanes, value, np.int64)

    return Scores(
        index=ints(),
        steps=ints(),
        pause_at=ints(_ENDLESS),
        flag=ints(RUNNING),
        ring=np.zeros((lanes, window, 3)),
        sums=np.zeros((lanes, 3)),
        current=np.zeros((lanes, 4)),
        ranked=np.ones(lanes, np.bool_),
        milestones=np.full((lanes, len(LEVELS) + 2), -1),
        progress=np.zeros((lanes, 64, 4)),
        progress_rows=ints(),
        results=np.zeros((lanes, results, 6 if any(streams) else 4)),
        fewer_wrong=ints(),
        error_limit=np.full(lanes, np.inf),
        tolerance=float(tolerance),
        error_bound=float(error_bound),
        squared_error=bool(squared_error),
        ranking=bool(ranking),
        streams=any(streams),
        stream_steps=streams[0] or _ENDLESS,
        stream_sequences=streams[1] or _ENDLESS,
        right=ints(),
        taken=ints(),
        idle=ints(),
    )


def clear(scores: Scores, lane: int | slice, index: int | Ints = 0) -> None:
    """Begin the scores of a lane, or of several, anew, before sequence number `index`."""
    for array in (
        scores.steps,
        scores.flag,
        scores.ring,
        scores.sums,
        scores.current,
        scores.progress_rows,
        scores.fewer_wrong,
        scores.right,
        scores.taken,
        scores.idle,
    ):
        array[lane] = 0
    scores.index[lane], scores.ranked[lane], scores.milestones[lane] = index, True, -1
    scores.pause_at[lane], scores.error_limit[lane] = _ENDLESS, np.inf


_KEPT = ("steps", "ring", "sums", "milestones", "taken")


def lane_state(scores: Scores, lane: int) -> dict[str, Array]:
    """Copies of what a lane's scores say of its trial between two sequences, but for the number of sequences."""
    return {name: np.array(getattr(scores, name)[lane]) for name in _KEPT}


def restore(scores: Scores, lane: int, state: dict[str, Array]) -> None:
    """Enter what `lane_state` gave, after `clear`."""
    for name in _KEPT:
        getattr(scores, name)[lane] = state[name]


class Progress(NamedTuple):
    """How far a trial has come."""

    steps: int
    sequences: int
    error: float  # mean |error| of its latest sequences
    correct: float  # fraction of them


def progress_of(scores: Scores, lane: int) -> Progress:
    """Return how far a lane's trial has come."""
    seen = int(scores.index[lane])
    window = max(1, min(seen, scores.ring.shape[1]))
    return Progress(int(scores.steps[lane]), seen, *(float(scores.sums[lane, q] / window) for q in (0, 2)))


def window_means(scores: Scores, lane: int) -> Floats:
    """Return a row of progress as it stands now: sequences seen, then the means over the window; shape (1, 4)."""
    seen = int(scores.index[lane])
    return np.array([[seen, *(scores.sums[lane] / min(seen, scores.ring.shape[1]))]])


def milestones(scores: Scores, lane: int) -> dict[str, int | None]:
    """Sequences after which a lane's trial first met each milestone; None where it has not."""
    return {name: int(n) if n >= 0 else None for name, n in zip(MILESTONES, scores.milestones[lane], strict=True)}


@inlined
def judge_step(shape, scores, state, targets, lane, row):
    """Compare the outputs `state.y_k` (lane, output) of one step with a row of `targets`; changes the lane's `scores`."""
    if scores.ranking:
        worst, best = np.inf, -np.inf
        for k in range(shape.outputs):
            y = state.y_k[lane, k]
            if targets[row, k] > 0.0:
                worst = min(worst, y)
            else:
                best = max(best, y)
        scores.ranked[lane] &= worst > best
    wide, first = state.y_k.shape[1], row * targets.shape[1]
    whole = shape.outputs - shape.outputs % 8
    sums, squares, largest = splat(UNITS, 0.0), splat(UNITS, 0.0), splat(UNITS, 0.0)
    for k in range(0, whole, 8):
        error = magnitude(load_at(UNITS, targets, first + k) - load_at(UNITS, state.y_k, lane * wide + k))
        sums, squares = sums + error, fma(error, error, squares)
        largest = select(error > largest, error, largest)
    total, square, most = lane_sum(sums), lane_sum(squares), lane_max(largest)
    for k in range(whole, shape.outputs):
        error_k = abs(targets[row, k] - state.y_k[lane, k])
        total += error_k
        square += error_k * error_k
        most = max(most, error_k)
    scores.current[lane, 0] += total
    scores.current[lane, 1] += square
    scores.current[lane, 3] = max(scores.current[lane, 3], most)
    scores.current[lane, 2] += shape.outputs


@inlined
def close_sequence(scores, lane, steps):
    """Enter the finished sequence into the lane's `scores`; set its flag if it pauses, has reached its stage or diverged."""
    scores.steps[lane] += steps
    current, ring = scores.current[lane], scores.ring[lane]
    window = ring.shape[0]
    count = max(current[2], 1.0)
    absolute, squared = current[0] / count, current[1] / count
    correct = scores.ranked[lane] if scores.ranking else current[3] < scores.tolerance
    place = scores.index[lane] % window
    if place == 0:
        for q in range(3):
            total = 0.0
            for n in range(window):
                total += ring[n, q]
            scores.sums[lane, q] = total
    for q in range(3):
        value = absolute if q == 0 else squared if q == 1 else 1.0 if correct else 0.0
        scores.sums[lane, q] += value - ring[place, q]
        ring[place, q] = value
    if scores.results.shape[1] > 0:
        row = scores.index[lane] % scores.results.shape[1]
        scores.results[lane, row, 0] = current[3]
        scores.results[lane, row, 1] = absolute
        scores.results[lane, row, 2] = squared
        scores.results[lane, row, 3] = 1.0 if correct else 0.0
        if scores.streams:
            scores.results[lane, row, 4], scores.results[lane, row, 5] = steps, scores.right[lane]
    for q in range(4):
        current[q] = 0.0
    scores.ranked[lane], scores.right[lane] = True, 0
    scores.index[lane] += 1
    if not np.isfinite(absolute):
        scores.flag[lane] = DIVERGED
    elif scores.index[lane] >= window:
        _milestones(scores, lane, window)
    if index_is_logged(scores.index[lane]):
        row, seen = scores.progress_rows[lane], min(scores.index[lane], window)
        scores.progress[lane, row, 0] = scores.index[lane]
        for q in range(3):
            scores.progress[lane, row, 1 + q] = scores.sums[lane, q] / seen
        scores.progress_rows[lane] += 1
    if scores.index[lane] >= scores.pause_at[lane] and scores.flag[lane] == RUNNING:
        scores.flag[lane] = PAUSED


@inlined
def index_is_logged(index):
    """Whether progress is noted after this many sequences: every 100 up to 10,000, every 1,000 beyond."""
    return index % 1000 == 0 or (index <= 10_000 and index % 100 == 0)


@inlined
def _milestones(scores, lane, window):
    """Note the first time each level is met, and flag the stage as reached, from the latest `window` sequences."""
    index, sums = scores.index[lane], scores.sums[lane]
    for q in range(len(_LEVELS)):
        if scores.milestones[lane, q] < 0 and sums[2] >= _LEVELS[q] * window - 0.5 / window:
            scores.milestones[lane, q] = index
    for q in range(2):
        if scores.milestones[lane, len(_LEVELS) + q] < 0 and sums[q] < scores.error_bound * window:
            scores.milestones[lane, len(_LEVELS) + q] = index
    mean = sums[1 if scores.squared_error else 0]
    if window - sums[2] < scores.fewer_wrong[lane] and mean < scores.error_limit[lane] * window:
        scores.flag[lane] = REACHED
