"""What a block of trials costs on a Dask cluster beyond its own time: `python -m benchmarks.cluster`."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from lstmsim import __version__
from lstmsim.campaign.dask import Block, Cluster, run_block
from lstmsim.campaign.threads import Job
from lstmsim.paper import row
from lstmsim.simulation.policy import Policy

BLOCKS, TRIALS = 20, 8


def main() -> None:
    """Print the overhead of a block, and the length from which on it is below 2 %."""
    from distributed import LocalCluster

    config = row("4-1").config.with_settings({"max_sequences": 200, "final_test": 0})
    policy = Policy.parse("default")
    blocks = [Block(n, "4-1", config, tuple(range(n * TRIALS, (n + 1) * TRIALS))) for n in range(BLOCKS)]
    run_block(blocks[0], 0, policy, TRIALS, __version__, "")  # compiles
    alone = []
    for block in blocks:
        start = time.perf_counter()
        content = run_block(block, 0, policy, TRIALS, __version__, "")
        alone.append(time.perf_counter() - start)
    size = sum(len(ended.content) for ended in content)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as machines:
        times = []
        for _ in range(3):  # the first loads the kernels
            with tempfile.TemporaryDirectory() as folder:
                job = Job("4-1", config, list(range(BLOCKS * TRIALS)))
                cluster = Cluster([job], Path(folder), 0, policy, machines.scheduler_address, TRIALS)
                start = time.perf_counter()
                list(cluster.run(lambda: None, tick=0.01))
                times.append((time.perf_counter() - start) / BLOCKS)
    own, whole = statistics.median(alone), min(times[1:])
    print(f"block of {TRIALS} trials of row 4-1 alone: {own * 1e3:.0f} ms, its files {size / 1e3:.0f} kB")
    print(f"on the cluster: {whole * 1e3:.0f} ms, overhead {(whole - own) * 1e3:.0f} ms")
    print(f"below 2 % from blocks of {(whole - own) / 0.02:.1f} s on")


if __name__ == "__main__":
    main()
