"""Speed of whole training on a GPU, and whether it gives the bits of a CPU.

First, where lstmsim is installed, with or without a GPU, some minutes of one core::

    python -m benchmarks.gpu prepare gpu.npz

which compiles the kernels to PTX, trains 64 trials of each row on the CPU, and keeps where they begin and what they come to.
Then, where there are a GPU with its driver, Python, NumPy and this repository, in less than three minutes::

    python benchmarks/gpu.py run gpu.npz

Sequences are generated, weights learned, outputs judged and the stopping rule asked on the device. A launch takes every
trial through some 4,000 steps. The median of eight launches is shown, after three; what the host does
between them is not in it.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CHECKED = 64  # trials whose bits are compared
LAUNCHES = 3  # after which they are
GOALS = {("4-1", 8192): 0.4, ("4-1", 32768): 0.15, ("4-1", 131072): None, ("2c-5", 8192): None, ("2c-5", 32768): None}
TIMED = 8  # launches for each line of the table: few, for trials that have paused would stand still in later ones


def prepare(path: Path) -> None:
    """Compile, and train some trials of each row on the CPU."""
    from lstmsim.paper import row
    from lstmsim.simulation.device import DeviceSimulation
    from lstmsim.simulation.policy import Policy
    from tests.emulator import Emulator

    content: dict[str, Any] = {}
    for name in dict.fromkeys(name for name, _ in GOALS):
        config, texts = row(name).config, dict[str, str]()
        of_device = DeviceSimulation(config, 0, CHECKED, Policy.parse("none"), device=Emulator(free=2**33, texts=texts))
        images: list[Any] = []

        def look(running: Any, images: list[Any] = images) -> None:
            near, count = running.layout.near
            words = running.device.get(running.memory, running.layout.kept * CHECKED)
            apart, beside = words[: near * CHECKED].reshape(near, CHECKED), words[near * CHECKED :].reshape(CHECKED, count)
            images.append(np.concatenate([apart, beside.T]))
            if len(images) > LAUNCHES:
                running.trials_on.clear()  # which ends the run

        assert not list(of_device.run(iter(range(CHECKED)), on_progress=look))
        compare_with_lanes(config, of_device, images[-1])
        sequences, places = of_device.lanes.sequences, of_device.layout.row_of
        rows = (sequences.key, of_device.attention, of_device.lanes.scores.progress_rows, of_device.lanes.scores.steps)
        sizes = of_device.layout.words, sequences.slots, sequences.targets.shape[1], of_device.layout.near[0]
        content |= {f"{name}.ptx": texts["train"], f"{name}.numbers": [*sizes, *map(places, rows)]}
        content |= {f"{name}.fixed": sequences.targets[: sequences.fixed_rows]}
        content |= {f"{name}.before": images[0], f"{name}.after": images[-1]}
        print(f"{name}: prepared", flush=True)
    np.savez_compressed(path, **{key: np.asarray(value) for key, value in content.items()})


def compare_with_lanes(config: Any, of_device: Any, image: Any) -> None:
    """See that the first eight trials have the weights that lanes of a CPU come to after as many sequences."""
    from lstmsim.kernels.random import trial_keys
    from lstmsim.kernels.recording import new_record
    from lstmsim.learners import learner
    from lstmsim.simulation.lanes import Lanes

    nets: Any = learner(config.learner).make(config.settings, 8, symbols=config.task.symbols)
    lanes = Lanes(config.task, nets, new_record(8, 1, nets.layout.width, 0), window=config.stop.window)
    wanted = []
    for lane in range(8):
        of_device.layout.read(np.ascontiguousarray(image[:, lane]))
        wanted.append(of_device.learner.weights(0))
        nets.start(lane, (0, lane))
        lanes.begin(lane, int(trial_keys(0, lane)[0]))
        lanes.scores.pause_at[lane] = of_device.lanes.scores.index[0]
    while lanes.sequences.active.any():
        lanes.advance(learn=True)
        for lane in lanes.needing_attention():
            lanes.end(lane)
            for group, values in nets.weights(lane).items():
                assert np.array_equal(values.view(np.int64), wanted[lane][group].view(np.int64)), (lane, group)


def driver() -> Any:
    """Return the first GPU by `lstmsim/kernels/cuda.py` alone: what lstmsim is made of need not be installed."""
    try:
        from lstmsim.kernels.cuda import Device
    except ImportError:
        for name, missing in (("lstmsim.checks", "refusal"), ("lstmsim.kernels.ptx", "kept_ptx")):
            sys.modules[name] = types.ModuleType(name)
            setattr(sys.modules[name], missing, lambda *words: ValueError(words))
        for name in ("lstmsim.kernels.arrays", "lstmsim.kernels.cuda"):
            place = Path(__file__).resolve().parents[1].joinpath(*name.split(".")).with_suffix(".py")
            spec = importlib.util.spec_from_file_location(name, place)
            assert spec is not None
            assert spec.loader is not None
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
        return sys.modules["lstmsim.kernels.cuda"].Device()
    return Device()


def trials_of(device: Any, content: Any, name: str, threads: int) -> tuple[Callable[..., int], Callable[[], Any], list[int]]:
    """Return a launch for so many trials, which returns the steps made; the first trials' words; memory to give back."""
    words, slots, columns, near, key, attention, progress_rows, steps = content[f"{name}.numbers"].tolist()
    before, fixed = content[f"{name}.before"], content[f"{name}.fixed"]
    kernel = device.load_text("train", str(content[f"{name}.ptx"]))
    memory = device.allocate(8 * words * threads)
    table = device.allocate(8 * (fixed.size + threads * slots * columns))
    device.put(table, fixed)

    def address(row: int) -> int:
        return memory + 8 * row * threads

    beside = np.ascontiguousarray(before[near:].T)  # of each thread, one after another
    for row, values in enumerate(np.tile(value, threads // CHECKED) for value in before[:near]):
        if row == key:  # a stream of sequences for each
            values[CHECKED:] ^= np.arange(CHECKED, threads, dtype=np.uint64) << np.uint64(8)
        device.put(address(row), values)
    for n in range(threads // CHECKED if beside.size else 0):
        device.put(address(near) + n * beside.nbytes, beside)
    done = [int(before[steps].sum()) * (threads // CHECKED)]

    def launch(*, cleared: bool) -> int:
        for row in (attention, progress_rows) if cleared else ():  # as the host does where room runs out
            device.put(address(row), np.zeros(threads, np.uint64))
        device.launch(kernel, memory, table, threads)
        done.append(int(device.get(address(steps), threads).sum()))
        return done[-1] - done[-2]

    def first() -> Any:
        rows = [device.get(address(row), CHECKED) for row in range(near)]
        return np.concatenate([rows, device.get(address(near), beside.size).reshape(beside.shape).T])

    return launch, first, [memory, table]


def run(path: Path) -> None:
    """Print the table."""
    device, content = driver(), np.load(path)
    print(f"{device.name}, compute capability {device.capability}, {device.free / 2**30:.0f} GiB free")
    print(f"{'row':<6}{'trials':>8}{'ns per trial and step':>23}{'goal':>7}   bits of the CPU")
    for (name, threads), goal in GOALS.items():
        launch, first, held = trials_of(device, content, name, threads)
        for _ in range(LAUNCHES):
            launch(cleared=False)
        same = np.array_equal(first(), content[f"{name}.after"])
        times = []
        for _ in range(TIMED):
            began = time.perf_counter()
            steps = launch(cleared=True)
            times.append((time.perf_counter() - began) / steps * 1e9)
        goal_text = "" if goal is None else f"{goal:.2f}"
        print(f"{name:<6}{threads:>8}{np.median(times):>23.4f}{goal_text:>7}   {'same' if same else 'OTHERS'}", flush=True)
        for address in held:
            device.release(address)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("prepare", "run"):
        sys.exit(__doc__)
    {"prepare": prepare, "run": run}[sys.argv[1]](Path(sys.argv[2]))
