"""What the oldest libraries write the newest read at the same time, and the other way round."""

import os
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITE = """
import sys, warnings
from pathlib import Path
import numpy as np
import lstmsim
folder, trials = Path(sys.argv[1]), int(sys.argv[2])
lstmsim.simulate("4-1", trials=trials, out=folder / "run", T=20, max_sequences=60, final_test=20, lanes=1, workers=1)
net = lstmsim.LSTM(2, 1, 1, 2)
with lstmsim.Recorder(folder / "stream.nc", "a", net=net) as recorder:
    for _ in range(20):
        recorder.append(net.run(np.zeros((7, 2))))
        recorder.flush()
print(recorder.steps)
"""
READ = """
import os, sys, time
from pathlib import Path
import h5netcdf, netCDF4, xarray as xr
import lstmsim
folder, writer, held, seen, rounds = Path(sys.argv[1]), int(sys.argv[2]), [], set(), 0
def use(path):
    tree = lstmsim.open_run(path)
    tree.load()
    found = [xr.open_dataset(path, group="trace", engine=engine) for engine in ("netcdf4", "h5netcdf")]
    assert found[0]["cell_state"].identical(found[1]["cell_state"])
    with xr.open_dataset(path, group="weights") as weights:
        assert weights["source"].values[0] == "input 0"
    file = netCDF4.Dataset(path)
    [variable[...] for group in file.groups.values() for variable in group.variables.values()]
    other = h5netcdf.File(path)
    assert len(other["trace"].dimensions["step"]) == file["trace"].dimensions["step"].size
    for one in found:
        one["cell_state"].load()
    held[:] = [*held[-12:], *found, file, other]  # the newest ones stay open
def alive():
    try:
        os.kill(writer, 0)
    except ProcessLookupError:
        return False
    return True
last = False
while not last:
    last = not alive()
    for path in sorted(folder.rglob("*.nc")):
        if path.name != "summary.nc" and not path.name.startswith("."):
            use(path)
            seen.add(path.name)
    rounds += not last
    time.sleep(0.1)
assert lstmsim.open_run(folder / "run")["4-1"].sizes["trial"] >= 2
print(rounds, *sorted(seen))
"""


@pytest.fixture(scope="module")
def pythons(tmp_path_factory):
    """Python of an environment with every declared minimum, and of one with what is newest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readers = [name for name in project["optional-dependencies"]["test"] if name.startswith(("h5py", "h5netcdf"))]
    oldest = [name.replace(">=", "==") for name in [*project["dependencies"], *readers]]
    found = {}
    for age, wanted in (("oldest", oldest), ("newest", readers)):
        folder = tmp_path_factory.mktemp(age) / "environment"
        venv.create(folder, with_pip=True)
        found[age] = folder / "bin" / "python"
        pip = [found[age], "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        probe = subprocess.run([*pip, "--dry-run", "--no-deps", "netCDF4"], capture_output=True, text=True, check=False)
        if probe.returncode:
            pytest.skip(f"pip reaches no package index: {probe.stderr.strip().splitlines()[-1]}")
        made = subprocess.run([*pip, ROOT, *wanted], capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
    return found


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_what_one_netcdf_writes_another_reads_at_the_same_time(pythons, tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path, "env": kept}
    for trials, (one, other) in enumerate((("oldest", "newest"), ("newest", "oldest")), 1):
        writer = subprocess.Popen([pythons[one], "-W", "ignore", "-c", WRITE, tmp_path, str(2 * trials)], **how)
        number = str(writer.pid)
        with subprocess.Popen([pythons[other], "-W", "ignore", "-c", READ, tmp_path, number], **how) as reader:
            written, error = writer.communicate()
            read, complaint = reader.communicate()
        assert writer.returncode == 0, (one, error)
        assert reader.returncode == 0, (other, complaint)
        assert int(written) == trials * 140
        rounds, *seen = read.split()
        assert int(rounds) > 0
        assert seen == ["stream.nc", *(f"trial-000{n}.nc" for n in range(2 * trials))]
    show = "import netCDF4; print(netCDF4.__version__)"
    versions = [subprocess.run([python, "-c", show], **how, check=True).stdout for python in pythons.values()]
    assert versions[0] != versions[1]
