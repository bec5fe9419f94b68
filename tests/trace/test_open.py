"""Nets made from trial files."""

import json
import shutil

import netCDF4
import numpy as np
import pytest

import lstmsim
from lstmsim.run import main

SMALL = ["--trials", "1", "--max-sequences", "60", "--set", "final_test=3", "--lanes", "1", "--workers", "1", "--quiet"]


def trial_of(folder, row, *arguments):
    assert main([row, *SMALL, *arguments, "--out", str(folder)]) == 0
    return folder / row / "trial-0000.nc"


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return trial_of(tmp_path_factory.mktemp("run"), "4-1", "--set", "T=20")


def test_a_loaded_net_repeats_the_test_of_its_trial(trial):
    tested = lstmsim.open_run(trial)["4-1/test_trace"].to_dataset().isel(trial=0).load()
    tested = tested.isel(step=tested["sequence"].values == 0)
    trace = lstmsim.load_net(trial).run(tested["input"].values.astype(float))
    np.testing.assert_allclose(trace["output"], tested["output"], atol=1e-6)
    np.testing.assert_allclose(trace["cell_state"], tested["cell_state"], atol=1e-6)


def test_initial_final_and_snapshot_weights(trial):
    weights = lstmsim.open_run(trial)["4-1/weights"].to_dataset().isel(trial=0).load()
    snapshot = weights.isel(snapshot=3)
    assert (weights["initial_cell"] != weights["final_cell"]).any()
    for which, kind, source in (("initial", "initial", weights), ("final", "final", weights), (3, "snapshot", snapshot)):
        net = lstmsim.load_net(trial, which)
        for name, values in net.weights.items():
            np.testing.assert_array_equal(values, source[f"{kind}_{name}"])


def test_settings_come_with_the_net(tmp_path):
    net = lstmsim.load_net(trial_of(tmp_path, "4-1", "--set", "T=20", "--set", "learning_rate=0.25", "--set", "n_blocks=2"))
    assert net.learning_rate == 0.25
    assert net.input_gate_bias == (-3.0, -6.0)
    assert net.n_weights == 93


def test_a_learning_rate_that_falls_is_that_of_the_sequence(tmp_path):
    path = trial_of(tmp_path, "4-1", "--set", "T=20", "--set", "learning_rate_decay=0.01", "--max-sequences", "100")
    assert lstmsim.load_net(path, "initial").learning_rate == 0.5
    assert lstmsim.load_net(path).learning_rate == 0.5 / 2


@pytest.mark.parametrize("which", ["last", -1, 10_000, True, 1.0, None])
def test_weights_that_are_not_there_are_refused(trial, which):
    with pytest.raises(ValueError, match=r"which is .*; allowed: 'initial', 'final', 0 to \d+"):
        lstmsim.load_net(trial, which)


def test_what_is_no_trial_of_an_lstm_is_refused(trial, tmp_path):
    with pytest.raises(FileNotFoundError, match="allowed: a trial file"):
        lstmsim.load_net(trial.parent)
    broken = tmp_path / "trial-0000.nc"
    broken.write_bytes(b"nothing")
    for call in (lstmsim.load_net, lstmsim.open_run):
        with pytest.raises(ValueError, match=r"path: .*trial-0000\.nc is no whole trial file .*; allowed"):
            call(broken)
    other = tmp_path / "trial-0001.nc"
    shutil.copy(trial, other)
    with netCDF4.Dataset(other, "a") as file:
        file.config = json.dumps({"learner": {"name": "elman", "n_hidden": 3}})
    with pytest.raises(ValueError, match="learner 'elman'"):
        lstmsim.load_net(other)


def test_a_net_with_blocks_still_to_join_is_refused(tmp_path):
    with pytest.raises(ValueError, match="0 of 1 blocks had joined"):
        lstmsim.load_net(trial_of(tmp_path, "2a", "--set", "n_blocks=1"), "initial")
