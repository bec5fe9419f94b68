"""Recording a stream: what stands at the path is whole at any moment, holds all there is to know, and is nobody else's."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import lstmsim
from lstmsim.trace import recorder as module
from lstmsim.trace import schema
from lstmsim.trace.seal import intact

WRITER = """
import sys, numpy as np, lstmsim
from lstmsim.trace import recorder
recorder._EVERY = recorder._SHARE = 0
net = lstmsim.LSTM(2, 1, 2, 2, seed=1)
trace = net.run(np.random.default_rng(0).normal(size=(500, 2)))
recorder = lstmsim.Recorder(sys.argv[1], "a", net=net)
print(recorder.steps, flush=True)
while True:
    recorder.append(trace)
"""


def make_net():
    return lstmsim.LSTM(2, 1, 2, 2, seed=1)


def piece(length=4, net=None):
    return (net or make_net()).run(np.random.default_rng(length).normal(size=(length, 2)), reset=False)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_pieces_of_a_stream_equal_one_run(tmp_path):
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(60, 2)), np.full((60, 1), np.nan)
    targets[::7] = 0.3
    whole = make_net().run(inputs, targets)
    net = make_net()
    with lstmsim.Recorder(tmp_path / "stream.nc") as recorder:
        for first in range(0, 60, 13):
            part = slice(first, first + 13)
            recorder.append(net.run(inputs[part], targets[part], reset=False))
        assert recorder.steps == 60
    assert left(tmp_path) == ["stream.nc"]
    with xr.open_dataset(tmp_path / "stream.nc", group="trace") as trace:
        assert trace["t"].values.tolist() == list(range(60))
        assert trace["step"].values.tolist() == list(range(60))
        assert {"sequence", "t", "event", "cell_block"} <= set(trace.coords)
        np.testing.assert_array_equal(trace["cell_state"], whole["cell_state"])
        np.testing.assert_allclose(trace["output"], whole["output"], rtol=1e-6)
        np.testing.assert_array_equal(trace["cell_block"], [0, 0, 1, 1])


def test_a_file_without_a_step_can_be_gone_on_with(tmp_path):
    with lstmsim.Recorder(tmp_path / "stream.nc") as recorder:
        recorder.append(piece(0))
    with lstmsim.Recorder(tmp_path / "stream.nc", "a") as recorder:
        recorder.append(piece(3))
    with xr.open_dataset(tmp_path / "stream.nc", group="trace") as trace:
        assert trace["t"].values.tolist() == [0, 1, 2]


def test_sequences_count_their_own_steps(tmp_path):
    net = make_net()
    with lstmsim.Recorder(tmp_path / "stream.nc") as recorder:
        for sequence, length in enumerate((4, 3)):
            recorder.append(net.run(np.zeros((length, 2))), sequence)
    with lstmsim.Recorder(tmp_path / "stream.nc", "a") as recorder:
        assert recorder.steps == 7
        recorder.append(net.run(np.zeros((2, 2))), 1)
        recorder.append(net.run(np.zeros((2, 2))), 2)
    with xr.open_dataset(tmp_path / "stream.nc", group="trace") as trace:
        assert trace["t"].values.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 0, 1]
        assert trace["sequence"].values.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]
        assert trace["step"].values.tolist() == list(range(11))


# At any moment.


def test_the_file_is_there_from_the_first_piece_and_an_error_loses_nothing(tmp_path):
    path = tmp_path / "stream.nc"
    with pytest.raises(RuntimeError, match="stop"), lstmsim.Recorder(path) as recorder:  # noqa: PT012
        recorder.append(piece())
        with xr.open_dataset(path, group="trace") as trace:
            assert trace.sizes["step"] == 4
        recorder.append(piece(5))
        raise RuntimeError("stop")
    assert left(tmp_path) == ["stream.nc"]
    assert intact(path)
    with xr.open_dataset(path, group="trace") as trace:
        assert trace.sizes["step"] == 9


def test_a_recorder_without_a_piece_leaves_nothing(tmp_path):
    lstmsim.Recorder(tmp_path / "stream.nc").close()
    assert left(tmp_path) == []


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_a_kill_leaves_a_whole_file_to_go_on_with(kills, tmp_path):
    """Killed at any moment while pieces are written without a pause; every program can read what is left."""
    path, moments = tmp_path / "stream.nc", np.random.default_rng(0)
    steps = 0
    for _ in range(kills):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert int(process.stdout.readline()) >= steps
            while not path.exists():
                time.sleep(0.001)
            time.sleep(moments.uniform(0.0, 0.5))
            process.send_signal(signal.SIGKILL)
        assert intact(path)
        with netCDF4.Dataset(path) as file:
            steps = len(file["trace"].dimensions["step"])
            assert steps % 500 == 0
            state = file["trace"]["cell_state"][:]
        assert steps > 0
        np.testing.assert_array_equal(state.reshape(-1, 500, 4), np.broadcast_to(state[:500], (steps // 500, 500, 4)))
    with lstmsim.Recorder(path, "a", net=make_net()) as recorder:
        recorder.append(piece(500))
    assert lstmsim.open_run(path)["stream/trace"].sizes["step"] == steps + 500
    assert left(tmp_path) == ["stream.nc"]


def test_ctrl_c_inside_a_piece_writes_it_whole(tmp_path, monkeypatch):
    write, count = module.Recorder._write, []

    def interrupted(self, columns, length):
        if not count:
            count.append(1)
            self._file["trace"]["cell_state"][self.steps : self.steps + length] = 0.0
            raise KeyboardInterrupt
        write(self, columns, length)

    monkeypatch.setattr(module.Recorder, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt), lstmsim.Recorder(tmp_path / "stream.nc") as recorder:
        recorder.append(piece())
    with xr.open_dataset(tmp_path / "stream.nc", group="trace") as trace:
        np.testing.assert_array_equal(trace["cell_state"], piece()["cell_state"])


def test_readers_keep_what_they_have_opened(tmp_path, monkeypatch):
    pytest.importorskip("h5netcdf")
    monkeypatch.setattr(module, "_EVERY", 0.0)
    monkeypatch.setattr(module, "_SHARE", 0)
    path, net = tmp_path / "stream.nc", make_net()
    with lstmsim.Recorder(path, net=net) as recorder:
        recorder.append(piece(net=net))
        held = [xr.open_dataset(path, group="trace"), xr.open_dataset(path, group="trace", engine="h5netcdf")]
        run = lstmsim.open_run(path)
        for _ in range(5):
            recorder.append(piece(net=net))
            with xr.open_dataset(path, group="weights") as weights:
                weights.load()
        for trace in held:
            assert trace["cell_state"].values.shape == (4, 4)
        assert run["stream/trace"]["cell_state"].values.shape == (1, 4, 4)
    for trace in held:
        trace.close()


def test_a_full_disk_is_named_and_the_file_stays(tmp_path):
    from tests.faults import small_disk

    with small_disk(tmp_path, "3m") as disk:
        path, recorder = disk / "stream.nc", lstmsim.Recorder(disk / "stream.nc")
        recorder.append(piece(100))
        recorder.flush()
        with pytest.raises(OSError, match=r"No space left|disk has \d\.\d MB left"):  # noqa: PT012
            while True:
                recorder.append(piece(5000))
                recorder.flush()
        with pytest.raises(ValueError, match="closed"):
            recorder.append(piece())
        assert left(disk) == ["stream.nc"]
        assert intact(path)
        assert lstmsim.open_run(path)["stream/trace"].sizes["step"] >= 100


# Whose file it is.


def test_what_is_there_is_not_overwritten(tmp_path):
    path = tmp_path / "stream.nc"
    path.write_text("mine")
    for mode in ("w-", "a"):
        with pytest.raises(ValueError, match=r"path is .*stream\.nc'; allowed: "):
            lstmsim.Recorder(path, mode)
    assert path.read_text() == "mine"
    assert left(tmp_path) == ["stream.nc"]
    with pytest.raises(ValueError, match="mode is 'w'; allowed: 'w-', 'a'"):
        lstmsim.Recorder(tmp_path / "other.nc", "w")


def test_a_second_recorder_is_refused_and_harms_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with lstmsim.Recorder("stream.nc") as recorder:
        recorder.append(piece())
        for path in ("stream.nc", tmp_path / "stream.nc", tmp_path / "x" / ".." / "stream.nc"):
            for mode in ("w-", "a"):
                with pytest.raises(ValueError, match="allowed: a file that no other recorder writes"):
                    lstmsim.Recorder(path, mode)
        code = f"import lstmsim; lstmsim.Recorder({str(tmp_path / 'stream.nc')!r}, 'a')"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "allowed: a file that no other recorder writes" in done.stderr
        recorder.append(piece())
    with xr.open_dataset("stream.nc", group="trace") as trace:
        assert trace.sizes["step"] == 8


def test_the_path_is_absolute_from_the_beginning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with lstmsim.Recorder("stream.nc") as recorder, lstmsim.Recorder("~/other.nc") as other:
        os.chdir("/")
        recorder.append(piece())
        other.append(piece())
        assert recorder.path == tmp_path / "stream.nc"
    assert left(tmp_path) == ["other.nc", "stream.nc"]
    assert lstmsim.open_run("~/other.nc")["stream/trace"].sizes["step"] == 4


# What the file holds.


def test_the_net_comes_back(tmp_path):
    net = make_net()
    with lstmsim.Recorder(tmp_path / "stream.nc", net=net) as recorder:
        first = net.weights
        recorder.append(net.run(np.ones((20, 2)), np.full((20, 1), 0.8)))
    again = lstmsim.load_net(tmp_path / "stream.nc")
    np.testing.assert_equal(again.weights, net.weights)
    np.testing.assert_equal(lstmsim.load_net(tmp_path / "stream.nc", "initial").weights, first)
    node = lstmsim.open_run(tmp_path / "stream.nc")["stream"]
    assert node["status"].values.tolist() == ["recorded"]
    assert node["steps"].values.tolist() == [20]
    assert node["version"].values.tolist() == [lstmsim.__version__]
    assert np.isnan(node["sequences_to_success"]).all()
    with pytest.raises(ValueError, match="allowed: the net of the file"):
        lstmsim.Recorder(tmp_path / "stream.nc", "a")
    with lstmsim.Recorder(tmp_path / "stream.nc", "a", net=net) as recorder:
        recorder.append(net.run(np.ones((20, 2)), np.full((20, 1), 0.1), reset=False))
    np.testing.assert_equal(lstmsim.load_net(tmp_path / "stream.nc").weights, net.weights)
    np.testing.assert_equal(lstmsim.load_net(tmp_path / "stream.nc", "initial").weights, first)


def test_dimensions_go_by_name(tmp_path):
    trace = piece(7)
    with lstmsim.Recorder(tmp_path / "stream.nc") as recorder:
        for one in (trace.transpose(), trace, trace.transpose("cell", "step", ...)):
            recorder.append(one)
    with xr.open_dataset(tmp_path / "stream.nc", group="trace") as stored:
        for part in np.split(stored["cell_state"].values, 3):
            np.testing.assert_array_equal(part, trace["cell_state"])


@pytest.mark.parametrize("lazy", [True, False], ids=["open_run", "xarray"])
def test_coordinates_along_the_steps_are_kept(lazy, tmp_path):
    path = tmp_path / "stream.nc"
    times = pd.date_range("2001-02-03", periods=12, freq="37min").values
    names = [f"station {i}" for i in range(12)]
    with lstmsim.Recorder(path) as recorder:
        for part in (slice(0, 5), slice(5, 12)):
            trace = piece(len(times[part]))
            trace = trace.assign_coords(
                time=("step", times[part]), place=("step", names[part]), depth=("step", np.arange(12.0)[part])
            )
            recorder.append(trace.assign_coords(input_unit=["temperature", "salt"]))
    stored = (
        lstmsim.open_run(path)["stream/trace"].to_dataset().isel(trial=0) if lazy else xr.open_dataset(path, group="trace")
    )
    assert {"time", "place", "depth"} <= set(stored.coords)
    np.testing.assert_array_equal(stored["time"], times)
    assert stored["place"].values.tolist() == names
    assert stored["depth"].values.tolist() == list(range(12))
    assert stored["input_unit"].values.tolist() == ["temperature", "salt"]
    stored.close()


def test_pieces_that_do_not_go_with_the_first_are_refused(tmp_path):
    with lstmsim.Recorder(tmp_path / "b.nc") as recorder:
        recorder.append(piece().assign_coords(input_unit=["x", "y"]))
        for wrong, words in (
            (lstmsim.LSTM(2, 1, 1).run(np.zeros((4, 2))), "has the sizes"),
            (piece(), "input_unit"),
            (piece().assign_coords(input_unit=["y", "x"]), "input_unit differs"),
            (piece().assign_coords(input_unit=["x", "y"], time=("step", np.arange(4))), "has the variables"),
            (piece().assign(odd=("step", [None] * 4)), "odd holds values of the type object"),
            (piece().assign_coords(time=("step", np.full(4, "NaT", "M8[ns]"))), "dates that are missing"),
            (xr.Dataset(), "allowed: a trace"),
            ("trace", "allowed: a trace"),
        ):
            with pytest.raises(ValueError, match=words):
                recorder.append(wrong)
        recorder.append(piece().assign_coords(input_unit=["x", "y"]))
    with pytest.raises(ValueError, match="closed"):
        recorder.append(piece())
    with xr.open_dataset(tmp_path / "b.nc", group="trace") as trace:
        assert trace.sizes["step"] == 8


def test_the_schema_page_is_in_step():
    page = Path(__file__).parents[2] / "docs" / "schema.md"
    assert page.read_text() == schema.describe() + "\n", "run: python -m lstmsim.trace.schema > docs/schema.md"
