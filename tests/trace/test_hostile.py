"""`open_run` on files of other programs, damaged ones, and ones that were made to do harm: an error that names the file."""

import json
import os
import random
import tracemalloc

import netCDF4
import numpy as np
import pytest

import lstmsim
from lstmsim.trace.seal import seal

ATTRIBUTES = {
    "row": "4-1", "trial": np.int64(0), "seed": np.int64(0), "status": "solved", "version": "0.1.0",
    "config": json.dumps({"a": 1}),
}  # fmt: skip


def build(path, attributes=(), *, without=(), tests=2, names=2, step_dim="step", kind="f8"):
    """Make a small trial file by hand, with some things wrong."""
    with netCDF4.Dataset(path, "w") as file:
        for key, value in (ATTRIBUTES | dict(attributes)).items():
            if key not in without:
                file.setncattr(key, value)
        if "test" not in without:
            test = file.createGroup("test")
            test.createDimension("test_sequence", tests)
            for name in ("error", "squared_error", "correct"):
                variable = test.createVariable(name, "f8", ("test_sequence",), chunksizes=(min(tests, 1000),))
                variable[0] = 1.0
        if "progress" not in without:
            progress = file.createGroup("progress")
            progress.createDimension("window", 1)
            progress.createVariable("sequences", "i8", ("window",))
        weights = file.createGroup("weights")
        weights.createDimension("source", names)
        weights.createVariable("source", str, ("source",), chunksizes=(min(names, 1000),))
        trace = file.createGroup("trace")
        trace.createDimension(step_dim, None)
        state = trace.createVariable("cell_state", kind, (step_dim,))
        if kind == "f8":
            state[0:3] = 0.0
    return path


def test_what_is_built_here_opens_when_nothing_is_wrong(tmp_path):
    tree = lstmsim.open_run(build(tmp_path / "trial-0000.nc"))["4-1"]
    assert tree["trace"]["cell_state"].shape == (1, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"without": ("row",)},
        {"without": ("config",)},
        {"without": ("test",)},
        {"without": ("progress",)},
        {"attributes": {"config": np.arange(3)}},
        {"attributes": {"config": "no JSON"}},
        {"attributes": {"config": "[" * 100_000}},
        {"attributes": {"config": "3"}},
        {"attributes": {"trial": "zero"}},
        {"attributes": {"seed": np.array([1, 2])}},
        {"attributes": {"status": "won"}},
        {"tests": 10**13},
        {"names": 10**13},
        {"step_dim": "moment"},
    ],
    ids=str,
)
def test_what_is_wrong_inside_a_file_is_said(wrong, tmp_path):
    """Sizes that a file only claims to have are not allocated."""
    path = build(tmp_path / "trial-0000.nc", **wrong)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"trial-0000\.nc"):
            lstmsim.open_run(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_a_long_trace_is_opened_and_not_read(tmp_path):
    path = build(tmp_path / "trial-0000.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["trace"]["cell_state"][10**7] = 1.0
    tracemalloc.start()
    try:
        assert lstmsim.open_run(path)["4-1/trace"].sizes["step"] == 10**7 + 1
        assert tracemalloc.get_traced_memory()[1] < 400e6  # the labels of the steps are read, the values are not
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [b"", b"CDF\x01", b"CDF\x02" + bytes(60), b"\x89HDF\r\n\x1a\n" + bytes(90), b"PK\x03\x04", b"{}", bytes(10_000)],
)
def test_files_of_other_kinds(content, tmp_path):
    path = tmp_path / "trial-0000.nc"
    path.write_bytes(content)
    for what in (path, tmp_path):
        with pytest.raises(ValueError, match=r"trial-0000\.nc is no whole trial file"):
            lstmsim.open_run(what)


def test_files_of_other_programs(tmp_path):
    path = tmp_path / "trial-0000.nc"
    for kind in ("NETCDF3_CLASSIC", "NETCDF4"):
        with netCDF4.Dataset(path, "w", format=kind) as file:
            file.createDimension("time", 3)
            file.createVariable("temperature", "f4", ("time",))[:] = 280.0
        with pytest.raises(ValueError, match=r"trial-0000\.nc is no whole trial file"):
            lstmsim.open_run(path)


def test_what_is_no_file_is_passed_over(tmp_path):
    """A pipe would be waited for, a folder of that name is none of ours."""
    (tmp_path / "trial-0001.nc").mkdir()
    os.mkfifo(tmp_path / "trial-0002.nc")
    (tmp_path / "trial-0003.nc").symlink_to("trial-0003.nc")
    with pytest.raises(FileNotFoundError, match="holds no trial files"):
        lstmsim.open_run(tmp_path)
    build(tmp_path / "trial-0000.nc")
    assert lstmsim.open_run(tmp_path)[tmp_path.name]["trial"].values.tolist() == [0]


def test_files_that_do_not_belong_together(tmp_path):
    build(tmp_path / "trial-0000.nc")
    build(tmp_path / "trial-0001.nc", {"trial": np.int64(1), "config": json.dumps({"learner": {"name": "other"}})})
    with pytest.raises(ValueError, match="cannot be opened as trials of one row"):
        lstmsim.open_run(tmp_path)


def test_flipped_bits_of_a_sealed_file_are_noticed(tmp_path):
    """Noticed before the HDF5 library, which damaged files may crash, sees them."""
    path = build(tmp_path / "trial-0000.nc")
    seal(path)
    assert lstmsim.open_run(path)["4-1/trace"].sizes["step"] == 3
    whole, places = path.read_bytes(), random.Random(1)
    for _ in range(300):
        there = bytearray(whole)
        there[places.randrange(len(there) - 24)] ^= 1 << places.randrange(8)
        path.write_bytes(there)
        with pytest.raises(ValueError, match=r"trial-0000\.nc.*checksum"):
            lstmsim.open_run(path)
