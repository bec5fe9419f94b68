"""Measurements of lstmsim itself: nanoseconds per time step and trial.

Where one core is measured they are processor time, so that other programs on the machine matter less; the C programs
take the same clock.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from lstmsim.campaign.threads import Ensemble, Job
from lstmsim.kernels import guard
from lstmsim.kernels.recording import new_record
from lstmsim.kernels.scores import new_scores
from lstmsim.kernels.sequences import new_sequences
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.paper import row
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy


def kernel_alone(lanes: int, steps: int = 100_000) -> float:
    """Forward pass and partials of row 4-1's net on inputs that lie ready, no targets."""
    nets = LaneNets(row("4-1").config.settings, lanes)
    for lane in range(lanes):
        nets.start(lane, (0, lane))
    clocks = 1000
    sequences = new_sequences(lanes, clocks, 2, np.zeros((0, 8)), 1)
    sequences.inputs[:] = np.random.default_rng(0).uniform(-1, 1, sequences.inputs.shape)
    scores, record = new_scores(lanes), new_record(lanes, 1, nets.layout.width, 0)
    start = time.process_time()
    for n in range(steps // clocks):
        nets.advance(sequences, scores, record, 0, clocks, learn=True, track=True)
        if n % 2:
            for lane in range(lanes):
                nets.reset(lane)
    return (time.process_time() - start) / (steps * lanes) * 1e9


def whole_run(name: str, lanes: int, sequences: int, policy: str = "default", **changes: object) -> float:
    """A row's trials, one per lane, up to a number of sequences: inputs, learning, stopping rule, recording, tests."""
    config = row(name).config.with_settings({"max_sequences": sequences, **changes})
    never = tuple(replace(stage, error=0.0) if not stage.test else stage for stage in config.stop.conditions)
    config = replace(config, stop=replace(config.stop, wrong=0, error=None, test=0, stages=never))
    simulation = Simulation(config, 0, lanes, Policy.parse(policy))
    start = time.process_time()
    steps = sum(result.steps for result in simulation.run(iter(range(lanes)), on_rows=lambda *_: None))
    return (time.process_time() - start) / steps * 1e9


def learning_only(name: str, lanes: int, sequences: int, **changes: object) -> float:
    """The same without tests and recording: inputs and learning."""
    config = row(name).config.with_settings({"max_sequences": sequences, "final_test": 0, **changes})
    config = replace(config, stop=replace(config.stop, stages=(), wrong=0, error=0.0, test=0))
    simulation = Simulation(config, 0, lanes, Policy.parse("none"))
    start = time.process_time()
    steps = sum(result.steps for result in simulation.run(iter(range(lanes))))
    return (time.process_time() - start) / steps * 1e9


def check_of_writing(sequences: int = 12_000) -> float:
    """Percent of row 4-1's time that looking through what the task writes takes: it is left out for every other stretch."""
    taken: dict[bool, list[float]] = {True: [], False: []}

    def in_turn(task: Any, written: Any, horizon: int) -> None:
        checked, steps = len(taken[True]) <= len(taken[False]), int(written.write.sum())
        start = time.perf_counter()
        (looked_through if checked else type(task).fill)(task, written, horizon)
        took = time.perf_counter() - start
        if steps := int(written.write.sum()) - steps:
            taken[checked].append(took / steps * 1e9)

    looked_through, guard.write = guard.write, in_turn
    try:
        whole = whole_run("4-1", 8, sequences, "none", output="identity", final_test=0)
    finally:
        guard.write = looked_through
    return 100 * (statistics.median(taken[True]) - statistics.median(taken[False])) / whole


def threads(workers: int, trials: Sequence[int] = range(64)) -> float:
    """Row 4-1 with linear outputs on several threads, 8 lanes each, from weights to files: wall time per step and trial."""
    start = time.perf_counter()
    steps = _trials(workers, trials)
    return (time.perf_counter() - start) / steps * 1e9


def long_trials(workers: int, trials: int = 16, sequences: int = 200_000) -> float:
    """The same with trials that all go on for a number of sequences, as literal ones do."""
    start = time.perf_counter()
    steps = _trials(workers, range(trials), output="logistic", max_sequences=sequences)
    return (time.perf_counter() - start) / steps * 1e9


def processes(count: int, trials: int = 64) -> float:
    """The same in processes of one thread, each with its share of the trials."""
    pool = _pool(count)
    start = time.perf_counter()
    steps = sum(pool.map(partial(_trials, 1), [range(n, trials, count) for n in range(count)], chunksize=1))
    return (time.perf_counter() - start) / steps * 1e9


def _trials(workers: int, trials: Sequence[int], **changes: object) -> int:
    """Steps of the trials."""
    config = row("4-1").config.with_settings({"output": "identity"} | changes)
    with tempfile.TemporaryDirectory() as folder:
        ensemble = Ensemble([Job("4-1", config, list(trials))], Path(folder), 0, Policy.parse("default"), workers, 8)
        return sum(result.steps for _, result in ensemble.run(lambda: None))


@cache
def _pool(count: int) -> Any:
    """Processes in which the kernels are compiled."""
    pool = get_context("spawn").Pool(count)
    pool.map(partial(_trials, 1), [range(1)] * count, chunksize=1)
    return pool


def record_all(sequences: int = 2000) -> tuple[float, float]:
    """Megabytes per second that `--record all` writes on row 4-1, and that a plain file of that size takes."""
    config = row("4-1").config.with_settings({"max_sequences": sequences, "final_test": 0})
    with tempfile.TemporaryDirectory() as folder:
        ensemble = Ensemble([Job("4-1", config, list(range(8)))], Path(folder), 0, Policy.parse("all"), 1, 8)
        start = time.perf_counter()
        list(ensemble.run(lambda: None))
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.nc"))
        plain, block = Path(folder) / "plain", np.random.default_rng(0).bytes(1 << 20)
        start = time.perf_counter()
        with plain.open("wb") as file:
            for _ in range(max(1, size >> 20)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        return size / seconds / 1e6, size / (time.perf_counter() - start) / 1e6


_UNTIL_A_STEP = """
import os, sys
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.run import main

advance = LaneNets.advance
LaneNets.advance = lambda *arguments, **options: (advance(*arguments, **options), os._exit(0))
sys.exit(main(sys.argv[1:]) or 1)
"""


def start_up(*arguments: str, cache: Path | None = None, first_steps: bool = False) -> float:
    """Seconds that a command line takes in a new process, or until its first training steps are done."""
    environment = os.environ | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {})
    program = ("-c", _UNTIL_A_STEP) if first_steps else ("-m", "lstmsim.run")
    start = time.perf_counter()
    subprocess.run([sys.executable, *program, *arguments], check=True, capture_output=True, env=environment)
    return time.perf_counter() - start
