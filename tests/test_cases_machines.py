"""Machines with something missing: a home, a disk that can be written, a terminal, names in UTF-8, a package in files."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import lstmsim
from lstmsim.trace.summary import read_trial
from tests.faults import remount, small_disk

PACKAGE = Path(lstmsim.__file__).parent
QUICK = [
    "4-1", "--trials", "1", "--max-sequences", "20", "--set", "T=20", "--set", "final_test=0", "--record", "none",
    "--lanes", "1", "--workers", "1", "--out",
]  # fmt: skip
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
KERNEL = """
import numpy as np
from lstmsim.kernels.sequences import new_sequences, rewind
rewind(new_sequences(1, 4, 1, np.zeros((0, 8)), 1), 0)
print("done")
"""


def python(*arguments, without=(), cwd=None, **environment):
    """Run Python with these variables and without those."""
    kept = {name: value for name, value in os.environ.items() if name not in without}
    command = [sys.executable, "-B", *map(str, arguments)]
    return subprocess.run(command, env=kept | environment, cwd=cwd, capture_output=True, check=False, timeout=250)


def shell(line, *arguments, **environment):
    """Run a shell line in which "$@" is the command line's program with its arguments."""
    command = ["bash", "-c", line, "bash", sys.executable, "-m", "lstmsim", *map(os.fspath, arguments)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, check=False, timeout=250)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a small run."""
    out = tmp_path_factory.mktemp("run")
    assert shell('"$@"', *QUICK, out).returncode == 0
    return out


# Homes and folders.


@pytest.mark.parametrize("arguments", [("--list",), ("4-1", "--dry-run", "--json"), ("--settings", "4-1")], ids=" ".join)
def test_without_a_home(arguments, tmp_path):
    names = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "MPLCONFIGDIR")
    done = python(
        "-m", "lstmsim", *arguments, without=names, cwd=tmp_path, HOME="/nonexistent", PYTHONPATH=str(PACKAGE.parent)
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["home", "package"])
def test_on_a_disk_that_cannot_be_written(what, tmp_path):
    """Kernels are compiled for the run, and one line says so; nothing is written elsewhere."""
    (tmp_path / "file").write_text("")
    with small_disk(tmp_path, "20m") as disk:
        where = PACKAGE.parent
        if what == "package":
            shutil.copytree(PACKAGE, disk / "lstmsim", ignore=shutil.ignore_patterns("__pycache__"))
            where = disk
        remount(disk, "ro")
        home = str(disk if what == "home" else tmp_path / "file")  # root could make any other folder
        done = python(
            "-c", KERNEL, without=("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"), HOME=home, PYTHONPATH=str(where), cwd=tmp_path
        )
        assert done.stdout == b"done\n", done.stderr
        [line] = done.stderr.decode().splitlines()
        assert "compiled kernels cannot be kept" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_an_unknown_user_without_a_home():
    before = "import __future__, ast, ctypes, hashlib, os, tempfile, numba.core.compiler, numba.core.untyped_passes\n"
    before += "import numba.extending, lstmsim.checks; numba.njit(lambda: 0)(); os.setgid(54321); os.setuid(54321)\n"
    names = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME")
    done = python("-c", before + KERNEL, without=names, cwd="/", PYTHONPATH=str(PACKAGE.parent))
    if b"Permission" in done.stderr and b"lstmsim" not in done.stderr.splitlines()[-1]:
        pytest.skip("another user cannot read this Python")
    assert done.stdout == b"done\n", done.stderr
    assert b"compiled kernels cannot be kept" in done.stderr


# A package in an archive.


def archive(path, **changed):
    """Pack the package, with lines added to some of its files."""
    with zipfile.ZipFile(path, "w") as packed:
        for file in PACKAGE.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                name = str(file.relative_to(PACKAGE.parent))
                packed.writestr(name, file.read_bytes() + changed.get(file.stem, "").encode())
    return path


def test_in_an_archive_the_report_is_written(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "report.html").unlink()
    code = "import sys, lstmsim; assert '.zip' in lstmsim.__file__; from lstmsim.report.__main__ import *\n"
    code += "import runpy; sys.argv[0] = 'report'; runpy.run_module('lstmsim.report', run_name='__main__')"
    done = python("-c", code, folder, cwd=tmp_path, PYTHONPATH=str(archive(tmp_path / "a.zip")))
    assert done.returncode == 0, done.stderr
    assert b"4-1" in (folder / "report.html").read_bytes()


def test_in_an_archive_no_stale_kernel_is_taken(tmp_path):
    """An archive with another kernel has another folder of compiled ones."""
    code = "from lstmsim.kernels.compile import cache_folder; print(cache_folder('lstmsim.kernels.sequences'))"
    folders = set()
    for name, changed in (("a", {}), ("b", {"logistic": "\n# another\n"})):
        path = archive(tmp_path / f"{name}.zip", **changed)
        done = python("-c", code, cwd=tmp_path, PYTHONPATH=str(path))
        assert done.returncode == 0, done.stderr
        folders.add(done.stdout)
    assert len(folders) == 2


# Streams and names.


def test_the_first_line_alone_is_read():
    done = shell('"$@" | head -1; exit ${PIPESTATUS[0]}', "--list")
    assert done.returncode in (0, 141), done.stderr
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == 1


@pytest.mark.parametrize("closed", [pytest.param("2>&-", marks=pytest.mark.slow), "<&- >&- 2>&-"])
def test_closed_streams_harm_no_file(closed, tmp_path):
    """Files that are opened then take the numbers of the streams."""
    done = shell(f'exec "$@" {closed}', *QUICK, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert read_trial(tmp_path / "out" / "4-1" / "trial-0000.nc", verify=True)["sequences"] == 20


def test_where_texts_are_ascii(tmp_path):
    """What the encoding lacks is written by number."""
    done = shell('exec "$@"', *QUICK, tmp_path / "line\nfeed \x1b[2J", **ASCII)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert read_trial(tmp_path / "line\nfeed \x1b[2J" / "4-1" / "trial-0000.nc", verify=True)["sequences"] == 20
    assert shell('exec "$@"', "--list", **ASCII).returncode == 0


@pytest.mark.parametrize(("name", "encoding"), [("Grüße".encode(), ASCII), (b"\xff\xe4", {}), (b"\xff\xe4", ASCII)])
def test_a_name_in_another_encoding_is_refused_before_anything_runs(name, encoding, tmp_path):
    """The netCDF library opens no such file."""
    out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    done = shell('exec "$@"', *QUICK, out, **encoding)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"out is '" in done.stderr
    assert b"allowed" in done.stderr
    assert list(tmp_path.iterdir()) == []
    if not encoding:
        for call in (lstmsim.open_run, lstmsim.load_net, lstmsim.LSTM.load, lstmsim.LSTM(1, 1).save, lstmsim.Recorder):
            with pytest.raises(ValueError, match=r"path is .*; allowed"):
                call(out)


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 5000], ids=["a name", "a path"])
def test_a_name_longer_than_the_system_takes_is_refused_before_anything_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (lstmsim.open_run, lstmsim.load_net, lstmsim.LSTM.load, lstmsim.LSTM(1, 1).save, lstmsim.Recorder):
        with pytest.raises(ValueError, match=r"path is .*; allowed"):
            call(name)
    for argument in ("out", "reuse"):
        with pytest.raises(ValueError, match=f"{argument} is .*; allowed"):
            lstmsim.simulate("4-1", trials=1, **{argument: name})
    assert list(tmp_path.iterdir()) == []
