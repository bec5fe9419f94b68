"""Trials on a GPU: the same code, on one thread after another of this processor, gives the bits of the lanes."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import lstmsim
from lstmsim.kernels.cuda import Device
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.simulation import loop
from lstmsim.simulation.config import Experiment, Stage, StoppingRule
from lstmsim.simulation.device import DeviceSimulation, run_trials
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.tasks import generator, task
from tests.emulator import Emulator


def experiment(name, parameters, settings, **stop):
    """Make an experiment of short trials."""
    rule = {"window": 50, "max_sequences": 1500, "final_test": 20} | stop
    return Experiment(task(name)(**parameters), LSTMSettings(**settings), StoppingRule(**rule))


LAST = {name: "last" for name in ("cell_bias_partial", "gate_bias_partial", "gate_source_partial", "cell_source_partial")}
STAGES = (Stage("training", wrong=200), Stage("solved", wrong=10, test=20))

# What is read how, and how it is recorded.
CASES = {
    "dense": (
        experiment(
            "adding", {"T": 20}, {"n_blocks": 2, "block_size": 2, "input_gate_bias": (-3.0, -6.0)}, max_sequences=7000
        ),
        "none",
    ),
    "recorded": (
        experiment("adding", {"T": 20}, {"n_blocks": 3, "sequential": True, "join_window": 20, "cell_output": "identity"}),
        "first:2,every:500,last:3",
    ),
    "noise, hidden units, changes at the end": (
        experiment(
            "two_sequence",
            {"T": 30, "target_noise": True, "information_noise": True},
            {"n_hidden": 2, "update": "sequence", "carry": "all", "output": "identity", "learning_rate": 0.01},
        ),
        "none",
    ),
    "one-hot, ranked": (
        experiment("reber", {}, {"n_blocks": 4, "shortcuts": True, "learning_rate": 0.2}, stages=STAGES, test_every=500),
        "none",
    ),
    "one-hot, deferred": (
        experiment(
            "distractors",
            {"q": 6, "p": 5},
            {"n_blocks": 2, "learning_rate": 1.0, "learning_rate_decay": 1e-3} | LAST,
            wrong=5,
        ),
        "default",
    ),
    "one-hot, changes at the end": (
        experiment("distractors", {"q": 6, "p": 5}, {"n_blocks": 2, "update": "sequence", "learning_rate": 0.5}, wrong=5),
        "none",
    ),
    "every step, symbols spelt out": (
        experiment("noise_free", {"p": 5}, {"n_blocks": 2, "forget_gates": True, "peepholes": "live", "learning_rate": 0.5}),
        "none",
    ),
    "streams": (
        experiment(
            "continual_reber",
            {"stream_steps": 60},
            {"n_blocks": 2, "forget_gates": True, "learning_rate": 0.5},
            wrong=0,
            max_sequences=400,
            test=3,
            test_every=100,
        ),
        "none",
    ),
    "diverging": (
        experiment("multiplication", {"T": 20}, {"learning_rate": 1e300, "output": "identity", "bias": "ga"}),
        "none",
    ),
}


def run(simulation, trials, **more):
    """Results by the numbers of their trials."""
    return {result.trial: result for result in simulation.run(iter(trials), **more)}


def assert_same(found, wanted):
    """Compare every bit of results but for the seconds; rows recorded in another order are the same."""
    assert found.keys() == wanted.keys()
    for number, one in found.items():
        for field in dataclasses.fields(one):
            if field.name not in ("seconds", "rows"):
                a, b = getattr(one, field.name), getattr(wanted[number], field.name)
                np.testing.assert_equal(a, b, err_msg=f"{field.name} of trial {number}")
        rows = [np.concatenate([np.zeros((0, 3)), *result.rows][bool(result.rows) :]) for result in (one, wanted[number])]
        rows = [part[np.lexsort((part[:, 1], part[:, 0]))] for part in rows]
        np.testing.assert_array_equal(*rows)


@pytest.fixture(autouse=True)
def _boundaries_come_often(monkeypatch):
    """Have trials pause every 90 sequences or so, where the device looks at the weights by itself."""
    monkeypatch.setattr(loop, "_BOUNDARY", 2000)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # kernels are compiled
@pytest.mark.parametrize("case", CASES)
def test_the_device_gives_the_bits_of_the_lanes(case):
    config, record = CASES[case]
    policy, texts, trials = Policy.parse(record), {}, range(7)
    wanted = run(Simulation(config, 3, 8, policy), trials)
    assert_same(run(DeviceSimulation(config, 3, 4, policy, device=Emulator(texts=texts)), trials), wanted)
    if case == "diverging":
        assert {result.status for result in wanted.values()} == {"diverged"}
    assert not re.search(r"\.extern|\bcall\b", texts["train"])
    assert not re.search(r"(mul|add|sub|div|rcp|sqrt)(?!\.rn)[\w.]*\.f64", texts["train"])


class Kept:
    """Checkpoints in memory; the run is stopped at the third."""

    def __init__(self):
        self.states, self.asked, self.stopping = {}, 0, False

    def due(self):
        self.asked += 1
        self.stopping = self.asked > 3
        return True

    def load(self, trial):
        return self.states.get(trial)

    def save(self, trial, state):
        self.states[trial] = state

    def leave(self, trial):
        pass


@pytest.mark.slow
@pytest.mark.timeout(1800)  # kernels are compiled
def test_a_trial_begun_on_the_device_ends_on_the_lanes():
    config, policy, kept = CASES["dense"][0], Policy.parse("none"), Kept()
    wanted = run(Simulation(config, 0, 4, policy), range(4))
    first = run(DeviceSimulation(config, 0, 4, policy, device=Emulator()), range(4), checkpoints=kept)
    assert not first
    assert len(kept.states) == 4
    kept.asked, kept.stopping = -(10**9), False
    assert_same(run(Simulation(config, 0, 2, policy), range(4), checkpoints=kept), wanted)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_scan_on_the_device_is_that_of_the_lanes(monkeypatch):
    monkeypatch.setattr("lstmsim.simulation.device.Device", Emulator)
    how = {"over": {"learning_rate": [0.1, 0.5]}, "trials": 2, "max_sequences": 300, "progress": False}
    found, wanted = (lstmsim.scan(CASES["dense"][0], device=device, **how) for device in ("cuda", "cpu"))
    xr.testing.assert_equal(found.drop_vars("seconds"), wanted.drop_vars("seconds"))


@pytest.fixture
def gpu():
    """Return the first GPU, where there is one."""
    try:
        return Device()
    except ValueError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.timeout(1800)  # kernels are compiled
@pytest.mark.parametrize("case", CASES)
def test_a_gpu_gives_the_bits_of_the_lanes(gpu, case):
    config, record = CASES[case]
    policy, trials = Policy.parse(record), range(70)
    assert_same(
        run(DeviceSimulation(config, 3, 64, policy, device=gpu), trials), run(Simulation(config, 3, 16, policy), trials)
    )


def test_no_driver_or_no_gpu_is_named(monkeypatch):
    monkeypatch.setattr("lstmsim.kernels.cuda._LIBRARIES", ("no-such-library.so",))
    allowed = r"device is 'cuda'; allowed: 'cpu', or 'cuda' where NVIDIA.s driver finds a GPU \(there is no no-such-"
    with pytest.raises(ValueError, match=allowed):
        lstmsim.simulate("4-1", device="cuda", trials=1)
    with pytest.raises(ValueError, match=allowed):
        next(run_trials(CASES["dense"][0], 0, [0], "cuda"))
    with pytest.raises(ValueError, match="device is 'gpu'; allowed: 'cpu', 'cuda'"):
        next(run_trials(CASES["dense"][0], 0, [0], "gpu"))


def test_what_goes_with_lanes_of_a_cpu_or_a_cluster_is_refused():
    for arguments in ({"lanes": 8}, {"scheduler": "tcp://localhost:8786"}):
        (name,) = arguments
        with pytest.raises(ValueError, match=rf"{name} is .*; allowed: none with device='cuda'"):
            lstmsim.simulate("4-1", device="cuda", trials=1, **arguments)


@generator(n_inputs=1, n_outputs=1, max_length=3, tolerance=0.1)
def own(seq, key):
    """Write one sequence."""
    seq.learn(0, 0, 0.5)
    return 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            Experiment(task("adding")(T=20), ("exact_lstm", LSTMSettings())),
            "learner is 'exact_lstm'; allowed: with device='cuda'",
        ),
        (Experiment(task("adding")(T=20), LSTMSettings(n_blocks=30)), "learner is 'lstm'; allowed: with device='cuda' one"),
        (
            Experiment(task("adding")(T=20), LSTMSettings(optimiser="adam")),
            "optimiser is 'adam'; allowed: with device='cuda'",
        ),
        (Experiment(own(), LSTMSettings()), "task is 'own'; allowed: with device='cuda' one of lstmsim's own"),
    ],
)
def test_what_cannot_run_on_a_gpu_is_refused(config, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        DeviceSimulation(config, 0, 4, Policy.parse("none"), device=Emulator())


def test_the_benchmark_asks_for_nothing_but_python_and_numpy():
    code = """
import runpy, sys
for name in ("lazy_loader", "numba", "pydantic", "xarray"):
    sys.modules[name] = None
sys.argv = ["gpu.py", "run", "nowhere.npz"]
runpy.run_path("benchmarks/gpu.py", run_name="__main__")
"""
    root = Path(lstmsim.__file__).parent.parent
    told = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False).stderr
    assert "'cuda' where NVIDIA's driver finds a GPU" in told or "No such file or directory: 'nowhere.npz'" in told


def test_trials_that_do_not_fit_go_in_blocks_and_one_too_big_is_refused():
    config, policy = CASES["dense"][0], Policy.parse("none")
    some = DeviceSimulation(config, 0, 10_000, policy, device=Emulator(free=8_000_000))
    assert 0 < some.threads < 100
    assert 8 * some.threads * some.layout.words < 8_000_000
    with pytest.raises(ValueError, match=r"a trial takes .* MiB of the GPU's memory; allowed: sizes that fit into"):
        DeviceSimulation(config, 0, 10_000, policy, device=Emulator(free=2**16))
