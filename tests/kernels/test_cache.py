"""Compiled kernels where no folder can hold them, while they are compiled, and where compiling is switched off."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
import numpy as np
from lstmsim.kernels import compile
from lstmsim.kernels.sequences import new_sequences, rewind
rewind(new_sequences(1, 4, 1, np.zeros((0, 8)), 1), 0)
rewind(new_sequences(1, 4, 1, np.zeros((0, 8)), 1), 0)
print("done", rewind._cache_hits, rewind._cache_misses)
"""
WARNING = "compiled kernels cannot be kept"


def run(program: str = PROGRAM, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME")}
    return subprocess.run(
        [sys.executable, "-B", "-c", program],
        env=kept | environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"])
def test_without_a_folder_kernels_are_compiled_for_the_run(name, tmp_path):
    """A path below a plain file: nobody can make a folder there, root neither."""
    (tmp_path / "file").write_text("")
    before = {path for path in Path("lstmsim").rglob("*.nbi")}
    result = run(**{name: str(tmp_path / "file" / "folder")})
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("done")
    [line] = result.stderr.splitlines()
    assert WARNING in line
    assert "for this run" in line
    assert {path for path in Path("lstmsim").rglob("*.nbi")} == before  # in no folder that Numba would think of


@pytest.mark.skipif(os.geteuid() != 0, reason="takes the rights of another user")
def test_a_user_who_may_not_write_there(tmp_path):
    """The process gives up root's rights before the kernels are imported."""
    (tmp_path / "locked").mkdir(mode=0o755)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    before = "import __future__, ast, ctypes, hashlib, os, tempfile, numba.core.compiler, numba.core.untyped_passes\n"
    before += "import lstmsim.checks, numba.extending; numba.njit(lambda: 0)(); os.setgid(65534); os.setuid(65534)\n"
    result = run(before + PROGRAM, XDG_CACHE_HOME=str(tmp_path / "locked"))
    assert result.returncode == 0, result.stderr
    assert WARNING in result.stderr
    assert not list((tmp_path / "locked").iterdir())


def test_with_a_folder_nothing_is_said(tmp_path):
    for _ in range(2):
        result = run(XDG_CACHE_HOME=str(tmp_path))
        assert (result.returncode, result.stderr) == (0, "")
    assert list(tmp_path.rglob("*.nbi"))


def test_without_compilation_the_kernels_are_refused():
    result = run(NUMBA_DISABLE_JIT="1", HOME="/nonexistent")
    assert result.stderr.splitlines()[-1].startswith("ValueError: NUMBA_DISABLE_JIT is set; allowed")


def test_what_is_being_compiled_can_be_seen_from_another_thread(tmp_path, monkeypatch):
    from lstmsim.kernels import compile as kernels

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # where nothing is yet

    @kernels.kernel
    def sums(x):
        """Sum of the numbers in an array."""
        total = 0.0
        for i in range(x.size):
            total += x[i]
        return total

    import numpy as np

    seen: set[str] = set()
    thread = threading.Thread(target=sums, args=(np.ones(3),))
    thread.start()
    while thread.is_alive():
        seen.update(kernels.compiling())
    assert seen == {sums.py_func.__qualname__}
    assert kernels.compiling() == []
