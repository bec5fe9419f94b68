"""Book-keeping of training: what each finished sequence adds, when a stage is reached, and what is kept of the course."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.vector import UNITS, fma, lane_max, lane_sum, load_at, magnitude, select, splat

Array = Any

RUNNING, PAUSED, REACHED, DIVERGED = 0, 1, 2, 3
LEVELS = (0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
_LEVELS = np.array(LEVELS)


class Book(NamedTuple):
    """Per lane: counts, the latest `window` sequences, milestones, progress rows."""

    index: Array  # (lane,) int: sequences finished
    steps: Array  # (lane,) int: steps done
    pause_at: Array  # (lane,) int: number of sequences at which to hand over to Python
    flag: Array  # (lane,) int: RUNNING, PAUSED, REACHED or DIVERGED
    ring: Array  # (lane, window, 3): mean |error|, mean squared error and correctness of the latest sequences
    sums: Array  # (lane, 3): sums over the ring
    current: Array  # (lane, 4): sums of |e|, e**2, count and largest |e| of the running sequence
    ranked: Array  # (lane,) bool: the running sequence's rankings are right so far
    milestones: Array  # (lane, 8) int: sequences at which each LEVEL, then the two error bounds, was first met; -1
    progress: Array  # (lane, row, 4): sequences seen, then the means over the window
    progress_rows: Array  # (lane,) int: rows in use
    results: Array  # (lane, row, 4): largest |e|, mean |e|, mean e**2, correct, of each sequence; no rows, none kept
    fewer_wrong: Array  # (lane,) int: the stage is reached with fewer wrong of the latest `window`; 0: never
    error_limit: Array  # (lane,) and with a mean error below this
    tolerance: float
    error_bound: float
    squared_error: bool  # the stage's mean error is the squared one
    ranking: bool


def new_book(
    lanes: int,
    *,
    window: int = 1,
    tolerance: float = 0.0,
    error_bound: float = 0.0,
    squared_error: bool = False,
    ranking: bool = False,
    results: int = 0,
) -> Book:
    """An empty book; without arguments one that only counts."""

    def ints(value: int = 0) -> Array:
        return np.full(lanes, value, np.int64)

    return Book(
        index=ints(),
        steps=ints(),
        pause_at=ints(np.iinfo(np.int64).max),
        flag=ints(RUNNING),
        ring=np.zeros((lanes, window, 3)),
        sums=np.zeros((lanes, 3)),
        current=np.zeros((lanes, 4)),
        ranked=np.ones(lanes, np.bool_),
        milestones=np.full((lanes, len(LEVELS) + 2), -1),
        progress=np.zeros((lanes, 64, 4)),
        progress_rows=ints(),
        results=np.zeros((lanes, results, 4)),
        fewer_wrong=ints(),
        error_limit=np.full(lanes, np.inf),
        tolerance=float(tolerance),
        error_bound=float(error_bound),
        squared_error=bool(squared_error),
        ranking=bool(ranking),
    )


def clear(book: Book, lane: int | slice, index: int | Array = 0) -> None:
    """Begin the book of a lane, or of several, anew, before sequence number `index`."""
    for array in (book.steps, book.flag, book.ring, book.sums, book.current, book.progress_rows, book.fewer_wrong):
        array[lane] = 0
    book.index[lane], book.ranked[lane], book.milestones[lane] = index, True, -1
    book.pause_at[lane], book.error_limit[lane] = np.iinfo(np.int64).max, np.inf


_COURSE = ("steps", "ring", "sums", "milestones")


def course(book: Book, lane: int) -> dict[str, Array]:
    """Copies of what a lane's book says of its trial between two sequences, but for the number of sequences."""
    return {name: np.array(getattr(book, name)[lane]) for name in _COURSE}


def take_up(book: Book, lane: int, course: dict[str, Array]) -> None:
    """Enter what `course` gave, after `clear`."""
    for name in _COURSE:
        getattr(book, name)[lane] = course[name]


def standing(book: Book, lane: int) -> tuple[int, int, float, float]:
    """Steps and sequences of a lane's trial, mean |error| and fraction correct of its latest sequences."""
    seen = int(book.index[lane])
    window = max(1, min(seen, book.ring.shape[1]))
    return int(book.steps[lane]), seen, float(book.sums[lane, 0] / window), float(book.sums[lane, 2] / window)


@inlined
def judge_step(shape, book, state, targets, lane, row):  # type: ignore[no-untyped-def]
    """Compare the outputs of one step with a row of the target table."""
    if book.ranking:
        worst, best = np.inf, -np.inf
        for k in range(shape.outputs):
            y = state.y_k[lane, k]
            if targets[row, k] > 0.0:
                worst = min(worst, y)
            else:
                best = max(best, y)
        book.ranked[lane] &= worst > best
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
    book.current[lane, 0] += total
    book.current[lane, 1] += square
    book.current[lane, 3] = max(book.current[lane, 3], most)
    book.current[lane, 2] += shape.outputs


@inlined
def close_sequence(book, lane):  # type: ignore[no-untyped-def]
    """Enter the finished sequence; set the lane's flag if its trial pauses, is solved or has diverged."""
    current, ring = book.current[lane], book.ring[lane]
    window = ring.shape[0]
    count = max(current[2], 1.0)
    absolute, squared = current[0] / count, current[1] / count
    correct = book.ranked[lane] if book.ranking else current[3] < book.tolerance
    place = book.index[lane] % window
    if place == 0:
        for q in range(3):
            total = 0.0
            for n in range(window):
                total += ring[n, q]
            book.sums[lane, q] = total
    for q in range(3):
        value = absolute if q == 0 else squared if q == 1 else 1.0 if correct else 0.0
        book.sums[lane, q] += value - ring[place, q]
        ring[place, q] = value
    if book.results.shape[1] > 0:
        row = book.index[lane] % book.results.shape[1]
        book.results[lane, row, 0] = current[3]
        book.results[lane, row, 1] = absolute
        book.results[lane, row, 2] = squared
        book.results[lane, row, 3] = 1.0 if correct else 0.0
    for q in range(4):
        current[q] = 0.0
    book.ranked[lane] = True
    book.index[lane] += 1
    if not np.isfinite(absolute):
        book.flag[lane] = DIVERGED
    elif book.index[lane] >= window:
        _milestones(book, lane, window)
    if index_is_logged(book.index[lane]):
        row, seen = book.progress_rows[lane], min(book.index[lane], window)
        book.progress[lane, row, 0] = book.index[lane]
        for q in range(3):
            book.progress[lane, row, 1 + q] = book.sums[lane, q] / seen
        book.progress_rows[lane] += 1
    if book.index[lane] >= book.pause_at[lane] and book.flag[lane] == RUNNING:
        book.flag[lane] = PAUSED


@inlined
def index_is_logged(index):  # type: ignore[no-untyped-def]
    """Whether progress is noted after this many sequences: every 100 up to 10,000, every 1,000 beyond."""
    return index % 1000 == 0 or (index <= 10_000 and index % 100 == 0)


@inlined
def _milestones(book, lane, window):  # type: ignore[no-untyped-def]
    """Note the first time each level is met, and the stopping rule on the latest `window` sequences."""
    index, sums = book.index[lane], book.sums[lane]
    for q in range(len(_LEVELS)):
        if book.milestones[lane, q] < 0 and sums[2] >= _LEVELS[q] * window - 0.5 / window:
            book.milestones[lane, q] = index
    for q in range(2):
        if book.milestones[lane, len(_LEVELS) + q] < 0 and sums[q] < book.error_bound * window:
            book.milestones[lane, len(_LEVELS) + q] = index
    mean = sums[1 if book.squared_error else 0]
    if window - sums[2] < book.fewer_wrong[lane] and mean < book.error_limit[lane] * window:
        book.flag[lane] = REACHED
