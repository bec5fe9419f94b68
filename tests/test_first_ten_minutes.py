"""From the README to a picture of one's own cell states: the blocks that a newcomer pastes, in an empty folder."""

import os
import resource
import shlex
import subprocess
import sys

import pytest
from matplotlib import image

from tests.test_documents import EXAMPLES, README, ROOT, blocks

MINUTES = 10


@pytest.mark.slow
@pytest.mark.timeout(3600)  # what counts is processor time, on a busy machine too
def test_ten_minutes_from_the_readme_to_a_picture_of_ones_own_cell_states(tmp_path):
    """All but pip and venv, which `test_packaging.py` and `.ci/run` look at; kernels are compiled anew."""
    environment = {**os.environ, "MPLBACKEND": "agg", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    def python(*arguments):
        """Run as the reader does, one process a block; what it prints."""
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = shlex.split(blocks(README, "bash")[0].split("&&")[-1])
    assert first == [".venv/bin/python", "-m", "lstmsim"]
    python(*first[1:])
    assert (tmp_path / "runs" / "4-1-one" / "report.html").is_file()

    pages = {"run": [EXAMPLES["run"]], "data": [EXAMPLES["data"]]}
    for page in ("tutorial", "own-task"):
        pages[page] = blocks(ROOT / "docs" / f"{page}.md", "python")
    printed = {}
    for name, texts in pages.items():
        (tmp_path / f"{name}.py").write_text("\n".join(texts), encoding="utf-8")
        printed[name] = python(f"{name}.py")

    assert printed["data"].count("'solved'") == 4
    picture = image.imread(tmp_path / "states.png")
    ink = (picture[..., :3].max(axis=2) - picture[..., :3].min(axis=2) > 0.2).mean()
    assert picture.shape[1] > 500
    assert ink > 0.001, "lines in colours"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60 * MINUTES
