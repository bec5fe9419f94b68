"""One big net against a C loop of the same net and rule, side by side: nanoseconds of processor time per weight and step."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from itertools import product

import numpy as np
import numpy.typing as npt

from benchmarks.programs import build
from lstmsim.kernels.recording import new_record
from lstmsim.kernels.scores import new_scores
from lstmsim.kernels.sequences import LEARN, new_sequences
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.lstm.wide.net import WideNets

SIZES = ((16, 2, 8), (8, 2, 32), (8, 2, 104), (8, 2, 332))  # inputs, outputs, blocks: 1e3, 1e4, 1e5 and 1e6 weights


def wave(count: int, step: float, shape: tuple[int, ...], first: int = 0) -> npt.NDArray[np.float64]:
    """Numbers that C has too: sin(step * n)."""
    return np.sin(step * np.arange(first, first + count)).reshape(shape)


def ours(
    size: tuple[int, int, int], steps: int, every: int, record: bool
) -> tuple[Callable[[], float], Callable[[], float]]:
    """A function that runs the steps and returns their nanoseconds, and one for the sum of the last outputs."""
    inputs, outputs, blocks = size
    settings = LSTMSettings(inputs, outputs, n_blocks=blocks, learning_rate=0.01)
    net, weights, first = WideNets(settings) if blocks > 8 else LaneNets(settings), {}, 0
    for name in ("input_gate", "output_gate", "cell", "output"):
        shape = settings.exists[name].shape
        weights[name] = 0.1 * wave(shape[0] * shape[1], 0.7, shape, first)
        first += shape[0] * shape[1]
    net.set_weights(0, weights)
    table = np.zeros((steps, net.nets.shape.output_stride))
    table[:, :outputs] = 0.5 + 0.4 * wave(steps * outputs, 0.9, (steps, outputs))
    sequences = new_sequences(1, steps, inputs, table, 0)
    sequences.inputs[:, :, 0] = wave(steps * inputs, 1.3, (steps, inputs))
    sequences.event[every - 1 :: every, 0], sequences.learn[:, 0] = LEARN, np.arange(steps)
    buffer, scores = new_record(1, steps if record else 1, net.layout.width, 0), new_scores(1)
    buffer.on[0] = record

    def run() -> float:
        buffer.used[0] = 0
        start = time.thread_time_ns()
        net.advance(sequences, scores, buffer, 0, steps, learn=True, track=True)
        return time.thread_time_ns() - start

    return run, lambda: float(net.nets.state.y_k[0, :outputs].sum())


def table(repeats: int) -> None:
    """Print medians per weight and step for each size, with targets at every step and at every tenth."""
    program = build("big_net.c")
    if program is None:
        print("  gcc is needed")
        return
    print("  ns of processor time per weight and step; targets at every n-th step")
    print("  weights   n       C  lstmsim  recorded   C / lstmsim")
    for size, every in product(SIZES, (1, 10)):
        inputs, outputs, blocks = size
        settings = LSTMSettings(inputs, outputs, n_blocks=blocks)
        steps = max(10_000_000 // settings.n_weights // 10 * 10, 30)
        (plain, summed), (recorded, _) = (ours(size, steps, every, record) for record in (False, True))
        command = [str(program), *map(str, (*size, steps, every, 2))]
        found: dict[str, list[float]] = {"C": [], "plain": [], "recorded": []}
        per = steps * settings.n_weights
        for repeat in range(repeats + 1):
            found["plain"].append(plain() / per)
            found["recorded"].append(recorded() / per)
            lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            found["C"].append(float(lines[3]))
            if repeat == 0:
                assert int(lines[0]) == settings.n_weights
                assert abs(float(lines[1]) - summed()) < 1e-9, "the two programs do not compute the same"
        c, wide, noted = (statistics.median(found[name][1:]) for name in ("C", "plain", "recorded"))
        print(f"  {per // steps:7}  {every:2}  {c:6.3f}   {wide:6.3f}    {noted:6.3f}       {c / wide:5.2f}", flush=True)
