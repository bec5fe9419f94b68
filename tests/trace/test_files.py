"""What a run leaves is held open, read and written by any program, all at once; processes, because failing is a crash."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import lstmsim
from lstmsim import errorflow, plots
from lstmsim.run import main
from lstmsim.trace.failures import raise_cause
from lstmsim.trace.store import whole_or_absent

SMALL = ["4-1", "--set", "T=20", "--set", "final_test=20", "--lanes", "1", "--workers", "1", "--quiet", "--out"]
UNEQUAL = ["--trials", "6", "--set", "output=identity", "--set", "learning_rate=3", "--max-sequences", "300"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert main([*SMALL, str(folder), "--trials", "2", "--max-sequences", "60"]) == 0
    return folder


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    """Trials of one row of which one diverges, one recorded nothing, and one only its first sequence."""
    folder = tmp_path_factory.mktemp("unequal")
    assert main([*SMALL, str(folder), *UNEQUAL]) == 0
    for trial, policy in ((0, "none"), (1, "first:1")):
        (folder / "4-1" / f"trial-000{trial}.nc").unlink()
        assert main([*SMALL, str(folder), *UNEQUAL, "--record", policy]) == 0
    return folder


# Held open.

HELD = {
    "xarray": "a = [xr.open_dataset(path, group=g) for g in ('test_trace', 'weights')]; a[0].cell_state[0].values",
    "xarray_tree": "b = xr.open_datatree(path)",
    "xarray_h5netcdf": "c = xr.open_dataset(path, group='test_trace', engine='h5netcdf')",
    "netCDF4": "d = netCDF4.Dataset(path); d['weights']['source'][:]",
    "h5netcdf": "import h5netcdf; e = h5netcdf.File(path); e['weights']['source'][:]",
    "open_run": "f = lstmsim.open_run(path)",
}
USES = """
import sys, gc, threading, subprocess
import netCDF4, xarray as xr, numpy as np, lstmsim
from pathlib import Path
from lstmsim.run import main
from lstmsim.trace.summary import read_trial
folder = Path(sys.argv[1])
path = folder / "4-1" / "trial-0000.nc"
def use():
    for _ in range(4):
        tree = lstmsim.open_run(folder)
        assert np.isfinite(tree["4-1/trace"]["cell_state"].values).any()
        tree["4-1/weights"].load()
        with xr.open_dataset(path, group="weights") as weights:
            weights.load()
        with xr.open_dataset(folder / "summary.nc") as summary:
            summary.load()
        with netCDF4.Dataset(path) as file:
            [variable[...] for group in file.groups.values() for variable in group.variables.values()]
        read_trial(path, verify=True)
        lstmsim.load_net(path)
"""


HELD["all"] = "\n".join(HELD.values())


@pytest.mark.parametrize("how", [how if how == "all" else pytest.param(how, marks=pytest.mark.slow) for how in HELD])
def test_a_file_that_somebody_holds_open_is_opened_read_and_added_to(how, run, tmp_path):
    """The README's own order: plain xarray first, then `open_run`; then the run goes on."""
    if "h5netcdf" in HELD[how]:
        pytest.importorskip("h5py")
        pytest.importorskip("h5netcdf")
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    more = [*SMALL, str(folder), "--trials", "3", "--max-sequences", "60"]
    code = (
        f"{USES}\nsummary = xr.open_dataset(folder / 'summary.nc')\n{HELD[how]}\nuse()\n"
        f"assert main({more!r}) == 0\nuse()\nassert lstmsim.open_run(folder)['4-1'].sizes['trial'] == 3\nprint('fine')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("fine\n"), (done.returncode, done.stderr)


@pytest.mark.slow
def test_threads_open_runs_while_trials_are_run_in_the_same_process(run, tmp_path):
    """With netCDF4 itself, or xarray by way of it, they crash the library, which takes one thread at a time."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    more = [*SMALL, str(folder), "--trials", "4", "--max-sequences", "60", "--record", "all"]
    code = f"""
import gc, sys, threading, time
from pathlib import Path
import lstmsim
from lstmsim.run import main
done, count = threading.Event(), [0, 0]
def use(number):
    while not done.is_set():
        for path in Path(sys.argv[1]).glob("4-1/trial-*.nc"):
            tree = lstmsim.open_run(path)
            tree["4-1/trace"].load()
            tree["4-1/weights"].load()
            count[number] += 1
        time.sleep(0.1)
gc.set_threshold(50)
threads = [threading.Thread(target=use, args=(number,)) for number in range(2)]
[thread.start() for thread in threads]
assert main({more!r}) == 0
done.set()
[thread.join() for thread in threads]
assert min(count) > 1, count
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("fine\n"), (done.returncode, done.stderr)


def test_threads_and_processes_read_together(run):
    """With garbage collected at any moment; xarray's own readers are not among the threads, they race with each other."""
    code = """
import gc, subprocess, sys, threading
import lstmsim
def use():
    for _ in range(3):
        tree = lstmsim.open_run(sys.argv[1])
        tree["4-1/trace"]["cell_state"].values
        tree["4-1/weights"].load()
gc.set_threshold(50)
load = "import sys, lstmsim; lstmsim.open_run(sys.argv[1])['4-1'].load()"
other = subprocess.Popen([sys.executable, "-c", load, sys.argv[1]])
threads = [threading.Thread(target=use) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert other.wait() == 0
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", (done.returncode, done.stderr)
    assert "Error" not in done.stderr


def test_no_file_holds_strings(run, tmp_path):
    """Neither what is written nor what `open_run` hands out to be written: netCDF4 1.7.3 and later crash on strings."""
    with lstmsim.Recorder(tmp_path / "stream.nc", net=lstmsim.LSTM(2, 1, 1)) as recorder:
        recorder.append(lstmsim.LSTM(2, 1, 1).run(np.zeros((3, 2))).assign_coords(input_unit=["a", "b"]))
    lstmsim.open_run(run).to_netcdf(tmp_path / "tree.nc")
    paths = [*run.rglob("*.nc"), *tmp_path.glob("*.nc")]
    assert {path.name for path in paths} >= {"trial-0000.nc", "summary.nc", "stream.nc", "tree.nc"}

    def check(group):
        for name, variable in group.variables.items():
            assert variable.dtype is not str, f"{path.name}: {group.path}/{name}"
        for child in group.groups.values():
            check(child)

    for path in paths:
        with netCDF4.Dataset(path) as file:
            check(file)


# Trials that differ.


def test_trials_that_differ_open_together(unequal):
    node = lstmsim.open_run(unequal)["4-1"]
    assert set(node["status"].values) == {"gave_up", "diverged"}
    assert node["sequences_to_success"].dtype == np.float64
    assert np.isnan(node["sequences_to_success"]).all()
    assert (node["sequences"] > 0).all()
    trace = node["trace"].to_dataset()
    lengths = []
    for trial in range(6):
        with xr.open_datatree(unequal / "4-1" / f"trial-000{trial}.nc") as alone:
            there = trace.isel(trial=trial)
            if "trace" not in alone.children:
                lengths.append(0)
                assert np.isnan(there["cell_state"]).all()
                assert np.isnan(node["test_trace"]["output"].isel(trial=trial)).all()
                continue
            lengths.append(alone["trace"].sizes["step"])
            own = there.dropna("step", subset=["sequence"])
            for name in ("cell_state", "input", "sequence", "event"):
                np.testing.assert_array_equal(own[name], alone["trace"][name])
                assert np.isnan(there[name].isel(step=slice(lengths[-1], None))).all()
                part = trace[name].isel(trial=slice(trial, None, 2), step=slice(5, 400, 7))
                np.testing.assert_array_equal(part, trace[name].values[trial::2, 5:400:7])
            for name in ("final_cell", "snapshot_cell"):
                if name in alone["weights"]:
                    own = alone["weights"][name].values
                    found = node["weights"][name].isel(trial=trial).values
                    np.testing.assert_array_equal(found[: len(own)] if name.startswith("snap") else found, own)
    assert lengths[0] == 0
    assert 0 < lengths[1] < 40 < max(lengths)
    assert len(set(lengths)) > 2


def test_what_is_shorter_is_drawn_and_measured_without_its_padding(unequal):
    trace = lstmsim.open_run(unequal)["4-1/trace"].to_dataset()
    for trial in (1, 2, 4):
        one = trace.isel(trial=trial)
        own = one.dropna("step", subset=["sequence"])
        for measure in (errorflow.drift, errorflow.usage):
            xr.testing.assert_equal(
                measure(one).drop_vars("trial", errors="ignore"), measure(own).drop_vars("trial", errors="ignore")
            )
        assert np.isfinite(errorflow.drift(one)["final_state"]).all()
        if len(np.unique(own["sequence"])) > 1:
            with pytest.raises(ValueError, match="select one: ") as caught:
                plots.cell_states(one)
            one = eval(str(caught.value).partition("select one: ")[2], {"trace": one})  # the hint itself
        drawn = plots.cell_states(one, ax=Figure().add_subplot())
        assert max(line.get_xdata().max() for line in drawn.lines[:1]) <= own["t"].max()


def test_trials_of_other_learners_are_refused(run, tmp_path):
    shutil.copytree(run / "4-1", tmp_path / "4-1")
    with netCDF4.Dataset(tmp_path / "4-1" / "trial-0001.nc", "a") as file:
        file.config = file.config.replace('"n_blocks": 2', '"n_blocks": 3')
    with pytest.raises(ValueError, match=r"trial-0001\.nc is of the learner"):
        lstmsim.open_run(tmp_path)


def test_a_child_per_row_whatever_is_opened(run):
    for what in (run, run / "4-1", run / "4-1" / "trial-0001.nc"):
        tree = lstmsim.open_run(what)
        assert list(tree.children) == ["4-1"]
        assert list(tree["4-1"].children) == ["trace", "test_trace", "progress", "weights", "test"]
        assert {"status", "seed", "sequences", "steps", "seconds", "test_wrong"} <= set(tree["4-1"].data_vars)


# Names.


def test_names_are_absolute_from_the_beginning(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(run.parent))
    monkeypatch.chdir(run)
    trees = [
        lstmsim.open_run(name) for name in (".", "4-1", f"~/{run.name}", Path("~") / run.name / "4-1" / "trial-0000.nc")
    ]
    os.chdir("/")
    for tree in trees:
        assert np.isfinite(tree["4-1/trace"].to_dataset()["cell_state"].values).any()
    assert lstmsim.load_net(f"~/{run.name}/4-1/trial-0000.nc").n_weights == 93


# What the system says.


def guess(code=errno.EACCES):
    return OSError(code, os.strerror(code), "/tmp/.trial.nc.part")


@pytest.mark.parametrize(
    "error", [guess(), guess(errno.ENOENT), RuntimeError("NetCDF: HDF error"), OSError(-101, "NetCDF: HDF error")]
)
def test_what_the_library_guesses_is_found_out(error, tmp_path):
    """On a disk with room nobody claims a missing permission; on a full one it is said that it is full."""
    with pytest.raises(OSError, match=r"cannot be written .*; its disk has [\d.]+ MB left") as caught:
        raise_cause(tmp_path / "trial.nc", error)
    assert caught.value.errno == errno.EIO
    assert "ermission" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full", "x"), OSError(errno.EDQUOT, "quota"), RuntimeError("a bug")]
)
def test_what_the_system_says_is_passed_on(error, tmp_path):
    with pytest.raises(type(error)) as caught:
        raise_cause(tmp_path / "trial.nc", error)
    assert caught.value is error


@pytest.mark.parametrize("full", [True, False], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing_is_named_whatever_the_library_says(full, tmp_path):
    from tests.faults import remount, small_disk

    with small_disk(tmp_path, "1m") as disk:
        if full:
            (disk / "there").write_bytes(bytes((1 << 20) - 8192))
        else:
            remount(disk, "ro")
        with pytest.raises(OSError, match="No space left" if full else "Read-only file system") as caught:
            raise_cause(disk / "trial.nc", guess())
        assert caught.value.errno == (errno.ENOSPC if full else errno.EROFS)
        if full:
            with pytest.raises(OSError, match="No space left"), whole_or_absent(disk / "trial.nc"):
                raise guess()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads everything")
def test_a_file_that_may_not_be_read_is_no_broken_file(run, tmp_path):
    path = shutil.copy(run / "4-1" / "trial-0000.nc", tmp_path)
    Path(path).chmod(0)
    with pytest.raises(PermissionError):
        lstmsim.open_run(path)
