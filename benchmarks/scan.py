"""What points cost that share lanes: `python -m benchmarks.scan [POINTS]`, or `python -m benchmarks.scan cluster`.

A thousand points of one trial beside a thousand trials of one point, each on one thread and in one file, whole calls of
`lstmsim.scan`; how full the lanes are, which counts the steps of lanes in use among those of all; and the size of the file.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import lstmsim
from lstmsim.learners.lstm.nets import LaneNets

RULE = {"max_sequences": 200, "window": 100, "final_test": 0, "workers": 1, "progress": False}


def cluster() -> None:
    """Print what a block costs beyond its trials on two worker processes, and what goes over the wire."""
    from distributed import LocalCluster

    points = 256
    over = {"learning_rate": np.geomspace(0.05, 2.0, points).tolist()}
    lstmsim.scan("4-1", over, trials=1, T=20, **RULE)  # compiles
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as machines:
        for trials in (1, 1, 4, 16):  # the first loads the kernels
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                how = RULE | {"out": folder, "scheduler": machines.scheduler_address}
                scan = lstmsim.scan("4-1", over, trials=trials, T=20, **how)
                took, size = time.perf_counter() - start, (Path(folder) / "scan.sqlite").stat().st_size
            n, own = points * trials, float(scan["seconds"].sum())
            blocks = -(-n // max(16, min(256, -(-n // 16))))
            each, size = 1e3 * (took - own / 2) / blocks, size / n
            print(f"{n} trials in {blocks} blocks: {took:.1f} s, {own:.1f} in trials; {each:.0f} ms more a block")
            print(f"  {size:.0f} bytes a trial", flush=True)


def main() -> None:
    """Print a line for each way."""
    if sys.argv[1:] == ["cluster"]:
        return cluster()
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rates, lags = np.geomspace(0.05, 2.0, n // 10).tolist(), [40 + 5 * k for k in range(10)]
    ways = {
        "one point, every trial": ({"learning_rate": [0.5]}, n, {"T": 60}),
        "learning rates": ({"learning_rate": np.geomspace(0.05, 2.0, n).tolist()}, 1, {"T": 60}),
        "learning rates and lags": ({"learning_rate": rates, "T": lags}, 1, {}),
    }
    lanes = np.zeros(2)
    advance = LaneNets.advance

    def counted(self, sequences, scores, record, clock, until, **how):
        used = int(sequences.active.sum())
        reached = advance(self, sequences, scores, record, clock, until, **how)
        lanes[:] += (reached - clock) * used, (reached - clock) * self.lanes
        return reached

    LaneNets.advance = counted  # type: ignore[method-assign]
    lstmsim.scan("4-1", {"learning_rate": [0.5]}, trials=32, T=40, **RULE)  # compiles
    for name, (over, trials, more) in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            lanes[:] = 0.0
            start, own = time.perf_counter(), time.process_time()
            scan = lstmsim.scan("4-1", over, trials=trials, out=folder, **more, **RULE)
            took, own = time.perf_counter() - start, time.process_time() - own
            steps, size = float(scan["steps"].sum()), (Path(folder) / "scan.sqlite").stat().st_size
        trial = float(scan["seconds"].sum())
        each = ", ".join(f"{1e9 * seconds / steps:.1f}" for seconds in (own, took, trial))
        print(f"{name}: {n} trials, lanes {lanes[0] / lanes[1]:.1%} full, {size / n:.0f} bytes a trial")
        print(f"  ns per step and trial, of the processor, by the clock, in trials: {each}", flush=True)


if __name__ == "__main__":
    main()
