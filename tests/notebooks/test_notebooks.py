"""The notebooks run from beginning to end, and print what they are kept with."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "analysis").glob("*.ipynb"))

# The kernel's client warns of the event loop's age and of sockets closed late; neither is the notebooks' affair.
pytestmark = pytest.mark.filterwarnings("default")


def execute(path, folder, monkeypatch, *, timeout=300):
    """The notebook after a run in the folder `analysis` of a temporary folder."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONWARNINGS", "default,ignore:unclosed file:ResourceWarning")  # reservoirpy leaves one open
    place = folder / "analysis"
    place.mkdir(exist_ok=True)
    import nbformat  # here, as all that is slow to import and used by few
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    return NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(place)}}).execute()


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def pictures(notebook):
    return [output for output in outputs(notebook) if "image/png" in output.get("data", {})]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all notebooks: those that open the same small run share it."""
    return tmp_path_factory.mktemp("notebooks")


def test_there_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} >= {
        "cec_over_1000_steps",
        "error_flow",
        "gates",
        "replication",
        "rivals",
        "stream",
        "tour",
    }


QUICK = {"tour"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[] if path.stem in QUICK else [pytest.mark.slow]) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_a_notebook_runs(path, folder, monkeypatch):
    done = execute(path, folder, monkeypatch)
    assert [o for o in outputs(done) if o.output_type == "error" or o.get("name") == "stderr"] == []
    assert len(pictures(done)) >= 2
    import nbformat

    kept = nbformat.read(path, as_version=4)
    for ours, theirs in zip(code(done), code(kept), strict=True):
        assert [kinds(output) for output in ours.outputs] == [kinds(output) for output in theirs.outputs], ours.source
        if "varies" not in theirs.metadata.get("tags", []):
            assert texts(ours) == texts(theirs), ours.source


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(output):
    return output.output_type, "image/png" in output.get("data", {})


def texts(cell):
    """What a cell prints; of a picture nothing, whose text names an object's address."""
    found = [
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs if not kinds(output)[1]
    ]
    return [text for text in found if " at 0x" not in text]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_small_and_with_what_it_printed(path):
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert any(cell.outputs for cell in code(notebook))
    assert len(pictures(notebook)) >= 2
    assert path.stat().st_size < 400_000
