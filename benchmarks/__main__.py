"""Run all measurements side by side, pinned to one core, and print medians, best values and ratios."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import big_net, hand, ours, programs, rules
from lstmsim.trace.store import provenance

PARTS = (
    "vector",
    "kernel",
    "adding",
    "check",
    "one-hot",
    "every-step",
    "big-net",
    "hand",
    "rules",
    "threads",
    "recording",
    "record-all",
    "start-up",
)


def side_by_side(rows: dict[str, Callable[[], float | None]], repeats: int) -> dict[str, list[float]]:
    """Each measurement in turn, `repeats` times after a round that warms up; those that are not installed are left out."""
    rows = {label: run for label, run in rows.items() if run() is not None}
    found: dict[str, list[float]] = {label: [] for label in rows}
    for _ in range(repeats):
        for label, run in rows.items():
            found[label].append(run() or 0.0)
    return found


def main() -> None:
    """Print the table."""
    parse = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parse.add_argument("--repeats", type=int, default=5)
    parse.add_argument("--core", type=int, default=0, help="core to be pinned to")
    parse.add_argument("only", nargs="*", metavar="part", help=f"parts to run, of {', '.join(PARTS)} (default: all)")
    options = parse.parse_args()
    for name in options.only:
        if name not in PARTS:
            parse.error(f"part: {name!r}; allowed: {', '.join(PARTS)}")
    every = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {options.core})
    print(f"{provenance()['cpu']}, {len(every)} cores, Python {platform.python_version()}, numba {provenance()['numba']}")
    print(f"{options.repeats} repeats side by side after a warm-up; ns: processor time per time step and trial")
    print(f"{'':<62}     median       best      medians, first to this\n")

    def measure(name: str, rows: dict[str, Callable[[], float | None]], unit: str = "ns") -> None:
        """One table: the ratios are against its first entry."""
        if options.only and name not in options.only:
            return
        print(name)
        first = None
        for label, values in side_by_side(rows, options.repeats).items():
            middle = statistics.median(values)
            first, best = first or middle, (max if unit == "MB/s" else min)(values)
            print(f"  {label:<60} {middle:10.2f} {best:10.2f} {unit}  {first / middle:6.2f}x", flush=True)
        print()

    measure(
        "vector",
        {
            "8 fused multiply-adds": lambda: programs.c_nanoseconds("vector.c", 0, 2_000_000),
            "8 doubles loaded": lambda: programs.c_nanoseconds("vector.c", 1, 2_000_000),
            "8 doubles stored": lambda: programs.c_nanoseconds("vector.c", 2, 2_000_000),
        },
    )
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
    measure("check", {"looking through what row 4-1's task writes, 8 lanes": ours.check_of_writing}, "%")
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
            "row 2a, 8 lanes": lambda: ours.learning_only("2a", 8, 3000, sequential=False),
            "row 2a, 16 lanes": lambda: ours.learning_only("2a", 16, 3000, sequential=False),
        },
    )
    if not options.only or "big-net" in options.only:
        print("big-net")
        big_net.table(options.repeats)
    measure(
        "hand",
        {
            "step without a target": hand.step,
            "step with a target": lambda: hand.step(target=True),
            "predict, then learn": lambda: hand.step(apart=True),
            "step with a target, recorded": lambda: hand.step(target=True, record=True),
            "step with a target, 16 nets at once": lambda: hand.step(target=True, trials=16),
            "PyTorch's LSTMCell, updated at every step": hand.torch_step,
        },
        "us",
    )
    for other in ("exact", "rflo"):
        beside: dict[str, Callable[[], float | None]] = {
            f"{other}, lstmsim": lambda rule=other: rules.ours(rule),
            f"{other}, JAX": lambda rule=other: rules.jax_step(rule),
            f"{other}, NumPy": lambda rule=other: rules.numpy_step(rule),
        }
        if other == "rflo":
            beside["one entry per weight, braintrace D-RTRL, weights do not change"] = rules.braintrace_step
        measure("rules", beside)
    measure(
        "rules",
        {f"{rule}, {rules.kept(rule):,} bytes": lambda rule=rule: rules.ours(rule) for rule in rules.RULES},
    )
    os.sched_setaffinity(0, every)
    measure(
        "threads",
        {
            "1 worker": lambda: ours.threads(1),
            "2 workers": lambda: ours.threads(2),
            "2 processes": lambda: ours.processes(2),
            "1 worker, long trials": lambda: ours.long_trials(1),
            "2 workers, long trials": lambda: ours.long_trials(2),
            "lanes.cpp, 1 process": lambda: programs.processes(1),
            "lanes.cpp, 2 processes": lambda: programs.processes(2),
        },
        "ns (wall)",
    )
    os.sched_setaffinity(0, {options.core})
    measure(
        "recording",
        {
            "row 4-1, nothing recorded": lambda: ours.whole_run("4-1", 8, 300_000, "none"),
            "row 4-1, default policy": lambda: ours.whole_run("4-1", 8, 300_000, "default"),
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
                "until the first training steps are done, warm": lambda: ours.start_up(
                    *short, "--out", next(out), first_steps=True
                ),
                "the same, cold": lambda: ours.start_up(
                    *short, "--out", next(out), cache=Path(tempfile.mkdtemp(dir=folder)), first_steps=True
                ),
                "one sequence, tables, pictures and report, warm": lambda: ours.start_up(*short, "--out", next(out)),
            },
            "s",
        )


if __name__ == "__main__":
    main()
