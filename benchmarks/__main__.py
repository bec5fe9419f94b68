"""Run all measurements, pinned to one core, and print medians and ratios."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import ours, programs
from lstmsim.trace.store import provenance


def median(measure: Callable[[], float | None], repeats: int) -> float | None:
    """Median of repeated measurements after one that warms up."""
    if measure() is None:
        return None
    return statistics.median(value for _ in range(repeats) if (value := measure()) is not None)


def main() -> None:
    """Print the table."""
    parse = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parse.add_argument("--repeats", type=int, default=5)
    parse.add_argument("--core", type=int, default=0, help="core to be pinned to")
    parse.add_argument("only", nargs="*", help="measurements to make (default: all)")
    options = parse.parse_args()
    every = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {options.core})
    print(f"{provenance()['cpu']}, {len(every)} cores, Python {platform.python_version()}, numba {provenance()['numba']}")
    print("Medians of", options.repeats, "after a warm-up; ns per time step and trial unless said\n")

    def measure(name: str, rows: dict[str, Callable[[], float | None]], unit: str = "ns") -> None:
        """One table: the ratios are against its first entry."""
        if options.only and name not in options.only:
            return
        print(f"{name}")
        first = None
        for label, run in rows.items():
            value = median(run, options.repeats)
            if value is None:
                print(f"  {label:<62} not installed")
                continue
            first = first or value
            print(f"  {label:<62} {value:10.2f} {unit}  {first / value:6.2f}x", flush=True)
        print()

    measure(
        "kernel",
        {
            "lanes.cpp, 8 lanes, hand-vectorised": lambda: programs.c_nanoseconds("lanes.cpp", 500_000),
            "lstmsim, 8 lanes": lambda: ours.kernel_alone(8),
            "lstmsim, 16 lanes": lambda: ours.kernel_alone(16),
            "lstmsim, 1 lane": lambda: ours.kernel_alone(1),
        },
    )
    measure(
        "adding",
        {
            "adding.c, scalar, inputs included": lambda: programs.c_nanoseconds("adding.c", 100, 20_000),
            "row 4-1 whole run, 8 lanes": lambda: ours.whole_run("4-1", 8, 100_000),
            "row 4-1 whole run, 16 lanes": lambda: ours.whole_run("4-1", 16, 100_000),
            "PyTorch, BPTT, batch 1": lambda: programs.torch_nanoseconds(1),
            "PyTorch, BPTT, batch 32": lambda: programs.torch_nanoseconds(32),
            "JAX, BPTT, batch 1": lambda: programs.jax_nanoseconds(1),
            "JAX, BPTT, batch 32": lambda: programs.jax_nanoseconds(32),
        },
    )
    measure(
        "one-hot",
        {
            "row 2c-1 (364 weights), 8 lanes": lambda: ours.learning_only("2c-1", 8, 16_000),
            "row 2c-5 (6064 weights), 8 lanes": lambda: ours.learning_only("2c-5", 8, 1000),
        },
    )
    measure(
        "every-step",
        {
            "noise_free.c, p=100, not vectorised": lambda: programs.c_nanoseconds(
                "noise_free.c", 100, 1000, extra=("-fno-tree-vectorize",)
            ),
            "noise_free.c, p=100, as gcc vectorises it": lambda: programs.c_nanoseconds("noise_free.c", 100, 1000),
            "row 2a, 8 lanes": lambda: ours.learning_only("2a", 8, 3000),
        },
    )
    os.sched_setaffinity(0, every)
    measure("threads", {"1 worker": lambda: ours.threads(1), "2 workers": lambda: ours.threads(2)})
    os.sched_setaffinity(0, {options.core})
    measure(
        "recording",
        {
            "row 4-1, nothing recorded": lambda: ours.whole_run("4-1", 8, 100_000, "none"),
            "row 4-1, default policy": lambda: ours.whole_run("4-1", 8, 100_000, "default"),
        },
    )
    measure(
        "record-all",
        {
            "a plain file": lambda: ours.record_all()[1],
            "--record all": lambda: ours.record_all()[0],
        },
        "MB/s",
    )
    os.sched_setaffinity(0, every)
    with tempfile.TemporaryDirectory() as folder:
        short = ("4-1", "--trials", "2", "--max-sequences", "1", "--quiet", "--record", "none", "--set", "final_test=0")
        out = iter(f"{folder}/{n}" for n in range(1000))
        measure(
            "start-up",
            {
                "--list, warm": lambda: ours.start_up("--list"),
                "first training steps, warm": lambda: ours.start_up(*short, "--out", next(out)),
                "first training steps, cold": lambda: ours.start_up(
                    *short, "--out", next(out), cache=Path(tempfile.mkdtemp(dir=folder))
                ),
            },
            "s",
        )


if __name__ == "__main__":
    main()
